#include "common/crypto/sign.h"
#include "tests/support/rounds.h"
#include "tests/unit/server/commit/commit_tests.h"

#include <string.h>

static struct test_manager m;

static int
setup(void **state)
{
	(void)state;
	test_manager_init(&m, 11);
	return test_manager_start(&m);
}

static int
teardown(void **state)
{
	(void)state;
	test_manager_stop(&m);
	test_manager_fini(&m);
	return 0;
}

static bool
in_store(uint64_t n, uint64_t version)
{
	struct store_records *list = NULL;
	struct id id = test_id(n);
	struct err err;
	bool found = store_get(m.store, &id, &list, &err) == 0 && list->items[0].version == version;

	store_records_free(list);
	return found;
}

static const char *
trouble(void)
{
	struct commit_stats stats;

	commit_stats(m.commit, &stats);
	return stats.trouble;
}

static void
test_signer_dies(void **state)
{
	struct test_done done;

	(void)state;
	assert_int_equal(test_commit(&m, test_put(1, 0, 10), NULL), 0);
	m.signer.dead = true;
	assert_int_equal(test_commit(&m, test_put(2, 0, 10), &done), ERR_UNAVAIL);
	assert_non_null(strstr(done.err.text, "the signer died"));
	assert_non_null(trouble());
	assert_int_equal(test_commit(&m, test_put(1, 1, 10), NULL), ERR_UNAVAIL);
	assert_digest(&m);
	m.signer.dead = false;
	assert_int_equal(test_commit(&m, test_put(2, 0, 10), NULL), 0);
	assert_null(trouble());
	m.signer.unreachable = true;
	assert_int_equal(test_commit(&m, test_put(3, 0, 10), NULL), ERR_UNAVAIL);
	m.signer.unreachable = false;
	m.signer.wrong = true;
	assert_int_equal(test_commit(&m, test_put(3, 0, 10), NULL), ERR_UNAVAIL);
	m.signer.wrong = false;
	assert_int_equal(test_commit(&m, test_put(3, 0, 10), NULL), 0);
	assert_digest(&m);
}

/* Heads stop while there is no signer, and come again with it; also the very first. */
static void
test_beats_wait_for_the_signer(void **state)
{
	uint64_t beats;
	struct test_done done;

	(void)state;
	m.signer.dead = true;
	beats = m.beats;
	virtual_pass(&m.time, 20000);
	assert_int_equal(m.beats, beats);
	m.signer.dead = false;
	virtual_pass(&m.time, 1001);
	assert_int_equal(m.beats, beats + 1);
	assert_null(trouble());
	/* A beat under way holds up a batch only until it is signed. */
	m.signer.silent = true;
	virtual_pass(&m.time, 6000);
	test_submit(&m, test_put(1, 0, 10), &done);
	virtual_pass(&m.time, 100);
	assert_false(done.called);
	fake_signer_go_on(&m.signer);
	virtual_pass(&m.time, 100);
	assert_true(done.called && done.status == 0);
}

static void
test_disk_full(void **state)
{
	struct test_done done;
	uint64_t beats;

	(void)state;
	assert_int_equal(test_commit(&m, test_put(1, 0, 5000), NULL), 0);
	vfs_fault_fail(m.disk, VFS_WRITE, 1, VFS_ENOSPC, true);
	assert_int_equal(test_commit(&m, test_put(2, 0, 5000), &done), ERR_NOSPACE);
	assert_int_equal(test_commit(&m, test_put(1, 1, 5000), NULL), ERR_NOSPACE);
	assert_non_null(trouble());
	assert_digest(&m);
	/* Heads go on, so followers stay fresh. */
	beats = m.beats;
	virtual_pass(&m.time, 11000);
	assert_int_equal(m.beats, beats + 2);
	assert_non_null(trouble());
	/* Many refused mutations use up the reserved numbers; then there is a clear answer too. */
	for (int i = 0; i < 45; i++) {
		struct mutation *mu = mutation_new("a", "b", "c");

		for (uint64_t k = 0; k < LIMIT_MUTATION; k++) {
			struct draft *d = mutation_add(mu);

			d->id = test_id(100000 + k);
			d->kind = TEST_KIND;
		}
		assert_int_equal(test_commit(&m, mu, NULL), ERR_NOSPACE);
	}
	vfs_fault_heal(m.disk);
	assert_int_equal(test_commit(&m, test_put(2, 0, 5000), NULL), 0);
	assert_null(trouble());
	assert_true(in_store(2, 1) && in_store(1, 1));
	assert_digest(&m);
}

/* A beat says that the signer is there again, and nothing about the disk. */
static void
test_trouble_of_two_kinds(void **state)
{
	(void)state;
	m.signer.dead = true;
	assert_int_equal(test_commit(&m, test_put(1, 0, 10), NULL), ERR_UNAVAIL);
	m.signer.dead = false;
	assert_int_equal(test_commit(&m, test_put(1, 0, 10), NULL), 0);
	assert_null(trouble());
	vfs_fault_fail(m.disk, VFS_WRITE, 1, VFS_ENOSPC, true);
	assert_int_equal(test_commit(&m, test_put(2, 0, 5000), NULL), ERR_NOSPACE);
	virtual_pass(&m.time, 11000);
	assert_non_null(trouble());
	vfs_fault_heal(m.disk);
}

