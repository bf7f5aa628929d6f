/* Any bytes as a request to the signer, its reply, and what each operation gives back. */

#include "common/wire/signer_messages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
try_replies(struct span in)
{
	struct signer_reply reply;
	struct signer_done done;
	struct err err;

	if (wire_signer_reply_decode(in, &reply, &err) == 0)
		signer_reply_fini(&reply);
	for (unsigned op = SIGNER_START; op < SIGNER__COUNT; op++)
		if (wire_signer_done_decode((enum signer_op)op, in, &done, &err) == 0)
			signer_done_fini(&done);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(buf_freep)
	struct buf *first = buf_new(LIMIT_SIGNER_FRAME);
	AUTO(buf_freep)
	struct buf *second = buf_new(LIMIT_SIGNER_FRAME);
	struct signer_request r, again;
	struct err err;

	try_replies(SPAN(data, size));
	if (wire_signer_request_decode(SPAN(data, size), &r, &err) < 0)
		return 0;
	if (wire_signer_request_encode(&r, first, &err) == 0) {
		CHECK(wire_signer_request_decode(buf_span(first), &again, &err) == 0);
		CHECK(wire_signer_request_encode(&again, second, &err) == 0);
		CHECK(span_equal(buf_span(first), buf_span(second)));
		signer_request_fini(&again);
	}
	signer_request_fini(&r);
	return 0;
}
