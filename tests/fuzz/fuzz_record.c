/*
 * Any bytes as a record, and as the public part of each kind. What is read as a record must be
 * written and read again as the same.
 */

#include "common/wire/public_wire.h"
#include "common/wire/record_wire.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(buf_freep)
	struct buf *body = buf_new(2 * LIMIT_RECORD);
	struct span in = SPAN(data, size);
	struct record r, again;
	struct signed_bytes s;
	struct head h;
	struct err err;

	for (uint32_t kind = 1; kind < KIND__COUNT; kind++)
		CHECK(wire_public_check(kind, in, &err) <= 0);
	CHECK(wire_signed_decode(in, LIMIT_RECORD, &s, &err) <= 0);
	CHECK(wire_head_decode(in, &h, &err) <= 0);
	if (wire_record_decode(in, &r, &err) < 0)
		return 0;
	/* A public part that is not one of its kind makes the encoder refuse. */
	if (wire_record_encode(&r, body, &err) < 0)
		return 0;
	CHECK(wire_record_decode(buf_span(body), &again, &err) == 0);
	CHECK(span_equal(r.public_part, again.public_part) && span_equal(r.sealed, again.sealed));
	CHECK(id_equal(&r.id, &again.id) && r.version == again.version && r.seq == again.seq);
	CHECK(strcmp(r.name, again.name) == 0 && strcmp(r.author, again.author) == 0);
	CHECK(r.access_count == again.access_count);
	return 0;
}
