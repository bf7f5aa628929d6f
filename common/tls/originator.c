#include "common/tls/originator.h"

#include "common/base/str.h"
#include "common/tls/pump.h"
#include "common/tls/resolve.h"
#include "common/tls/terminator.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define NAME_RANDOM 16
#define REFUSED_WAIT_MS 500
#define REFUSED_WAIT_MOST_MS 30000
#define SESSIONS_MAX 4 /* nng has one; more only while an old one ends */

/*
 * One connection of nng on its way to the server:
 * first bytes -> resolve -> connect and handshake (the stream) -> pump.
 * nng's bytes are waited for, because its dialer stops for ever when a connection is closed just
 * as it writes there.
 */
struct session {
	struct originator *o;
	struct session *next;
	int local; /* nng's end, until the pump has it; -1 then */
	struct loop_fd *first;
	struct resolve *resolve;
	struct address list[RESOLVE_MAX];
	size_t count, at;
	struct tls_stream *stream;
	struct pump *pump;
	bool heard; /* the server has sent something: it has accepted us */
	struct timer deadline, wait;
};

struct originator {
	struct loop *loop;
	struct tls_ctx *ctx;
	char host[ADDRESS_HOST_MAX];
	uint16_t port;
	char url[64];
	int listener;
	struct loop_fd *watch;
	uint64_t connect_ms;
	void (*on_state)(void *arg, int status, const struct err *err);
	void (*on_closed)(void *arg);
	void *arg;
	struct session *sessions;
	unsigned session_count;
	uint64_t refused_wait_ms, not_before_ms;
};

static struct runtime *
runtime_of(struct originator *o)
{
	return loop_runtime(o->loop);
}

static void
tell(struct originator *o, int status, const struct err *err)
{
	if (o->on_state != NULL)
		o->on_state(o->arg, status, err);
}

/* ------------------------------------------------------------------------- session */

static void
session_free(struct session *s)
{
	struct originator *o = s->o;
	struct session **at = &o->sessions;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	o->session_count--;
	runtime_timer_stop(runtime_of(o), &s->deadline);
	runtime_timer_stop(runtime_of(o), &s->wait);
	loop_fd_close(s->first);
	resolve_cancel(s->resolve);
	tls_stream_close(s->stream);
	pump_close(s->pump);
	if (s->local >= 0)
		close(s->local);
	mem_free(s);
	if (o->on_closed != NULL)
		o->on_closed(o->arg);
}

static void
session_end(struct session *s, const struct err *err)
{
	struct originator *o = s->o;

	session_free(s);
	tell(o, err->code, err);
}

static void
on_deadline(void *arg)
{
	struct session *s = arg;
	struct err err;

	err_set(&err, ERR_TIMEOUT, "%s:%u does not answer", s->o->host, s->o->port);
	session_end(s, &err);
}

/*
 * With TLS 1.3 our handshake is done before the server has judged our certificate. One that it does
 * not want, such as that of a removed node, would come back at once for ever: nng's back-off begins
 * anew with each connection to our socket.
 */
static void
note_refusal(struct originator *o)
{
	uint64_t wait = o->refused_wait_ms > 0 ? 2 * o->refused_wait_ms : REFUSED_WAIT_MS;

	o->refused_wait_ms = wait < REFUSED_WAIT_MOST_MS ? wait : REFUSED_WAIT_MOST_MS;
	o->not_before_ms = runtime_mono_ms(runtime_of(o)) + o->refused_wait_ms;
}

static int
on_heard(void *arg, struct span bytes, struct err *err)
{
	struct session *s = arg;

	(void)err;
	if (bytes.len == 0 || s->heard)
		return 0;
	s->heard = true;
	s->o->refused_wait_ms = 0;
	s->o->not_before_ms = 0;
	tell(s->o, 0, NULL);
	return 0;
}

static void
on_pump_end(void *arg, const struct pump_stats *stats, const struct err *err)
{
	struct session *s = arg;
	struct err ended;

	(void)stats;
	s->pump = NULL;
	if (!s->heard)
		note_refusal(s->o);
	if (err != NULL)
		ended = *err;
	else
		err_set(&ended, ERR_UNAVAIL, "the connection to the server was closed");
	session_end(s, &ended);
}

