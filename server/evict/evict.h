#ifndef SERVER_EVICT_EVICT_H
#define SERVER_EVICT_EVICT_H

/*
 * Evict and prove: drives each credential of which somebody knows a key without having access, and
 * for which a new key is wanted, through a new key; and ends the note when no server shows the old
 * one any more. What is to be done follows from CredentialPublic.exposed and the receipts: there is
 * no queue to be lost, and the next manager goes on. Loop thread only.
 */

#include "common/wire/link_messages.h"
#include "server/flow/flow.h"

struct evict;

struct evict_params {
	struct runtime *runtime;
	struct index *index; /* loaded */
	struct commit *commit;
	struct flow *flow;
	/*
	 * Whether a node has said all that it serves since this server's start, and has applied the
	 * log up to that place.
	 */
	bool (*has_told)(void *arg, const struct id *node, struct position at);
	/* What nodes say of a credential; borrowed for the time of the call. */
	void (*receipts)(void *arg, const struct id *credential,
	    void (*cb)(void *cb_arg, const struct id *node, const struct receipt *receipt),
	    void *cb_arg);
	void *arg;
};

struct evict *evict_new(const struct evict_params *params);
/* Starts nothing any more. Before flow is closed; then, when it is, evict_free. */
void evict_stop(struct evict *e);
void evict_free(struct evict *e);

/* What a node serves has changed; credential NULL: all of it. */
void evict_on_receipt(struct evict *e, const struct id *node, const struct id *credential);

/* How far an exposure is. */
enum evict_state {
	EVICT_KEPT,     /* in force, and no new key is wanted because of it */
	EVICT_LEAVING,  /* the server is about to lose its access */
	EVICT_WAITING,  /* in force: a new key is made next, or `trouble` says why it is not */
	EVICT_CSR,      /* the CSR with a new key waits for its certificate */
	EVICT_IMPORT,   /* it was imported, and so must the next be */
	EVICT_RESTING,  /* archived, revoked or in draft: nobody serves it */
	EVICT_REPLACED, /* another key is in force; some may serve this one still */
	EVICT_PROVEN,   /* nobody does */
	EVICT_MOOT,     /* the server has access again */
	EVICT__COUNT,
};

const char *evict_state_name(enum evict_state state);

struct evict_view {
	enum evict_state state;
	const char *trouble; /* NULL, or why the last try failed; borrowed until the next turn */
	bool silent;         /* some have not said yet what they serve */
};
/*
 * One exposure of a credential; on_still (or NULL) is called for each node that keeps it from being
 * proven: one that serves the key, or (silent) may do so.
 */
typedef void evict_still_cb(void *arg, const struct id *node, bool silent);
struct evict_view evict_judge(const struct evict *e, const struct index_record *credential,
    const struct exposure *exposure, evict_still_cb *on_still, void *arg);

#endif
