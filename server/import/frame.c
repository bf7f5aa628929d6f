#include "server/import/frame.h"

#include "common/base/arena.h"
#include "common/base/str.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *const kind_names[] = {
    [0] = "nothing",
    [FRAME_PASSWORD] = "password",
    [FRAME_FILE] = "file",
    [FRAME_TAKE] = "take",
    [FRAME_KEY] = "key",
    [FRAME_UNIT] = "unit",
    [FRAME_REMARK] = "remark",
    [FRAME_REFUSAL] = "refusal",
    [FRAME_END] = "end",
};
_Static_assert(ARRAY_LEN(kind_names) == FRAME__COUNT, "every kind has a name");

const char *
frame_kind_name(unsigned kind)
{
	return kind < ARRAY_LEN(kind_names) ? kind_names[kind] : "unknown";
}

static size_t
most_of(enum frame_kind kind)
{
	switch (kind) {
	case FRAME_PASSWORD:
		return LIMIT_PASSWORD;
	case FRAME_FILE:
		return FRAME_MOST;
	case FRAME_KEY:
		return LIMIT_KEY;
	case FRAME_UNIT:
		return (IMPORT_CERTS_MOST + 1) * LIMIT_CERT;
	case FRAME_REMARK:
	case FRAME_REFUSAL:
		return 2 * (FRAME_TEXT + 8);
	case FRAME_TAKE:
		return 1;
	case FRAME_END:
	case FRAME__COUNT:
		break;
	}
	return 0;
}

int
frame_head_decode(const uint8_t bytes[static FRAME_HEAD], struct frame_head *out, struct err *err)
{
	struct cursor c = {SPAN(bytes, FRAME_HEAD), false};
	size_t len = cursor_be32(&c);
	unsigned kind = cursor_u8(&c);

	if (kind == 0 || kind >= FRAME__COUNT)
		return err_set(err, ERR_PROTO, "a frame of kind %u", kind);
	if (len > most_of((enum frame_kind)kind))
		return err_set(
		    err, ERR_PROTO, "a frame %s of %zu bytes", frame_kind_name(kind), len);
	*out = (struct frame_head){(enum frame_kind)kind, len};
	return 0;
}

void
frame_head_encode(struct frame_head h, uint8_t out[static FRAME_HEAD])
{
	for (size_t i = 0; i < 4; i++)
		out[i] = (uint8_t)(h.len >> (24 - 8 * i));
	out[4] = (uint8_t)h.kind;
}

static int
gone(struct err *err)
{
	return err_set(err, ERR_UNAVAIL, "the other side has ended");
}

static int
send_all(int fd, struct span bytes, struct err *err)
{
	while (bytes.len > 0) {
		ssize_t n = send(fd, bytes.data, bytes.len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
			return gone(err);
		if (n < 0)
			return err_errno(err, errno, "write to the other side");
		bytes = SPAN(bytes.data + n, bytes.len - (size_t)n);
	}
	return 0;
}

int
frame_send(int fd, enum frame_kind kind, struct span content, struct err *err)
{
	uint8_t head[FRAME_HEAD];
	int r;

	CHECK(content.len <= most_of(kind));
	frame_head_encode((struct frame_head){kind, content.len}, head);
	r = send_all(fd, SPAN_OF(head), err);
	return r < 0 ? r : send_all(fd, content, err);
}

int
frame_recv_body(int fd, int timeout_ms, uint8_t *out, size_t len, struct err *err)
{
	while (len > 0) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int ready = poll(&p, 1, timeout_ms);
		ssize_t n;

		if (ready == 0)
			return err_set(err, ERR_TIMEOUT, "no answer after %d s", timeout_ms / 1000);
		n = ready < 0 ? -1 : recv(fd, out, len, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return gone(err);
		if (n < 0)
			return err_errno(err, errno, "read from the other side");
		out += n;
		len -= (size_t)n;
	}
	return 0;
}

int
frame_recv_head(int fd, int timeout_ms, struct frame_head *out, struct err *err)
{
	uint8_t head[FRAME_HEAD];
	int r = frame_recv_body(fd, timeout_ms, head, sizeof(head), err);

	return r < 0 ? r : frame_head_decode(head, out, err);
}

void
frame_put_text(struct buf *out, const char *text)
{
	size_t len = strlen(text);

	if (len > FRAME_TEXT)
		len = FRAME_TEXT;
	buf_put_be16(out, (uint16_t)len);
	buf_put(out, text, len);
}

int
frame_get_text(struct cursor *c, struct arena *memory, const char **out, struct err *err)
{
	struct span text = cursor_bytes(c, cursor_be16(c));
	const char *copy;

	if (c->failed || text.len > FRAME_TEXT ||
	    (text.len > 0 && memchr(text.data, 0, text.len) != NULL))
		return err_set(err, ERR_PROTO, "a text that is none");
	copy = arena_text(memory, text);
	if (copy == NULL)
		return err_set(err, ERR_LIMIT, "more was found than fits");
	*out = copy;
	return 0;
}
