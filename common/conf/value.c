#include "common/conf/conf_priv.h"

#include "common/base/num.h"
#include "common/base/str.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void *
place(const struct conf_key *key, void *values)
{
	return (char *)values + key->offset;
}

static void
list_fini(struct conf_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		mem_free(list->items[i]);
	mem_free(list->items);
	*list = (struct conf_list){NULL, 0};
}

static void
sections_fini(const struct conf_key *key, struct conf_sections *s)
{
	for (size_t i = 0; i < s->count; i++) {
		char *item = (char *)s->items + i * key->item_size;

		conf_keys_fini(key->keys, key->key_count, item);
		mem_free(*(char **)(void *)(item + key->title_offset));
	}
	mem_free(s->items);
	*s = (struct conf_sections){NULL, 0};
}

void
conf_value_clear(const struct conf_key *key, void *values)
{
	void *at = place(key, values);

	switch (key->type) {
	case CONF_STRING:
	case CONF_PATH:
		mem_free(*(char **)at);
		*(char **)at = NULL;
		break;
	case CONF_LIST:
		list_fini(at);
		break;
	case CONF_SECTION:
		sections_fini(key, at);
		break;
	case CONF_CHOICE:
		*(int *)at = 0;
		break;
	case CONF_BOOL:
		*(bool *)at = false;
		break;
	case CONF_INT:
	case CONF_SIZE:
	case CONF_DURATION:
		*(int64_t *)at = 0;
		break;
	}
}

static bool
has_range(const struct conf_key *key)
{
	return key->min != 0 || key->max != 0;
}

static int
choice_parse(const struct conf_key *key, const char *text, int *out, struct err *err)
{
	struct buf all = BUF_INIT(ERR_TEXT_MAX);

	for (int i = 0; key->choices[i] != NULL; i++) {
		if (str_equal(text, key->choices[i])) {
			buf_fini(&all);
			*out = i;
			return 0;
		}
		buf_putf(&all, "%s%s", i > 0 ? ", " : "", key->choices[i]);
	}
	err_set(err, ERR_PARSE, "'%.40s' is not one of: %s", text, buf_str(&all));
	buf_fini(&all);
	return ERR_PARSE;
}

static int
bool_parse(const char *text, bool *out, struct err *err)
{
	static const char *const words[][2] = {{"false", "true"}, {"no", "yes"}, {"off", "on"}};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		for (int v = 0; v < 2; v++)
			if (strcasecmp(text, words[i][v]) == 0) {
				*out = v == 1;
				return 0;
			}
	return err_set(err, ERR_PARSE, "'%.40s' is neither true nor false", text);
}

static int
size_parse(const struct conf_key *key, const char *text, int64_t *out, struct err *err)
{
	static const char units[] = "kmgt";
	uint64_t min = (uint64_t)key->min, v = 0;
	uint64_t max = has_range(key) ? (uint64_t)key->max : INT64_MAX;
	size_t n = strlen(text);
	const char *unit = n > 1 ? strchr(units, text[n - 1]) : NULL;
	unsigned shift = unit != NULL ? 10 * (unsigned)(unit - units + 1) : 0;
	AUTO(mem_freep)
	char *number = mem_strdup(text);

	if (unit != NULL)
		number[n - 1] = '\0';
	if (num_parse_u64(number, 0, UINT64_MAX, &v, err) == ERR_PARSE)
		return err_set(err, ERR_PARSE,
		    "'%.40s' is not a size; give a number, or one with k, m or g", text);
	if (v > (UINT64_MAX >> shift) || v << shift < min || v << shift > max)
		return err_set(err, ERR_PARSE, "'%.40s' is not between %llu and %llu bytes", text,
		    (unsigned long long)min, (unsigned long long)max);
	*out = (int64_t)(v << shift);
	return 0;
}

