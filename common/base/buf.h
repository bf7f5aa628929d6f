#ifndef COMMON_BASE_BUF_H
#define COMMON_BASE_BUF_H

/*
 * Byte buffers with a hard maximum, and borrowed views of bytes. A buf is always NUL-terminated
 * behind its length, wipes its memory when it grows and when it is freed, and keeps a sticky error:
 * after one append that did not fit, all later ones do nothing and buf_error() says so, so that a
 * writer looks once at the end. Not thread-safe; one owner.
 */

#include "common/base/err.h"

#include <stdarg.h>

/* Borrowed bytes. data may be NULL when len is 0. */
struct span {
	const uint8_t *data;
	size_t len;
};

#define SPAN(p, n) ((struct span){(const uint8_t *)(p), (n)})
#define SPAN_OF(array) ((struct span){(const uint8_t *)(array), sizeof(array)})

struct span span_str(const char *s);
bool span_equal(struct span a, struct span b);
/* Bytewise order, the shorter first when one begins the other: <0, 0, >0. */
int span_compare(struct span a, struct span b);

struct buf {
	uint8_t *data;
	size_t len;
	size_t cap;
	size_t max;
	int error;
};

/* Caller's storage: no memory is taken before the first append. */
#define BUF_INIT(maximum) ((struct buf){NULL, 0, 0, (maximum), 0})

struct buf *buf_new(size_t max);
void buf_free(struct buf *b);
void buf_fini(struct buf *b);
DEFINE_FREEP(struct buf, buf_free)

void buf_clear(struct buf *b); /* wipes, keeps the memory, forgets the error */
struct span buf_span(const struct buf *b);
const char *buf_str(const struct buf *b); /* "" when empty; valid until the next change */

/* 0, or ERR_LIMIT when an append went over the maximum; err names what. */
NODISCARD int buf_error(const struct buf *b, const char *what, struct err *err);

void buf_put(struct buf *b, const void *data, size_t len);
void buf_put_span(struct buf *b, struct span s);
void buf_put_str(struct buf *b, const char *s);
void buf_put_u8(struct buf *b, uint8_t v);
void buf_put_be16(struct buf *b, uint16_t v);
void buf_put_be32(struct buf *b, uint32_t v);
void buf_put_be64(struct buf *b, uint64_t v);
void buf_putf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_vputf(struct buf *b, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);

/* Room for len more bytes, to be filled by the caller and counted with buf_advance; NULL if over.
 */
uint8_t *buf_reserve(struct buf *b, size_t len);
void buf_advance(struct buf *b, size_t len);
/* Drops len bytes from the front. */
void buf_consume(struct buf *b, size_t len);

/*
 * A reader over borrowed bytes with a sticky error: reads past the end give zeroes and set error.
 */
struct cursor {
	struct span rest;
	bool failed;
};

uint8_t cursor_u8(struct cursor *c);
uint16_t cursor_be16(struct cursor *c);
uint32_t cursor_be32(struct cursor *c);
uint64_t cursor_be64(struct cursor *c);
struct span cursor_bytes(struct cursor *c, size_t len);

#endif
