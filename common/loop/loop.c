#include "common/loop/loop_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

int
uv_err(struct err *err, int code, const char *what)
{
	return err_set(
	    err, code == UV_ENOMEM ? ERR_NOMEM : ERR_IO, "%s: %s", what, uv_strerror(code));
}

void
loop_check_thread(const struct loop *l)
{
	CHECK(pthread_equal(l->owner, pthread_self()));
}

/* ------------------------------------------------------------------------- runtime */

static struct loop *
of_runtime(struct runtime *rt)
{
	return CONTAINER_OF(rt, struct loop, rt);
}

static uint64_t
mono_ms(struct runtime *rt)
{
	(void)rt;
	return uv_hrtime() / 1000000;
}

static int64_t
wall_ms(struct runtime *rt)
{
	uv_timeval64_t tv;

	(void)rt;
	CHECK(uv_gettimeofday(&tv) == 0);
	return (int64_t)tv.tv_sec * 1000 + tv.tv_usec / 1000;
}

static void on_timer(uv_timer_t *t);
static void on_idle(uv_idle_t *idle);

/*
 * Keeps libuv's clock on the first timer of the heap. A timer that is due already goes through the
 * idle handle, because libuv calls a timer of 0 ms that is armed again in its callback over and
 * over before it looks at descriptors.
 */
static void
arm(struct loop *l)
{
	uint64_t due, now = mono_ms(&l->rt);

	if (!timers_next(&l->timers, &due)) {
		uv_timer_stop(&l->timer);
		uv_idle_stop(&l->idle);
	} else if (due <= now) {
		uv_timer_stop(&l->timer);
		uv_idle_start(&l->idle, on_idle);
	} else {
		uv_idle_stop(&l->idle);
		uv_update_time(&l->uv);
		uv_timer_start(&l->timer, on_timer, due - now, 0);
	}
}

static void
on_timer(uv_timer_t *t)
{
	struct loop *l = t->data;

	timers_fire(&l->timers, mono_ms(&l->rt));
	arm(l);
}

static void
on_idle(uv_idle_t *idle)
{
	struct loop *l = idle->data;

	timers_fire(&l->timers, mono_ms(&l->rt));
	arm(l);
}

static bool
is_first(const struct timer *t)
{
	return t->slot == 1;
}

static void
timer_start(struct runtime *rt, struct timer *t, uint64_t delay_ms)
{
	struct loop *l = of_runtime(rt);
	bool was_first = is_first(t);

	loop_check_thread(l);
	timers_start(&l->timers, t, mono_ms(rt) + delay_ms);
	if (was_first || is_first(t))
		arm(l);
}

static void
timer_stop(struct runtime *rt, struct timer *t)
{
	struct loop *l = of_runtime(rt);
	bool was_first = is_first(t);

	loop_check_thread(l);
	timers_stop(&l->timers, t);
	if (was_first)
		arm(l);
}

static void
work(struct runtime *rt, struct job *job)
{
	struct loop *l = of_runtime(rt);

	loop_check_thread(l);
	l->jobs++;
	pool_push(&l->worker, job);
}

static void
random_fill(struct runtime *rt, void *out, size_t len)
{
	uint8_t *at = out;

	(void)rt;
	while (len > 0) {
		ssize_t n = getrandom(at, len, 0);

		CHECK(n > 0 || errno == EINTR);
		if (n < 0)
			continue;
		at += n;
		len -= (size_t)n;
	}
}

static const struct runtime_ops ops = {
    .mono_ms = mono_ms,
    .wall_ms = wall_ms,
    .timer_start = timer_start,
    .timer_stop = timer_stop,
    .work = work,
    .random = random_fill,
};

void
loop_background(struct loop *l, struct job *job)
{
	CHECK(job->run != NULL && job->done != NULL);
	loop_check_thread(l);
	l->jobs++;
	pool_push(&l->background, job);
}

/* ------------------------------------------------------------------------- other threads */

void
loop_post(struct loop *l, struct posted *p)
{
	CHECK(p->cb != NULL);
	pthread_mutex_lock(&l->lock);
	CHECK(!p->queued);
	p->queued = true;
	p->next = NULL;
	*l->posts_tail = p;
	l->posts_tail = &p->next;
	/* Inside the lock: the owner may free the loop as soon as it has seen this post. */
	uv_async_send(&l->async);
	pthread_mutex_unlock(&l->lock);
}

