#include "server/signer/core_priv.h"

#include "common/base/map.h"
#include "common/crypto/envelope.h"

#include <string.h>

#define FRESH_MAX 16

struct node {
	uint64_t version;
	bool live, may_manage;
	struct pkey *sealing; /* public; NULL when removed */
};

struct group {
	uint64_t version;
	bool live;
	struct pkey *current; /* public; NULL when removed */
};

/* A MEMBERSHIP record, with its keys when it is of this node. */
struct own_keys {
	uint64_t version;
	struct pkey *keys[LIMIT_GROUP_KEYS];
	size_t count;
};

struct beliefs {
	pthread_rwlock_t lock;
	struct map *nodes, *groups; /* by record id; removed ones stay, for their version */
	struct map *own;            /* struct own_keys by id of the membership, of all nodes */
	struct map *mine;           /* those of them that have keys, borrowed: a few among many */
	bool has_managers;
	struct id managers;
	struct pkey *fresh[FRESH_MAX];
	size_t next_fresh;
};

struct beliefs *
beliefs_new(void)
{
	struct beliefs *b = mem_zalloc(sizeof(*b));

	CHECK(pthread_rwlock_init(&b->lock, NULL) == 0);
	b->nodes = map_new();
	b->groups = map_new();
	b->own = map_new();
	b->mine = map_new();
	return b;
}

static void
own_keys_clear(struct own_keys *own)
{
	while (own->count > 0)
		pkey_unref(own->keys[--own->count]);
}

void
beliefs_free(struct beliefs *b)
{
	struct span key;
	void *value;

	for (size_t at = 0; map_next(b->nodes, &at, &key, &value);) {
		pkey_unref(((struct node *)value)->sealing);
		mem_free(value);
	}
	for (size_t at = 0; map_next(b->groups, &at, &key, &value);) {
		pkey_unref(((struct group *)value)->current);
		mem_free(value);
	}
	for (size_t at = 0; map_next(b->own, &at, &key, &value);) {
		own_keys_clear(value);
		mem_free(value);
	}
	for (size_t i = 0; i < FRESH_MAX; i++)
		pkey_unref(b->fresh[i]);
	map_free(b->nodes);
	map_free(b->groups);
	map_free(b->own);
	map_free(b->mine);
	pthread_rwlock_destroy(&b->lock);
	mem_free(b);
}

/* The entry of an id, made with version 0 when there is none. */
static void *
entry_of(struct map *m, const struct id *id, size_t size)
{
	void *entry = map_get(m, id->bytes, ID_LEN);

	if (entry == NULL) {
		entry = mem_zalloc(size);
		map_put(m, id->bytes, ID_LEN, entry);
	}
	return entry;
}

/* A public P-256 key, as all that seals are made to. */
static int
parse_recipient(struct span spki, struct pkey **out, struct err *err)
{
	AUTO(pkey_unrefp)
	struct pkey *key = NULL;
	enum key_type type;
	int r = pkey_from_spki(spki, &key, err);

	if (r < 0)
		return r;
	r = pkey_type(key, &type, err);
	if (r == 0 && type != KEY_EC_P256)
		r = err_set(err, ERR_INVALID, "a key that nothing can be sealed to");
	if (r == 0)
		*out = MOVE(key);
	return r;
}

static int
learn_node(struct beliefs *b, const struct record *record, struct err *err)
{
	struct node *n = entry_of(b->nodes, &record->id, sizeof(*n));
	struct node_public public = {0};
	struct pkey *key = NULL;
	bool may_manage = false;
	int r = 0;

	if (record->version <= n->version)
		return 0;
	if (!record->removed) {
		r = wire_node_public_decode(record->public_part, &public, err);
		if (r == 0)
			r = parse_recipient(public.sealing_key, &key, err);
		may_manage = r == 0 && node_may_manage(&public);
		node_public_fini(&public);
	}
	if (r < 0)
		return r;
	pkey_unref(n->sealing);
	*n = (struct node){record->version, !record->removed, may_manage, key};
	return 1;
}

static int
learn_group(struct beliefs *b, const struct record *record, struct err *err)
{
	struct group *g = entry_of(b->groups, &record->id, sizeof(*g));
	struct group_public public = {0};
	struct pkey *key = NULL;
	bool built_in = false;
	int r = 0;

	if (record->version <= g->version)
		return 0;
	if (!record->removed) {
		r = wire_group_public_decode(record->public_part, &public, err);
		if (r == 0)
			r = parse_recipient(public.key, &key, err);
		built_in = r == 0 && public.built_in && strcmp(record->name, GROUP_MANAGERS) == 0;
		group_public_fini(&public);
	}
	if (r == 0 && built_in && b->has_managers && !id_equal(&b->managers, &record->id))
		r = err_set(err, ERR_DENIED, "a second group of managers");
	if (r < 0) {
		pkey_unref(key);
		return r;
	}
	pkey_unref(g->current);
	*g = (struct group){record->version, !record->removed, key};
	if (built_in) {
		b->has_managers = true;
		b->managers = record->id;
	}
	return 1;
}

