#ifndef REPLICA_CACHE_CACHE_H
#define REPLICA_CACHE_CACHE_H

/*
 * What this node serves, kept in step with its records. The loop thread loads it and applies what
 * the follower has applied: every credential that changed is prepared first (opened, key and
 * certificate held against each other), then all of one delta are swapped in together. What cannot
 * be used is never swapped in: the generation before it stays, and a receipt says why. What was
 * withdrawn, revoked, archived, removed, or may not be opened any more leaves at once. Opened keys
 * are bounded, in number and by the secure heap; others are opened at their first handshake, or by
 * the warm-up before it.
 * Look-ups may come from any thread.
 */

#include "common/base/runtime.h"
#include "common/follow/follow.h"
#include "replica/cache/published.h"
#include "replica/cache/serving.h"

struct cache;
struct keyring;
struct loop;

struct cache_events {
	void *arg;
	void (*on_receipt)(void *arg, const struct receipt *receipt);
	void (*on_receipt_gone)(void *arg, const struct id *credential);
	/* Everything applied so far has been swapped in, or found unusable. */
	void (*on_settled)(void *arg);
	/* A record that the store gave is not the one that was signed. */
	void (*on_damaged)(void *arg);
};

/*
 * An opened P-256 key takes 32 bytes of the secure heap and 8 KiB of other memory, so this many
 * take half a GiB, if that many are asked for; the warm-up alone takes much less.
 */
#define CACHE_OPENED_DEFAULT 65536
#define CACHE_WARM_MAX 4096

struct cache_params {
	struct runtime *runtime;
	struct loop *loop;   /* NULL: one thread, everything runs on the runtime's worker */
	struct store *store; /* only used in jobs */
	struct keyring *keyring;
	size_t opened_max; /* 0: CACHE_OPENED_DEFAULT */
	struct cache_events events;
};

NODISCARD int cache_new(const struct cache_params *params, struct cache **out, struct err *err);
/* Nobody may look up any more; closed comes when the last job has ended. */
void cache_close(struct cache *c, void (*closed)(void *arg), void *arg);

/*
 * Looks at the whole store: at start, and after the follower has fetched everything anew. Names
 * that nothing is served for yet are served lazily, others are prepared first. trust: for verifying
 * records before they are opened; cloned. One that fails is tried again, without a further word.
 */
typedef void cache_loaded_cb(void *arg, int status, const struct err *err);
NODISCARD int cache_load(struct cache *c, const struct trust *trust, cache_loaded_cb *loaded,
    void *arg, struct err *err);

/* What a complete delta changed. Records that the follower has verified. */
void cache_apply(
    struct cache *c, const struct trust *trust, const struct change *changes, size_t count);

/*
 * Whether the node is fresh (true until this is said), and when it last was if not: monotonic time,
 * which may lie before this program's start. A credential leaves when its stale_after has passed
 * since then; a receipt says so.
 */
void cache_set_fresh(struct cache *c, bool fresh, int64_t last_ms);

/* --- any thread ----------------------------------------------------------------------------------
 */

struct cache_found {
	struct id credential, generation;
	struct tls_identity *identity; /* a new reference */
};
enum cache_answer {
	CACHE_READY,
	CACHE_WAIT, /* w->cb will be called (see serving.h); then ask again */
	CACHE_NONE,
};
/* name in normal form; fallback (NULL: none) is tried when nothing serves name. */
bool cache_knows(struct cache *c, const char *name);
enum cache_answer cache_find(struct cache *c, const char *name, const char *fallback, unsigned can,
    struct serving_wait *w, struct cache_found *out);
void cache_wait_cancel(struct cache *c, struct serving_wait *w);
/* For tickets: is that generation still what this name gets? */
bool cache_serves(
    struct cache *c, const char *name, const struct id *credential, const struct id *generation);

/* What Micro CAs publish: a new reference, or NULL. */
struct published_file *cache_published(struct cache *c, enum pki_file file, const struct id *ca);

struct cache_stats {
	struct serving_counts serving;
	size_t known;            /* credentials that there are records of */
	size_t with_stale_after; /* of these */
	size_t preparing;        /* now */
	uint64_t opened, failed;
	uint64_t last_swap_us; /* from applied to swapped */
};
void cache_stats(struct cache *c, struct cache_stats *out);

#endif
