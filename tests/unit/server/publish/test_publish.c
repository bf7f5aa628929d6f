#include "tests/unit/server/publish/publish_tests.h"

#include "common/wire/record_wire.h"

#include <time.h>

static const struct position start = {0, 0};

static void
put(uint64_t n, uint64_t expect, size_t size)
{
	assert_int_equal(test_commit(&fx.m, test_put(n, expect, size), NULL), 0);
}

/* A pull of one who is where the head is. */
static struct pull
content_pull(void)
{
	return pull_from(head_position(&fx.m.head), fx.m.head.beat);
}

static void
test_held_until_commit(void **state)
{
	struct pull pull = content_pull();
	struct fake_request r;
	const struct delta *d;

	(void)state;
	ask_pull(&r, 1, &pull);
	virtual_pass(&fx.m.time, 100);
	assert_false(r.answered);
	put(1, 0, 10);
	d = delta_of(&r);
	assert_int_equal(d->records.count, 1);
	assert_int_equal(d->designations.count, 0);
	assert_false(d->more);
	assert_int_equal(head_of(d).seq, fx.m.head.seq);
	assert_int_equal(last_of(d).seq, fx.m.head.seq);
	request_done(&r);
}

static void
test_heartbeat(void **state)
{
	struct fake_request r;
	uint64_t beat;

	(void)state;
	put(1, 0, 10);
	for (int i = 0; i < 5; i++) {
		struct pull pull = content_pull();

		beat = fx.m.head.beat;
		ask_pull(&r, 1, &pull);
		assert_false(r.answered);
		virtual_pass(&fx.m.time, 5000);
		assert_int_equal(delta_of(&r)->records.count, 0);
		assert_int_equal(head_of(delta_of(&r)).beat, beat + 1);
		request_done(&r);
	}
}

static void
test_patience(void **state)
{
	static const struct {
		uint32_t wait_ms;
		uint64_t answered_after;
	} cases[] = {{2000, 2000}, {1, 1000}, {4000, 4000}};
	struct fake_request r;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pull pull;

		virtual_pass(&fx.m.time, 5100); /* a beat, so that the next one is far */
		put(1, i, 10);
		pull = content_pull();
		pull.wait_ms = cases[i].wait_ms;
		ask_pull(&r, 1, &pull);
		virtual_pass(&fx.m.time, cases[i].answered_after - 1);
		assert_false(r.answered);
		virtual_pass(&fx.m.time, 1);
		assert_int_equal(delta_of(&r)->records.count, 0);
		request_done(&r);
	}
	/* Nobody may hold us up for longer than a minute; without beats there is only that. */
	struct pull pull = content_pull();

	fx.m.signer.dead = true;
	pull.wait_ms = UINT32_MAX;
	ask_pull(&r, 1, &pull);
	virtual_pass(&fx.m.time, 59999);
	assert_false(r.answered);
	virtual_pass(&fx.m.time, 1);
	assert_true(r.answered);
	request_done(&r);
	fx.m.signer.dead = false;
}

static void
test_at_once_when_behind(void **state)
{
	struct fake_request r;
	struct pull pull;

	(void)state;
	put(1, 0, 10);
	pull = content_pull();
	put(2, 0, 10);
	put(3, 0, 10);
	ask_pull(&r, 1, &pull);
	assert_int_equal(delta_of(&r)->records.count, 2);
	request_done(&r);
	/* At the head, but of an older beat: the new one says that the state is fresh. */
	pull = pull_from(head_position(&fx.m.head), fx.m.head.beat - 1);
	ask_pull(&r, 1, &pull);
	assert_int_equal(delta_of(&r)->records.count, 0);
	request_done(&r);
	/* One that knows no designation is given all. */
	pull.designations.count = 0;
	ask_pull(&r, 2, &pull);
	assert_int_equal(delta_of(&r)->designations.count, 1);
	request_done(&r);
}

/* A follower that asks the same again and again is not let to keep us busy. */
static void
test_repeats(void **state)
{
	struct pull pull = pull_from(start, 0);
	struct fake_request r;
	unsigned answered = 0;

	(void)state;
	put(1, 0, 10);
	for (int i = 0; i < 10; i++) {
		ask_pull(&r, 1, &pull);
		answered += r.answered;
		if (!r.answered) {
			virtual_pass(&fx.m.time, 5000);
			assert_true(r.answered);
			request_done(&r);
			break;
		}
		request_done(&r);
	}
	assert_int_equal(answered, REPEATS_MAX + 1);
	ask_pull(&r, 2, &pull);
	assert_true(r.answered);
	request_done(&r);
}

