#include "common/base/timers.h"

void
timers_fini(struct timers *ts)
{
	for (size_t i = 0; i < ts->count; i++)
		ts->heap[i]->slot = 0;
	mem_free(ts->heap);
	*ts = (struct timers){0};
}

static bool
before(const struct timer *a, const struct timer *b)
{
	return a->due != b->due ? a->due < b->due : a->order < b->order;
}

static void
set(struct timers *ts, size_t i, struct timer *t)
{
	ts->heap[i] = t;
	t->slot = i + 1;
}

static void
sift(struct timers *ts, size_t i)
{
	struct timer *t = ts->heap[i];

	while (i > 0 && before(t, ts->heap[(i - 1) / 2])) {
		set(ts, i, ts->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= ts->count)
			break;
		if (child + 1 < ts->count && before(ts->heap[child + 1], ts->heap[child]))
			child++;
		if (!before(ts->heap[child], t))
			break;
		set(ts, i, ts->heap[child]);
		i = child;
	}
	set(ts, i, t);
}

bool
timer_is_armed(const struct timer *t)
{
	return t->slot != 0;
}

void
timers_start(struct timers *ts, struct timer *t, uint64_t due)
{
	CHECK(t->cb != NULL);
	timers_stop(ts, t);
	if (ts->count == ts->cap) {
		ts->cap = ts->cap > 0 ? 2 * ts->cap : 16;
		ts->heap = mem_grow(ts->heap, ts->cap, sizeof(struct timer *));
	}
	t->due = due;
	t->order = ++ts->armed;
	set(ts, ts->count++, t);
	sift(ts, ts->count - 1);
}

void
timers_stop(struct timers *ts, struct timer *t)
{
	size_t i;

	if (t->slot == 0)
		return;
	i = t->slot - 1;
	CHECK(i < ts->count && ts->heap[i] == t);
	t->slot = 0;
	ts->count--;
	if (i == ts->count)
		return;
	set(ts, i, ts->heap[ts->count]);
	sift(ts, i);
}

bool
timers_next(const struct timers *ts, uint64_t *due)
{
	if (ts->count == 0)
		return false;
	*due = ts->heap[0]->due;
	return true;
}

void
timers_fire(struct timers *ts, uint64_t now)
{
	uint64_t until = ts->armed; /* those armed by a callback wait for the next turn */

	while (ts->count > 0 && ts->heap[0]->due <= now && ts->heap[0]->order <= until) {
		struct timer *t = ts->heap[0];

		timers_stop(ts, t);
		t->cb(t->arg);
	}
}
