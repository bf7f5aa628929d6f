#include "common/loop/loop_priv.h"

/*
 * libuv takes the descriptor out of epoll and puts it in again at each change of the mask, two
 * system calls a time. So a mask that gets narrower is only noted, and the change is made when an
 * event comes that nobody wants any more, which it rarely does.
 */
struct loop_fd {
	uv_poll_t poll;
	struct loop *loop;
	loop_fd_cb *cb;
	void *arg;
	unsigned mask;  /* what is wanted */
	unsigned armed; /* what libuv watches for; always holds mask */
};

static void on_poll(uv_poll_t *poll, int status, int events);

static void
arm(struct loop_fd *w, unsigned mask)
{
	int events = ((mask & LOOP_READ) != 0 ? UV_READABLE : 0) |
	    ((mask & LOOP_WRITE) != 0 ? UV_WRITABLE : 0);

	w->armed = mask;
	if (events == 0)
		CHECK(uv_poll_stop(&w->poll) == 0);
	else
		CHECK(uv_poll_start(&w->poll, events, on_poll) == 0);
}

static void
on_poll(uv_poll_t *poll, int status, int events)
{
	struct loop_fd *w = poll->data;
	unsigned seen = ((events & UV_READABLE) != 0 ? LOOP_READ : 0) |
	    ((events & UV_WRITABLE) != 0 ? LOOP_WRITE : 0);

	if (status < 0) {
		/* libuv turns POLLERR into a status and has stopped the handle. */
		bool wanted = w->mask != 0;

		w->mask = w->armed = 0;
		if (wanted)
			w->cb(w->arg, LOOP_ERROR);
		return;
	}
	if ((seen & ~w->mask) != 0)
		arm(w, w->mask);
	seen &= w->mask;
	if (seen != 0)
		w->cb(w->arg, seen);
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
	loop_check_thread(w->loop);
	w->mask = mask;
	if ((mask & ~w->armed) != 0)
		arm(w, mask);
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