/* The keys inside a membership of this node. */
static int
open_membership(
    const struct signer_core *c, const struct record *record, struct own_keys *out, struct err *err)
{
	const struct seal_binding binding = {.domain = *trust_domain(c->trust),
	    .record = record->id,
	    .version = record->version,
	    .kind = record->kind,
	    .public_part = record->public_part};
	AUTO(secret_freep)
	struct secret *payload = NULL;
	struct group_keys keys = {0};
	int r = envelope_open(&binding, record->sealed, c->sealing, &payload, err);

	if (r == 0)
		r = wire_group_keys_decode(payload, &keys, err);
	for (size_t i = 0; r == 0 && i < keys.count; i++) {
		r = pkey_from_pkcs8(secret_span(keys.pkcs8[i]), &out->keys[i], err);
		if (r == 0)
			out->count++;
	}
	group_keys_fini(&keys);
	if (r < 0)
		own_keys_clear(out);
	return r;
}

static int
learn_membership(
    struct beliefs *b, const struct signer_core *c, const struct record *record, struct err *err)
{
	struct own_keys *own = map_get(b->own, record->id.bytes, ID_LEN);
	struct own_keys opened = {.version = record->version};
	struct membership_public public;
	int r = 0;

	if (own != NULL && record->version <= own->version)
		return 0;
	if (!record->removed) {
		r = wire_membership_public_decode(record->public_part, &public, err);
		if (r < 0)
			return r;
		if (id_equal(&public.node, &c->node))
			r = open_membership(c, record, &opened, err);
		membership_public_fini(&public);
	}
	if (r < 0)
		return r;
	/* Those of others are kept without keys, for their version. */
	own = entry_of(b->own, &record->id, sizeof(*own));
	own_keys_clear(own);
	*own = opened;
	if (own->count > 0)
		(void)map_put(b->mine, record->id.bytes, ID_LEN, own);
	else
		(void)map_del(b->mine, record->id.bytes, ID_LEN);
	return 1;
}

int
beliefs_learn(
    struct beliefs *b, const struct signer_core *c, const struct record *record, struct err *err)
{
	int r;

	CHECK(pthread_rwlock_wrlock(&b->lock) == 0);
	switch (record->kind) {
	case KIND_NODE:
		r = learn_node(b, record, err);
		break;
	case KIND_GROUP:
		r = learn_group(b, record, err);
		break;
	case KIND_MEMBERSHIP:
		r = learn_membership(b, c, record, err);
		break;
	default:
		r = err_set(err, ERR_INVALID, "a %s says nothing about recipients",
		    kind_name(record->kind));
		break;
	}
	pthread_rwlock_unlock(&b->lock);
	return r;
}

bool
beliefs_are_empty(struct beliefs *b)
{
	bool empty;

	CHECK(pthread_rwlock_rdlock(&b->lock) == 0);
	empty = map_count(b->nodes) == 0 && map_count(b->groups) == 0 && map_count(b->own) == 0;
	pthread_rwlock_unlock(&b->lock);
	return empty;
}

bool
node_may_manage(const struct node_public *node)
{
	return node->role == ROLE_MANAGER || node->role == ROLE_STANDBY ||
	    node->role == ROLE_RECOVERY;
}

void
audience_fini(struct audience *a)
{
	while (a->count > 0)
		pkey_unref(a->keys[--a->count]);
}

void
audience_add(struct audience *a, const struct pkey *key)
{
	for (size_t i = 0; i < a->count; i++)
		if (pkey_same_public(a->keys[i], key))
			return;
	CHECK(a->count < LIMIT_RECIPIENTS);
	a->keys[a->count++] = pkey_ref(key);
}

static int
unknown(const struct id *id, struct err *err)
{
	char hex[ID_HEX_MAX];

	return err_set(err, ERR_NOTFOUND, "the signer knows no live node or group with id %s",
	    id_hex(id, hex));
}

static int
add_recipient(struct beliefs *b, const struct id *id, struct audience *out, struct err *err)
{
	const struct node *n = map_get(b->nodes, id->bytes, ID_LEN);
	const struct group *g = map_get(b->groups, id->bytes, ID_LEN);

	if (n != NULL && n->live)
		audience_add(out, n->sealing);
	else if (g != NULL && g->live)
		audience_add(out, g->current);
	else
		return unknown(id, err);
	return 0;
}

