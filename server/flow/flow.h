#ifndef SERVER_FLOW_FLOW_H
#define SERVER_FLOW_FLOW_H

/*
 * What happens to credentials: made, renewed, given to others, taken away. A flow keeps nothing
 * that is not in records, so it goes on after a crash or on the next manager. Every operation is
 * asynchronous: 0 means that done is called exactly once, later, on the loop; a negative code means
 * that nothing was started. Inputs are copied before the call returns. Loop thread only.
 */

#include "common/chain/chain.h"
#include "server/commit/commit.h"
#include "server/index/index.h"

struct flow;
struct receipt;
struct signer;

struct flow_params {
	struct runtime *runtime;
	struct index *index; /* loaded */
	struct commit *commit;
	struct signer *signer;
	const char
	    *domain_name; /* stands in the certificates of Micro CAs; lives as long as flow */
	/* What a node says of a credential, borrowed for the time of the call; NULL: nothing. */
	const struct receipt *(*receipt)(
	    void *arg, const struct id *node, const struct id *credential);
	void *arg;
};

NODISCARD int flow_new(const struct flow_params *params, struct flow **out, struct err *err);
/* No new operations; those under way end with ERR_CANCELED at their next step. */
void flow_close(struct flow *f, void (*closed)(void *arg), void *arg);

/* What was done. Borrowed for the time of the call. */
struct flow_result {
	struct id id; /* CREDENTIAL or CA record */
	const char *name;
	uint64_t generation; /* number of the newest; 0: none */
	struct id generation_id;
	int64_t not_after;
	bool waits;           /* for a certificate from outside: there is a CSR */
	bool unchanged;       /* what was asked for is there already, and nothing was committed */
	struct span exported; /* sealed to the key that came with the password */
	struct commit_result commit;
	struct texts warnings; /* what the administrator should know */
};
typedef void flow_done_cb(
    void *arg, int status, const struct flow_result *result, const struct err *err);

#define FLOW_LIFETIME_LEAST 60
#define FLOW_LIFETIME_MOST (10 * 365 * INT64_C(86400))
#define FLOW_DEFAULT_CA "default" /* name of the CA that is made on demand */

/*
 * With a new key: it may leave the domain under this password. The command has sealed it for the
 * ids that it has chosen for the records.
 */
struct flow_export {
	struct id generation;
	struct id credential; /* zeroes: of an import, which is bound to its certificate */
	struct span password;
};

struct credential_spec {
	const char *name;        /* NULL: the first of names */
	struct texts names;      /* DNS names and IP addresses, as the administrator wrote them */
	const char *key_type;    /* NULL: setting key-type */
	enum issuer_type issuer; /* ISSUER_MICRO or ISSUER_MANUAL */
	const char *ca; /* name of a Micro CA; NULL: the default one, made when there is none */
	struct texts subject;      /* parts as in common/crypto/subject.h */
	const char *profile;       /* NULL: server */
	bool draft;                /* nothing is made before flow_credential_submit */
	bool has_access;           /* false: the domain's default access */
	struct texts access;       /* names of nodes and @groups */
	int64_t lifetime;          /* 0: setting lifetime */
	uint32_t fraction_percent; /* 0: setting renew-percent */
	bool new_key;              /* at each renewal */
	/* As the settings say, whatever stands in the member. */
	bool usual_issuer, usual_new_key;
	int64_t stale_after;
	bool exportable;                  /* of a draft: its key is to get an export password */
	const struct flow_export *export; /* NULL: none */
	const char *author;
};

/*
 * One step: key, certificate, seal, CREDENTIAL and GENERATION in one mutation. Of ISSUER_MANUAL a
 * CSR in place of the certificate.
 */
NODISCARD int flow_credential_add(struct flow *f, const struct credential_spec *spec,
    flow_done_cb *done, void *arg, struct err *err);

/* Makes of a draft what it is to be; of ISSUER_MANUAL also another CSR, with new_key at any time.
 */
NODISCARD int flow_credential_submit(struct flow *f, const char *name, bool new_key,
    const char *author, flow_done_cb *done, void *arg, struct err *err);

/* The CSR that waits has been handed to its CA: SUBMITTED, until the certificate comes. */
NODISCARD int flow_credential_submitted(struct flow *f, const char *name, const char *author,
    flow_done_cb *done, void *arg, struct err *err);

