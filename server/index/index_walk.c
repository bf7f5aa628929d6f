/* Lists of the index. */

#include "common/crypto/cert.h"
#include "common/model/names.h"
#include "server/index/index_priv.h"

#include <string.h>

size_t
index_list(const struct index *ix, uint32_t kind, const char *after,
    const struct index_record **out, size_t max, bool *more)
{
	struct entry_list *l;
	size_t at, n = 0;

	*more = false;
	if (kind >= KIND__COUNT)
		return 0;
	/* The order is no part of what the index says, so that asking may make it. */
	l = (struct entry_list *)(uintptr_t)&ix->kinds[kind];
	entry_list_sort(l);
	at = after != NULL ? entry_list_above(l, after) : 0;
	while (at < l->count && n < max)
		out[n++] = &l->items[at++]->r;
	*more = at < l->count;
	return n;
}

void
index_each(const struct index *ix, uint32_t kind, index_each_cb *cb, void *arg)
{
	const struct entry_list *l;

	if (kind >= KIND__COUNT)
		return;
	l = &ix->kinds[kind];
	for (size_t i = 0; i < l->count; i++)
		if (l->items[i] != NULL && !cb(arg, &l->items[i]->r))
			return;
}

static void
each_of(const struct multi *m, struct span key, index_each_cb *cb, void *arg)
{
	const struct entry_vec *v = multi_get(m, key);

	for (size_t i = 0; v != NULL && i < v->count; i++)
		if (!cb(arg, &v->items[i]->r))
			return;
}

void
index_generations(const struct index *ix, const struct id *credential, index_each_cb *cb, void *arg)
{
	const struct entry_vec *v = multi_get(&ix->generations, SPAN(credential->bytes, ID_LEN));

	if (v == NULL)
		return;
	/* Few, and nearly in order: an insertion sort where they stand. */
	for (size_t i = 1; i < v->count; i++)
		for (size_t k = i; k > 0 &&
		     v->items[k]->r.generation->number > v->items[k - 1]->r.generation->number;
		     k--) {
			struct entry *e = v->items[k];

			v->items[k] = v->items[k - 1];
			v->items[k - 1] = e;
		}
	each_of(&ix->generations, SPAN(credential->bytes, ID_LEN), cb, arg);
}

const struct index_record *
index_active(const struct index *ix, const struct index_record *credential)
{
	if (!credential->credential->has_active)
		return NULL;
	return index_of_kind(ix, KIND_GENERATION, &credential->credential->active);
}

void
index_exports(const struct index *ix, const struct id *credential, index_each_cb *cb, void *arg)
{
	each_of(&ix->exports, SPAN(credential->bytes, ID_LEN), cb, arg);
}

void
index_members(const struct index *ix, const struct id *group, index_each_cb *cb, void *arg)
{
	each_of(&ix->members, SPAN(group->bytes, ID_LEN), cb, arg);
}

void
index_memberships(const struct index *ix, const struct id *node, index_each_cb *cb, void *arg)
{
	each_of(&ix->memberships, SPAN(node->bytes, ID_LEN), cb, arg);
}

static bool
has_text(struct texts t, const char *name)
{
	for (size_t i = 0; i < t.count; i++)
		if (strcmp(t.items[i], name) == 0)
			return true;
	return false;
}

bool
index_has_name(const struct index_record *generation, const char *name)
{
	return has_text(generation->generation->names, name);
}

struct naming {
	const struct index *ix;
	const char *name;
	index_each_cb *cb;
	void *arg;
};

/* A generation stands for its credential, unless that comes by itself. */
static bool
on_named(void *arg, const struct index_record *r)
{
	const struct naming *n = arg;
	const struct index_record *c;

	if (r->kind == KIND_CREDENTIAL)
		return n->cb(n->arg, r);
	c = index_of_kind(n->ix, KIND_CREDENTIAL, &r->generation->credential);
	if (c == NULL || index_active(n->ix, c) != r || has_text(c->credential->names, n->name))
		return true;
	return n->cb(n->arg, c);
}

void
index_for_name(const struct index *ix, const char *name, index_each_cb *cb, void *arg)
{
	struct naming n = {ix, name, cb, arg};

	each_of(&ix->names, span_str(name), on_named, &n);
}

void
index_with_access(const struct index *ix, const struct id *id, index_each_cb *cb, void *arg)
{
	const struct map *set = map_get(ix->access, id->bytes, ID_LEN);
	size_t at = 0;
	void *value;

	while (set != NULL && map_next(set, &at, NULL, &value)) {
		const struct entry *e = value;

		if (!cb(arg, &e->r))
			return;
	}
}

const struct index_record *
index_managers(const struct index *ix)
{
	return index_named(ix, KIND_GROUP, GROUP_MANAGERS);
}

struct search {
	const struct index_record *found;
};

