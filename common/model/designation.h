#ifndef COMMON_MODEL_DESIGNATION_H
#define COMMON_MODEL_DESIGNATION_H

/*
 * Designations: who is manager from a term on, and which designation may follow which. Pure rules;
 * signatures are checked in common/wire/trust.h.
 */

#include "common/model/record.h"

/* A term is epoch << 32 | count: the root key raises the epoch, a manager's own key the count. */
uint64_t term_make(uint32_t epoch, uint32_t count);
uint32_t term_epoch(uint64_t term);
uint32_t term_count(uint64_t term);
#define TERM_TEXT_MAX 24
/* "1.0": epoch and count, for people. */
const char *term_text(uint64_t term, char out[static TERM_TEXT_MAX]);
/* A typing error must not use up the epochs: one designation raises them by this at the most. */
#define TERM_EPOCH_STEP (1U << 20)

enum designation_signer {
	SIGNER_ROOT_KEY = 0,
	SIGNER_TERM_KEY = 1,
};

enum designation_reason {
	REASON_FIRST = 0,
	REASON_PLANNED = 1,
	REASON_RESUMED = 2,
	REASON_LOST = 3,
	REASON_COMPROMISED = 4,
	REASON__COUNT,
};

const char *designation_reason_name(uint32_t reason);

struct designation {
	uint64_t term;
	struct id node;
	struct span term_key; /* public key, DER; borrowed */
	uint32_t reason;
	bool has_cut;
	struct position cut; /* where the log of the term before ends */
	struct hash cut_digest;
	bool has_previous;
	struct hash previous; /* SHA-256 of the body of the designation before */
	int64_t made_at;
};

struct signed_designation {
	struct span body;
	struct span signature;
	uint32_t signer; /* enum designation_signer */
};

/* ERR_INVALID when the statement contradicts itself, whatever came before it. */
NODISCARD int designation_check(const struct designation *d, uint32_t signer, struct err *err);

/*
 * Whether d, already checked, may stand behind prev (NULL: there is none), the newest designation
 * of a lower term that is held; prev_hash is the SHA-256 of prev's body. One by the root stands
 * behind any of a lower epoch: the root always wins. One by a term key names exactly the
 * designation before it and raises the count by one. ERR_DENIED says what does not fit.
 */
NODISCARD int designation_follows(const struct designation *prev, const struct hash *prev_hash,
    const struct designation *d, uint32_t signer, struct err *err);

/* Whether a record at this place is part of the log that d continues. */
bool designation_keeps(const struct designation *d, struct position at);

#endif
