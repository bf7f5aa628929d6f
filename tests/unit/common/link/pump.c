#include "tests/unit/common/link/pump.h"
#include "tests/unit/common/link/contract.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SP_HEADER_LEN 8
#define CHUNK 65536

struct side {
	int fd;
	struct loop_fd *watch;
	struct buf pending; /* for this side, when it did not take it */
};

struct pump_conn {
	struct pump *pump;
	unsigned node;
	struct side client, server;
	struct link_peer *peer;
	struct pump_conn *prev, *next;
};

static void
end(struct pump_conn *c)
{
	struct pump *p = c->pump;
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		p->conns = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	loop_fd_close(c->client.watch);
	close(c->client.fd);
	if (c->server.watch != NULL) {
		loop_fd_close(c->server.watch);
		close(c->server.fd);
	}
	link_nng_detach(c->peer);
	buf_fini(&c->client.pending);
	buf_fini(&c->server.pending);
	p->count--;
	if (p->on_closed != NULL)
		p->on_closed(p->arg, c->node);
	mem_free(c);
}

static void
watch(struct pump_conn *c)
{
	bool stalled = c->pump->stalled[c->node];

	loop_fd_watch(c->client.watch,
	    (c->server.pending.len == 0 || c->server.watch == NULL ? LOOP_READ : 0) |
		(c->client.pending.len > 0 && !stalled ? LOOP_WRITE : 0));
	if (c->server.watch != NULL)
		loop_fd_watch(c->server.watch,
		    (c->client.pending.len == 0 && !stalled ? LOOP_READ : 0) |
			(c->server.pending.len > 0 ? LOOP_WRITE : 0));
}

/* False when the side is dead. */
static bool
flush(struct side *s)
{
	while (s->pending.len > 0) {
		ssize_t n = send(s->fd, s->pending.data, s->pending.len, MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN;
		buf_consume(&s->pending, (size_t)n);
	}
	return true;
}

static bool
move(struct side *from, struct side *to, uint64_t *count, struct link_peer *check)
{
	static uint8_t chunk[CHUNK];
	ssize_t n = recv(from->fd, chunk, sizeof(chunk), 0);

	if (n < 0)
		return errno == EAGAIN;
	if (n == 0)
		return false;
	*count += (uint64_t)n;
	if (check != NULL && link_nng_check(check, SPAN(chunk, (size_t)n), NULL) != 0)
		return false;
	buf_put(&to->pending, chunk, (size_t)n);
	return to->watch == NULL || flush(to);
}

static void on_server(void *arg, unsigned events);

static bool
attach(struct pump_conn *c)
{
	struct pump *p = c->pump;
	struct id node = fixture_node(c->node);
	struct err err;

	if (p->server == NULL ||
	    link_nng_attach(p->server, &node, c, &c->peer, &c->server.fd, &err) != 0)
		return false;
	p->attached++;
	assert_int_equal(
	    loop_fd_open(p->loop, c->server.fd, on_server, c, &c->server.watch, NULL), 0);
	return (p->unchecked || link_nng_check(c->peer, buf_span(&c->server.pending), NULL) == 0) &&
	    flush(&c->server);
}

static void
on_client(void *arg, unsigned events)
{
	struct pump_conn *c = arg;
	struct pump *p = c->pump;

	if ((events & LOOP_ERROR) != 0 || ((events & LOOP_WRITE) != 0 && !flush(&c->client)) ||
	    ((events & LOOP_READ) != 0 &&
		!move(
		    &c->client, &c->server, &p->to_server, c->pump->unchecked ? NULL : c->peer)) ||
	    (c->server.watch == NULL && c->server.pending.len >= SP_HEADER_LEN && !attach(c))) {
		end(c);
		return;
	}
	watch(c);
}

static void
on_server(void *arg, unsigned events)
{
	struct pump_conn *c = arg;

	if ((events & LOOP_ERROR) != 0 || ((events & LOOP_WRITE) != 0 && !flush(&c->server)) ||
	    ((events & LOOP_READ) != 0 &&
		!move(&c->server, &c->client, &c->pump->to_client, NULL))) {
		end(c);
		return;
	}
	watch(c);
}

void
pump_on_drop(void *arg, void *conn, enum link_drop why)
{
	struct pump *p = arg;

	assert_non_null(link_drop_name(why));
	p->drops[why]++;
	end(conn);
}

struct port {
	struct pump *pump;
	unsigned node;
};
static struct port ports[PUMP_PORTS];

static void
on_accept(void *arg, unsigned events)
{
	struct port *port = arg;
	struct pump *p = port->pump;
	int fd = accept4(p->fds[port->node], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct pump_conn *c;

	(void)events;
	if (fd < 0)
		return;
	if (p->rude) {
		close(fd);
		return;
	}
	c = mem_zalloc(sizeof(*c));
	c->pump = p;
	c->node = port->node;
	c->client = (struct side){fd, NULL, BUF_INIT(SIZE_MAX)};
	c->server = (struct side){-1, NULL, BUF_INIT(SIZE_MAX)};
	c->next = p->conns;
	if (c->next != NULL)
		c->next->prev = c;
	p->conns = c;
	p->count++;
	assert_int_equal(loop_fd_open(p->loop, fd, on_client, c, &c->client.watch, NULL), 0);
	watch(c);
}

static socklen_t
address(unsigned node, struct sockaddr_un *a)
{
	int n;

	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	n = snprintf(
	    a->sun_path + 1, sizeof(a->sun_path) - 1, "certherd-test-%ld-%u", (long)getpid(), node);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

void
pump_init(struct pump *p, struct loop *loop)
{
	*p = (struct pump){.loop = loop};
}

void
pump_open(struct pump *p, unsigned node, char url[static PUMP_URL_MAX])
{
	struct sockaddr_un a;
	socklen_t len = address(node, &a);

	assert_true(node < PUMP_PORTS);
	snprintf(url, PUMP_URL_MAX, "abstract://%s", a.sun_path + 1);
	if (p->listeners[node] != NULL)
		return;
	p->fds[node] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(p->fds[node] >= 0);
	assert_int_equal(bind(p->fds[node], (struct sockaddr *)&a, len), 0);
	assert_int_equal(listen(p->fds[node], 64), 0);
	ports[node] = (struct port){p, node};
	assert_int_equal(
	    loop_fd_open(p->loop, p->fds[node], on_accept, &ports[node], &p->listeners[node], NULL),
	    0);
	loop_fd_watch(p->listeners[node], LOOP_READ);
}

int
pump_dial(struct pump *p, unsigned node)
{
	char url[PUMP_URL_MAX];
	struct sockaddr_un a;
	socklen_t len = address(node, &a);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	pump_open(p, node, url);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, len), 0);
	return fd;
}

void
pump_stall(struct pump *p, unsigned node, bool stalled)
{
	p->stalled[node] = stalled;
	for (struct pump_conn *c = p->conns; c != NULL; c = c->next)
		if (c->node == node)
			watch(c);
}

void
pump_cut(struct pump *p, unsigned node)
{
	for (struct pump_conn *c = p->conns, *next; c != NULL; c = next) {
		next = c->next;
		if (c->node == node)
			end(c);
	}
}

void
pump_shut(struct pump *p, unsigned node)
{
	pump_cut(p, node);
	if (p->listeners[node] == NULL)
		return;
	loop_fd_close(MOVE(p->listeners[node]));
	close(p->fds[node]);
}

void
pump_fini(struct pump *p)
{
	while (p->conns != NULL)
		end(p->conns);
	for (unsigned i = 0; i < PUMP_PORTS; i++)
		pump_shut(p, i);
}
