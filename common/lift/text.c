#include "common/base/str.h"
#include "common/lift/lift_priv.h"

#include <string.h>

/*
 * PEM as people have it: indented, quoted in a mail, pasted from JSON with "\n" as two characters,
 * with dashes that a word processor joined, with text all around.
 */

#define LABEL_MAX 64
#define BARE_MIN 64 /* characters of base64 without armour that are worth a try */

/* --- borders -----------------------------------------------------------------------------------
 */

/* Length of a dash at p: "-", or one of U+2010 to U+2015 and U+2212 in UTF-8; 0 for none. */
static size_t
dash_len(const uint8_t *p, size_t left)
{
	if (left > 0 && p[0] == '-')
		return 1;
	if (left > 2 && p[0] == 0xe2 &&
	    ((p[1] == 0x80 && p[2] >= 0x90 && p[2] <= 0x95) || (p[1] == 0x88 && p[2] == 0x92)))
		return 3;
	return 0;
}

/* Whether two dashes at least stand before p, one blank between allowed. */
static bool
dashes_before(struct span all, size_t at)
{
	unsigned count = 0;

	if (at > 0 && all.data[at - 1] == ' ')
		at--;
	while (at > 0 && count < 2) {
		if (all.data[at - 1] == '-')
			at--;
		else if (at >= 3 && dash_len(all.data + at - 3, 3) == 3)
			at -= 3;
		else
			break;
		count++;
	}
	return count == 2;
}

struct border {
	bool is_end;
	struct span label;
	size_t start, stop; /* of "BEGIN", and behind the last dash */
};

/* The label and dashes behind the word; false when it is no border. */
static bool
read_label(struct span all, size_t at, struct border *b)
{
	size_t start = at, dashes = 0, n;

	while (at < all.len && at - start <= LABEL_MAX && all.data[at] >= ' ' &&
	    all.data[at] < 0x7f && all.data[at] != '-')
		at++;
	b->label = SPAN(all.data + start, at - start);
	while (b->label.len > 0 && b->label.data[b->label.len - 1] == ' ')
		b->label.len--;
	while (at < all.len && (n = dash_len(all.data + at, all.len - at)) > 0) {
		at += n;
		dashes++;
	}
	b->stop = at;
	return dashes >= 2 && b->label.len > 0;
}

static bool
next_border(struct text *t, struct border *b)
{
	for (; t->at < t->all.len; t->at++) {
		const uint8_t *p = t->all.data + t->at;
		size_t left = t->all.len - t->at, word;

		if (*p == '\n')
			t->line++;
		if (left > 6 && memcmp(p, "BEGIN ", 6) == 0)
			word = 6;
		else if (left > 4 && memcmp(p, "END ", 4) == 0)
			word = 4;
		else
			continue;
		b->start = t->at;
		b->is_end = word == 4;
		if (!dashes_before(t->all, t->at) || !read_label(t->all, t->at + word, b))
			continue;
		t->at = b->stop;
		return true;
	}
	return false;
}

/* Where the dashes before a border begin. */
static size_t
before_dashes(struct span all, size_t at, size_t least)
{
	while (at > least) {
		if (all.data[at - 1] == '-' || all.data[at - 1] == ' ')
			at--;
		else if (at >= least + 3 && dash_len(all.data + at - 3, 3) == 3)
			at -= 3;
		else
			break;
	}
	return at;
}

bool
text_next_block(struct text *t, struct pem_block *out)
{
	struct border begin, end;
	struct text ahead;

	do {
		if (!next_border(t, &begin))
			return false;
	} while (begin.is_end);
	*out = (struct pem_block){.label = begin.label, .line = t->line};
	ahead = *t;
	if (next_border(&ahead, &end) && end.is_end) {
		size_t stop = before_dashes(t->all, end.start, t->at);

		out->body = SPAN(t->all.data + t->at, stop - t->at);
		out->has_end = span_equal(begin.label, end.label);
		*t = ahead;
	}
	return true;
}

/* --- bodies ------------------------------------------------------------------------------------
 */

/* Moves over one character that may stand between base64; 0 for any other. */
static size_t
filler_len(const uint8_t *p, size_t left)
{
	/* quotes and commas of programs and JSON, as pasted */
	if (memchr(" \t\r\v\f\"',", p[0], 8) != NULL)
		return 1;
	if (left > 1 && p[0] == 0xc2 && p[1] == 0xa0) /* no-break space */
		return 2;
	if (left > 2 && memcmp(p, "\xef\xbb\xbf", 3) == 0) /* byte order mark */
		return 3;
	return 0;
}

