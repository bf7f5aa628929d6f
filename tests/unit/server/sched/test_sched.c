/* Who is started when, with a callback that notes it instead of renewing anything. */

#include "tests/support/office.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NAMES 10

struct fixture {
	struct office o;
	struct sched *sched;
	size_t started, refused;
	bool refuse;
	struct id last[64];
};

static int
on_start(void *arg, const struct id *credential, struct err *err)
{
	struct fixture *f = arg;

	if (f->refuse) {
		f->refused++;
		return err_set(err, ERR_UNAVAIL, "not now");
	}
	f->last[f->started++ % ARRAY_LEN(f->last)] = *credential;
	return 0;
}

static void
add(struct fixture *f, int n, int64_t lifetime)
{
	struct office *o = &f->o;
	char text[32];
	const char *name = text;
	struct credential_spec spec = {
	    .names = {&name, 1}, .has_access = true, .lifetime = lifetime, .author = "test"};

	snprintf(text, sizeof(text), "n%d.example.org", n);
	o->called = false;
	assert_int_equal(
	    office_wait(o, flow_credential_add(o->flow, &spec, office_on_flow, o, &o->err)), 0);
}

static struct id
id_of(struct fixture *f, int n)
{
	char name[32];

	snprintf(name, sizeof(name), "n%d.example.org", n);
	return index_named(f->o.index, KIND_CREDENTIAL, name)->id;
}

static int
setup(void **state)
{
	struct fixture *f = mem_zalloc(sizeof(*f));
	struct sched_params p = {.start = on_start, .arg = f, .in_flight = 3};

	office_init(&f->o, 1);
	/* The office's own would renew them. */
	sched_free(f->o.sched);
	f->o.sched = NULL;
	p.runtime = &f->o.time.rt;
	p.index = f->o.index;
	p.commit = f->o.commit;
	if (sched_new(&p, &f->sched, &f->o.err) < 0)
		return -1;
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	sched_free(f->sched);
	office_fini(&f->o);
	mem_free(f);
	return 0;
}

static void
test_order(void **state)
{
	struct fixture *f = *state;
	struct sched_stats stats;
	int64_t next = 0;

	for (int n = 0; n < NAMES; n++)
		add(f, n, 3600 * (1 + (n * 7) % NAMES)); /* 1 to 10 hours, shuffled */
	sched_stats(f->sched, &stats);
	assert_int_equal(stats.waiting, NAMES);
	assert_int_equal(stats.running, 0);
	for (int n = 0; n < NAMES; n++) {
		struct id id = id_of(f, n);

		if (next == 0 || sched_due_at(f->sched, &id) < next)
			next = sched_due_at(f->sched, &id);
	}
	assert_true(stats.next_at == next);
	/* Each as it comes due, one after the other. */
	for (size_t n = 1; n <= NAMES; n++) {
		sched_stats(f->sched, &stats);
		office_sleep(&f->o, stats.next_at - virtual_wall_ms(&f->o.time.rt) / 1000 + 1);
		assert_true(f->started >= n);
		sched_done(f->sched, &f->last[n - 1], ERR_UNAVAIL);
	}
}

static void
test_in_flight(void **state)
{
	struct fixture *f = *state;
	struct sched_stats stats;

	for (int n = 0; n < NAMES; n++)
		add(f, n, 3600);
	office_sleep(&f->o, 3500);
	assert_int_equal(f->started, 3);
	sched_stats(f->sched, &stats);
	assert_int_equal(stats.running, 3);
	assert_int_equal(stats.waiting, NAMES - 3);
	sched_done(f->sched, &f->last[0], ERR_UNAVAIL);
	sched_done(f->sched, &f->last[0], 0); /* not running any more: nothing happens */
	virtual_pass(&f->o.time, 1000);
	assert_int_equal(f->started, 4);
	/* The failed one goes behind the others. */
	assert_false(id_equal(&f->last[3], &f->last[0]));
}

static void
test_refused(void **state)
{
	struct fixture *f = *state;

	add(f, 1, 3600);
	f->refuse = true;
	office_sleep(&f->o, 3500);
	assert_in_range(f->refused, 1, 10); /* tried again, but not in a loop */
	f->refuse = false;
	office_sleep(&f->o, 3600);
	assert_int_equal(f->started, 1);
}

static void
test_leaves(void **state)
{
	struct fixture *f = *state;
	struct office *o = &f->o;
	struct sched_stats stats;
	struct id id;

	add(f, 1, 3600);
	add(f, 2, 3600);
	id = id_of(f, 1);
	assert_true(sched_due_at(f->sched, &id) > 0);
	o->called = false;
	assert_int_equal(office_wait(o,
			     flow_credential_archive(o->flow, "n1.example.org", true, "test",
				 office_on_flow, o, &o->err)),
	    0);
	assert_int_equal(sched_due_at(f->sched, &id), 0);
	sched_stats(f->sched, &stats);
	assert_int_equal(stats.waiting, 1);
	o->called = false;
	assert_int_equal(office_wait(o,
			     flow_credential_delete(
				 o->flow, "n2.example.org", "test", office_on_flow, o, &o->err)),
	    0);
	sched_stats(f->sched, &stats);
	assert_int_equal(stats.waiting, 0);
	assert_int_equal(stats.next_at, 0);
	office_sleep(o, 7200);
	assert_int_equal(f->started, 0);
}

#define WITH_OFFICE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_OFFICE(test_order),
	    WITH_OFFICE(test_in_flight),
	    WITH_OFFICE(test_refused),
	    WITH_OFFICE(test_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
