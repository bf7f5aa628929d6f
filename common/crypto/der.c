#include "common/crypto/der.h"

#include "common/base/str.h"

#include <string.h>

#define LENGTH_BYTES_MAX 3

void
der_begin(struct der *d, unsigned tag)
{
	CHECK(d->depth < DER_DEPTH_MAX && tag <= 0xff && (tag & 0x1f) != 0x1f);
	buf_put_u8(d->out, (uint8_t)tag);
	/* Most elements are short: one byte of length, widened on closing where it is not. */
	buf_put_u8(d->out, 0);
	d->open[d->depth++] = d->out->len;
}

void
der_end(struct der *d)
{
	uint8_t more[LENGTH_BYTES_MAX];
	uint8_t count = 0;
	uint8_t *content;
	size_t len;

	CHECK(d->depth > 0);
	d->depth--;
	if (d->out->error != 0)
		return;
	len = d->out->len - d->open[d->depth];
	if (len < 0x80) {
		d->out->data[d->open[d->depth] - 1] = (uint8_t)len;
		return;
	}
	CHECK(len >> (8 * LENGTH_BYTES_MAX) == 0);
	for (size_t rest = len; rest > 0; rest >>= 8)
		count++;
	for (unsigned i = 0; i < count; i++)
		more[i] = (uint8_t)(len >> (8 * (count - 1u - i)));
	if (buf_reserve(d->out, count) == NULL)
		return;
	content = d->out->data + d->open[d->depth];
	memmove(content + count, content, len);
	memcpy(content, more, count);
	content[-1] = 0x80 | count;
	buf_advance(d->out, count);
}

void
der_put_raw(struct der *d, struct span bytes)
{
	buf_put_span(d->out, bytes);
}

void
der_put(struct der *d, unsigned tag, struct span content)
{
	der_begin(d, tag);
	der_put_raw(d, content);
	der_end(d);
}

void
der_put_uint(struct der *d, struct span big_endian)
{
	while (big_endian.len > 0 && big_endian.data[0] == 0)
		big_endian = SPAN(big_endian.data + 1, big_endian.len - 1);
	der_begin(d, DER_INTEGER);
	if (big_endian.len == 0 || (big_endian.data[0] & 0x80) != 0)
		buf_put_u8(d->out, 0);
	der_put_raw(d, big_endian);
	der_end(d);
}

void
der_put_time(struct der *d, int64_t seconds)
{
	char text[TIME_TEXT_MAX], digits[TIME_TEXT_MAX];
	size_t n = 0;
	bool short_year;

	time_text(seconds, text);
	for (size_t i = 0; text[i] != '\0'; i++)
		if (strchr("-:T", text[i]) == NULL)
			digits[n++] = text[i];
	/* From 1950 to 2049 two digits say which year. */
	short_year = memcmp(digits, "1950", 4) >= 0 && memcmp(digits, "2050", 4) < 0;
	if (short_year)
		der_put(d, DER_UTC_TIME, SPAN(digits + 2, n - 2));
	else
		der_put(d, DER_GENERALIZED_TIME, SPAN(digits, n));
}

bool
der_next(struct der_reader *r, unsigned *tag, struct span *content)
{
	struct cursor c = {r->rest, false};
	size_t len;

	*tag = 0;
	*content = SPAN(NULL, 0);
	if (r->failed || r->rest.len == 0)
		return false;
	*tag = cursor_u8(&c);
	len = cursor_u8(&c);
	if (len >= 0x80) {
		size_t count = len & 0x7f;
		bool minimal =
		    count > 0 && count <= LENGTH_BYTES_MAX && c.rest.len > 0 && c.rest.data[0] != 0;

		len = 0;
		for (size_t i = 0; minimal && i < count; i++)
			len = len << 8 | cursor_u8(&c);
		if (!minimal || len < 0x80)
			c.failed = true;
	}
	*content = cursor_bytes(&c, len);
	/* Tags of more than one byte do not occur. */
	if (c.failed || (*tag & 0x1f) == 0x1f) {
		r->failed = true;
		return false;
	}
	r->rest = c.rest;
	return true;
}

struct span
der_take(struct der_reader *r, unsigned tag)
{
	struct span content;
	unsigned found;

	if (!der_next(r, &found, &content) || found != tag) {
		r->failed = true;
		return SPAN(NULL, 0);
	}
	return content;
}

struct span
der_take_fixed(struct der_reader *r, unsigned tag, size_t len)
{
	struct span content = der_take(r, tag);

	if (content.len == len)
		return content;
	r->failed = true;
	return SPAN(NULL, 0);
}

struct der_reader
der_enter(struct der_reader *r, unsigned tag)
{
	struct der_reader inner = DER_READER(der_take(r, tag));

	inner.failed = r->failed;
	return inner;
}

void
der_expect(struct der_reader *r, struct span literal)
{
	struct cursor c = {r->rest, r->failed};
	struct span found = cursor_bytes(&c, literal.len);

	if (c.failed || !span_equal(found, literal)) {
		r->failed = true;
		return;
	}
	r->rest = c.rest;
}

uint32_t
der_take_small(struct der_reader *r)
{
	struct span v = der_take(r, DER_INTEGER);
	uint32_t value = 0;
	bool padded = v.len > 1 && v.data[0] == 0 && (v.data[1] & 0x80) == 0;

	if (v.len == 0 || (v.data[0] & 0x80) != 0 || padded || v.len > 5 ||
	    (v.len == 5 && v.data[0] != 0)) {
		r->failed = true;
		return 0;
	}
	for (size_t i = 0; i < v.len; i++)
		value = value << 8 | v.data[i];
	return value;
}

bool
der_done(const struct der_reader *r)
{
	return !r->failed && r->rest.len == 0;
}
