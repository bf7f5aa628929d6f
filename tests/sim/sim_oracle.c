#include "tests/sim/sim.h"

#include "common/base/map.h"

#include <string.h>

void
oracle_init(struct sim_oracle *o)
{
	memset(o, 0, sizeof(*o));
	o->acknowledged = map_new();
}

void
oracle_fini(struct sim_oracle *o)
{
	size_t at = 0;
	struct span key;
	void *value;

	while (map_next(o->acknowledged, &at, &key, &value))
		mem_free(value);
	map_free(o->acknowledged);
	mem_free(o->heads);
}

void
oracle_note_head(struct sim_oracle *o, const struct head *h)
{
	struct position at = head_position(h);

	if (oracle_knows(o, at, &h->digest))
		return;
	o->heads = mem_grow(o->heads, o->head_count + 1, sizeof(*o->heads));
	o->heads[o->head_count++] = (struct oracle_head){at, h->digest};
}

bool
oracle_knows(const struct sim_oracle *o, struct position at, const struct hash *digest)
{
	for (size_t i = o->head_count; i-- > 0;)
		if (position_compare(o->heads[i].at, at) == 0 &&
		    hash_equal(&o->heads[i].digest, digest))
			return true;
	return false;
}

void
oracle_note_acknowledged(
    struct sim_oracle *o, const struct promise *p, size_t count, const struct commit_result *result)
{
	struct position at = {result->term, result->seq};

	o->mutations++;
	if (position_compare(at, o->acknowledged_at) > 0)
		o->acknowledged_at = at;
	for (size_t i = 0; i < count; i++) {
		struct promise *held = map_get(o->acknowledged, &p[i].id, sizeof(p[i].id));

		if (held == NULL) {
			held = mem_dup(&p[i], sizeof(p[i]));
			map_put(o->acknowledged, &p[i].id, sizeof(p[i].id), held);
		}
		/*
		 * Not the highest version but the latest: an id that is worked out (of a
		 * membership) begins again once its tombstone has been purged.
		 */
		*held = p[i];
	}
}

static int
see_version(const struct stored_record *record, void *arg, struct err *err)
{
	uint64_t *copy = mem_dup(&record->version, sizeof(record->version));

	(void)err;
	map_put(arg, &record->id, sizeof(record->id), copy);
	return 0;
}

void
oracle_check_manager(struct sim *s, struct store *store)
{
	AUTO(map_freep)
	struct map *versions = map_new();
	struct position newest;
	struct span key;
	struct err err;
	uint64_t count;
	size_t at = 0;
	void *value;
	int r;

	r = store_each(store, STORE_ALL_KINDS, false, see_version, versions, &err);
	if (r == 0)
		r = store_extent(store, &newest, &count, &err);
	if (r < 0)
		sim_fail(s, "the manager's store cannot be read: %s", err.text);
	else if (position_compare(newest, s->oracle.acknowledged_at) < 0)
		sim_fail(s, "acknowledged seq %llu, but the store ends at %llu",
		    (unsigned long long)s->oracle.acknowledged_at.seq,
		    (unsigned long long)newest.seq);
	while (r == 0 && map_next(s->oracle.acknowledged, &at, &key, &value)) {
		const struct promise *o = value;
		const uint64_t *version = map_get(versions, key.data, key.len);
		char hex[ID_HEX_MAX];

		if (version != NULL ? *version < o->version : !o->may_go)
			sim_fail(s, "version %llu of %s was acknowledged, and %llu is there",
			    (unsigned long long)o->version, id_hex(&o->id, hex),
			    (unsigned long long)(version != NULL ? *version : 0));
	}
	at = 0;
	while (map_next(versions, &at, &key, &value))
		mem_free(value);
}
