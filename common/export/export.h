#ifndef COMMON_EXPORT_EXPORT_H
#define COMMON_EXPORT_EXPORT_H

/*
 * Credentials as files that other programs read. Certificates come in the order in which they are
 * to be sent, the leaf first; whether a root is among them is for the caller. What holds a key in
 * clear comes as a secret. Pure functions, any thread.
 */

#include "common/crypto/pkey.h"

struct export_set {
	const struct span *certs; /* DER, leaf first; 1 to LIMIT_CHAIN */
	size_t cert_count;
	const struct pkey *key; /* with its private half; it must be the leaf's */
};

/* Appends the certificates as PEM: nginx's ssl_certificate, and what needs no password. */
NODISCARD int export_chain(const struct export_set *set, struct buf *out, struct err *err);

enum export_order {
	EXPORT_KEY_FIRST, /* key, leaf, issuers: what most programs take as one file */
	EXPORT_KEY_LAST,  /* leaf, issuers, key: HAProxy's crt */
	EXPORT_KEY_ALONE, /* nginx's ssl_certificate_key */
};
/*
 * PEM with the key, in clear when password is NULL, else encrypted (PBES2: PBKDF2 with 600,000
 * rounds, or scrypt; AES-256). ERR_INVALID when the key is not that of the leaf.
 */
NODISCARD int export_pem(const struct export_set *set, enum export_order order,
    const struct secret *password, bool scrypt, struct secret **out, struct err *err);

/*
 * PKCS#12: AES-256 and PBKDF2, integrity by SHA-256; or for readers of before 2018 or so triple DES
 * and SHA-1 (RC2 is never written). name is what the reader shows (its alias in Java); UTF-8.
 */
NODISCARD int export_p12(const struct export_set *set, const char *name,
    const struct secret *password, bool old_readers, struct buf *out, struct err *err);

#endif
