#ifndef SERVER_COMMIT_COMMIT_H
#define SERVER_COMMIT_COMMIT_H

/*
 * The single writer of the log. Mutations queue here; one batch at a time gets consecutive seqs, is
 * signed together with the head that follows from it, and is made durable in one transaction (group
 * commit). Then the observers hear of it, then whoever submitted. A batch that fails leaves a gap
 * in the seqs and nothing else. Loop thread only; the store is used in jobs of the runtime.
 */

#include "common/model/record.h"

struct commit;
struct runtime;
struct signer;
struct store;
struct trust;

/* One record to be: what the committer does not know of itself is in here. Owned by the mutation.
 */
struct draft {
	struct id id;
	uint32_t kind;
	char name[LIMIT_NAME + 1];
	uint64_t expect_version; /* what it replaces; 0: new. The new one is expect_version + 1 */
	bool removed;
	struct buf *public_part;
	struct buf *sealed; /* made for that new version; NULL: none */
	size_t access_count;
	struct id access[LIMIT_ACCESS];
};

/* A record that a mutation builds on without changing it. */
struct expectation {
	struct id id;
	uint64_t version;
};

struct mutation;

/*
 * For what versions cannot say, such as that there is nothing else: called when all that came
 * before has been committed and observed, so that the index shows exactly what the mutation would
 * follow. 0, or the error that the mutation ends with.
 */
typedef int mutation_check_cb(void *arg, const struct mutation *m, struct err *err);

/* What administrators are told when the mutation is durable, in the words of server/events. */
struct tidings {
	char event[32]; /* "credential.export_lapsed" */
	struct id id;   /* of the record that it is about */
	char name[LIMIT_NAME + 1];
	char *text; /* one sentence */
};

/* All or nothing. Also the entry of the audit log. */
struct mutation {
	struct draft *drafts;
	size_t count;
	struct expectation *expected;
	size_t expected_count;
	mutation_check_cb *check; /* NULL: none; check_arg lives until the mutation is done */
	void *check_arg;
	struct tidings *tidings;
	size_t tidings_count;
	char author[LIMIT_AUTHOR + 1];
	char action[32];             /* "cert.add" */
	char object[LIMIT_NAME + 1]; /* name or id of what it is about */
};

struct mutation *mutation_new(const char *author, const char *action, const char *object);
/* A zeroed draft at the end, with empty public_part; valid until the next mutation_add. */
struct draft *mutation_add(struct mutation *m);
/* The record must still be there, with that version, when the mutation is taken: ERR_CONFLICT. */
void mutation_expect(struct mutation *m, const struct id *id, uint64_t version);
/* For what the records do not say by themselves. */
void mutation_tell(struct mutation *m, const char *event, const struct id *id, const char *name,
    const char *fmt, ...) PRINTF_LIKE(5, 6);
void mutation_free(struct mutation *m);
DEFINE_FREEP(struct mutation, mutation_free)

struct commit_result {
	uint64_t term, seq;     /* of the mutation's last record */
	const char *durability; /* "local" or "durable" */
	const char *warning;    /* NULL, or why it is less than asked for */
};

/*
 * status 0: durable as the result says. ERR_CONFLICT, ERR_EXISTS: look again. ERR_NOSPACE, ERR_IO,
 * ERR_UNAVAIL: nothing was changed, try later.
 */
typedef void commit_done_cb(
    void *arg, int status, const struct commit_result *result, const struct err *err);

/* A record that has just become durable, with its signed form; borrowed for the time of the call.
 */
struct committed {
	const struct record *record;
	struct signed_bytes signed_record;
	uint64_t replaced_version; /* 0: it is new */
};

/* count is 0 for a beat. head is the newest; both its forms are borrowed. */
typedef void commit_observer_cb(void *arg, const struct committed *records, size_t count,
    const struct head *head, struct signed_bytes signed_head);

/* What the committer asks before it takes a mutation. Live records only; false: none. */
struct commit_lookup {
	void *arg;
	/* Version of the id, tombstones included; 0: none. removed: it is a tombstone. */
	uint64_t (*version)(void *arg, const struct id *id, bool *removed);
	bool (*by_name)(void *arg, uint32_t kind, const char *name, struct id *out);
};

/*
 * Written in the transaction of the batch, one for each mutation; chain_head is the last link then.
 * Called with count 0 at start, only to learn chain_head: all zeroes when there is no entry.
 */
struct audit_entry {
	int64_t at_ms;
	const char *actor, *action, *object;
	uint64_t term, seq;
};
typedef int commit_audit_cb(void *arg, struct store *store, const struct audit_entry *entries,
    size_t count, struct hash *chain_head, struct err *err);

/*
 * What else is written in the transaction of a batch of records. note comes on the loop before it,
 * when the look-up still shows what the records replace; write on the worker, inside of it; settled
 * on the loop when it has ended, before the observers hear of it. One batch at a time. All NULL:
 * nothing.
 */
struct commit_beside {
	void *arg;
	void (*note)(void *arg, const struct committed *records, size_t count,
	    const struct tidings *tidings, size_t tidings_count);
	int (*write)(void *arg, struct store *store, struct err *err);
	void (*settled)(void *arg, int status);
};

struct commit_params {
	struct runtime *runtime;
	struct store *store; /* opened; only used in jobs */
	struct signer *signer;
	struct domain_id domain;
	uint64_t term;
	struct commit_lookup lookup;
	commit_audit_cb *audit; /* on the worker; NULL: no audit log */
	void *audit_arg;
	struct commit_beside beside;
};

typedef void commit_ready_cb(void *arg, int status, const struct err *err);

/*
 * Loads digest and position in a job, reserves seqs and beats, signs a first head and calls ready.
 * Mutations may be submitted at once; they wait. ready comes exactly once, with ERR_CANCELED when
 * the committer is closed before.
 */
NODISCARD int commit_new(const struct commit_params *params, commit_ready_cb *ready, void *arg,
    struct commit **out, struct err *err);
/* No new mutations; what is queued ends with ERR_CANCELED, what is under way ends as it ends. */
void commit_close(struct commit *c, void (*closed)(void *arg), void *arg);

/* Observers are called in the order in which they were added. At most 16. */
void commit_observe(struct commit *c, commit_observer_cb *cb, void *arg);
void commit_unobserve(struct commit *c, commit_observer_cb *cb, void *arg);

/* Takes the mutation, always. 0: done comes exactly once, later. */
NODISCARD int commit_submit(
    struct commit *c, struct mutation *m, commit_done_cb *done, void *arg, struct err *err);

/* The newest head; NULL before ready. Borrowed until the next turn of the loop. */
const struct head *commit_head(const struct commit *c, struct signed_bytes *signed_head);

/* Moves the floor and drops tombstones older than age_s now; a daily timer does it besides. */
void commit_purge(struct commit *c, int64_t age_s);

struct commit_stats {
	uint64_t batches, mutations, records, refused, failed;
	size_t queued;
	const char *trouble; /* NULL, or why nothing is committed at present */
};
void commit_stats(const struct commit *c, struct commit_stats *out);

#endif
