#include "server/index/index.h"

#include "common/wire/record_wire.h"
#include "server/index/index_priv.h"

#include <string.h>

#define ID_KEY(id) SPAN((id)->bytes, ID_LEN)
#define NAME_KEY_MAX (4 + LIMIT_NAME + 1)

struct index *
index_new(struct runtime *rt, struct store *store)
{
	struct index *ix = mem_zalloc(sizeof(*ix));

	ix->rt = rt;
	ix->store = store;
	ix->by_id = map_new();
	ix->by_name = map_new();
	ix->tombs = map_new();
	ix->access = map_new();
	ix->issuers = map_new();
	multi_init(&ix->generations);
	multi_init(&ix->exports);
	multi_init(&ix->members);
	multi_init(&ix->memberships);
	multi_init(&ix->names);
	multi_init(&ix->revoked);
	return ix;
}

static void
entry_free(struct entry *e)
{
	entry_part_free(&e->r);
	mem_free((void *)(uintptr_t)e->r.name);
	mem_free((void *)(uintptr_t)e->r.access.items);
	mem_free(e);
}

static void
tomb_free(struct tomb *t)
{
	if (t != NULL)
		mem_free(t->name);
	mem_free(t);
}

void
index_free(struct index *ix)
{
	size_t at = 0;
	void *value;

	if (ix == NULL)
		return;
	while (map_next(ix->by_id, &at, NULL, &value))
		entry_free(value);
	at = 0;
	while (map_next(ix->tombs, &at, NULL, &value))
		tomb_free(value);
	at = 0;
	while (map_next(ix->access, &at, NULL, &value))
		map_free(value);
	map_free(ix->by_id);
	map_free(ix->by_name);
	map_free(ix->tombs);
	map_free(ix->access);
	map_free(ix->issuers);
	for (size_t i = 0; i < KIND__COUNT; i++)
		entry_list_fini(&ix->kinds[i]);
	multi_fini(&ix->generations);
	multi_fini(&ix->exports);
	multi_fini(&ix->members);
	multi_fini(&ix->memberships);
	multi_fini(&ix->names);
	multi_fini(&ix->revoked);
	mem_free(ix);
}

/* Kind and name in one key; kinds have names of their own. */
static struct span
name_key(uint32_t kind, const char *name, uint8_t out[static NAME_KEY_MAX])
{
	size_t len = strlen(name);

	CHECK(len <= LIMIT_NAME);
	memcpy(out, &kind, sizeof(kind));
	memcpy(out + sizeof(kind), name, len);
	return SPAN(out, sizeof(kind) + len);
}

static void
access_add(struct index *ix, const struct id *id, struct entry *e)
{
	struct map *set = map_get(ix->access, id->bytes, ID_LEN);

	if (set == NULL) {
		set = map_new();
		map_put(ix->access, id->bytes, ID_LEN, set);
	}
	map_put(set, e->r.id.bytes, ID_LEN, e);
}

static void
access_del(struct index *ix, const struct id *id, const struct entry *e)
{
	struct map *set = map_get(ix->access, id->bytes, ID_LEN);

	if (set == NULL)
		return;
	map_del(set, e->r.id.bytes, ID_LEN);
	if (map_count(set) > 0)
		return;
	map_del(ix->access, id->bytes, ID_LEN);
	map_free(set);
}

static bool
has_audience(uint32_t kind)
{
	return kind == KIND_CREDENTIAL || kind == KIND_GENERATION;
}

/* Those that it may be found by. */
static struct texts
host_names(const struct index_record *r)
{
	if (r->kind == KIND_CREDENTIAL)
		return r->credential->names;
	return r->kind == KIND_GENERATION ? r->generation->names : (struct texts){NULL, 0};
}

/* Whose issuer is not known lies under zeros. */
static bool
is_revoked(const struct index_record *r, struct hash *signer)
{
	if (r->kind != KIND_GENERATION || !r->generation->revoked)
		return false;
	if (!issuers_key(r->generation->issuers, signer))
		*signer = (struct hash){{0}};
	return true;
}

/* Everything but by_id, which keeps the entry's address. */
static void
entry_link(struct index *ix, struct entry *e)
{
	const struct index_record *r = &e->r;
	uint8_t buf[NAME_KEY_MAX];
	struct span key = name_key(r->kind, r->name, buf);
	struct hash signer;

	if (r->name[0] != 0)
		map_put(ix->by_name, key.data, key.len, e);
	if (r->kind < KIND__COUNT)
		entry_list_add(&ix->kinds[r->kind], e);
	if (has_audience(r->kind))
		for (size_t i = 0; i < r->access.count; i++)
			access_add(ix, &r->access.items[i], e);
	if (r->kind == KIND_GENERATION) {
		multi_add(&ix->generations, ID_KEY(&r->generation->credential), e);
	} else if (r->kind == KIND_EXPORT_KEY) {
		multi_add(&ix->exports, ID_KEY(&r->export_key->credential), e);
	} else if (r->kind == KIND_MEMBERSHIP) {
		multi_add(&ix->members, ID_KEY(&r->membership->group), e);
		multi_add(&ix->memberships, ID_KEY(&r->membership->node), e);
	}
	for (size_t i = 0; i < host_names(r).count; i++)
		multi_add(&ix->names, span_str(host_names(r).items[i]), e);
	if (is_revoked(r, &signer))
		multi_add(&ix->revoked, SPAN(signer.bytes, HASH_LEN), e);
}