/* Pulls everything from a place, in pages; returns the number of records. */
static size_t
pull_all(uint64_t node, struct position cursor, uint32_t max_bytes, size_t *pages)
{
	size_t count = 0;
	bool more = true;

	*pages = 0;
	while (more) {
		struct pull pull = pull_from(cursor, 0);
		struct fake_request r;
		const struct delta *d;

		pull.have = (struct have){0};
		pull.max_bytes = max_bytes;
		ask_pull(&r, node, &pull);
		while (!r.answered)
			assert_true(virtual_step(&fx.m.time));
		d = delta_of(&r);
		assert_true(position_compare(last_of(d), cursor) > 0 || !d->more);
		cursor = last_of(d);
		count += d->records.count;
		more = d->more;
		(*pages)++;
		request_done(&r);
	}
	assert_int_equal(cursor.seq, fx.m.head.seq);
	return count;
}

static void
test_ring_and_pages_say_the_same(void **state)
{
	struct publish_stats stats;
	size_t pages;

	(void)state;
	for (uint64_t n = 0; n < 60; n++)
		put(n, 0, 1000);
	for (uint64_t n = 0; n < 30; n++)
		put(n, 1, 1000);
	assert_int_equal(pull_all(1, start, 0, &pages), 60);
	assert_int_equal(pages, 1);
	assert_int_equal(pull_all(2, start, 10000, &pages), 60);
	assert_true(pages >= 6 && pages < 12);
	publish_stats(fx.publish, &stats);
	assert_int_equal(stats.pages, 0);
	/* The same after a start: the ring is empty, the store answers. */
	fx_stop_publish();
	fx_start_publish();
	assert_int_equal(pull_all(1, start, 0, &pages), 60);
	assert_int_equal(pull_all(2, start, 10000, &pages), 60);
	assert_true(pages >= 6 && pages < 12);
	publish_stats(fx.publish, &stats);
	assert_true(stats.pages >= 7);
	put(100, 0, 10);
	assert_int_equal(pull_all(3, start, 0, &pages), 61);
}

/* What is committed while a page is read comes with the next. */
static void
test_commit_during_page(void **state)
{
	struct pull pull = pull_from(start, 0);
	struct fake_request r;
	struct test_done done;
	size_t pages;

	(void)state;
	for (uint64_t n = 0; n < 5; n++)
		put(n, 0, 100);
	fx_stop_publish();
	fx_start_publish();
	for (unsigned steps = 0; steps < 6; steps++) {
		struct position at;

		test_submit(&fx.m, test_put(50 + steps, 0, 100), &done);
		for (unsigned i = 0; i < steps; i++)
			virtual_step(&fx.m.time);
		ask_pull(&r, 1, &pull);
		while (!r.answered)
			assert_true(virtual_step(&fx.m.time));
		at = last_of(delta_of(&r));
		/* All up to its head, and nothing beyond it. */
		assert_int_equal(at.seq, head_of(delta_of(&r)).seq);
		assert_false(delta_of(&r)->more);
		request_done(&r);
		virtual_pass(&fx.m.time, 100);
		assert_true(done.called && done.status == 0);
	}
	assert_int_equal(pull_all(2, start, 0, &pages), 11);
}

static void
test_purged_tombstones_are_not_sent(void **state)
{
	struct pull pull;
	struct fake_request r;

	(void)state;
	put(1, 0, 10);
	put(2, 0, 10);
	pull = content_pull();
	assert_int_equal(test_commit(&fx.m, test_remove(2, 1), NULL), 0);
	ask_pull(&r, 1, &pull);
	assert_int_equal(delta_of(&r)->records.count, 1);
	request_done(&r);
	virtual_pass(&fx.m.time, 2000);
	commit_purge(fx.m.commit, 1);
	virtual_pass(&fx.m.time, 10);
	assert_int_equal(fx.m.head.floor.seq, fx.m.head.seq);
	ask_pull(&r, 1, &pull);
	assert_int_equal(delta_of(&r)->records.count, 0);
	assert_int_equal(head_of(delta_of(&r)).floor.seq, fx.m.head.floor.seq);
	request_done(&r);
}

