#include "common/loop/loop_priv.h"

#include <errno.h>
#include <sys/wait.h>

struct loop_signal {
	uv_signal_t signal;
	struct loop *loop;
	void (*cb)(void *arg, int signum);
	void *arg;
};

static void
on_signal(uv_signal_t *signal, int signum)
{
	struct loop_signal *s = signal->data;

	s->cb(s->arg, signum);
}

static void
free_signal(uv_handle_t *handle)
{
	mem_free(handle->data);
}

int
loop_signal_open(struct loop *l, int signum, void (*cb)(void *arg, int signum), void *arg,
    struct loop_signal **out, struct err *err)
{
	struct loop_signal *s = mem_zalloc(sizeof(*s));
	int r;

	loop_check_thread(l);
	CHECK(signum != SIGCHLD);
	s->loop = l;
	s->cb = cb;
	s->arg = arg;
	r = uv_signal_init(&l->uv, &s->signal);
	if (r != 0) {
		mem_free(s);
		return uv_err(err, r, "cannot prepare for signals");
	}
	s->signal.data = s;
	r = uv_signal_start(&s->signal, on_signal, signum);
	if (r != 0) {
		uv_close((uv_handle_t *)&s->signal, free_signal);
		return uv_err(err, r, "cannot prepare for a signal");
	}
	*out = s;
	return 0;
}

void
loop_signal_close(struct loop_signal *s)
{
	if (s == NULL)
		return;
	loop_check_thread(s->loop);
	uv_close((uv_handle_t *)&s->signal, free_signal);
}

struct loop_child {
	struct loop *loop;
	pid_t pid;
	void (*cb)(void *arg, int status);
	void *arg;
	struct loop_child *next;
};

static void
unlink_child(struct loop_child *c)
{
	struct loop_child **at = &c->loop->children;

	while (*at != c) {
		CHECK(*at != NULL);
		at = &(*at)->next;
	}
	*at = c->next;
}

/* One callback may close other children, so the search starts anew after each. */
static bool
reap_one(struct loop *l)
{
	for (struct loop_child *c = l->children; c != NULL; c = c->next) {
		int status;
		pid_t r = waitpid(c->pid, &status, WNOHANG);

		if (r == 0 || (r < 0 && errno == EINTR))
			continue;
		if (r < 0)
			status = -1; /* somebody else has waited for it: it is gone */
		unlink_child(c);
		c->cb(c->arg, status);
		mem_free(c);
		return true;
	}
	return false;
}

static void
look(void *arg)
{
	while (reap_one(arg))
		continue;
}

static void
on_sigchld(uv_signal_t *signal, int signum)
{
	(void)signum;
	look(signal->data);
}

static int
open_sigchld(struct loop *l, struct err *err)
{
	int r = 0;

	if (!l->sigchld_open)
		r = uv_signal_init(&l->uv, &l->sigchld);
	if (r == 0) {
		l->sigchld.data = l;
		l->sigchld_open = true;
		r = uv_signal_start(&l->sigchld, on_sigchld, SIGCHLD);
	}
	return r == 0 ? 0 : uv_err(err, r, "cannot watch children");
}

int
loop_child_open(struct loop *l, int64_t pid, void (*cb)(void *arg, int status), void *arg,
    struct loop_child **out, struct err *err)
{
	struct loop_child *c;
	int r;

	loop_check_thread(l);
	CHECK(pid > 0);
	r = open_sigchld(l, err);
	if (r < 0)
		return r;
	c = mem_zalloc(sizeof(*c));
	c->loop = l;
	c->pid = (pid_t)pid;
	c->cb = cb;
	c->arg = arg;
	c->next = l->children;
	l->children = c;
	l->child_look.cb = look;
	l->child_look.arg = l;
	runtime_timer_start(&l->rt, &l->child_look, 0);
	*out = c;
	return 0;
}

void
loop_child_close(struct loop_child *c)
{
	if (c == NULL)
		return;
	loop_check_thread(c->loop);
	unlink_child(c);
	mem_free(c);
}

void
loop_children_fini(struct loop *l)
{
	CHECK(l->children == NULL);
	if (l->sigchld_open)
		uv_close((uv_handle_t *)&l->sigchld, NULL);
}
