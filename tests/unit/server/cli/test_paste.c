/* `cert paste`, which has foreign files read in a process of its own: this program, started anew.
 */

#include "server/import/import.h"

#include "common/base/str.h"
#include "server/cli/cli.h"
#include "tests/unit/server/cli/canned.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define CHANGED                                                                                    \
	"{\"name\":\"a.org\",\"generation\":2,\"seq\":9,\"durability\":\"local\",\"warnings\":[]}"
#define SERVED "{\"served\":2,\"expected\":2}"

static int
run_line(struct cli *c, const char *line, struct err *err)
{
	char copy[1024], *rest = copy, *argv[32];
	int argc = 0, r;

	snprintf(copy, sizeof(copy), "certherd %s --socket %s", line, server.path);
	while (argc < 31 && (argv[argc] = strsep(&rest, " ")) != NULL)
		argc++;
	r = cli_parse(c, argc, argv, err);
	return r < 0 ? r : c->command->run(c, err);
}

/* Certificates are lifted out of anything; what is left out is said. */
static void
test_paste(void **state)
{
	static const struct {
		const char *line;
		int status;
		const char *says; /* the error, or what is printed */
		unsigned certificates;
	} cases[] = {
	    {"cert paste a.org " LIFT_VECTORS "/isrg.pem --json", 0, "\"change\":", 1},
	    {"cert paste a.org " LIFT_VECTORS "/amazon-roots.p7b --json", 0, "\"change\":", 2},
	    {"cert paste a.org " LIFT_VECTORS "/text-json " LIFT_VECTORS "/isrg.pem --json", 0,
		"\"change\":", 1},
	    {"cert paste a.org " LIFT_VECTORS "/isrg.pem " LIFT_VECTORS
	     "/ec_private_key.der --json",
		0, "\"served\":2", 1},
	    {"cert paste a.org " LIFT_VECTORS "/ec_private_key.der", ERR_NOTFOUND, "no certificate",
		0},
	    {"cert paste a.org " LIFT_VECTORS "/jks", ERR_UNAVAIL, "keytool", 0},
	    {"cert paste a.org " LIFT_VECTORS "/nowhere", ERR_NOTFOUND, "nowhere", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct cli c = {.out = BUF_INIT(1024 * 1024), .hint = BUF_INIT(4096)};
		struct err err = {0, ""};
		unsigned certificates = 0;
		const char *said;

		server_start(200, CHANGED, SERVED);
		server.asked[0] = '\0';
		if (run_line(&c, cases[i].line, &err) != cases[i].status)
			fail_msg("%s: %s", cases[i].line, err.text);
		server_stop();
		said = cases[i].status == 0 ? buf_str(&c.out) : err.text;
		if (strstr(said, cases[i].says) == NULL)
			fail_msg("%s: %s", cases[i].line, said);
		for (const char *p = server.asked; (p = strstr(p, "\"MII")) != NULL; p++)
			certificates++;
		assert_int_equal(certificates, cases[i].certificates);
		cli_close(&c);
	}
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_paste),
	};

	if (argc == 2 && str_equal(argv[1], IMPORT_CHILD_WORD))
		return import_child_main();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
