#include "common/link/frames.h"

#define REQUEST_MAX 4096

/*
 * Takes any bytes as what a follower sends. The verdict is the same in whatever pieces they come,
 * and what passes is a greeting and whole messages within the limit, as read here once more.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What frames_check accepts, said in another way. */
static bool
is_sound(struct span in)
{
	struct cursor c = {in, false};
	static const uint8_t greeting[8] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};

	for (size_t i = 0; i < sizeof(greeting) && c.rest.len > 0; i++)
		if (cursor_u8(&c) != greeting[i] && in.len >= sizeof(greeting))
			return false;
	while (c.rest.len >= 9) {
		uint8_t type = cursor_u8(&c);
		uint64_t len = cursor_be64(&c);

		if (type != 1 || len < 4 || len > REQUEST_MAX + 4)
			return false;
		if (c.rest.len > 0 && (c.rest.data[0] & 0x80) == 0)
			return false;
		(void)cursor_bytes(&c, c.rest.len < len ? c.rest.len : (size_t)len);
	}
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frames whole = {0}, pieces = {0};
	struct err err;
	int r = frames_check(&whole, SPAN(data, size), REQUEST_MAX, &err), p = 0;

	CHECK(r == 0 || r == ERR_PROTO);
	CHECK((r == 0) == is_sound(SPAN(data, size)));
	for (size_t at = 0, step = 1; at < size && p == 0; at += step, step = step % 7 + 1)
		p = frames_check(&pieces, SPAN(data + at, step < size - at ? step : size - at),
		    REQUEST_MAX, &err);
	CHECK(p == r);
	return 0;
}
