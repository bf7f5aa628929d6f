#include "server/cli/reader.h"

/* Any bytes as the frames between the command and its reader: each lies inside them. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = SPAN(data, size), bytes;
	struct buf again = BUF_INIT(1024 * 1024);
	uint8_t kind;
	bool bad;

	while (reader_take(&rest, &kind, &bytes, &bad)) {
		CHECK(bytes.data >= data && bytes.len <= size);
		CHECK((size_t)(bytes.data - data) + bytes.len + rest.len == size);
		reader_put(&again, kind, bytes);
	}
	CHECK(bad == (rest.len > 0));
	CHECK(size > 1024 * 1024 || span_equal(buf_span(&again), SPAN(data, size - rest.len)));
	buf_fini(&again);
	return 0;
}
