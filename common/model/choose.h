#ifndef COMMON_MODEL_CHOOSE_H
#define COMMON_MODEL_CHOOSE_H

/*
 * Which of several credentials that fit a name serves it: one rule for the replica's cache and for
 * explain on both sides. An exact name goes before a wildcard, then an EC key before an RSA key
 * (else the renewal of one would move every client between two credentials of a name), then the
 * newest activation, then the lowest credential id. The caller compares only what the client can
 * use.
 */

#include "common/base/id.h"

struct candidate {
	struct id credential;
	bool wildcard; /* it fits by a wildcard */
	bool rsa;      /* its key is RSA */
	int64_t activated_at_ms;
};

/* < 0 when a goes before b. 0 only for the same credential. */
int candidate_compare(const struct candidate *a, const struct candidate *b);

/* Index of the one that serves; count is at least 1. */
size_t candidate_choose(const struct candidate *items, size_t count);

#endif
