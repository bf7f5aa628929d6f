#include "common/crypto/envelope_priv.h"

#include "common/crypto/der.h"

#include <string.h>

/*
 * Known-bad seals by mutation. An edit names an element by its path, the index of the child on each
 * level from the outermost SEQUENCE on; lengths around it are made right again, so that only the
 * one thing is wrong. Most would be opened by a lenient reader: CVE-2026-34182 (short tags),
 * CVE-2025-15467 (long nonces) and their like in other libraries.
 */

#define DATA "1.0."
#define KARI DATA "1.0"
#define POINT KARI ".1.0.1"
#define ORIGINATOR_ALGORITHM KARI ".1.0.0"
#define UKM KARI ".2.0"
#define AGREEMENT KARI ".3"
#define RECIPIENTS KARI ".4"
#define FIRST RECIPIENTS ".0"
#define SECOND RECIPIENTS ".1"
#define CONTENT DATA "2"
#define GCM CONTENT ".1.1"
#define NONCE GCM ".0"
#define TAG_LENGTH GCM ".1"
#define CIPHERTEXT CONTENT ".2"
#define TAG DATA "3"
#define WHOLE ""

enum edit_op {
	EDIT_NONE,
	EDIT_RESIZE,  /* content cut or zero-filled to n bytes */
	EDIT_LITERAL, /* the element becomes these n bytes */
	EDIT_DROP,
	EDIT_DOUBLE,     /* the element twice */
	EDIT_APPEND,     /* n bytes behind the element */
	EDIT_FLIP,       /* lowest bit of content byte n */
	EDIT_SET,        /* content becomes these n bytes */
	EDIT_TAG,        /* the element's tag becomes n */
	EDIT_LONG,       /* a length with a needless byte */
	EDIT_INDEFINITE, /* BER's indefinite length */
	EDIT_FROM,       /* the element becomes a copy of the one at the path in bytes */
};

struct edit {
	const char *path;
	enum edit_op op;
	size_t n;
	const char *bytes;
};

#define EDITS_MAX 2
struct bad_case {
	const char *name;
	int code;
	struct edit edits[EDITS_MAX];
};

#define TAG_OF(n, der)                                                                             \
	{                                                                                          \
		"tag of " #n " bytes", ERR_PARSE,                                                  \
		{                                                                                  \
			{TAG, EDIT_RESIZE, n, NULL},                                               \
			{                                                                          \
				TAG_LENGTH, EDIT_SET, 1, der                                       \
			}                                                                          \
		}                                                                                  \
	}
#define NONCE_OF(n)                                                                                \
	{                                                                                          \
		"nonce of " #n " bytes", ERR_PARSE,                                                \
		{                                                                                  \
			{                                                                          \
				NONCE, EDIT_RESIZE, n, NULL                                        \
			}                                                                          \
		}                                                                                  \
	}

