#include "replica/ports/ports_priv.h"

#include "common/base/str.h"
#include "common/log/log.h"
#include "replica/ports/http_head.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define CHALLENGE_PATH "/.well-known/acme-challenge/"
#define PORT_FILE_MS 60000 /* to take a whole file */
#define MAX_AGE_S 300

/* One connection of an http port: one request, one reply, then closed. */
struct redirect {
	struct port_conn conn;
	int fd;
	struct loop_fd *watch;
	struct timer deadline;
	struct buf request, reply;
	struct published_file *file; /* behind the reply, or NULL */
	size_t file_sent;
	bool answered, sent;
};

static void
redirect_end(struct port_conn *base)
{
	struct redirect *r = CONTAINER_OF(base, struct redirect, conn);

	runtime_timer_stop(loop_runtime(base->on->loop), &r->deadline);
	loop_fd_close(r->watch);
	close(r->fd);
	buf_fini(&r->request);
	buf_fini(&r->reply);
	published_file_unref(r->file);
	port_conn_leave(base);
	mem_free(r);
}

static void
put_reply(struct redirect *r, const char *status, const char *header)
{
	buf_putf(&r->reply,
	    "HTTP/1.1 %s\r\n%sContent-Type: text/plain\r\nContent-Length: %zu\r\n"
	    "Connection: close\r\n\r\n%s\n",
	    status, header, strlen(status) + 1, status);
}

/*
 * What a Micro CA publishes; true: the target asks for that. Short-lived in caches on the way,
 * since a list changes when something is revoked.
 */
static bool
answer_published(struct redirect *r, const struct http_head *head)
{
	bool whole = strcmp(head->method, "GET") == 0;
	struct published_file *f;
	enum pki_file kind;
	struct id ca;

	if (!pki_target(head->target, &kind, &ca))
		return false;
	if (!whole && strcmp(head->method, "HEAD") != 0) {
		put_reply(r, "405 Method Not Allowed", "Allow: GET, HEAD\r\n");
		return true;
	}
	f = cache_published(r->conn.port->ports->p.cache, kind, &ca);
	if (f == NULL) {
		put_reply(r, "404 Not Found", "");
		return true;
	}
	buf_putf(&r->reply,
	    "HTTP/1.1 200 OK\r\nContent-Type: application/%s\r\nContent-Length: %zu\r\n"
	    "Cache-Control: max-age=%d\r\nConnection: close\r\n\r\n",
	    kind == PKI_CRL ? "pkix-crl" : "pkix-cert", f->bytes.len, MAX_AGE_S);
	if (whole)
		r->file = f;
	else
		published_file_unref(f);
	runtime_timer_start(loop_runtime(r->conn.on->loop), &r->deadline, PORT_FILE_MS);
	return true;
}

/*
 * What is sent back is built from checked parts alone: a host that is a name or an address, and a
 * target of visible ASCII.
 */
static void
answer(struct redirect *r, const struct http_head *head)
{
	int64_t port = r->conn.port->config->https_port;
	AUTO(buf_freep)
	struct buf *location = buf_new(HTTP_HEAD_MAX);
	char host[HTTP_HOST_MAX];

	if (str_starts(head->target, CHALLENGE_PATH)) {
		put_reply(r, "404 Not Found", ""); /* and never to TLS: the CA asks here */
		return;
	}
	if (answer_published(r, head))
		return;
	if (!http_host_of(head->host, host)) {
		put_reply(r, "400 Bad Request", "");
		return;
	}
	buf_putf(location, "Location: https://%s", host);
	if (port != 443 && port != 0)
		buf_putf(location, ":%lld", (long long)port);
	buf_putf(location, "%s\r\n", head->target);
	put_reply(r, "308 Permanent Redirect", buf_str(location));
}

/* What is still to be sent: of the reply, then of the file. */
static struct span
unsent(const struct redirect *r)
{
	if (r->reply.len > 0 || r->file == NULL)
		return buf_span(&r->reply);
	return SPAN(r->file->bytes.data + r->file_sent, r->file->bytes.len - r->file_sent);
}

static void
send_on(struct redirect *r)
{
	bool head = r->reply.len > 0;
	struct span rest = unsent(r);
	ssize_t n = send(r->fd, rest.data, rest.len, MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		redirect_end(&r->conn);
		return;
	}
	if (n > 0 && head)
		buf_consume(&r->reply, (size_t)n);
	else if (n > 0)
		r->file_sent += (size_t)n;
	if (unsent(r).len > 0) {
		loop_fd_watch(r->watch, LOOP_WRITE);
		return;
	}
	/* Closing with bytes unread would reset the connection and lose the reply. */
	shutdown(r->fd, SHUT_WR);
	r->sent = true;
	loop_fd_watch(r->watch, LOOP_READ);
	runtime_timer_start(loop_runtime(r->conn.on->loop), &r->deadline, PORT_LINGER_MS);
}

static void
look(struct redirect *r)
{
	struct http_head head;
	int code = http_head_parse(buf_span(&r->request), &head);

	if (code == ERR_AGAIN)
		return;
	port_conn_settle(&r->conn);
	r->answered = true;
	if (code == 0)
		answer(r, &head);
	else if (code == ERR_LIMIT)
		put_reply(r, "431 Request Header Fields Too Large", "");
	else
		put_reply(r, "400 Bad Request", "");
	send_on(r);
}

static void
on_fd(void *arg, unsigned events)
{
	struct redirect *r = arg;
	uint8_t bytes[2048];
	ssize_t n;

	if (r->answered && !r->sent && (events & LOOP_WRITE) != 0) {
		send_on(r);
		return;
	}
	n = recv(r->fd, bytes, sizeof(bytes), 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR) && (events & LOOP_ERROR) == 0)
		return;
	if (n <= 0) {
		redirect_end(&r->conn);
		return;
	}
	if (r->answered)
		return;
	buf_put(&r->request, bytes, (size_t)n);
	look(r);
}

static void
on_deadline(void *arg)
{
	redirect_end(arg);
}

void
redirect_start(struct port_loop *on, struct port *port, int fd)
{
	struct redirect *r = mem_zalloc(sizeof(*r));
	struct err err;

	r->fd = fd;
	r->request = BUF_INIT(HTTP_HEAD_MAX + 2048);
	r->reply = BUF_INIT(2 * HTTP_HEAD_MAX);
	r->deadline.cb = on_deadline;
	r->deadline.arg = &r->conn;
	port_conn_begin(&r->conn, on, port, redirect_end);
	if (loop_fd_open(on->loop, fd, on_fd, r, &r->watch, &err) < 0) {
		log_error("ports", "port=%s: %s", port->config->name, err.text);
		redirect_end(&r->conn);
		return;
	}
	runtime_timer_start(loop_runtime(on->loop), &r->deadline, PORT_HANDSHAKE_MS);
	loop_fd_watch(r->watch, LOOP_READ);
}
