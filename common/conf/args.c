#include "common/conf/conf_priv.h"

#include "common/base/limits.h"
#include "common/base/str.h"
#include "common/sys/file.h"

#include <stdio.h>
#include <string.h>

#define DOC_MAX (256 * 1024)

/* Options that are the same for every program. */
struct common {
	const char *config;
	bool check, help, version, example;
};

/*
 * One word of the command line as an option: its name without dashes, and its value, which is
 * behind "=" or the next word.
 */
struct option {
	char name[64];
	const char *value; /* NULL: not in this word */
};

static int
option_split(const char *word, struct option *out, struct err *err)
{
	const char *equal = strchr(word, '=');
	size_t n = equal != NULL ? (size_t)(equal - word) : strlen(word);

	if (!str_starts(word, "--") || n - 2 >= sizeof(out->name))
		return err_set(err, ERR_INVALID, "unknown option '%.60s'; see --help", word);
	memcpy(out->name, word + 2, n - 2);
	out->name[n - 2] = '\0';
	out->value = equal != NULL ? equal + 1 : NULL;
	return 0;
}

static int
unknown_option(const struct conf_schema *schema, const char *name, struct err *err)
{
	const struct conf_key *near = conf_key_near(schema->keys, schema->key_count, name);

	if (near != NULL && near->type != CONF_SECTION && (near->flags & CONF_FILE_ONLY) == 0)
		return err_set(
		    err, ERR_INVALID, "unknown option --%s; did you mean --%s?", name, near->name);
	return err_set(err, ERR_INVALID, "unknown option --%s; see --help", name);
}

/* --KEY and --no-KEY; false when it is not a bool's option. */
static bool
bool_option(const struct conf_schema *schema, const struct option *o, void *values, bool apply)
{
	bool no = str_starts(o->name, "no-");
	const struct conf_key *k =
	    conf_key_find(schema->keys, schema->key_count, o->name + (no ? 3 : 0));

	if (k == NULL || k->type != CONF_BOOL || (k->flags & CONF_FILE_ONLY) != 0 ||
	    o->value != NULL)
		return false;
	if (apply)
		*(bool *)(void *)((char *)values + k->offset) = !no;
	return true;
}

/* True when it was one of the options of every program. */
static bool
common_flag(const struct option *o, struct common *c)
{
	const struct {
		const char *name;
		bool *flag;
	} flags[] = {{"check-config", &c->check}, {"help", &c->help}, {"version", &c->version},
	    {"print-example", &c->example}};

	for (size_t i = 0; o->value == NULL && i < ARRAY_LEN(flags); i++)
		if (str_equal(o->name, flags[i].name)) {
			*flags[i].flag = true;
			return true;
		}
	return false;
}

/*
 * One option at argv[*at], which is moved behind it and its value. Without apply it is only looked
 * at, so that the file can be read before the command line is laid over it.
 */
static int
take_option(const struct conf_schema *schema, int argc, char **argv, int *at, bool apply,
    void *values, struct common *common, struct err *err)
{
	const char *word = argv[(*at)++];
	const struct conf_key *k;
	struct option o;
	int r = option_split(str_equal(word, "-h") ? "--help" : word, &o, err);

	if (r < 0)
		return r;
	if (common_flag(&o, common) || bool_option(schema, &o, values, apply))
		return 0;
	k = conf_key_find(schema->keys, schema->key_count, o.name);
	if (!str_equal(o.name, "config") &&
	    (k == NULL || k->type == CONF_SECTION || (k->flags & CONF_FILE_ONLY) != 0))
		return unknown_option(schema, o.name, err);
	if (o.value == NULL && *at >= argc)
		return err_set(err, ERR_INVALID, "option --%s needs a value", o.name);
	if (o.value == NULL)
		o.value = argv[(*at)++];
	if (str_equal(o.name, "config"))
		common->config = o.value;
	else if (apply && conf_set(schema, values, o.name, o.value, err) < 0)
		return err_wrap(err, "command line");
	return 0;
}

