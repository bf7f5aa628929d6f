#ifndef COMMON_CRYPTO_CRYPTO_ERR_H
#define COMMON_CRYPTO_CRYPTO_ERR_H

/* OpenSSL's errors as ours. Any thread; the queue is the thread's own. */

#include "common/base/err.h"

/*
 * Called after each OpenSSL call that failed: fills err with the text, then OpenSSL's reason,
 * empties the thread's error queue, and returns code.
 */
int crypto_err(struct err *err, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif
