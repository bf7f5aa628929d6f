#include "common/conf/conf_priv.h"

#include "common/base/str.h"

#include <string.h>

#define NAME_MAX_LEN 40

void
conf_init(const struct conf_schema *schema, void *values)
{
	memset(values, 0, schema->size);
	conf_keys_init(schema->keys, schema->key_count, values);
}

void
conf_fini(const struct conf_schema *schema, void *values)
{
	conf_keys_fini(schema->keys, schema->key_count, values);
	memset(values, 0, schema->size);
}

/* Edit distance of short words; more than NAME_MAX_LEN characters are far from everything. */
static unsigned
distance(const char *a, const char *b)
{
	unsigned row[NAME_MAX_LEN + 1];
	size_t n = strlen(a), m = strlen(b);

	if (n > NAME_MAX_LEN || m > NAME_MAX_LEN)
		return NAME_MAX_LEN;
	for (size_t j = 0; j <= m; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= n; i++) {
		unsigned corner = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= m; j++) {
			unsigned change = corner + (a[i - 1] != b[j - 1]);
			unsigned best = change;

			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			corner = row[j];
			row[j] = best;
		}
	}
	return row[m];
}

const struct conf_key *
conf_key_near(const struct conf_key *keys, size_t count, const char *name)
{
	const struct conf_key *best = NULL;
	unsigned least = 3;

	for (size_t i = 0; i < count; i++) {
		unsigned d = distance(name, keys[i].name);

		/* A word with nothing in common is no hint, however short. */
		if (d < least && d < strlen(keys[i].name)) {
			least = d;
			best = &keys[i];
		}
	}
	return best;
}

int
conf_set(const struct conf_schema *schema, void *values, const char *key, const char *text,
    struct err *err)
{
	const struct conf_key *k = conf_key_find(schema->keys, schema->key_count, key);

	if (k == NULL || k->type == CONF_SECTION || (k->flags & CONF_FILE_ONLY) != 0)
		return err_set(err, ERR_NOTFOUND, "there is no option --%.40s", key);
	return conf_value_set(k, text, values, err);
}

static bool
is_missing(const struct conf_key *key, const void *values)
{
	const void *at = (const char *)values + key->offset;

	switch (key->type) {
	case CONF_STRING:
	case CONF_PATH:
		return *(char *const *)at == NULL;
	case CONF_LIST:
		return ((const struct conf_list *)at)->count == 0;
	case CONF_SECTION:
		return ((const struct conf_sections *)at)->count == 0;
	case CONF_CHOICE:
	case CONF_INT:
	case CONF_SIZE:
	case CONF_DURATION:
	case CONF_BOOL:
		break;
	}
	return false;
}

static int
sections_complete(const struct conf_key *key, const struct conf_sections *s, struct err *err)
{
	if ((key->min != 0 || key->max != 0) &&
	    ((int64_t)s->count < key->min || (int64_t)s->count > key->max))
		return err_set(err, ERR_INVALID, "%s: there are %zu sections, not %lld to %lld",
		    key->name, s->count, (long long)key->min, (long long)key->max);
	for (size_t i = 0; i < s->count; i++) {
		const char *item = (const char *)s->items + i * key->item_size;

		for (size_t j = 0; j < key->key_count; j++)
			if ((key->keys[j].flags & CONF_REQUIRED) != 0 &&
			    is_missing(&key->keys[j], item))
				return err_set(err, ERR_INVALID, "%s \"%s\": %s is missing",
				    key->name,
				    *(char *const *)(const void *)(item + key->title_offset),
				    key->keys[j].name);
	}
	return 0;
}

int
conf_complete(const struct conf_schema *schema, const void *values, struct err *err)
{
	for (size_t i = 0; i < schema->key_count; i++) {
		const struct conf_key *k = &schema->keys[i];
		const void *at = (const char *)values + k->offset;

		if ((k->flags & CONF_REQUIRED) != 0 && is_missing(k, values)) {
			if (k->type == CONF_SECTION || (k->flags & CONF_FILE_ONLY) != 0)
				return err_set(err, ERR_INVALID,
				    "%s is missing; the configuration file must have it", k->name);
			return err_set(err, ERR_INVALID,
			    "%s is missing; give --%s or set it in the configuration file", k->name,
			    k->name);
		}
		if (k->type == CONF_SECTION) {
			int r = sections_complete(k, at, err);

			if (r < 0)
				return r;
		}
	}
	return 0;
}
