#ifndef COMMON_MODEL_PUBLIC_H
#define COMMON_MODEL_PUBLIC_H

/*
 * The public parts of records, one struct for each kind that has one. When decoded, everything lies
 * in memory that the struct owns until x_fini; when filled in by hand to be encoded, memory stays
 * NULL and everything is borrowed, so that nothing needs to be copied. x_fini of a struct that was
 * filled in by hand, or zeroed, does nothing but zero it. Times are Unix seconds unless the name
 * says ms; keys are DER SubjectPublicKeyInfo, certificates DER.
 */

#include "common/base/arena.h"
#include "common/model/designation.h"

struct texts {
	const char *const *items;
	size_t count;
};

/* The same texts in the same order. */
bool texts_equal(struct texts a, struct texts b);

struct ids {
	const struct id *items;
	size_t count;
};

struct spans {
	const struct span *items;
	size_t count;
};

struct root_statement {
	struct span certificate; /* borrowed from the statement's body */
	bool has_previous;
	struct hash previous; /* SHA-256 of the certificate of the root before */
	int64_t made_at;
};

struct root_public {
	struct signed_bytes statement;
	struct arena *memory;
};

struct designation_public {
	struct signed_designation designation;
	struct arena *memory;
};

enum node_role {
	ROLE_REPLICA = 0,
	ROLE_STANDBY = 1,
	ROLE_MANAGER = 2,
	ROLE_RECOVERY = 3, /* offline, only opens: no identity key, no certificate */
	ROLE__COUNT,
};

const char *node_role_name(uint32_t role);

struct node_public {
	uint32_t role; /* enum node_role */
	struct span identity_key;
	struct span sealing_key;
	struct span certificate;
	struct texts addresses;
	struct span next_term_key;
	struct span manager_certificate;
	int64_t joined_at;
	const char *software;
	const char *endpoint;
	struct arena *memory;
};

struct group_public {
	struct span key;
	struct spans live_keys;
	uint64_t generation;
	bool built_in;
	struct arena *memory;
};

#define MEMBERSHIP_KEY_ID_LEN 20

struct membership_public {
	struct id group;
	struct id node;
	struct spans key_ids; /* MEMBERSHIP_KEY_ID_LEN bytes each */
	struct arena *memory;
};

enum issuer_type {
	ISSUER_MICRO = 0,
	ISSUER_MANUAL = 1,
	ISSUER_IMPORTED = 2,
	ISSUER_ACME = 3,
	ISSUER_CONNECTOR = 4,
	ISSUER__COUNT,
};

const char *issuer_type_name(uint32_t type);

enum credential_state {
	CREDENTIAL_DRAFT = 0,
	CREDENTIAL_PENDING = 1,
	CREDENTIAL_ISSUED = 2,
	CREDENTIAL_FAILED = 3,
	CREDENTIAL_REVOKED = 4,
	CREDENTIAL_SUBMITTED = 5,
	CREDENTIAL__COUNT,
};

const char *credential_state_name(uint32_t state);

/*
 * Whether a profile is for servers, so that ports serve its certificates: not "client" and "smime".
 * Those that are not known here are.
 */
bool profile_serves(const char *profile);

/* Why a server knows a key that it has no access to. */
enum exposure_why {
	EXPOSED_ACCESS = 0,  /* its access was taken away */
	EXPOSED_REMOVED = 1, /* it was removed from the domain */
	EXPOSED_GROUP = 2,   /* it was taken out of a group */
	EXPOSED_ASKED = 3,   /* an administrator said so */
	EXPOSED__COUNT,
};

/* "access", "removed", "group", "asked". */
const char *exposure_why_name(uint32_t why);

/* A fact: this server could open this key. common/model/exposure.h has the rules. */
struct exposure {
	struct id node;   /* its NODE record may be gone; zero: of more servers than are listed */
	const char *name; /* as it was called */
	int64_t since;
	struct hash key; /* SHA-256 of its SubjectPublicKeyInfo */
	uint32_t why;    /* enum exposure_why */
	bool replace;    /* a new key is wanted */
};

struct exposures {
	const struct exposure *items;
	size_t count;
};

