#ifndef COMMON_CRYPTO_CERT_FACTS_H
#define COMMON_CRYPTO_CERT_FACTS_H

/*
 * What a search for chains asks of certificates: names, constraints, strength, and whether one
 * issued another. Certificates here may be anybody's. Pure functions, any thread.
 */

#include "common/crypto/cert.h"

/* Spans are borrowed from the certificate. */
struct cert_facts {
	struct span key_id, issuer_key_id;
	struct hash key; /* SHA-256 of the SPKI */
	int64_t not_before, not_after;
	bool self_issued; /* subject and issuer are the same; no signature is looked at */
	bool is_ca;       /* says so, or is of version 1 and self-issued */
	bool may_issue;   /* key usage absent, or with keyCertSign */
	bool server_auth, client_auth, email; /* extended key usage absent, any, or with it */
	bool has_names, has_constraints; /* subject alternative names; constraints on those below */
	int path_len;                    /* -1 for none */
	/* of the signature on it, and of its own key; the names are static */
	const char *weak_hash; /* "MD5", "SHA-1", NULL for neither */
	bool is_broken_hash;   /* MD5 and older */
	char weak_key[40];     /* "RSA of 1024 bits"; "" for one that is strong enough */
};
void cert_facts(const struct cert *c, struct cert_facts *out);

/*
 * Order of names as RFC 5280 compares them, without regard to case, surplus blanks and the type of
 * string: the subject or issuer of a with the subject of b.
 */
enum cert_name { CERT_SUBJECT, CERT_ISSUER };
int cert_name_order(const struct cert *a, enum cert_name which, const struct cert *b);

/*
 * Whether issuer's key made the signature on c: one verification. False for keys that would take
 * long on purpose (RSA above 8192 bits, large exponents).
 */
bool cert_signed_by(const struct cert *c, const struct cert *issuer);

/* NULL when the names of c are within the constraints of issuer (or it has none), else why not. */
const char *cert_outside_constraints(const struct cert *issuer, const struct cert *c);

/*
 * OpenSSL's judgement of a path, leaf first, whose last certificate is trusted for this: NULL, or
 * its reason.
 */
const char *cert_verify_path(const struct cert *const *path, size_t count, int64_t now);

#endif
