#include "replica/ports/backend.h"

#include "common/base/str.h"
#include "common/tls/resolve.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

int
backend_parse(const char *text, struct backend *out, struct err *err)
{
	*out = (struct backend){.kind = BACKEND_BUILTIN};
	if (str_equal(text, "builtin"))
		return 0;
	if (str_starts(text, "tcp:")) {
		out->kind = BACKEND_TCP;
		return address_split(text + 4, out->host, &out->port, err);
	}
	if (str_starts(text, "unix:/")) {
		struct sockaddr_un sa;

		out->kind = BACKEND_UNIX;
		out->path = text + 5;
		if (strlen(out->path) >= sizeof(sa.sun_path))
			return err_set(
			    err, ERR_LIMIT, "the path '%s' is too long for a socket", out->path);
		return 0;
	}
	return err_set(err, ERR_INVALID,
	    "backend '%.80s' is none; give builtin, tcp:HOST:PORT or unix:/PATH", text);
}

int
backend_check(const char *text, struct err *err)
{
	struct backend ignored;

	return backend_parse(text, &ignored, err);
}

struct backend_try {
	const struct backend *backend;
	struct loop *loop;
	backend_done_cb *cb;
	void *arg;
	struct resolve *resolve;
	struct address list[RESOLVE_MAX];
	size_t count, at;
	int fd;
	struct loop_fd *watch;
	struct timer timer; /* the deadline; the result of a UNIX socket comes by it too */
	bool connected;
	struct err err;
};

static struct runtime *
runtime_of(struct backend_try *t)
{
	return loop_runtime(t->loop);
}

static void
drop_socket(struct backend_try *t)
{
	loop_fd_close(MOVE(t->watch));
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
}

void
backend_cancel(struct backend_try *t)
{
	if (t == NULL)
		return;
	runtime_timer_stop(runtime_of(t), &t->timer);
	resolve_cancel(t->resolve);
	drop_socket(t);
	mem_free(t);
}

static void
finish(struct backend_try *t, const struct err *err)
{
	backend_done_cb *cb = t->cb;
	void *arg = t->arg;
	struct err copy = *err;
	int fd = -1;

	if (err->code == 0) {
		loop_fd_close(MOVE(t->watch));
		fd = t->fd;
		t->fd = -1;
	}
	backend_cancel(t);
	cb(arg, fd, &copy);
}

static void
on_timer(void *arg)
{
	struct backend_try *t = arg;

	if (!t->connected && t->err.code == 0)
		err_set(&t->err, ERR_TIMEOUT, "the backend does not answer");
	finish(t, &t->err);
}

static void connect_next(struct backend_try *t);

static void
on_writable(void *arg, unsigned events)
{
	struct backend_try *t = arg;

	(void)events;
	if (address_connected(t->fd, &t->err) < 0) {
		drop_socket(t);
		connect_next(t);
		return;
	}
	t->err.code = 0;
	finish(t, &t->err);
}

static void
connect_next(struct backend_try *t)
{
	while (t->at < t->count) {
		if (address_connect(&t->list[t->at++], &t->fd, &t->err) < 0)
			continue;
		if (loop_fd_open(t->loop, t->fd, on_writable, t, &t->watch, &t->err) < 0) {
			drop_socket(t);
			continue;
		}
		loop_fd_watch(t->watch, LOOP_WRITE);
		return;
	}
	finish(t, &t->err);
}

static void
on_resolved(void *arg, int status, const struct address *list, size_t count, const struct err *err)
{
	struct backend_try *t = arg;

	t->resolve = NULL;
	if (status < 0)
		t->err = *err;
	else
		memcpy(t->list, list, count * sizeof(list[0]));
	t->count = status < 0 ? 0 : count;
	connect_next(t);
}

/* Never blocks: a full backlog is EAGAIN, and an error. */
static void
connect_unix(struct backend_try *t)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", t->backend->path);
	t->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (t->fd < 0 || connect(t->fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		err_errno(&t->err, errno, "cannot connect to %s", t->backend->path);
	else
		t->connected = true;
}

struct backend_try *
backend_connect(
    const struct backend *b, struct loop *l, uint64_t timeout_ms, backend_done_cb *cb, void *arg)
{
	struct backend_try *t = mem_zalloc(sizeof(*t));

	CHECK(b->kind != BACKEND_BUILTIN);
	t->backend = b;
	t->loop = l;
	t->cb = cb;
	t->arg = arg;
	t->fd = -1;
	t->timer.cb = on_timer;
	t->timer.arg = t;
	if (b->kind == BACKEND_UNIX) {
		connect_unix(t);
		timeout_ms = 0;
	} else {
		t->resolve = resolve_start(l, b->host, b->port, on_resolved, t);
	}
	runtime_timer_start(runtime_of(t), &t->timer, timeout_ms);
	return t;
}
