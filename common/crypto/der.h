#ifndef COMMON_CRYPTO_DER_H
#define COMMON_CRYPTO_DER_H

/*
 * Writing DER: elements are opened and closed in order, lengths are put in on closing. What is
 * written goes to a struct buf, whose sticky error is looked at once at the end. One owner.
 */

#include "common/base/buf.h"

#define DER_DEPTH_MAX 16

struct der {
	struct buf *out;
	size_t open[DER_DEPTH_MAX]; /* where the content of each open element begins */
	unsigned depth;
};

enum der_tag {
	DER_BOOLEAN = 0x01,
	DER_INTEGER = 0x02,
	DER_BIT_STRING = 0x03,
	DER_OCTET_STRING = 0x04,
	DER_OID = 0x06,
	DER_UTF8_STRING = 0x0c,
	DER_UTC_TIME = 0x17,
	DER_GENERALIZED_TIME = 0x18,
	DER_SEQUENCE = 0x30,
	DER_SET = 0x31,
};
/* Context-specific tags: [n] primitive and [n] constructed. */
#define DER_CONTEXT(n) (0x80 | (n))
#define DER_CONTEXT_CONS(n) (0xa0 | (n))

#define DER_INIT(buf) ((struct der){(buf), {0}, 0})

void der_begin(struct der *d, unsigned tag);
void der_end(struct der *d);
/* One whole element with this content. */
void der_put(struct der *d, unsigned tag, struct span content);
/* Bytes that are DER already, or content of the open element. */
void der_put_raw(struct der *d, struct span bytes);
/* INTEGER from an unsigned big-endian number: leading zeroes dropped, sign kept clear. */
void der_put_uint(struct der *d, struct span big_endian);
/* Time as RFC 5280 wants it: UTCTime to 2049, GeneralizedTime after that. */
void der_put_time(struct der *d, int64_t seconds);

#endif
