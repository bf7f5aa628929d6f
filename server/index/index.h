#ifndef SERVER_INDEX_INDEX_H
#define SERVER_INDEX_INDEX_H

/*
 * The manager's view of all live records in memory: by id, by name, and by what belongs together
 * (generations of a credential, members of a group, credentials for a host name). Filled from the
 * store at start, then kept up as an observer of commit. Small: chains and seals stay in the
 * store, index_fetch gets them. Loop thread only, except index_load's job. What is returned is
 * borrowed until the next turn of the loop, unless the comment says otherwise.
 */

#include "common/crypto/crl.h"
#include "common/model/access.h"
#include "common/model/exposure.h"
#include "common/model/generation.h"
#include "common/model/settings.h"
#include "common/model/state.h"
#include "server/commit/commit.h"

struct cert;
struct index;
struct index_issuers;

/* What stays of a generation. */
struct index_generation {
	struct id credential;
	uint64_t number;
	struct hash key;         /* SHA-256 of its SubjectPublicKeyInfo */
	struct hash fingerprint; /* SHA-256 of the leaf; zeros while it waits for one */
	int64_t not_before, not_after, activated_at_ms;
	struct texts names;   /* of its certificate, or of its CSR */
	const char *key_type; /* of its key; "rsa" of an odd size; "": not known here */
	const char *profile;  /* "": what its credential says */
	bool waits;           /* it has a CSR, and no certificate yet */
	bool revoked, withdrawn, archived;
	int64_t revoked_at;
	uint32_t reason;          /* enum revocation_reason */
	struct crl_serial serial; /* of its certificate, when it is revoked; else without length */
	bool is_rsa;
	struct index_issuers *issuers; /* of its chain, shared; NULL: none */
};

/* A certificate of a CA outside. */
struct index_root {
	const struct cert *cert; /* NULL when this version cannot read it */
	struct hash fingerprint;
	const char *label;
	uint32_t categories; /* enum trust_category */
};

/* The revocation list of a CA. */
struct index_crl {
	struct id ca;
	uint64_t number;
	int64_t this_update, next_update;
	struct crl list;           /* its issuer is not kept */
	struct crl_serial *sorted; /* of its entries */
};

/* A live record. The member of the union is that of its kind; NULL for kinds without one here. */
struct index_record {
	struct id id;
	uint32_t kind;
	uint64_t version;
	struct position at;
	int64_t committed_at_ms;
	const char *name;
	struct ids access;
	struct hash recipients; /* SHA-256 of the sorted key identifiers that it is sealed to */
	size_t recipient_count; /* 0: not sealed */
	union {
		const struct node_public *node;
		const struct group_public *group;
		const struct membership_public *membership;
		const struct credential_public *credential;
		const struct index_generation *generation;
		const struct export_key_public *export_key;
		const struct ca_public *ca;
		const struct index_crl *crl;
		const struct setting_public *setting;
		const struct index_root *root;
	};
	/* NODE, GROUP, MEMBERSHIP, CA, CRL, ROOT, DESIGNATION: as signed. Others: empty. */
	struct signed_bytes signed_record;
};

struct index *index_new(struct runtime *rt, struct store *store);
void index_free(struct index *ix);
DEFINE_FREEP(struct index, index_free)

typedef void index_loaded_cb(void *arg, int status, const struct err *err);
/* Reads the whole store in one job; the index is empty until loaded is called, exactly once. */
void index_load(struct index *ix, index_loaded_cb *loaded, void *arg);

/* To be given to commit: its look-up, and the observer (arg is the index). */
struct commit_lookup index_commit_lookup(struct index *ix);
void index_observe(void *arg, const struct committed *records, size_t count,
    const struct head *head, struct signed_bytes signed_head);

/* NULL: there is no such live record. */
const struct index_record *index_get(const struct index *ix, const struct id *id);
const struct index_record *index_named(const struct index *ix, uint32_t kind, const char *name);
/* The live record with that id, when it is of that kind. */
const struct index_record *index_of_kind(
    const struct index *ix, uint32_t kind, const struct id *id);
/* A CREDENTIAL by its name, or by a DNS name as people type it: "Straße.example". */
const struct index_record *index_credential(const struct index *ix, const char *typed);
/* Version of an id, tombstones included; 0: never seen. */
uint64_t index_version(const struct index *ix, const struct id *id, bool *removed);
size_t index_count(const struct index *ix, uint32_t kind);

/*
 * Live records of a kind in the order of their names, those behind the name `after` (NULL: from
 * the first), at most max. Returns how many; *more: there are others.
 */
