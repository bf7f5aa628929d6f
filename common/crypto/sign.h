#ifndef COMMON_CRYPTO_SIGN_H
#define COMMON_CRYPTO_SIGN_H

/*
 * Signatures of this system: ECDSA over "certherd/<type>/v1\0", the domain id, and the exact bytes.
 * P-256 with SHA-256, P-384 (the root) with SHA-384. A signature of one type or domain never
 * verifies as another. Pure functions, any thread.
 */

#include "common/crypto/pkey.h"

enum sign_type {
	SIGN_RECORD,
	SIGN_HEAD,
	SIGN_DESIGNATION,
	SIGN_ROOT,
	/*
	 * Proof of possession of a sealing key, in a join or identity request: the sealing key
	 * signs SHA-256 of the request's CSR. It signs nothing else, ever.
	 */
	SIGN_JOIN,
	SIGN__COUNT,
};

const char *sign_type_name(enum sign_type type);

#define SIGNATURE_MAX 112 /* DER of two P-384 integers */

/* Appends the DER signature. */
NODISCARD int sign_put(const struct pkey *key, enum sign_type type, const struct domain_id *domain,
    struct span body, struct buf *out, struct err *err);
/* ERR_CRYPTO when it does not verify, or the key is of a curve that does not sign this type. */
NODISCARD int sign_verify(const struct pkey *key, enum sign_type type,
    const struct domain_id *domain, struct span body, struct span signature, struct err *err);

/* SHA-256. */
void hash_of(struct span data, struct hash *out);
/* SHA-256 of several pieces, one behind the other. */
void hash_of_parts(const struct span *parts, size_t count, struct hash *out);

/* Public random bytes (ids, nonces); aborts when the system has none. */
void random_bytes(void *out, size_t len);
void id_random(struct id *out);

#endif
