#ifndef REPLICA_CACHE_OPEN_H
#define REPLICA_CACHE_OPEN_H

/*
 * Opening one generation: fetch its record (unless it is at hand), verify it (unless the follower
 * did), open the seal, hold key and certificate against each other, make what handshakes use. Two
 * steps off the loop, then done() on it.
 */

#include "common/base/runtime.h"
#include "common/model/record.h"

struct issuers;
struct keyring;
struct loop;
struct store;
struct store_records;
struct tls_identity;
struct trust;

struct opening {
	/* set by the caller, who owns it until done() */
	struct runtime *runtime;
	struct loop *loop; /* NULL: the runtime's worker does all */
	struct store *store;
	struct keyring *keyring;
	struct issuers *issuers;
	struct trust *const *trusted; /* the owner's, as it is when the record has been fetched */
	struct record *record;        /* owned, verified; NULL: fetch it by generation */
	struct id generation, credential;
	void (*done)(struct opening *o);
	void *arg;
	/* result: status 0 with identity, or err; both are the caller's then */
	int status;
	struct err err;
	bool damaged; /* what was fetched is not what was signed */
	struct tls_identity *identity;
	/* its own */
	struct job job;
	struct trust *trust;
	struct store_records *fetched;
};

void opening_start(struct opening *o);
void opening_fini(struct opening *o);

#endif
