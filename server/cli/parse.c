#include "server/cli/cli.h"

#include "common/base/num.h"
#include "common/base/str.h"

#include <string.h>

/* Options that every command takes. */
static const struct cli_option common_options[] = {
    {"data", "DIR", "Data directory of the domain on this host; /var/lib/certherd if not given."},
    {"socket", "FILE", "UNIX socket of the server; found below the data directory if not given."},
    {"json", NULL, "Print JSON, for programs."},
    {"help", NULL, "Explain the command."},
};

static bool
is_option(const char *word)
{
	return word[0] == '-' && word[1] != '\0';
}

static const struct cli_option *
find_in(const struct cli_option *options, size_t count, const char *name, size_t len)
{
	for (size_t i = 0; i < count; i++)
		if (span_equal(span_str(options[i].name), SPAN(name, len)))
			return &options[i];
	return NULL;
}

static const struct cli_option *
find_option(const struct cli *c, const char *name, size_t len)
{
	const struct cli_option *o = find_in(common_options, ARRAY_LEN(common_options), name, len);

	if (o == NULL && c->command != NULL)
		o = find_in(c->command->options, c->command->option_count, name, len);
	return o;
}

/* Letters in common at the front, for suggestions; words with none are no hint. */
static size_t
likeness(const char *a, const char *b)
{
	size_t n = 0, m = 0;

	while (a[n] != '\0' && a[n] == b[n])
		n++;
	/* A swapped or doubled letter in the middle: count what fits from behind, too. */
	for (size_t i = strlen(a), j = strlen(b); i > n && j > n && a[i - 1] == b[j - 1]; i--, j--)
		m++;
	return n + m;
}

static bool
is_near(const char *typed, const char *word)
{
	size_t longer = strlen(typed) > strlen(word) ? strlen(typed) : strlen(word);

	return likeness(typed, word) + 2 >= longer && likeness(typed, word) * 2 > longer;
}

static bool
has_noun(const char *noun)
{
	for (size_t i = 0; i < cli_command_count; i++)
		if (str_equal(cli_commands[i]->noun, noun))
			return true;
	return false;
}

static int
unknown_noun(struct cli *c, const char *noun, struct err *err)
{
	for (size_t i = 0; i < cli_command_count; i++)
		if (is_near(noun, cli_commands[i]->noun)) {
			cli_hint(c,
			    "did you mean 'certherd %s'? 'certherd help' lists the commands",
			    cli_commands[i]->noun);
			break;
		}
	if (c->hint.len == 0)
		cli_hint(c, "'certherd help' lists the commands");
	return err_set(err, ERR_INVALID, "there is no command '%.60s'", noun);
}

static int
unknown_verb(struct cli *c, const char *noun, const char *verb, struct err *err)
{
	struct buf verbs = BUF_INIT(1024);
	const char *near = NULL;

	for (size_t i = 0; i < cli_command_count; i++) {
		const struct cli_command *cmd = cli_commands[i];

		if (!str_equal(cmd->noun, noun) || cmd->verb == NULL)
			continue;
		buf_putf(&verbs, "%s%s", verbs.len > 0 ? ", " : "", cmd->verb);
		if (verb != NULL && near == NULL && is_near(verb, cmd->verb))
			near = cmd->verb;
	}
	if (near != NULL)
		cli_hint(c, "did you mean 'certherd %s %s'?", noun, near);
	else
		cli_hint(c, "'certherd %s' goes on with one of: %s", noun, buf_str(&verbs));
	buf_fini(&verbs);
	if (verb == NULL)
		return err_set(err, ERR_INVALID, "'certherd %s' needs one more word", noun);
	return err_set(err, ERR_INVALID, "there is no command '%s %.60s'", noun, verb);
}

/*
 * A copy of the command line in which the words of the command stand first: options that every
 * command takes may stand before and between them. Which options a command has of its own is not
 * known yet.
 */
