#ifndef SERVER_NODES_NODES_H
#define SERVER_NODES_NODES_H

/*
 * Who belongs to the domain: join tokens, joining, renewal of identities, removal, and groups.
 * Every operation is asynchronous: 0 means that done is called exactly once, later, on the loop;
 * a negative code means that nothing was started. Inputs are copied before the call returns.
 * Loop thread only.
 */

#include "common/wire/trust.h"
#include "server/commit/commit.h"
#include "server/index/index.h"

struct nodes;
struct secret;
struct signer;

struct nodes_params {
	struct runtime *runtime;
	struct store *store; /* local_open has been called on it */
	struct index *index; /* loaded */
	struct commit *commit;
	struct signer *signer;
	const struct trust *trust; /* of this server; outlives nodes */
	struct id self;            /* this server's NODE record */
	struct texts endpoints;    /* host:port of the public port, for tokens */
	/* A node is removed: throw its connection out. */
	void (*on_removed)(void *arg, const struct id *node);
	void *arg;
};

typedef void nodes_ready_cb(void *arg, int status, const struct err *err);
/* Loads the tokens in a job, then calls ready. Operations may be started before. */
NODISCARD int nodes_new(const struct nodes_params *params, nodes_ready_cb *ready, void *arg,
    struct nodes **out, struct err *err);
/*
 * While it is open, nodes tells the signer of every NODE, GROUP and MEMBERSHIP that is committed
 * (Learn), before whoever changed it hears that it is done. This gives all of them at once, as
 * encoded requests, for a signer that has just come up.
 */
NODISCARD int nodes_introduce(const struct index *ix,
    void (*add)(void *add_arg, struct span request), void *add_arg, struct err *err);
/* Operations under way end first, as they end. */
void nodes_close(struct nodes *n, void (*closed)(void *arg), void *arg);
/* The public port was bound: endpoints for tokens from now on. */
void nodes_set_endpoints(struct nodes *n, struct texts endpoints);

/* What a change did. Borrowed for the time of the call. */
struct nodes_result {
	struct id id; /* the node or group that it is about */
	struct commit_result commit;
	const char *warning; /* NULL, or what the administrator should know */
};
typedef void nodes_done_cb(
    void *arg, int status, const struct nodes_result *result, const struct err *err);

/* --- joining --- */

#define TOKEN_TTL_DEFAULT (15 * 60)
#define TOKEN_TTL_MOST (7 * 86400)
#define TOKEN_TRIES 10     /* wrong secrets for one token, then it is void */
#define JOIN_TRIES_MIN 120 /* failed joins a minute for the whole server */

/* text: the token, shown once; the callback may take a copy (secret_copy). */
typedef void nodes_token_cb(void *arg, int status, const struct secret *text,
    const struct id *token, int64_t expires_at, const struct err *err);
NODISCARD int nodes_token_create(struct nodes *n, const char *name, int64_t ttl, const char *author,
    nodes_token_cb *done, void *arg, struct err *err);
/* By its id, or all for a name. ERR_NOTFOUND: there is none that somebody could still join with. */
typedef void nodes_revoked_cb(void *arg, int status, size_t count, const struct err *err);
NODISCARD int nodes_token_revoke(struct nodes *n, const char *token, const char *author,
    nodes_revoked_cb *done, void *arg, struct err *err);
/* Tokens for names that have not joined, for lists; used: somebody has begun to join. */
void nodes_tokens(const struct nodes *n,
    void (*cb)(void *arg, const struct id *token, const char *name, int64_t expires_at, bool used),
    void *arg);

struct join_request {
	struct id token;
	const struct secret *secret;
	const char *name;
	struct span csr;           /* PKCS#10, DER: proves the identity key */
	struct span sealing_key;   /* SubjectPublicKeyInfo, DER */
	struct span sealing_proof; /* sign_put(sealing key, SIGN_JOIN, domain, SHA-256 of csr) */
	struct texts addresses;
	const char *software;
};

struct join_answer {
	struct id node;
	struct span certificate;
	struct span manager_certificate;
	struct span root_certificate;
	struct texts endpoints;
	uint64_t term;
	struct commit_result commit;
};
/*
 * ERR_DENIED: unknown, used or expired token, or a wrong secret; one text for all, since the asker
 * is not trusted. ERR_EXISTS: the name is taken. ERR_AGAIN: too many tries a minute. The same keys
 * with the same token get the same answer again.
 */
typedef void nodes_join_cb(
    void *arg, int status, const struct join_answer *answer, const struct err *err);
NODISCARD int nodes_join(struct nodes *n, const struct join_request *request, nodes_join_cb *done,
    void *arg, struct err *err);

/*
 * A new identity certificate for a node that TLS has proven to be it (its certificate may have run
 * out). The key of the CSR replaces the one before, an empty sealing key keeps that.
 */
struct nodes_identity_request {
	struct span csr, sealing_key, sealing_proof, next_term_key;
	struct texts addresses; /* empty: as before */
};
typedef void nodes_identity_cb(void *arg, int status, struct span certificate,
    struct span manager_certificate, const struct err *err);
NODISCARD int nodes_identity(struct nodes *n, const struct id *node,
    const struct nodes_identity_request *request, nodes_identity_cb *done, void *arg,
    struct err *err);

/* Whether a key belongs to a live node with that id: what "accepted" means beside the chain. */
bool nodes_is_live(const struct nodes *n, const struct id *node, const struct pkey *key);

/* --- removal and groups --- */

/*
 * The node is refused from the commit of its removal on; then each group that it was in gets a new
 * key, one mutation each, and done is called. What a crash leaves of that is done at the next
 * start. Credentials that named it are sealed anew by server/flow. ERR_NOTFOUND; ERR_DENIED for
 * this server itself.
 */
NODISCARD int nodes_remove(struct nodes *n, const char *name, const char *author,
    nodes_done_cb *done, void *arg, struct err *err);
/* Credentials whose keys the node could open: to be given new keys. Call before it is removed. */
void nodes_exposed(const struct nodes *n, const struct id *node, index_each_cb *cb, void *arg);

NODISCARD int nodes_group_create(struct nodes *n, const char *name, struct texts members,
    const char *author, nodes_done_cb *done, void *arg, struct err *err);
NODISCARD int nodes_group_add(struct nodes *n, const char *group, const char *node,
    const char *author, nodes_done_cb *done, void *arg, struct err *err);
/*
 * The group gets a new key, after it has been noted in the credentials which keys the node knows
 * (CredentialPublic.exposed). keep_keys: no new keys are wanted for them because of this.
 */
NODISCARD int nodes_group_remove(struct nodes *n, const char *group, const char *node,
    bool keep_keys, const char *author, nodes_done_cb *done, void *arg, struct err *err);
/* ERR_BUSY while a credential names it in its access. */
NODISCARD int nodes_group_delete(struct nodes *n, const char *group, const char *author,
    nodes_done_cb *done, void *arg, struct err *err);

/* SETTING default-access: names of nodes and @groups. */
NODISCARD int nodes_set_default_access(struct nodes *n, struct texts names, const char *author,
    nodes_done_cb *done, void *arg, struct err *err);

#endif
