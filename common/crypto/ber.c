#include "common/crypto/ber.h"

#include "common/base/limits.h"

#include <string.h>

#define CONSTRUCTED 0x20
#define LENGTH_BYTES_MAX 4
#define INDEFINITE SIZE_MAX

struct walk {
	struct span in;
	size_t at;
	struct der out;
	size_t elements;
	struct err *err;
};

static int
bad(struct walk *w, size_t at, const char *what)
{
	return err_set(w->err, ERR_PARSE, "damaged at offset %zu: %s", at, what);
}

/* Tag and length at w->at, which moves behind them; *len is INDEFINITE, or fits before end. */
static int
header(struct walk *w, size_t end, unsigned *tag, size_t *len)
{
	size_t start = w->at, count;

	if (end - w->at < 2)
		return bad(w, start, "it ends inside an element");
	*tag = w->in.data[w->at++];
	*len = w->in.data[w->at++];
	if ((*tag & 0x1f) == 0x1f)
		return bad(w, start, "a tag that no certificate file has");
	if (*len == 0x80) {
		*len = INDEFINITE;
		return (*tag & CONSTRUCTED) != 0 ? 0 : bad(w, start, "a length is missing");
	}
	if (*len > 0x80) {
		count = *len & 0x7f;
		*len = 0;
		if (count > LENGTH_BYTES_MAX || end - w->at < count)
			return bad(w, start, "a length that cannot be");
		while (count-- > 0)
			*len = *len << 8 | w->in.data[w->at++];
	}
	if (*len > end - w->at)
		return bad(w, start, "an element is longer than what holds it");
	return 0;
}

static bool
at_end_marker(const struct walk *w, size_t end)
{
	return end - w->at >= 2 && w->in.data[w->at] == 0 && w->in.data[w->at + 1] == 0;
}

/* One element, or (in a string) the content of one. */
static int
element(struct walk *w, size_t end, bool in_string, unsigned depth)
{
	/* Set by header() whenever it succeeds, which gcc does not see in a release build. */
	size_t start = w->at, len = 0, stop;
	unsigned tag = 0;
	bool string, wrapped;
	int r = header(w, end, &tag, &len);

	if (r < 0)
		return r;
	if (depth >= DER_DEPTH_MAX || ++w->elements > LIMIT_DER_ELEMENTS)
		return err_set(w->err, ERR_LIMIT,
		    "nested more than %d deep or of more than %d "
		    "elements, at offset %zu",
		    DER_DEPTH_MAX, LIMIT_DER_ELEMENTS, start);
	string = (tag | CONSTRUCTED) == (DER_OCTET_STRING | CONSTRUCTED);
	if (in_string && !string)
		return bad(w, start, "a string with a piece that is none");
	wrapped = !in_string;
	if ((tag & CONSTRUCTED) == 0) {
		if (wrapped)
			der_put(&w->out, tag, SPAN(w->in.data + w->at, len));
		else
			der_put_raw(&w->out, SPAN(w->in.data + w->at, len));
		w->at += len;
		return 0;
	}
	if (wrapped)
		der_begin(&w->out, string ? DER_OCTET_STRING : tag);
	stop = len == INDEFINITE ? end : w->at + len;
	while (len == INDEFINITE ? !at_end_marker(w, stop) : w->at < stop) {
		r = element(w, stop, string, depth + 1);
		if (r < 0)
			return r;
	}
	if (len == INDEFINITE)
		w->at += 2;
	if (wrapped)
		der_end(&w->out);
	return 0;
}

int
ber_to_der(struct span ber, struct buf *out, struct err *err)
{
	struct walk w = {.in = ber, .out = DER_INIT(out), .err = err};
	int r;

	if (ber.len >= 1u << 24)
		return err_set(err, ERR_LIMIT, "%zu bytes are too many", ber.len);
	r = element(&w, ber.len, false, 0);
	if (r == 0 && w.at != ber.len)
		r = bad(&w, w.at, "more follows behind its end");
	return r < 0 ? r : buf_error(out, "what was read", err);
}
