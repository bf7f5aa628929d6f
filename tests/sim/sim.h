#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

/*
 * A domain in one process: a manager, followers, and a network between them, all of them the
 * programs' own code over virtual time, a disk in memory that forgets on a power cut, and a network
 * that loses, delays, repeats and lies. A run does what its seed says, checks after every step what
 * must always hold, and ends with a quiet time after which all have to agree. One thread.
 */

#include "common/follow/follow.h"
#include "common/keyring/keyring.h"
#include "common/link/link_memory.h"
#include "common/store/digest.h"
#include "common/store/store.h"
#include "common/wire/public_wire.h"
#include "common/wire/record_wire.h"
#include "common/wire/signer_messages.h"
#include "common/wire/trust.h"
#include "common/member/member_trust.h"
#include "replica/cache/cache.h"
#include "server/commit/commit.h"
#include "server/publish/publish.h"
#include "server/signer/signer.h"
#include "tests/sim/sim_oracle.h"
#include "tests/sim/sim_shelf.h"
#include "tests/sim/sim_time.h"
#include "tests/support/vfs_fault.h"

struct sim;
struct sim_follower;

#define SIM_FOLLOWERS 5 /* at the most; a seed decides how many there are at first */
#define SIM_GROUPS 3

struct sim_options {
	uint64_t seed;
	unsigned actions;
	bool trace; /* print each line as it happens */
	bool lie;   /* the manager's disk says that it has synced, and has not */
};

/* --- sim_trace.c: what happened ------------------------------------------------------------------
 */

