#ifndef TESTS_SIM_SIM_ORACLE_H
#define TESTS_SIM_SIM_ORACLE_H

/*
 * What the manager has promised: the heads that it signed, and the versions that it acknowledged.
 * It lives outside the nodes, and no crash takes anything from it.
 */

#include "common/model/record.h"
#include "common/store/store.h"
#include "server/commit/commit.h"

struct sim;

struct sim_oracle {
	struct oracle_head {
		struct position at;
		struct hash digest;
	} * heads;
	size_t head_count;
	struct map *signed_heads; /* by the hash of a body: each head, beats too */
	struct map *beats;        /* by term, seq, beat */
	struct map *acknowledged; /* by record id: struct promise */
	uint64_t mutations, refused;
};

/* A version of a record that a mutation makes. */
struct promise {
	struct id id;
	uint64_t version;
	bool may_go; /* a tombstone that a purge takes away */
};

void oracle_init(struct sim_oracle *o);
void oracle_fini(struct sim_oracle *o);
void oracle_note_head(struct sim_oracle *o, const struct head *h, struct span body);
/* The newest that was published; NULL before the first. */
const struct oracle_head *oracle_last_head(const struct sim_oracle *o);
/* Whether a signed head had this position and this digest. */
bool oracle_knows(const struct sim_oracle *o, struct position at, const struct hash *digest);
/* Whether the manager has made this head known, byte for byte. */
bool oracle_has_signed(const struct sim_oracle *o, struct span body);
bool oracle_knows_beat(const struct sim_oracle *o, struct position at, uint64_t beat);
/* What has become durable is no more to be lost than what was acknowledged: others have seen it. */
void oracle_note_committed(struct sim_oracle *o, const struct committed *records, size_t count);
void oracle_note_acknowledged(struct sim_oracle *o, const struct promise *p, size_t count);
/*
 * Everything acknowledged is in the store, in that version or a later one. A later one is a promise
 * from now on: a crash has swallowed its acknowledgement only.
 */
void oracle_check_manager(struct sim *s, struct store *store);

#endif
