#include "sample.h"

#include "common/sys/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MAX_WORDS 10

static int
run(const char *const *words, struct sample_conf *c, int *rest, enum conf_action *action,
    struct err *err)
{
	char *argv[MAX_WORDS + 2] = {NULL}, *owned[MAX_WORDS + 2];
	int argc = 0, r;

	argv[argc++] = mem_strdup("sample");
	for (; words[argc - 1] != NULL; argc++)
		argv[argc] = mem_strdup(words[argc - 1]);
	memcpy(owned, argv, sizeof(argv));
	conf_init(&sample_schema, c);
	r = conf_from_args(&sample_schema, argc, argv, c, rest, action, err);
	while (argc > 0)
		mem_free(owned[--argc]);
	return r;
}

#define RUN(...) run((const char *const[]){__VA_ARGS__, NULL}, &c, &rest, &action, &err)

static char dir[] = "/tmp/certherd-conf-XXXXXX";
static char file[64];

static int
setup(void **state)
{
	struct err err;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/c.conf", dir);
	return file_write_atomic(
	    file, 0600, span_str("data = /from/file\nworkers = 7\nverbose = yes\n"), &err);
}

static int
teardown(void **state)
{
	(void)state;
	return unlink(file) | rmdir(dir);
}

static void
test_options_over_the_file(void **state)
{
	enum conf_action action = CONF_DONE;
	struct sample_conf c;
	struct err err = {0, ""};
	int rest = 0;

	(void)state;
	/* The order on the command line does not matter: it is over the file. */
	assert_int_equal(
	    RUN("--workers", "9", "--config", file, "--no-verbose", "--peer=q:1", "go"), 0);
	assert_int_equal(action, CONF_RUN);
	assert_int_equal(rest, 7);
	assert_string_equal(c.data, "/from/file");
	assert_int_equal(c.workers, 9);
	assert_false(c.verbose);
	assert_int_equal(c.peers.count, 1);
	conf_fini(&sample_schema, &c);
}

static void
test_no_file_is_needed(void **state)
{
	enum conf_action action = CONF_DONE;
	struct sample_conf c;
	struct err err = {0, ""};
	int rest = 0;

	(void)state;
	assert_int_equal(RUN("--data=/x", "--verbose", "--", "--data"), 0);
	assert_int_equal(action, CONF_RUN);
	assert_int_equal(rest, 4);
	assert_string_equal(c.data, "/x");
	assert_true(c.verbose);
	conf_fini(&sample_schema, &c);
}

/* Options before, between and behind the words; what is behind "--" is words. */
static void
test_words_come_last(void **state)
{
	static const char *const words[] = {
	    "join", "--data", "/x", "-", "--verbose", "two", "--workers=3", "--", "--four", "five"};
	static const char *const rest_words[] = {"join", "-", "two", "--four", "five"};
	char *argv[ARRAY_LEN(words) + 2] = {NULL};
	int argc = 0, rest = 0;
	enum conf_action action = CONF_DONE;
	struct sample_conf c;
	struct err err = {0, ""};

	(void)state;
	argv[argc++] = mem_strdup("sample");
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		argv[argc++] = mem_strdup(words[i]);
	char *owned[ARRAY_LEN(argv)];
	memcpy(owned, argv, sizeof(argv));
	conf_init(&sample_schema, &c);
	assert_int_equal(conf_from_args(&sample_schema, argc, argv, &c, &rest, &action, &err), 0);
	assert_string_equal(c.data, "/x");
	assert_int_equal(c.workers, 3);
	assert_true(c.verbose);
	assert_int_equal(argc - rest, ARRAY_LEN(rest_words));
	for (size_t i = 0; i < ARRAY_LEN(rest_words); i++)
		assert_string_equal(argv[rest + (int)i], rest_words[i]);
	conf_fini(&sample_schema, &c);
	for (int i = 0; i < argc; i++)
		mem_free(owned[i]);
}

