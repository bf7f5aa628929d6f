#ifndef TESTS_SIM_SIM_TIME_H
#define TESTS_SIM_SIM_TIME_H

/*
 * Time and chance of a simulated domain. One clock moves all nodes: it jumps to the next thing that
 * is due, so that hours pass in milliseconds, and what happens depends on the seed alone. Each node
 * has a runtime of its own over it, with a wall clock that may be wrong, and a worker on which a
 * job takes time: between the run of a job and its done others act, and the node may crash.
 */

#include "common/base/runtime.h"

struct sim_random {
	uint64_t state;
};

uint64_t sim_draw(struct sim_random *r);
/* From 0 to below - 1; 0 for a below of 0. */
uint64_t sim_below(struct sim_random *r, uint64_t below);
/* True with a chance of ppm in a million. */
bool sim_chance(struct sim_random *r, uint32_t ppm);

struct sim_clock {
	struct timers timers;
	uint64_t now_ms;
	uint64_t steps; /* things that happened */
};

#define SIM_START_MS 1000000
#define SIM_START_WALL_MS INT64_C(1795000000000)

void sim_clock_init(struct sim_clock *c);
void sim_clock_fini(struct sim_clock *c);
/* The next due time and everything due at it; false when nothing is armed up to limit_ms. */
bool sim_clock_step(struct sim_clock *c, uint64_t limit_ms);

struct sim_runtime {
	struct runtime rt;
	struct sim_clock *clock;
	struct sim_random random;
	int64_t wall_offset_ms;
	uint32_t job_max_ms; /* how long the two halves of a job take at the most */
	struct job *jobs, **jobs_tail;
	bool ran; /* the first job has run and waits for its done */
	struct timer timer;
};

void sim_runtime_init(struct sim_runtime *r, struct sim_clock *clock, uint64_t seed);
/* Nothing may be under way. */
void sim_runtime_fini(struct sim_runtime *r);
bool sim_runtime_is_idle(const struct sim_runtime *r);

/*
 * From now on OpenSSL's random numbers, and the order in which maps are walked, come from the seed:
 * two runs of one seed make the same keys, signatures and ids.
 */
void sim_seed_everything(uint64_t seed);

#endif