/*
 * What a CA outside has answered: certificates in DER, in any order, one of them for the key of the
 * CSR (or of a generation there is already). Each is foreign. Sorted, completed by what is known,
 * sealed to the servers with access, and in force.
 */
#define FLOW_PASTE_MOST 32
NODISCARD int flow_credential_paste(struct flow *f, const char *name, struct spans certificates,
    const char *author, flow_done_cb *done, void *arg, struct err *err);

/*
 * A key and its certificate from outside: a credential of ISSUER_IMPORTED, or (replace) the next
 * generation of one. One mutation. What is here already is left as it is, see
 * flow_result.unchanged.
 */
struct credential_import {
	const char *name;          /* NULL: the first name of the leaf */
	struct spans certificates; /* DER, the leaf first, then what may be its issuers */
	struct id nonce;           /* of the key's seal, which the command made */
	struct span sealed;
	bool has_access; /* false: the domain's default access */
	struct texts access;
	bool replace;
	const struct flow_export *export; /* NULL: none */
	const char *author;
};
NODISCARD int flow_credential_import(struct flow *f, const struct credential_import *spec,
    flow_done_cb *done, void *arg, struct err *err);

/*
 * A new generation in force, or of ISSUER_MANUAL a CSR for one. new_key: also when the policy keeps
 * the key, which lapses its export.
 */
NODISCARD int flow_credential_renew(struct flow *f, const char *name, bool new_key,
    const char *author, flow_done_cb *done, void *arg, struct err *err);
/* The same two with a new key that can be exported. */
NODISCARD int flow_credential_submit_exportable(struct flow *f, const char *name,
    const struct flow_export *export, const char *author, flow_done_cb *done, void *arg,
    struct err *err);
NODISCARD int flow_credential_renew_exportable(struct flow *f, const char *name,
    const struct flow_export *export, const char *author, flow_done_cb *done, void *arg,
    struct err *err);
/*
 * A new key, for one of Domino's three reasons. REVOKE: what was certified for the key of before is
 * revoked as superseded when every node with access serves the new one. COMPROMISED: it is revoked
 * at once, and that key never comes into force again; of ISSUER_MANUAL as soon as the CSR is
 * answered, since nothing would be served otherwise. What remains to be revoked stands in the
 * CREDENTIAL and is done by itself (retire.c), by the next manager too.
 */
enum rekey_reason {
	REKEY_NEW,
	REKEY_REVOKE,
	REKEY_COMPROMISED,
	REKEY__COUNT,
};
struct credential_rekey {
	const char *name;
	enum rekey_reason reason;
	const struct flow_export *export; /* NULL: none */
	const char *author;
};
NODISCARD int flow_credential_rekey(struct flow *f, const struct credential_rekey *rekey,
    flow_done_cb *done, void *arg, struct err *err);
/* Whether a generation of the credential waits to be revoked; *at_once: as compromised. */
bool flow_is_retiring(const struct index *ix, const struct index_record *credential,
    const struct id *generation, bool *at_once);

/* The same for a credential that is due; a failure is written into its record. */
NODISCARD int flow_credential_due(
    struct flow *f, const struct id *credential, flow_done_cb *done, void *arg, struct err *err);

/*
 * Changes what is wanted of a credential that there is. What stands in its certificate takes a new
 * one: of a Micro CA in the same mutation; of a CA outside by a CSR, and until that is answered the
 * one in force goes on. What does not is only written down. A failure leaves all as it was. An
 * imported credential becomes one of a Micro CA or a CA outside. Members that are NULL or 0 leave
 * things as they are.
 */
struct credential_change {
	const char *name;          /* of the credential, which stays */
	struct texts add, remove;  /* names */
	const char *key_type, *ca; /* ca: implies ISSUER_MICRO */
	bool has_issuer;
	enum issuer_type issuer; /* ISSUER_MICRO or ISSUER_MANUAL */
	bool has_subject;
	struct texts subject; /* the whole, possibly empty */
	const char *profile;
	int64_t lifetime; /* of the certificates that follow */
	uint32_t fraction_percent;
	bool has_new_key, new_key; /* at each renewal */
	bool has_stale_after;
	int64_t stale_after;
	const struct flow_export *export; /* NULL: none; else with a new key */
	const char *author;
};
NODISCARD int flow_credential_change(struct flow *f, const struct credential_change *change,
    flow_done_cb *done, void *arg, struct err *err);