static void
on_ready(void *arg)
{
	struct session *s = arg;
	struct originator *o = s->o;
	const char *alpn = tls_stream_alpn(s->stream);
	struct pump_params p = {
	    .loop = o->loop, .fd = s->local, .check = on_heard, .on_end = on_pump_end, .arg = s};
	struct err err;

	if (alpn == NULL || strcmp(alpn, TERMINATOR_ALPN_LINK) != 0) {
		err_set(&err, ERR_PROTO, "%s:%u is no certherd server", o->host, o->port);
		session_end(s, &err);
		return;
	}
	runtime_timer_stop(runtime_of(o), &s->deadline);
	p.stream = MOVE(s->stream);
	s->local = -1;
	if (pump_new(&p, &s->pump, &err) < 0)
		session_end(s, &err);
}

static void connect_next(struct session *s, const struct err *last);

static void
on_failed(void *arg, const struct err *err)
{
	struct session *s = arg;
	struct err copy = *err;

	tls_stream_close(MOVE(s->stream));
	/* Another address may be up; one that answered wrongly is no reason to ask further. */
	if (copy.code == ERR_UNAVAIL || copy.code == ERR_TIMEOUT)
		connect_next(s, &copy);
	else
		session_end(s, &copy);
}

static const struct tls_stream_events stream_events = {
    .on_ready = on_ready,
    .on_failed = on_failed,
};

static void
connect_next(struct session *s, const struct err *last)
{
	struct err err = *last;

	while (s->at < s->count) {
		struct tls_stream_params p = {
		    .loop = s->o->loop,
		    .ctx = s->o->ctx,
		    .connecting = true,
		    .handshake_ms = s->o->connect_ms / s->count,
		    .events = &stream_events,
		    .arg = s,
		};

		if (address_connect(&s->list[s->at++], &p.fd, &err) == 0 &&
		    tls_stream_new(&p, &s->stream, &err) == 0)
			return;
	}
	session_end(s, &err);
}

static void
on_resolved(void *arg, int status, const struct address *list, size_t count, const struct err *err)
{
	struct session *s = arg;

	s->resolve = NULL;
	if (status < 0) {
		session_end(s, err);
		return;
	}
	memcpy(s->list, list, count * sizeof(list[0]));
	s->count = count;
	connect_next(s, err);
}

static void
begin(struct session *s)
{
	/* Over the parts, each of which has its own deadline. */
	runtime_timer_start(runtime_of(s->o), &s->deadline, 2 * s->o->connect_ms);
	s->resolve = resolve_start(s->o->loop, s->o->host, s->o->port, on_resolved, s);
}

static void
on_waited(void *arg)
{
	begin(arg);
}

static void
on_first(void *arg, unsigned events)
{
	struct session *s = arg;
	uint64_t now = runtime_mono_ms(runtime_of(s->o));

	loop_fd_close(MOVE(s->first));
	runtime_timer_stop(runtime_of(s->o), &s->deadline);
	if ((events & LOOP_ERROR) != 0)
		session_free(s); /* nng has left */
	else if (now < s->o->not_before_ms)
		runtime_timer_start(runtime_of(s->o), &s->wait, s->o->not_before_ms - now);
	else
		begin(s);
}

static void
session_start(struct originator *o, int local)
{
	struct session *s = mem_zalloc(sizeof(*s));
	struct err err;

	s->o = o;
	s->local = local;
	s->next = o->sessions;
	o->sessions = s;
	o->session_count++;
	s->deadline.cb = on_deadline;
	s->deadline.arg = s;
	s->wait.cb = on_waited;
	s->wait.arg = s;
	runtime_timer_start(runtime_of(o), &s->deadline, 2 * o->connect_ms);
	if (loop_fd_open(o->loop, local, on_first, s, &s->first, &err) < 0)
		session_end(s, &err);
	else
		loop_fd_watch(s->first, LOOP_READ);
}

/* ------------------------------------------------------------------------- listener */

