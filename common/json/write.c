#include "common/json/json.h"

#include "common/base/str.h"

#include <string.h>

static bool
is_continuation(struct span s, size_t at)
{
	return at < s.len && (s.data[at] & 0xc0) == 0x80;
}

/* Length of the UTF-8 character at the front of s, 0 when it is not one (RFC 3629). */
static size_t
utf8_length(struct span s)
{
	uint8_t c = s.data[0], next = s.len > 1 ? s.data[1] : 0;

	if (c < 0x80)
		return 1;
	if (c >= 0xc2 && c <= 0xdf)
		return is_continuation(s, 1) ? 2 : 0;
	if (c >= 0xe0 && c <= 0xef) {
		/* No overlong forms, no surrogates. */
		if ((c == 0xe0 && next < 0xa0) || (c == 0xed && next > 0x9f))
			return 0;
		return is_continuation(s, 1) && is_continuation(s, 2) ? 3 : 0;
	}
	if (c >= 0xf0 && c <= 0xf4) {
		if ((c == 0xf0 && next < 0x90) || (c == 0xf4 && next > 0x8f))
			return 0;
		return is_continuation(s, 1) && is_continuation(s, 2) && is_continuation(s, 3) ? 4
											       : 0;
	}
	return 0;
}

static void
put_character(struct buf *out, struct span *rest)
{
	static const char shorts[] = "\bb\tt\nn\ff\rr\"\"\\\\";
	uint8_t c = rest->data[0];
	size_t n = utf8_length(*rest);

	if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\' && c != 0x7f) {
		buf_put_u8(out, c);
	} else if (n == 0) {
		buf_put_str(out, "\\ufffd");
		n = 1;
	} else if (n > 1) {
		buf_put(out, rest->data, n);
	} else {
		for (size_t i = 0; i + 1 < sizeof(shorts); i += 2)
			if ((uint8_t)shorts[i] == c) {
				buf_putf(out, "\\%c", shorts[i + 1]);
				goto done;
			}
		buf_putf(out, "\\u%04x", c);
	}
done:
	rest->data += n;
	rest->len -= n;
}

/* How many bytes at the front need no escape: most texts go out in one piece. */
static size_t
plain_run(struct span s)
{
	size_t n = 0;

	while (n < s.len && s.data[n] >= 0x20 && s.data[n] < 0x7f && s.data[n] != '"' &&
	    s.data[n] != '\\')
		n++;
	return n;
}

void
json_put_quoted(struct buf *out, struct span text)
{
	buf_put_u8(out, '"');
	while (text.len > 0) {
		size_t n = plain_run(text);

		if (n == 0) {
			put_character(out, &text);
			continue;
		}
		buf_put(out, text.data, n);
		text.data += n;
		text.len -= n;
	}
	buf_put_u8(out, '"');
}

/* The comma before a value and its name, if it has one. */
static void
begin(struct json_writer *w, const char *name)
{
	uint32_t bit = UINT32_C(1) << w->depth;

	/* Names stand exactly in objects; the outermost value has none. */
	CHECK((name != NULL) == (w->depth > 0 && (w->arrays & bit) == 0));
	if ((w->filled & bit) != 0)
		buf_put_u8(w->out, ',');
	w->filled |= bit;
	if (name != NULL) {
		json_put_quoted(w->out, span_str(name));
		buf_put_u8(w->out, ':');
	}
}

static void
open_level(struct json_writer *w, const char *name, bool array)
{
	uint32_t bit;

	begin(w, name);
	CHECK(w->depth < LIMIT_JSON_DEPTH);
	w->depth++;
	bit = UINT32_C(1) << w->depth;
	w->filled &= ~bit;
	w->arrays = array ? w->arrays | bit : w->arrays & ~bit;
	buf_put_u8(w->out, array ? '[' : '{');
}

void
json_put_object(struct json_writer *w, const char *name)
{
	open_level(w, name, false);
}

void
json_put_array(struct json_writer *w, const char *name)
{
	open_level(w, name, true);
}

void
json_put_end(struct json_writer *w)
{
	CHECK(w->depth > 0);
	buf_put_u8(w->out, (w->arrays & UINT32_C(1) << w->depth) != 0 ? ']' : '}');
	w->depth--;
}

void
json_put_span(struct json_writer *w, const char *name, struct span text)
{
	begin(w, name);
	json_put_quoted(w->out, text);
}

void
json_put_base64(struct json_writer *w, const char *name, struct span bytes)
{
	begin(w, name);
	buf_put_u8(w->out, '"');
	base64_put(w->out, bytes); /* nothing in it needs an escape */
	buf_put_u8(w->out, '"');
}

void
json_put_text(struct json_writer *w, const char *name, const char *text)
{
	if (text == NULL)
		json_put_null(w, name);
	else
		json_put_span(w, name, span_str(text));
}

void
json_put_raw(struct json_writer *w, const char *name, struct span value)
{
	begin(w, name);
	buf_put_span(w->out, value);
}

void
json_put_textf(struct json_writer *w, const char *name, const char *fmt, ...)
{
	struct buf text = BUF_INIT(LIMIT_JSON_TEXT);
	va_list ap;

	va_start(ap, fmt);
	buf_vputf(&text, fmt, ap);
	va_end(ap);
	json_put_span(w, name, buf_span(&text));
	buf_fini(&text);
}

void
json_put_int(struct json_writer *w, const char *name, int64_t v)
{
	begin(w, name);
	buf_putf(w->out, "%lld", (long long)v);
}

void
json_put_uint(struct json_writer *w, const char *name, uint64_t v)
{
	begin(w, name);
	buf_putf(w->out, "%llu", (unsigned long long)v);
}

void
json_put_bool(struct json_writer *w, const char *name, bool v)
{
	begin(w, name);
	buf_put_str(w->out, v ? "true" : "false");
}

void
json_put_null(struct json_writer *w, const char *name)
{
	begin(w, name);
	buf_put_str(w->out, "null");
}

void
json_put_time(struct json_writer *w, const char *name, int64_t seconds)
{
	char text[TIME_TEXT_MAX];

	if (seconds == 0)
		json_put_null(w, name);
	else
		json_put_text(w, name, time_text(seconds, text));
}
