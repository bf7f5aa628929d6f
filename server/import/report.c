/* The frames of an answer. */

#include "server/import/report.h"

/* "bundle.pem, block 2": where an item lay. */
static void
put_where(struct buf *out, const struct lift_item *item)
{
	buf_putf(out, "%s%s%s", item->file, *item->place != '\0' ? ", " : "", item->place);
}

static int
send_text(struct report *r, enum frame_kind kind, int code, const struct lift_item *item,
    const char *text)
{
	struct buf content = BUF_INIT(2 * (FRAME_TEXT + 8));
	int rc;

	if (kind == FRAME_REFUSAL) {
		bool needs_password = item != NULL && item->kind == LIFT_PROBLEM &&
		    (item->why == LIFT_PASSWORD_NEEDED || item->why == LIFT_PASSWORD_WRONG);

		found_put_refusal(
		    &content, code, needs_password, item != NULL ? item->file : "", text);
		r->refusals++;
	} else {
		frame_put_text(&content, text);
	}
	rc = frame_send(r->fd, kind, buf_span(&content), r->err);
	buf_fini(&content);
	return rc;
}

int
report_remark(struct report *r, const char *text)
{
	return send_text(r, FRAME_REMARK, 0, NULL, text);
}

int
report_refuse(struct report *r, int code, const char *text)
{
	return send_text(r, FRAME_REFUSAL, code, NULL, text);
}

int
report_say(struct report *r, enum frame_kind kind, int code, const struct lift_item *item,
    const char *fmt, ...)
{
	struct buf text = BUF_INIT(FRAME_TEXT);
	va_list ap;
	int rc;

	put_where(&text, item);
	buf_put_str(&text, ": ");
	va_start(ap, fmt);
	buf_vputf(&text, fmt, ap);
	va_end(ap);
	rc = send_text(r, kind, code, item, buf_str(&text));
	buf_fini(&text);
	return rc;
}

int
report_problem(struct report *r, const struct lift_item *item, int code)
{
	return send_text(r, code < 0 ? FRAME_REFUSAL : FRAME_REMARK, code, item, item->text);
}

int
report_left_out(struct report *r, const struct lift_item *item)
{
	return report_say(r, FRAME_REMARK, 0, item, "left out: a %s",
	    item->kind == LIFT_CSR ? "certificate request" : "revocation list");
}

int
report_unit(struct report *r, const struct import_unit *u)
{
	AUTO(buf_freep)
	struct buf *content = buf_new((IMPORT_CERTS_MOST + 1) * LIMIT_CERT);
	int rc;

	found_put_unit(content, u);
	rc = buf_error(content, "the certificates of a unit", r->err);
	r->units++;
	return rc < 0 ? rc : frame_send(r->fd, FRAME_UNIT, buf_span(content), r->err);
}

int
report_send(int fd, struct lift *l, enum import_wish wish, struct err *err)
{
	struct report r = {.fd = fd, .lift = l, .wish = wish, .err = err};
	int rc;

	lift_match(l);
	rc = wish == IMPORT_KEYS ? report_keys(&r) : report_certs(&r);
	return rc < 0 ? rc : frame_send(fd, FRAME_END, SPAN(NULL, 0), err);
}
