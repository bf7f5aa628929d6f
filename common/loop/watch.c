#include "common/loop/loop_priv.h"

struct loop_fd {
	uv_poll_t poll;
	struct loop *loop;
	loop_fd_cb *cb;
	void *arg;
	unsigned mask;
};

static void
on_poll(uv_poll_t *poll, int status, int events)
{
	struct loop_fd *w = poll->data;

	if (status < 0) {
		/* libuv turns POLLERR into a status and has stopped the handle. */
		w->mask = 0;
		w->cb(w->arg, LOOP_ERROR);
		return;
	}
	w->cb(w->arg,
	    ((events & UV_READABLE) != 0 ? LOOP_READ : 0) |
		((events & UV_WRITABLE) != 0 ? LOOP_WRITE : 0));
}

int
loop_fd_open(
    struct loop *l, int fd, loop_fd_cb *cb, void *arg, struct loop_fd **out, struct err *err)
{
	struct loop_fd *w = mem_zalloc(sizeof(*w));
	int r;

	loop_check_thread(l);
	r = uv_poll_init(&l->uv, &w->poll, fd);
	if (r != 0) {
		mem_free(w);
		return uv_err(err, r, "cannot watch a descriptor");
	}
	w->poll.data = w;
	w->loop = l;
	w->cb = cb;
	w->arg = arg;
	*out = w;
	return 0;
}

void
loop_fd_watch(struct loop_fd *w, unsigned mask)
{
	int events = ((mask & LOOP_READ) != 0 ? UV_READABLE : 0) |
	    ((mask & LOOP_WRITE) != 0 ? UV_WRITABLE : 0);

	loop_check_thread(w->loop);
	if (mask == w->mask)
		return;
	w->mask = mask;
	if (events == 0)
		CHECK(uv_poll_stop(&w->poll) == 0);
	else
		CHECK(uv_poll_start(&w->poll, events, on_poll) == 0);
}

static void
on_closed(uv_handle_t *handle)
{
	mem_free(handle->data);
}

void
loop_fd_close(struct loop_fd *w)
{
	if (w == NULL)
		return;
	loop_check_thread(w->loop);
	uv_close((uv_handle_t *)&w->poll, on_closed);
}
