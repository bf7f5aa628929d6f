#ifndef SERVER_HEALTH_HEALTH_H
#define SERVER_HEALTH_HEALTH_H

/*
 * How every credential is, at any time: its state and times, its chain by what is trusted now, what
 * nodes say that they serve, and what looks from outside have found. It keeps itself up as an
 * observer of commit and of receipts, by the clock, and by looks of its own every day; it tells
 * whoever listens when something begins to be wrong or is right again. Everything is in memory and
 * made anew after a start. Loop thread only.
 */

#include "common/model/health.h"
#include "common/tls/check.h"
#include "server/commit/commit.h"
#include "server/flow/flow.h"
#include "server/index/index.h"

struct health;
struct receipt;

/* Looks from outside: check_start and check_cancel, or what a test puts in their place. */
struct health_looks {
	int (*start)(void *arg, const struct check_target *target, const char *name,
	    check_done_cb *done, void *done_arg, struct check **out, struct err *err);
	void (*cancel)(void *arg, struct check *look);
};

struct health_params {
	struct runtime *runtime;
	struct index *index; /* loaded */
	struct commit *commit;
	struct flow *flow;
	/* What a node serves for a credential: NULL, it has told nothing about it. */
	const struct receipt *(*receipt)(
	    void *arg, const struct id *node, const struct id *credential);
	/* Whether the node has told everything since our start. */
	bool (*has_told)(void *arg, const struct id *node);
	struct health_looks looks;
	const char *host_roots; /* PEM file of the host's authorities; NULL: none are known */
	void *arg;              /* of all of these */
};

/* Nothing is said of what nodes serve for so long after a change, or after the start. */
#define HEALTH_GRACE_S 30
/* Between two looks at an address; after a bad one it is looked at again sooner. */
#define HEALTH_LOOK_S (24 * 3600)
#define HEALTH_LOOK_AGAIN_S 3600
/* A new generation may need a moment until it is served everywhere. */
#define HEALTH_LOOK_NEW_S 60

struct health *health_new(const struct health_params *params);
/* Looks under way end without a result; checks that were asked for end with ERR_CANCELED. */
void health_free(struct health *h);
DEFINE_FREEP(struct health, health_free)

/* What a node serves has changed; credential NULL: all of it. As on_receipt of publish. */
void health_on_receipt(struct health *h, const struct id *node, const struct id *credential);

/* --- one credential --- */

/* All that is known of it at this moment. */
void health_of(
    const struct health *h, const struct index_record *credential, struct health_report *out);
/* The same of an own CA, by its record alone. */
void health_of_ca(const struct health *h, const struct index_record *ca, struct health_report *out);
/* What was found at an address that is stored; NULL: nobody has looked since the start. */
const struct check_result *health_found(
    const struct health *h, const struct id *credential, const char *address);

/* --- looks on demand --- */

struct health_checked {
	const char *address; /* in normal form */
	struct check_result result;
};
typedef void health_checked_cb(
    void *arg, int status, const struct health_checked *list, size_t count, const struct err *err);
/*
 * Looks at these addresses, or with none at those that are stored. 0: done is called once, later.
 * ERR_INVALID for an address, ERR_NOTFOUND when none is stored, ERR_CONFLICT without a certificate,
 * ERR_BUSY.
 */
NODISCARD int health_check(struct health *h, const struct index_record *credential,
    struct texts addresses, health_checked_cb *done, void *arg, struct err *err);

/* --- all of them --- */

struct health_summary {
	size_t grades[HEALTH_GRADE__COUNT]; /* archived ones are not counted */
	size_t unseen;                      /* nobody has come to them since the start */
	size_t chains_unseen;               /* their chains, the same */
	size_t addresses, addresses_unseen, addresses_bad;
};
void health_summary(const struct health *h, struct health_summary *out);

#define HEALTH_WORST 10
/* The red ones first, then the yellow ones, by name; returns how many. */
size_t health_worst_ones(
    const struct health *h, const struct index_record *out[static HEALTH_WORST]);

/* --- changes --- */

enum health_condition {
	CONDITION_EXPIRING,
	CONDITION_EXPIRED,
	CONDITION_CHAIN, /* chain, key or algorithms */
	CONDITION_NOT_SERVED,
	CONDITION_CHECK, /* a look from outside */
	CONDITION__COUNT,
};
const char *health_condition_name(enum health_condition condition);

/*
 * A condition has begun or become worse (grade yellow or red), or is over (green). After a start
 * what is wrong then is told again: key is the same text for the same trouble, so that a receiver
 * can tell.
 */
struct health_change {
	enum health_condition condition;
	enum health_grade grade;
	const struct index_record *credential;
	const char *code, *text; /* of the worst reason; empty when it is over */
	const char *key;         /* "expiring:<generation>:yellow" */
};
typedef void health_change_cb(void *arg, const struct health_change *change);
/* One listener, which may not call back into health_free. */
void health_listen(struct health *h, health_change_cb *cb, void *arg);

/* --- the runway: what ends when --- */

enum runway_kind {
	RUNWAY_CERTIFICATE,
	RUNWAY_CA,
	RUNWAY_CRL,      /* revocation list of a Micro CA */
	RUNWAY_IDENTITY, /* of a node */
	RUNWAY_MANAGER,  /* the certificate by which identities are issued */
	RUNWAY__COUNT,
};
const char *runway_kind_name(enum runway_kind kind);

struct runway_end {
	int64_t until; /* 0: there is none */
	char name[LIMIT_NAME + 1];
};
struct runway {
	/* The first to end of each kind when nothing is renewed any more, as without a manager. */
	struct runway_end first[RUNWAY__COUNT];
	/* The same of those that the manager does not renew by itself: somebody has to act. */
	struct runway_end manual[RUNWAY__COUNT];
};
void health_runway(const struct health *h, struct runway *out);

#endif