static char **
words_first(int argc, char **argv)
{
	char **line = mem_array((size_t)argc + 1, sizeof(*line));

	memcpy(line, argv, (size_t)argc * sizeof(*line));
	for (int at = 1, front = 1; at < argc && front <= 2; at++) {
		char *word = line[at];
		const char *name = word + 2;
		const struct cli_option *o;

		if (!is_option(word)) {
			memmove(
			    line + front + 1, line + front, (size_t)(at - front) * sizeof(*line));
			line[front++] = word;
			continue;
		}
		o = str_starts(word, "--")
		    ? find_in(common_options, ARRAY_LEN(common_options), name, strcspn(name, "="))
		    : NULL;
		if (o == NULL)
			break;
		if (o->argument != NULL && strchr(name, '=') == NULL)
			at++;
	}
	return line;
}

/* The command of the first one or two words that are no options. */
static int
find_command(struct cli *c, int argc, char **argv, bool help, int *used, struct err *err)
{
	const char *noun = argc > 1 && !is_option(argv[1]) ? argv[1] : NULL;
	const char *verb = argc > 2 && !is_option(argv[2]) ? argv[2] : NULL;

	*used = noun != NULL ? 2 : 1;
	if (argc == 2 && str_equal(argv[1], "--version")) {
		noun = "version";
		*used = 2;
	}
	if (noun == NULL || str_equal(noun, "help"))
		return 0;
	for (size_t i = 0; i < cli_command_count; i++) {
		const struct cli_command *cmd = cli_commands[i];

		if (!str_equal(cmd->noun, noun))
			continue;
		if (cmd->verb == NULL || (verb != NULL && str_equal(cmd->verb, verb))) {
			c->command = cmd;
			*used = cmd->verb == NULL ? 2 : 3;
			return 0;
		}
	}
	if (!has_noun(noun))
		return unknown_noun(c, noun, err);
	/* "certherd cert --help" lists what there is of cert. */
	for (int at = 2; at < argc && !help; at++)
		help = str_equal(argv[at], "--help") || str_equal(argv[at], "-h");
	if (verb == NULL && help) {
		c->noun = noun;
		return 0;
	}
	return unknown_verb(c, noun, verb, err);
}

/* The option that was meant: misspelt, or with a word too few in front or behind. */
static const char *
near_option(const struct cli *c, const char *name, size_t len)
{
	AUTO(mem_freep)
	char *typed = mem_printf("%.*s", (int)(len < 64 ? len : 64), name);

	for (size_t i = 0; c->command != NULL && i < c->command->option_count; i++) {
		const char *there = c->command->options[i].name;
		const char *part = strlen(typed) >= 4 ? strstr(there, typed) : NULL;

		if (is_near(typed, there) ||
		    (part != NULL && (part == there || part[strlen(typed)] == '\0')))
			return there;
	}
	return NULL;
}

static int
take_option(struct cli *c, int argc, char **argv, int *at, struct err *err)
{
	const char *word = str_equal(argv[*at], "-h") ? "--help" : argv[*at];
	const char *name = word + 2, *equal = strchr(word, '=');
	size_t len = equal != NULL ? (size_t)(equal - name) : strlen(word) - 2;
	const struct cli_option *o = str_starts(word, "--") ? find_option(c, name, len) : NULL;
	const char *value = equal != NULL ? equal + 1 : NULL;

	if (o == NULL) {
		const char *near = str_starts(word, "--") ? near_option(c, name, len) : NULL;

		if (near != NULL)
			cli_hint(c, "did you mean --%s?", near);
		else if (c->command != NULL)
			cli_hint(c, "'certherd %s%s%s --help' lists the options", c->command->noun,
			    c->command->verb != NULL ? " " : "",
			    c->command->verb != NULL ? c->command->verb : "");
		else
			cli_hint(c,
			    "'certherd help' lists the commands; their own options stand behind");
		return err_set(err, ERR_INVALID, "unknown option '%.60s'", word);
	}
	if (o->argument == NULL && value != NULL)
		return err_set(err, ERR_INVALID, "option --%s takes no value", o->name);
	if (o->argument != NULL && value == NULL) {
		if (*at + 1 >= argc)
			return err_set(
			    err, ERR_INVALID, "option --%s needs its %s", o->name, o->argument);
		value = argv[++*at];
	}
	if (c->value_count == CLI_VALUES_MAX)
		return err_set(err, ERR_LIMIT, "more than %d options", CLI_VALUES_MAX);
	c->values[c->value_count++] = (struct cli_value){o->name, value != NULL ? value : ""};
	return 0;
}

