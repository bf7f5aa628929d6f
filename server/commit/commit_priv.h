#ifndef SERVER_COMMIT_COMMIT_PRIV_H
#define SERVER_COMMIT_COMMIT_PRIV_H

/* Inside the committer: its phases, the batch under way, and what is reserved on disk. */

#include "common/base/map.h"
#include "common/base/runtime.h"
#include "common/base/sm.h"
#include "common/store/digest.h"
#include "common/store/store.h"
#include "server/commit/commit.h"
#include "server/signer/signer.h"

/*
 *   LOADING --> IDLE --> SIGNING --> STORING --> IDLE       a batch
 *               IDLE --> READING --> SIGNING --> ...        a purge: looks for tombstones first
 *               IDLE --> STORING --> IDLE                   a reservation alone
 *               STORING --> REBUILDING <--> WAITING         after an error of the disk
 *
 * The present head may be signed anew (a beat) in every phase in which the digest is that of the
 * store: not between SIGNING and the end of STORING.
 */
enum phase {
	PHASE_LOADING,
	PHASE_IDLE,
	PHASE_READING,
	PHASE_SIGNING,
	PHASE_STORING,
	PHASE_REBUILDING,
	PHASE_WAITING,
	PHASE_DEAD, /* loading failed */
	PHASE_CLOSED,
	PHASE__COUNT,
};

#define BEAT_MS 5000
#define BEAT_RETRY_MS 1000
#define PURGE_MS (24 * UINT64_C(3600000))
#define PURGE_AGE_S (30 * INT64_C(86400))
/* Numbers that may be used after a start without asking the disk; a start skips what was left. */
#define SEQ_BLOCK UINT64_C(65536)
#define BEAT_BLOCK UINT64_C(4096)
#define OBSERVERS_MAX 16

/* A mutation that waits, or is part of the batch. */
struct queued {
	struct queued *next;
	struct mutation *m;
	commit_done_cb *done;
	void *arg;
	/* of its records in the batch */
	size_t first, count;
	int status; /* when it was refused */
	struct err err;
};

struct queue {
	struct queued *head, **tail;
	size_t count;
};

void queue_init(struct queue *q);
void queue_push(struct queue *q, struct queued *item);
struct queued *queue_pop(struct queue *q);

/* What meta row "commit" holds: numbers up to these may have been signed. */
struct reserve {
	uint64_t seq, beat; /* reserved up to and including */
	uint64_t last_seq;  /* of the newest record ever committed, purged or not */
	struct position floor;
};

void reserve_encode(const struct reserve *r, struct buf *out);
NODISCARD int reserve_decode(struct span in, struct reserve *out, struct err *err);

/* One record of the batch; the spans of record lie in the mutation. */
struct batch_record {
	struct record record;
	struct buf body, signature;
	struct hash hash;
	uint64_t replaced_version;
};

struct batch {
	struct queue taken; /* mutations that are in it */
	struct batch_record *records;
	size_t count, cap, bytes;
	struct map *versions; /* id -> record, as index + 1 */
	struct map *names;    /* kind and name -> record, as index + 1 */
	struct id *deletes;   /* of a purge */
	size_t delete_count;
	struct head head;
	struct buf head_body, head_signature;
	struct reserve reserve;
	bool has_head; /* else it only reserves */
};

struct commit {
	struct commit_params params;
	struct sm phase;
	struct digest *digest;
	struct queue queue;
	struct batch *batch;

	uint64_t next_seq, next_beat;
	struct reserve reserve; /* as it is on disk */
	struct hash audit_head;
	bool want_reserve, want_rebuild, want_purge;
	int64_t purge_before_ms;

	struct head head;
	struct buf head_body, head_signature;
	bool has_head;

	struct signer_call call;
	struct buf request;
	bool beating; /* the call is a beat's */
	struct head beat_head;
	struct buf beat_body;

	struct job job; /* of the phase */
	int job_status;
	struct err job_err;
	struct hash job_digest; /* expected by a rebuild */
	struct hash job_audit;  /* told by the audit callback */
	int64_t job_before_ms;
	struct position job_floor;
	struct id *job_ids;
	size_t job_id_count;
	struct job checkpoint;
	int checkpoint_status;
	bool checkpointing;

	struct timer tick, beat_timer, purge_timer, wait_timer;
	struct backoff backoff;

	struct {
		commit_observer_cb *cb;
		void *arg;
	} observers[OBSERVERS_MAX];

	commit_ready_cb *ready;
	void *ready_arg;
	void (*closed)(void *arg);
	void *closed_arg;
	bool closing;

	struct commit_stats stats;
	struct err trouble; /* code 0: none */
	bool signer_trouble;
};

/* --- batch.c --- */
struct batch *batch_new(void);
void batch_free(struct batch *b);
DEFINE_FREEP(struct batch, batch_free)
/*
 * Moves mutations from the queue into the batch as long as there is room; those that do not fit
 * what is committed, or each other, go to refused.
 */
void batch_fill(struct commit *c, struct batch *b, struct queue *refused);
/* Digest and head of the state that the batch leads to; digest_mark has been called. */
NODISCARD int batch_finish(struct commit *c, struct batch *b, struct err *err);
/* The signer's request, in c->request. */
NODISCARD int batch_request(struct commit *c, struct batch *b, struct err *err);
NODISCARD int batch_take_signatures(struct batch *b, struct span done, struct err *err);
/* Each with both its forms, for the time until the batch goes; owned by the caller (mem_free). */
struct committed *batch_committed(const struct batch *b);
/* Before and after the transaction: whoever writes beside it. */
void batch_note(struct commit *c, struct batch *b);
void batch_settled(struct commit *c, const struct batch *b, int status);
/* On the worker. */
NODISCARD int batch_store(struct commit *c, struct batch *b, struct err *err);

/* --- head.c: heads and beats --- */
/* Sends c->request. */
NODISCARD int commit_ask_signer(struct commit *c, signer_done_cb *cb, struct err *err);
void commit_beat(struct commit *c);
bool commit_may_beat(const struct commit *c);
/* Heads that may be signed before more numbers are reserved. */
uint64_t commit_beats_left(const struct commit *c);
/* The head of the present state with the next beat. */
void head_fill(struct commit *c, struct head *h, uint64_t last_seq, struct position floor);
/* A new head is durable: keeps it, tells the observers, restarts the beat. */
void head_publish(struct commit *c, const struct head *h, struct buf *body, struct buf *signature,
    const struct committed *records, size_t count);

/* --- disk.c: jobs --- */
void disk_load(struct commit *c);
void disk_store(struct commit *c);
void disk_read_tombstones(struct commit *c);
void disk_rebuild(struct commit *c);
void disk_checkpoint(struct commit *c);

/* --- commit.c: what comes after a job or a signature --- */
void commit_wake(struct commit *c);
void commit_loaded(struct commit *c, int status, const struct err *err);
void commit_tombstones_read(struct commit *c, int status, const struct err *err);
void commit_stored(struct commit *c, int status, const struct err *err);
void commit_rebuilt(struct commit *c, int status, const struct err *err);
void commit_signed(struct commit *c, int status, struct span done, const struct err *err);
/* Logged when it changes; NULL: all is well. */
void commit_trouble(struct commit *c, const struct err *err);

#endif
