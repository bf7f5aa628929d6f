#ifndef COMMON_EXPORT_PASSWORD_H
#define COMMON_EXPORT_PASSWORD_H

/*
 * Passwords that protect exported keys: what is refused, and good ones made here. Pure functions,
 * any thread.
 */

#include "common/crypto/secret.h"

#define PASSWORD_MIN 12 /* characters */

/*
 * ERR_INVALID with the reason: fewer than PASSWORD_MIN characters, more than LIMIT_PASSWORD bytes,
 * control characters, no UTF-8, or one of those that everybody tries first: words of a small list
 * (and of avoid: the names of what it protects), keyboard rows, repetitions and counting, in any
 * case, with the usual digits for letters, one behind the other, and with little else.
 */
NODISCARD int password_check(
    const struct secret *password, const char *const *avoid, size_t avoid_count, struct err *err);

/* 24 characters of 32, in groups of six: 120 random bits. It passes password_check. */
NODISCARD int password_generate(struct secret **out, struct err *err);

#endif
