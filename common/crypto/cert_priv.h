#ifndef COMMON_CRYPTO_CERT_PRIV_H
#define COMMON_CRYPTO_CERT_PRIV_H

/*
 * Certificates as OpenSSL's objects, for common/crypto itself and for common/tls, which hands them
 * to libssl. No other module includes this.
 */

#include "common/crypto/cert.h"

#include <openssl/x509.h>

/* Borrowed, and never to be changed: it may be in use by other threads. */
X509 *cert_x509(const struct cert *c);

/* The names as they stand in the certificate (DER), borrowed. */
struct span cert_subject_der(const struct cert *c);
struct span cert_issuer_der(const struct cert *c);
/* Subject key identifier, borrowed; empty when there is none. */
struct span cert_subject_key_id(const struct cert *c);

/* The only URI among the alternative names; false when there is none, or more than one. */
#define CERT_URI_MAX 160
bool cert_uri(const struct cert *c, char out[static CERT_URI_MAX]);

#endif
