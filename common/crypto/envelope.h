#ifndef COMMON_CRYPTO_ENVELOPE_H
#define COMMON_CRYPTO_ENVELOPE_H

/*
 * Seals: a strict DER profile of CMS AuthEnvelopedData (RFC 5083, RFC 5753) for P-256 recipients;
 * docs/protocol/seals.md is normative. Written and read by this module alone, over EVP primitives.
 * A seal is bound to its record, version, kind, public part and recipients: the reader computes the
 * binding itself. Pure functions, any thread.
 */

#include "common/base/limits.h"
#include "common/crypto/pkey.h"

/* What a seal is bound to. */
struct seal_binding {
	struct domain_id domain;
	struct id record; /* or a nonce, for passwords and keys that the CLI seals */
	uint64_t version;
	uint32_t kind;
	struct span public_part;
};

/*
 * Seals payload to the recipients (public P-256 keys, 1 to LIMIT_RECIPIENTS, no two the same, in
 * any order). Appends the DER. ERR_LIMIT, ERR_INVALID for a recipient of another type.
 */
NODISCARD int envelope_seal(const struct seal_binding *binding, const struct secret *payload,
    const struct pkey *const *recipients, size_t count, struct buf *out, struct err *err);

/*
 * Opens der with one private key. ERR_NOTFOUND: this key is no recipient (normal); ERR_CRYPTO:
 * it is one, and the seal is not what was sealed for this binding (an alarm); ERR_PARSE: outside
 * the profile. One text for every ERR_CRYPTO.
 */
NODISCARD int envelope_open(const struct seal_binding *binding, struct span der,
    const struct pkey *key, struct secret **out, struct err *err);

/* The recipients' key identifiers, sorted as in the envelope. ERR_PARSE outside the profile. */
NODISCARD int envelope_recipients(
    struct span der, struct key_id ids[static LIMIT_RECIPIENTS], size_t *count, struct err *err);

/* The known-bad cases that a start of a program checks (20 ms). ERR_BUG names the one that opened.
 */
NODISCARD int envelope_self_test(struct err *err);

#endif
