#include "common/base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_FIRST 64

struct span
span_str(const char *s)
{
	return SPAN(s, strlen(s));
}

bool
span_equal(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

int
span_compare(struct span a, struct span b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int c = n > 0 ? memcmp(a.data, b.data, n) : 0;

	if (c != 0)
		return c;
	return a.len < b.len ? -1 : a.len > b.len;
}

struct buf *
buf_new(size_t max)
{
	struct buf *b = mem_zalloc(sizeof(*b));

	b->max = max;
	return b;
}

void
buf_fini(struct buf *b)
{
	if (b == NULL)
		return;
	if (b->data != NULL)
		explicit_bzero(b->data, b->cap);
	mem_free(b->data);
	b->data = NULL;
	b->len = 0;
	b->cap = 0;
	b->error = 0;
}

void
buf_free(struct buf *b)
{
	buf_fini(b);
	mem_free(b);
}

void
buf_clear(struct buf *b)
{
	if (b->data != NULL)
		explicit_bzero(b->data, b->len + 1);
	b->len = 0;
	b->error = 0;
}

struct span
buf_span(const struct buf *b)
{
	return SPAN(b->data, b->len);
}

const char *
buf_str(const struct buf *b)
{
	return b->data != NULL ? (const char *)b->data : "";
}

int
buf_error(const struct buf *b, const char *what, struct err *err)
{
	if (b->error == 0)
		return 0;
	if (b->error == ERR_NOMEM)
		return err_set(err, ERR_NOMEM, "%s: no memory", what);
	return err_set(err, ERR_LIMIT, "%s would be longer than %zu bytes", what, b->max);
}

uint8_t *
buf_reserve(struct buf *b, size_t len)
{
	size_t cap = b->cap > 0 ? b->cap : BUF_FIRST;
	uint8_t *data;

	if (b->error != 0)
		return NULL;
	if (len > b->max || b->len > b->max - len) {
		b->error = ERR_LIMIT;
		return NULL;
	}
	if (b->data != NULL && b->len + len < b->cap)
		return b->data + b->len;
	while (cap <= b->len + len)
		cap *= 2;
	/* Not realloc: what it leaves behind would not be wiped. */
	data = malloc(cap);
	if (data == NULL) {
		b->error = ERR_NOMEM;
		return NULL;
	}
	if (b->data != NULL) {
		memcpy(data, b->data, b->len);
		explicit_bzero(b->data, b->cap);
		mem_free(b->data);
	}
	b->data = data;
	b->cap = cap;
	b->data[b->len] = 0;
	return b->data + b->len;
}

void
buf_advance(struct buf *b, size_t len)
{
	CHECK(b->data != NULL && b->len + len < b->cap);
	b->len += len;
	b->data[b->len] = 0;
}

void
buf_consume(struct buf *b, size_t len)
{
	CHECK(len <= b->len);
	if (len == 0)
		return;
	memmove(b->data, b->data + len, b->len - len);
	explicit_bzero(b->data + b->len - len, len);
	b->len -= len;
}

void
buf_put(struct buf *b, const void *data, size_t len)
{
	uint8_t *room = buf_reserve(b, len);

	if (room == NULL)
		return;
	if (len > 0)
		memcpy(room, data, len);
	buf_advance(b, len);
}

void
buf_put_span(struct buf *b, struct span s)
{
	buf_put(b, s.data, s.len);
}

void
buf_put_str(struct buf *b, const char *s)
{
	buf_put(b, s, strlen(s));
}

void
buf_put_u8(struct buf *b, uint8_t v)
{
	buf_put(b, &v, 1);
}

static void
put_be(struct buf *b, uint64_t v, size_t width)
{
	uint8_t out[8];

	for (size_t i = 0; i < width; i++)
		out[i] = (uint8_t)(v >> (8 * (width - 1 - i)));
	buf_put(b, out, width);
}

void
buf_put_be16(struct buf *b, uint16_t v)
{
	put_be(b, v, 2);
}

void
buf_put_be32(struct buf *b, uint32_t v)
{
	put_be(b, v, 4);
}

void
buf_put_be64(struct buf *b, uint64_t v)
{
	put_be(b, v, 8);
}

void
buf_vputf(struct buf *b, const char *fmt, va_list ap)
{
	uint8_t *room;
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	CHECK(n >= 0);
	room = buf_reserve(b, (size_t)n);
	if (room != NULL) {
		vsnprintf((char *)room, (size_t)n + 1, fmt, again);
		buf_advance(b, (size_t)n);
	}
	va_end(again);
}

void
buf_putf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vputf(b, fmt, ap);
	va_end(ap);
}

struct span
cursor_bytes(struct cursor *c, size_t len)
{
	struct span out = {NULL, 0};

	if (c->failed || len > c->rest.len) {
		c->failed = true;
		return out;
	}
	out = SPAN(c->rest.data, len);
	c->rest.data += len;
	c->rest.len -= len;
	return out;
}

static uint64_t
take_be(struct cursor *c, size_t width)
{
	struct span s = cursor_bytes(c, width);
	uint64_t v = 0;

	for (size_t i = 0; i < s.len; i++)
		v = v << 8 | s.data[i];
	return v;
}

uint8_t
cursor_u8(struct cursor *c)
{
	return (uint8_t)take_be(c, 1);
}

uint16_t
cursor_be16(struct cursor *c)
{
	return (uint16_t)take_be(c, 2);
}

uint32_t
cursor_be32(struct cursor *c)
{
	return (uint32_t)take_be(c, 4);
}

uint64_t
cursor_be64(struct cursor *c)
{
	return take_be(c, 8);
}
