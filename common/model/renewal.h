#ifndef COMMON_MODEL_RENEWAL_H
#define COMMON_MODEL_RENEWAL_H

/* When a credential is due, and when a failed try comes again. Pure functions; times are seconds.
 */

#include "common/base/id.h"

#define RENEWAL_FRACTION_PERCENT 33 /* of the lifetime left, when the policy does not say */
#define RENEWAL_JITTER_PERCENT 3    /* of the lifetime: so much earlier at the most */
#define RENEWAL_RETRY_FIRST 60
#define RENEWAL_RETRY_MOST (6 * 3600)

/*
 * The moment from which a certificate is due: when fraction_percent of its lifetime is left (0: the
 * default), and up to RENEWAL_JITTER_PERCENT earlier, drawn by jitter (any number; the same one
 * gives the same moment, so callers derive it from the generation's id). Never before not_before.
 */
int64_t renewal_due_at(
    int64_t not_before, int64_t not_after, uint32_t fraction_percent, uint32_t jitter);

/* The jitter of a generation: the same on every manager. */
uint32_t renewal_jitter(const struct id *generation);

/* Seconds until the next try after that many failures in a row (from 1): doubling, capped. */
int64_t renewal_retry_after(uint32_t failures, uint32_t jitter);
/* The same for work of the server's own, which nobody outside is bothered by: a tenth, in ms. */
uint64_t renewal_retry_soon_ms(uint32_t failures);

#endif
