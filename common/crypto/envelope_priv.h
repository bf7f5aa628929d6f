#ifndef COMMON_CRYPTO_ENVELOPE_PRIV_H
#define COMMON_CRYPTO_ENVELOPE_PRIV_H

/*
 * The parts of a seal, shared by the writer, the reader, the known-bad corpus and the tests of this
 * module. docs/protocol/seals.md has the bytes.
 */

#include "common/crypto/envelope.h"

#define SEAL_POINT_LEN 65
#define SEAL_WRAPPED_LEN 40
#define SEAL_NONCE_LEN 12
#define SEAL_TAG_LEN 16
#define SEAL_KEK_LEN 32
#define SEAL_MAGIC_LEN 8
#define SEAL_HEADER_LEN (SEAL_MAGIC_LEN + 4 + 8 + ID_LEN + 4)
#define SEAL_BLOCK 256 /* plaintexts are padded to a multiple of it */

extern const uint8_t seal_magic[SEAL_MAGIC_LEN];

struct seal_recipient {
	struct key_id id;
	uint8_t wrapped[SEAL_WRAPPED_LEN];
};

struct seal_parts {
	uint8_t point[SEAL_POINT_LEN]; /* ephemeral public key, uncompressed */
	struct hash ukm;
	struct seal_recipient recipients[LIMIT_RECIPIENTS]; /* sorted by id */
	size_t count;
	uint8_t nonce[SEAL_NONCE_LEN];
	struct span ciphertext; /* borrowed */
	uint8_t tag[SEAL_TAG_LEN];
};

/* Appends. */
NODISCARD int seal_write(const struct seal_parts *parts, struct buf *out, struct err *err);
/* ERR_PARSE for anything that seal_write would not have written. ciphertext points into der. */
NODISCARD int seal_parse(struct span der, struct seal_parts *out, struct err *err);

/* The binding (ukm) of a seal with these recipients, sorted. */
void seal_bind(const struct seal_binding *binding, const struct seal_recipient *recipients,
    size_t count, struct hash *out);

/* ECC-CMS-SharedInfo of RFC 5753. */
#define SEAL_SHARED_INFO_MAX 80
struct span seal_shared_info(const struct hash *ukm, uint8_t out[static SEAL_SHARED_INFO_MAX]);

/*
 * As envelope_seal, with a binding of its own for each of the three places that carry it: what is
 * written as ukm, what the key encryption keys are derived from, and the header of the plaintext.
 * Tests use it to show that each of the reader's three checks holds alone.
 */
struct seal_plan {
	const struct seal_binding *written, *derived, *header;
};
NODISCARD int seal_by_plan(const struct seal_plan *plan, const struct secret *payload,
    const struct pkey *const *recipients, size_t count, struct buf *out, struct err *err);

/*
 * The known-bad corpus: seals that differ from a good one with at least two recipients in one
 * respect. Case i is written to out; false when there is no such case. code is what opening it for
 * the first or second recipient must give.
 */
bool seal_bad_case(size_t i, struct span good, const char **name, int *code, struct buf *out);

#endif
