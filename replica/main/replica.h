#ifndef REPLICA_MAIN_REPLICA_H
#define REPLICA_MAIN_REPLICA_H

/*
 * The running replica: what it is made of, in the order in which it is built; it is taken down in
 * reverse. Main loop's thread only.
 */

#include "common/follow/follow.h"
#include "common/loop/loop.h"
#include "common/member/member.h"
#include "replica/cache/cache.h"
#include "replica/main/config.h"
#include "replica/ports/ports.h"

struct keyring;
struct link_client;
struct originator;
struct tls_identity;

/* The roots of category client, while a port judges by them (roots.c). */
struct replica_roots {
	struct cert **certs; /* by fingerprint */
	size_t count;
	bool loaded; /* a first time */
	bool busy, again;
	struct timer timer;
	void (*then)(void *arg, int status, const struct err *err);
	bool ended;
	void (*on_end)(void *arg);
};

struct replica {
	const struct replica_config *config;
	int lock;
	struct member member;
	struct pkey *sealing;
	struct store *store;
	struct loop *loop;
	struct runtime *runtime;
	struct loop_signal *signals[3];
	struct keyring *keyring;
	struct originator *originator;
	struct link_client *link;
	struct cache *cache;
	struct follow *follow;
	struct ports *ports;
	struct replica_roots roots;

	size_t endpoint; /* of member.endpoints, in use */
	struct err link_error;
	char refused[ERR_TEXT_MAX]; /* why the manager does not take us any more; "" */
	char trouble[ERR_TEXT_MAX]; /* what was wrong with its last answer, as it was logged; "" */
	struct timer status_timer, renew_timer;
	uint64_t keep_at; /* monotonic: when it is next kept how fresh this is */
	uint64_t
	    refetch_at; /* monotonic: not before that again for a damaged record; 0: any time */
	bool keeping;
	bool renewing, stopping;
	int failed; /* negative code that ends the program */
};

/* start.c */
NODISCARD int replica_run(const struct replica_config *config, struct err *err);
/* Begins the end; replica_run returns when everything is closed. */
void replica_stop(struct replica *r);

/* join_cmd.c: the command "join" */
NODISCARD int replica_join(const struct replica_config *config, struct err *err);

/* events.c */
struct follow_events replica_follow_events(struct replica *r);
struct cache_events replica_cache_events(struct replica *r);
/* A record in the database is damaged: everything is fetched anew, in moderation. */
void replica_refetch(struct replica *r);
int replica_accept_server(void *arg, const struct cert *peer, bool expired, struct err *err);
void replica_on_link_state(void *arg, int status, const struct err *err);

/* renew.c: a third of the identity's lifetime before its end, and again until it works */
void replica_watch_identity(struct replica *r);

/*
 * freshness.c: what the cache must know for credentials with a stale_after. Before the first load;
 * when follow says so; and once in a while, to keep it for the next start.
 */
void replica_start_freshness(struct replica *r);
void replica_note_freshness(struct replica *r, enum freshness f);
void replica_keep_freshness(struct replica *r);

/*
 * roots.c. A look at the records, and what is new goes to the ports; then (may be NULL): after it.
 * While one is under way another one follows it.
 */
bool replica_wants_roots(const struct replica *r);
void replica_look_at_roots(
    struct replica *r, void (*then)(void *arg, int status, const struct err *err));
void replica_roots_changed(
    struct replica *r, const struct change *changes, size_t count, bool complete);
/* No look any more, and on_end when the last one has ended. */
void replica_end_roots(struct replica *r, void (*on_end)(void *arg));
void replica_roots_fini(struct replica *r);

/* status.c */
void replica_watch_status(struct replica *r);
NODISCARD int replica_write_endpoints(struct replica *r, struct err *err);

#endif