static int
check_words(struct cli *c, struct err *err)
{
	const struct cli_command *cmd = c->command;

	if (c->word_count >= cmd->least && c->word_count <= cmd->most)
		return 0;
	cli_hint(c, "usage: certherd %s%s%s%s%s [OPTION...]", cmd->noun,
	    cmd->verb != NULL ? " " : "", cmd->verb != NULL ? cmd->verb : "",
	    cmd->args != NULL ? " " : "", cmd->args != NULL ? cmd->args : "");
	if (c->word_count < cmd->least)
		return err_set(err, ERR_INVALID, "something is missing behind '%s%s%s'", cmd->noun,
		    cmd->verb != NULL ? " " : "", cmd->verb != NULL ? cmd->verb : "");
	if (cmd->most > 2)
		return err_set(err, ERR_INVALID,
		    "'%.60s' is one word too many: at most %u are possible", c->words[cmd->most],
		    cmd->most);
	return err_set(err, ERR_INVALID, "'%.60s' is one word too many", c->words[cmd->most]);
}

static int
parse_line(struct cli *c, int argc, char **argv, struct err *err)
{
	bool only_words = false, help = argc > 2 && str_equal(argv[1], "help");
	int at, r;

	/* "certherd help cert add" is "certherd cert add --help". */
	if (help) {
		argv++;
		argc--;
	}
	r = find_command(c, argc, argv, help, &at, err);
	for (; r == 0 && at < argc; at++) {
		if (!only_words && str_equal(argv[at], "--")) {
			only_words = true;
		} else if (!only_words && is_option(argv[at])) {
			r = take_option(c, argc, argv, &at, err);
		} else {
			c->words[c->word_count++] = argv[at];
		}
	}
	if (r < 0)
		return r;
	if (c->command == NULL && c->noun == NULL && !help && !cli_flag(c, "help") &&
	    c->value_count > 0) {
		cli_hint(c, "'certherd help' lists the commands");
		return err_set(err, ERR_INVALID, "say what to do");
	}
	c->json = cli_flag(c, "json");
	c->help = help || cli_flag(c, "help") || c->command == NULL;
	return c->help ? 0 : check_words(c, err);
}

int
cli_parse(struct cli *c, int argc, char **argv, struct err *err)
{
	char **line = words_first(argc, argv);
	int r;

	c->words = mem_array((size_t)argc + 1, sizeof(*c->words));
	r = parse_line(c, argc, line, err);
	mem_free(line);
	return r;
}

const char *
cli_option(const struct cli *c, const char *name)
{
	for (size_t i = c->value_count; i > 0; i--)
		if (str_equal(c->values[i - 1].name, name))
			return c->values[i - 1].value;
	return NULL;
}

bool
cli_flag(const struct cli *c, const char *name)
{
	return cli_option(c, name) != NULL;
}

void
cli_put_list(const struct cli *c, struct json_writer *w, const char *member, const char *name)
{
	json_put_array(w, member);
	for (size_t i = 0; i < c->value_count; i++) {
		const char *text = c->values[i].value;

		while (str_equal(c->values[i].name, name) && *text != '\0') {
			size_t n = strcspn(text, ",");

			if (n > 0)
				json_put_span(w, NULL, SPAN(text, n));
			text += n + (text[n] == ',');
		}
	}
	json_put_end(w);
}