static void
entry_unlink(struct index *ix, struct entry *e)
{
	const struct index_record *r = &e->r;
	uint8_t buf[NAME_KEY_MAX];
	struct span key = name_key(r->kind, r->name, buf);
	struct hash signer;

	if (map_get(ix->by_name, key.data, key.len) == e)
		map_del(ix->by_name, key.data, key.len);
	if (r->kind < KIND__COUNT)
		entry_list_del(&ix->kinds[r->kind], e);
	if (has_audience(r->kind))
		for (size_t i = 0; i < r->access.count; i++)
			access_del(ix, &r->access.items[i], e);
	if (r->kind == KIND_GENERATION) {
		multi_del(&ix->generations, ID_KEY(&r->generation->credential), e);
	} else if (r->kind == KIND_EXPORT_KEY) {
		multi_del(&ix->exports, ID_KEY(&r->export_key->credential), e);
	} else if (r->kind == KIND_MEMBERSHIP) {
		multi_del(&ix->members, ID_KEY(&r->membership->group), e);
		multi_del(&ix->memberships, ID_KEY(&r->membership->node), e);
	}
	for (size_t i = 0; i < host_names(r).count; i++)
		multi_del(&ix->names, span_str(host_names(r).items[i]), e);
	if (is_revoked(r, &signer))
		multi_del(&ix->revoked, SPAN(signer.bytes, HASH_LEN), e);
}

static void
apply_removed(struct index *ix, const struct record *r)
{
	struct entry *e = map_del(ix->by_id, r->id.bytes, ID_LEN);
	struct tomb *t = map_get(ix->tombs, r->id.bytes, ID_LEN);

	if (e != NULL) {
		entry_unlink(ix, e);
		entry_free(e);
	}
	if (t == NULL) {
		t = mem_zalloc(sizeof(*t));
		map_put(ix->tombs, r->id.bytes, ID_LEN, t);
	}
	t->version = r->version;
	t->kind = r->kind;
	mem_free(t->name);
	t->name = r->kind == KIND_NODE ? mem_strdup(r->name) : NULL;
}

int
index_apply(
    struct index *ix, const struct record *r, struct signed_bytes signed_record, struct err *err)
{
	struct index_record fresh = {.id = r->id,
	    .kind = r->kind,
	    .version = r->version,
	    .at = record_position(r),
	    .committed_at_ms = r->committed_at_ms};
	struct entry *e = map_get(ix->by_id, r->id.bytes, ID_LEN);
	int rc;

	if (r->removed) {
		apply_removed(ix, r);
		return 0;
	}
	rc = entry_part_new(ix, &fresh, r, signed_record, err);
	if (rc < 0)
		return err_wrap(err, "%s '%s'", kind_name(r->kind), r->name);
	fresh.name = mem_strdup(r->name);
	fresh.access = (struct ids){
	    r->access_count > 0 ? mem_dup(r->access, r->access_count * sizeof(r->access[0])) : NULL,
	    r->access_count};
	if (e != NULL) {
		entry_unlink(ix, e);
		entry_part_free(&e->r);
		mem_free((void *)(uintptr_t)e->r.name);
		mem_free((void *)(uintptr_t)e->r.access.items);
	} else {
		e = mem_zalloc(sizeof(*e));
		map_put(ix->by_id, r->id.bytes, ID_LEN, e);
		tomb_free(map_del(ix->tombs, r->id.bytes, ID_LEN));
	}
	e->r = fresh;
	entry_link(ix, e);
	return 0;
}

void
index_observe(void *arg, const struct committed *records, size_t count, const struct head *head,
    struct signed_bytes signed_head)
{
	struct index *ix = arg;
	struct err err;

	(void)head;
	(void)signed_head;
	/* What was committed was encoded and read here before: it cannot be unreadable. */
	for (size_t i = 0; i < count; i++)
		CHECK(index_apply(ix, records[i].record, records[i].signed_record, &err) == 0);
}

const struct index_record *
index_get(const struct index *ix, const struct id *id)
{
	const struct entry *e = map_get(ix->by_id, id->bytes, ID_LEN);

	return e != NULL ? &e->r : NULL;
}

const struct index_record *
index_named(const struct index *ix, uint32_t kind, const char *name)
{
	uint8_t buf[NAME_KEY_MAX];
	const struct entry *e;
	struct span key;

	if (strlen(name) > LIMIT_NAME)
		return NULL;
	key = name_key(kind, name, buf);
	e = map_get(ix->by_name, key.data, key.len);
	return e != NULL ? &e->r : NULL;
}

const struct index_record *
index_of_kind(const struct index *ix, uint32_t kind, const struct id *id)
{
	const struct index_record *r = index_get(ix, id);

	return r != NULL && r->kind == kind ? r : NULL;
}

uint64_t
index_version(const struct index *ix, const struct id *id, bool *removed)
{
	const struct index_record *r = index_get(ix, id);
	const struct tomb *t = map_get(ix->tombs, id->bytes, ID_LEN);

	*removed = r == NULL && t != NULL;
	if (r != NULL)
		return r->version;
	return t != NULL ? t->version : 0;
}

size_t
index_count(const struct index *ix, uint32_t kind)
{
	return kind < KIND__COUNT ? ix->kinds[kind].live : 0;
}

static uint64_t
lookup_version(void *arg, const struct id *id, bool *removed)
{
	return index_version(arg, id, removed);
}

static bool
lookup_name(void *arg, uint32_t kind, const char *name, struct id *out)
{
	const struct index_record *r = index_named(arg, kind, name);

	if (r != NULL)
		*out = r->id;
	return r != NULL;
}

struct commit_lookup
index_commit_lookup(struct index *ix)
{
	return (struct commit_lookup){ix, lookup_version, lookup_name};
}
