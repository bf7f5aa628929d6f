#ifndef COMMON_TLS_RESOLVE_H
#define COMMON_TLS_RESOLVE_H

/*
 * What stands in an endpoint, a number or a name, to addresses. Names are looked up by common/dns,
 * which has a deadline.
 */

#include "common/loop/loop.h"
#include "common/tls/address.h"

#define RESOLVE_MAX 8

struct resolve;

/* status 0 and count addresses in order of preference, or ERR_UNAVAIL with a text that names it. */
typedef void resolve_cb(
    void *arg, int status, const struct address *list, size_t count, const struct err *err);

/* The callback comes once, later, on the loop. A number is answered without a look-up. */
struct resolve *resolve_start(
    struct loop *l, const char *host, uint16_t port, resolve_cb *cb, void *arg);
/* No callback any more. NULL is fine; not after the callback. */
void resolve_cancel(struct resolve *r);

#endif