void
cli_put_each(const struct cli *c, struct json_writer *w, const char *member, const char *name)
{
	json_put_array(w, member);
	for (size_t i = 0; i < c->value_count; i++)
		if (str_equal(c->values[i].name, name))
			json_put_text(w, NULL, c->values[i].value);
	json_put_end(w);
}

void
cli_put_option(const struct cli *c, struct json_writer *w, const char *member, const char *name)
{
	const char *value = cli_option(c, name);

	if (value != NULL)
		json_put_text(w, member, value);
}

int
cli_duration(
    const struct cli *c, const char *name, uint64_t otherwise_ms, uint64_t *out_ms, struct err *err)
{
	const char *text = cli_option(c, name);
	int64_t seconds;
	int r;

	*out_ms = otherwise_ms;
	if (text == NULL)
		return 0;
	r = num_parse_duration(text, 0, 86400, &seconds, err);
	if (r < 0) {
		(void)!err_wrap(err, "option --%s", name);
		return err->code = ERR_INVALID;
	}
	*out_ms = (uint64_t)seconds * 1000;
	return 0;
}

/* ------------------------------------------------------------------------- help */

static void
put_options(struct buf *out, const struct cli_option *options, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		AUTO(mem_freep)
		char *left =
		    mem_printf("--%s%s%s", options[i].name, options[i].argument != NULL ? " " : "",
			options[i].argument != NULL ? options[i].argument : "");

		/* The few long ones stand alone, so that the column stays near. */
		if (strlen(left) > 26)
			buf_putf(out, "  %s\n  %-26s %s\n", left, "", options[i].help);
		else
			buf_putf(out, "  %-26s %s\n", left, options[i].help);
	}
}

static void
put_command_help(const struct cli_command *cmd, struct buf *out)
{
	buf_putf(out, "usage: certherd %s%s%s%s%s [OPTION...]\n\n%s\n", cmd->noun,
	    cmd->verb != NULL ? " " : "", cmd->verb != NULL ? cmd->verb : "",
	    cmd->args != NULL ? " " : "", cmd->args != NULL ? cmd->args : "", cmd->summary);
	buf_put_str(out, "\noptions:\n");
	put_options(out, cmd->options, cmd->option_count);
	put_options(out, common_options, ARRAY_LEN(common_options));
	buf_putf(out, "\nexamples:\n%s", cmd->examples);
}

/* All commands, or those of one noun. */
static void
put_commands(const char *only, struct buf *out)
{
	const char *noun = "";

	for (size_t i = 0; i < cli_command_count; i++) {
		const struct cli_command *cmd = cli_commands[i];
		if (only != NULL && !str_equal(cmd->noun, only))
			continue;
		AUTO(mem_freep)
		char *left = mem_printf("%s%s%s%s%s", cmd->noun, cmd->verb != NULL ? " " : "",
		    cmd->verb != NULL ? cmd->verb : "", cmd->args != NULL ? " " : "",
		    cmd->args != NULL ? cmd->args : "");

		if (only == NULL && !str_equal(noun, cmd->noun) && cmd->verb != NULL)
			buf_put_str(out, "\n");
		noun = cmd->noun;
		buf_putf(out, "  %-36s %s\n", left, cmd->summary);
	}
	buf_put_str(out,
	    "\nEvery command takes --help (with examples), --json, --data DIR and "
	    "--socket FILE.\n");
}

void
cli_put_help(const struct cli_command *command, struct buf *out)
{
	if (command != NULL) {
		put_command_help(command, out);
		return;
	}
	buf_put_str(out,
	    "usage: certherd COMMAND [WORD...] [OPTION...]\n\n"
	    "Administers a domain of servers that share certificates.\n");
	put_commands(NULL, out);
}

void
cli_put_noun_help(const char *noun, struct buf *out)
{
	buf_putf(out, "usage: certherd %s WORD... [OPTION...]\n\n", noun);
	put_commands(noun, out);
}
