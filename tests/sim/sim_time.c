#include "tests/sim/sim_time.h"

#include "common/base/map.h"

#include <string.h>

/* The method table is deprecated, and still the one way to choose what RAND_bytes gives. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/rand.h>

uint64_t
sim_draw(struct sim_random *r)
{
	/* splitmix64 */
	uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

uint64_t
sim_below(struct sim_random *r, uint64_t below)
{
	uint64_t drawn = sim_draw(r);

	return below > 0 ? drawn % below : 0;
}

bool
sim_chance(struct sim_random *r, uint32_t ppm)
{
	return sim_below(r, 1000000) < ppm;
}

static void
fill(struct sim_random *r, void *out, size_t len)
{
	for (uint8_t *at = out; len > 0;) {
		uint64_t z = sim_draw(r);
		size_t n = len < sizeof(z) ? len : sizeof(z);

		memcpy(at, &z, n);
		at += n;
		len -= n;
	}
}

void
sim_clock_init(struct sim_clock *c)
{
	memset(c, 0, sizeof(*c));
	c->now_ms = SIM_START_MS;
}

void
sim_clock_fini(struct sim_clock *c)
{
	timers_fini(&c->timers);
}

bool
sim_clock_step(struct sim_clock *c, uint64_t limit_ms)
{
	uint64_t due;

	if (!timers_next(&c->timers, &due) || due > limit_ms)
		return false;
	if (due > c->now_ms)
		c->now_ms = due;
	c->steps++;
	timers_fire(&c->timers, c->now_ms);
	return true;
}

static struct sim_runtime *
runtime_of(struct runtime *rt)
{
	return CONTAINER_OF(rt, struct sim_runtime, rt);
}

static uint64_t
on_mono_ms(struct runtime *rt)
{
	return runtime_of(rt)->clock->now_ms;
}

static int64_t
on_wall_ms(struct runtime *rt)
{
	struct sim_runtime *r = runtime_of(rt);

	return SIM_START_WALL_MS + (int64_t)(r->clock->now_ms - SIM_START_MS) + r->wall_offset_ms;
}

static void
on_timer_start(struct runtime *rt, struct timer *t, uint64_t delay_ms)
{
	struct sim_clock *c = runtime_of(rt)->clock;

	timers_start(&c->timers, t, c->now_ms + delay_ms);
}

static void
on_timer_stop(struct runtime *rt, struct timer *t)
{
	timers_stop(&runtime_of(rt)->clock->timers, t);
}

static void
arm(struct sim_runtime *r)
{
	timers_start(&r->clock->timers, &r->timer,
	    r->clock->now_ms + sim_below(&r->random, (uint64_t)r->job_max_ms + 1));
}

static void
on_worker(void *arg)
{
	struct sim_runtime *r = arg;
	struct job *job = r->jobs;

	if (!r->ran) {
		r->ran = true;
		job->run(job);
		arm(r);
		return;
	}
	r->ran = false;
	r->jobs = job->next;
	if (r->jobs == NULL)
		r->jobs_tail = &r->jobs;
	else
		arm(r);
	job->next = NULL;
	job->done(job);
}

static void
on_work(struct runtime *rt, struct job *job)
{
	struct sim_runtime *r = runtime_of(rt);

	job->next = NULL;
	if (r->jobs == NULL)
		arm(r);
	*r->jobs_tail = job;
	r->jobs_tail = &job->next;
}

static void
on_random(struct runtime *rt, void *out, size_t len)
{
	fill(&runtime_of(rt)->random, out, len);
}

void
sim_runtime_init(struct sim_runtime *r, struct sim_clock *clock, uint64_t seed)
{
	static const struct runtime_ops ops = {
	    .mono_ms = on_mono_ms,
	    .wall_ms = on_wall_ms,
	    .timer_start = on_timer_start,
	    .timer_stop = on_timer_stop,
	    .work = on_work,
	    .random = on_random,
	};

	memset(r, 0, sizeof(*r));
	r->rt.ops = &ops;
	r->clock = clock;
	r->random.state = seed;
	r->job_max_ms = 2;
	r->jobs_tail = &r->jobs;
	r->timer.cb = on_worker;
	r->timer.arg = r;
}

bool
sim_runtime_is_idle(const struct sim_runtime *r)
{
	return r->jobs == NULL;
}

void
sim_runtime_fini(struct sim_runtime *r)
{
	CHECK(sim_runtime_is_idle(r));
	timers_stop(&r->clock->timers, &r->timer);
}

static struct sim_random rand_state;

static int
rand_fill(unsigned char *out, int len)
{
	fill(&rand_state, out, (size_t)len);
	return 1;
}

static int
rand_status(void)
{
	return 1;
}

void
sim_seed_everything(uint64_t seed)
{
	static const RAND_METHOD method = {
	    .bytes = rand_fill,
	    .pseudorand = rand_fill,
	    .status = rand_status,
	};

	rand_state.state = seed;
	CHECK(RAND_set_rand_method(&method) == 1);
	map_set_seed(seed, ~seed);
}
