#ifndef COMMON_LOOP_LOOP_PRIV_H
#define COMMON_LOOP_LOOP_PRIV_H

/* The inside of struct loop, shared by the files of this folder. */

#include "common/loop/loop.h"

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

/* Jobs for a fixed number of threads; the results go to the loop's list of finished jobs. */
#define POOL_THREADS_MAX 2

struct pool {
	struct loop *loop;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct job *head, **tail;
	bool stop;
	unsigned wanted, started; /* threads */
	pthread_t threads[POOL_THREADS_MAX];
};

void pool_init(struct pool *p, struct loop *l, unsigned threads);
void pool_push(struct pool *p, struct job *job);
/* Joins the threads; every job must have been run. */
void pool_fini(struct pool *p);

struct loop {
	struct runtime rt;
	uv_loop_t uv;
	pthread_t owner;

	struct timers timers;
	uv_timer_t timer; /* for the first timer in the heap, when it lies in the future */
	uv_idle_t idle;   /* when it is due already: a call on the next turn that starves nobody */

	uv_async_t async;
	pthread_mutex_t lock; /* of what follows up to stop */
	struct posted *posts, **posts_tail;
	struct job *finished, **finished_tail;
	bool stop;

	struct pool worker, background;
	size_t jobs; /* handed in and not done */

	uv_signal_t sigchld;
	bool sigchld_open;
	struct loop_child *children;
	struct timer child_look; /* for children that ended before they were watched */
};

/* Called by a pool's thread. */
void loop_finish(struct loop *l, struct job *job);
void loop_check_thread(const struct loop *l);
/* Closes the handle of SIGCHLD, if there is one. */
void loop_children_fini(struct loop *l);

int uv_err(struct err *err, int code, const char *what);

#endif
