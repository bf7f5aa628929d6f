#ifndef TESTS_SUPPORT_WAIT_H
#define TESTS_SUPPORT_WAIT_H

/* Turns a loop until something holds, for tests: never a sleep, and an end when it never holds. */

#include "common/loop/loop.h"

#define WAIT_MS 20000

static inline void
wait_nothing(void *arg)
{
	(void)arg;
}

/* False when the predicate did not hold within WAIT_MS. */
static inline bool
wait_until(struct loop *l, bool (*holds)(void *arg), void *arg)
{
	struct runtime *rt = loop_runtime(l);
	uint64_t end = runtime_mono_ms(rt) + WAIT_MS;
	struct timer deadline = {.cb = wait_nothing};

	while (!holds(arg) && runtime_mono_ms(rt) < end) {
		runtime_timer_start(rt, &deadline, WAIT_MS);
		loop_turn(l, true);
	}
	runtime_timer_stop(rt, &deadline);
	return holds(arg);
}

static inline bool
wait_flag(void *arg)
{
	return *(volatile bool *)arg;
}

#endif
