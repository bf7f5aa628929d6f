#ifndef COMMON_CRYPTO_RSA_WEAK_H
#define COMMON_CRYPTO_RSA_WEAK_H

/*
 * RSA keys that are as long as they should be, and can be broken all the same, because of how they
 * were made. Public keys are enough to see it. Pure function, any thread; within common/crypto.
 */

#include <openssl/evp.h>

/* A few words ("RSA of close primes"), static; NULL when nothing is found. */
const char *rsa_weakness(const EVP_PKEY *key);

#endif
