#include "tests/support/rounds.h"
#include "tests/unit/common/store/store_tests.h"

#include <string.h>

/*
 * A run of commits on the disk in memory. What was acknowledged is a number: records 1 to acked are
 * there in whole mutations of three, and a mutation beyond may be there whole after a crash.
 */
#define MUTATION 3
#define MUTATIONS 4
#define BODY 900

struct run {
	struct vfs_fault *disk;
	struct store_params params;
	struct store *store;
	uint64_t acked;
	int error;
	bool rebuilding; /* the error came from there */
};

static void
run_init(struct run *r, uint64_t seed)
{
	*r = (struct run){.disk = vfs_fault_new("fault", seed)};
	r->params = (struct store_params){.path = "/disk/store.db", .full = true};
	vfs_fault_use(r->disk, &r->params);
}

static void
run_fini(struct run *r)
{
	store_close(r->store);
	vfs_fault_free(r->disk);
}

static int
put_three(struct store *s, uint64_t first, struct err *err)
{
	struct buf memory[MUTATION];
	struct stored_record records[MUTATION];
	const struct store_change change = {.records = records, .record_count = MUTATION};
	int r;

	for (size_t i = 0; i < MUTATION; i++) {
		memory[i] = BUF_INIT(BODY + 1);
		records[i] = make_record(&memory[i], first + i, first + i, 1, BODY);
		records[i].mutation = first;
	}
	r = store_apply(s, &change, err);
	for (size_t i = 0; i < MUTATION; i++)
		buf_fini(&memory[i]);
	return r;
}

/* Goes on until the first error. */
static void
commit_some(struct run *r)
{
	struct err err;

	r->error = 0;
	if (r->store == NULL)
		r->error = store_open(&r->params, &r->store, &err);
	for (size_t i = 0; r->error == 0 && i < MUTATIONS; i++) {
		r->error = put_three(r->store, r->acked + 1, &err);
		if (r->error == 0)
			r->acked += MUTATION;
		if (r->error == 0 && i == 1) {
			store_close(r->store); /* moves the log into the file, if it can */
			r->store = NULL;
			r->error = store_open(&r->params, &r->store, &err);
		}
		if (r->error == 0 && i == MUTATIONS / 2) {
			r->error = store_rebuild(r->store, NULL, &err);
			r->rebuilding = r->error != 0;
		}
	}
}

/* How many records there are: acked, or a whole mutation more. */
static void
check_content(struct run *r)
{
	uint64_t n = 0;

	while (has_record(r->store, n + 1))
		assert_record(r->store, ++n, 1, BODY);
	if (n != r->acked && n != r->acked + MUTATION)
		fail_msg("%d records, acknowledged %d", (int)n, (int)r->acked);
	r->acked = n;
}

static void
crash_and_check(struct run *r)
{
	struct err err;

	vfs_fault_crash(r->disk);
	store_close(r->store);
	r->store = NULL;
	r->params.check = STORE_CHECK_BODIES;
	if (store_open(&r->params, &r->store, &err) < 0)
		fail_msg("after a crash: %s", err.text);
	check_content(r);
}

static void
one_fault(enum vfs_op op, uint64_t n, enum vfs_how how, bool sticky, bool *hit)
{
	struct run r;
	struct err err;

	run_init(&r, n * 8 + op * 2 + how);
	vfs_fault_fail(r.disk, op, n, how, sticky);
	commit_some(&r);
	*hit = vfs_fault_hit(r.disk);
	vfs_fault_heal(r.disk);
	if (r.error != 0) {
		bool io = r.error == ERR_IO, full = r.error == ERR_NOSPACE;

		if (!io && !full)
			fail_msg("op %d n %d: error %d", (int)op, (int)n, r.error);
		/* A commit that finds no space leaves the store as it was. */
		if (full && op == VFS_WRITE && r.store != NULL && !r.rebuilding)
			assert_false(store_has_failed(r.store));
		if (io && r.store != NULL && !r.rebuilding)
			assert_true(store_has_failed(r.store));
	}
	if (r.store != NULL && store_has_failed(r.store)) {
		int result = put_three(r.store, 1000, &err);

		assert_int_equal(result, ERR_IO);
		assert_int_equal(store_rebuild(r.store, NULL, &err), 0);
		assert_false(store_has_failed(r.store));
	}
	if (r.store != NULL)
		check_content(&r);
	commit_some(&r);
	if (r.error != 0)
		fail_msg("op %d n %d: error %d after healing", (int)op, (int)n, r.error);
	crash_and_check(&r);
	run_fini(&r);
}

