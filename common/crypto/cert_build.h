#ifndef COMMON_CRYPTO_CERT_BUILD_H
#define COMMON_CRYPTO_CERT_BUILD_H

/*
 * The one writer of certificates and of the parts that requests share with them. It writes DER
 * itself, since OpenSSL's way (X509_set_pubkey and extensions from text) takes longer than three
 * signatures. Profiles live in cert_issue.c and cert_leaf.c. Pure functions, any thread.
 */

#include "common/crypto/cert.h"
#include "common/crypto/der.h"

/* Bits of KeyUsage, as in the first byte of the BIT STRING. */
enum key_usage {
	USAGE_DIGITAL_SIGNATURE = 0x80,
	USAGE_KEY_ENCIPHERMENT = 0x20,
	USAGE_KEY_AGREEMENT = 0x08,
	USAGE_KEY_CERT_SIGN = 0x04,
	USAGE_CRL_SIGN = 0x02,
};

#define COMMON_NAME_MAX 64             /* ub-common-name of RFC 5280 */
#define TIME_MAX INT64_C(253402300799) /* 9999-12-31T23:59:59Z, the last that X.509 can say */

struct cert_profile {
	const struct cert *issuer; /* NULL: self-signed, signer and key are one pair */
	const struct pkey *signer;
	const struct pkey *key;
	const struct cert *subject_of; /* has the very same subject; else NULL, and: */
	const char *const *subject;    /* parts as in subject.h */
	size_t subject_count;
	const char *common_name; /* behind them, if none of them is one; NULL: none */
	int64_t not_before, not_after;
	unsigned usage;
	bool is_ca;
	uint8_t path_len; /* of a CA */
	bool server_auth, client_auth, email_protection;
	const char *crl_url, *issuer_url; /* of the issuer; NULL: none is named */
	const char *uri;                  /* a subject alternative name, or NULL */
	const char *const *names;
	size_t name_count;
};

/*
 * Checks times, names and that signer is the issuer's key, then writes and signs. ERR_INVALID,
 * ERR_CRYPTO, ERR_LIMIT. The result is not parsed again.
 */
NODISCARD int cert_build(const struct cert_profile *p, struct cert **out, struct err *err);

/* A struct cert of DER that this module wrote, copied; it is parsed when first looked at. */
struct cert *cert_of_own_der(const struct buf *der);

/* What a leaf is to be; issuer, signer and times are the caller's. ERR_INVALID without a name. */
NODISCARD int leaf_profile_fill(
    const struct leaf_params *p, struct cert_profile *out, struct err *err);
/* An extension: its head (OID, critical or not), and around its value the OCTET STRING. */
void der_begin_extension(struct der *d, struct span head);
void der_end_extension(struct der *d);
/* Algorithm of the signatures of a key. */
void der_put_algorithm(struct der *d, const struct pkey *signer);
/* The subject of a profile. */
NODISCARD int der_put_subject(struct der *d, const char *const *parts, size_t count,
    const char *common_name, struct err *err);
/* The extensions of a leaf that do not hang on its issuer: what a request asks for. */
NODISCARD int der_put_request_extensions(
    struct der *d, const struct cert_profile *p, struct err *err);

/*
 * SEQUENCE { tbs, algorithm, signature }: signs tbs with the hash that fits the key, and appends
 * the whole to out.
 */
NODISCARD int der_sign(
    struct span tbs, const struct pkey *signer, struct buf *out, struct err *err);
/* The 4 or 16 bytes of an IP address in text; 0 for anything else. */
size_t address_bytes(const char *name, uint8_t out[static 16]);
/* "prefix" and "text" as a common name: cut to COMMON_NAME_MAX bytes, never inside a character. */
void common_name_of(const char *prefix, const char *text, char out[static COMMON_NAME_MAX + 1]);

#endif
