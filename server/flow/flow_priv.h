#ifndef SERVER_FLOW_FLOW_PRIV_H
#define SERVER_FLOW_FLOW_PRIV_H

/*
 * Inside of server/flow. Each operation is one struct flow_op that walks through the same states
 * (op.c), led by the functions of its type: look decides from the index what is to be done, request
 * writes what the signer is asked, mutation writes the records. When the records have changed
 * meanwhile it looks again.
 */

#include "common/base/arena.h"
#include "common/base/map.h"
#include "common/base/runtime.h"
#include "common/base/sm.h"
#include "common/base/str.h"
#include "common/chain/chain.h"
#include "common/model/names.h"
#include "common/wire/signer_messages.h"
#include "server/flow/flow.h"
#include "server/flow/trouble.h"
#include "server/signer/signer.h"

#define OP_CALLS_MAX 8
#define OP_ATTEMPTS 25
#define OP_WARNINGS_MAX 8
#define RESEAL_IN_FLIGHT 16

struct exposing;
struct flow_op;

struct flow_op_type {
	const char *action; /* of the audit log: "cert.add" */
	/*
	 * From the index as it is now: what to fetch, how many calls to the signer. ERR_AGAIN: park
	 * this op until the default CA is there.
	 */
	int (*look)(struct flow_op *op, struct err *err);
	/* The n-th request to the signer; NULL for types without calls. */
	int (*request)(struct flow_op *op, unsigned call, struct buf *out, struct err *err);
	int (*mutation)(struct flow_op *op, struct mutation *m, struct err *err);
};

enum flow_op_state {
	OP_START,
	OP_PARKED, /* until there is a default CA */
	OP_FETCH,
	OP_SIGN,
	OP_COMMIT,
	OP_DONE,
	OP__COUNT,
};

/* What the administrator asked for, copied; each type uses some. */
struct flow_op_input {
	const char *name;
	const char *author;
	struct texts names, access, remove;
	bool has_access;
	struct texts subject;
	const char *key_type, *profile, *ca, *failure;
	const char *label;   /* of a trusted root; value of a setting; preferred root */
	uint32_t categories; /* of trusted roots */
	uint32_t reason;     /* of a revocation */
	enum issuer_type issuer;
	struct cert **certs; /* pasted; owned by the operation */
	size_t cert_count;
	struct id nonce;    /* of the key that the command has sealed */
	struct buf *sealed; /* the same; owned by the operation */
	bool exportable, has_export;
	struct id export_generation, export_credential;
	struct buf *export_password; /* sealed; owned by the operation */
	int64_t lifetime, stale_after;
	uint64_t number;                        /* of a generation */
	const struct credential_change *change; /* texts of the operation */
	uint32_t fraction_percent;
	bool new_key, keep_key, archived, is_default, draft, replace;
	enum rekey_reason rekey;
	bool has_enabled, enabled; /* of a CA */
	struct id record;          /* of types that are not about a name */
	uint32_t why;              /* enum exposure_why */
	struct exposing *exposing; /* of which it is one batch */
	const struct hash *keys;   /* that are proven to be of no use any more */
	size_t key_count;
};

struct flow_op {
	struct flow *flow;
	const struct flow_op_type *type;
	struct sm sm;
	struct flow_op *next, **prev; /* of all that are under way */
	struct timer timer;
	struct arena *memory; /* of input */
	struct flow_op_input in;
	flow_done_cb *done;
	void *arg;
	unsigned attempts;
	bool waits_for_ca;

	/* from look; cleared before each */
	bool fetches;
	bool new_key;
	bool has_ca;
	bool waits;        /* a CSR is made, whose certificate comes later */
	bool unchanged;    /* what was asked for is there already */
	bool takes_access; /* somebody is not in `access` who had it */
	struct id fetch;
	unsigned calls;
	struct id credential;        /* or the CA, or the record that is sealed anew */
	uint64_t credential_version; /* 0: new */
	struct id generation;        /* the new one */
	struct id ca;
	struct id access[LIMIT_ACCESS];
	size_t access_count;
	uint64_t number;
	int64_t not_before, not_after;
	const char *warnings[OP_WARNINGS_MAX];
	size_t warning_count;
	size_t leaf; /* of the pasted certificates */
	struct revised *revised;

