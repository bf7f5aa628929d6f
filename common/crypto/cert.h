#ifndef COMMON_CRYPTO_CERT_H
#define COMMON_CRYPTO_CERT_H

/*
 * X.509: parsing into facts, issuing under fixed profiles, and verifying under a pinned root. A
 * struct cert is immutable and reference-counted, so it may be shared between threads. Certificates
 * are DER outside this module. Times are seconds since 1970, and notAfter is the last second in
 * which a certificate is valid. Serial numbers are 127 random bits, so that two managers never
 * share one. Pure functions, any thread.
 */

#include "common/base/limits.h"
#include "common/crypto/pkey.h"

struct cert;

/* One certificate, DER, whole input, of which out keeps a copy. ERR_PARSE, ERR_LIMIT. */
NODISCARD int cert_parse(struct span der, struct cert **out, struct err *err);
/*
 * The same for the certificate of a key at hand. When the key in it has the encoding of that one,
 * OpenSSL decodes it only when it is first wanted, which takes longer than all the rest.
 */
NODISCARD int cert_parse_of(
    struct span der, const struct pkey *key, struct cert **out, struct err *err);
struct cert *cert_ref(const struct cert *c);
void cert_unref(struct cert *c);
DEFINE_FREEP(struct cert, cert_unref)

struct span cert_der(const struct cert *c); /* borrowed */
int64_t cert_not_before(const struct cert *c);
int64_t cert_not_after(const struct cert *c);
bool cert_is_ca(const struct cert *c);
/* SHA-256 of the DER. */
void cert_fingerprint(const struct cert *c, struct hash *out);
/* New reference to the public key. ERR_INVALID for key types that are not taken. */
NODISCARD int cert_key(const struct cert *c, struct pkey **out, struct err *err);
bool cert_has_key(const struct cert *c, const struct pkey *key);
/* Whether c names this subject as its issuer; no signature is looked at. */
bool cert_names_issuer(const struct cert *c, const struct cert *issuer);
/* Of version 1 and self-issued, as old roots are: it cannot say that it is a CA. */
bool cert_is_old_root(const struct cert *c);
/* Hexadecimal serial number; RFC 4514 names. Append to out. */
void cert_put_serial(const struct cert *c, struct buf *out);
void cert_put_subject(const struct cert *c, struct buf *out);
void cert_put_issuer(const struct cert *c, struct buf *out);
/*
 * DNS names, IP and e-mail addresses of the subject alternative name, one call each; returns the
 * count. Names with bytes that none of them has (NUL, blanks, outside ASCII) are left out. cb may
 * be NULL.
 */
size_t cert_each_name(const struct cert *c, void (*cb)(void *arg, const char *name), void *arg);
/* Appends PEM. */
void cert_put_pem(struct span der, struct buf *out);
void csr_put_pem(struct span der, struct buf *out);

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
	const struct pkey *key; /* only the public half is used */
	struct domain_id domain;
	struct id node;
	const char *name;             /* label of the node: the common name, cut to 64 characters */
	const char *const *addresses; /* DNS names and IP addresses, as SANs; at most LIMIT_NAMES */
	size_t address_count;
	int64_t not_before, not_after;
};
/*
 * Identity of a node: URI SAN "certherd:<domain hex>/node/<id hex>", clientAuth and serverAuth.
 * ERR_INVALID: beyond the manager certificate's end, a key that is not the manager's, bad names.
 */
NODISCARD int cert_issue_identity(const struct cert *manager, const struct pkey *manager_key,
    const struct identity_params *p, struct cert **out, struct err *err);
/* Domain and node of an identity certificate. ERR_PARSE when it is none. */
NODISCARD int cert_identity(
    const struct cert *c, struct domain_id *domain, struct id *node, struct err *err);
/*
 * Chain leaf, intermediates to the pinned root, and nothing else, at the given time (OpenSSL does
 * not count the last second itself); allow_expired accepts a leaf that has run out (renewal): the
 * chain is then judged just before the leaf's end.
 * Whose identity it is, and whether its key is live, is for the caller. ERR_CRYPTO with OpenSSL's
 * reason.
 */
