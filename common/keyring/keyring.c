#include "common/keyring/keyring.h"

#include "common/base/map.h"
#include "common/crypto/envelope.h"
#include "common/wire/public_wire.h"

#include <pthread.h>
#include <string.h>

/* What one membership of this node brought. */
struct group {
	struct id membership, group;
	struct pkey *keys[LIMIT_GROUP_KEYS];
	struct key_id ids[LIMIT_GROUP_KEYS];
	size_t count;
};

struct keyring {
	struct domain_id domain;
	struct id node;
	struct pkey *sealing;
	struct key_id sealing_id;
	pthread_rwlock_t *lock; /* of what follows; apart, so that readers may be const */
	struct map *groups;     /* membership id -> struct group */
};

static void
group_free(struct group *g)
{
	if (g == NULL)
		return;
	for (size_t i = 0; i < g->count; i++)
		pkey_unref(g->keys[i]);
	mem_free(g);
}

DEFINE_FREEP(struct group, group_free)

int
keyring_new(const struct domain_id *domain, const struct id *node, const struct pkey *sealing,
    struct keyring **out, struct err *err)
{
	struct keyring *k;

	if (!pkey_has_private(sealing))
		return err_set(err, ERR_INVALID, "the sealing key has no private half");
	k = mem_zalloc(sizeof(*k));
	k->domain = *domain;
	k->node = *node;
	k->sealing = pkey_ref(sealing);
	pkey_id(sealing, &k->sealing_id);
	k->lock = mem_zalloc(sizeof(*k->lock));
	CHECK(pthread_rwlock_init(k->lock, NULL) == 0);
	k->groups = map_new();
	*out = k;
	return 0;
}

void
keyring_free(struct keyring *k)
{
	size_t at = 0;
	void *value;

	if (k == NULL)
		return;
	while (map_next(k->groups, &at, NULL, &value))
		group_free(value);
	map_free(k->groups);
	pkey_unref(k->sealing);
	CHECK(pthread_rwlock_destroy(k->lock) == 0);
	mem_free(k->lock);
	mem_free(k);
}

static struct seal_binding
binding_of(const struct keyring *k, const struct record *record)
{
	return (struct seal_binding){
	    k->domain, record->id, record->version, record->kind, record->public_part};
}

/* --- learning ------------------------------------------------------------------------------------
 */

static int
take_keys(const struct secret *plain, struct group *g, struct err *err)
{
	struct group_keys keys;
	int r = wire_group_keys_decode(plain, &keys, err);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < keys.count; i++) {
		r = pkey_from_pkcs8(secret_span(keys.pkcs8[i]), &g->keys[i], err);
		if (r < 0)
			break;
		g->count++;
		pkey_id(g->keys[i], &g->ids[i]);
	}
	group_keys_fini(&keys);
	return r;
}

/* The public part names the keys that are inside; a reader must be able to believe it. */
static int
check_keys(const struct group *g, const struct membership_public *p, struct err *err)
{
	bool same = g->count == p->key_ids.count;

	for (size_t i = 0; same && i < g->count; i++)
		same = span_equal(SPAN_OF(g->ids[i].bytes), p->key_ids.items[i]);
	return same ? 0 : err_set(err, ERR_CRYPTO, "the keys inside are not those that it names");
}

static int
open_membership(struct keyring *k, const struct record *record, struct group **out, struct err *err)
{
	AUTO(secret_freep)
	struct secret *plain = NULL;
	AUTO(group_freep)
	struct group *g = mem_zalloc(sizeof(*g));
	struct seal_binding binding = binding_of(k, record);
	struct membership_public p;
	int r = wire_membership_public_decode(record->public_part, &p, err);

	if (r < 0)
		return r;
	g->membership = record->id;
	g->group = p.group;
	if (!id_equal(&p.node, &k->node)) {
		membership_public_fini(&p);
		return 0; /* of another node: *out stays NULL */
	}
	r = envelope_open(&binding, record->sealed, k->sealing, &plain, err);
	if (r == 0)
		r = take_keys(plain, g, err);
	if (r == 0)
		r = check_keys(g, &p, err);
	membership_public_fini(&p);
	if (r == 0)
		*out = MOVE(g);
	return r;
}

static bool
same_keys(const struct group *a, const struct group *b)
{
	if (a == NULL || b == NULL || a->count != b->count || !id_equal(&a->group, &b->group))
		return false;
	return memcmp(a->ids, b->ids, a->count * sizeof(a->ids[0])) == 0;
}

int
keyring_learn(struct keyring *k, const struct record *membership, struct err *err)
{
	struct group *fresh = NULL, *old;
	char hex[ID_HEX_MAX];
	int r;

	if (membership->kind != KIND_MEMBERSHIP)
		return 0;
	if (!membership->removed && (r = open_membership(k, membership, &fresh, err)) < 0)
		return err_wrap(err, "membership %s", id_hex(&membership->id, hex));
	CHECK(pthread_rwlock_wrlock(k->lock) == 0);
	if (fresh != NULL)
		old = map_put(k->groups, membership->id.bytes, ID_LEN, fresh);
	else
		old = map_del(k->groups, membership->id.bytes, ID_LEN);
	CHECK(pthread_rwlock_unlock(k->lock) == 0);
	r = (fresh != NULL || old != NULL) && !same_keys(fresh, old);
	group_free(old);
	return r;
}

