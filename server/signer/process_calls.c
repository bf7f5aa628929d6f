#include "server/signer/process_priv.h"

#include "common/base/limits.h"

#include <errno.h>
#include <sys/socket.h>

static struct signer_call *
take_pending(struct signer_process *s, uint64_t id)
{
	return map_del(s->pending, &id, sizeof(id));
}

/* All calls under way end the same way; they may submit, and are refused then. */
void
process_fail_all(struct signer_process *s, enum err_code code, const char *text)
{
	struct signer_call *list = NULL;
	struct span key;
	void *value;

	for (size_t at = 0; map_next(s->pending, &at, &key, &value);) {
		struct signer_call *call = value;

		call->next = list;
		list = call;
	}
	for (struct signer_call *call = list; call != NULL; call = call->next)
		take_pending(s, call->id);
	while (list != NULL) {
		struct signer_call *call = list;
		struct err err;

		list = call->next;
		s->stats.failed++;
		err_set(&err, code, "%s", text);
		call->cb(call, code, SPAN(NULL, 0), &err);
	}
}

/* The id that a caller may have written stands first, and gives way to ours. */
static struct span
without_id(struct span request)
{
	size_t i = 1;

	if (request.len == 0 || request.data[0] != 0x08)
		return request;
	while (i < request.len && (request.data[i] & 0x80) != 0)
		i++;
	return i < request.len ? SPAN(request.data + i + 1, request.len - i - 1) : request;
}

static void
put_frame(struct buf *out, uint64_t id, struct span request)
{
	uint8_t varint[10];
	size_t n = 0;

	do {
		varint[n++] = (uint8_t)((id & 0x7f) | (id > 0x7f ? 0x80 : 0));
		id >>= 7;
	} while (id > 0);
	buf_put_be32(out, (uint32_t)(1 + n + request.len));
	buf_put_u8(out, 0x08);
	buf_put(out, varint, n);
	buf_put_span(out, request);
}

static int
queue(struct signer_process *s, struct buf *to, struct signer_call *call, struct span request,
    struct err *err)
{
	request = without_id(request);
	if (request.len == 0 || request.len > LIMIT_SIGNER_FRAME - 16)
		return err_set(err, ERR_LIMIT, "a request of %zu bytes to the signer", request.len);
	if (request.len + 32 > OUT_MAX - s->out.len - s->held.len)
		return err_set(err, ERR_UNAVAIL, "the signer does not keep up");
	call->id = ++s->next_id;
	put_frame(to, call->id, request);
	if (map_count(s->pending) == 0)
		s->heard_at = runtime_mono_ms(s->rt);
	map_put(s->pending, &call->id, sizeof(call->id), call);
	return 0;
}

int
process_send(
    struct signer_process *s, struct signer_call *call, struct span request, struct err *err)
{
	int r = queue(s, &s->out, call, request, err);

	if (r == 0)
		loop_fd_watch(s->watch, LOOP_READ | LOOP_WRITE);
	return r;
}

bool
process_is_introduced(const struct signer_process *s)
{
	return s->life.state == LIFE_READY ||
	    (s->life.state == LIFE_LEARNING && s->waiting == NULL && s->start_done->len > 0);
}

void
process_send_held(struct signer_process *s)
{
	if (s->held.len == 0)
		return;
	buf_put_span(&s->out, buf_span(&s->held));
	buf_clear(&s->held);
	loop_fd_watch(s->watch, LOOP_READ | LOOP_WRITE);
}

static int
submit(struct signer *base, struct signer_call *call, struct span request, struct err *err)
{
	struct signer_process *s = OBJ_CAST(struct signer_process, base, PROCESS_MAGIC);
	int r;

	if ((s->life.state != LIFE_READY && s->life.state != LIFE_LEARNING) || s->closing)
		return err_set(err, ERR_UNAVAIL, "the signer is not there yet; try again");
	/*
	 * The introduction was made when the process was started, and says nothing of what is new
	 * since: that comes behind it.
	 */
	r = process_is_introduced(s) ? process_send(s, call, request, err)
				     : queue(s, &s->held, call, request, err);
	if (r == 0)
		s->stats.calls++;
	return r;
}

const struct signer_ops process_ops = {.submit = submit};

static void
handle_reply(struct signer_process *s, struct span frame)
{
	struct signer_reply reply;
	struct signer_call *call;
	struct err err;

	s->heard_at = runtime_mono_ms(s->rt);
	if (wire_signer_reply_decode(frame, &reply, &err) < 0) {
		process_drop(s, ERR_UNAVAIL, "the signer sent what is no reply");
		return;
	}
	call = take_pending(s, reply.id);
	if (call == NULL) {
		process_drop(s, ERR_UNAVAIL, "the signer answered what was not asked");
	} else if (reply.code < 0) {
		s->stats.failed++;
		err_set(&err, (enum err_code)reply.code, "%s", reply.text);
		call->cb(call, reply.code, SPAN(NULL, 0), &err);
	} else {
		call->cb(call, 0, reply.done, NULL);
	}
	signer_reply_fini(&reply);
}

/* Whole frames only; the rest waits for more. A callback may have ended the connection. */
static void
take_frames(struct signer_process *s)
{
	while (s->fd >= 0 && s->in.len >= FRAME_HEAD) {
		struct cursor c = {buf_span(&s->in), false};
		size_t len = cursor_be32(&c);
		AUTO(buf_freep)
		struct buf *frame = NULL;

		if (len == 0 || len > LIMIT_SIGNER_FRAME) {
			process_drop(s, ERR_UNAVAIL, "the signer sent a frame of a wrong size");
			return;
		}
		if (c.rest.len < len)
			return;
		frame = buf_new(LIMIT_SIGNER_FRAME);
		buf_put(frame, c.rest.data, len);
		buf_consume(&s->in, FRAME_HEAD + len);
		handle_reply(s, buf_span(frame));
	}
}

static void
read_more(struct signer_process *s)
{
	for (;;) {
		uint8_t *room = buf_reserve(&s->in, READ_BLOCK);
		ssize_t n;

		CHECK(room != NULL);
		n = recv(s->fd, room, READ_BLOCK, MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			process_drop(s, ERR_UNAVAIL, "the signer died");
			return;
		}
		buf_advance(&s->in, (size_t)n);
		take_frames(s);
		if (s->fd < 0)
			return;
	}
}

static void
write_more(struct signer_process *s)
{
	while (s->out.len > 0) {
		ssize_t n = send(s->fd, s->out.data, s->out.len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			process_drop(s, ERR_UNAVAIL, "the signer died");
			return;
		}
		buf_consume(&s->out, (size_t)n);
	}
	loop_fd_watch(s->watch, LOOP_READ);
}

void
process_on_socket(void *arg, unsigned events)
{
	struct signer_process *s = arg;

	if ((events & (LOOP_READ | LOOP_ERROR)) != 0)
		read_more(s);
	if (s->fd >= 0 && (events & LOOP_WRITE) != 0)
		write_more(s);
}