/* The newest that says so: making another default CA needs no change of the one before. */
static bool
on_ca(void *arg, const struct index_record *r)
{
	struct search *s = arg;

	if (r->ca->is_default && r->ca->enabled &&
	    (s->found == NULL || position_compare(r->at, s->found->at) > 0))
		s->found = r;
	return true;
}

const struct index_record *
index_default_ca(const struct index *ix)
{
	struct search s = {NULL};

	index_each(ix, KIND_CA, on_ca, &s);
	return s.found;
}

struct root_list {
	uint32_t categories;
	const struct cert **out;
	size_t count;
};

static bool
on_root(void *arg, const struct index_record *r)
{
	struct root_list *l = arg;

	if ((r->root->categories & l->categories) != 0 && r->root->cert != NULL)
		l->out[l->count++] = r->root->cert;
	return l->count < LIMIT_TRUSTED_ROOTS;
}

size_t
index_roots(
    const struct index *ix, uint32_t categories, const struct cert *out[static LIMIT_TRUSTED_ROOTS])
{
	struct root_list l = {categories, out, 0};

	index_each(ix, KIND_TRUSTED_ROOT, on_root, &l);
	return l.count;
}

void
index_put_roots(const struct index *ix, uint32_t categories, struct buf *out)
{
	const struct cert *roots[LIMIT_TRUSTED_ROOTS];
	size_t count = index_roots(ix, categories, roots);

	for (size_t i = 0; i < count; i++)
		cert_put_pem(cert_der(roots[i]), out);
}

#define ROOT_PREFIX_LEAST 8

struct root_search {
	const char *label;
	char prefix[HASH_HEX_MAX]; /* hexadecimal in lower case; "": it is none */
	const struct index_record *found, *other;
};

/* The beginning of a fingerprint as tools write it. */
static void
read_prefix(const char *text, char out[static HASH_HEX_MAX])
{
	size_t n = 0;

	for (; *text != '\0' && n < HASH_HEX_MAX - 1; text++) {
		char c = *text >= 'A' && *text <= 'F' ? (char)(*text - 'A' + 'a') : *text;

		if (c == ':')
			continue;
		if ((c < '0' || c > '9') && (c < 'a' || c > 'f'))
			break;
		out[n++] = c;
	}
	out[*text == '\0' && n >= ROOT_PREFIX_LEAST ? n : 0] = '\0';
}

static bool
on_searched_root(void *arg, const struct index_record *r)
{
	struct root_search *s = arg;
	bool fits = strcmp(r->root->label, s->label) == 0 ||
	    (s->prefix[0] != '\0' && strncmp(r->name, s->prefix, strlen(s->prefix)) == 0);

	if (fits && s->found != NULL)
		s->other = r;
	else if (fits)
		s->found = r;
	return s->other == NULL;
}

int
index_root_find(
    const struct index *ix, const char *text, const struct index_record **out, struct err *err)
{
	struct root_search s = {.label = text};

	read_prefix(text, s.prefix);
	index_each(ix, KIND_TRUSTED_ROOT, on_searched_root, &s);
	if (s.found == NULL)
		return err_set(err, ERR_NOTFOUND,
		    "there is no trusted root '%.100s'; 'certherd trust list' shows labels and "
		    "fingerprints",
		    text);
	if (s.other != NULL)
		return err_set(err, ERR_INVALID,
		    "several trusted roots fit '%.80s'; give its SHA-256 (%.16s... or %.16s...)",
		    text, s.found->name, s.other->name);
	*out = s.found;
	return 0;
}

const struct index_record *
index_credential(const struct index *ix, const char *typed)
{
	const struct index_record *r = index_named(ix, KIND_CREDENTIAL, typed);
	char name[NAME_TEXT_MAX];
	enum name_type type;

	if (r != NULL ||
	    (name_is_email(typed) ? email_normalise(typed, name, NULL)
				  : name_normalise(typed, name, &type, NULL)) < 0)
		return r;
	return index_named(ix, KIND_CREDENTIAL, name);
}

const struct setting_public *
index_setting(const struct index *ix, const char *name)
{
	const struct index_record *r = index_named(ix, KIND_SETTING, name);

	return r != NULL ? r->setting : NULL;
}

const char *
index_setting_text(const struct index *ix, enum setting s)
{
	const struct setting_public *p = index_setting(ix, setting_rule(s)->name);
	int64_t number;

	/* A value that another version has set, and this one does not know, is none. */
	if (p != NULL && setting_parse(s, p->value, &number, NULL) == 0)
		return p->value;
	return setting_rule(s)->otherwise;
}

int64_t
index_setting_number(const struct index *ix, enum setting s)
{
	int64_t number = 0;

	CHECK(setting_parse(s, index_setting_text(ix, s), &number, NULL) == 0);
	return number;
}