NODISCARD int cert_verify_identity(const struct cert *leaf, const struct cert *const *chain,
    size_t chain_count, const struct cert *root, int64_t now, bool allow_expired, struct err *err);

/* Certificate of a Micro CA: keyCertSign and cRLSign. */
struct ca_params {
	const struct pkey *key;
	const char *name;              /* its CN, 1 to 64 bytes of UTF-8, unless subject_of: */
	const struct cert *subject_of; /* it has the name of that one */
	int64_t not_before, not_after;
	const struct cert *issuer; /* NULL: self-signed */
	const struct pkey *issuer_key;
	uint8_t path_len;                 /* CAs that may stand between it and a leaf */
	const char *crl_url, *issuer_url; /* of the issuer, or NULL */
};
#define CA_ROOT_PATH_LEN 1 /* room for one intermediate */
NODISCARD int cert_make_ca(const struct ca_params *p, struct cert **out, struct err *err);
/* A self-signed one that may have one CA below it. */
NODISCARD int cert_issue_ca(const struct pkey *key, const char *name, int64_t not_before,
    int64_t not_after, struct cert **out, struct err *err);

/* What a leaf is for: the extended key usage, and what goes with it. */
enum leaf_profile {
	LEAF_SERVER,
	LEAF_CLIENT,
	LEAF_BOTH,
	LEAF_SMIME,
	LEAF__COUNT,
};

const char *leaf_profile_name(enum leaf_profile profile);
/* "" is LEAF_SERVER. ERR_INVALID lists the names that there are. */
NODISCARD int leaf_profile_parse(const char *name, enum leaf_profile *out, struct err *err);

struct leaf_params {
	const struct pkey *key; /* of a leaf only the public half is used; a request is signed */
	/*
	 * DNS names (wildcards too), IP addresses and, but for LEAF_SERVER, e-mail addresses; 1 to
	 * LIMIT_NAMES.
	 */
	const char *const *names;
	size_t name_count;
	enum leaf_profile profile;
	/* Parts as in subject.h. Without a CN among them the first name is one, if it fits. */
	const char *const *subject;
	size_t subject_count;
	int64_t not_before, not_after;    /* of a leaf */
	const char *crl_url, *issuer_url; /* of a leaf: where its CA's list and certificate are */
};
/*
 * Leaf of a Micro CA. ERR_INVALID: beyond the CA's end (the text says until when it may
 * be), a key that is not the CA's, names that no certificate can carry. What a sensible DNS name is
 * was checked by model.
 */
NODISCARD int cert_issue_leaf(const struct cert *ca, const struct pkey *ca_key,
    const struct leaf_params *p, struct cert **out, struct err *err);

/*
 * PKCS#10: make one (CN only, appended to der), and take one apart: the key, after the signature
 * was checked. Nothing else of a request is ever believed. ERR_PARSE, ERR_CRYPTO, ERR_INVALID.
 * csr_make_leaf asks for what cert_issue_leaf would issue, by an extension request (RFC 2985): a CA
 * takes of it what it likes.
 */
NODISCARD int csr_make(const struct pkey *key, const char *name, struct buf *der, struct err *err);
NODISCARD int csr_make_leaf(const struct leaf_params *p, struct buf *der, struct err *err);
NODISCARD int csr_key(struct span der, struct pkey **out, struct err *err);

/* That der is a certificate revocation list, whole input; crl.h reads them. ERR_PARSE. */
NODISCARD int crl_check(struct span der, struct err *err);

/*
 * All CERTIFICATE blocks of a PEM text, in order, whatever stands around them; at most LIMIT_CHAIN,
 * at most LIMIT_PEM_FILE bytes. Private keys in it are not read. ERR_NOTFOUND when there is none,
 * ERR_PARSE, ERR_LIMIT.
 */
NODISCARD int cert_parse_pem_chain(
    struct span pem, struct cert *out[static LIMIT_CHAIN], size_t *count, struct err *err);

#endif