size_t index_list(const struct index *ix, uint32_t kind, const char *after,
    const struct index_record **out, size_t max, bool *more);

/* Each calls cb until it returns false. */
typedef bool index_each_cb(void *arg, const struct index_record *record);
void index_each(const struct index *ix, uint32_t kind, index_each_cb *cb, void *arg);
/* GENERATION records of a credential, the newest number first. */
void index_generations(
    const struct index *ix, const struct id *credential, index_each_cb *cb, void *arg);
/* The generation in force, NULL: none. */
const struct index_record *index_active(
    const struct index *ix, const struct index_record *credential);
/* Whether exactly this name is one of those of the generation. */
bool index_has_name(const struct index_record *generation, const char *name);
/* The issuers in the chain of a GENERATION, DER, the leaf's first. */
struct spans index_issuers_of(const struct index_record *generation);
/* Those of all generations, each chain's once; until cb returns false. */
typedef bool index_issuer_cb(void *arg, struct span certificate);
void index_each_issuer(const struct index *ix, index_issuer_cb *cb, void *arg);
/* EXPORT_KEY records of a credential. */
void index_exports(
    const struct index *ix, const struct id *credential, index_each_cb *cb, void *arg);
/* That of the key of a GENERATION; NULL: it cannot be exported. */
const struct index_record *index_export_key(
    const struct index *ix, const struct index_record *generation);

enum export_state {
	EXPORT_NONE,
	EXPORT_READY,   /* the key in force can be exported */
	EXPORT_WAITING, /* the key that it will have can, or is to be made so */
	EXPORT_LAPSED,  /* it was to be exportable, and got a key without a password */
	EXPORT__COUNT,
};
enum export_state index_export_state(const struct index *ix, const struct index_record *credential);
/* "no", "yes", "waiting", "lapsed". */
const char *export_state_name(enum export_state state);

/* MEMBERSHIP records of a group, and of a node. */
void index_members(const struct index *ix, const struct id *group, index_each_cb *cb, void *arg);
void index_memberships(const struct index *ix, const struct id *node, index_each_cb *cb, void *arg);
/*
 * CREDENTIAL records that have exactly this name (a wildcard is a name) in their list, or in that
 * of their generation in force, which may be another one while a change waits for its certificate.
 */
void index_for_name(const struct index *ix, const char *name, index_each_cb *cb, void *arg);
/* CREDENTIAL and GENERATION records that name this node or group in their access. */
void index_with_access(const struct index *ix, const struct id *id, index_each_cb *cb, void *arg);

/* --- who knows keys without having access (index_exposed.c) --- */

/*
 * Notes that somebody knows the keys of a credential that are sealed to a node or group of its
 * access (via; NULL: all of them, as managers do): the one in force, the one that waits, and those
 * of the newest others. who: without key and since.
 */
void index_expose(const struct index *ix, const struct index_record *credential,
    const struct id *via, const struct exposure *who, struct exposure_list *list);
/* The same by whatever the node `who` could open them with now; nothing when it could not. */
void index_expose_reader(const struct index *ix, const struct index_record *credential,
    const struct exposure *who, struct exposure_list *list);
/* The same for each node that is gone, and still stands in its access or in a group of that. */
void index_expose_gone(
    const struct index *ix, const struct index_record *credential, struct exposure_list *list);
/* Whether a node may open what has this access, managers included, if it were not in one group. */
bool index_reads(const struct index *ix, struct ids access, const struct id *node,
    const struct id *without_group);
/*
 * Each CREDENTIAL once whose keys are sealed to this node or group itself; and those that a node
 * could open by whatever it is a member of.
 */
void index_readable_via(const struct index *ix, const struct id *id, index_each_cb *cb, void *arg);
void index_readable_by(const struct index *ix, const struct id *node, index_each_cb *cb, void *arg);
/* How a NODE that is gone was called; NULL: it is not known, or not gone. */
const char *index_gone_name(const struct index *ix, const struct id *id);
/* Whether a NODE that is gone was called so, as far as its tombstone is there. */
bool index_was_node(const struct index *ix, const char *name);
/*
 * Notes in many credentials, a mutation at a time: those that via can open (NULL: all there are)
 * and for which note makes another list of what they say (false: it is as it was).
 */
#define EXPOSED_BATCH_MOST ((size_t)1024)
struct exposed_batch {
	const struct id *via;
	bool (*note)(void *arg, const struct index_record *credential, struct exposure_list *list);
	void *arg;
	unsigned attempts; /* that met a change: the batch is smaller then */
};
/* Whether any of them is to be changed. */
bool index_exposed_due(const struct index *ix, const struct exposed_batch *b);
/* The next of them, ERR_CONFLICT when there is none any more. */
NODISCARD int index_draft_exposed_batch(
    const struct index *ix, const struct exposed_batch *b, struct mutation *m, struct err *err);
