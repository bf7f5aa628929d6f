#ifndef SERVER_PUBLISH_PUBLISH_H
#define SERVER_PUBLISH_PUBLISH_H

/*
 * Answers what followers ask over the link: pulls at once when there is something newer, otherwise
 * when there is (a commit, a beat, the end of their patience), and identity renewals through the
 * one who issues. An observer of commit: it keeps the last commits in memory, so that a follower
 * that keeps up costs no read, and followers at the same place share one encoded answer. Keeps for
 * each follower what it has and what it serves. Loop thread only; the store is used in jobs.
 */

#include "common/wire/link_messages.h"
#include "server/commit/commit.h"

struct link_server;
struct publish;
struct publish_identity;

/* None of them may call back into publish, but for publish_identity_done. */
struct publish_events {
	void *arg;
	/* Whether the node is a live member; asked at each request. */
	bool (*is_live)(void *arg, const struct id *node);
	/* Whether its identity has run out, so that it may only ask for a new one. NULL: never. */
	bool (*is_expired)(void *arg, const struct id *node);
	/*
	 * A follower showed a designation of a higher term, and it is genuine: this manager is
	 * fenced off. Pulls are refused from now on, with the proof. Borrowed for the time of the
	 * call.
	 */
	void (*on_fenced)(void *arg, const struct signed_designation *proof, uint64_t term);
	/* Another designation for a term that is held: evidence, borrowed for the time of the call.
	 */
	void (*on_conflict)(
	    void *arg, const struct id *node, const struct signed_designation *other);
	/*
	 * Renew a node's identity; request is borrowed for the time of the call. Ends by exactly
	 * one publish_identity_done, at once or later. NULL: refused.
	 */
	void (*on_identity)(void *arg, struct publish_identity *call, const struct id *node,
	    const struct identity_request *request);
	/* The receipts of a node have changed; credential NULL: all of them. May be NULL. */
	void (*on_receipt)(void *arg, const struct id *node, const struct id *credential);
};

struct publish_params {
	struct runtime *runtime;
	struct commit *commit; /* outlives this */
	struct store *store;
	struct link_server *link;  /* served from here on; the caller closes it before this */
	const struct trust *trust; /* borrowed: domain, own term and designations */
	struct publish_events events;
};

/* After commit is ready: ERR_AGAIN while there is no signed head. */
NODISCARD int publish_new(
    const struct publish_params *params, struct publish **out, struct err *err);
/* After the link has been closed. closed comes when the last job has ended. */
void publish_close(struct publish *p, void (*closed)(void *arg), void *arg);

/* reply is copied; with a status, err is sent as a refusal. */
void publish_identity_done(struct publish_identity *call, int status,
    const struct identity_reply *reply, const struct err *err);

/* A node has been removed: it is told so, its connection ends, what is known of it is forgotten. */
void publish_throw_out(struct publish *p, const struct id *node);

struct publish_follower {
	struct id node;
	struct have have;   /* durably applied there, as it said last */
	bool in_touch;      /* a request is held, or was answered within two beats */
	uint64_t silent_ms; /* since its last request */
	const char *software;
	size_t receipts;
	bool receipts_known; /* the full list has come since our start */
};
/* False: it has not asked since our start. */
bool publish_follower(const struct publish *p, const struct id *node, struct publish_follower *out);

/* What nodes serve for a credential; borrowed for the time of the call. */
typedef void publish_receipt_cb(void *arg, const struct id *node, const struct receipt *receipt);
void publish_receipts(
    const struct publish *p, const struct id *credential, publish_receipt_cb *cb, void *arg);
/* NULL: the node has told nothing about it. Borrowed until the next turn of the loop. */
const struct receipt *publish_receipt(
    const struct publish *p, const struct id *node, const struct id *credential);

struct publish_stats {
	size_t followers, held;
	uint64_t pulls, answers, encoded, pages, refusals;
	size_t ring_bytes, ring_records;
};
void publish_stats(const struct publish *p, struct publish_stats *out);

#endif