static const struct bad_case cases[] = {
    TAG_OF(0, "\0"),
    TAG_OF(1, "\1"),
    TAG_OF(2, "\2"),
    TAG_OF(3, "\3"),
    TAG_OF(4, "\4"),
    TAG_OF(5, "\5"),
    TAG_OF(6, "\6"),
    TAG_OF(7, "\7"),
    TAG_OF(8, "\10"),
    TAG_OF(9, "\11"),
    TAG_OF(10, "\12"),
    TAG_OF(11, "\13"),
    TAG_OF(12, "\14"),
    TAG_OF(13, "\15"),
    TAG_OF(14, "\16"),
    TAG_OF(15, "\17"),
    TAG_OF(17, "\21"),
    {"tag shorter than it says", ERR_PARSE, {{TAG, EDIT_RESIZE, 15, NULL}}},
    {"tag length said to be 12", ERR_PARSE, {{TAG_LENGTH, EDIT_SET, 1, "\14"}}},
    {"tag length left out", ERR_PARSE, {{TAG_LENGTH, EDIT_DROP, 0, NULL}}},
    {"tag changed", ERR_CRYPTO, {{TAG, EDIT_FLIP, 15, NULL}}},
    NONCE_OF(0),
    NONCE_OF(1),
    NONCE_OF(8),
    NONCE_OF(11),
    NONCE_OF(13),
    NONCE_OF(16),
    NONCE_OF(4096),
    {"nonce changed", ERR_CRYPTO, {{NONCE, EDIT_FLIP, 0, NULL}}},
    {"ciphertext changed", ERR_CRYPTO, {{CIPHERTEXT, EDIT_FLIP, 0, NULL}}},
    {"ciphertext changed at the end", ERR_CRYPTO, {{CIPHERTEXT, EDIT_FLIP, 255, NULL}}},
    {"ciphertext empty", ERR_PARSE, {{CIPHERTEXT, EDIT_RESIZE, 0, NULL}}},
    {"ciphertext cut", ERR_PARSE, {{CIPHERTEXT, EDIT_RESIZE, 255, NULL}}},
    {"ciphertext longer by a block", ERR_CRYPTO, {{CIPHERTEXT, EDIT_RESIZE, 512, NULL}}},
    {"ciphertext left out", ERR_PARSE, {{CIPHERTEXT, EDIT_DROP, 0, NULL}}},
    {"ciphertext constructed", ERR_PARSE, {{CIPHERTEXT, EDIT_TAG, 0xa0, NULL}}},
    {"cipher AES-256-CBC", ERR_PARSE,
	{{CONTENT ".1.0", EDIT_SET, 9, "\x60\x86\x48\x01\x65\x03\x04\x01\x2a"}}},
    {"cipher AES-256-OFB", ERR_PARSE,
	{{CONTENT ".1.0", EDIT_SET, 9, "\x60\x86\x48\x01\x65\x03\x04\x01\x2b"}}},
    {"cipher AES-128-GCM", ERR_PARSE,
	{{CONTENT ".1.0", EDIT_SET, 9, "\x60\x86\x48\x01\x65\x03\x04\x01\x06"}}},
    {"content type enveloped data", ERR_PARSE,
	{{CONTENT ".0", EDIT_SET, 9, "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03"}}},
    {"outer type enveloped data", ERR_PARSE,
	{{"0", EDIT_SET, 9, "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03"}}},
    {"authenticated attributes", ERR_PARSE, {{CONTENT, EDIT_APPEND, 2, "\xa1\x00"}}},
    {"unauthenticated attributes", ERR_PARSE, {{TAG, EDIT_APPEND, 2, "\xa2\x00"}}},
    {"originator information", ERR_PARSE, {{DATA "0", EDIT_APPEND, 2, "\xa0\x00"}}},
    {"data version 2", ERR_PARSE, {{DATA "0", EDIT_SET, 1, "\2"}}},
    {"agreement version 0", ERR_PARSE, {{KARI ".0", EDIT_SET, 1, "\0"}}},
    {"agreement with SHA-1", ERR_PARSE,
	{{AGREEMENT ".0", EDIT_SET, 9, "\x2b\x81\x05\x10\x86\x48\x3f\x00\x02"}}},
    {"agreement with SHA-512", ERR_PARSE,
	{{AGREEMENT ".0", EDIT_SET, 6, "\x2b\x81\x04\x01\x0b\x03"}}},
    {"cofactor agreement", ERR_PARSE, {{AGREEMENT ".0", EDIT_SET, 6, "\x2b\x81\x04\x01\x0e\x01"}}},
    {"wrap AES-128", ERR_PARSE,
	{{AGREEMENT ".1.0", EDIT_SET, 9, "\x60\x86\x48\x01\x65\x03\x04\x01\x05"}}},
    {"wrap with parameters", ERR_PARSE, {{AGREEMENT ".1.0", EDIT_APPEND, 2, "\x05\x00"}}},
    {"second agreement", ERR_PARSE, {{KARI, EDIT_DOUBLE, 0, NULL}}},
    {"no agreement", ERR_PARSE, {{KARI, EDIT_DROP, 0, NULL}}},
    {"password recipient besides", ERR_PARSE, {{KARI, EDIT_APPEND, 2, "\xa3\x00"}}},
    {"ukm left out", ERR_PARSE, {{KARI ".2", EDIT_DROP, 0, NULL}}},
    {"ukm empty", ERR_PARSE, {{UKM, EDIT_RESIZE, 0, NULL}}},
    {"ukm of 31 bytes", ERR_PARSE, {{UKM, EDIT_RESIZE, 31, NULL}}},
    {"ukm changed", ERR_CRYPTO, {{UKM, EDIT_FLIP, 0, NULL}}},
    {"point off the curve", ERR_CRYPTO, {{POINT, EDIT_FLIP, 65, NULL}}},
    {"point zero", ERR_CRYPTO, {{POINT, EDIT_RESIZE, 2, NULL}, {POINT, EDIT_RESIZE, 66, NULL}}},
    {"point at infinity", ERR_PARSE, {{POINT, EDIT_SET, 2, "\0\0"}}},
    {"point compressed", ERR_PARSE, {{POINT, EDIT_FLIP, 1, NULL}, {POINT, EDIT_RESIZE, 34, NULL}}},
    {"point hybrid", ERR_PARSE, {{POINT, EDIT_FLIP, 1, NULL}}},
    {"point with unused bits", ERR_PARSE, {{POINT, EDIT_FLIP, 0, NULL}}},
    {"originator on P-384", ERR_PARSE,
	{{ORIGINATOR_ALGORITHM ".0", EDIT_APPEND, 7, "\x06\x05\x2b\x81\x04\x00\x22"}}},
    {"originator by name", ERR_PARSE, {{KARI ".1", EDIT_SET, 2, "\xa0\x00"}}},
    {"wrapped keys of two recipients swapped", ERR_CRYPTO,
	{{FIRST ".1", EDIT_FROM, 0, SECOND ".1"}, {SECOND ".1", EDIT_FROM, 0, FIRST ".1"}}},
    {"identifiers of two recipients swapped", ERR_PARSE,
	{{FIRST ".0", EDIT_FROM, 0, SECOND ".0"}, {SECOND ".0", EDIT_FROM, 0, FIRST ".0"}}},
    {"recipients unsorted", ERR_PARSE,
	{{FIRST, EDIT_FROM, 0, SECOND}, {SECOND, EDIT_FROM, 0, FIRST}}},
    {"recipient twice", ERR_PARSE, {{FIRST, EDIT_DOUBLE, 0, NULL}}},
    {"no recipient", ERR_PARSE, {{RECIPIENTS, EDIT_RESIZE, 0, NULL}}},
    {"wrapped keys changed", ERR_CRYPTO,
	{{FIRST ".1", EDIT_FLIP, 0, NULL}, {SECOND ".1", EDIT_FLIP, 39, NULL}}},
    {"wrapped key of 48 bytes", ERR_PARSE, {{FIRST ".1", EDIT_RESIZE, 48, NULL}}},
    {"identifier of 19 bytes", ERR_PARSE, {{FIRST ".0.0", EDIT_RESIZE, 19, NULL}}},
    {"identifier with a date", ERR_PARSE,
	{{FIRST ".0.0", EDIT_APPEND, 17,
	    "\x18\x0f"
	    "20260101000000Z"}}},
    {"recipient by issuer and serial", ERR_PARSE, {{FIRST ".0", EDIT_TAG, 0x30, NULL}}},
    {"long length of the tag", ERR_PARSE, {{TAG, EDIT_LONG, 0, NULL}}},
    {"long length of the ciphertext", ERR_PARSE, {{CIPHERTEXT, EDIT_LONG, 0, NULL}}},
    {"long length of the whole", ERR_PARSE, {{WHOLE, EDIT_LONG, 0, NULL}}},
    {"long length of an identifier", ERR_PARSE, {{FIRST ".0.0", EDIT_LONG, 0, NULL}}},
    {"indefinite length of the whole", ERR_PARSE, {{WHOLE, EDIT_INDEFINITE, 0, NULL}}},
    {"indefinite length of the data", ERR_PARSE, {{"1.0", EDIT_INDEFINITE, 0, NULL}}},
    {"indefinite length of the content", ERR_PARSE, {{CONTENT, EDIT_INDEFINITE, 0, NULL}}},
    {"indefinite length of the recipients", ERR_PARSE, {{RECIPIENTS, EDIT_INDEFINITE, 0, NULL}}},
    {"a byte behind", ERR_PARSE, {{WHOLE, EDIT_APPEND, 1, "\0"}}},
    {"the seal twice", ERR_PARSE, {{WHOLE, EDIT_DOUBLE, 0, NULL}}},
    {"empty", ERR_PARSE, {{WHOLE, EDIT_DROP, 0, NULL}}},
    {"long form tag", ERR_PARSE, {{WHOLE, EDIT_TAG, 0x3f, NULL}}},
};