int
beliefs_audience(struct beliefs *b, struct ids access, struct audience *out, struct err *err)
{
	int r = 0;

	if (access.count > LIMIT_ACCESS)
		return err_set(err, ERR_LIMIT, "access of %zu nodes and groups; %d at the most",
		    access.count, LIMIT_ACCESS);
	CHECK(pthread_rwlock_rdlock(&b->lock) == 0);
	if (!b->has_managers)
		r = err_set(err, ERR_NOTFOUND, "the signer does not know the group of managers");
	else
		r = add_recipient(b, &b->managers, out, err);
	for (size_t i = 0; r == 0 && i < access.count; i++)
		r = add_recipient(b, &access.items[i], out, err);
	pthread_rwlock_unlock(&b->lock);
	if (r < 0)
		audience_fini(out);
	return r;
}

int
beliefs_member_key(
    struct beliefs *b, const struct id *node, bool managers, struct pkey **out, struct err *err)
{
	char hex[ID_HEX_MAX];
	const struct node *n;
	int r = 0;

	CHECK(pthread_rwlock_rdlock(&b->lock) == 0);
	n = map_get(b->nodes, node->bytes, ID_LEN);
	if (n == NULL || !n->live)
		r = unknown(node, err);
	else if (managers && !n->may_manage)
		r = err_set(err, ERR_DENIED,
		    "node %s only follows: it does not get the keys of the managers",
		    id_hex(node, hex));
	else
		*out = pkey_ref(n->sealing);
	pthread_rwlock_unlock(&b->lock);
	return r;
}

int
beliefs_check_managers(struct beliefs *b, const struct id *group, bool first, struct err *err)
{
	bool known, same;

	CHECK(pthread_rwlock_rdlock(&b->lock) == 0);
	known = b->has_managers;
	same = known && id_equal(&b->managers, group);
	pthread_rwlock_unlock(&b->lock);
	if (!known || (same && !first))
		return 0;
	return err_set(err, ERR_DENIED, "there is another group of managers, and only one can be");
}

int
beliefs_check_group(struct beliefs *b, const struct id *group, uint64_t version, struct err *err)
{
	const struct group *g;
	int r = 0;

	CHECK(pthread_rwlock_rdlock(&b->lock) == 0);
	g = map_get(b->groups, group->bytes, ID_LEN);
	if (g != NULL && g->version > 0 && !g->live)
		r = unknown(group, err);
	else if (g != NULL && g->version > version)
		r = err_set(err, ERR_CONFLICT, "the group has changed: version %llu, not %llu",
		    (unsigned long long)g->version, (unsigned long long)version);
	pthread_rwlock_unlock(&b->lock);
	return r;
}

int
beliefs_check_not_removed(struct beliefs *b, const struct id *node, struct err *err)
{
	char hex[ID_HEX_MAX];
	const struct node *n;
	bool removed;

	CHECK(pthread_rwlock_rdlock(&b->lock) == 0);
	n = map_get(b->nodes, node->bytes, ID_LEN);
	removed = n != NULL && n->version > 0 && !n->live;
	pthread_rwlock_unlock(&b->lock);
	if (removed)
		return err_set(err, ERR_DENIED, "the node %s was removed", id_hex(node, hex));
	return 0;
}

static struct pkey *
match(struct pkey *const *keys, size_t count, const struct key_id *id)
{
	for (size_t i = 0; i < count; i++) {
		struct key_id found;

		if (keys[i] == NULL)
			continue;
		pkey_id(keys[i], &found);
		if (memcmp(&found, id, sizeof(found)) == 0)
			return pkey_ref(keys[i]);
	}
	return NULL;
}

struct pkey *
beliefs_private(struct beliefs *b, const struct key_id *id)
{
	struct pkey *found = NULL;
	struct span key;
	void *value;

	CHECK(pthread_rwlock_rdlock(&b->lock) == 0);
	for (size_t at = 0; found == NULL && map_next(b->mine, &at, &key, &value);)
		found =
		    match(((struct own_keys *)value)->keys, ((struct own_keys *)value)->count, id);
	if (found == NULL)
		found = match(b->fresh, FRESH_MAX, id);
	pthread_rwlock_unlock(&b->lock);
	return found;
}

void
beliefs_keep_fresh(struct beliefs *b, const struct pkey *key)
{
	CHECK(pthread_rwlock_wrlock(&b->lock) == 0);
	pkey_unref(b->fresh[b->next_fresh]);
	b->fresh[b->next_fresh] = pkey_ref(key);
	b->next_fresh = (b->next_fresh + 1) % FRESH_MAX;
	pthread_rwlock_unlock(&b->lock);
}
