#include "common/json/json.h"

#include <jansson.h>
#include <string.h>

/*
 * A tree of a request may hold a token: its memory is wiped. Before main, so that no thread and no
 * order of calls matters.
 */
__attribute__((constructor)) static void
set_allocator(void)
{
	json_set_alloc_funcs(mem_wiping_alloc, mem_wiping_free);
}

static const json_t *
tree(const struct json *v)
{
	return (const json_t *)(const void *)v;
}

static const struct json *
node(const json_t *t)
{
	return (const struct json *)(const void *)t;
}

/* jansson's own limit is 2048 levels. Strings are passed over as jansson reads them. */
static bool
too_deep(struct span text)
{
	unsigned depth = 0;
	bool quoted = false;

	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];

		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == '{' || c == '[') && ++depth > LIMIT_JSON_DEPTH)
			return true;
		else if (!quoted && (c == '}' || c == ']') && depth > 0)
			depth--;
	}
	return false;
}

int
json_parse(struct span text, size_t max, struct json **out, struct err *err)
{
	json_error_t where;
	json_t *root;

	if (text.len > max)
		return err_set(
		    err, ERR_LIMIT, "JSON text of %zu bytes, at most %zu", text.len, max);
	if (text.len == 0)
		return err_set(err, ERR_PARSE, "JSON expected, and there is nothing");
	if (too_deep(text))
		return err_set(
		    err, ERR_LIMIT, "JSON nested deeper than %d levels", LIMIT_JSON_DEPTH);
	root = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, &where);
	if (root == NULL) {
		/* The text may quote what was sent: only its plain characters go on. */
		for (char *p = where.text; *p != '\0'; p++)
			if (*p < 0x20 || *p > 0x7e)
				*p = '?';
		return err_set(err, ERR_PARSE, "not valid JSON in line %d, column %d: %s",
		    where.line, where.column, where.text);
	}
	*out = (struct json *)(void *)root;
	return 0;
}

void
json_free(struct json *root)
{
	json_decref((json_t *)(void *)root);
}

const struct json *
json_member(const struct json *object, const char *name)
{
	return node(json_object_get(tree(object), name));
}

size_t
json_count(const struct json *array)
{
	return json_array_size(tree(array));
}

const struct json *
json_item(const struct json *array, size_t at)
{
	return node(json_array_get(tree(array), at));
}

bool
json_is_text(const struct json *v)
{
	return json_is_string(tree(v));
}

bool
json_is_list(const struct json *v)
{
	return json_is_array(tree(v));
}

bool
json_is_map(const struct json *v)
{
	return json_is_object(tree(v));
}

const char *
json_value_text(const struct json *v)
{
	return json_string_value(tree(v));
}

const char *
json_text(const struct json *object, const char *name)
{
	const char *text = json_value_text(json_member(object, name));

	return text != NULL ? text : "";
}

int64_t
json_number(const struct json *object, const char *name)
{
	return json_integer_value(tree(json_member(object, name)));
}

bool
json_flag(const struct json *object, const char *name)
{
	const json_t *v = tree(json_member(object, name));

	return json_is_true(v);
}

static int
put_chunk(const char *data, size_t len, void *arg)
{
	struct buf *out = arg;

	buf_put(out, data, len);
	return out->error != 0 ? -1 : 0;
}

void
json_put_tree(struct buf *out, const struct json *v, unsigned indent)
{
	size_t flags = JSON_ENCODE_ANY | (indent > 0 ? JSON_INDENT(indent) : JSON_COMPACT);

	/* What fails here is the buf's limit, which stays in it, or memory. */
	if (json_dump_callback(tree(v), put_chunk, out, flags) != 0 && out->error == 0)
		out->error = ERR_NOMEM;
}
