#include "common/httpd/httpd_priv.h"

#include "common/sys/unix.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define KEEP_ALIVE_MS 10000
/* Rounds of the engine in one turn of the loop; what is left waits for the next. */
#define RUNS_MAX 8
#define ACCEPTS_MAX 32
#define ACCEPT_PAUSE_MS 100

/* ------------------------------------------------------------------------- driving the engine */

/*
 * The engine says when it wants to run even if its descriptor stays silent. A timer that fires too
 * early costs one look; it is left alone, since idle time-outs move with each request.
 */
static void
arm(struct httpd *h, bool wanted, uint64_t delay)
{
	uint64_t now = runtime_mono_ms(h->rt);

	if (!wanted)
		runtime_timer_stop(h->rt, &h->timer);
	else if (!timer_is_armed(&h->timer) || h->timer.due > now + delay)
		runtime_timer_start(h->rt, &h->timer, delay);
}

static void
drive(struct httpd *h)
{
	MHD_UNSIGNED_LONG_LONG delay = 0;
	bool wanted = true;

	h->running = true;
	for (int i = 0; i < RUNS_MAX && wanted && delay == 0; i++) {
		MHD_run(h->engine);
		wanted = MHD_get_timeout(h->engine, &delay) == MHD_YES;
	}
	h->running = false;
	arm(h, wanted, delay);
}

static void
on_engine(void *arg, unsigned events)
{
	(void)events;
	drive(OBJ_CAST(struct httpd, arg, HTTPD_MAGIC));
}

static void
on_timer(void *arg)
{
	drive(OBJ_CAST(struct httpd, arg, HTTPD_MAGIC));
}

void
httpd_kick(struct httpd *h)
{
	/* Several answers of one turn share one run; drive() looks again by itself. */
	if (!h->running)
		arm(h, true, 0);
}

/* ------------------------------------------------------------------------- connections */

static void
conn_free(struct conn *c)
{
	struct httpd *h = c->h;

	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		h->conns = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	h->count[c->peer.kind]--;
	if (c->peer.release != NULL)
		c->peer.release(c->peer.owner);
	c->magic = 0;
	mem_free(c);
	/* There is room again. */
	for (size_t i = 0; i < h->listener_count && !h->closing; i++)
		loop_fd_watch(h->listeners[i].watch, LOOP_READ);
}

/* What was handed to the engine under this descriptor and has not been named by it; or NULL. */
static struct conn *
unknown_conn(const struct httpd *h, int fd)
{
	struct conn *c = h->conns;

	while (c != NULL && (c->known || c->fd != fd))
		c = c->next;
	return c;
}

/*
 * 0.9.75 names a connection while it is added, 1.0 when it runs next; only the descriptor tells
 * which one it is.
 */
static void
on_connection(void *arg, struct MHD_Connection *engine, void **context,
    enum MHD_ConnectionNotificationCode what)
{
	struct httpd *h = OBJ_CAST(struct httpd, arg, HTTPD_MAGIC);

	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		const union MHD_ConnectionInfo *info =
		    MHD_get_connection_info(engine, MHD_CONNECTION_INFO_CONNECTION_FD);
		struct conn *c;

		CHECK(info != NULL);
		c = unknown_conn(h, info->connect_fd);
		CHECK(c != NULL);
		c->known = true;
		*context = c;
		return;
	}
	conn_free(OBJ_CAST(struct conn, *context, CONN_MAGIC));
	*context = NULL;
}

static void
refuse(int fd, const struct httpd_peer *peer)
{
	close(fd);
	if (peer->release != NULL)
		peer->release(peer->owner);
}

int
httpd_add(struct httpd *h, int fd, const struct httpd_peer *peer, struct err *err)
{
	/* The engine wants an address, for limits of its own that are not used. */
	struct sockaddr_un none = {.sun_family = AF_UNIX};
	struct conn *c;

	if (h->closing || h->count[peer->kind] >= h->p.max_connections) {
		refuse(fd, peer);
		return err_set(err, ERR_LIMIT, "%s: more than %u connections of its kind",
		    peer->address, h->p.max_connections);
	}
	/* One that the engine closed without having named it: its descriptor is free again. */
	c = unknown_conn(h, fd);
	if (c != NULL)
		conn_free(c);
	c = mem_zalloc(sizeof(*c));
	c->magic = CONN_MAGIC;
	c->h = h;
	c->peer = *peer;
	c->fd = fd;
	c->next = h->conns;
	if (c->next != NULL)
		c->next->prev = c;
	h->conns = c;
	h->count[peer->kind]++;
	if (MHD_add_connection(h->engine, fd, (struct sockaddr *)&none, sizeof(none)) != MHD_YES) {
		c = unknown_conn(h, fd);
		if (c != NULL)
			conn_free(c);
		return err_set(
		    err, ERR_UNAVAIL, "%s: the HTTP engine refuses the connection", peer->address);
	}
	httpd_kick(h);
	return 0;
}

unsigned
httpd_connections(const struct httpd *h)
{
	return h->count[HTTPD_PEER_UNIX] + h->count[HTTPD_PEER_TLS];
}

/* ------------------------------------------------------------------------- UNIX listeners */

static void
on_accept_again(void *arg)
{
	struct httpd *h = OBJ_CAST(struct httpd, arg, HTTPD_MAGIC);

	for (size_t i = 0; i < h->listener_count; i++)
		loop_fd_watch(h->listeners[i].watch, LOOP_READ);
}