void
loop_stop(struct loop *l)
{
	pthread_mutex_lock(&l->lock);
	l->stop = true;
	uv_async_send(&l->async);
	pthread_mutex_unlock(&l->lock);
}

void
loop_finish(struct loop *l, struct job *job)
{
	pthread_mutex_lock(&l->lock);
	job->next = NULL;
	*l->finished_tail = job;
	l->finished_tail = &job->next;
	uv_async_send(&l->async);
	pthread_mutex_unlock(&l->lock);
}

/* Takes both lists at once; what callbacks add is for the next call. */
static void
deliver(struct loop *l)
{
	struct posted *posts;
	struct job *finished;
	bool stop;

	pthread_mutex_lock(&l->lock);
	posts = MOVE(l->posts);
	l->posts_tail = &l->posts;
	finished = MOVE(l->finished);
	l->finished_tail = &l->finished;
	for (struct posted *p = posts; p != NULL; p = p->next)
		p->queued = false;
	stop = l->stop;
	l->stop = false;
	pthread_mutex_unlock(&l->lock);
	while (finished != NULL) {
		struct job *job = finished;

		finished = job->next;
		job->next = NULL;
		l->jobs--;
		job->done(job);
	}
	while (posts != NULL) {
		struct posted *p = posts;

		posts = p->next;
		p->next = NULL;
		p->cb(p);
	}
	if (stop)
		uv_stop(&l->uv);
}

static void
on_async(uv_async_t *async)
{
	deliver(async->data);
}

/* ------------------------------------------------------------------------- life */

int
loop_new(struct loop **out, struct err *err)
{
	struct loop *l = mem_zalloc(sizeof(*l));
	int r;

	l->rt.ops = &ops;
	l->owner = pthread_self();
	l->posts_tail = &l->posts;
	l->finished_tail = &l->finished;
	r = uv_loop_init(&l->uv);
	if (r != 0) {
		mem_free(l);
		return uv_err(err, r, "cannot make an event loop");
	}
	r = uv_async_init(&l->uv, &l->async, on_async);
	if (r != 0) {
		CHECK(uv_loop_close(&l->uv) == 0);
		mem_free(l);
		return uv_err(err, r, "cannot make an event loop");
	}
	CHECK(uv_timer_init(&l->uv, &l->timer) == 0 && uv_idle_init(&l->uv, &l->idle) == 0);
	l->async.data = l->timer.data = l->idle.data = l;
	pthread_mutex_init(&l->lock, NULL);
	pool_init(&l->worker, l, 1);
	pool_init(&l->background, l, 2);
	*out = l;
	return 0;
}

struct runtime *
loop_runtime(struct loop *l)
{
	return &l->rt;
}

void
loop_run(struct loop *l)
{
	l->owner = pthread_self();
	uv_run(&l->uv, UV_RUN_DEFAULT);
}

void
loop_turn(struct loop *l, bool wait)
{
	l->owner = pthread_self();
	uv_run(&l->uv, wait ? UV_RUN_ONCE : UV_RUN_NOWAIT);
}

static void
count_open(uv_handle_t *handle, void *arg)
{
	size_t *open = arg;

	if (!uv_is_closing(handle))
		(*open)++;
}

void
loop_free(struct loop *l)
{
	size_t open = 0;

	if (l == NULL)
		return;
	l->owner = pthread_self();
	timers_fini(&l->timers);
	arm(l);
	while (l->jobs > 0)
		uv_run(&l->uv, UV_RUN_ONCE);
	pool_fini(&l->worker);
	pool_fini(&l->background);
	deliver(l);
	CHECK(l->jobs == 0 && l->posts == NULL);
	timers_fini(&l->timers);
	loop_children_fini(l);
	uv_close((uv_handle_t *)&l->timer, NULL);
	uv_close((uv_handle_t *)&l->idle, NULL);
	uv_close((uv_handle_t *)&l->async, NULL);
	uv_walk(&l->uv, count_open, &open);
	if (open > 0)
		uv_print_all_handles(&l->uv, stderr);
	CHECK(open == 0);
	uv_run(&l->uv, UV_RUN_DEFAULT);
	CHECK(uv_loop_close(&l->uv) == 0);
	pthread_mutex_destroy(&l->lock);
	mem_free(l);
}