	struct id export_key; /* the new EXPORT_KEY */

	/* of a signer that was asked once, through all attempts */
	struct buf *exported;
	struct err refusal;
	/* The signer has refused: true to write that down before it is the answer. NULL: never. */
	bool (*refused)(struct flow_op *op, int status, const struct err *err);

	/* on the way */
	struct record *fetched; /* its signed form lies in the buffers */
	struct buf *fetched_body, *fetched_signature;
	struct buf *public_part; /* of a generation that this server writes itself */
	/* CA records that are written anew, one call each, as look saw them */
	struct id cas[OP_CALLS_MAX];
	uint64_t ca_versions[OP_CALLS_MAX];
	struct buf *ca_parts[OP_CALLS_MAX]; /* their next public parts */
	struct signer_call call;
	unsigned at_call;
	struct signer_done replies[OP_CALLS_MAX];
	struct buf *reply_bytes[OP_CALLS_MAX];
	enum signer_op asked[OP_CALLS_MAX];
};

/* Certificates that were parsed: many come with the same issuers. */
#define CERT_CACHE_MOST 256
struct cert_cache {
	struct cert *certs[CERT_CACHE_MOST];
	struct hash hashes[CERT_CACHE_MOST];
	size_t next; /* is replaced */
};

struct flow {
	struct runtime *rt;
	struct index *index;
	struct commit *commit;
	struct signer *signer;
	const char *domain_name;
	struct flow_op *ops;
	bool closing;
	void (*closed)(void *arg);
	void *closed_arg;
	struct timer close_timer;
	struct crl_job *crl;
	struct flow_op *ca_op; /* makes the default CA; others are parked meanwhile */
	struct flow_stats stats;
	struct cert_cache cache;
	/* reseal.c */
	struct map *reseal; /* id of a record to look at: a struct reseal_item */
	struct reseal_item *reseal_ready, **reseal_ready_end;
	struct reseal_item *reseal_waiting; /* after failures of their own, in no order */
	uint64_t reseal_next;               /* the first of those; all times monotonic, ms */
	uint64_t reseal_at;                 /* the timer */
	struct timer reseal_timer;
	size_t reseal_running;
	struct trouble reseal_trouble;
	const struct receipt *(*receipt)(
	    void *arg, const struct id *node, const struct id *credential);
	void *receipt_arg;
	struct retire *retire;
	/* purge.c */
	struct timer purge_timer;
	char purge_after[LIMIT_NAME + 1]; /* name of the last credential that was looked at */
	int64_t purge_clock_ms;           /* wall clock less monotonic */
	int64_t purge_steady_ms;          /* monotonic: the clock was not set since */
};

extern const struct flow_op_type flow_op_credential_add, flow_op_credential_renew,
    flow_op_credential_submit, flow_op_credential_due, flow_op_credential_failed,
    flow_op_credential_paste, flow_op_credential_import, flow_op_credential_access,
    flow_op_credential_archive, flow_op_credential_delete, flow_op_credential_complete,
    flow_op_credential_export, flow_op_credential_prefer_root, flow_op_credential_submitted,
    flow_op_credential_change, flow_op_credential_rekey, flow_op_retire,
    flow_op_generation_activate, flow_op_generation_archive, flow_op_purge,
    flow_op_credential_revoke, flow_op_crl, flow_op_ca_create, flow_op_ca_change, flow_op_ca_renew,
    flow_op_ca_rekey, flow_op_trust_add, flow_op_trust_remove, flow_op_setting_set,
    flow_op_setting_reset, flow_op_reseal, flow_op_expose, flow_op_proven;

/* op.c. The input is filled in by the caller; texts lie in op->memory. */
struct flow_op *flow_op_new(
    struct flow *f, const struct flow_op_type *type, flow_done_cb *done, void *arg);
