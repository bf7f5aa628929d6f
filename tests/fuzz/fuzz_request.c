/* Any bytes as a follower's request: what is read can be written, and comes back the same. */

#include "common/wire/link_messages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(buf_freep)
	struct buf *first = buf_new(LIMIT_REQUEST);
	AUTO(buf_freep)
	struct buf *second = buf_new(LIMIT_REQUEST);
	struct request r, again;
	struct err err;

	if (wire_request_decode(SPAN(data, size), &r, &err) < 0)
		return 0;
	if (wire_request_encode(&r, first, &err) == 0) {
		CHECK(wire_request_decode(buf_span(first), &again, &err) == 0);
		CHECK(wire_request_encode(&again, second, &err) == 0);
		CHECK(span_equal(buf_span(first), buf_span(second)));
		request_fini(&again);
	}
	request_fini(&r);
	return 0;
}