static bool
is_word(const char *text)
{
	return text[0] != '-' || text[1] == '\0';
}

/* Moves the options to the front of argv, in order, and the words behind them, in order. */
static int
sort_words(const struct conf_schema *schema, int argc, char **argv, struct common *common,
    int *rest, struct err *err)
{
	char **words = mem_array((size_t)argc, sizeof(*words));
	int at = 1, front = 1, count = 0, r = 0;

	while (r == 0 && at < argc) {
		int from = at;

		if (str_equal(argv[at], "--")) {
			for (at++; at < argc; at++)
				words[count++] = argv[at];
			break;
		}
		if (is_word(argv[at])) {
			words[count++] = argv[at++];
			continue;
		}
		r = take_option(schema, argc, argv, &at, false, NULL, common, err);
		for (; r == 0 && from < at; from++)
			argv[front++] = argv[from];
	}
	/* A "--" was dropped: the place that it leaves is the last. */
	for (int i = 0; r == 0 && i < count; i++)
		argv[argc - count + i] = words[i];
	*rest = argc - count;
	for (; r == 0 && front < *rest; front++)
		argv[front] = NULL;
	mem_free(words);
	return r;
}

static int
apply_options(const struct conf_schema *schema, int rest, char **argv, void *values,
    struct common *common, struct err *err)
{
	int at = 1, r = 0;

	while (r == 0 && at < rest && argv[at] != NULL)
		r = take_option(schema, rest, argv, &at, true, values, common, err);
	return r;
}

static int
read_file(const struct conf_schema *schema, const char *asked, void *values, struct err *err)
{
	AUTO(buf_freep)
	struct buf *text = buf_new(LIMIT_CONFIG);
	const char *path = asked != NULL ? asked : schema->file;
	int r;

	if (path == NULL)
		return 0;
	r = file_read(path, LIMIT_CONFIG, text, err);
	if (r == ERR_NOTFOUND && asked == NULL)
		return 0;
	if (r < 0)
		return r;
	return conf_parse(schema, path, buf_span(text), values, err);
}

static int
print(struct buf *text, struct err *err)
{
	int r = buf_error(text, "the document", err);

	if (r < 0)
		return r;
	if (fwrite(text->data, 1, text->len, stdout) != text->len || fflush(stdout) != 0)
		return err_set(err, ERR_IO, "cannot write to standard output");
	return 0;
}

static int
print_asked(const struct conf_schema *schema, const struct common *common, struct err *err)
{
	AUTO(buf_freep)
	struct buf *text = buf_new(DOC_MAX);

	if (common->help)
		conf_put_help(schema, text);
	else if (common->version)
		buf_putf(text, "%s %s\n", schema->program, CERTHERD_VERSION);
	else
		conf_put_example(schema, text);
	return print(text, err);
}

int
conf_from_args(const struct conf_schema *schema, int argc, char **argv, void *values, int *rest,
    enum conf_action *action, struct err *err)
{
	struct common common = {NULL, false, false, false, false};
	int r, at = argc;

	r = sort_words(schema, argc, argv, &common, &at, err);
	if (r < 0)
		return r;
	*rest = at;
	*action = CONF_DONE;
	if (common.help || common.version || common.example)
		return print_asked(schema, &common, err);
	r = read_file(schema, common.config, values, err);
	if (r == 0)
		r = apply_options(schema, at, argv, values, &common, err);
	if (r == 0)
		r = conf_complete(schema, values, err);
	if (r == 0 && schema->check != NULL)
		r = schema->check(values, common.check, err);
	if (r < 0)
		return r;
	if (common.check)
		return puts("the configuration is good") < 0 || fflush(stdout) != 0
		    ? err_set(err, ERR_IO, "cannot write to standard output")
		    : 0;
	*action = CONF_RUN;
	return 0;
}