/* The next version of a CREDENTIAL, with another list and else as it is. */
NODISCARD int index_draft_exposed(const struct index_record *credential,
    const struct exposure_list *list, struct mutation *m, struct err *err);

/* The group `managers`, the CA that is used when none is named, the value of a setting; or NULL. */
const struct index_record *index_managers(const struct index *ix);
const struct index_record *index_default_ca(const struct index *ix);
const struct setting_public *index_setting(const struct index *ix, const char *name);
/* What is set, or what counts otherwise: as text, and as setting_parse gives it. */
const char *index_setting_text(const struct index *ix, enum setting s);
int64_t index_setting_number(const struct index *ix, enum setting s);

/*
 * Certificates of TRUSTED_ROOT records of at least one of these categories, borrowed as the records
 * are. Returns how many. out has room for LIMIT_TRUSTED_ROOTS.
 */
size_t index_roots(const struct index *ix, uint32_t categories,
    const struct cert *out[static LIMIT_TRUSTED_ROOTS]);
/* The same as PEM, for requests that leave the loop: struct http_params has a place for them. */
void index_put_roots(const struct index *ix, uint32_t categories, struct buf *out);
/*
 * A TRUSTED_ROOT by its label, or by the beginning of its SHA-256 in hexadecimal (8 digits at
 * least, colons allowed). ERR_NOTFOUND, ERR_INVALID when several fit.
 */
NODISCARD int index_root_find(
    const struct index *ix, const char *text, const struct index_record **out, struct err *err);

/*
 * A whole record from the store: body and signature as well. status 0: record is borrowed for the
 * time of the call. ERR_NOTFOUND.
 */
typedef void index_fetch_cb(void *arg, int status, const struct record *record,
    struct signed_bytes signed_record, const struct err *err);
void index_fetch(struct index *ix, const struct id *id, index_fetch_cb *cb, void *arg);

/* --- questions (index_query.c) --- */

struct access_lookup index_access_lookup(const struct index *ix);

/* The state of a credential as people see it, at a moment (seconds). */
enum credential_shown index_state(
    const struct index *ix, const struct index_record *credential, int64_t now);
/* When it changes next by the clock alone; INT64_MAX: never. */
int64_t index_changes_at(
    const struct index *ix, const struct index_record *credential, int64_t now);

/* A GENERATION as common/model/generation.h wants it. */
struct generation_marks index_generation_marks(
    const struct index *ix, const struct index_record *generation);
/* That of a credential with this number; ERR_NOTFOUND. */
NODISCARD int index_generation_find(const struct index *ix, const struct index_record *credential,
    uint64_t number, const struct index_record **out, struct err *err);
/*
 * Whom a record should be open to, managers aside, in out; returns how many. Its access; of a
 * generation that is not in force any more only those that still have access to its credential, and
 * nobody when it is archived. Whoever is not there any more is left out.
 */
size_t index_audience(
    const struct index *ix, const struct index_record *r, struct id out[static LIMIT_ACCESS]);

/*
 * Names of nodes and @groups to ids, each once. ERR_NOTFOUND names the one that is not there,
 * ERR_LIMIT. out has room for LIMIT_ACCESS.
 */
NODISCARD int index_resolve_access(const struct index *ix, struct texts names,
    struct id out[static LIMIT_ACCESS], size_t *count, struct err *err);
/* "web1", "@mail", or the id in hexadecimal when nothing of it is left. */
const char *index_access_name(
    const struct index *ix, const struct id *id, char out[static LIMIT_NAME + 2]);

/* Servers that can open the newest generation (by its own access), managers included. */
NODISCARD int index_who_can_read(
    const struct index *ix, const char *credential, struct access_list *out, struct err *err);
/* Why a node does not serve a credential; names that are not there are an answer, too. */
enum why_not index_why_not(
    const struct index *ix, const char *node, const char *credential, int64_t now);

/* Which credential serves a host name on a node, and what else fits, the best first. */
#define EXPLAIN_MAX 32
struct explained {
	const struct index_record *credential, *generation;
	bool wildcard;
	/* WHY_NOT_NOTHING: it can be served; the first such one of its key type is. */
	enum why_not why;
	bool serves, nobody; /* nobody has access */
};
/* node NULL: any node. name in normal form. Returns the count. */
size_t index_explain(const struct index *ix, const struct id *node, const char *name, int64_t now,
    struct explained out[static EXPLAIN_MAX]);

#endif
