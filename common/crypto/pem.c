#include "common/crypto/pem.h"

#include "common/base/str.h"

#include <string.h>

#define PEM_LINE 64
#define BORDER_MAX 64

void
pem_put(struct buf *out, const char *label, struct span der)
{
	struct buf text = BUF_INIT(out->max);

	base64_put(&text, der);
	buf_putf(out, "-----BEGIN %s-----\n", label);
	for (size_t at = 0; at < text.len; at += PEM_LINE) {
		size_t rest = text.len - at;

		buf_put(out, text.data + at, rest < PEM_LINE ? rest : PEM_LINE);
		buf_put_u8(out, '\n');
	}
	buf_putf(out, "-----END %s-----\n", label);
	if (text.error != 0 && out->error == 0)
		out->error = text.error;
	buf_fini(&text);
}

/* The text before the border goes to *before, *text moves behind it. */
static bool
cut_at(struct span *text, const char *kind, const char *label, struct span *before)
{
	struct buf border = BUF_INIT(BORDER_MAX);
	const uint8_t *found = NULL;

	buf_putf(&border, "-----%s %s-----", kind, label);
	CHECK(border.error == 0);
	if (text->len > 0)
		found = memmem(text->data, text->len, border.data, border.len);
	if (found != NULL) {
		*before = SPAN(text->data, (size_t)(found - text->data));
		*text = SPAN(found + border.len, text->len - before->len - border.len);
	}
	buf_fini(&border);
	return found != NULL;
}

int
pem_next(struct span *text, const char *label, struct buf *der, struct err *err)
{
	struct buf base64 = BUF_INIT(der->max / 3 * 4 + 8);
	struct span rest = *text, body;
	int r;

	if (!cut_at(&rest, "BEGIN", label, &body))
		return err_set(err, ERR_NOTFOUND, "no PEM block of type %s", label);
	if (!cut_at(&rest, "END", label, &body))
		return err_set(
		    err, ERR_PARSE, "a PEM block of type %s without its end line", label);
	for (size_t i = 0; i < body.len; i++)
		if (memchr(" \t\r\n", body.data[i], 4) == NULL)
			buf_put_u8(&base64, body.data[i]);
	r = buf_error(&base64, "PEM block", err);
	if (r == 0)
		r = base64_decode(buf_span(&base64), der, err);
	if (r == 0)
		r = buf_error(der, "PEM block", err);
	buf_fini(&base64);
	if (r == 0)
		*text = rest;
	return r;
}