void sim_trace(struct sim *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The first one prints the seed and the last lines of the trace, and ends the run. */
void sim_fail(struct sim *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* How much was done. */
void sim_summary(struct sim *s);
/* sim_trace_dump, for a signal handler, prints the trace of this one. */
void sim_trace_on_abort(const struct sim *s);
void sim_trace_dump(void);

#define SIM_TRACE_LINES 200
#define SIM_TRACE_WIDTH 160
struct sim_tracing {
	char lines[SIM_TRACE_LINES][SIM_TRACE_WIDTH];
	uint64_t count;
};

/* --- sim_term.c ---
 */

#define SIM_TERMS 6

/* A designation, and the key that signs heads and records under it. */
struct sim_term {
	uint64_t term;
	struct pkey *key;
	struct buf *body, *signature;
};

struct sim_manager;
/* Designates the manager once more, by the root key: its log goes on in a new term. */
void term_begin(struct sim *s);
/* Commits the newest designation as a record if that has not been done. */
void term_record(struct sim *s);
const struct sim_term *term_now(const struct sim_manager *m);
/* All of them, oldest first. */
struct designation_list term_list(
    const struct sim_manager *m, struct signed_designation out[static SIM_TERMS]);
void term_free_all(struct sim_manager *m);

/* --- sim_manager.c -------------------------------------------------------------------------------
 */

enum sim_state {
	SIM_DOWN,
	SIM_STARTING,
	SIM_UP,
	SIM_STOPPING,
};

/* What a manager keeps over its crashes, and what lives between two of them. */
struct sim_manager {
	struct sim *sim;
	enum sim_state state;
	unsigned life;
	bool bootstrapped; /* its first mutation is acknowledged */
	bool dying;        /* the disk fails at a chosen write, and the power with it */
	bool restart_after_stop;
	struct id node;
	struct pkey *root_key, *recovery, *sealing, *manager_key, *identity;
	struct cert *root, *manager_certificate;
	struct domain_id domain;
	struct hash root_fingerprint;
	struct sim_term terms[SIM_TERMS]; /* the last one is in force */
	size_t term_count;
	struct buf *statement_body, *statement_signature;
	struct vfs_fault *disk;
	struct sim_runtime rt;
	/* of one life */
	struct store *store;
	struct signer *signer;
	struct trust *trust;
	struct commit *commit;
	struct link_server *server;
	struct publish *publish;
	struct sim_shelf shelf;
	unsigned calls; /* signer calls that have not come back */
	struct timer end;
};

void manager_init(struct sim *s);
void manager_fini(struct sim *s);
void manager_start(struct sim *s);
/* power: what was not synced is lost. It comes back by itself when restart is set. */
void manager_stop(struct sim *s, bool power, bool restart);
/* 0: the callback comes exactly once, and counts calls down. */
NODISCARD int manager_ask(
    struct sim *s, struct signer_call *call, const struct signer_request *request);

/* --- sim_bootstrap.c, sim_actions.c, sim_groups.c, sim_faults.c ----------------------------------
 */

/* The first mutation of a domain. */
void bootstrap_domain(struct sim *s);
/* Something that administrators do. */
void action_any(struct sim *s);
/* A small change; probed is set when it is acknowledged. */
void action_probe(struct sim *s);
void action_join(struct sim *s);
void action_group(struct sim *s);
void action_member(struct sim *s);
void action_remove_node(struct sim *s);
/* Something that goes wrong. */
void fault_any(struct sim *s);
/* Everything is well again, and everybody up. */
void fault_heal(struct sim *s);
/* Called after every step: crashes that were waiting for their moment. */
void fault_tick(struct sim *s);
/* Sets both directions of its network as the faults want them now. */
void fault_apply(struct sim_follower *f);
void fault_init(struct sim *s);
void fault_fini(struct sim *s);

/* --- sim_follower.c ------------------------------------------------------------------------------
 */

struct sim_follower {
	struct sim *sim;
	enum sim_state state;
	bool used, joined, removed, refused, dying, restart_after_stop;
	bool tampered; /* somebody has lied to it or for it */
	bool power;    /* the stop under way is a power cut */
	struct id node;
	char name[16];
	struct pkey *identity, *sealing;
	struct vfs_fault *disk;
	struct sim_runtime rt;
	uint64_t high_term;
	struct position removed_at;
	/* of one life */
	struct store *store;
	struct link_client *client;
	struct follow *follow;
	struct keyring *keyring;
	struct cache *cache;
	bool load_failed;      /* the cache could not read the store: it looks at all again */
	bool unchecked;        /* it has applied or loaded something since check_settled */
	struct position shown; /* highest that it has shown as applied */
	uint64_t shown_beat;   /* under which */
	struct position kept;  /* shown at the last orderly stop or kill: must be there again */
	struct position sure;  /* with the newest designation, which a power cut must not take */
	size_t designations;   /* records of them in its store */
	struct digest *mirror; /* of what lies in its store */
	uint64_t heard_ms;     /* when it was last given a head that is newer than its state */
	uint64_t applied;
};

void follower_init(struct sim *s, struct sim_follower *f, unsigned number);
void follower_fini(struct sim_follower *f);
void follower_start(struct sim_follower *f);
void follower_stop(struct sim_follower *f, bool power, bool restart);

/* --- sim_check.c: invariants ---------------------------------------------------------------------
 */

/* Cheap ones, after each step. */
void check_step(struct sim *s);
/* After a follower has applied: its digest is that of a signed head. */
void check_applied(struct sim_follower *f, struct position at);
/* An answer that it is about to be given, genuine or not. */
void check_heard(struct sim_follower *f, const struct buf *body);
/* Whether all that are up and members hold the manager's state, and are fresh. */
bool check_agreement(struct sim *s);

/* --- sim_opens.c: invariants of secrets ----------------------------------------------------------
 */

/*
 * When its cache has settled: it opens and serves what it should, and nothing else. False when that
 * cannot be said now.
 */
bool check_settled(struct sim_follower *f);
/* Of every record in its store, not only of some. */
void check_opening(struct sim_follower *f, bool all);
/* What was sealed after the removal of a node is not for it: of all that the manager holds. */
void check_removed(struct sim_follower *f);

struct sim {
	struct sim_options options;
	struct sim_clock clock;
	struct sim_random chance;
	struct sim_runtime net_rt;
	struct link_net *net;
	struct sim_tracing tracing;
	struct sim_oracle oracle;
	struct sim_manager manager;
	struct sim_follower followers[SIM_FOLLOWERS];
	struct sim_faults *faults;
	struct map *odd; /* by id: generations whose key is not that of the certificate */
	unsigned made;   /* for names */
	unsigned ops;    /* changes under way */
	bool alone;      /* one of them bears no other */
	bool failed;
	bool quiet;  /* no new faults */
	bool probed; /* the manager has committed since the quiet began */
};

/* One run; true when everything held. */
bool sim_run(const struct sim_options *options);
/* Lets virtual time pass until the predicate holds or ms have gone by; checks after every step. */
bool sim_until(struct sim *s, uint64_t ms, bool (*holds)(struct sim *s));

#endif