/* The element at the path, header and all; what the paths name is there. */
static struct span
element_at(struct span der, const char *path)
{
	struct span rest = der, element = der;

	while (*path != '\0') {
		struct der_reader r = DER_READER(rest);
		struct span content;
		unsigned tag, index;

		/* Into the element, then past the children before the one wanted. */
		CHECK(der_next(&r, &tag, &content));
		r = DER_READER(content);
		index = (unsigned)(*path - '0');
		for (unsigned i = 0; i <= index; i++) {
			const uint8_t *start = r.rest.data;

			CHECK(der_next(&r, &tag, &content));
			element = SPAN(start, (size_t)(r.rest.data - start));
		}
		rest = element;
		path += path[1] == '.' ? 2 : 1;
	}
	return element;
}

static void
put_resized(struct der *d, unsigned tag, struct span content, size_t len)
{
	der_begin(d, tag);
	der_put_raw(d, SPAN(content.data, content.len < len ? content.len : len));
	for (size_t i = content.len; i < len; i++)
		buf_put_u8(d->out, 0);
	der_end(d);
}

static void
put_flipped(struct der *d, unsigned tag, struct span content, size_t at)
{
	CHECK(at < content.len);
	der_begin(d, tag);
	der_put_raw(d, SPAN(content.data, at));
	buf_put_u8(d->out, content.data[at] ^ 1);
	der_put_raw(d, SPAN(content.data + at + 1, content.len - at - 1));
	der_end(d);
}