void flow_op_start(struct flow_op *op);
void flow_op_free(struct flow_op *op);
/* The default CA is there, or could not be made. */
void flow_op_unpark(struct flow_op *op, int status, const struct err *err);
/* Borrowed texts into the op's memory. */
const char *flow_op_text(struct flow_op *op, const char *s);
struct texts flow_op_texts(struct flow_op *op, struct texts t);

/* What the administrator should know when it is done; those beyond OP_WARNINGS_MAX are left out. */
void flow_op_warn(struct flow_op *op, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* look.c: what several types look for. */
/* The CREDENTIAL by op->in.name (or op->in.record when that is NULL); sets its id and version. */
NODISCARD int look_credential(struct flow_op *op, const struct index_record **out, struct err *err);
/* look of types that need nothing else: the credential, and its access as it is. */
NODISCARD int look_only(struct flow_op *op, struct err *err);
/* The Micro CA by name, or the default one (ERR_AGAIN: it is being made). */
NODISCARD int look_ca(
    struct flow_op *op, const char *name, const struct index_record **out, struct err *err);
NODISCARD int look_ca_of(struct flow_op *op, const struct credential_public *c,
    const struct index_record **out, struct err *err);
/* Copies ids into op->access, those left out behind which no live node or group stands. */
void look_access(struct flow_op *op, struct ids ids);
/* Warns when op->access, groups taken apart, holds no replica: then nobody serves what is made. */
void look_readers(struct flow_op *op);
/* What to know of names in normal form that a certificate will have. */
void look_names(struct flow_op *op, struct texts names);
/* Begin and end of a certificate of that lifetime, within the CA's; may warn. */
NODISCARD int look_times(
    struct flow_op *op, const struct index_record *ca, int64_t lifetime, struct err *err);
void new_id(struct flow *f, struct id *out);
/* The access that was asked for, or the domain's default one. */
NODISCARD int look_default_access(struct flow_op *op, struct err *err);
/* flow.c: parts of a subject in normal form, as texts of the operation, into op->in.subject. */
NODISCARD int take_subject(struct flow_op *op, struct texts parts, struct err *err);
/* What cannot be of any credential. */
NODISCARD int flow_check_lifetime(int64_t lifetime, struct err *err);
NODISCARD int flow_check_fraction(uint32_t percent, struct err *err);
/* flow.c: whether this may be the name of a credential. */
NODISCARD int check_credential_name(const char *name, struct err *err);

/* flow.c: an operation about something that there is, by its name. */
NODISCARD int flow_start_named(struct flow *f, const struct flow_op_type *type, const char *name,
    const char *author, flow_done_cb *done, void *arg, struct flow_op **out, struct err *err);

/* reseal.c */
void reseal_start(struct flow *f);
void reseal_observe(void *arg, const struct committed *records, size_t count,
    const struct head *head, struct signed_bytes signed_head);
void reseal_stop(struct flow *f);

/*
 * retire.c. A generation whose key is compromised, or was replaced for that: it does not come into
 * force again, and nothing new is certified for its key.
 */
bool retire_is_lost(
    const struct index *ix, const struct index_record *credential, const struct hash *key);
bool retire_is_listed(
    const struct index *ix, const struct index_record *credential, const struct hash *key);
void retire_start(struct flow *f);
void retire_stop(struct flow *f); /* nothing new */
void retire_end(struct flow *f);

/* purge.c */
/* Whether what has run out long ago, by the clock, may be removed. */
bool purge_may(struct flow *f);
void purge_start(struct flow *f);
void purge_stop(struct flow *f);

/* Starts making it, if nobody does yet; then all parked operations go on. */
void flow_make_default_ca(struct flow *f);
void flow_check_closed(struct flow *f);
/* ERR_CANCELED while the flow is closing. */
NODISCARD int flow_check_open(const struct flow *f, struct err *err);

#include "server/flow/draft.h"

#endif
