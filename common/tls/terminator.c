#include "common/tls/terminator_priv.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define ACCEPTS_PER_TURN 64
#define ACCEPT_PAUSE_MS 100

static uint64_t
now_of(struct terminator *t)
{
	return runtime_mono_ms(loop_runtime(t->loop));
}

static unsigned
pending_count(const struct terminator *t)
{
	return t->lists[CONN_HANDSHAKE].count + t->lists[CONN_FIRST].count;
}

static unsigned
total_count(const struct terminator *t)
{
	unsigned n = 0;

	for (size_t i = 0; i < CONN__COUNT; i++)
		n += t->lists[i].count;
	return n;
}

/* ------------------------------------------------------------------------- limits */

static unsigned
pending_of(const struct terminator *t, const struct address_key *key)
{
	unsigned n = 0;

	for (size_t i = CONN_HANDSHAKE; i <= CONN_FIRST; i++)
		for (struct terminator_conn *c = t->lists[i].head; c != NULL; c = c->next)
			n += memcmp(&c->key, key, sizeof(*key)) == 0;
	return n;
}

/* Ends the oldest pending connection (of that address, if one is given) that had its time. */
static bool
evict_pending(struct terminator *t, const struct address_key *key)
{
	struct terminator_conn *oldest = NULL;

	for (size_t i = CONN_HANDSHAKE; i <= CONN_FIRST; i++)
		for (struct terminator_conn *c = t->lists[i].head; c != NULL; c = c->next)
			if ((key == NULL || memcmp(&c->key, key, sizeof(*key)) == 0) &&
			    (oldest == NULL || c->since_ms < oldest->since_ms))
				oldest = c;
	if (oldest == NULL || now_of(t) - oldest->since_ms < t->limits.evict_ms)
		return false;
	t->stats.evicted++;
	conn_end(oldest);
	return true;
}

/* The HTTP connection of a stranger that has been silent for longest. */
static bool
evict_http(struct terminator *t)
{
	struct terminator_conn *oldest = NULL;

	for (struct terminator_conn *c = t->lists[CONN_HTTP].head; c != NULL; c = c->next)
		if (c->cert == NULL &&
		    (oldest == NULL || pump_last_ms(c->pump) < pump_last_ms(oldest->pump)))
			oldest = c;
	if (oldest == NULL || now_of(t) - pump_last_ms(oldest->pump) < t->limits.evict_ms)
		return false;
	t->stats.evicted++;
	conn_end(oldest);
	return true;
}

bool
terminator_make_room(struct terminator *t, enum conn_state state)
{
	if (state == CONN_HTTP)
		return t->lists[CONN_HTTP].count < t->limits.http || evict_http(t);
	if (total_count(t) >= t->limits.connections && !evict_pending(t, NULL) && !evict_http(t)) {
		t->stats.over_connections++;
		return false;
	}
	return true;
}

static int
may_enter(struct terminator *t, const struct address *peer, struct err *err)
{
	struct address_key key = address_key(peer);

	if (!limiter_take(t->limiter, &key, now_of(t))) {
		t->stats.over_rate++;
		return err_set(err, ERR_LIMIT, "more than %u connections a second",
		    t->limits.tries_per_second);
	}
	if ((pending_of(t, &key) >= t->limits.pending_per_address && !evict_pending(t, &key)) ||
	    (pending_count(t) >= t->limits.pending && !evict_pending(t, NULL))) {
		t->stats.over_pending++;
		return err_set(err, ERR_LIMIT, "too many connections that have said nothing");
	}
	if (!terminator_make_room(t, CONN_HANDSHAKE))
		return err_set(
		    err, ERR_LIMIT, "all %u connections are in use", t->limits.connections);
	return 0;
}

/* ------------------------------------------------------------------------- accept */

static void
watch_listeners(struct terminator *t, unsigned mask)
{
	for (size_t i = 0; i < t->listener_count; i++)
		loop_fd_watch(t->listeners[i].watch, mask);
}

static void
on_pause_over(void *arg)
{
	watch_listeners(arg, LOOP_READ);
}

/* Without descriptors a level-triggered listener would call for ever. */
static void
pause_accepting(struct terminator *t)
{
	watch_listeners(t, 0);
	runtime_timer_start(loop_runtime(t->loop), &t->pause, ACCEPT_PAUSE_MS);
}

static void
on_listener(void *arg, unsigned events)
{
	struct listener *l = arg;
	struct terminator *t = l->t;

	(void)events;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		struct address peer = {.len = sizeof(peer.sa)};
		struct err err;
		int fd = accept4(
		    l->fd, (struct sockaddr *)&peer.sa, &peer.len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
			    errno == ENOMEM)
				pause_accepting(t);
			if (errno == ECONNABORTED || errno == EINTR)
				continue;
			return;
		}
		t->stats.accepted++;
		if (may_enter(t, &peer, &err) < 0) {
			close(fd);
			conn_refused(t, &peer, &err);
			continue;
		}
		conn_start(t, fd, &peer);
	}
}

/* ------------------------------------------------------------------------- life */

static unsigned
default_to(unsigned value, unsigned otherwise)
{
	return value > 0 ? value : otherwise;
}

static unsigned
share_of_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > 4000000)
		return 1000000;
	return (unsigned)limit.rlim_cur / 6;
}

