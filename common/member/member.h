#ifndef COMMON_MEMBER_MEMBER_H
#define COMMON_MEMBER_MEMBER_H

/*
 * What a member of a domain keeps in its data directory beside the database: who it is, whom it
 * trusts, and the newest term it has seen. Used at start, by init and join, and when an identity is
 * renewed. Blocking; start-up or worker.
 *
 *   DIR/domain.json        domain, ids, root fingerprint, servers to ask
 *   DIR/root.pem           the root certificate; must have the fingerprint of domain.json
 *   DIR/identity.pem       own certificate, then the manager certificate that issued it
 *   DIR/keys/identity.key  keyfile "identity"
 *   DIR/keys/sealing.key   keyfile "sealing" (a server's is in keys/signer.keys, for its signer)
 *   DIR/high-term          so that a deleted database does not make an older term believable
 */

#include "common/base/limits.h"
#include "common/crypto/cert.h"

#define MEMBER_ENDPOINTS_MAX 16

struct member {
	char domain_name[LIMIT_NAME + 1];
	struct domain_id domain;
	struct id node;
	char name[LIMIT_NAME + 1]; /* a label; the id is what counts */
	struct hash root_fingerprint;
	char endpoints[MEMBER_ENDPOINTS_MAX][LIMIT_NAME + 8]; /* host:port of servers */
	size_t endpoint_count;
	struct cert *root;
	struct pkey *identity_key;
	struct cert *chain[LIMIT_CHAIN]; /* own certificate first */
	size_t chain_count;
	uint64_t high_term; /* 0: none seen */
};

void member_fini(struct member *m);

/* DIR and DIR/keys, mode 0700. */
NODISCARD int member_make_dirs(const char *dir, struct err *err);

/* ERR_NOTFOUND when DIR holds no member: the text says how to make one. ERR_CRYPTO when the files
 * do not fit together. */
NODISCARD int member_load(const char *dir, struct member *out, struct err *err);
/* Whether DIR/domain.json is there. */
bool member_exists(const char *dir);

/* Everything but the keys; domain.json last, since it makes the directory a member's. */
NODISCARD int member_write(const char *dir, const struct member *m, struct err *err);
NODISCARD int member_save_identity(
    const char *dir, struct cert *const *chain, size_t count, struct err *err);
/*
 * A renewed certificate, DER, and those of its issuers. What is this node's, fits its key and
 * chains to its root is written and then takes the place of the one before in m; ERR_PROTO,
 * ERR_CRYPTO.
 */
NODISCARD int member_take_identity(const char *dir, struct member *m, struct span certificate,
    const struct span *issuers, size_t count, int64_t now, struct err *err);
NODISCARD int member_save_high_term(const char *dir, uint64_t term, struct err *err);

/* DIR/keys/<name>.key with the one key of that name. */
NODISCARD int member_save_key(
    const char *dir, const char *name, const struct pkey *key, struct err *err);
NODISCARD int member_load_key(
    const char *dir, const char *name, struct pkey **out, struct err *err);

#endif