/*
 * Changes who may open it. Whoever is taken away keeps the key that it has seen, so a new
 * generation with a new key follows in the same mutation unless keep_key is set.
 */
struct access_change {
	const char *name; /* of the credential */
	struct texts add, remove;
	bool keep_key;
	const char *author;
};
NODISCARD int flow_credential_access(struct flow *f, const struct access_change *change,
    flow_done_cb *done, void *arg, struct err *err);

/*
 * Generations beside the one in force (common/model/generation.h): one of them comes into force
 * again; one is put away, so that only managers can open it.
 */
NODISCARD int flow_generation_activate(struct flow *f, const char *name, uint64_t number,
    const char *author, flow_done_cb *done, void *arg, struct err *err);
NODISCARD int flow_generation_archive(struct flow *f, const char *name, uint64_t number,
    const char *author, flow_done_cb *done, void *arg, struct err *err);

/*
 * Where it should be seen from outside, as check_target_text gives it; what is there already is no
 * error, what is not there to be taken out is ERR_NOTFOUND.
 */
struct checks_change {
	const char *name; /* of the credential */
	struct texts add, remove;
	const char *author;
};
NODISCARD int flow_credential_checks(struct flow *f, const struct checks_change *change,
    flow_done_cb *done, void *arg, struct err *err);

/* Archived: served by nobody, and not renewed. false brings it back. */
NODISCARD int flow_credential_archive(struct flow *f, const char *name, bool archived,
    const char *author, flow_done_cb *done, void *arg, struct err *err);
/*
 * Gives a key out, or without a password only notes that the chain was: the answer is in
 * flow_result.exported, the generation in generation_id. ERR_DENIED for a wrong password, which is
 * noted as well; ERR_AGAIN after too many; ERR_CONFLICT when the key is another one by now.
 */
struct export_spec {
	const char *name;
	struct id export_key; /* record that the password was asked for */
	struct id nonce;      /* of the password's seal */
	struct span password; /* sealed by the command; empty: only the chain */
	const char *author;
};
NODISCARD int flow_credential_export(
    struct flow *f, const struct export_spec *spec, flow_done_cb *done, void *arg, struct err *err);
/* The credential and all its generations. */
NODISCARD int flow_credential_delete(struct flow *f, const char *name, const char *author,
    flow_done_cb *done, void *arg, struct err *err);

/*
 * Revokes a generation (number 0: the one in force) for a reason by its name (NULL: unspecified).
 * Nobody serves it any more; its CA, if it is one of this domain, lists it: done comes when it
 * does, or with a warning after a while. With a compromised key go all other generations of it.
 */
NODISCARD int flow_credential_revoke(struct flow *f, const char *name, uint64_t number,
    const char *reason, const char *author, flow_done_cb *done, void *arg, struct err *err);

/*
 * What is to be said of the chain of a generation, by what is trusted now: as it is stored, and the
 * best that can be made of it. ERR_NOTFOUND without a certificate.
 */
struct chain_health {
	struct chain stored, best;
	bool can_complete; /* best is another one, and no worse */
};
NODISCARD int flow_chain_judge(const struct index *ix, int64_t now,
    const struct generation_public *g, struct chain_health *out, struct err *err);
void chain_health_fini(struct chain_health *h);
/*
 * The same of these certificates alone, the leaf first: nothing is completed, so that it costs
 * little for many. key: that should be the leaf's, or NULL; preferred: root, or NULL. End it with
 * chain_fini.
 */
void flow_chain_of(struct flow *f, struct certs list, enum leaf_profile purpose,
    const struct pkey *key, const char *preferred, struct chain *out);
/* Puts that best chain into the generation in force. ERR_INVALID when it is there already. */
NODISCARD int flow_credential_complete(struct flow *f, const char *name, const char *author,
    flow_done_cb *done, void *arg, struct err *err);
/* The root (struct chain_params; "": none) in which chains that are made from now on end if they
 * can.
 */
NODISCARD int flow_credential_prefer_root(struct flow *f, const char *name, const char *root,
    const char *author, flow_done_cb *done, void *arg, struct err *err);

struct flow_stats {
	uint64_t issued, failed, resealed;
	size_t under_way;
	size_t to_reseal; /* generations whose recipients are not those of their access */
};
void flow_stats(const struct flow *f, struct flow_stats *out);

#include "server/flow/flow_domain.h"

#endif
