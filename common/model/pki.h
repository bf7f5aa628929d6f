#ifndef COMMON_MODEL_PKI_H
#define COMMON_MODEL_PKI_H

/*
 * Rules of Micro CAs: the reasons of a revocation, the address under which the http ports of all
 * replicas give out what a CA publishes, and when a CA or its list is due. Pure functions.
 */

#include "common/base/id.h"
#include "common/base/limits.h"
#include "common/base/err.h"

/* CRLReason of RFC 5280: those that can be said of a leaf. */
enum revocation_reason {
	REVOKED_UNSPECIFIED = 0,
	REVOKED_KEY_COMPROMISE = 1,
	REVOKED_AFFILIATION_CHANGED = 3,
	REVOKED_SUPERSEDED = 4,
	REVOKED_CESSATION = 5,
	REVOKED_PRIVILEGE_WITHDRAWN = 9,
};
#define REVOCATION_REASONS                                                                         \
	"unspecified, key-compromise, affiliation-changed, superseded, cessation-of-operation, "   \
	"privilege-withdrawn"

/* "key-compromise"; "unknown" for numbers that are not known here. */
const char *revocation_reason_name(uint32_t reason);
/* "" is unspecified. ERR_INVALID lists the names that there are. */
NODISCARD int revocation_reason_parse(const char *name, uint32_t *out, struct err *err);

/*
 * "http://pki.example.org/certs/" in normal form, without the slash at its end: http only, a host
 * (DNS name or address), perhaps a port and a path. ERR_INVALID.
 */
NODISCARD int ca_address_check(
    const char *typed, char out[static LIMIT_CA_ADDRESS + 1], struct err *err);

/* What http ports give out, and where: PATH of a CA behind its address. */
#define PKI_CRL_PREFIX "/crl/"
#define PKI_CRL_SUFFIX ".crl"
#define PKI_CA_PREFIX "/ca/"
#define PKI_CA_SUFFIX ".crt"
#define CA_URL_MAX (LIMIT_CA_ADDRESS + 64)
const char *ca_crl_url(const char *address, const struct id *ca, char out[static CA_URL_MAX]);
const char *ca_certificate_url(
    const char *address, const struct id *ca, char out[static CA_URL_MAX]);

/* What a target of a request asks for; false for anything else. */
enum pki_file { PKI_CRL, PKI_CA };
bool pki_target(const char *target, enum pki_file *file, struct id *ca);

/*
 * When a CA is renewed by itself (seconds): before the longest of its leaves would be cut short,
 * with as much again to spare; not before half of its own lifetime is over.
 */
int64_t ca_due_at(int64_t not_before, int64_t not_after, int64_t longest_leaf);
/* When a list is signed anew though nothing has changed: at half of its lifetime. */
int64_t crl_due_at(int64_t this_update, int64_t next_update);

#endif
