#include "common/conf/conf_priv.h"

#include "common/base/str.h"

#include <string.h>

#define INDENT 28
#define LINE_MOST 100
#define HELP_MAX 4096

const char *
conf_argument(const struct conf_key *key)
{
	static const char *const words[] = {
	    [CONF_STRING] = "TEXT",
	    [CONF_PATH] = "PATH",
	    [CONF_CHOICE] = "WORD",
	    [CONF_INT] = "NUMBER",
	    [CONF_SIZE] = "SIZE",
	    [CONF_DURATION] = "DURATION",
	    [CONF_BOOL] = "BOOL",
	    [CONF_LIST] = "LIST",
	    [CONF_SECTION] = "NAME",
	};

	return key->argument != NULL ? key->argument : words[key->type];
}

static void
put_amount(const struct conf_key *key, int64_t v, struct buf *out)
{
	static const struct {
		int64_t size;
		const char *unit;
	} sizes[] = {{1 << 30, "g"}, {1 << 20, "m"}, {1 << 10, "k"}},
	  times[] = {{365 * 86400, "y"}, {86400, "d"}, {3600, "h"}, {60, "m"}, {1, "s"}};

	for (size_t i = 0; key->type == CONF_SIZE && i < ARRAY_LEN(sizes); i++)
		if (v != 0 && v % sizes[i].size == 0) {
			buf_putf(out, "%lld%s", (long long)(v / sizes[i].size), sizes[i].unit);
			return;
		}
	for (size_t i = 0; key->type == CONF_DURATION && i < ARRAY_LEN(times); i++)
		if (v % times[i].size == 0) {
			buf_putf(out, "%lld%s", (long long)(v / times[i].size), times[i].unit);
			return;
		}
	buf_putf(out, "%lld", (long long)v);
}

void
conf_put_range(const struct conf_key *key, struct buf *out)
{
	if (key->type == CONF_CHOICE) {
		for (size_t i = 0; key->choices[i] != NULL; i++)
			buf_putf(out, "%s%s", i > 0 ? ", " : "one of ", key->choices[i]);
		return;
	}
	if (key->min == 0 && key->max == 0)
		return;
	put_amount(key, key->min, out);
	buf_put_str(out, " to ");
	put_amount(key, key->max, out);
	if (key->type == CONF_LIST)
		buf_put_str(out, " items");
	else if (key->type == CONF_STRING || key->type == CONF_PATH)
		buf_put_str(out, " characters");
	else if (key->type == CONF_SECTION)
		buf_put_str(out, " sections");
}

/* "Default 443; 1 to 65535." behind a help sentence; nothing when there is nothing to say. */
static void
put_facts(const struct conf_key *key, struct buf *out)
{
	size_t before = out->len;

	if ((key->flags & CONF_REQUIRED) != 0)
		buf_put_str(out, " Required");
	else if (key->value != NULL && key->value[0] != '\0')
		buf_putf(out, " Default %s", key->value);
	if (key->type == CONF_LIST || key->type == CONF_SECTION) {
		/* How few there may be is said by Required and Default. */
		if (key->max != 0)
			buf_putf(out, "%s %lld", out->len > before ? "; at most" : " At most",
			    (long long)key->max);
	} else if (key->type == CONF_CHOICE || key->min != 0 || key->max != 0) {
		buf_put_str(out, out->len > before ? "; " : " ");
		conf_put_range(key, out);
	}
	if (out->len > before)
		buf_put_str(out, ".");
}

static bool
is_option(const struct conf_key *key)
{
	return key->type != CONF_SECTION && (key->flags & CONF_FILE_ONLY) == 0;
}

/* Words behind an indent that is there already, in lines that end before LINE_MOST. */
static void
put_wrapped(struct buf *out, size_t indent, const char *text)
{
	size_t column = indent;

	while (*text != '\0') {
		size_t n = strcspn(text, " ");

		if (column > indent && column + 1 + n > LINE_MOST) {
			buf_putf(out, "\n%*s", (int)indent, "");
			column = indent;
		} else if (column > indent) {
			buf_put_u8(out, ' ');
			column++;
		}
		buf_put_span(out, SPAN(text, n));
		column += n;
		text += n + strspn(text + n, " ");
	}
	buf_put_u8(out, '\n');
}

/* A long name stands alone, so that the texts stay below each other. */
static void
put_option(struct buf *out, const char *left, const char *help)
{
	if (strlen(left) >= INDENT)
		buf_putf(out, "  %s\n%*s", left, INDENT + 2, "");
	else
		buf_putf(out, "  %-*s", INDENT, left);
	put_wrapped(out, INDENT + 2, help);
}

void
conf_put_help(const struct conf_schema *schema, struct buf *out)
{
	struct buf text = BUF_INIT(HELP_MAX);

	buf_putf(out, "usage: %s %s\n\n", schema->program,
	    schema->usage != NULL ? schema->usage : "[OPTION...]");
	put_wrapped(out, 0, schema->about);
	buf_put_str(out, "\noptions:\n");
	for (size_t i = 0; i < schema->key_count; i++) {
		const struct conf_key *k = &schema->keys[i];
		AUTO(mem_freep)
		char *left = NULL;

		if (!is_option(k))
			continue;
		left = k->type == CONF_BOOL ? mem_printf("--[no-]%s", k->name)
					    : mem_printf("--%s %s", k->name, conf_argument(k));
		buf_clear(&text);
		buf_put_str(&text, k->help);
		put_facts(k, &text);
		put_option(out, left, buf_str(&text));
	}
	buf_clear(&text);
	buf_put_str(&text, "Configuration file.");
	if (schema->file != NULL)
		buf_putf(&text, " Default %s, if it is there.", schema->file);
	put_option(out, "--config FILE", buf_str(&text));
	buf_fini(&text);
	put_option(out, "--check-config", "Read everything, say what is wrong, and end.");
	put_option(out, "--print-example", "Print a commented configuration file.");
	put_option(out, "--version", "Print the version.");
	put_option(out, "--help", "Print this.");
}

