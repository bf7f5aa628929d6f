/* Whatever a server says in clear: the first byte is the protocol, the rest is the server's. */

#include "common/tls/starttls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
talk(const uint8_t *data, size_t size, size_t step, struct buf *sent, bool *ready)
{
	struct starttls s;
	int r = 0;

	starttls_init(&s, 1 + data[0] % (STARTTLS__COUNT - 1), sent);
	for (size_t at = 1; at < size && r == 0; at += step) {
		if (s.ready)
			return ERR_PROTO;
		r = starttls_feed(
		    &s, SPAN(data + at, size - at < step ? size - at : step), sent, NULL);
	}
	*ready = s.ready;
	CHECK(sent->error == 0);
	return r;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = BUF_INIT(STARTTLS_SENT_MAX), bytes = BUF_INIT(STARTTLS_SENT_MAX);
	bool ready[2] = {false, false};
	int r;

	if (size == 0)
		return 0;
	/* How it is cut into pieces on its way makes no difference. */
	r = talk(data, size, size, &whole, &ready[0]);
	CHECK(talk(data, size, 1, &bytes, &ready[1]) == r);
	CHECK(r < 0 || ready[0] == ready[1]);
	CHECK(span_equal(buf_span(&whole), buf_span(&bytes)));
	buf_fini(&whole);
	buf_fini(&bytes);
	return 0;
}
