#ifndef COMMON_CRYPTO_PKEY_DER_H
#define COMMON_CRYPTO_PKEY_DER_H

/*
 * The encodings of EC keys, written and read here rather than by OpenSSL's encoders: they are some
 * twenty times faster, and the private number is never outside the secure heap. Private to
 * common/crypto.
 */

#include "common/crypto/ossl.h"

enum key_family { FAMILY_EC, FAMILY_RSA, FAMILY_ED25519 };

struct ec_curve;

/* By OpenSSL's name of the group; NULL for a curve that is not taken. */
const struct ec_curve *ec_curve_by_group(const char *group);

NODISCARD int ec_put_spki(
    const struct ec_curve *curve, EVP_PKEY *evp, struct buf *out, struct err *err);
NODISCARD int ec_to_pkcs8(
    const struct ec_curve *curve, EVP_PKEY *evp, struct secret **out, struct err *err);

/*
 * 0 with *out untouched when der is not of the one form that the functions above write (OpenSSL may
 * still understand it); ERR_PARSE when it is, and the numbers make no key.
 */
NODISCARD int ec_from_spki(struct span der, EVP_PKEY **out, struct err *err);
NODISCARD int ec_from_pkcs8(struct span der, EVP_PKEY **out, struct err *err);

/* Public P-256 key from its uncompressed point, which is checked to be on the curve. */
#define P256_POINT_LEN 65
NODISCARD int ec_p256_from_point(
    const uint8_t point[static P256_POINT_LEN], EVP_PKEY **out, struct err *err);
NODISCARD int ec_p256_point(EVP_PKEY *evp, uint8_t point[static P256_POINT_LEN], struct err *err);

/*
 * That the private number is one of the curve's and makes the public point. OpenSSL's own check
 * multiplies the public point with the order too, which says nothing new of a point on a curve of
 * cofactor 1 and takes five times as long.
 */
NODISCARD int ec_check_pair(const struct ec_curve *curve, EVP_PKEY *evp, struct err *err);

/* That the private RSA numbers belong to the public ones, by a signature. */
NODISCARD int rsa_check_pair(EVP_PKEY *evp, struct err *err);

#endif
