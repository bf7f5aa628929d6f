#ifndef COMMON_CRYPTO_DER_H
#define COMMON_CRYPTO_DER_H

/*
 * DER, for common/crypto and the modules that read and write its
 * containers (lift, export): one-byte tags, definite and minimal lengths below 16 MiB. The
 * writer opens and closes elements in order and puts lengths in on closing; what is written goes to
 * a struct buf, whose sticky error is looked at once at the end. The reader borrows its input and
 * keeps a sticky error of its own. One owner each.
 */

#include "common/base/buf.h"

enum der_tag {
	DER_BOOLEAN = 0x01,
	DER_INTEGER = 0x02,
	DER_BIT_STRING = 0x03,
	DER_OCTET_STRING = 0x04,
	DER_OID = 0x06,
	DER_UTF8_STRING = 0x0c,
	DER_PRINTABLE_STRING = 0x13,
	DER_IA5_STRING = 0x16,
	DER_UTC_TIME = 0x17,
	DER_GENERALIZED_TIME = 0x18,
	DER_BMP_STRING = 0x1e,
	DER_SEQUENCE = 0x30,
	DER_SET = 0x31,
};
/* Context-specific tags: [n] primitive and [n] constructed. */
#define DER_CONTEXT(n) (0x80 | (n))
#define DER_CONTEXT_CONS(n) (0xa0 | (n))

#define DER_DEPTH_MAX 16

struct der {
	struct buf *out;
	size_t open[DER_DEPTH_MAX]; /* where the content of each open element begins */
	unsigned depth;
};

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

struct der_reader {
	struct span rest;
	bool failed;
};

#define DER_READER(bytes) ((struct der_reader){(bytes), false})

/* Content of the next element, which must have this tag; empty after a failure. */
struct span der_take(struct der_reader *r, unsigned tag);
/* As der_take, and the content has exactly len bytes. */
struct span der_take_fixed(struct der_reader *r, unsigned tag, size_t len);
struct der_reader der_enter(struct der_reader *r, unsigned tag);
/* The next bytes must be these, header and all. */
void der_expect(struct der_reader *r, struct span literal);
/* Any element: its tag and content. False, and the content is empty, at the end and after a
 * failure. */
bool der_next(struct der_reader *r, unsigned *tag, struct span *content);
/* A non-negative INTEGER below 2^32, minimal. */
uint32_t der_take_small(struct der_reader *r);
/* True when everything was read and nothing failed. */
bool der_done(const struct der_reader *r);

#endif