/* Each operation of the first commits, of the later ones every third; at night all of them. */
static uint64_t
next_place(uint64_t n)
{
	return n + (n < 40 ? 1 : rounds(3, 1));
}

static void
fault_loop(enum vfs_op op, enum vfs_how how)
{
	unsigned count = 0;

	for (int sticky = 0; sticky < 2; sticky++) {
		bool hit = true;

		for (uint64_t n = 1; hit; n = next_place(n), count++)
			one_fault(op, n, how, sticky, &hit);
	}
	print_message("fault loop: %u rounds\n", count);
}

static void
test_write_errors(void **state)
{
	(void)state;
	fault_loop(VFS_WRITE, VFS_EIO);
}

static void
test_disk_full(void **state)
{
	(void)state;
	fault_loop(VFS_WRITE, VFS_ENOSPC);
}

static void
test_sync_errors(void **state)
{
	(void)state;
	fault_loop(VFS_SYNC, VFS_EIO);
}

static void
test_open_errors(void **state)
{
	(void)state;
	fault_loop(VFS_OPEN, VFS_EIO);
}

/* The power goes at the n-th operation: all after it fail, then the unsynced is dropped. */
static void
test_crash_anywhere(void **state)
{
	bool hit = true;
	unsigned count = 0;

	(void)state;
	for (uint64_t n = 1; hit; n = next_place(n), count++) {
		struct run r;

		run_init(&r, n);
		vfs_fault_fail(r.disk, VFS_ANY, n, VFS_EIO, true);
		commit_some(&r);
		hit = vfs_fault_hit(r.disk);
		vfs_fault_crash(r.disk);
		vfs_fault_heal(r.disk);
		store_close(r.store);
		r.store = NULL;
		commit_some(&r);
		if (r.error != 0)
			fail_msg("crash at %d: error %d", (int)n, r.error);
		crash_and_check(&r);
		run_fini(&r);
	}
	print_message("crash loop: %u rounds\n", count);
}

/* The test of the tests: on a disk whose syncs do nothing, a crash must lose something. */
static void
test_a_lying_disk_is_noticed(void **state)
{
	unsigned lost = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct run r;
		struct err err;
		int opened;

		run_init(&r, seed);
		commit_some(&r);
		vfs_fault_lie(r.disk, true);
		commit_some(&r);
		assert_int_equal(r.error, 0);
		vfs_fault_crash(r.disk);
		store_close(r.store);
		r.store = NULL;
		opened = store_open(&r.params, &r.store, &err);
		lost += opened < 0 || !has_record(r.store, r.acked);
		run_fini(&r);
	}
	assert_true(lost > 10);
}

/* NORMAL may lose the last commits, never the file, and nothing before one that was forced. */
static void
test_normal_after_a_crash(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 30; seed++) {
		struct run r;
		struct err err;
		const struct store_change force = {.force_full = true,
		    .metas = &(struct store_meta){"x", span_str("y")},
		    .meta_count = 1};
		uint64_t n = 0;

		run_init(&r, seed);
		r.params.full = false;
		commit_some(&r);
		assert_int_equal(r.error, 0);
		if (seed % 2 == 0)
			assert_int_equal(store_apply(r.store, &force, &err), 0);
		vfs_fault_crash(r.disk);
		store_close(r.store);
		r.store = NULL;
		r.params.check = STORE_CHECK_BODIES;
		assert_int_equal(store_open(&r.params, &r.store, &err), 0);
		while (has_record(r.store, n + 1))
			n++;
		assert_int_equal(n % MUTATION, 0);
		if (seed % 2 == 0)
			assert_int_equal(n, r.acked);
		run_fini(&r);
	}
}

