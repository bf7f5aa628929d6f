#ifndef COMMON_CRYPTO_CRL_H
#define COMMON_CRYPTO_CRL_H

/*
 * Certificate revocation lists (RFC 5280, version 2): written whole from their entries, and read
 * back into them. The reader takes lists of anybody within its limits; who signed one is asked
 * apart. Pure functions, any thread.
 */

#include "common/base/limits.h"
#include "common/crypto/cert.h"

struct crl_serial {
	uint8_t len; /* 1 to LIMIT_SERIAL */
	uint8_t bytes[LIMIT_SERIAL];
};

/* The serial number of a certificate, without leading zeroes. ERR_LIMIT: longer than allowed. */
NODISCARD int cert_serial(const struct cert *c, struct crl_serial *out, struct err *err);
bool crl_serial_equal(const struct crl_serial *a, const struct crl_serial *b);

struct crl_entry {
	struct crl_serial serial;
	int64_t revoked_at;
	uint32_t reason; /* CRLReason of RFC 5280; 0: none is said */
};

struct crl_params {
	const struct cert *ca;
	const struct pkey *key;
	struct span number; /* big endian, at most LIMIT_SERIAL bytes */
	int64_t this_update, next_update;
	const struct crl_entry *entries;
	size_t count;
};

/* Appends the signed list. ERR_INVALID: times, reasons, a key that is not the CA's; ERR_LIMIT. */
NODISCARD int crl_build(const struct crl_params *p, struct buf *out, struct err *err);

/* What a list says; owns its entries. */
struct crl {
	uint8_t number[LIMIT_SERIAL];
	size_t number_len;  /* 0: none */
	struct span issuer; /* name, DER, borrowed from the input */
	int64_t this_update;
	int64_t next_update; /* 0: none */
	struct crl_entry *entries;
	size_t count;
};
void crl_fini(struct crl *l);

/*
 * A list, DER, whole input: of version 2, at most LIMIT_CRL bytes and LIMIT_CRL_ENTRIES entries.
 * Critical extensions that are not known here are refused. ERR_PARSE, ERR_LIMIT.
 */
NODISCARD int crl_read(struct span der, struct crl *out, struct err *err);
const struct crl_entry *crl_find(const struct crl *l, const struct crl_serial *serial);

/* Whether this CA signed it. */
bool crl_signed_by(struct span der, const struct cert *ca);

/* Appends PEM. */
void crl_put_pem(struct span der, struct buf *out);

#endif