/* Every try uses up a beat: when those that are reserved are gone, there must be more. */
static void
test_beats_after_hours(void **state)
{
	const uint64_t minute = 60000;
	uint64_t beats;

	(void)state;
	m.signer.unreachable = true;
	virtual_pass(&m.time, 70 * minute);
	m.signer.unreachable = false;
	beats = m.beats;
	virtual_pass(&m.time, 11000);
	assert_in_range(m.beats, beats + 2, beats + 3);
	/* Without room on the disk nothing can be reserved; with it, heads go on by themselves. */
	vfs_fault_fail(m.disk, VFS_WRITE, 1, VFS_ENOSPC, true);
	virtual_pass(&m.time, 360 * minute);
	vfs_fault_heal(m.disk);
	beats = m.beats;
	virtual_pass(&m.time, 11000);
	assert_in_range(m.beats, beats + 2, beats + 3);
	assert_null(trouble());
}

/* The n-th operation of the disk fails: what was acknowledged stays, after a crash as well. */
static void
fault_round(enum vfs_op op, uint64_t n, bool sticky, bool *hit)
{
	uint64_t acked[6] = {0};
	int statuses[6];

	test_manager_init(&m, n * 16 + op);
	assert_int_equal(test_manager_start(&m), 0);
	vfs_fault_fail(m.disk, op, n, VFS_EIO, sticky);
	for (uint64_t i = 0; i < ARRAY_LEN(acked); i++) {
		statuses[i] = test_commit(&m, test_put(i % 3, acked[i % 3], 3000), NULL);
		if (statuses[i] == 0)
			acked[i % 3]++;
		else
			assert_int_equal(statuses[i], ERR_IO);
		virtual_pass(&m.time, 20);
	}
	*hit = vfs_fault_hit(m.disk);
	vfs_fault_heal(m.disk);
	/* Rebuilt by itself, with patience. */
	virtual_pass(&m.time, 20000);
	assert_null(trouble());
	assert_digest(&m);
	assert_int_equal(test_commit(&m, test_put(7, 0, 3000), NULL), 0);
	test_manager_crash(&m);
	assert_int_equal(test_manager_start(&m), 0);
	assert_digest(&m);
	for (uint64_t i = 0; i < 3; i++)
		assert_true(acked[i] == 0 || in_store(i, acked[i]));
	assert_true(in_store(7, 1));
	test_manager_stop(&m);
	test_manager_fini(&m);
}

static void
test_disk_errors(void **state)
{
	static const enum vfs_op ops[] = {VFS_WRITE, VFS_SYNC};
	const unsigned last = rounds(30, 90);
	unsigned count = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
		for (int sticky = 0; sticky < 2; sticky++) {
			bool hit = true;

			/* The rebuilds of a sticky fault never end the writes: bounded by hand. */
			for (uint64_t n = 1; hit && n < last; n++, count++)
				fault_round(ops[i], n, sticky, &hit);
		}
	}
	print_message("commit faults: %u rounds\n", count);
}

/* The power goes at random moments of a run of mutations. */
static void
test_crashes(void **state)
{
	uint64_t acked[8] = {0};
	struct test_done done;
	const unsigned total = rounds(60, 600);
	unsigned in_doubt = 0;

	(void)state;
	test_manager_init(&m, 99);
	assert_int_equal(test_manager_start(&m), 0);
	for (unsigned round = 0; round < total; round++) {
		uint64_t n = round % ARRAY_LEN(acked);

		for (unsigned i = 0; i < round % 5; i++) {
			uint64_t k = (round + i) % ARRAY_LEN(acked);

			assert_int_equal(test_commit(&m, test_put(k, acked[k], 2000), NULL), 0);
			acked[k]++;
		}
		test_submit(&m, test_put(n, acked[n], 2000), &done);
		vfs_fault_fail(m.disk, VFS_ANY, 1 + round % 9, VFS_EIO, true);
		for (unsigned i = 0; i < round % 6 && !done.called; i++)
			virtual_step(&m.time);
		if (done.called && done.status == 0)
			acked[n]++;
		vfs_fault_heal(m.disk);
		test_manager_crash(&m);
		assert_int_equal(test_manager_start(&m), 0);
		assert_digest(&m);
		/* What was not acknowledged may be there, whole, or not. */
		if (in_store(n, acked[n] + 1)) {
			acked[n]++;
			in_doubt++;
		}
		for (size_t k = 0; k < ARRAY_LEN(acked); k++)
			assert_true(acked[k] == 0 || in_store(k, acked[k]));
	}
	print_message("crashes: %u rounds, %u unacknowledged survived\n", total, in_doubt);
	test_manager_stop(&m);
	test_manager_fini(&m);
}

static void
test_damaged_numbers(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(store_meta_set(m.store, "commit", span_str("nonsense"), &err), 0);
	test_manager_stop(&m);
	assert_int_equal(test_manager_start(&m), ERR_PARSE);
	assert_int_equal(test_commit(&m, test_put(1, 0, 10), NULL), ERR_UNAVAIL);
}

int
run_fault_tests(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_signer_dies, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_beats_wait_for_the_signer, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_disk_full, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_trouble_of_two_kinds, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_beats_after_hours, setup, teardown),
	    cmocka_unit_test(test_disk_errors),
	    cmocka_unit_test(test_crashes),
	    cmocka_unit_test_setup_teardown(test_damaged_numbers, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
