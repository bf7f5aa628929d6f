/* Any bytes as a manager's reply: what is read can be written, and comes back the same. */

#include "common/wire/link_messages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(buf_freep)
	struct buf *first = buf_new(LIMIT_DELTA);
	AUTO(buf_freep)
	struct buf *second = buf_new(LIMIT_DELTA);
	struct reply r, again;
	struct err err;

	if (wire_reply_decode(SPAN(data, size), &r, &err) < 0)
		return 0;
	if (wire_reply_encode(&r, first, &err) == 0) {
		CHECK(wire_reply_decode(buf_span(first), &again, &err) == 0);
		CHECK(wire_reply_encode(&again, second, &err) == 0);
		CHECK(span_equal(buf_span(first), buf_span(second)));
		reply_fini(&again);
	}
	reply_fini(&r);
	return 0;
}