static void
take_local(struct httpd *h, int fd)
{
	struct httpd_peer peer = {.kind = HTTPD_PEER_UNIX};
	struct sys_peer who;
	struct err err;

	if (sys_peer_uid_gid(fd, &who, &err) < 0) {
		close(fd);
		return;
	}
	peer.uid = who.uid;
	peer.gid = who.gid;
	peer.pid = who.pid;
	snprintf(peer.address, sizeof(peer.address), "unix:uid=%u", who.uid);
	/* It was closed if there was no room; whoever asked sees that. */
	(void)!httpd_add(h, fd, &peer, &err);
}

static void
on_accept(void *arg, unsigned events)
{
	struct listener *l = arg;
	struct httpd *h = l->h;

	(void)events;
	for (int i = 0; i < ACCEPTS_MAX; i++) {
		int fd;

		/* The others wait in the kernel's queue until a place is free. */
		if (h->count[HTTPD_PEER_UNIX] >= h->p.max_connections) {
			loop_fd_watch(l->watch, 0);
			return;
		}
		fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			take_local(h, fd);
			continue;
		}
		if (errno == EAGAIN)
			return;
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			/* Still readable, and nothing to be done about it now. */
			loop_fd_watch(l->watch, 0);
			runtime_timer_start(h->rt, &h->accept_again, ACCEPT_PAUSE_MS);
			return;
		}
	}
}

int
httpd_listen(struct httpd *h, int fd, struct err *err)
{
	struct listener *l = &h->listeners[h->listener_count];
	int r;

	if (h->listener_count == LISTENERS_MAX) {
		close(fd);
		return err_set(err, ERR_LIMIT, "more than %d UNIX listeners", LISTENERS_MAX);
	}
	l->h = h;
	l->fd = fd;
	r = loop_fd_open(h->p.loop, fd, on_accept, l, &l->watch, err);
	if (r < 0) {
		close(fd);
		return r;
	}
	loop_fd_watch(l->watch, LOOP_READ);
	h->listener_count++;
	return 0;
}

/* ------------------------------------------------------------------------- life */

static int
start_engine(struct httpd *h, struct err *err)
{
	const union MHD_DaemonInfo *info;
	unsigned idle_s = (h->p.idle_ms + 999) / 1000;

	h->engine = MHD_start_daemon(
	    MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
	    request_on_data, h, MHD_OPTION_CONNECTION_LIMIT, 2 * h->p.max_connections + 2,
	    MHD_OPTION_CONNECTION_TIMEOUT, idle_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
	    (size_t)(2 * LIMIT_HTTP_HEADERS), MHD_OPTION_NOTIFY_COMPLETED, request_on_completed, h,
	    MHD_OPTION_NOTIFY_CONNECTION, on_connection, h, MHD_OPTION_URI_LOG_CALLBACK,
	    request_on_target, h, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
	if (h->engine == NULL)
		return err_set(err, ERR_IO, "the HTTP engine does not start");
	info = MHD_get_daemon_info(h->engine, MHD_DAEMON_INFO_EPOLL_FD);
	CHECK(info != NULL);
	return loop_fd_open(h->p.loop, info->epoll_fd, on_engine, h, &h->watch, err);
}

int
httpd_new(const struct httpd_params *params, struct httpd **out, struct err *err)
{
	struct httpd *h = mem_zalloc(sizeof(*h));
	int r;

	h->magic = HTTPD_MAGIC;
	h->p = *params;
	if (h->p.max_connections == 0)
		h->p.max_connections = LIMIT_HTTP_CONNECTIONS;
	if (h->p.max_body == 0)
		h->p.max_body = LIMIT_HTTP_BODY;
	if (h->p.idle_ms == 0)
		h->p.idle_ms = LIMIT_IDLE_HTTP_MS;
	if (h->p.keep_alive_ms == 0)
		h->p.keep_alive_ms = KEEP_ALIVE_MS;
	h->rt = loop_runtime(params->loop);
	h->timer.cb = on_timer;
	h->timer.arg = h;
	h->accept_again.cb = on_accept_again;
	h->accept_again.arg = h;
	r = start_engine(h, err);
	if (r < 0) {
		if (h->engine != NULL)
			MHD_stop_daemon(h->engine);
		mem_free(h);
		return r;
	}
	loop_fd_watch(h->watch, LOOP_READ);
	*out = h;
	return 0;
}

void
httpd_free(struct httpd *h)
{
	if (h == NULL)
		return;
	CHECK(!h->running);
	h->closing = true;
	for (size_t i = 0; i < h->listener_count; i++) {
		loop_fd_close(h->listeners[i].watch);
		close(h->listeners[i].fd);
	}
	/* The engine aborts when it is stopped while a connection is suspended. */
	for (struct httpd_request *req = h->requests; req != NULL; req = req->next)
		request_give_up(req);
	for (int i = 0; i < RUNS_MAX; i++)
		drive(h);
	runtime_timer_stop(h->rt, &h->timer);
	runtime_timer_stop(h->rt, &h->accept_again);
	loop_fd_close(h->watch);
	MHD_stop_daemon(h->engine);
	/* Those that were added too late to be named are closed without a word. */
	for (struct conn *c = h->conns, *next; c != NULL; c = next) {
		next = c->next;
		CHECK(!c->known);
		conn_free(c);
	}
	CHECK(h->requests == NULL && h->conns == NULL);
	h->magic = 0;
	mem_free(h);
}
