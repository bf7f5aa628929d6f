#include "common/tls/terminator_priv.h"

#include <string.h>
#include <unistd.h>

/* What nng's REQ end sends first: SP, version 0, protocol 0x30. */
static const uint8_t sp_header[SP_HEADER_LEN] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};

#define HTTP_LINGER_MS 5000

static uint64_t
now_of(struct terminator *t)
{
	return runtime_mono_ms(loop_runtime(t->loop));
}

/* ------------------------------------------------------------------------- lists */

static void
list_put(struct terminator_conn *c)
{
	struct conn_list *l = &c->t->lists[c->state];

	c->next = NULL;
	c->prev = l->tail;
	if (l->tail != NULL)
		l->tail->next = c;
	else
		l->head = c;
	l->tail = c;
	l->count++;
}

static void
list_del(struct terminator_conn *c)
{
	struct conn_list *l = &c->t->lists[c->state];

	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		l->head = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	else
		l->tail = c->prev;
	l->count--;
}

static void
move(struct terminator_conn *c, enum conn_state to)
{
	static const unsigned allowed[CONN__COUNT] = {
	    [CONN_HANDSHAKE] = 1U << CONN_FIRST,
	    [CONN_FIRST] = 1U << CONN_MEMBER | 1U << CONN_HTTP,
	    [CONN_MEMBER] = 0,
	    [CONN_HTTP] = 0,
	};

	CHECK((allowed[c->state] & 1U << to) != 0);
	list_del(c);
	c->state = to;
	list_put(c);
}

/* ------------------------------------------------------------------------- end */

void
conn_refused(struct terminator *t, const struct address *peer, const struct err *err)
{
	char text[ADDRESS_TEXT_MAX];

	if (t->handlers.on_refused != NULL)
		t->handlers.on_refused(t->handlers.arg, address_text(peer, text), err);
}

void
conn_end(struct terminator_conn *c)
{
	struct terminator *t = c->t;

	list_del(c);
	runtime_timer_stop(loop_runtime(t->loop), &c->deadline);
	tls_stream_close(c->stream);
	pump_close(c->pump);
	if (c->attached)
		t->handlers.on_member_end(t->handlers.arg, c->user);
	cert_unref(c->cert);
	mem_free(c);
}

static void
refuse(struct terminator_conn *c, const struct err *err)
{
	conn_refused(c->t, &c->peer, err);
	conn_end(c);
}

static void
on_pump_end(void *arg, const struct pump_stats *stats, const struct err *err)
{
	struct terminator_conn *c = arg;

	(void)stats;
	(void)err;
	c->pump = NULL;
	conn_end(c);
}

static void
on_failed(void *arg, const struct err *err)
{
	struct terminator_conn *c = arg;

	if (err->code == ERR_TIMEOUT)
		c->t->stats.timeouts++;
	else if (err->code == ERR_DENIED || err->code == ERR_CRYPTO)
		c->t->stats.refused_peers++;
	else
		c->t->stats.failed++;
	refuse(c, err);
}

static void
on_deadline(void *arg)
{
	struct terminator_conn *c = arg;
	struct err err;

	c->t->stats.timeouts++;
	err_set(&err, ERR_TIMEOUT, "a connection was opened and nothing was sent");
	refuse(c, &err);
}

/* ------------------------------------------------------------------------- routes */

static int
on_check(void *arg, struct span bytes, struct err *err)
{
	struct terminator_conn *c = arg;

	return c->t->handlers.check_member(c->t->handlers.arg, c->user, bytes, err);
}

/* The pump takes the stream, also when it cannot be made. */
static int
start_pump(struct terminator_conn *c, int fd, struct err *err)
{
	const struct pump_params p = {
	    .loop = c->t->loop,
	    .stream = MOVE(c->stream),
	    .fd = fd,
	    .first = SPAN(c->first, c->first_len),
	    .half_close = !c->is_link,
	    .linger_ms = HTTP_LINGER_MS,
	    .check = c->is_link && c->t->handlers.check_member != NULL ? on_check : NULL,
	    .on_end = on_pump_end,
	    .arg = c,
	};

	runtime_timer_stop(loop_runtime(c->t->loop), &c->deadline);
	return pump_new(&p, &c->pump, err);
}