static int
text_check(const struct conf_key *key, const char *text, struct err *err)
{
	size_t n = strlen(text);

	for (const char *p = text; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return err_set(err, ERR_PARSE, "has a control character in it");
	if (key->type != CONF_LIST && has_range(key) &&
	    ((int64_t)n < key->min || (int64_t)n > key->max))
		return err_set(err, ERR_PARSE, "has %zu characters, not between %lld and %lld", n,
		    (long long)key->min, (long long)key->max);
	if ((key->type == CONF_PATH || key->type == CONF_LIST) && n == 0)
		return err_set(err, ERR_PARSE, "is empty");
	if (key->check != NULL)
		return key->check(text, err);
	return 0;
}

/* Where the value goes when only its check is wanted. */
union any {
	int choice;
	bool flag;
	int64_t number;
};

static int
scalar_parse(const struct conf_key *key, const char *text, union any *out, struct err *err)
{
	uint64_t v = 0;
	int r = 0;

	switch (key->type) {
	case CONF_CHOICE:
		return choice_parse(key, text, &out->choice, err);
	case CONF_BOOL:
		return bool_parse(text, &out->flag, err);
	case CONF_SIZE:
		return size_parse(key, text, &out->number, err);
	case CONF_INT:
		r = num_parse_u64(text, (uint64_t)key->min,
		    has_range(key) ? (uint64_t)key->max : INT64_MAX, &v, err);
		out->number = (int64_t)v;
		return r;
	case CONF_DURATION:
		return num_parse_duration(
		    text, key->min, has_range(key) ? key->max : INT64_MAX, &out->number, err);
	case CONF_STRING:
	case CONF_PATH:
	case CONF_LIST:
		return text_check(key, text, err);
	case CONF_SECTION:
		break;
	}
	return err_set(err, ERR_INVALID, "is a section and has no value of its own");
}

int
conf_value_check(const struct conf_key *key, const char *text, struct err *err)
{
	union any ignored;
	int r = scalar_parse(key, text, &ignored, err);

	if (r < 0)
		return err_wrap(err, "%s", key->name);
	return 0;
}

void
conf_list_add(struct conf_list *list, const char *text)
{
	list->items = mem_grow(list->items, list->count + 1, sizeof(*list->items));
	list->items[list->count++] = mem_strdup(text);
}

int
conf_list_check(const struct conf_key *key, const struct conf_list *list, struct err *err)
{
	if (has_range(key) && ((int64_t)list->count < key->min || (int64_t)list->count > key->max))
		return err_set(err, ERR_PARSE, "%s: has %zu items, not between %lld and %lld",
		    key->name, list->count, (long long)key->min, (long long)key->max);
	return 0;
}

static int
list_parse(const struct conf_key *key, const char *text, struct conf_list *out, struct err *err)
{
	struct conf_list list = {NULL, 0};
	AUTO(mem_freep)
	char *copy = mem_strdup(text);
	char *rest = copy, *item;
	int r = 0;

	while (r == 0 && *text != '\0' && (item = strsep(&rest, ",")) != NULL) {
		r = conf_value_check(key, item, err);
		if (r == 0)
			conf_list_add(&list, item);
	}
	if (r == 0)
		r = conf_list_check(key, &list, err);
	if (r < 0) {
		list_fini(&list);
		return r;
	}
	list_fini(out);
	*out = list;
	return 0;
}

int
conf_value_set(const struct conf_key *key, const char *text, void *values, struct err *err)
{
	void *at = place(key, values);
	union any v;
	int r;

	if (key->type == CONF_LIST)
		return list_parse(key, text, at, err);
	r = scalar_parse(key, text, &v, err);
	if (r < 0)
		return err_wrap(err, "%s", key->name);
	if (key->type == CONF_CHOICE)
		*(int *)at = v.choice;
	else if (key->type == CONF_BOOL)
		*(bool *)at = v.flag;
	else if (key->type == CONF_STRING || key->type == CONF_PATH) {
		char *copy = mem_strdup(text);

		mem_free(*(char **)at);
		*(char **)at = copy;
	} else
		*(int64_t *)at = v.number;
	return 0;
}

void
conf_keys_init(const struct conf_key *keys, size_t count, void *values)
{
	struct err err;

	for (size_t i = 0; i < count; i++) {
		/* The tables are part of the program: a default that does not fit is a bug. */
		if (keys[i].value != NULL)
			CHECK(conf_value_set(&keys[i], keys[i].value, values, &err) == 0);
	}
}

void
conf_keys_fini(const struct conf_key *keys, size_t count, void *values)
{
	for (size_t i = 0; i < count; i++)
		conf_value_clear(&keys[i], values);
}

const struct conf_key *
conf_key_find(const struct conf_key *keys, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (str_equal(keys[i].name, name))
			return &keys[i];
	return NULL;
}
