/* Any bytes as a designation, signed or not, as its rules judge it, and as a root statement. */

#include "common/wire/record_wire.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(buf_freep)
	struct buf *body = buf_new(LIMIT_DESIGNATION);
	struct span in = SPAN(data, size);
	struct signed_designation s;
	struct root_statement st;
	struct designation d, again;
	struct err err;

	CHECK(wire_root_statement_decode(in, &st, &err) <= 0);
	if (wire_signed_designation_decode(in, &s, &err) == 0)
		in = s.body;
	if (wire_designation_decode(in, &d, &err) < 0)
		return 0;
	for (uint32_t signer = 0; signer < 3; signer++)
		if (designation_check(&d, signer, &err) == 0) {
			CHECK(designation_keeps(&d, (struct position){d.term, 1}));
			/* Nothing stands behind itself. */
			CHECK(designation_follows(&d, &d.previous, &d, signer, &err) < 0);
		}
	CHECK(wire_designation_encode(&d, body, &err) == 0);
	CHECK(wire_designation_decode(buf_span(body), &again, &err) == 0);
	CHECK(again.term == d.term && span_equal(again.term_key, d.term_key));
	return 0;
}
