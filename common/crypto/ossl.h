#ifndef COMMON_CRYPTO_OSSL_H
#define COMMON_CRYPTO_OSSL_H

/*
 * The way between this tree's keys and OpenSSL's, for common/crypto itself and for common/tls
 * alone. Algorithms are fetched once for the process, since fetching by name takes longer than
 * hashing with the result. Any thread.
 */

#include "common/crypto/pkey.h"

#include <openssl/evp.h>
#include <openssl/kdf.h>

/* Borrowed; never changed by the caller. */
EVP_PKEY *pkey_evp(const struct pkey *key);

/*
 * A public key that OpenSSL has decoded, from a certificate or request. Takes evp (a reference of
 * its own, as of X509_get_pubkey), whatever the outcome. ERR_INVALID for a key type or size that is
 * not taken in, ERR_CRYPTO for a point that is not valid on its curve.
 */
NODISCARD int pkey_wrap_public(EVP_PKEY *evp, struct pkey **out, struct err *err);

struct algorithms {
	EVP_MD *sha256;
	EVP_MD *sha384;
	EVP_CIPHER *aes256_gcm;
	EVP_CIPHER *aes256_wrap;
	EVP_CIPHER *aes256_cbc;
	EVP_KDF *x963;
};

/* Never NULL; aborts when OpenSSL lacks one of them, since nothing could go on. */
const struct algorithms *algorithms(void);

#define DEFINE_OSSL_FREEP(type, fn)                                                                \
	UNUSED static inline void fn##p(type **pp)                                                 \
	{                                                                                          \
		fn(*pp);                                                                           \
		*pp = NULL;                                                                        \
	}
DEFINE_OSSL_FREEP(EVP_PKEY, EVP_PKEY_free)
DEFINE_OSSL_FREEP(EVP_PKEY_CTX, EVP_PKEY_CTX_free)
DEFINE_OSSL_FREEP(EVP_MD_CTX, EVP_MD_CTX_free)
DEFINE_OSSL_FREEP(EVP_CIPHER_CTX, EVP_CIPHER_CTX_free)
DEFINE_OSSL_FREEP(EVP_KDF_CTX, EVP_KDF_CTX_free)

#endif
