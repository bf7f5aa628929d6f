#ifndef REPLICA_CACHE_INDEX_H
#define REPLICA_CACHE_INDEX_H

/*
 * The names that this node serves, and what serves each. Handshakes on any thread look up; the loop
 * thread changes it, each set of changes at once, so that nobody sees half of one. A struct served
 * is one credential with the generation in force; its facts never change, it is replaced.
 */

#include "common/model/public.h"

#include <stdatomic.h>

struct index;
struct tls_identity;
struct index_wait;

struct served {
	atomic_uint refs;
	struct id credential, generation;
	int64_t activated_at_ms;
	int64_t not_before, not_after;
	struct hash fingerprint; /* of the leaf */
	unsigned can;            /* the TLS_CAN_ bit that a client needs */
	char **names;            /* in normal form */
	size_t name_count;
	/* Guarded by the index from here on. */
	struct tls_identity *identity; /* NULL: not opened */
	struct index_wait *waits;
	bool opening, broken;
	atomic_bool used; /* since the clock hand was here */
};

struct served *served_new(const struct id *credential, const struct id *generation,
    struct texts names, const char *key_type);
struct served *served_ref(struct served *s);
void served_unref(struct served *s);
DEFINE_FREEP(struct served, served_unref)

struct index *index_new(size_t opened_max);
/* Nobody may wait or look any more. */
void index_free(struct index *x);
DEFINE_FREEP(struct index, index_free)

/* One credential in a swap: next takes the place of what is served for it; NULL: nothing does. */
struct index_change {
	struct id credential;
	struct served *next; /* a reference, taken over */
};
/* All at once. Identities that are not served any more are released, those who wait are woken. */
void index_swap(struct index *x, const struct index_change *changes, size_t count);

/* What is served for a credential: a new reference, or NULL. */
struct served *index_of_credential(struct index *x, const struct id *credential);
/* Appends the ids of all credentials that are served; the caller frees *out. */
size_t index_credentials(struct index *x, struct id **out);

/* Is there anything for a name (normal form)? */
bool index_knows(struct index *x, const char *name);
/*
 * The one that serves a name for a client that can verify what `can` says (0: any client), by the
 * rule of common/model/choose.h. A new reference, or NULL.
 */
struct served *index_find(struct index *x, const char *name, unsigned can);
/* Whether that generation of that credential is what is served, and for that name. */
bool index_serves(
    struct index *x, const char *name, const struct id *credential, const struct id *generation);

/*
 * Whoever waits for an identity to be opened. Owned by the waiter until cb or index_wait_cancel. cb
 * comes on the thread that opened or swapped, under the index's lock: it may only post.
 */
struct index_wait {
	void (*cb)(struct index_wait *w);
	struct index_wait *next;
	struct served *on; /* NULL: not waiting; else a reference */
};

enum index_answer {
	INDEX_READY,  /* *out is a new reference */
	INDEX_WAIT,   /* w stands in line; *must_open: the caller sees to the opening */
	INDEX_BROKEN, /* it could not be opened, or is not served any more */
};
enum index_answer index_open(struct index *x, struct served *s, struct index_wait *w,
    struct tls_identity **out, bool *must_open);
/* For an opening that nobody waits for: false when it is open, being opened, or broken. */
bool index_begin_opening(struct index *x, struct served *s);
/* After it returned, cb will not be called. Any thread. */
void index_wait_cancel(struct index *x, struct index_wait *w);

/*
 * The end of an opening: identity (a reference, taken over) or NULL when it failed. Wakes those who
 * wait. When more than opened_max are open, one that was not used lately is closed.
 */
void index_opened(struct index *x, struct served *s, struct tls_identity *identity);

struct index_counts {
	size_t credentials, names, opened;
	uint64_t swaps;
};
void index_counts(struct index *x, struct index_counts *out);

#endif
