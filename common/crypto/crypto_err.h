#ifndef COMMON_CRYPTO_CRYPTO_ERR_H
#define COMMON_CRYPTO_CRYPTO_ERR_H

/*
 * The one place that empties OpenSSL's error queue. Every failing OpenSSL call of this module and
 * of common/tls ends here, so that no stale entry is ever taken for the reason of a later failure.
 */

#include "common/base/err.h"

/*
 * Fills err with the text and OpenSSL's reason behind it, empties the queue, and returns the code;
 * a failed allocation turns it into ERR_NOMEM, and a full secure heap is named as such.
 */
int crypto_err(struct err *err, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Empties the queue after a failure that is no error. */
void crypto_err_forget(void);

/*
 * Whether the secure heap has room for a large piece. Some versions of OpenSSL tell a full heap
 * from other failures, some do not, and in many places it says nothing at all: a failure while the
 * heap is full is believed to come of that, and can be tried again.
 */
bool crypto_heap_is_full(void);

/* That something lies in the queue: somebody did not look at a failure. */
bool crypto_err_pending(void);

#endif
