#include "common/link/frames.h"

#include <string.h>

/*
 * What a REQ socket sends over nng's IPC transport: a greeting with its protocol number, then for
 * each message a type, a length, and a body that begins with the request's id. Several ids would be
 * a request that came through a device, which there is none of here.
 */
#define GREETING "\0SP\0\0\x30\0\0"
#define GREETING_LEN 8
#define HEAD_LEN 9
#define ID_LEN_ON_WIRE 4
#define TYPE_MESSAGE 1
#define ID_LAST 0x80

static int
check_head(struct frames *f, size_t request_max, struct err *err)
{
	struct cursor c = {{f->head, HEAD_LEN}, false};
	uint8_t type = cursor_u8(&c);
	uint64_t len = cursor_be64(&c);

	if (type != TYPE_MESSAGE)
		return err_set(err, ERR_PROTO, "a message of unknown type %u", type);
	if (len < ID_LEN_ON_WIRE || len > request_max + ID_LEN_ON_WIRE)
		return err_set(err, ERR_PROTO, "a request of %llu bytes, more than %zu or too few",
		    (unsigned long long)len, request_max);
	f->rest = len;
	f->id_next = true;
	return 0;
}

/* Of a message: only the first bit matters, the rest is for nng and for whoever answers. */
static int
check_body(struct frames *f, struct span *bytes, struct err *err)
{
	size_t n = bytes->len < f->rest ? bytes->len : (size_t)f->rest;

	if (f->id_next && (bytes->data[0] & ID_LAST) == 0)
		return err_set(err, ERR_PROTO, "a request that was passed on by others");
	f->id_next = false;
	f->rest -= n;
	*bytes = SPAN(bytes->data + n, bytes->len - n);
	return 0;
}

int
frames_check(struct frames *f, struct span bytes, size_t request_max, struct err *err)
{
	while (bytes.len > 0) {
		size_t want = f->greeted ? HEAD_LEN : GREETING_LEN;
		size_t n = bytes.len < want - f->have ? bytes.len : want - f->have;
		int r = 0;

		if (f->rest > 0) {
			r = check_body(f, &bytes, err);
			if (r < 0)
				return r;
			continue;
		}
		memcpy(f->head + f->have, bytes.data, n);
		f->have += n;
		bytes = SPAN(bytes.data + n, bytes.len - n);
		if (f->have < want)
			break;
		f->have = 0;
		if (f->greeted)
			r = check_head(f, request_max, err);
		else if (memcmp(f->head, GREETING, GREETING_LEN) != 0)
			r = err_set(err, ERR_PROTO, "not the greeting of a follower");
		f->greeted = true;
		if (r < 0)
			return r;
	}
	return 0;
}