static void
set_limits(struct terminator *t, const struct terminator_limits *l)
{
	t->limits = (struct terminator_limits){
	    .pending = default_to(l->pending, LIMIT_PENDING_HANDSHAKES),
	    .pending_per_address = default_to(l->pending_per_address, LIMIT_PENDING_PER_ADDRESS),
	    .tries_per_second = default_to(l->tries_per_second, LIMIT_TRIES_PER_SECOND),
	    .connections = default_to(l->connections, share_of_descriptors()),
	    .http = default_to(l->http, LIMIT_HTTP_CONNECTIONS),
	    .handshake_ms = l->handshake_ms > 0 ? l->handshake_ms : LIMIT_HANDSHAKE_MS,
	    .evict_ms = l->evict_ms > 0 ? l->evict_ms : 500,
	};
}

static int
make_ctx(struct terminator *t, const struct terminator_params *p, struct err *err)
{
	static const struct tls_alpn alpn[] = {
	    {TERMINATOR_ALPN_LINK, TLS_CLIENT_REQUIRE},
	    {TERMINATOR_ALPN_HTTP, TLS_CLIENT_NONE},
	};
	const struct tls_ctx_params params = {
	    .server = true,
	    .min = TLS_1_3,
	    .max = TLS_1_3,
	    .alpn = alpn,
	    .alpn_count = ARRAY_LEN(alpn),
	    .pinned = p->root,
	    .accept = p->handlers.accept,
	    .accept_arg = p->handlers.arg,
	    .client_cert = TLS_CLIENT_NONE,
	    .identity = p->identity,
	};

	return tls_ctx_new(&params, &t->ctx, err);
}

static int
open_listeners(struct terminator *t, const struct terminator_params *p, struct err *err)
{
	CHECK(p->listen_count <= TERMINATOR_LISTENERS_MAX);
	for (size_t i = 0; i < p->listen_count; i++) {
		struct listener *l = &t->listeners[i];
		int r;

		l->t = t;
		r = address_listen(p->listen[i], false, &l->fd, &l->address, err);
		if (r < 0)
			return r;
		r = loop_fd_open(t->loop, l->fd, on_listener, l, &l->watch, err);
		if (r < 0) {
			close(l->fd);
			return r;
		}
		t->listener_count++;
	}
	watch_listeners(t, LOOP_READ);
	return 0;
}

int
terminator_new(const struct terminator_params *p, struct terminator **out, struct err *err)
{
	struct terminator *t = mem_zalloc(sizeof(*t));
	int r;

	CHECK(p->handlers.on_member != NULL && p->handlers.on_member_end != NULL);
	CHECK(p->handlers.on_http != NULL && p->root != NULL && p->identity != NULL);
	t->loop = p->loop;
	t->handlers = p->handlers;
	t->pause.cb = on_pause_over;
	t->pause.arg = t;
	set_limits(t, &p->limits);
	t->limiter = limiter_new(t->limits.tries_per_second);
	r = make_ctx(t, p, err);
	if (r == 0)
		r = open_listeners(t, p, err);
	if (r < 0) {
		terminator_close(t);
		return r;
	}
	*out = t;
	return 0;
}

void
terminator_close(struct terminator *t)
{
	if (t == NULL)
		return;
	runtime_timer_stop(loop_runtime(t->loop), &t->pause);
	for (size_t i = 0; i < t->listener_count; i++) {
		loop_fd_close(t->listeners[i].watch);
		close(t->listeners[i].fd);
	}
	for (size_t i = 0; i < CONN__COUNT; i++)
		while (t->lists[i].head != NULL)
			conn_end(t->lists[i].head);
	limiter_free(t->limiter);
	tls_ctx_unref(t->ctx);
	mem_free(t);
}

/* ------------------------------------------------------------------------- the rest */

const char *
terminator_address(const struct terminator *t, size_t i, char out[static ADDRESS_TEXT_MAX])
{
	CHECK(i < t->listener_count);
	return address_text(&t->listeners[i].address, out);
}

void
terminator_set_identity(struct terminator *t, struct tls_identity *id)
{
	tls_ctx_set_identity(t->ctx, id);
}

/* The list may change under on_member_end, so the search starts anew after each. */
static bool
drop_one(struct terminator *t)
{
	struct err err;

	for (size_t i = 0; i < CONN__COUNT; i++)
		for (struct terminator_conn *c = t->lists[i].head; c != NULL; c = c->next)
			if (c->cert != NULL &&
			    t->handlers.accept(t->handlers.arg, c->cert, c->expired, &err) < 0) {
				conn_refused(t, &c->peer, &err);
				conn_end(c);
				return true;
			}
	return false;
}

size_t
terminator_recheck(struct terminator *t)
{
	size_t n = 0;

	if (t->handlers.accept == NULL)
		return 0;
	while (drop_one(t))
		n++;
	t->stats.refused_peers += n;
	return n;
}

void
terminator_stats(const struct terminator *t, struct terminator_stats *out)
{
	*out = t->stats;
	out->pending = pending_count(t);
	out->members = t->lists[CONN_MEMBER].count;
	out->http = t->lists[CONN_HTTP].count;
	out->connections = total_count(t);
}
