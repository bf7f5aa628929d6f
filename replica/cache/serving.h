#ifndef REPLICA_CACHE_SERVING_H
#define REPLICA_CACHE_SERVING_H

/*
 * The names that this node serves, and what serves each. Handshakes on any thread look up; the loop
 * thread changes it, each set of changes at once, so that nobody sees half of one. A struct served
 * is one credential with the generation in force; its facts never change, it is replaced.
 */

#include "common/model/public.h"

#include <stdatomic.h>

struct serving;
struct tls_identity;
struct serving_wait;

struct served {
	atomic_uint refs;
	struct id credential, generation;
	int64_t activated_at_ms;
	int64_t not_before, not_after;
	struct hash fingerprint; /* of the leaf */
	uint64_t chain_mark;     /* of the issuers behind it, as in struct generation_fact */
	unsigned can;            /* the TLS_CAN_ bit that a client needs */
	char **names;            /* in normal form */
	size_t name_count;
	/* Guarded by the index from here on. */
	struct tls_identity *identity; /* NULL: not opened */
	struct serving_wait *waits;
	bool opening, broken;
	size_t ring_at;   /* its place among the opened ones, while identity is not NULL */
	atomic_bool used; /* since the clock hand was here */
};

struct served *served_new(const struct id *credential, const struct id *generation,
    struct texts names, const char *key_type);
struct served *served_ref(struct served *s);
void served_unref(struct served *s);
DEFINE_FREEP(struct served, served_unref)

struct serving *serving_new(size_t opened_max);
/* Nobody may wait or look any more. */
void serving_free(struct serving *x);
DEFINE_FREEP(struct serving, serving_free)

/* One credential in a swap: next takes the place of what is served for it; NULL: nothing does. */
struct serving_change {
	struct id credential;
	struct served *next; /* a reference, taken over */
};
/* All at once. Identities that are not served any more are released, those who wait are woken. */
void serving_swap(struct serving *x, const struct serving_change *changes, size_t count);

/* What is served for a credential: a new reference, or NULL. */
struct served *serving_of_credential(struct serving *x, const struct id *credential);
/* Appends the ids of all credentials that are served; the caller frees *out. */
size_t serving_credentials(struct serving *x, struct id **out);

/* Is there anything for a name (normal form)? */
bool serving_knows(struct serving *x, const char *name);
/*
 * The one that serves a name for a client that can verify what `can` says (0: any client), by the
 * rule of common/model/choose.h. A new reference, or NULL.
 */
struct served *serving_find(struct serving *x, const char *name, unsigned can);
/* Whether that generation of that credential is what is served, and for that name. */
bool serving_serves(
    struct serving *x, const char *name, const struct id *credential, const struct id *generation);

/*
 * Whoever waits for an identity to be opened. Owned by the waiter until cb or serving_wait_cancel.
 * cb comes on the thread that opened or swapped, under the index's lock: it may only post.
 */
struct serving_wait {
	void (*cb)(struct serving_wait *w);
	struct serving_wait *next;
	struct served *on; /* NULL: not waiting; else a reference */
};

enum serving_answer {
	SERVING_READY,  /* *out is a new reference */
	SERVING_WAIT,   /* w stands in line; *must_open: the caller sees to the opening */
	SERVING_BROKEN, /* it could not be opened, or is not served any more */
};
enum serving_answer serving_open(struct serving *x, struct served *s, struct serving_wait *w,
    struct tls_identity **out, bool *must_open);
/* It could not be opened: whatever changed about it since, it is worth another try. */
bool serving_is_broken(struct serving *x, const struct served *s);
/* For an opening that nobody waits for: false when it is open, being opened, or broken. */
bool serving_begin_opening(struct serving *x, struct served *s);
/* After it returned, cb will not be called. Any thread. */
void serving_wait_cancel(struct serving *x, struct serving_wait *w);

/*
 * The end of an opening: identity (a reference, taken over) or NULL when it failed. Wakes those who
 * wait. When more than opened_max are open, one that was not used lately is closed.
 */
void serving_opened(struct serving *x, struct served *s, struct tls_identity *identity);

struct serving_counts {
	size_t credentials, names, opened;
	uint64_t swaps;
};
void serving_counts(struct serving *x, struct serving_counts *out);

#endif