bool
keyring_is_own(const struct keyring *k, const struct record *membership)
{
	struct membership_public p;
	bool own;

	if (membership->kind != KIND_MEMBERSHIP || membership->removed ||
	    wire_membership_public_decode(membership->public_part, &p, NULL) < 0)
		return false;
	own = id_equal(&p.node, &k->node);
	membership_public_fini(&p);
	return own;
}

static bool
is_among(const struct id *id, const struct id *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (id_equal(id, &list[i]))
			return true;
	return false;
}

int
keyring_keep(struct keyring *k, const struct id *memberships, size_t count)
{
	struct map *kept = map_new(), *old = k->groups;
	size_t at = 0;
	void *value;
	int changed = 0;

	while (map_next(old, &at, NULL, &value)) {
		struct group *g = value;
		if (is_among(&g->membership, memberships, count))
			(void)map_put(kept, g->membership.bytes, ID_LEN, g);
	}
	CHECK(pthread_rwlock_wrlock(k->lock) == 0);
	k->groups = kept;
	CHECK(pthread_rwlock_unlock(k->lock) == 0);
	for (at = 0; map_next(old, &at, NULL, &value);) {
		struct group *g = value;
		if (map_get(kept, g->membership.bytes, ID_LEN) != NULL)
			continue;
		changed = 1;
		group_free(g);
	}
	map_free(old);
	return changed;
}

/* --- opening -------------------------------------------------------------------------------------
 */

bool
keyring_in_group(const struct keyring *k, const struct id *group)
{
	size_t at = 0;
	void *value;
	bool found = false;

	CHECK(pthread_rwlock_rdlock(k->lock) == 0);
	while (!found && map_next(k->groups, &at, NULL, &value))
		found = id_equal(&((struct group *)value)->group, group);
	CHECK(pthread_rwlock_unlock(k->lock) == 0);
	return found;
}

bool
keyring_has_access(const struct keyring *k, const struct id *access, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (id_equal(&access[i], &k->node) || keyring_in_group(k, &access[i]))
			return true;
	return false;
}

/* A reference to the key with that identifier, or NULL. Under the lock. */
static struct pkey *
key_of(const struct keyring *k, const struct key_id *id)
{
	size_t at = 0;
	void *value;

	if (memcmp(id, &k->sealing_id, sizeof(*id)) == 0)
		return pkey_ref(k->sealing);
	while (map_next(k->groups, &at, NULL, &value)) {
		const struct group *g = value;

		for (size_t i = 0; i < g->count; i++)
			if (memcmp(id, &g->ids[i], sizeof(*id)) == 0)
				return pkey_ref(g->keys[i]);
	}
	return NULL;
}

static struct pkey *
find_key(const struct keyring *k, const struct key_id *ids, size_t count)
{
	struct pkey *key = NULL;

	CHECK(pthread_rwlock_rdlock(k->lock) == 0);
	for (size_t i = 0; key == NULL && i < count; i++)
		key = key_of(k, &ids[i]);
	CHECK(pthread_rwlock_unlock(k->lock) == 0);
	return key;
}

int
keyring_open(
    const struct keyring *k, const struct record *record, struct secret **out, struct err *err)
{
	AUTO(pkey_unrefp)
	struct pkey *key = NULL;
	struct seal_binding binding = binding_of(k, record);
	struct key_id ids[LIMIT_RECIPIENTS];
	char hex[ID_HEX_MAX];
	size_t count = 0;
	int r = envelope_recipients(record->sealed, ids, &count, err);

	if (r == 0 && (key = find_key(k, ids, count)) == NULL)
		r = err_set(err, ERR_NOTFOUND, "it is sealed to others");
	if (r == 0)
		r = envelope_open(&binding, record->sealed, key, out, err);
	return r < 0 ? err_wrap(err, "record %s", id_hex(&record->id, hex)) : 0;
}

int
keyring_open_key(const struct keyring *k, const struct record *record, struct span spki,
    struct pkey **out, struct err *err)
{
	AUTO(secret_freep)
	struct secret *plain = NULL;
	AUTO(secret_freep)
	struct secret *pkcs8 = NULL;
	AUTO(pkey_unrefp)
	struct pkey *key = NULL;
	char hex[ID_HEX_MAX];
	int r;

	if ((r = keyring_open(k, record, &plain, err)) < 0)
		return r;
	if ((r = wire_private_key_decode(plain, &pkcs8, err)) == 0 &&
	    (r = pkey_from_pkcs8(secret_span(pkcs8), &key, err)) == 0 &&
	    !span_equal(pkey_spki(key), spki)) /* one key has one encoding */
		r = err_set(err, ERR_CRYPTO, "the private key is not that of its public part");
	if (r < 0)
		return err_wrap(err, "record %s", id_hex(&record->id, hex));
	*out = MOVE(key);
	return 0;
}
