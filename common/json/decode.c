#include "common/json/json.h"

#include "common/base/num.h"
#include "common/base/str.h"

#include <jansson.h>
#include <string.h>

static void *
place(const struct json_field *f, void *out)
{
	return (char *)out + f->offset;
}

static bool
has_range(const struct json_field *f)
{
	return f->min != 0 || f->max != 0;
}

static void
text_free(char **text)
{
	if (*text != NULL)
		explicit_bzero(*text, strlen(*text));
	mem_free(*text);
	*text = NULL;
}

static void
texts_free(struct json_texts *t)
{
	for (size_t i = 0; i < t->count; i++)
		text_free(&t->items[i]);
	mem_free(t->items);
	*t = (struct json_texts){NULL, 0};
}

static int
wrong_type(const struct json_field *f, const char *wanted, struct err *err)
{
	return err_set(err, ERR_INVALID, "member '%s' must be %s", f->name, wanted);
}

static int
out_of_range(const struct json_field *f, const char *what, struct err *err)
{
	return err_set(err, ERR_LIMIT, "member '%s': %s must be between %lld and %lld", f->name,
	    what, (long long)f->min, (long long)f->max);
}

static int
take_text(const struct json_field *f, const json_t *v, char **out, struct err *err)
{
	size_t len;

	if (!json_is_string(v))
		return wrong_type(f, "a text", err);
	len = json_string_length(v);
	if (f->kind == JSON_TEXT && has_range(f)) {
		if ((int64_t)len < f->min || (int64_t)len > f->max)
			return out_of_range(f, "its length", err);
	} else if (len > LIMIT_JSON_TEXT) {
		return err_set(err, ERR_LIMIT, "member '%s' is longer than %d bytes", f->name,
		    LIMIT_JSON_TEXT);
	}
	*out = mem_strdup(json_string_value(v));
	return 0;
}

static int
take_texts(const struct json_field *f, const json_t *v, struct json_texts *out, struct err *err)
{
	size_t n = json_array_size(v);
	int r = 0;

	if (!json_is_array(v))
		return wrong_type(f, "an array of texts", err);
	if (has_range(f) && ((int64_t)n < f->min || (int64_t)n > f->max))
		return out_of_range(f, "the number of its items", err);
	if (n > LIMIT_JSON_TEXTS)
		return err_set(err, ERR_LIMIT, "member '%s' has more than %d items", f->name,
		    LIMIT_JSON_TEXTS);
	if (n == 0)
		return 0;
	out->items = mem_array(n, sizeof(*out->items));
	for (size_t i = 0; r == 0 && i < n; i++) {
		r = take_text(f, json_array_get(v, i), &out->items[i], err);
		if (r == 0)
			out->count++;
	}
	if (r < 0)
		texts_free(out);
	return r;
}

static void *
list_item(const struct json_field *f, const struct json_list *l, size_t i)
{
	return (char *)l->items + i * f->size;
}

static void
list_free(const struct json_field *f, struct json_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		json_release(f->fields, f->field_count, list_item(f, l, i));
	mem_free(l->items);
	*l = (struct json_list){NULL, 0};
}

static int
take_objects(const struct json_field *f, const json_t *v, struct json_list *out, struct err *err)
{
	size_t n = json_array_size(v);
	int r = 0;

	if (!json_is_array(v))
		return wrong_type(f, "an array of objects", err);
	if ((int64_t)n < f->min || (int64_t)n > f->max)
		return out_of_range(f, "the number of its items", err);
	if (n == 0)
		return 0;
	out->items = mem_array(n, f->size);
	for (size_t i = 0; r == 0 && i < n; i++) {
		r = json_decode((const struct json *)(const void *)json_array_get(v, i), f->fields,
		    f->field_count, list_item(f, out, i), err);
		if (r == 0)
			out->count++;
		else
			r = err_wrap(err, "item %zu of '%s'", i + 1, f->name);
	}
	if (r < 0)
		list_free(f, out);
	return r;
}

static int
take_int(const struct json_field *f, const json_t *v, int64_t *out, struct err *err)
{
	int64_t n = json_integer_value(v);

	if (!json_is_integer(v))
		return wrong_type(f, "a whole number", err);
	if (has_range(f) && (n < f->min || n > f->max))
		return out_of_range(f, "it", err);
	*out = n;
	return 0;
}

static int
take_duration(const struct json_field *f, const json_t *v, int64_t *out, struct err *err)
{
	int r;

	if (!json_is_string(v))
		return wrong_type(f, "a duration such as \"90d\"", err);
	r = num_parse_duration(
	    json_string_value(v), f->min, has_range(f) ? f->max : INT64_MAX, out, err);
	return r < 0 ? err_wrap(err, "member '%s'", f->name) : 0;
}

