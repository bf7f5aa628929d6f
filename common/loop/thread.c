#include "common/loop/loop_priv.h"

#include <signal.h>
#include <stdio.h>

struct loop_thread {
	pthread_t thread;
	struct loop *loop;
	char name[16]; /* the kernel keeps 15 characters */
};

static void *
run(void *arg)
{
	struct loop_thread *t = arg;

	pthread_setname_np(pthread_self(), t->name);
	loop_run(t->loop);
	return NULL;
}

int
loop_thread_start(struct loop *l, const char *name, struct loop_thread **out, struct err *err)
{
	struct loop_thread *t = mem_zalloc(sizeof(*t));
	sigset_t all, before;
	int r;

	t->loop = l;
	snprintf(t->name, sizeof(t->name), "%s", name);
	sigfillset(&all);
	CHECK(pthread_sigmask(SIG_BLOCK, &all, &before) == 0);
	r = pthread_create(&t->thread, NULL, run, t);
	CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
	if (r != 0) {
		mem_free(t);
		return err_errno(err, r, "cannot start the thread '%s'", name);
	}
	*out = t;
	return 0;
}

void
loop_thread_join(struct loop_thread *t)
{
	if (t == NULL)
		return;
	CHECK(pthread_join(t->thread, NULL) == 0);
	t->loop->owner = pthread_self();
	mem_free(t);
}
