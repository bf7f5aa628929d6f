/* Words, options and help: what is typed, before anything is asked of a server. */

#include "server/cli/cli.h"
#include "tests/unit/server/cli/line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void
test_usage_errors(void **state)
{
	static const struct {
		const char *line, *error, *hint;
	} cases[] = {
	    {"frobnicate", "there is no command 'frobnicate'", "'certherd help' lists"},
	    {"certs", "there is no command 'certs'", "did you mean 'certherd cert'?"},
	    {"stauts", "there is no command 'stauts'", "did you mean 'certherd status'?"},
	    {"cert", "'certherd cert' needs one more word", "add, list, show, chain"},
	    {"cert lst", "there is no command 'cert lst'", "did you mean 'certherd cert list'?"},
	    {"cert frob x", "there is no command 'cert frob'", "goes on with one of: add, list"},
	    {"cert add", "something is missing behind 'cert add'",
		"usage: certherd cert add NAME..."},
	    {"cert show a b", "'b' is one word too many", "usage: certherd cert show NAME"},
	    {"cert add a --acces b", "unknown option '--acces'", "did you mean --access?"},
	    {"cert add a -x", "unknown option '-x'", "--help"},
	    {"cert add a --frob", "unknown option '--frob'", "'certherd cert add --help'"},
	    {"cert export a --password-file b", "unknown option",
		"did you mean --export-password-file?"},
	    {"cert add a --access", "option --access needs its NODE,@GROUP,...", ""},
	    {"cert add a --json=yes", "option --json takes no value", ""},
	    {"--data /d --json cert lst", "there is no command 'cert lst'",
		"'certherd cert list'?"},
	    {"--access x cert add a", "unknown option '--access'", "'certherd help' lists"},
	    {"--data /d", "say what to do", "'certherd help' lists"},
	    {"node remove", "something is missing", "usage: certherd node remove NAME"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct cli c = cli_make();
		struct args a;
		struct err err = {0, ""};

		args_make(&a, cases[i].line, NULL);
		assert_int_equal(cli_parse(&c, a.argc, a.argv, &err), ERR_INVALID);
		if (strstr(err.text, cases[i].error) == NULL ||
		    strstr(buf_str(&c.hint), cases[i].hint) == NULL)
			fail_msg("%s: '%s' '%s'", cases[i].line, err.text, buf_str(&c.hint));
		args_fini(&a);
		cli_fini(&c);
	}
}

static void
test_words_and_options(void **state)
{
	struct cli c = cli_make();
	struct buf list = BUF_INIT(256);
	struct json_writer w = JSON_WRITER(&list);
	struct args a;
	struct err err;

	(void)state;
	args_make(
	    &a, "cert add a --access x,y b --new-key --access=z --name=q --name r -- --c", NULL);
	assert_int_equal(cli_parse(&c, a.argc, a.argv, &err), 0);
	assert_string_equal(c.command->verb, "add");
	assert_int_equal(c.word_count, 3);
	assert_string_equal(c.words[1], "b");
	assert_string_equal(c.words[2], "--c");
	assert_true(cli_flag(&c, "new-key"));
	assert_false(c.json);
	assert_string_equal(cli_option(&c, "name"), "r");
	json_put_object(&w, NULL);
	cli_put_list(&c, &w, "access", "access");
	json_put_end(&w);
	assert_string_equal(buf_str(&list), "{\"access\":[\"x\",\"y\",\"z\"]}");
	buf_fini(&list);
	args_fini(&a);
	cli_fini(&c);
}

/* Also before and between the words of the command, for those that every command takes. */
static void
test_options_stand_anywhere(void **state)
{
	static const char *const lines[] = {
	    "--data cert cert --json show a --socket=s",
	    "cert --data cert show --socket s --json a",
	    "--json --data=cert --socket s cert show a",
	    "cert show --socket s -- a --json --data cert",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct cli c = cli_make();
		struct args a;
		struct err err = {0, ""};
		int r;

		args_make(&a, lines[i], NULL);
		r = cli_parse(&c, a.argc, a.argv, &err);
		if (i == ARRAY_LEN(lines) - 1) {
			assert_int_equal(r, ERR_INVALID); /* all words, and too many */
		} else {
			assert_int_equal(r, 0);
			assert_string_equal(c.command->verb, "show");
			assert_int_equal(c.word_count, 1);
			assert_string_equal(c.words[0], "a");
			assert_string_equal(cli_option(&c, "data"), "cert");
			assert_string_equal(cli_option(&c, "socket"), "s");
			assert_true(c.json);
		}
		args_fini(&a);
		cli_fini(&c);
	}
}

static void
test_every_command_has_help(void **state)
{
	(void)state;
	for (size_t i = 0; i < cli_command_count; i++) {
		const struct cli_command *cmd = cli_commands[i];
		struct cli c = cli_make();
		struct args a;
		struct err err;
		char line[128], example[128];

		snprintf(line, sizeof(line), "%s %s --help", cmd->noun,
		    cmd->verb != NULL ? cmd->verb : "");
		args_make(&a, line, NULL);
		assert_int_equal(cli_parse(&c, a.argc, a.argv, &err), 0);
		assert_true(c.help);
		assert_ptr_equal(c.command, cmd);
		cli_put_help(cmd, &c.out);
		snprintf(example, sizeof(example), "  certherd %s%s%s", cmd->noun,
		    cmd->verb != NULL ? " " : "", cmd->verb != NULL ? cmd->verb : "");
		assert_non_null(strstr(buf_str(&c.out), example));
		for (size_t j = 0; j < cmd->option_count; j++)
			assert_non_null(strstr(buf_str(&c.out), cmd->options[j].name));
		args_fini(&a);
		cli_fini(&c);
	}
}

static void
test_help_of_all(void **state)
{
	static const char *const lines[] = {
	    "", "help", "--help", "-h", "cert --help", "--data /d --help", "--json cert --help"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct cli c = cli_make();
		struct args a;
		struct err err;

		args_make(&a, lines[i], NULL);
		assert_int_equal(cli_parse(&c, a.argc, a.argv, &err), 0);
		assert_true(c.help);
		assert_null(c.command);
		args_fini(&a);
		cli_fini(&c);
	}
}

static void
test_help_behind_help(void **state)
{
	struct cli c = cli_make();
	struct args a;
	struct err err;

	(void)state;
	args_make(&a, "help cert add", NULL);
	assert_int_equal(cli_parse(&c, a.argc, a.argv, &err), 0);
	assert_true(c.help);
	assert_string_equal(c.command->verb, "add");
	args_fini(&a);
	cli_fini(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_usage_errors),
	    cmocka_unit_test(test_words_and_options),
	    cmocka_unit_test(test_options_stand_anywhere),
	    cmocka_unit_test(test_every_command_has_help),
	    cmocka_unit_test(test_help_of_all),
	    cmocka_unit_test(test_help_behind_help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
