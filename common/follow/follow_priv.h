#ifndef COMMON_FOLLOW_FOLLOW_PRIV_H
#define COMMON_FOLLOW_FOLLOW_PRIV_H

/* What the parts of the follower share; nobody else includes it. */

#include "common/base/map.h"
#include "common/base/runtime.h"
#include "common/base/sm.h"
#include "common/follow/follow.h"
#include "common/store/digest.h"
#include "common/store/store.h"
#include "common/wire/record_wire.h"
#include "common/wire/trust.h"

/*
 *  LOADING -> PULLING -> TAKING -> APPLYING -> HOLDING -> PULLING ...
 *                |          |          |
 *                +----------+----------+--> WAITING (back-off) -> PULLING
 *
 * TAKING decodes, verifies and stages one reply on the worker. A page of several leads straight
 * back to PULLING. HOLDING gives the receipts of what was just applied a moment to come in. CLOSING
 * is entered from anywhere and left by nothing.
 */
enum follow_state {
	FOLLOW_LOADING,
	FOLLOW_PULLING,
	FOLLOW_TAKING,
	FOLLOW_APPLYING,
	FOLLOW_HOLDING,
	FOLLOW_WAITING,
	FOLLOW_CLOSING,
	FOLLOW__COUNT,
};

/* How what the manager sends is brought together with what is here. */
enum sync {
	SYNC_DELTA,   /* behind have, each record verified */
	SYNC_REFETCH, /* everything, believed by digest and head */
};

/* What is kept beside the records. */
struct place {
	struct position at; /* of the last head whose state was applied */
	uint64_t beat;
	struct position floor;      /* tombstones up to here are gone */
	struct position unverified; /* signatures of records up to here were not checked */
};

enum taken {
	TAKEN_PAGE,     /* staged; ask for the next */
	TAKEN_STATE,    /* digest fits: apply */
	TAKEN_BEAT,     /* nothing new but the head */
	TAKEN_MISMATCH, /* fetch everything */
	TAKEN_REFUSED,
	TAKEN_IDENTITY,
};

/* One reply on its way: made on the loop, worked on by one job, then the loop's again. */
struct take {
	struct job job;
	struct follow *f;
	struct buf *bytes; /* the reply; everything decoded borrows from it */
	struct reply reply;
	bool decoded;
	struct trust
	    *trust; /* a clone with the designations of the reply; replaces the one before */
	struct head head;
	bool has_head;
	struct record *records;
	struct stored_record *stored;
	size_t count;
	struct id *purged;
	size_t purged_count;
	struct hash root;
	enum taken taken;
	bool applied; /* the state has been written by the same job, or that failed (status) */
	int status;
	struct err err;
};

struct follow_identity_call {
	struct buf *request;
	follow_identity_cb *done;
	void *arg;
};

struct follow {
	struct follow_params p;
	struct sm sm;
	struct place place;
	struct digest *digest; /* of the state here; the worker's while a job runs */
	struct hash root;      /* of it, at place */
	bool has_root;
	enum sync sync;
	bool staging;           /* pages have been staged since the sync began */
	bool want_refetch;      /* before the next pull */
	bool retell;            /* the store was written anew: what it holds is news to others */
	bool noted;             /* SYNC_DELTA: the digest has a mark */
	struct digest *fetched; /* SYNC_REFETCH: of what was staged */
	struct position cursor;
	struct take take;
	struct job load;
	int load_status;
	struct err load_err;
	struct place load_place;
	struct backoff backoff;
	struct timer timer, stale;
	uint64_t beat_seen_ms; /* monotonic; when beat last advanced */
	enum freshness freshness;
	struct map *receipts;                 /* credential id -> struct kept_receipt */
	bool receipts_all;                    /* the manager wants the full list */
	struct follow_identity_call identity; /* request NULL: none */
	bool identity_sent;
	bool calling; /* a request is on its way */
	bool working; /* a job is */
	struct follow_status status;
	void (*closed)(void *arg);
	void *closed_arg;
};

extern const struct sm_state follow_states[FOLLOW__COUNT];

/* follow.c */
void follow_begin(struct follow *f, enum sync sync);
void follow_on_reply(void *arg, int status, struct span reply, const struct err *err);
void follow_applied(struct follow *f, bool news);
/* Whatever was noted of a sync that came to nothing is undone; tries again after a back-off. */
void follow_trouble(struct follow *f, const struct err *err);
/* The link failed: pages that are staged stay, and the sync goes on behind them. */
void follow_pause(struct follow *f, const struct err *err);
bool follow_is_closing(const struct follow *f);
void follow_end(struct follow *f);

/* pull.c: sends the next request; follow_on_reply ends it */
void follow_pull(struct follow *f);

/* load.c */
void follow_load(struct follow *f);
void place_encode(const struct place *p, struct buf *out);
#define PLACE_META "follow-place"

/* take.c: on the worker */
void take_run(struct job *job);
void take_fini(struct take *t);

/* apply.c: follow_apply_taken on the worker, the rest on the loop */
void follow_apply_taken(struct take *t);
void follow_apply(struct follow *f);
void follow_apply_done(struct follow *f);

/* receipts.c */
void receipts_free(struct follow *f);
/* Fills the pull's list with what has not been told, as much as fits; list is the caller's. */
size_t receipts_collect(
    struct follow *f, struct receipt *list, size_t max, bool *complete, bool *more);
/* The collected ones have been sent, or must be sent again. */
void receipts_sent(struct follow *f, bool ok);
void receipts_want_all(struct follow *f);

#endif
