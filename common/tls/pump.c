#include "common/tls/pump.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * Each direction is a source, a rest that its sink has not taken yet, and how far its end has come.
 * A direction reads only while its rest is empty; that is the whole of the backpressure.
 */
struct lane {
	struct buf rest;
	bool eof;  /* the source has ended */
	bool shut; /* and the sink was told so */
};

struct pump {
	struct loop *loop;
	struct tls_stream *stream;
	int fd;
	struct loop_fd *watch;
	struct lane in, out; /* from TLS to fd, from fd to TLS */
	bool half_close;
	uint64_t linger_ms, idle_ms, last_ms;
	struct timer timer; /* idle, then linger */
	bool lingering;
	struct pump_stats stats;
	int (*check)(void *arg, struct span bytes, struct err *err);
	void (*on_end)(void *arg, const struct pump_stats *stats, const struct err *err);
	void *arg;
};

static struct runtime *
runtime_of(struct pump *p)
{
	return loop_runtime(p->loop);
}

static void
destroy(struct pump *p)
{
	runtime_timer_stop(runtime_of(p), &p->timer);
	tls_stream_close(p->stream);
	loop_fd_close(p->watch);
	close(p->fd);
	buf_fini(&p->in.rest);
	buf_fini(&p->out.rest);
}

static void
end(struct pump *p, const struct err *err)
{
	destroy(p);
	p->on_end(p->arg, &p->stats, err);
	mem_free(p);
}

/* ------------------------------------------------------------------------- sinks */

