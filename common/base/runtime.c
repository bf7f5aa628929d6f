#include "common/base/runtime.h"

uint64_t
runtime_mono_ms(struct runtime *rt)
{
	return rt->ops->mono_ms(rt);
}

int64_t
runtime_wall_ms(struct runtime *rt)
{
	return rt->ops->wall_ms(rt);
}

int64_t
runtime_wall_s(struct runtime *rt)
{
	return rt->ops->wall_ms(rt) / 1000;
}

void
runtime_timer_start(struct runtime *rt, struct timer *t, uint64_t delay_ms)
{
	rt->ops->timer_start(rt, t, delay_ms);
}

void
runtime_timer_stop(struct runtime *rt, struct timer *t)
{
	rt->ops->timer_stop(rt, t);
}

void
runtime_work(struct runtime *rt, struct job *job)
{
	CHECK(job->run != NULL && job->done != NULL);
	rt->ops->work(rt, job);
}

void
runtime_random(struct runtime *rt, void *out, size_t len)
{
	rt->ops->random(rt, out, len);
}

uint64_t
backoff_next(struct backoff *b, struct runtime *rt)
{
	uint64_t wait = b->first_ms, draw;

	for (unsigned i = 0; i < b->tries && wait < b->most_ms; i++)
		wait *= 2;
	if (wait > b->most_ms)
		wait = b->most_ms;
	b->tries++;
	runtime_random(rt, &draw, sizeof(draw));
	return wait / 2 + draw % (wait / 2 + 1);
}

void
backoff_reset(struct backoff *b)
{
	b->tries = 0;
}