struct credential_public {
	struct texts names;
	const char *key_type;
	uint32_t issuer; /* enum issuer_type */
	bool has_issuer_record;
	struct id issuer_record;
	int64_t lifetime;
	uint32_t fraction_percent; /* 0: the default of common/model/renewal.h */
	bool new_key;
	bool has_active;
	struct id active; /* GENERATION in force */
	uint64_t generations;
	bool archived;
	int64_t stale_after;
	uint32_t state; /* enum credential_state */
	const char *error;
	int64_t next_try;
	uint32_t failures;
	int64_t created_at;
	struct texts subject; /* "O=Example", in the order of the certificate */
	bool exportable;      /* wanted; whether a key can be is whether it has its EXPORT_KEY */
	int64_t exported_at;  /* 0: never */
	uint32_t export_refusals; /* wrong passwords since then */
	bool has_pending;
	struct id pending;   /* GENERATION whose CSR waits for its certificate */
	const char *profile; /* of its leaves, as in common/crypto/cert.h; empty or NULL: server */
	struct texts checks; /* where it should be seen, as in common/tls/check.h */
	const char *preferred_root; /* as in common/chain/chain.h; empty or NULL: none */
	struct exposures exposed;
	/*
	 * GENERATIONs whose key was replaced, to be revoked: as superseded when all nodes serve the
	 * one in force, or as compromised as soon as another one is in force. LIMIT_RETIRING each.
	 */
	struct ids retiring, compromised;
	struct arena *memory;
};

struct generation_public {
	struct id credential;
	uint64_t number;
	struct span key;
	struct spans chain; /* the leaf first; empty while csr waits for it */
	int64_t not_before;
	int64_t not_after;
	int64_t activated_at_ms;
	struct texts names; /* of the leaf, or of the CSR: ports serve these */
	bool revoked;
	bool withdrawn;
	struct span csr;
	const char *profile;        /* as that of the credential; empty or NULL: that one counts */
	bool archived;              /* kept for revocation alone: only managers can open it */
	int64_t revoked_at;         /* with revoked */
	uint32_t revocation_reason; /* enum revocation_reason */
	struct arena *memory;
};

struct export_key_public {
	struct id credential;
	struct span key;
	int64_t made_at;
	struct arena *memory;
};

/* The name of an EXPORT_KEY record, so that a key has one at the most. */
#define EXPORT_KEY_NAME_MAX 64
const char *export_key_name(
    const struct id *credential, const struct hash *key, char out[static EXPORT_KEY_NAME_MAX]);

struct ca_public {
	const char *key_type;
	struct span key;
	struct spans chain; /* own certificate first */
	int64_t not_after;
	bool enabled;
	bool is_default;
	const char *address; /* of the http ports, as in pki.h; "" or NULL: none */
	bool has_parent;
	struct id parent; /* CA record */
	bool has_successor;
	struct id successor; /* CA record that issues in place of this one */
	struct span cross;   /* certificate for this key by the CA before, or empty */
	struct arena *memory;
};

/* Whether ports serve its certificate; of a generation that does not say, its credential does. */
bool generation_serves(const char *profile, const struct credential_public *credential);

/* The revocation list of a CA's key. */
struct crl_public {
	struct id ca;
	struct span der;
	uint64_t number; /* from 1 */
	int64_t this_update;
	int64_t next_update;
	struct span ends; /* CRL_END_LEN bytes for each entry: the end of its certificate */
	struct arena *memory;
};
#define CRL_END_LEN 8

/* What a certificate of a CA outside is stored for; bits. */
enum trust_category {
	TRUST_COMPLETION = 1,   /* chains may end in it */
	TRUST_CLIENT = 2,       /* client certificates may come from it */
	TRUST_OUTGOING = 4,     /* servers that this domain asks may come from it */
	TRUST_INTERMEDIATE = 8, /* alone: it completes chains, and is not trusted */
	TRUST__ALL = 15,
};

/* "completion", "client", "outgoing", "intermediate"; NULL for anything else than one bit. */
const char *trust_category_name(uint32_t category);
/* By its name; 0: there is no such category. */
uint32_t trust_category_parse(const char *name);

struct trusted_root_public {
	struct span certificate;
	const char *label;
	uint32_t categories; /* enum trust_category, and bits of later versions */
	struct arena *memory;
};

struct setting_public {
	const char *value;
	struct ids records;
	struct arena *memory;
};

/* The setting that holds the access of credentials made without --access. */
#define SETTING_DEFAULT_ACCESS "default-access"

struct ticket_key_public {
	struct span current; /* key name, 16 bytes */
	int64_t made_at;
	struct arena *memory;
};

void root_public_fini(struct root_public *p);
void designation_public_fini(struct designation_public *p);
void node_public_fini(struct node_public *p);
void group_public_fini(struct group_public *p);
void membership_public_fini(struct membership_public *p);
void credential_public_fini(struct credential_public *p);
void generation_public_fini(struct generation_public *p);
void export_key_public_fini(struct export_key_public *p);
void ca_public_fini(struct ca_public *p);
void crl_public_fini(struct crl_public *p);
void trusted_root_public_fini(struct trusted_root_public *p);
void setting_public_fini(struct setting_public *p);
void ticket_key_public_fini(struct ticket_key_public *p);

#endif
