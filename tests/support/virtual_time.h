#ifndef TESTS_SUPPORT_VIRTUAL_TIME_H
#define TESTS_SUPPORT_VIRTUAL_TIME_H

/*
 * A struct runtime whose time passes only when nothing is left to do at the present instant, for
 * tests of cores that do no I/O. Jobs run on the calling thread, in order, each at a step of its
 * own. Randomness is a fixed sequence for each seed.
 */

#include "common/base/runtime.h"

#include <string.h>

struct virtual_time {
	struct runtime rt;
	struct timers timers;
	uint64_t now;
	int64_t wall_at_zero;
	uint64_t seed;
	struct job *jobs, **jobs_tail;
};

static inline struct virtual_time *
virtual_of(struct runtime *rt)
{
	return CONTAINER_OF(rt, struct virtual_time, rt);
}

static inline uint64_t
virtual_mono_ms(struct runtime *rt)
{
	return virtual_of(rt)->now;
}

static inline int64_t
virtual_wall_ms(struct runtime *rt)
{
	return virtual_of(rt)->wall_at_zero + (int64_t)virtual_of(rt)->now;
}

static inline void
virtual_timer_start(struct runtime *rt, struct timer *t, uint64_t delay_ms)
{
	timers_start(&virtual_of(rt)->timers, t, virtual_of(rt)->now + delay_ms);
}

static inline void
virtual_timer_stop(struct runtime *rt, struct timer *t)
{
	timers_stop(&virtual_of(rt)->timers, t);
}

static inline void
virtual_work(struct runtime *rt, struct job *job)
{
	struct virtual_time *v = virtual_of(rt);

	job->next = NULL;
	*v->jobs_tail = job;
	v->jobs_tail = &job->next;
}

/* splitmix64 */
static inline void
virtual_random(struct runtime *rt, void *out, size_t len)
{
	struct virtual_time *v = virtual_of(rt);

	for (uint8_t *at = out; len > 0;) {
		uint64_t z = v->seed += UINT64_C(0x9e3779b97f4a7c15);
		size_t n = len < sizeof(z) ? len : sizeof(z);

		z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
		z ^= z >> 31;
		memcpy(at, &z, n);
		at += n;
		len -= n;
	}
}

static inline void
virtual_init(struct virtual_time *v, uint64_t seed)
{
	static const struct runtime_ops ops = {
	    .mono_ms = virtual_mono_ms,
	    .wall_ms = virtual_wall_ms,
	    .timer_start = virtual_timer_start,
	    .timer_stop = virtual_timer_stop,
	    .work = virtual_work,
	    .random = virtual_random,
	};

	memset(v, 0, sizeof(*v));
	v->rt.ops = &ops;
	v->now = 1000000;
	v->wall_at_zero = INT64_C(1795000000000);
	v->seed = seed;
	v->jobs_tail = &v->jobs;
}

static inline void
virtual_fini(struct virtual_time *v)
{
	CHECK(v->jobs == NULL);
	timers_fini(&v->timers);
}

/* One job, or what is due, or the next thing due after time has passed. False: nothing is left. */
static inline bool
virtual_step(struct virtual_time *v)
{
	struct job *job = v->jobs;
	uint64_t due;

	if (job != NULL) {
		v->jobs = job->next;
		if (v->jobs == NULL)
			v->jobs_tail = &v->jobs;
		job->next = NULL;
		job->run(job);
		job->done(job);
		return true;
	}
	if (!timers_next(&v->timers, &due))
		return false;
	if (due > v->now)
		v->now = due;
	timers_fire(&v->timers, v->now);
	return true;
}

/* False when it did not hold within that much virtual time. */
static inline bool
virtual_until(struct virtual_time *v, bool (*holds)(void *arg), void *arg, uint64_t ms)
{
	uint64_t end = v->now + ms, due;

	while (!holds(arg)) {
		if (v->jobs == NULL && (!timers_next(&v->timers, &due) || due > end))
			return false;
		virtual_step(v);
	}
	return true;
}

/* Lets that much time pass. */
static inline void
virtual_pass(struct virtual_time *v, uint64_t ms)
{
	uint64_t end = v->now + ms, due;

	while (v->jobs != NULL || (timers_next(&v->timers, &due) && due <= end))
		virtual_step(v);
	v->now = end;
}

/* The machine sleeps that long: nothing is done meanwhile, and what became due is done late. */
static inline void
virtual_sleep(struct virtual_time *v, uint64_t ms)
{
	v->now += ms;
	virtual_pass(v, 0);
}

#endif