static void
test_bad_words(void **state)
{
	static const struct {
		const char *words[4];
		const char *error;
	} cases[] = {
	    {{"--dta", "x"}, "unknown option --dta; did you mean --data?"},
	    {{"-x"}, "unknown option '-x'; see --help"},
	    {{"--data"}, "option --data needs a value"},
	    {{"--data", "x", "--workers=0"}, "command line: workers: '0' is not between 1 and 64"},
	    {{"--port", "x"}, "unknown option --port"},
	    {{"--help=x"}, "unknown option --help"},
	    {{"--workers=2"}, "data is missing"},
	    {{"--config", "/nonexistent/c.conf"}, "/nonexistent/c.conf"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		enum conf_action action = CONF_DONE;
		struct sample_conf c;
		struct err err = {0, ""};
		int rest = 0;

		assert_true(run(cases[i].words, &c, &rest, &action, &err) < 0);
		if (strstr(err.text, cases[i].error) == NULL)
			fail_msg("'%s'", err.text);
		conf_fini(&sample_schema, &c);
	}
}

static void
test_what_only_prints(void **state)
{
	static const char *const words[] = {"--help", "-h", "--version", "--print-example"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		enum conf_action action = CONF_RUN;
		struct sample_conf c;
		struct err err = {0, ""};
		int rest = 0;
		AUTO(mem_freep)
		char *word = mem_strdup(words[i]);

		assert_int_equal(RUN(words[i]), 0);
		assert_int_equal(action, CONF_DONE);
		conf_fini(&sample_schema, &c);
	}
}

static void
test_check_config(void **state)
{
	enum conf_action action = CONF_RUN;
	struct sample_conf c;
	struct err err = {0, ""};
	int rest = 0;

	(void)state;
	assert_int_equal(RUN("--check-config", "--config", file), 0);
	assert_int_equal(action, CONF_DONE);
	conf_fini(&sample_schema, &c);
	assert_int_equal(file_write_atomic(file, 0600, span_str("data = x\n\nbad = 1\n"), &err), 0);
	assert_int_equal(RUN("--check-config", "--config", file), ERR_PARSE);
	assert_non_null(strstr(err.text, "c.conf:3: unknown key 'bad'"));
	conf_fini(&sample_schema, &c);
}

static int
check_workers(const void *values, bool whole, struct err *err)
{
	const struct sample_conf *c = values;

	return whole && c->workers == 3 ? err_set(err, ERR_INVALID, "three is bad luck") : 0;
}

/* The program's own check comes before anything is said to be good. */
static void
test_check_of_the_whole(void **state)
{
	struct conf_schema own = sample_schema;
	enum conf_action action = CONF_DONE;
	struct sample_conf c;
	struct err err = {0, ""};
	int rest = 0;

	(void)state;
	own.check = check_workers;
	{
		char *argv[] = {(char[]){"sample"}, (char[]){"--check-config"}, (char[]){"--data"},
		    (char[]){"x"}, (char[]){"--workers"}, (char[]){"3"}, NULL};

		conf_init(&own, &c);
		assert_int_equal(
		    conf_from_args(&own, 6, argv, &c, &rest, &action, &err), ERR_INVALID);
		assert_string_equal(err.text, "three is bad luck");
		conf_fini(&own, &c);
	}
	{
		char *argv[] = {(char[]){"sample"}, (char[]){"--data"}, (char[]){"x"},
		    (char[]){"--workers"}, (char[]){"3"}, NULL};

		conf_init(&own, &c);
		assert_int_equal(conf_from_args(&own, 5, argv, &c, &rest, &action, &err), 0);
		assert_int_equal(action, CONF_RUN);
		conf_fini(&own, &c);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_options_over_the_file),
	    cmocka_unit_test(test_no_file_is_needed),
	    cmocka_unit_test(test_words_come_last),
	    cmocka_unit_test(test_bad_words),
	    cmocka_unit_test(test_what_only_prints),
	    cmocka_unit_test(test_check_config),
	    cmocka_unit_test(test_check_of_the_whole),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