/* The length of a line end at p, as a byte or as the two characters \n; 0 for none. */
static size_t
line_end_len(const uint8_t *p, size_t left)
{
	if (p[0] == '\n')
		return 1;
	if (left > 1 && p[0] == '\\' && (p[1] == 'n' || p[1] == 'r'))
		return 2;
	return 0;
}

static struct span
next_line(struct span *rest)
{
	struct span line = SPAN(rest->data, 0);
	size_t n = 0;

	while (line.len < rest->len &&
	    (n = line_end_len(rest->data + line.len, rest->len - line.len)) == 0)
		line.len++;
	*rest = SPAN(rest->data + line.len + n, rest->len - line.len - n);
	return line;
}

/* Blanks and the marks of a quoted mail at the start of a line. */
static struct span
trimmed(struct span line)
{
	size_t n;

	while (line.len > 0 && (n = line.data[0] == '>' ? 1 : filler_len(line.data, line.len)) > 0)
		line = SPAN(line.data + n, line.len - n);
	while (line.len > 0 && memchr(" \t\r", line.data[line.len - 1], 3) != NULL)
		line.len--;
	return line;
}

static void
take_header(struct span line, struct buf *dek_info)
{
	static const char name[] = "DEK-Info:";
	struct span value;

	if (line.len < strlen(name) || memcmp(line.data, name, strlen(name)) != 0)
		return;
	value = trimmed(SPAN(line.data + strlen(name), line.len - strlen(name)));
	buf_clear(dek_info);
	buf_put_span(dek_info, value);
}

static int
decode(struct buf *base64, struct buf *der, struct err *err)
{
	int r;

	/* Some programs leave the padding out. */
	while (base64->len % 4 > 1)
		buf_put_u8(base64, '=');
	r = buf_error(base64, "a block", err);
	if (r == 0)
		r = base64_decode(buf_span(base64), der, err);
	return r < 0 ? r : buf_error(der, "a block", err);
}

int
text_decode(struct span body, struct buf *der, struct buf *dek_info, struct err *err)
{
	AUTO(buf_freep)
	struct buf *base64 = buf_new(LIMIT_IMPORT_FILE);

	while (body.len > 0) {
		struct span line = trimmed(next_line(&body));
		size_t n;

		if (line.len > 0 && memchr(line.data, ':', line.len) != NULL) {
			take_header(line, dek_info);
			continue;
		}
		for (size_t i = 0; i < line.len; i += n) {
			n = filler_len(line.data + i, line.len - i);
			if (n > 0)
				continue;
			buf_put_u8(base64, line.data[i]);
			n = 1;
		}
	}
	return decode(base64, der, err);
}

int
text_decode_bare(struct span text, struct buf *der, struct err *err)
{
	AUTO(buf_freep)
	struct buf *base64 = buf_new(LIMIT_IMPORT_FILE);

	for (size_t i = 0; i < text.len; i++)
		if (memchr(" \t\r\n", text.data[i], 4) == NULL)
			buf_put_u8(base64, text.data[i]);
	if (base64->len < BARE_MIN)
		return err_set(err, ERR_NOTFOUND, "no base64");
	buf_clear(der);
	return decode(base64, der, err);
}

static bool
is_base64(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	    c == '+' || c == '/' || c == '=';
}

bool
text_next_wrapped(struct span text, size_t *at, struct buf *out)
{
	static const char start[] = "LS0tLS1CRUdJTi"; /* "-----BEGIN " but for its last bits */

	while (*at < text.len) {
		AUTO(buf_freep)
		struct buf *base64 = buf_new(LIMIT_IMPORT_FILE);
		const uint8_t *found =
		    memmem(text.data + *at, text.len - *at, start, strlen(start));
		size_t i;

		if (found == NULL)
			break;
		for (i = (size_t)(found - text.data); i < text.len && is_base64(text.data[i]); i++)
			buf_put_u8(base64, text.data[i]);
		*at = i;
		buf_clear(out);
		if (decode(base64, out, NULL) == 0)
			return true;
	}
	return false;
}

bool
text_from_utf16(struct span bytes, struct buf *out)
{
	bool little;

	if (bytes.len < 2)
		return false;
	little = bytes.data[0] == 0xff && bytes.data[1] == 0xfe;
	if (!little && !(bytes.data[0] == 0xfe && bytes.data[1] == 0xff))
		return false;
	for (size_t i = 2; i + 1 < bytes.len; i += 2) {
		uint8_t low = bytes.data[little ? i : i + 1];
		uint8_t high = bytes.data[little ? i + 1 : i];

		buf_put_u8(out, high == 0 && low < 0x80 ? low : (uint8_t)'?');
	}
	return true;
}
