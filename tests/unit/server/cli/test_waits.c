/* What a change prints, and how long it waits for the nodes. */

#include "common/base/str.h"
#include "common/http/http.h"
#include "tests/unit/server/cli/canned.h"
#include "tests/unit/server/cli/line.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Changes of a credential wait until the nodes serve it. */
static void
test_changes_that_wait(void **state)
{
	static const struct {
		const char *line, *request, *body;
	} cases[] = {
	    {"cert add a.org b.org --access x,@y --name n --key-type rsa-2048 --issuer micro --ca "
	     "c "
	     "--lifetime 9d --renew-percent 20 --new-key --stale-after 1d",
		"POST /v1/certs",
		"{\"names\":[\"a.org\",\"b.org\"],\"name\":\"n\",\"key_type\":\"rsa-2048\","
		"\"issuer\":\"micro\",\"ca\":\"c\",\"lifetime\":\"9d\",\"stale_after\":\"1d\","
		"\"access\":[\"x\",\"@y\"],\"renew_percent\":20,\"new_key\":true}"},
	    {"cert add a.org", "POST /v1/certs", "{\"names\":[\"a.org\"]}"},
	    {"cert renew a.org", "POST /v1/certs/a.org/renew", "{}"},
	    {"cert renew a.org --new-key", "POST /v1/certs/a.org/renew", "{\"new_key\":true}"},
	    {"cert access a.org --add x --remove @y,z --keep-key", "PUT /v1/certs/a.org/access",
		"{\"add\":[\"x\"],\"remove\":[\"@y\",\"z\"],\"keep_key\":true}"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct cli c = cli_make();
		struct err err = {0, ""};

		server_start(200, CHANGED, SERVED);
		c.json = true;
		{
			char line[512];

			snprintf(line, sizeof(line), "%s --json", cases[i].line);
			if (run(&c, line, &err) != 0)
				fail_msg("%s: %s", cases[i].line, err.text);
		}
		server_stop();
		if (!str_starts(server.asked, cases[i].request) ||
		    strcmp(strstr(server.asked, "\r\n\r\n") + 4, cases[i].body) != 0)
			fail_msg("%s: %s", cases[i].line, server.asked);
		assert_int_equal(server.count, 2);
		assert_non_null(strstr(buf_str(&c.out), "\"served\":2,\"expected\":2"));
		cli_fini(&c);
	}
}

/* What people read of it: no more than what they can use. */
static void
test_how_far_the_nodes_are(void **state)
{
	static const char some[] = "{\"served\":1,\"expected\":2}", none[] = "{\"served\":0}";
	static const char made[] =
	    "credential a.org is renewed: generation 2, until 2027-01-15 08:00 "
	    "UTC\nwarning: look out\n";
	static const struct {
		const char *line, *later, *says;
	} cases[] = {
	    {"cert renew a.org", SERVED, "served by 2 of 2 nodes after "},
	    {"cert renew a.org --wait 1s", some,
		"served by 1 of 2 nodes after 1 s; the others follow when they can: 'certherd cert "
		"show a.org' says which\n"},
	    {"cert renew a.org --no-wait", some, ""},
	    {"cert renew a.org", none, ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct cli c = cli_make();
		struct err err = {0, ""};
		char text[1024] = "";
		FILE *printed = tmpfile();
		int before, r;

		/* It is printed at once, so standard output is another one for that time. */
		assert_non_null(printed);
		fflush(stdout);
		before = dup(STDOUT_FILENO);
		dup2(fileno(printed), STDOUT_FILENO);
		server_start(200, CHANGED, cases[i].later);
		r = run(&c, cases[i].line, &err);
		server_stop();
		fflush(stdout);
		dup2(before, STDOUT_FILENO);
		close(before);
		rewind(printed);
		(void)!fread(text, 1, sizeof(text) - 1, printed);
		fclose(printed);
		if (r != 0 || !str_starts(text, made) ||
		    !str_starts(text + strlen(made), cases[i].says) ||
		    (*cases[i].says == '\0') != (strlen(text) == strlen(made)))
			fail_msg("%s: %s%s", cases[i].line, err.text, text);
		cli_fini(&c);
	}
}

/* One JSON document, of the same shape for one name and for many. */
static void
test_several_names(void **state)
{
	static const struct {
		const char *line;
		size_t count;
		const char *first, *last;
	} cases[] = {
	    {"group add g a b c --json", 3, "a", "c"},
	    {"group add g a --json", 1, "a", "a"},
	    {"group remove g b a --json", 2, "b", "a"},
	    {"cert renew a.org --no-wait --json", 1, "a.org", "a.org"},
	    {"cert renew a.org a.org --no-wait --json", 2, "a.org", "a.org"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct cli c = cli_make();
		AUTO(json_freep)
		struct json *root = NULL;
		const struct json *list;
		struct err err = {0, ""};

		server_start(200, CHANGED, CHANGED);
		assert_int_equal(run(&c, cases[i].line, &err), 0);
		server_stop();
		if (json_parse(buf_span(&c.out), 65536, &root, &err) < 0)
			fail_msg("%s: %s: %s", cases[i].line, err.text, buf_str(&c.out));
		list = json_member(root, "results");
		assert_int_equal(json_count(list), cases[i].count);
		assert_string_equal(json_text(json_item(list, 0), "name"), cases[i].first);
		assert_string_equal(
		    json_text(json_item(list, cases[i].count - 1), "name"), cases[i].last);
		assert_non_null(json_member(json_item(list, 0), "change"));
		cli_fini(&c);
	}
}

static void
test_wait_ends(void **state)
{
	struct cli c = cli_make();
	struct err err = {0, ""};

	(void)state;
	server_start(200, CHANGED, "{\"served\":1,\"expected\":2}");
	assert_int_equal(run(&c, "cert renew a.org --no-wait --json", &err), 0);
	server_stop();
	assert_int_equal(server.count, 2);
	assert_non_null(strstr(buf_str(&c.out), "\"served\":1,\"expected\":2"));
	cli_fini(&c);
}

/* The first that fails ends it, and the rest is said to be undone. */
static void
test_one_of_several_fails(void **state)
{
	struct cli c = cli_make();
	struct err err = {0, ""};

	(void)state;
	server_start(404, "{\"error\":{\"code\":\"not-found\",\"text\":\"none\"}}", NULL);
	assert_int_equal(run(&c, "cert renew a.org b.org c.org --no-wait", &err), ERR_NOTFOUND);
	server_stop();
	assert_int_equal(server.count, 1);
	assert_non_null(strstr(buf_str(&c.hint), "nothing was done for 'b.org'"));
	cli_fini(&c);
}

/* What was changed is said also when nobody can tell how far the nodes are. */
static void
test_wait_fails(void **state)
{
	struct cli c = cli_make();
	struct err err = {0, ""};

	(void)state;
	server_start(200, CHANGED, "<html>");
	assert_true(run(&c, "cert rekey a.org --json", &err) < 0);
	server_stop();
	assert_non_null(strstr(buf_str(&c.out), "\"name\":\"a.org\""));
	assert_non_null(strstr(buf_str(&c.out), "\"generation\":2"));
	cli_fini(&c);
}

static int
setup(void **state)
{
	struct err err;

	(void)state;
	return http_init(&err);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_changes_that_wait),
	    cmocka_unit_test(test_how_far_the_nodes_are),
	    cmocka_unit_test(test_several_names),
	    cmocka_unit_test(test_wait_ends),
	    cmocka_unit_test(test_one_of_several_fails),
	    cmocka_unit_test(test_wait_fails),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