/* Abstract names have no permissions, and everybody can read them in /proc. */
static bool
is_ours(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 && cred.pid == getpid();
}

static void
on_listener(void *arg, unsigned events)
{
	struct originator *o = arg;
	int fd;

	(void)events;
	fd = accept4(o->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	if (!is_ours(fd) || o->session_count >= SESSIONS_MAX)
		close(fd);
	else
		session_start(o, fd);
}

static int
open_listener(struct originator *o, struct err *err)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	uint8_t random[NAME_RANDOM];
	char hex[2 * NAME_RANDOM + 1];
	int len;

	runtime_random(runtime_of(o), random, sizeof(random));
	snprintf(o->url, sizeof(o->url), "abstract://certherd-%s",
	    hex_encode(random, sizeof(random), hex));
	/* The first byte is NUL, and the length is part of an abstract name. */
	len = snprintf(sa.sun_path + 1, sizeof(sa.sun_path) - 1, "certherd-%s", hex);
	o->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (o->listener < 0 ||
	    bind(o->listener, (struct sockaddr *)&sa,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len)) < 0 ||
	    listen(o->listener, 8) < 0)
		return err_errno(err, errno, "cannot make the local socket of the link");
	return loop_fd_open(o->loop, o->listener, on_listener, o, &o->watch, err);
}

/* ------------------------------------------------------------------------- life */

static int
set_up(struct originator *o, const struct originator_params *p, struct err *err)
{
	static const struct tls_alpn alpn[] = {{TERMINATOR_ALPN_LINK, TLS_CLIENT_NONE}};
	const struct tls_ctx_params params = {
	    .min = TLS_1_3,
	    .max = TLS_1_3,
	    .alpn = alpn,
	    .alpn_count = 1,
	    .pinned = p->root,
	    .accept = p->accept,
	    .accept_arg = p->arg,
	    .identity = p->identity,
	};
	int r = originator_set_target(o, p->target, err);

	if (r < 0)
		return r;
	r = tls_ctx_new(&params, &o->ctx, err);
	if (r < 0)
		return r;
	return open_listener(o, err);
}

int
originator_new(const struct originator_params *p, struct originator **out, struct err *err)
{
	struct originator *o = mem_zalloc(sizeof(*o));
	int r;

	CHECK(p->root != NULL && p->identity != NULL);
	o->loop = p->loop;
	o->on_closed = p->on_closed;
	o->listener = -1;
	o->connect_ms = p->connect_ms > 0 ? p->connect_ms : LIMIT_HANDSHAKE_MS;
	o->on_state = p->on_state;
	o->arg = p->arg;
	r = set_up(o, p, err);
	if (r < 0) {
		originator_close(o);
		return r;
	}
	loop_fd_watch(o->watch, LOOP_READ);
	*out = o;
	return 0;
}

void
originator_drop(struct originator *o)
{
	struct session *s = o->sessions, *next;

	for (; s != NULL; s = next) {
		next = s->next;
		/* One that has brought no bytes yet has nothing to end. */
		if (s->first == NULL)
			session_free(s);
	}
}

void
originator_close(struct originator *o)
{
	if (o == NULL)
		return;
	while (o->sessions != NULL)
		session_free(o->sessions);
	loop_fd_close(o->watch);
	if (o->listener >= 0)
		close(o->listener);
	tls_ctx_unref(o->ctx);
	mem_free(o);
}

const char *
originator_url(const struct originator *o)
{
	return o->url;
}

int
originator_set_target(struct originator *o, const char *target, struct err *err)
{
	char host[ADDRESS_HOST_MAX];
	uint16_t port;
	int r = address_split(target, host, &port, err);

	if (r < 0)
		return r;
	if (port == 0)
		return err_set(err, ERR_INVALID, "'%s': nobody listens on port 0", target);
	memcpy(o->host, host, sizeof(host));
	o->port = port;
	return 0;
}

void
originator_set_identity(struct originator *o, struct tls_identity *id)
{
	tls_ctx_set_identity(o->ctx, id);
	o->refused_wait_ms = 0;
	o->not_before_ms = 0;
}