static void
test_gone_while_waiting(void **state)
{
	struct fake_request held, page;
	struct pull pull = content_pull(), behind = pull_from(start, 0);

	(void)state;
	put(1, 0, 10);
	fx_stop_publish();
	fx_start_publish();
	pull = content_pull();
	ask_pull(&held, 1, &pull);
	ask_pull(&page, 2, &behind);
	assert_false(held.answered || page.answered);
	request_done(&held);
	request_done(&page);
	virtual_pass(&fx.m.time, 20000);
	/* A page that is read while everything ends. */
	ask_pull(&page, 2, &behind);
	request_done(&page);
}

static double
seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void
test_a_thousand_followers(void **state)
{
	enum { COUNT = 1000 };
	struct fake_request *requests = mem_array(COUNT, sizeof(*requests));
	struct publish_stats before, after;
	struct pull pull;
	double began;

	(void)state;
	put(1, 0, 4096);
	pull = content_pull();
	/* One of them is somewhere else, and does not disturb the others. */
	for (uint64_t i = 0; i < COUNT; i++)
		ask_pull(&requests[i], 1000 + i, &pull);
	publish_stats(fx.publish, &before);
	assert_int_equal(before.held, COUNT);
	began = seconds();
	put(2, 0, 4096);
	print_message(
	    "publish: commit to %d answers in %.1f ms\n", COUNT, (seconds() - began) * 1e3);
	publish_stats(fx.publish, &after);
	assert_int_equal(after.answers - before.answers, COUNT);
	assert_int_equal(after.encoded - before.encoded, 1);
	for (size_t i = 0; i < COUNT; i++) {
		assert_int_equal(delta_of(&requests[i])->records.count, 1);
		request_done(&requests[i]);
	}
	mem_free(requests);
}

/* Followers that start together share the reads of the store. */
static void
test_cold_start_is_shared(void **state)
{
	enum { COUNT = 50 };
	struct fake_request *requests = mem_array(COUNT, sizeof(*requests));
	struct pull pull = pull_from(start, 0);
	struct publish_stats stats;

	(void)state;
	for (uint64_t n = 0; n < 20; n++)
		put(n, 0, 1000);
	fx_stop_publish();
	fx_start_publish();
	for (uint64_t i = 0; i < COUNT; i++)
		ask_pull(&requests[i], 1000 + i, &pull);
	virtual_pass(&fx.m.time, 10);
	for (size_t i = 0; i < COUNT; i++) {
		assert_int_equal(delta_of(&requests[i])->records.count, 20);
		request_done(&requests[i]);
	}
	publish_stats(fx.publish, &stats);
	assert_int_equal(stats.pages, 1);
	assert_int_equal(stats.encoded, 1);
	mem_free(requests);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_held_until_commit, fx_setup, fx_teardown),
	    cmocka_unit_test_setup_teardown(test_heartbeat, fx_setup, fx_teardown),
	    cmocka_unit_test_setup_teardown(test_patience, fx_setup, fx_teardown),
	    cmocka_unit_test_setup_teardown(test_at_once_when_behind, fx_setup, fx_teardown),
	    cmocka_unit_test_setup_teardown(test_repeats, fx_setup, fx_teardown),
	    cmocka_unit_test_setup_teardown(
		test_ring_and_pages_say_the_same, fx_setup, fx_teardown),
	    cmocka_unit_test_setup_teardown(test_commit_during_page, fx_setup, fx_teardown),
	    cmocka_unit_test_setup_teardown(
		test_purged_tombstones_are_not_sent, fx_setup, fx_teardown),
	    cmocka_unit_test_setup_teardown(test_gone_while_waiting, fx_setup, fx_teardown),
	    cmocka_unit_test_setup_teardown(test_a_thousand_followers, fx_setup, fx_teardown),
	    cmocka_unit_test_setup_teardown(test_cold_start_is_shared, fx_setup, fx_teardown),
	};

	test_manager_quiet();
	return run_ring_tests() + run_request_tests() + cmocka_run_group_tests(tests, NULL, NULL);
}