/* 0 with *taken, ERR_AGAIN, or an error. */
static int
fd_send(struct pump *p, struct span data, size_t *taken, struct err *err)
{
	ssize_t n = send(p->fd, data.data, data.len, MSG_NOSIGNAL);

	if (n > 0) {
		*taken = (size_t)n;
		return 0;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return ERR_AGAIN;
	return err_errno(err, errno, "cannot pass bytes on");
}

static int
tls_send(struct pump *p, struct span data, size_t *taken, struct err *err)
{
	return tls_stream_write(p->stream, data, taken, err);
}

typedef int send_fn(struct pump *p, struct span data, size_t *taken, struct err *err);

/* Gives what it can to the sink and keeps the rest. */
static int
give(struct pump *p, struct lane *lane, send_fn *send_to, struct span data, struct err *err)
{
	while (data.len > 0) {
		size_t taken = 0;
		int r = send_to(p, data, &taken, err);

		if (r == ERR_AGAIN)
			break;
		if (r < 0)
			return r;
		data = SPAN(data.data + taken, data.len - taken);
	}
	if (data.len > 0)
		buf_put_span(&lane->rest, data);
	return buf_error(&lane->rest, "pump", err);
}

static int
flush(struct pump *p, struct lane *lane, send_fn *send_to, struct err *err)
{
	while (lane->rest.len > 0) {
		size_t taken = 0;
		int r = send_to(p, buf_span(&lane->rest), &taken, err);

		if (r == ERR_AGAIN)
			return 0;
		if (r < 0)
			return r;
		buf_consume(&lane->rest, taken);
		if (lane->rest.len == 0)
			buf_fini(&lane->rest); /* an idle connection holds no buffer */
	}
	return 0;
}

/* ------------------------------------------------------------------------- sources */

static int
take_in(struct pump *p, struct span bytes, struct err *err)
{
	int r = p->check != NULL ? p->check(p->arg, bytes, err) : 0;

	return r < 0 ? r : give(p, &p->in, fd_send, bytes, err);
}

static int
read_tls(struct pump *p, struct err *err)
{
	uint8_t bytes[PUMP_BUFFER];

	/* A few rounds for each event, so that one fast peer does not keep the loop. */
	for (int round = 0; round < 4 && p->in.rest.len == 0 && !p->in.eof; round++) {
		size_t len = 0;
		int r = tls_stream_read(p->stream, bytes, sizeof(bytes), &len, err);

		if (r == ERR_AGAIN)
			return 0;
		if (r < 0)
			return r;
		if (len == 0) {
			p->in.eof = true;
			return 0;
		}
		p->stats.in += len;
		r = take_in(p, SPAN(bytes, len), err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int
read_fd(struct pump *p, struct err *err)
{
	uint8_t bytes[PUMP_BUFFER];

	for (int round = 0; round < 4 && p->out.rest.len == 0 && !p->out.eof; round++) {
		ssize_t n = recv(p->fd, bytes, sizeof(bytes), 0);
		int r;

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (n < 0)
			return err_errno(err, errno, "cannot take bytes to pass on");
		if (n == 0) {
			p->out.eof = true;
			return 0;
		}
		p->stats.out += (uint64_t)n;
		r = give(p, &p->out, tls_send, SPAN(bytes, (size_t)n), err);
		if (r < 0)
			return r;
		if ((size_t)n < sizeof(bytes))
			return 0;
	}
	return 0;
}

/* ------------------------------------------------------------------------- ends */

static void
on_timer(void *arg)
{
	struct pump *p = arg;
	uint64_t now = runtime_mono_ms(runtime_of(p));
	uint64_t limit = p->lingering ? p->linger_ms : p->idle_ms;
	struct err err;

	if (now - p->last_ms < limit) {
		runtime_timer_start(runtime_of(p), &p->timer, p->last_ms + limit - now);
		return;
	}
	if (p->lingering) {
		end(p, NULL);
		return;
	}
	err_set(&err, ERR_TIMEOUT, "nothing has moved for %llu s",
	    (unsigned long long)p->idle_ms / 1000);
	end(p, &err);
}

static int
pass_ends_on(struct pump *p, struct err *err)
{
	if (p->in.eof && !p->in.shut && p->in.rest.len == 0) {
		shutdown(p->fd, SHUT_WR);
		p->in.shut = true;
	}
	if (p->out.eof && !p->out.shut && p->out.rest.len == 0) {
		int r = tls_stream_finish(p->stream, err);

		if (r == ERR_AGAIN)
			return 0;
		if (r < 0)
			return r;
		p->out.shut = true;
		p->lingering = true;
		p->last_ms = runtime_mono_ms(runtime_of(p));
		runtime_timer_start(runtime_of(p), &p->timer, p->linger_ms);
	}
	return 0;
}

static bool
is_over(const struct pump *p)
{
	if (p->in.shut && p->out.shut)
		return true;
	return !p->half_close && (p->in.eof || p->out.eof);
}

/* What is watched for follows from the lanes, and from nothing else. */
static void
watch(struct pump *p)
{
	bool finish = p->out.eof && !p->out.shut;

	tls_stream_want(p->stream,
	    (p->in.rest.len == 0 && !p->in.eof ? LOOP_READ : 0) |
		(p->out.rest.len > 0 || finish ? LOOP_WRITE : 0));
	loop_fd_watch(p->watch,
	    (p->out.rest.len == 0 && !p->out.eof ? LOOP_READ : 0) |
		(p->in.rest.len > 0 ? LOOP_WRITE : 0));
}

static void
move(struct pump *p, bool tls_readable, bool fd_readable)
{
	struct err err;
	int r = flush(p, &p->in, fd_send, &err);

	if (r == 0)
		r = flush(p, &p->out, tls_send, &err);
	if (r == 0 && tls_readable)
		r = read_tls(p, &err);
	if (r == 0 && fd_readable)
		r = read_fd(p, &err);
	if (r == 0)
		r = pass_ends_on(p, &err);
	if (r < 0) {
		end(p, &err);
		return;
	}
	p->last_ms = runtime_mono_ms(runtime_of(p));
	if (is_over(p))
		end(p, NULL);
	else
		watch(p);
}

static void
on_stream(void *arg, unsigned events)
{
	move(arg, (events & LOOP_READ) != 0, false);
}

static void
on_fd(void *arg, unsigned events)
{
	move(arg, false, (events & (LOOP_READ | LOOP_ERROR)) != 0);
}

static void
on_failed(void *arg, const struct err *err)
{
	end(arg, err);
}

static const struct tls_stream_events stream_events = {
    .on_event = on_stream,
    .on_failed = on_failed,
};

/* ------------------------------------------------------------------------- life */

int
pump_new(const struct pump_params *params, struct pump **out, struct err *err)
{
	struct pump *p = mem_zalloc(sizeof(*p));
	int r;

	CHECK(params->on_end != NULL && params->first.len <= PUMP_BUFFER);
	p->loop = params->loop;
	p->stream = params->stream;
	p->fd = params->fd;
	p->in.rest = p->out.rest = BUF_INIT(PUMP_BUFFER);
	p->half_close = params->half_close;
	p->linger_ms = params->linger_ms;
	p->idle_ms = params->idle_ms;
	p->check = params->check;
	p->on_end = params->on_end;
	p->arg = params->arg;
	p->timer.cb = on_timer;
	p->timer.arg = p;
	tls_stream_set_owner(p->stream, &stream_events, p);
	r = p->check != NULL ? p->check(p->arg, params->first, err) : 0;
	if (r == 0)
		r = loop_fd_open(p->loop, p->fd, on_fd, p, &p->watch, err);
	if (r < 0) {
		pump_close(p);
		return r;
	}
	p->stats.in = params->first.len;
	buf_put_span(&p->in.rest, params->first);
	p->last_ms = runtime_mono_ms(runtime_of(p));
	if (p->idle_ms > 0)
		runtime_timer_start(runtime_of(p), &p->timer, p->idle_ms);
	watch(p);
	*out = p;
	return 0;
}

void
pump_close(struct pump *p)
{
	if (p == NULL)
		return;
	destroy(p);
	mem_free(p);
}

struct pump_stats
pump_stats(const struct pump *p)
{
	return p->stats;
}

uint64_t
pump_last_ms(const struct pump *p)
{
	return p->last_ms;
}