static int
take_choice(const struct json_field *f, const json_t *v, int *out, struct err *err)
{
	struct buf all = BUF_INIT(ERR_TEXT_MAX);

	for (int i = 0; f->choices[i] != NULL; i++) {
		if (json_is_string(v) && str_equal(json_string_value(v), f->choices[i])) {
			buf_fini(&all);
			*out = i;
			return 0;
		}
		buf_putf(&all, "%s%s", i > 0 ? ", " : "", f->choices[i]);
	}
	err_set(err, ERR_INVALID, "member '%s' must be one of: %s", f->name, buf_str(&all));
	buf_fini(&all);
	return ERR_INVALID;
}

static int
take_field(const struct json_field *f, const json_t *v, void *out, struct err *err)
{
	void *at = place(f, out);
	int r;

	switch (f->kind) {
	case JSON_TEXT:
		return take_text(f, v, at, err);
	case JSON_TEXTS:
		return take_texts(f, v, at, err);
	case JSON_INT:
		return take_int(f, v, at, err);
	case JSON_DURATION:
		return take_duration(f, v, at, err);
	case JSON_CHOICE:
		return take_choice(f, v, at, err);
	case JSON_BOOL:
		if (!json_is_boolean(v))
			return wrong_type(f, "true or false", err);
		*(bool *)at = json_is_true(v);
		return 0;
	case JSON_OBJECTS:
		return take_objects(f, v, at, err);
	case JSON_MEMBERS:
		if (!json_is_object(v))
			return wrong_type(f, "an object", err);
		r = json_decode(
		    (const struct json *)(const void *)v, f->fields, f->field_count, at, err);
		return r < 0 ? err_wrap(err, "in '%s'", f->name) : 0;
	}
	return err_set(err, ERR_BUG, "member '%s' is of a kind that nobody decodes", f->name);
}

static const struct json_field *
find_field(const struct json_field *fields, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (str_equal(fields[i].name, name))
			return &fields[i];
	return NULL;
}

static int
refuse_unknown(const json_t *object, const struct json_field *fields, size_t count, struct err *err)
{
	/* Iterating wants a json_t that is not const, and leaves it as it is. */
	json_t *o = (json_t *)(uintptr_t)object;

	for (void *it = json_object_iter(o); it != NULL; it = json_object_iter_next(o, it)) {
		struct buf shown = BUF_INIT(ERR_TEXT_MAX);
		const char *name = json_object_iter_key(it);

		if (find_field(fields, count, name) != NULL)
			continue;
		str_put_escaped(&shown, span_str(name), 40);
		err_set(err, ERR_INVALID, "unknown member '%s'", buf_str(&shown));
		buf_fini(&shown);
		return ERR_INVALID;
	}
	return 0;
}

static int
take_all(
    const json_t *object, const struct json_field *fields, size_t count, void *out, struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		const struct json_field *f = &fields[i];
		const json_t *v = json_object_get(object, f->name);
		bool given = v != NULL && !json_is_null(v);
		int r = given ? take_field(f, v, out, err) : 0;

		if (r < 0)
			return r;
		if (!given && (f->flags & JSON_REQUIRED) != 0)
			return err_set(err, ERR_INVALID, "member '%s' is missing", f->name);
		if (given && f->given != 0)
			*(bool *)(void *)((char *)out + f->given) = true;
	}
	return 0;
}

int
json_decode(const struct json *object, const struct json_field *fields, size_t count, void *out,
    struct err *err)
{
	const json_t *o = (const json_t *)(const void *)object;
	int r;

	if (!json_is_object(o))
		return err_set(err, ERR_INVALID, "a JSON object is expected");
	r = refuse_unknown(o, fields, count, err);
	if (r == 0) {
		r = take_all(o, fields, count, out, err);
		if (r < 0)
			json_release(fields, count, out);
	}
	return r;
}

void
json_release(const struct json_field *fields, size_t count, void *out)
{
	for (size_t i = 0; i < count; i++) {
		void *at = place(&fields[i], out);

		if (fields[i].kind == JSON_TEXT)
			text_free(at);
		else if (fields[i].kind == JSON_TEXTS)
			texts_free(at);
		else if (fields[i].kind == JSON_OBJECTS)
			list_free(&fields[i], at);
		else if (fields[i].kind == JSON_MEMBERS)
			json_release(fields[i].fields, fields[i].field_count, at);
	}
}