/* One byte of length more than needed. */
static void
put_long(struct der *d, unsigned tag, struct span content)
{
	buf_put_u8(d->out, (uint8_t)tag);
	if (content.len < 0x80) {
		buf_put_u8(d->out, 0x81);
		buf_put_u8(d->out, (uint8_t)content.len);
	} else {
		buf_put_u8(d->out, 0x83);
		buf_put_u8(d->out, 0);
		buf_put_be16(d->out, (uint16_t)content.len);
	}
	der_put_raw(d, content);
}

static void
put_indefinite(struct der *d, unsigned tag, struct span content)
{
	buf_put_u8(d->out, (uint8_t)tag);
	buf_put_u8(d->out, 0x80);
	der_put_raw(d, content);
	buf_put_be16(d->out, 0);
}

static void
put_edited(struct der *d, struct span element, const struct edit *e, struct span good)
{
	struct der_reader r = DER_READER(element);
	struct span literal = SPAN(e->bytes, e->n), content;
	unsigned tag;

	CHECK(der_next(&r, &tag, &content));
	switch (e->op) {
	case EDIT_RESIZE:
		put_resized(d, tag, content, e->n);
		break;
	case EDIT_LITERAL:
		der_put_raw(d, literal);
		break;
	case EDIT_DOUBLE:
		der_put_raw(d, element);
		der_put_raw(d, element);
		break;
	case EDIT_APPEND:
		der_put_raw(d, element);
		der_put_raw(d, literal);
		break;
	case EDIT_FLIP:
		put_flipped(d, tag, content, e->n);
		break;
	case EDIT_SET:
		der_put(d, tag, literal);
		break;
	case EDIT_TAG:
		der_put_raw(d, SPAN(&(uint8_t){(uint8_t)e->n}, 1));
		der_put_raw(d, SPAN(element.data + 1, element.len - 1));
		break;
	case EDIT_LONG:
		put_long(d, tag, content);
		break;
	case EDIT_INDEFINITE:
		put_indefinite(d, tag, content);
		break;
	case EDIT_FROM:
		der_put_raw(d, element_at(good, e->bytes));
		break;
	case EDIT_NONE:
	case EDIT_DROP:
		break;
	}
}

/* Copies the elements of der; the one that the path leads to is edited. */
static void
rewrite(struct der *d, struct span der, const char *path, const struct edit *e, struct span good)
{
	struct der_reader r = DER_READER(der);
	unsigned index = (unsigned)(*path - '0'), tag;
	struct span content;

	for (unsigned i = 0; r.rest.len > 0; i++) {
		const uint8_t *start = r.rest.data;
		struct span element;

		CHECK(der_next(&r, &tag, &content));
		element = SPAN(start, (size_t)(r.rest.data - start));
		if (i != index) {
			der_put_raw(d, element);
		} else if (path[1] == '\0') {
			put_edited(d, element, e, good);
		} else {
			der_begin(d, tag);
			rewrite(d, content, path + 2, e, good);
			der_end(d);
		}
	}
}

static void
apply(const struct edit *e, struct span from, struct span good, struct buf *out)
{
	struct der d = DER_INIT(out);
	struct der_reader r = DER_READER(from);
	struct span content;
	unsigned tag;

	if (*e->path == '\0') {
		put_edited(&d, from, e, good);
		return;
	}
	CHECK(der_next(&r, &tag, &content));
	der_begin(&d, tag);
	rewrite(&d, content, e->path, e, good);
	der_end(&d);
}

bool
seal_bad_case(size_t i, struct span good, const char **name, int *code, struct buf *out)
{
	AUTO(buf_freep)
	struct buf *between = buf_new(out->max);

	if (i >= ARRAY_LEN(cases))
		return false;
	*name = cases[i].name;
	*code = cases[i].code;
	buf_clear(out);
	apply(&cases[i].edits[0], good, good, out);
	if (cases[i].edits[1].op != EDIT_NONE) {
		buf_put_span(between, buf_span(out));
		buf_clear(out);
		apply(&cases[i].edits[1], buf_span(between), good, out);
	}
	CHECK(out->error == 0);
	return true;
}
