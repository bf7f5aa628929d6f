#ifndef REPLICA_CACHE_CACHE_PRIV_H
#define REPLICA_CACHE_CACHE_PRIV_H

/* The cache's own parts share this; nobody else includes it. */

#include "common/loop/loop.h"
#include "replica/cache/cache.h"
#include "replica/cache/facts.h"
#include "replica/cache/issuers.h"
#include "replica/cache/open.h"
#include "replica/cache/published.h"

#include <pthread.h>

#define BATCH_MAX 256 /* credentials prepared together and swapped in together */

struct cache {
	struct cache_params p;
	struct serving *serving;
	struct facts facts;
	struct issuers *issuers;
	struct published *published;
	struct trust *trust; /* newest clone, for openings at handshakes */
	struct cache_stats stats;
	size_t busy; /* openings, batches and loads under way */
	bool closing;
	void (*closed)(void *arg);
	void *closed_arg;

	/* Openings that other threads ask for: filled by them, emptied on the loop. */
	pthread_mutex_t ask_lock;
	struct served **asked;
	size_t asked_count, asked_cap;
	bool ask_posted;
	struct posted ask_post;

	struct id *warm; /* credentials that the warm-up has still to open */
	size_t warm_count;

	uint64_t looks; /* serial of the newest */

	/* Credentials that failed for a reason that may pass: looked at again after a while. */
	struct map *again;
	bool load_again; /* and the whole store, when that has failed */
	struct timer again_timer;
	struct backoff again_backoff;

	bool fresh;
	int64_t fresh_ms;         /* when it last was; see cache_set_fresh */
	struct timer stale_timer; /* the next credential that becomes too stale */
};

/* The end of something that counted as busy. */
void cache_idle(struct cache *c);
/* Looks at these credentials again; records (may be NULL) are at hand for some generations. */
void cache_settle(
    struct cache *c, const struct id *credentials, size_t count, struct map *records, bool lazy);
/* An opening that nobody has prepared: for a handshake, or the warm-up. */
void cache_open_served(struct cache *c, struct served *s);
void cache_warm_up(struct cache *c);
/* stale.c */
bool cache_is_stale(const struct cache *c, const struct credential_fact *credential);
/* Why it is not served; returns the code. */
int cache_stale_error(const struct credential_fact *credential, struct err *err);
/* After credentials have changed. */
void cache_stale_arm(struct cache *c);
void cache_on_stale(void *arg);
/* Has the keyring learn one; what failed for a reason that may pass comes again. As keyring_learn.
 */
int cache_learn_membership(struct cache *c, const struct record *record);
/* Tells, if it is so. */
void cache_damaged(struct cache *c, bool damaged);
/* A failure for want of memory, or by the disk. */
bool cache_may_pass(int code);
/* Remembers the credential if its code is one that may pass. */
void cache_again(struct cache *c, const struct id *credential, int code);
void cache_load_again(struct cache *c);
/* Looks at the whole store by the trust that there is. */
void cache_load_start(struct cache *c, cache_loaded_cb *loaded, void *arg);
void cache_receipt(
    struct cache *c, const struct served *s, const struct id *credential, const struct err *err);
struct served *cache_make_served(
    const struct credential_fact *credential, const struct generation_fact *generation);

#endif
