#ifndef COMMON_CRYPTO_CERT_H
#define COMMON_CRYPTO_CERT_H

/*
 * X.509: parsing into facts, issuing under fixed profiles, and verifying under a pinned root. A
 * struct cert is immutable and reference-counted. Certificates are DER outside this module.
 * Pure functions, any thread.
 */

#include "common/base/limits.h"
#include "common/crypto/pkey.h"

struct cert;

/* One certificate, DER, whole input. ERR_PARSE, ERR_LIMIT. */
NODISCARD int cert_parse(struct span der, struct cert **out, struct err *err);
struct cert *cert_ref(const struct cert *c);
void cert_unref(struct cert *c);
DEFINE_FREEP(struct cert, cert_unref)

struct span cert_der(const struct cert *c); /* borrowed */
int64_t cert_not_before(const struct cert *c);
int64_t cert_not_after(const struct cert *c); /* the last second in which it is valid */
bool cert_is_ca(const struct cert *c);
/* SHA-256 of the DER. */
void cert_fingerprint(const struct cert *c, struct hash *out);
/* New reference to the public key. */
NODISCARD int cert_key(const struct cert *c, struct pkey **out, struct err *err);
bool cert_has_key(const struct cert *c, const struct pkey *key);
/* Hexadecimal serial number; RFC 4514 names. Append to out. */
void cert_put_serial(const struct cert *c, struct buf *out);
void cert_put_subject(const struct cert *c, struct buf *out);
void cert_put_issuer(const struct cert *c, struct buf *out);
/* DNS and IP names of the subject alternative name, one call each; returns the count. */
size_t cert_each_name(const struct cert *c, void (*cb)(void *arg, const char *name), void *arg);
/* Appends PEM. */
void cert_put_pem(struct span der, struct buf *out);

/* Serial numbers: 127 random bits and a term, so that two managers never share one. */

/* Self-signed root of a domain: P-384, CN "certherd root <domain>", 30 years; the domain id is in a
 * URI SAN "certherd:<64 hex>". */
NODISCARD int cert_issue_root(const struct pkey *root_key, const char *domain_name,
    const struct domain_id *domain, int64_t now, struct cert **out, struct err *err);
/* The domain id that a root certificate carries. ERR_PARSE when it carries none. */
NODISCARD int cert_root_domain(const struct cert *root, struct domain_id *out, struct err *err);

/* CA for node identities: pathlen 0, signed by the root, 10 years. */
NODISCARD int cert_issue_manager(const struct cert *root, const struct pkey *root_key,
    const struct pkey *manager_public, const struct id *node, int64_t now, struct cert **out,
    struct err *err);

struct identity_params {
	const struct pkey *key; /* public */
	struct domain_id domain;
	struct id node;
	const char *name;
	const char *const *addresses; /* DNS names and IP addresses, as SANs */
	size_t address_count;
	int64_t not_before, not_after;
};
/* Identity of a node: URI SAN "certherd:<domain hex>/node/<id hex>", clientAuth and serverAuth. */
NODISCARD int cert_issue_identity(const struct cert *manager, const struct pkey *manager_key,
    const struct identity_params *p, struct cert **out, struct err *err);
/* Domain and node of an identity certificate. ERR_PARSE when it is none. */
NODISCARD int cert_identity(
    const struct cert *c, struct domain_id *domain, struct id *node, struct err *err);
/*
 * Chain leaf, intermediates to the pinned root at the given time; allow_expired accepts a leaf that
 * has run out (renewal). ERR_CRYPTO with OpenSSL's reason.
 */
NODISCARD int cert_verify_identity(const struct cert *leaf, const struct cert *const *chain,
    size_t chain_count, const struct cert *root, int64_t now, bool allow_expired, struct err *err);

/* Micro CA, self-signed: CN name, keyCertSign and cRLSign. */
NODISCARD int cert_issue_ca(const struct pkey *key, const char *name, int64_t not_before,
    int64_t not_after, struct cert **out, struct err *err);

struct leaf_params {
	const struct pkey *key;   /* public */
	const char *const *names; /* DNS names (wildcards too) and IP addresses, checked by model */
	size_t name_count;
	int64_t not_before, not_after;
	uint64_t term; /* goes into the serial */
};
/* Leaf of a Micro CA for servers. Never beyond the CA's end: ERR_INVALID says so. */
NODISCARD int cert_issue_leaf(const struct cert *ca, const struct pkey *ca_key,
    const struct leaf_params *p, struct cert **out, struct err *err);

/* PKCS#10: make one (CN only) and take one apart: the key, after the signature was checked. */
NODISCARD int csr_make(const struct pkey *key, const char *name, struct buf *der, struct err *err);
NODISCARD int csr_key(struct span der, struct pkey **out, struct err *err);

/* All CERTIFICATE blocks of a PEM text, in order; at most LIMIT_CHAIN. */
NODISCARD int cert_parse_pem_chain(
    struct span pem, struct cert **out, size_t *count, struct err *err);

#endif
