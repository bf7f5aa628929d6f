/* How many renewals are started when all are due at once; what is due when is in test_flow. */

#include "tests/support/office.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define CREDENTIALS 150
#define DAY_MS (INT64_C(86400) * 1000)

/* A scheduler whose renewals the test ends. */
struct desk {
	struct office *o;
	struct sched *sched;
	uint64_t starts[2 * CREDENTIALS]; /* monotonic */
	struct id ids[2 * CREDENTIALS];
	size_t count;
};

static int
on_due(void *arg, const struct id *credential, struct err *err)
{
	struct desk *d = arg;

	(void)err;
	assert_true(d->count < ARRAY_LEN(d->starts));
	d->ids[d->count] = *credential;
	d->starts[d->count++] = d->o->time.now;
	return 0;
}

static int
setup(void **state)
{
	struct desk *d = mem_zalloc(sizeof(*d));

	d->o = mem_zalloc(sizeof(*d->o));
	office_init(d->o, 1);
	for (int i = 0; i < CREDENTIALS; i++) {
		char name[64];

		snprintf(name, sizeof(name), "n%d.example.org", i);
		assert_int_equal(office_add_credential(d->o, name, (const char *const[]){NULL}), 0);
	}
	*state = d;
	return 0;
}

static int
teardown(void **state)
{
	struct desk *d = *state;

	sched_free(d->sched);
	office_fini(d->o);
	mem_free(d->o);
	mem_free(d);
	return 0;
}

static void
open_desk(struct desk *d, size_t in_flight, size_t per_minute)
{
	/* The office has one of its own, which would renew them itself. */
	sched_free(d->o->sched);
	d->o->sched = NULL;
	assert_int_equal(sched_new(&(struct sched_params){.runtime = &d->o->time.rt,
				       .index = d->o->index,
				       .commit = d->o->commit,
				       .start = on_due,
				       .arg = d,
				       .in_flight = in_flight,
				       .per_minute = per_minute},
			     &d->sched, &d->o->err),
	    0);
}

static struct sched_stats
stats(const struct desk *d)
{
	struct sched_stats s;

	sched_stats(d->sched, &s);
	return s;
}

static void
test_clock_set_ahead(void **state)
{
	struct desk *d = *state;
	size_t gaps = 0;

	open_desk(d, 1000, 60);
	virtual_pass(&d->o->time, 5 * 60 * 1000);
	assert_int_equal(d->count, 0);
	assert_int_equal(stats(d).waiting, CREDENTIALS);
	assert_int_equal(stats(d).due, 0);
	/* All are due by a clock that is wrong, or right again: the scheduler cannot tell. */
	d->o->time.wall_at_zero += 70 * DAY_MS;
	virtual_pass(&d->o->time, 2 * 60 * 1000);
	assert_in_range(d->count, 1, 120);
	assert_int_equal(stats(d).running, d->count);
	assert_int_equal(stats(d).due, CREDENTIALS - d->count);
	assert_int_equal(stats(d).per_minute, 60);
	virtual_pass(&d->o->time, 5 * 60 * 1000);
	assert_int_equal(d->count, CREDENTIALS);
	/* Never more than the budget in any minute, and not in a fixed beat. */
	for (size_t i = 1; i < d->count; i++) {
		assert_true(d->starts[i] - d->starts[i - 1] >= 1000);
		gaps += d->starts[i] - d->starts[i - 1] != d->starts[1] - d->starts[0];
		if (i >= 60)
			assert_true(d->starts[i] - d->starts[i - 60] >= 60 * 1000);
	}
	assert_true(gaps > CREDENTIALS / 2);
}

/* Set right in time, it stops. */
static void
test_clock_set_back(void **state)
{
	struct desk *d = *state;
	size_t begun;

	open_desk(d, 1000, 60);
	d->o->time.wall_at_zero += 70 * DAY_MS;
	virtual_pass(&d->o->time, 90 * 1000);
	d->o->time.wall_at_zero -= 70 * DAY_MS;
	begun = d->count;
	assert_in_range(begun, 1, 90);
	virtual_pass(&d->o->time, 10 * 60 * 1000);
	assert_int_equal(d->count, begun);
	assert_int_equal(stats(d).due, 0);
}

/* What is slow holds up what comes after it. */
static void
test_in_flight(void **state)
{
	struct desk *d = *state;

	open_desk(d, 5, 6000);
	d->o->time.wall_at_zero += 70 * DAY_MS;
	virtual_pass(&d->o->time, 5 * 60 * 1000);
	assert_int_equal(d->count, 5);
	assert_int_equal(stats(d).running, 5);
	sched_done(d->sched, &d->ids[2], ERR_UNAVAIL);
	virtual_pass(&d->o->time, 1000);
	assert_int_equal(d->count, 6);
	assert_int_equal(stats(d).running, 5);
}

/* With many credentials the budget grows, so that all of them fit into an hour. */
static void
test_budget_of_itself(void **state)
{
	struct desk *d = *state;

	open_desk(d, 0, 0);
	assert_int_equal(stats(d).per_minute, SCHED_PER_MINUTE + CREDENTIALS / 60);
	assert_int_equal(stats(d).in_flight, SCHED_IN_FLIGHT);
}

#define WITH_DESK(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_DESK(test_clock_set_ahead),
	    WITH_DESK(test_clock_set_back),
	    WITH_DESK(test_in_flight),
	    WITH_DESK(test_budget_of_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