/* A vertical bar would end the cell of a table. */
static void
put_cell(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++)
		buf_putf(out, *text == '|' ? "\\%c" : "%c", *text);
}

static void
put_markdown_rows(const struct conf_key *keys, size_t count, struct buf *out)
{
	buf_put_str(out, "| key | value | default | range | meaning |\n|---|---|---|---|---|\n");
	for (size_t i = 0; i < count; i++) {
		const struct conf_key *k = &keys[i];

		if (k->type == CONF_SECTION)
			continue;
		buf_putf(out, "| `%s` | %s | ", k->name, conf_argument(k));
		if ((k->flags & CONF_REQUIRED) != 0)
			buf_put_str(out, "(required)");
		else if (k->value != NULL && k->value[0] != '\0')
			buf_putf(out, "`%s`", k->value);
		buf_put_str(out, " | ");
		conf_put_range(k, out);
		buf_put_str(out, " | ");
		put_cell(out, k->help);
		buf_put_str(out, " |\n");
	}
}

void
conf_put_markdown(const struct conf_schema *schema, struct buf *out)
{
	put_markdown_rows(schema->keys, schema->key_count, out);
	for (size_t i = 0; i < schema->key_count; i++) {
		const struct conf_key *k = &schema->keys[i];

		if (k->type != CONF_SECTION)
			continue;
		buf_putf(out, "\n`%s \"%s\" { ... }`: %s\n\n", k->name, conf_argument(k), k->help);
		put_markdown_rows(k->keys, k->key_count, out);
	}
}

/* A dot or quote at the start of a line would be a macro of mdoc; a backslash always. */
static void
put_mdoc_text(struct buf *out, const char *text)
{
	if (*text == '.' || *text == '\'')
		buf_put_str(out, "\\&");
	for (; *text != '\0'; text++) {
		if (*text == '\\')
			buf_put_str(out, "\\e");
		else
			buf_put_u8(out, (uint8_t)*text);
	}
	buf_put_str(out, "\n");
}

static void
put_mdoc_items(const struct conf_key *keys, size_t count, struct buf *out)
{
	buf_put_str(out, ".Bl -tag -width Ds\n");
	for (size_t i = 0; i < count; i++) {
		const struct conf_key *k = &keys[i];
		struct buf facts = BUF_INIT(4096);

		if (k->type == CONF_SECTION)
			buf_putf(out, ".It Ic %s Qo Ar %s Qc Brq ...\n", k->name, conf_argument(k));
		else
			buf_putf(out, ".It Ic %s No = Ar %s\n", k->name, conf_argument(k));
		put_mdoc_text(out, k->help);
		put_facts(k, &facts);
		if (facts.len > 0)
			put_mdoc_text(out, buf_str(&facts) + 1);
		buf_fini(&facts);
		if (k->type == CONF_SECTION)
			put_mdoc_items(k->keys, k->key_count, out);
	}
	buf_put_str(out, ".El\n");
}

void
conf_put_mdoc(const struct conf_schema *schema, struct buf *out)
{
	put_mdoc_items(schema->keys, schema->key_count, out);
}

static void
put_quoted(struct buf *out, const char *text, size_t len)
{
	buf_put_str(out, "\"");
	for (size_t i = 0; i < len; i++)
		buf_putf(out, text[i] == '"' || text[i] == '\\' ? "\\%c" : "%c", text[i]);
	buf_put_str(out, "\"");
}

static void
put_example_value(const struct conf_key *key, struct buf *out)
{
	const char *value = key->value != NULL ? key->value : conf_argument(key);

	if (key->type != CONF_LIST) {
		put_quoted(out, value, strlen(value));
		return;
	}
	buf_put_str(out, "{");
	while (*value != '\0') {
		size_t n = strcspn(value, ",");

		put_quoted(out, value, n);
		value += n;
		if (*value == ',') {
			buf_put_str(out, ", ");
			value++;
		}
	}
	buf_put_str(out, "}");
}

static void
put_example_keys(
    const struct conf_key *keys, size_t count, const char *before, bool active, struct buf *out)
{
	for (size_t i = 0; i < count; i++) {
		const struct conf_key *k = &keys[i];
		bool has = active && k->value != NULL && k->type != CONF_SECTION;

		buf_putf(out, "%s# %s", before, k->help);
		put_facts(k, out);
		if (k->type == CONF_SECTION) {
			buf_putf(out, "\n#%s \"%s\" {\n", k->name, conf_argument(k));
			put_example_keys(k->keys, k->key_count, "#\t", false, out);
			buf_put_str(out, "#}\n\n");
			continue;
		}
		buf_putf(out, "\n%s%s%s = ", before, has || !active ? "" : "#", k->name);
		if (k->value != NULL || k->type == CONF_LIST)
			put_example_value(k, out);
		else
			buf_putf(out, "\"%s\"", conf_argument(k));
		buf_put_str(out, active ? "\n\n" : "\n");
	}
}

void
conf_put_example(const struct conf_schema *schema, struct buf *out)
{
	buf_putf(out,
	    "# Configuration of %s. Every key is here, with its default; what stands\n"
	    "# behind a # has none, and is shown by what it takes.\n\n",
	    schema->program);
	put_example_keys(schema->keys, schema->key_count, "", true, out);
}