static void
route_link(struct terminator_conn *c)
{
	struct terminator *t = c->t;
	struct err err = {0};
	int fd = -1, r;

	r = t->handlers.on_member(t->handlers.arg, c, c->cert, c->expired, &fd, &c->user, &err);
	if (r < 0) {
		t->stats.refused_peers++;
		refuse(c, &err);
		return;
	}
	c->attached = true;
	move(c, CONN_MEMBER);
	/* Members that come back after a restart of ours are no attack. */
	limiter_refund(t->limiter, &c->key, now_of(t));
	if (start_pump(c, fd, &err) < 0)
		refuse(c, &err);
}

static void
route_http(struct terminator_conn *c)
{
	struct terminator *t = c->t;
	char text[ADDRESS_TEXT_MAX];
	struct err err;
	int pair[2];

	if (!terminator_make_room(t, CONN_HTTP)) {
		err_set(&err, ERR_LIMIT, "too many HTTP connections");
		refuse(c, &err);
		return;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) {
		err_set(&err, ERR_LIMIT, "no descriptors for another connection");
		refuse(c, &err);
		return;
	}
	move(c, CONN_HTTP);
	if (start_pump(c, pair[0], &err) < 0) {
		close(pair[1]);
		refuse(c, &err);
		return;
	}
	address_text(&c->peer, text);
	t->handlers.on_http(t->handlers.arg, pair[1], c->cert, text);
}

/* The SP header is taken alone, so that a wrong protocol never reaches the link. */
static int
read_first(struct terminator_conn *c, struct err *err)
{
	size_t max = c->is_link ? SP_HEADER_LEN : FIRST_MAX, len = 0;
	int r = tls_stream_read(c->stream, c->first + c->first_len, max - c->first_len, &len, err);

	if (r < 0)
		return r;
	if (len == 0)
		return err_set(err, ERR_PROTO, "the peer left without having sent anything");
	c->first_len += len;
	if (c->is_link && memcmp(c->first, sp_header, c->first_len) != 0)
		return err_set(
		    err, ERR_PROTO, "a member's connection does not begin as the link's");
	return c->is_link && c->first_len < SP_HEADER_LEN ? ERR_AGAIN : 0;
}

static void
on_event(void *arg, unsigned events)
{
	struct terminator_conn *c = arg;
	struct err err;
	int r = read_first(c, &err);

	(void)events;
	if (r == ERR_AGAIN)
		return;
	if (r < 0) {
		c->t->stats.failed++;
		refuse(c, &err);
	} else if (c->is_link) {
		route_link(c);
	} else {
		route_http(c);
	}
}

/* ------------------------------------------------------------------------- begin */

static void
on_ready(void *arg)
{
	struct terminator_conn *c = arg;
	const struct cert *cert = tls_stream_peer(c->stream);
	const char *alpn = tls_stream_alpn(c->stream);

	c->t->stats.handshakes++;
	c->is_link = alpn != NULL && strcmp(alpn, TERMINATOR_ALPN_LINK) == 0;
	c->cert = cert != NULL ? cert_ref(cert) : NULL;
	c->expired = tls_stream_peer_expired(c->stream);
	CHECK(!c->is_link || c->cert != NULL);
	move(c, CONN_FIRST);
	runtime_timer_start(loop_runtime(c->t->loop), &c->deadline, c->t->limits.handshake_ms);
	tls_stream_want(c->stream, LOOP_READ);
}

static const struct tls_stream_events events = {
    .on_ready = on_ready,
    .on_event = on_event,
    .on_failed = on_failed,
};

void
conn_start(struct terminator *t, int fd, const struct address *peer)
{
	struct terminator_conn *c = mem_zalloc(sizeof(*c));
	struct tls_stream_params p = {
	    .loop = t->loop,
	    .ctx = t->ctx,
	    .fd = fd,
	    .handshake_ms = t->limits.handshake_ms,
	    .events = &events,
	    .arg = c,
	};
	struct err err;

	c->t = t;
	c->peer = *peer;
	c->key = address_key(peer);
	c->since_ms = now_of(t);
	c->deadline.cb = on_deadline;
	c->deadline.arg = c;
	if (tls_stream_new(&p, &c->stream, &err) < 0) {
		conn_refused(t, peer, &err);
		mem_free(c);
		return;
	}
	list_put(c);
}

void
terminator_conn_close(struct terminator_conn *conn)
{
	conn_end(conn);
}
