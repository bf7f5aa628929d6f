#ifndef SERVER_SIGNER_TRIES_H
#define SERVER_SIGNER_TRIES_H

/*
 * How often the password of an export may be wrong. A try counts as wrong until it has ended well,
 * so that many at the same time are no way around. Kept in memory: a new signer begins anew, which
 * the threat model says. Any thread.
 */

#include "common/base/err.h"
#include "common/base/id.h"

#include <stdbool.h>
#include <stdint.h>

struct tries;

#define TRIES_FREE 5         /* wrong ones in a row before it waits */
#define TRIES_WAIT_MS 30000u /* after those; twice as long after each further one */
#define TRIES_WAIT_MOST_MS (3600 * 1000u)

struct tries *tries_new(void);
void tries_free(struct tries *t);

/* ERR_AGAIN says how long to wait. now_ms never goes back. */
NODISCARD int tries_begin(
    struct tries *t, const struct id *record, uint64_t now_ms, struct err *err);
/*
 * The password was right. ERR_DENIED when the seal with this nonce was right before: whoever has
 * only kept one must not begin a new row of tries with it.
 */
NODISCARD int tries_right(
    struct tries *t, const struct id *record, const struct id *nonce, struct err *err);

#endif
