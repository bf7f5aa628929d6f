#include "tests/unit/common/store/store_tests.h"

#include <string.h>
#include <time.h>

static void
stage(struct store *s, uint64_t n, uint64_t seq, uint64_t version)
{
	AUTO(buf_freep)
	struct buf *memory = buf_new(200);
	struct stored_record r = make_record(memory, n, seq, version, 100);
	struct err err;

	assert_int_equal(store_stage_put(s, &r, 1, &err), 0);
}

static uint64_t
count_of(struct store *s)
{
	struct position newest;
	uint64_t count = 0;
	struct err err;

	assert_int_equal(store_extent(s, &newest, &count, &err), 0);
	return count;
}

static void
test_replace(void **state)
{
	struct store *s = open_store(store_tmp("replace.db"), true);
	const struct store_meta meta = {"position", span_str("12")};
	const struct store_change change = {.metas = &meta, .meta_count = 1};
	AUTO(buf_freep)
	struct buf *value = buf_new(20);
	struct err err;

	(void)state;
	put_mutation(s, 1, 5, 100);
	/* Twice, since the tables change their roles. */
	for (int round = 0; round < 2; round++) {
		assert_int_equal(store_stage_begin(s, &err), 0);
		stage(s, 3, 6, 1);
		stage(s, 8, 7, 1);
		stage(s, 3, 8, 2); /* changed while the sync ran */
		assert_true(has_record(s, round == 0 ? 1 : 8));
		assert_int_equal(store_stage_finish(s, STORE_STAGE_REPLACE, &change, &err), 0);
		assert_int_equal(count_of(s), 2);
		assert_record(s, 3, 2, 100);
		assert_record(s, 8, 1, 100);
	}
	put_mutation(s, 20, 2, 100);
	store_close(s);
	s = open_store(store_tmp("replace.db"), true);
	assert_int_equal(count_of(s), 4);
	assert_int_equal(store_meta_get(s, "position", value, &err), 0);
	store_close(s);
}

static void
test_merge(void **state)
{
	struct store *s = open_store(store_tmp("merge.db"), true);
	struct id gone = make_id(2);
	const struct store_change change = {.deletes = &gone, .delete_count = 1};
	struct err err;

	(void)state;
	put_mutation(s, 1, 5, 100);
	assert_int_equal(store_stage_begin(s, &err), 0);
	stage(s, 3, 6, 2);
	stage(s, 8, 7, 1);
	stage(s, 3, 8, 3);
	assert_int_equal(store_stage_finish(s, STORE_STAGE_MERGE, &change, &err), 0);
	assert_int_equal(count_of(s), 5);
	assert_record(s, 3, 3, 100);
	assert_record(s, 1, 1, 100);
	assert_false(has_record(s, 2));
	store_close(s);
}

static int
refuse(struct store *s, void *arg, struct err *err)
{
	(void)s;
	(void)arg;
	return err_set(err, ERR_CRYPTO, "no");
}

static void
test_failed_finish_changes_nothing(void **state)
{
	struct store *s = open_store(store_tmp("nofinish.db"), true);
	const struct store_change change = {.hook = refuse}, good = {.force_full = true};
	struct err err;

	(void)state;
	put_mutation(s, 1, 5, 100);
	for (int how = STORE_STAGE_REPLACE; how <= STORE_STAGE_MERGE; how++) {
		assert_int_equal(store_stage_begin(s, &err), 0);
		stage(s, 8, 7, 1);
		assert_int_equal(
		    store_stage_finish(s, (enum store_stage)how, &change, &err), ERR_CRYPTO);
		assert_int_equal(count_of(s), 5);
		assert_false(has_record(s, 8));
	}
	/* The stage is still there, and can be finished after all. */
	assert_int_equal(store_stage_finish(s, STORE_STAGE_REPLACE, &good, &err), 0);
	assert_int_equal(count_of(s), 1);
	store_close(s);
}

static void
test_stage_does_not_survive(void **state)
{
	struct store *s = open_store(store_tmp("leftover.db"), true);
	const struct store_change change = {.force_full = true};
	struct err err;

	(void)state;
	assert_int_equal(store_stage_begin(s, &err), 0);
	stage(s, 8, 7, 1);
	store_close(s);
	s = open_store(store_tmp("leftover.db"), true);
	assert_int_equal(store_stage_finish(s, STORE_STAGE_MERGE, &change, &err), 0);
	assert_int_equal(count_of(s), 0);
	store_close(s);
}

static double
seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Not judged, only printed: the disk is shared. */
static void
test_speed(void **state)
{
	enum { ROWS = 1000, BATCHES = 3, BODY = 4096 };
	struct stored_record *records = mem_array(ROWS, sizeof(*records));
	struct buf *memory = mem_array(ROWS, sizeof(*memory));
	struct store *s = open_store(store_tmp("speed.db"), true);
	struct store_change change = {.records = records, .record_count = ROWS};
	double times[4] = {0};
	struct err err;

	(void)state;
	for (size_t round = 0; round < 2 * BATCHES; round++) {
		double start;

		for (size_t i = 0; i < ROWS; i++) {
			uint64_t n = round % BATCHES * ROWS + i;

			buf_clear(&memory[i]);
			memory[i].max = BODY + 1;
			records[i] = make_record(&memory[i], n, round * ROWS + i, round, BODY);
		}
		start = seconds();
		assert_int_equal(store_apply(s, &change, &err), 0);
		assert_int_equal(store_checkpoint(s, &err), 0);
		times[round / BATCHES] += seconds() - start;
	}
	change.record_count = 1;
	for (size_t i = 0; i < 200; i++) {
		double start;

		records[0].at.seq = 1000000 + i;
		start = seconds();
		assert_int_equal(store_apply(s, &change, &err), 0);
		times[2] += seconds() - start;
	}
	assert_int_equal(store_stage_begin(s, &err), 0);
	times[3] = seconds();
	for (size_t round = 0; round < BATCHES; round++) {
		for (size_t i = 0; i < ROWS; i++) {
			records[i].id = make_id(round * ROWS + i);
			records[i].at.seq = round * ROWS + i;
		}
		assert_int_equal(store_stage_put(s, records, ROWS, &err), 0);
	}
	change.record_count = 0;
	assert_int_equal(store_stage_finish(s, STORE_STAGE_REPLACE, &change, &err), 0);
	times[3] = seconds() - times[3];
	print_message("store, 4 KiB, FULL: new %.0f rows/s, replaced %.0f rows/s in batches of "
		      "1,000; one %.0f us; staged and swapped %.0f rows/s\n",
	    ROWS * BATCHES / times[0], ROWS * BATCHES / times[1], times[2] / 200 * 1e6,
	    ROWS * BATCHES / times[3]);
	for (size_t i = 0; i < ROWS; i++)
		buf_fini(&memory[i]);
	mem_free(memory);
	mem_free(records);
	store_close(s);
}

int
run_stage_tests(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_replace),
	    cmocka_unit_test(test_merge),
	    cmocka_unit_test(test_failed_finish_changes_nothing),
	    cmocka_unit_test(test_stage_does_not_survive),
	    cmocka_unit_test(test_speed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
