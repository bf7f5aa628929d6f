#ifndef COMMON_WIRE_TRUST_H
#define COMMON_WIRE_TRUST_H

/*
 * What a member believes: the pinned root, and the designations that it knows, each verified. All
 * signatures of records and heads are judged here. The object is changed by
 * trust_add_designation alone; between changes any number of threads may use it, and a thread that
 * needs one of its own takes a trust_clone (cheap: keys are shared).
 */

#include "common/crypto/cert.h"
#include "common/model/designation.h"

struct trust;

/*
 * root: DER of the root certificate; pinned: the SHA-256 of it that this member was given, so a
 * certificate from the network is worth nothing before. ERR_CRYPTO when they differ.
 */
NODISCARD int trust_new(
    struct span root, const struct hash *pinned, struct trust **out, struct err *err);
struct trust *trust_clone(const struct trust *t);
void trust_free(struct trust *t);
DEFINE_FREEP(struct trust, trust_free)

const struct domain_id *trust_domain(const struct trust *t);
const struct hash *trust_root_fingerprint(const struct trust *t);
const struct cert *trust_root(const struct trust *t); /* borrowed */

/*
 * Verifies a designation and takes it in. 0 too when it is known already. ERR_CONFLICT: another one
 * for the same term is held; the first stays, keep the bytes of this one as evidence. ERR_DENIED:
 * it does not follow from what is held (one before it may be missing). ERR_CRYPTO: the signature.
 * ERR_LIMIT: more than LIMIT_DESIGNATIONS.
 */
NODISCARD int trust_add_designation(
    struct trust *t, const struct signed_designation *s, struct err *err);

/* The newest term, 0 before the first designation; its manager; where its log begins. */
uint64_t trust_current_term(const struct trust *t);
const struct id *trust_manager(const struct trust *t); /* NULL before the first */
/* Borrowed until the next trust_add_designation or the end of t. Index 0 is the oldest. */
size_t trust_designation_count(const struct trust *t);
const struct signed_designation *trust_designation(const struct trust *t, size_t index);
/* The designation of a term, NULL when it is not known. Borrowed as above. */
const struct designation *trust_designation_of(const struct trust *t, uint64_t term);
/* The public key of the current term. Borrowed; NULL before the first. */
const struct pkey *trust_term_key(const struct trust *t);

/*
 * Whether a place in the log is part of what is believed now: its term is designated, and no later
 * designation has cut it off. ERR_DENIED says which.
 */
NODISCARD int trust_check_position(const struct trust *t, struct position at, struct err *err);

/*
 * Verifies the signature of a record's body by the key of its term, and its place. record is the
 * decoded body. ERR_DENIED, ERR_CRYPTO.
 */
NODISCARD int trust_verify_record(const struct trust *t, const struct record *record,
    struct span body, struct span signature, struct err *err);

/*
 * Decodes a head and verifies it: of the current term only (ERR_DENIED for an older one, whose
 * sender is fenced off; ERR_AGAIN for one of a term that is not known yet).
 */
NODISCARD int trust_verify_head(
    const struct trust *t, const struct signed_bytes *s, struct head *out, struct err *err);

/*
 * Verifies the first root statement: it names the pinned root and is signed by it.
 */
NODISCARD int trust_verify_root_statement(
    const struct trust *t, const struct signed_bytes *s, struct err *err);

#endif
