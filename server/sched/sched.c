#include "server/sched/sched.h"

#include "common/base/map.h"
#include "common/base/runtime.h"
#include "common/model/renewal.h"

#include <string.h>

/* Timers are armed for this long at the most: the wall clock may be set meanwhile. */
#define SLEEP_MOST_MS (60 * 1000)
/* The clocks move apart by more than that only when somebody sets one. */
#define CLOCK_STEP_MS 5000
/*
 * Between two renewals of one credential. A certificate that its CA cuts short, or one of a minute
 * that is renewed at 90 %, is due again as soon as it is made.
 */
#define REST_MS 10000

struct item {
	struct id credential;
	int64_t due; /* wall clock, seconds */
	size_t slot; /* in the heap + 1; 0: not waiting */
	bool running;
	unsigned failures; /* that are not in the record: the signer was away, the disk full */
	uint64_t rest_ms;  /* monotonic: not started again before */
};

struct sched {
	struct sched_params p;
	struct map *items; /* by credential */
	struct item **heap;
	size_t count, cap, running;
	struct timer timer;
	int64_t clock_ms;  /* wall clock less monotonic */
	uint64_t start_ms; /* monotonic: no renewal is started before */
};

/* --- heap by time, then id --- */

static bool
goes_before(const struct item *a, const struct item *b)
{
	if (a->due != b->due)
		return a->due < b->due;
	return id_compare(&a->credential, &b->credential) < 0;
}

static void
place(struct sched *s, size_t at, struct item *it)
{
	s->heap[at] = it;
	it->slot = at + 1;
}

