#include "common/base/str.h"
#include "common/crypto/cert_priv.h"

#include <string.h>

#define PEM_LINE 64

static const char pem_begin[] = "-----BEGIN CERTIFICATE-----";
static const char pem_end[] = "-----END CERTIFICATE-----";

void
cert_put_pem(struct span der, struct buf *out)
{
	struct buf text = BUF_INIT(2 * LIMIT_CERT);

	base64_put(&text, der);
	buf_putf(out, "%s\n", pem_begin);
	for (size_t at = 0; at < text.len; at += PEM_LINE) {
		size_t n = text.len - at < PEM_LINE ? text.len - at : PEM_LINE;
		buf_put(out, text.data + at, n);
		buf_put_u8(out, '\n');
	}
	buf_putf(out, "%s\n", pem_end);
	buf_fini(&text);
}

/* First place of needle at or after from; haystack.len when there is none. */
static size_t
find(struct span haystack, size_t from, const char *needle)
{
	const uint8_t *p;

	if (from >= haystack.len)
		return haystack.len;
	p = memmem(haystack.data + from, haystack.len - from, needle, strlen(needle));
	return p != NULL ? (size_t)(p - haystack.data) : haystack.len;
}

/* The base64 between the lines, however it is broken and indented. */
static int
parse_block(struct span body, struct cert **out, struct err *err)
{
	AUTO(buf_freep)
	struct buf *text = buf_new(2 * LIMIT_CERT);
	AUTO(buf_freep)
	struct buf *der = buf_new(2 * LIMIT_CERT);
	int r;

	for (size_t i = 0; i < body.len; i++)
		if (memchr(" \t\r\n", body.data[i], 4) == NULL)
			buf_put_u8(text, body.data[i]);
	if ((r = buf_error(text, "PEM block", err)) < 0 ||
	    (r = base64_decode(buf_span(text), der, err)) < 0)
		return r;
	return cert_parse(buf_span(der), out, err);
}

static int
parse_blocks(
    struct span pem, struct cert *found[static LIMIT_CHAIN], size_t *count, struct err *err)
{
	size_t at = 0, start, end;
	int r;

	while ((start = find(pem, at, pem_begin)) < pem.len) {
		start += strlen(pem_begin);
		end = find(pem, start, pem_end);
		if (end == pem.len)
			return err_set(
			    err, ERR_PARSE, "certificate %zu has no end line", *count + 1);
		if (*count == LIMIT_CHAIN)
			return err_set(err, ERR_LIMIT, "more than %d certificates", LIMIT_CHAIN);
		r = parse_block(SPAN(pem.data + start, end - start), &found[*count], err);
		if (r < 0) {
			err_wrap(err, "certificate %zu of the PEM text", *count + 1);
			return r;
		}
		++*count;
		at = end + strlen(pem_end);
	}
	return *count > 0 ? 0 : err_set(err, ERR_NOTFOUND, "no certificate in the PEM text");
}

int
cert_parse_pem_chain(
    struct span pem, struct cert *out[static LIMIT_CHAIN], size_t *count, struct err *err)
{
	struct cert *found[LIMIT_CHAIN];
	size_t n = 0;
	int r;

	if (pem.len > LIMIT_PEM_FILE)
		return err_set(
		    err, ERR_LIMIT, "PEM text of %zu bytes; at most %d", pem.len, LIMIT_PEM_FILE);
	r = parse_blocks(pem, found, &n, err);
	if (r < 0) {
		while (n > 0)
			cert_unref(found[--n]);
		return r;
	}
	memcpy(out, found, n * sizeof(struct cert *));
	*count = n;
	return 0;
}
