#ifndef REPLICA_CACHE_FACTS_H
#define REPLICA_CACHE_FACTS_H

/*
 * What the cache remembers of CREDENTIAL and GENERATION records, so that it can say at any time
 * which generation should be served. Small: no chains, no seals. One owner at a time: built by the
 * loading job, then the loop thread's.
 */

#include "common/base/map.h"
#include "common/crypto/pkey.h"
#include "common/model/public.h"

struct credential_fact {
	struct id id;
	struct id active;
	bool has_active, archived, revoked;
	bool serves;         /* its certificates are for servers, unless they say otherwise */
	bool told_error;     /* by the last receipt */
	int64_t stale_after; /* seconds without news after which it is not served; 0: never */
	uint64_t serial; /* of the latest look at it: older preparations are void; 0: none yet */
};

struct generation_fact {
	struct id id, credential;
	char *
	    *names; /* that it is served for: of its certificate, whatever else is wanted by now */
	size_t name_count;
	char key_type[KEY_DESCRIPTION_MAX];
	bool says_profile, serves; /* the latter only if it says; else as its credential does */
	struct id *access;
	size_t access_count;
	int64_t not_before, not_after, activated_at_ms;
	struct hash fingerprint;
	uint64_t chain_mark; /* another one: another chain for the same leaf */
	bool withdrawn;      /* or revoked */
};

struct facts {
	struct map *credentials, *generations;
	size_t with_stale_after; /* of the credentials */
};

void facts_init(struct facts *f);
void facts_fini(struct facts *f);

/*
 * Takes a CREDENTIAL or GENERATION record in (removed ones out); other kinds are passed over.
 * *credential is the one that it is about. ERR_NOTFOUND: nothing to do. ERR_PARSE: a record that
 * this version cannot read is taken out.
 */
NODISCARD int facts_learn(
    struct facts *f, const struct record *record, struct id *credential, struct err *err);
/* A record that is gone without a tombstone. */
NODISCARD int facts_forget(
    struct facts *f, uint32_t kind, const struct id *id, struct id *credential);

struct credential_fact *facts_credential(const struct facts *f, const struct id *id);
const struct generation_fact *facts_generation(const struct facts *f, const struct id *id);
/* The generation that should be served, access aside; NULL: none. */
const struct generation_fact *facts_active(
    const struct facts *f, const struct credential_fact *credential);

#endif