/* The end of a process swallows a failed sync; the next one must not build on what it left. */
static void
fail_sync_at_the_end(uint64_t seed, bool full, const struct store_change *last)
{
	struct run r;
	struct err err;

	run_init(&r, seed);
	r.params.full = full;
	assert_int_equal(store_open(&r.params, &r.store, &err), 0);
	for (int i = 0; i < 2; i++, r.acked += MUTATION)
		assert_int_equal(put_three(r.store, r.acked + 1, &err), 0);
	vfs_fault_fail(r.disk, VFS_SYNC, 1 + seed % 2, VFS_EIO, false);
	store_close(r.store);
	assert_true(vfs_fault_hit(r.disk));
	vfs_fault_heal(r.disk);
	r.store = NULL;
	assert_int_equal(store_open(&r.params, &r.store, &err), 0);
	assert_int_equal(put_three(r.store, r.acked + 1, &err), 0);
	r.acked += MUTATION;
	if (last != NULL)
		assert_int_equal(store_apply(r.store, last, &err), 0);
	vfs_fault_crash(r.disk);
	store_close(r.store);
	r.store = NULL;
	assert_int_equal(store_open(&r.params, &r.store, &err), 0);
	assert_true(has_record(r.store, r.acked));
	run_fini(&r);
}

static void
test_failed_sync_at_the_end(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++)
		fail_sync_at_the_end(seed, true, NULL);
}

/* The same for what a replica commits durably: nothing of it stands behind what is perhaps lost. */
static void
test_failed_sync_of_a_replica(void **state)
{
	const struct store_change force = {
	    .force_full = true, .metas = &(struct store_meta){"x", span_str("y")}, .meta_count = 1};

	(void)state;
	for (uint64_t seed = 1; seed <= 30; seed++)
		fail_sync_at_the_end(seed, false, &force);
}

/* A replica whose disk takes no more is still read, and serves; it changes nothing. */
static void
test_replica_on_a_dead_disk(void **state)
{
	struct run r;
	struct err err;

	(void)state;
	run_init(&r, 1);
	r.params.full = false;
	assert_int_equal(store_open(&r.params, &r.store, &err), 0);
	assert_int_equal(put_three(r.store, 1, &err), 0);
	vfs_fault_fail(r.disk, VFS_WRITE, 1, VFS_EIO, true);
	store_close(r.store);
	r.store = NULL;
	assert_int_equal(store_open(&r.params, &r.store, &err), 0);
	assert_true(has_record(r.store, MUTATION));
	assert_true(store_has_failed(r.store));
	assert_int_equal(put_three(r.store, 1 + MUTATION, &err), ERR_IO);
	vfs_fault_heal(r.disk);
	assert_int_equal(store_rebuild(r.store, NULL, &err), 0);
	assert_int_equal(put_three(r.store, 1 + MUTATION, &err), 0);
	run_fini(&r);
}

int
run_fault_tests(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_write_errors),
	    cmocka_unit_test(test_disk_full),
	    cmocka_unit_test(test_sync_errors),
	    cmocka_unit_test(test_open_errors),
	    cmocka_unit_test(test_crash_anywhere),
	    cmocka_unit_test(test_a_lying_disk_is_noticed),
	    cmocka_unit_test(test_normal_after_a_crash),
	    cmocka_unit_test(test_failed_sync_at_the_end),
	    cmocka_unit_test(test_failed_sync_of_a_replica),
	    cmocka_unit_test(test_replica_on_a_dead_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
