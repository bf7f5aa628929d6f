#ifndef COMMON_TLS_LIMITER_H
#define COMMON_TLS_LIMITER_H

/*
 * How many tries an address has left: a bucket of `rate` tries for each, refilled with as many a
 * second. An address that has been silent long enough to be full again is forgotten, so the memory
 * is bounded by what comes in LIMITER_KEEP_MS. One thread.
 */

#include "common/tls/address.h"

#define LIMITER_KEEP_MS 2000
#define LIMITER_ADDRESSES_MAX 8192

struct limiter;

struct limiter *limiter_new(unsigned rate);
void limiter_free(struct limiter *l);
/* False when the address has no try left. */
bool limiter_take(struct limiter *l, const struct address_key *who, uint64_t now_ms);
/* A try that turned out to be a good one. */
void limiter_refund(struct limiter *l, const struct address_key *who, uint64_t now_ms);

#endif
