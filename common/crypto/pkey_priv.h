#ifndef COMMON_CRYPTO_PKEY_PRIV_H
#define COMMON_CRYPTO_PKEY_PRIV_H

/*
 * Keys as OpenSSL's objects, for common/crypto itself and for common/tls, which hands them to
 * libssl. No other module includes this.
 */

#include "common/crypto/pkey.h"

#include <openssl/evp.h>

/* Borrowed. OpenSSL wants it not const; it is never changed all the same. */
EVP_PKEY *pkey_evp(const struct pkey *key);

/*
 * Makes a struct pkey of an OpenSSL key, which it owns on success and which stays the caller's on
 * failure. ERR_INVALID for key types that are not taken.
 */
NODISCARD int pkey_wrap(EVP_PKEY *evp, struct pkey **out, struct err *err);

#endif
