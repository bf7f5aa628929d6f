#ifndef COMMON_BASE_NUM_H
#define COMMON_BASE_NUM_H

/* Checked numbers from text: whole string, no sign unless signed, range named in the error. */

#include "common/base/err.h"

NODISCARD int num_parse_u64(
    const char *s, uint64_t min, uint64_t max, uint64_t *out, struct err *err);

/*
 * "90d", "12h", "15m", "30s", "2w", "10y" (365 days each) to seconds; a bare number is refused,
 * because nobody knows its unit.
 */
NODISCARD int num_parse_duration(
    const char *s, int64_t min, int64_t max, int64_t *out, struct err *err);

#endif
