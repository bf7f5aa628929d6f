#include "common/base/limits.h"
#include "common/crypto/ber.h"

/* Any bytes as BER: what comes out is DER, and stays as it is when it goes through again. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
walk(struct span der, unsigned depth)
{
	struct der_reader r = DER_READER(der);
	struct span content;
	unsigned tag;

	while (der_next(&r, &tag, &content))
		if ((tag & 0x20) != 0)
			walk(content, depth + 1);
	CHECK(der_done(&r) && depth <= DER_DEPTH_MAX);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf once = BUF_INIT(LIMIT_IMPORT_FILE), twice = BUF_INIT(LIMIT_IMPORT_FILE);
	struct err err;

	if (ber_to_der(SPAN(data, size), &once, &err) == 0) {
		walk(buf_span(&once), 0);
		CHECK(ber_to_der(buf_span(&once), &twice, &err) == 0);
		CHECK(span_equal(buf_span(&once), buf_span(&twice)));
	} else {
		CHECK(err.code == ERR_PARSE || err.code == ERR_LIMIT);
	}
	buf_fini(&once);
	buf_fini(&twice);
	return 0;
}
