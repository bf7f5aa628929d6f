#ifndef COMMON_BASE_RUNTIME_H
#define COMMON_BASE_RUNTIME_H

/*
 * What a core that does no I/O of its own is given: clocks, timers, later calls, and one worker on
 * which the database is used. common/loop implements it over libuv, tests/sim in virtual time; the
 * code between cannot tell. All functions belong to the loop thread, and so do all callbacks except
 * job.run. Jobs run one after another in the order they were handed in.
 */

#include "common/base/timers.h"

/* Owned by the caller; untouched until done() has been called, exactly once, on the loop. */
struct job {
	void (*run)(struct job *job);  /* on the worker: only what the job itself holds */
	void (*done)(struct job *job); /* on the loop, never from inside runtime_work */
	struct job *next;
};

struct runtime;

struct runtime_ops {
	uint64_t (*mono_ms)(struct runtime *rt);
	int64_t (*wall_ms)(struct runtime *rt);
	void (*timer_start)(struct runtime *rt, struct timer *t, uint64_t delay_ms);
	void (*timer_stop)(struct runtime *rt, struct timer *t);
	void (*work)(struct runtime *rt, struct job *job);
	/* Randomness for jitter and for ids; secrets are made in common/crypto. */
	void (*random)(struct runtime *rt, void *out, size_t len);
};

struct runtime {
	const struct runtime_ops *ops;
};

uint64_t runtime_mono_ms(struct runtime *rt);
int64_t runtime_wall_ms(struct runtime *rt); /* since 1970 */
int64_t runtime_wall_s(struct runtime *rt);
/* Calls t->cb once, delay_ms from now; a delay of 0 is a call on the next turn of the loop. */
void runtime_timer_start(struct runtime *rt, struct timer *t, uint64_t delay_ms);
void runtime_timer_stop(struct runtime *rt, struct timer *t);
void runtime_work(struct runtime *rt, struct job *job);
void runtime_random(struct runtime *rt, void *out, size_t len);

/*
 * Back-off: doubles from first to most, each wait drawn between half of it and all of it; reset by
 * setting the struct to its first state with backoff_reset.
 */
struct backoff {
	uint64_t first_ms, most_ms;
	unsigned tries;
};

uint64_t backoff_next(struct backoff *b, struct runtime *rt);
void backoff_reset(struct backoff *b);

#endif