static void
sift(struct sched *s, size_t at)
{
	struct item *it = s->heap[at];

	while (at > 0 && goes_before(it, s->heap[(at - 1) / 2])) {
		place(s, at, s->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	for (;;) {
		size_t child = 2 * at + 1;

		if (child < s->count && child + 1 < s->count &&
		    goes_before(s->heap[child + 1], s->heap[child]))
			child++;
		if (child >= s->count || !goes_before(s->heap[child], it))
			break;
		place(s, at, s->heap[child]);
		at = child;
	}
	place(s, at, it);
}

static void
heap_add(struct sched *s, struct item *it)
{
	if (s->count == s->cap) {
		s->cap = s->cap > 0 ? 2 * s->cap : 64;
		s->heap = mem_grow(s->heap, s->cap, sizeof(*s->heap));
	}
	s->heap[s->count] = it;
	sift(s, s->count++);
}

static void
heap_del(struct sched *s, struct item *it)
{
	size_t at = it->slot - 1;
	struct item *last = s->heap[--s->count];

	it->slot = 0;
	if (last == it)
		return;
	place(s, at, last);
	sift(s, at);
}

/* --- when --- */

static int64_t
due_of(const struct index *ix, const struct index_record *c, int64_t now)
{
	const struct credential_public *p = c->credential;
	const struct index_record *g;
	int64_t due, next_try = p->next_try;

	if (p->archived || p->state == CREDENTIAL_REVOKED ||
	    (p->issuer != ISSUER_MICRO && p->issuer != ISSUER_MANUAL))
		return 0;
	/* Its CSR is out: it is somebody else's turn. */
	if (p->has_pending)
		return 0;
	g = index_active(ix, c);
	if (g == NULL)
		return 0;
	due = renewal_due_at(g->generation->not_before, g->generation->not_after,
	    p->fraction_percent, renewal_jitter(&g->id));
	/* 0 means never; a certificate of 1970 is due all the same. */
	if (due <= 0)
		due = 1;
	/* Nobody waits for longer: the clock was wrong when that was written. */
	if (next_try > now + RENEWAL_RETRY_MOST)
		next_try = 0;
	return next_try > due ? next_try : due;
}

int64_t
sched_due_at(const struct sched *s, const struct id *credential)
{
	const struct index_record *c = index_of_kind(s->p.index, KIND_CREDENTIAL, credential);

	return c != NULL ? due_of(s->p.index, c, runtime_wall_s(s->p.runtime)) : 0;
}

/* --- what is due --- */

static size_t
per_minute(const struct sched *s)
{
	return s->p.per_minute > 0 ? s->p.per_minute : SCHED_PER_MINUTE + map_count(s->items) / 60;
}

/* One at a time, with a pause of the budget's and up to half of it more. */
static void
pause_starts(struct sched *s)
{
	uint64_t gap = (60 * 1000 + per_minute(s) - 1) / per_minute(s), more;

	runtime_random(s->p.runtime, &more, sizeof(more));
	s->start_ms = runtime_mono_ms(s->p.runtime) + gap + more % (gap / 2 + 1);
}

static void
arm(struct sched *s)
{
	int64_t now = runtime_wall_ms(s->p.runtime), wait;
	int64_t pause = (int64_t)s->start_ms - (int64_t)runtime_mono_ms(s->p.runtime);

	if (s->count == 0 || s->running >= s->p.in_flight) {
		runtime_timer_stop(s->p.runtime, &s->timer);
		return;
	}
	wait = s->heap[0]->due * 1000 - now;
	if (wait < pause)
		wait = pause;
	if (wait < 0)
		wait = 0;
	if (wait > SLEEP_MOST_MS)
		wait = SLEEP_MOST_MS;
	runtime_timer_start(s->p.runtime, &s->timer, (uint64_t)wait);
}

static void
put_off(struct sched *s, struct item *it)
{
	it->failures++;
	it->rest_ms = runtime_mono_ms(s->p.runtime) +
	    (uint64_t)renewal_retry_after(it->failures, renewal_jitter(&it->credential)) * 1000 / 4;
}

/* Looks at the credential anew: it waits, or there is nothing to wait for. */
static void
refresh(struct sched *s, const struct id *credential)
{
	struct item *it = map_get(s->items, credential->bytes, ID_LEN);
	int64_t due = sched_due_at(s, credential), rested;
	uint64_t mono = runtime_mono_ms(s->p.runtime);

	if (it != NULL && it->running)
		return;
	if (it != NULL && it->slot > 0)
		heap_del(s, it);
	if (due == 0) {
		mem_free(map_del(s->items, credential->bytes, ID_LEN));
		return;
	}
	if (it == NULL) {
		it = mem_zalloc(sizeof(*it));
		it->credential = *credential;
		map_put(s->items, credential->bytes, ID_LEN, it);
	}
	rested = it->rest_ms > mono
	    ? runtime_wall_s(s->p.runtime) + (int64_t)(it->rest_ms - mono + 999) / 1000
	    : 0;
	it->due = due > rested ? due : rested;
	heap_add(s, it);
}

static bool
on_credential(void *arg, const struct index_record *r)
{
	refresh(arg, &r->id);
	return true;
}

/* Times that were reckoned by a clock that has been set since are reckoned anew. */
static void
check_clock(struct sched *s)
{
	int64_t clock_ms = runtime_wall_ms(s->p.runtime) - (int64_t)runtime_mono_ms(s->p.runtime);
	int64_t step = clock_ms - s->clock_ms;

	if (step >= -CLOCK_STEP_MS && step <= CLOCK_STEP_MS)
		return;
	s->clock_ms = clock_ms;
	index_each(s->p.index, KIND_CREDENTIAL, on_credential, s);
}

static void
start_one(struct sched *s)
{
	struct item *it = s->heap[0];
	struct err err;

	heap_del(s, it);
	it->running = true;
	s->running++;
	pause_starts(s);
	if (s->p.start(s->p.arg, &it->credential, &err) == 0)
		return;
	it->running = false;
	s->running--;
	put_off(s, it);
	refresh(s, &it->credential);
}

static void
on_timer(void *arg)
{
	struct sched *s = arg;
	int64_t now = runtime_wall_s(s->p.runtime);

	check_clock(s);
	if (s->count > 0 && s->heap[0]->due <= now && s->running < s->p.in_flight &&
	    runtime_mono_ms(s->p.runtime) >= s->start_ms)
		start_one(s);
	arm(s);
}

void
sched_done(struct sched *s, const struct id *credential, int status)
{
	struct item *it = map_get(s->items, credential->bytes, ID_LEN);

	if (it == NULL || !it->running)
		return;
	it->running = false;
	s->running--;
	if (status == 0) {
		it->failures = 0;
		it->rest_ms = runtime_mono_ms(s->p.runtime) + REST_MS;
	} else {
		put_off(s, it);
	}
	refresh(s, credential);
	arm(s);
}

static void
on_observed(void *arg, const struct committed *records, size_t count, const struct head *head,
    struct signed_bytes signed_head)
{
	struct sched *s = arg;

	(void)head;
	(void)signed_head;
	for (size_t i = 0; i < count; i++)
		if (records[i].record->kind == KIND_CREDENTIAL)
			refresh(s, &records[i].record->id);
	if (count > 0)
		arm(s);
}

int
sched_new(const struct sched_params *params, struct sched **out, struct err *err)
{
	struct sched *s = mem_zalloc(sizeof(*s));

	(void)err;
	s->p = *params;
	if (s->p.in_flight == 0)
		s->p.in_flight = SCHED_IN_FLIGHT;
	s->items = map_new();
	s->clock_ms = runtime_wall_ms(s->p.runtime) - (int64_t)runtime_mono_ms(s->p.runtime);
	s->timer = (struct timer){.cb = on_timer, .arg = s};
	commit_observe(s->p.commit, on_observed, s);
	index_each(s->p.index, KIND_CREDENTIAL, on_credential, s);
	arm(s);
	*out = s;
	return 0;
}

void
sched_free(struct sched *s)
{
	size_t at = 0;
	void *value;

	if (s == NULL)
		return;
	commit_unobserve(s->p.commit, on_observed, s);
	runtime_timer_stop(s->p.runtime, &s->timer);
	while (map_next(s->items, &at, NULL, &value))
		mem_free(value);
	map_free(s->items);
	mem_free(s->heap);
	mem_free(s);
}

void
sched_stats(const struct sched *s, struct sched_stats *out)
{
	int64_t now = runtime_wall_s(s->p.runtime);

	out->waiting = s->count;
	out->due = 0;
	for (size_t i = 0; i < s->count; i++)
		out->due += s->heap[i]->due <= now;
	out->in_flight = s->p.in_flight;
	out->per_minute = per_minute(s);
	out->running = s->running;
	out->next_at = s->count > 0 ? s->heap[0]->due : 0;
}
