#ifndef COMMON_BASE_TIMERS_H
#define COMMON_BASE_TIMERS_H

/*
 * One-shot timers in a heap over monotonic milliseconds. The caller owns each struct timer and may
 * free it whenever it is not armed; nothing is allocated for one. The owner of the heap (an event
 * loop, or the simulator) asks for the next due time and fires what is due. One thread.
 */

#include "common/base/base.h"

struct timer {
	uint64_t due;   /* monotonic ms */
	uint64_t order; /* equal due times fire in the order they were armed */
	size_t slot;    /* place in the heap + 1; 0 when not armed */
	void (*cb)(void *arg);
	void *arg;
};

struct timers {
	struct timer **heap;
	size_t count, cap;
	uint64_t armed;
};

void timers_fini(struct timers *ts);
/* Arms or re-arms. */
void timers_start(struct timers *ts, struct timer *t, uint64_t due);
void timers_stop(struct timers *ts, struct timer *t);
bool timer_is_armed(const struct timer *t);
/* False when none is armed. */
bool timers_next(const struct timers *ts, uint64_t *due);
/* Calls back each timer that is due at now; each is disarmed before its callback. */
void timers_fire(struct timers *ts, uint64_t now);

#endif
