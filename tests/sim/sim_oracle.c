#include "tests/sim/sim.h"

#include "common/base/map.h"
#include "common/crypto/sign.h"

#include <string.h>

void
oracle_init(struct sim_oracle *o)
{
	memset(o, 0, sizeof(*o));
	o->acknowledged = map_new();
	o->signed_heads = map_new();
	o->beats = map_new();
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
	map_free(o->signed_heads);
	map_free(o->beats);
	mem_free(o->heads);
}

void
oracle_note_head(struct sim_oracle *o, const struct head *h, struct span body)
{
	struct position at = head_position(h);
	struct hash hash;

	hash_of(body, &hash);
	map_put(o->signed_heads, &hash, sizeof(hash), o);
	map_put(o->beats, (uint64_t[]){at.term, at.seq, h->beat}, 3 * sizeof(uint64_t), o);
	if (oracle_knows(o, at, &h->digest))
		return;
	o->heads = mem_grow(o->heads, o->head_count + 1, sizeof(*o->heads));
	o->heads[o->head_count++] = (struct oracle_head){at, h->digest};
}

bool
oracle_knows_beat(const struct sim_oracle *o, struct position at, uint64_t beat)
{
	const uint64_t key[] = {at.term, at.seq, beat};

	return map_get(o->beats, key, sizeof(key)) != NULL;
}

const struct oracle_head *
oracle_last_head(const struct sim_oracle *o)
{
	return o->head_count > 0 ? &o->heads[o->head_count - 1] : NULL;
}

bool
oracle_has_signed(const struct sim_oracle *o, struct span body)
{
	struct hash hash;

	hash_of(body, &hash);
	return map_get(o->signed_heads, &hash, sizeof(hash)) != NULL;
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

static bool
may_go(uint32_t kind, bool removed)
{
	return removed && kind != KIND_NODE && kind != KIND_DESIGNATION;
}

static void
promise(struct sim_oracle *o, const struct promise *p)
{
	struct promise *held = map_get(o->acknowledged, &p->id, sizeof(p->id));

	if (held == NULL) {
		held = mem_dup(p, sizeof(*p));
		map_put(o->acknowledged, &p->id, sizeof(p->id), held);
	}
	/*
	 * Not the highest version but the latest: an id that is worked out (of a membership)
	 * begins again once its tombstone has been purged.
	 */
	*held = *p;
}

void
oracle_note_committed(struct sim_oracle *o, const struct committed *records, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct record *r = records[i].record;

		promise(o, &(struct promise){r->id, r->version, may_go(r->kind, r->removed)});
	}
}

void
oracle_note_acknowledged(struct sim_oracle *o, const struct promise *p, size_t count)
{
	o->mutations++;
	for (size_t i = 0; i < count; i++)
		promise(o, &p[i]);
}

struct looking {
	struct sim *sim;
	struct map *seen; /* ids */
};

static int
look_at(const struct stored_record *record, void *arg, struct err *err)
{
	struct looking *l = arg;
	struct sim_oracle *o = &l->sim->oracle;
	const struct promise *held = map_get(o->acknowledged, &record->id, sizeof(record->id));
	char hex[ID_HEX_MAX];

	(void)err;
	map_put(l->seen, &record->id, sizeof(record->id), l);
	if (held != NULL && record->version < held->version)
		sim_fail(l->sim, "version %llu of %s was acknowledged, and %llu is there",
		    (unsigned long long)held->version, id_hex(&record->id, hex),
		    (unsigned long long)record->version);
	promise(o,
	    &(struct promise){record->id, record->version, may_go(record->kind, record->removed)});
	return 0;
}

void
oracle_check_manager(struct sim *s, struct store *store)
{
	AUTO(map_freep)
	struct map *seen = map_new();
	struct looking l = {s, seen};
	struct span key;
	struct err err;
	size_t at = 0;
	void *value;
	int r;

	r = store_each(store, STORE_ALL_KINDS, false, look_at, &l, &err);
	if (r < 0)
		sim_fail(s, "the manager's store cannot be read: %s", err.text);
	while (r == 0 && map_next(s->oracle.acknowledged, &at, &key, &value)) {
		const struct promise *o = value;
		char hex[ID_HEX_MAX];

		if (!o->may_go && map_get(seen, key.data, key.len) == NULL)
			sim_fail(s, "version %llu of %s was acknowledged, and is not there",
			    (unsigned long long)o->version, id_hex(&o->id, hex));
	}
}
