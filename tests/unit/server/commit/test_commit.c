#include "common/base/map.h"
#include "common/crypto/sign.h"
#include "common/store/digest.h"
#include "tests/unit/server/commit/commit_tests.h"

#include <string.h>
#include <time.h>

static struct test_manager m;

static int
setup(void **state)
{
	(void)state;
	test_manager_init(&m, 7);
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

static int
add(const struct stored_record *r, void *arg, struct err *err)
{
	struct hash hash;

	(void)err;
	hash_of(r->body, &hash);
	digest_set(arg, &r->id, &hash);
	return 0;
}

void
assert_digest(struct test_manager *manager)
{
	AUTO(digest_freep)
	struct digest *d = digest_new();
	struct hash root;
	struct err err;

	assert_int_equal(store_each(manager->store, STORE_ALL_KINDS, true, add, d, &err), 0);
	digest_root(d, &root);
	assert_true(hash_equal(&root, &commit_head(manager->commit, NULL)->digest));
}

static uint64_t
version_in_store(uint64_t n, bool *removed)
{
	struct store_records *list = NULL;
	struct id id = test_id(n);
	struct err err;
	uint64_t version;

	if (store_get(m.store, &id, &list, &err) == ERR_NOTFOUND)
		return 0;
	version = list->items[0].version;
	if (removed != NULL)
		*removed = list->items[0].removed;
	store_records_free(list);
	return version;
}

static void
test_versions(void **state)
{
	struct test_done done;
	bool removed = false;

	(void)state;
	assert_int_equal(test_commit(&m, test_put(1, 0, 100), &done), 0);
	assert_int_equal(done.seq, m.head.seq);
	assert_int_equal(test_commit(&m, test_put(1, 1, 100), NULL), 0);
	assert_int_equal(version_in_store(1, NULL), 2);
	/* stale, too new, new where there is one, gone where there is none */
	assert_int_equal(test_commit(&m, test_put(1, 1, 100), &done), ERR_CONFLICT);
	assert_non_null(strstr(done.err.text, "version 2, expected 1"));
	assert_int_equal(test_commit(&m, test_put(1, 3, 100), NULL), ERR_CONFLICT);
	assert_int_equal(test_commit(&m, test_put(1, 0, 100), NULL), ERR_CONFLICT);
	assert_int_equal(test_commit(&m, test_remove(9, 1), NULL), ERR_CONFLICT);
	assert_int_equal(test_commit(&m, test_remove(9, 0), NULL), ERR_INVALID);
	assert_int_equal(test_commit(&m, test_remove(1, 2), NULL), 0);
	assert_int_equal(version_in_store(1, &removed), 3);
	assert_true(removed);
	assert_int_equal(test_commit(&m, test_put(1, 0, 100), NULL), ERR_CONFLICT);
	assert_int_equal(test_commit(&m, test_remove(1, 3), NULL), ERR_CONFLICT);
	/* Its name is free again, for another id. */
	struct mutation *again = test_put(2, 0, 10);

	memcpy(again->drafts[0].name, "name1", 6);
	assert_int_equal(test_commit(&m, again, NULL), 0);
	/* Whoever knows the tombstone brings the id back. */
	again = test_put(1, 3, 100);
	memcpy(again->drafts[0].name, "other", 6);
	assert_int_equal(test_commit(&m, again, NULL), 0);
	assert_int_equal(version_in_store(1, &removed), 4);
	assert_false(removed);
	assert_digest(&m);
}

static struct draft *
add_draft(struct mutation *mu, uint64_t n, uint64_t expect, const char *name)
{
	struct draft *d = mutation_add(mu);

	d->id = test_id(n);
	d->kind = TEST_KIND;
	d->expect_version = expect;
	snprintf(d->name, sizeof(d->name), "%s", name);
	return d;
}

static struct mutation *
named(uint64_t n, uint64_t expect, const char *name)
{
	struct mutation *mu = mutation_new("tester", "cert.add", name);

	add_draft(mu, n, expect, name);
	return mu;
}

static struct mutation *
expecting(uint64_t n, uint64_t other, uint64_t version)
{
	struct mutation *mu = test_put(n, 0, 10);
	struct id id = test_id(other);

	mutation_expect(mu, &id, version);
	return mu;
}

/* What a mutation builds on must be as it was, also within one batch. */
static void
test_expected(void **state)
{
	struct test_done done, dones[6];

	(void)state;
	assert_int_equal(test_commit(&m, test_put(1, 0, 10), NULL), 0);
	assert_int_equal(test_commit(&m, expecting(2, 1, 1), NULL), 0);
	assert_int_equal(test_commit(&m, expecting(3, 1, 2), &done), ERR_CONFLICT);
	assert_non_null(strstr(done.err.text, "changed meanwhile"));
	assert_int_equal(test_commit(&m, expecting(3, 9, 1), NULL), ERR_CONFLICT);
	test_submit(&m, test_put(1, 1, 10), &dones[0]);
	test_submit(&m, expecting(3, 1, 1), &dones[1]);
	test_submit(&m, expecting(4, 1, 2), &dones[2]);
	test_submit(&m, test_remove(1, 2), &dones[3]);
	test_submit(&m, expecting(5, 1, 2), &dones[4]);
	test_submit(&m, expecting(6, 1, 3), &dones[5]);
	for (size_t i = 0; i < ARRAY_LEN(dones); i++)
		assert_true(virtual_until(&m.time, test_is_done, &dones[i], 1000));
	assert_int_equal(dones[0].status, 0);
	assert_int_equal(dones[1].status, ERR_CONFLICT);
	assert_int_equal(dones[2].status, 0);
	assert_int_equal(dones[3].status, 0);
	assert_int_equal(dones[4].status, ERR_CONFLICT);
	assert_int_equal(dones[5].status, ERR_CONFLICT);
	assert_int_equal(version_in_store(3, NULL), 0);
	assert_digest(&m);
}

static int
is_committed(void *arg, const struct mutation *mu, struct err *err)
{
	(void)mu;
	return version_in_store(*(uint64_t *)arg, NULL) > 0
	    ? 0
	    : err_set(err, ERR_BUSY, "what came before is not committed");
}

/* A check sees all that came before it, and nothing else with it. */
static void
test_checked(void **state)
{
	struct test_done dones[3], done;
	struct mutation *mu = test_put(2, 0, 10);
	uint64_t n = 1, none = 9;

	(void)state;
	mu->check = is_committed;
	mu->check_arg = &n;
	test_submit(&m, test_put(1, 0, 10), &dones[0]);
	test_submit(&m, mu, &dones[1]);
	test_submit(&m, test_put(3, 0, 10), &dones[2]);
	assert_true(virtual_until(&m.time, test_is_done, &dones[2], 1000));
	for (size_t i = 0; i < ARRAY_LEN(dones); i++)
		assert_int_equal(dones[i].status, 0);
	mu = test_put(4, 0, 10);
	mu->check = is_committed;
	mu->check_arg = &none;
	assert_int_equal(test_commit(&m, mu, &done), ERR_BUSY);
	assert_int_equal(version_in_store(4, NULL), 0);
	assert_digest(&m);
}

static void
test_names(void **state)
{
	struct test_done done, dones[5];
	struct mutation *mu;

	(void)state;
	assert_int_equal(test_commit(&m, named(1, 0, "a"), NULL), 0);
	assert_int_equal(test_commit(&m, named(2, 0, "a"), &done), ERR_EXISTS);
	assert_non_null(strstr(done.err.text, "'a' already"));
	/* The same name of another kind, and no name at all, are not in the way. */
	mu = named(3, 0, "a");
	mu->drafts[0].kind = TEST_KIND + 1;
	assert_int_equal(test_commit(&m, mu, NULL), 0);
	assert_int_equal(test_commit(&m, named(4, 0, ""), NULL), 0);
	assert_int_equal(test_commit(&m, named(5, 0, ""), NULL), 0);
	/* One batch: a name given away in it is free, a name taken in it is not. */
	test_submit(&m, named(1, 1, "b"), &dones[0]);
	test_submit(&m, named(6, 0, "a"), &dones[1]);
	test_submit(&m, named(7, 0, "b"), &dones[2]);
	test_submit(&m, named(6, 1, "c"), &dones[3]);
	test_submit(&m, named(7, 0, "a"), &dones[4]);
	assert_true(virtual_until(&m.time, test_is_done, &dones[4], 1000));
	assert_int_equal(dones[0].status, 0);
	assert_int_equal(dones[1].status, 0);
	assert_int_equal(dones[2].status, ERR_EXISTS);
	assert_int_equal(dones[3].status, 0);
	assert_int_equal(dones[4].status, 0);
	/* Two of one mutation with one name; and a swap within one, which is fine. */
	mu = named(10, 0, "x");
	add_draft(mu, 11, 0, "x");
	assert_int_equal(test_commit(&m, mu, NULL), ERR_EXISTS);
	mu = named(10, 0, "x");
	add_draft(mu, 11, 0, "y");
	assert_int_equal(test_commit(&m, mu, NULL), 0);
	mu = named(10, 1, "z");
	add_draft(mu, 11, 1, "x");
	assert_int_equal(test_commit(&m, mu, NULL), 0);
	assert_digest(&m);
}

static void
test_refused_mutations_leave_nothing(void **state)
{
	struct test_done dones[3];
	struct mutation *mu = named(1, 0, "a");

	(void)state;
	add_draft(mu, 2, 5, "b"); /* conflict, behind one that was fine */
	test_submit(&m, mu, &dones[0]);
	test_submit(&m, named(3, 0, "a"), &dones[1]);
	test_submit(&m, named(1, 0, "d"), &dones[2]);
	assert_true(virtual_until(&m.time, test_is_done, &dones[2], 1000));
	assert_int_equal(dones[0].status, ERR_CONFLICT);
	assert_int_equal(dones[1].status, 0);
	assert_int_equal(dones[2].status, 0);
	assert_int_equal(m.batches, 1);
	mu = named(20, 0, "t");
	add_draft(mu, 20, 1, "t");
	assert_int_equal(test_commit(&m, mu, NULL), ERR_INVALID);
	assert_int_equal(test_commit(&m, mutation_new("a", "b", "c"), NULL), ERR_INVALID);
	assert_digest(&m);
}

static void
test_group_commit(void **state)
{
	enum { COUNT = 300 };
	struct test_done *dones = mem_array(COUNT, sizeof(*dones));
	uint64_t first = m.batches;

	(void)state;
	for (uint64_t i = 0; i < COUNT; i++)
		test_submit(&m, test_put(i, 0, 200), &dones[i]);
	assert_true(virtual_until(&m.time, test_is_done, &dones[COUNT - 1], 1000));
	for (size_t i = 0; i < COUNT; i++) {
		assert_int_equal(dones[i].status, 0);
		assert_true(i == 0 || dones[i].seq > dones[i - 1].seq);
	}
	assert_int_equal(m.batches - first, 1);
	assert_int_equal(m.signer.batches, 1);
	assert_digest(&m);
	mem_free(dones);
}

static void
test_limits(void **state)
{
	struct test_done dones[4];
	struct mutation *mu = mutation_new("a", "b", "c");
	char name[16];

	(void)state;
	for (uint64_t i = 0; i <= LIMIT_MUTATION; i++) {
		snprintf(name, sizeof(name), "n%d", (int)i);
		add_draft(mu, i, 0, name);
	}
	assert_int_equal(test_commit(&m, mu, NULL), ERR_LIMIT);
	mu = mutation_new("a", "b", "c");
	for (uint64_t i = 0; i < LIMIT_MUTATION; i++) {
		snprintf(name, sizeof(name), "n%d", (int)i);
		add_draft(mu, i, 0, name);
	}
	assert_int_equal(test_commit(&m, mu, NULL), 0);
	/* 60 KiB each: 50 fit into one mutation, 60 do not; two of 40 take two batches. */
	static const struct {
		size_t records;
		int status;
	} cases[] = {{50, 0}, {60, ERR_LIMIT}, {40, 0}, {40, 0}};
	uint64_t n = 10000, batches = m.batches;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		mu = mutation_new("a", "b", "c");
		for (size_t k = 0; k < cases[i].records; k++) {
			struct draft *d = add_draft(mu, n++, 0, "");

			CHECK(buf_reserve(d->public_part, 60 * 1024) != NULL);
			buf_advance(d->public_part, 60 * 1024);
		}
		test_submit(&m, mu, &dones[i]);
	}
	assert_true(virtual_until(&m.time, test_is_done, &dones[3], 1000));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(dones[i].status, cases[i].status);
	assert_int_equal(m.batches - batches, 3);
	assert_digest(&m);
}

static void
test_beats(void **state)
{
	uint64_t beat = m.head.beat, beats = m.beats;

	(void)state;
	virtual_pass(&m.time, 51000);
	assert_int_equal(m.beats - beats, 10);
	assert_int_equal(m.head.beat - beat, 10);
	/* A commit is a beat as well: the next comes five seconds after it. */
	assert_int_equal(test_commit(&m, test_put(1, 0, 10), NULL), 0);
	beats = m.beats;
	virtual_pass(&m.time, 4900);
	assert_int_equal(m.beats, beats);
	virtual_pass(&m.time, 200);
	assert_int_equal(m.beats, beats + 1);
}

static void
test_numbers_never_come_twice(void **state)
{
	uint64_t seq = m.head.seq, beat = m.head.beat;

	(void)state;
	/* The fake signer checks; here only that a start goes on above. */
	for (int i = 0; i < 5; i++) {
		assert_int_equal(test_commit(&m, test_put(1, (uint64_t)i, 10), NULL), 0);
		assert_true(m.head.seq > seq && m.head.beat > beat);
		seq = m.head.seq;
		beat = m.head.beat;
		if (i % 2 == 0)
			test_manager_crash(&m);
		else
			test_manager_stop(&m);
		assert_int_equal(test_manager_start(&m), 0);
		assert_int_equal(m.head.seq, seq);
		assert_true(m.head.beat > beat);
		assert_digest(&m);
	}
}

/* Beats go on over the end of a block: reservations are extended without any commit. */
static void
test_beats_reserve(void **state)
{
	(void)state;
	virtual_pass(&m.time, UINT64_C(5000) * 9000);
	assert_true(m.beats > 8900);
	assert_int_equal(test_commit(&m, test_put(1, 0, 10), NULL), 0);
}

static void
test_purge(void **state)
{
	struct test_done done;

	(void)state;
	for (uint64_t n = 1; n <= 3; n++)
		assert_int_equal(test_commit(&m, test_put(n, 0, 10), NULL), 0);
	assert_int_equal(test_commit(&m, test_remove(1, 1), NULL), 0);
	virtual_pass(&m.time, 10000);
	assert_int_equal(test_commit(&m, test_remove(2, 1), &done), 0);
	commit_purge(m.commit, 5);
	virtual_pass(&m.time, 1);
	assert_true(m.head.floor.term == m.term.term && m.head.floor.seq < done.seq);
	assert_int_equal(version_in_store(1, NULL), 0);
	assert_int_equal(version_in_store(2, NULL), 2);
	assert_digest(&m);
	/* The newest record may be purged: the head does not go back. */
	virtual_pass(&m.time, 10000);
	commit_purge(m.commit, 5);
	virtual_pass(&m.time, 1);
	assert_int_equal(version_in_store(2, NULL), 0);
	assert_int_equal(m.head.floor.seq, done.seq);
	assert_int_equal(m.head.seq, done.seq);
	assert_digest(&m);
	test_manager_crash(&m);
	assert_int_equal(test_manager_start(&m), 0);
	assert_int_equal(m.head.seq, done.seq);
	assert_int_equal(m.head.floor.seq, done.seq);
	assert_digest(&m);
}

static void
test_purge_by_itself(void **state)
{
	(void)state;
	assert_int_equal(test_commit(&m, test_put(1, 0, 10), NULL), 0);
	assert_int_equal(test_commit(&m, test_remove(1, 1), NULL), 0);
	/* Once a day, whatever the day brought. */
	virtual_sleep(&m.time, UINT64_C(29) * 86400000);
	virtual_pass(&m.time, 1000);
	assert_int_equal(version_in_store(1, NULL), 2);
	virtual_sleep(&m.time, UINT64_C(23) * 3600000);
	virtual_pass(&m.time, 1000);
	assert_int_equal(version_in_store(1, NULL), 2);
	virtual_sleep(&m.time, 3600000);
	virtual_pass(&m.time, 1000);
	assert_int_equal(version_in_store(1, NULL), 0);
	assert_digest(&m);
}

static void
on_closed(void *arg)
{
	*(bool *)arg = true;
}

static void
test_close_ends_everything(void **state)
{
	struct test_done dones[3];
	bool closed = false;
	struct err err;
	struct mutation *mu = test_put(9, 0, 10);

	(void)state;
	test_submit(&m, test_put(1, 0, 10), &dones[0]);
	virtual_step(&m.time); /* under way now */
	test_submit(&m, test_put(2, 0, 10), &dones[1]);
	test_manager_stop(&m);
	assert_true(dones[0].called && dones[0].status == 0);
	assert_true(dones[1].called && dones[1].status == ERR_CANCELED);
	assert_int_equal(test_manager_start(&m), 0);
	assert_int_equal(version_in_store(1, NULL), 1);
	assert_int_equal(version_in_store(2, NULL), 0);
	test_submit(&m, test_put(3, 0, 10), &dones[2]);
	commit_close(m.commit, on_closed, &closed);
	assert_false(closed); /* not before a turn */
	assert_int_equal(commit_submit(m.commit, mu, NULL, NULL, &err), ERR_CANCELED);
	while (!dones[2].called)
		virtual_step(&m.time);
	assert_int_equal(dones[2].status, ERR_CANCELED);
	virtual_pass(&m.time, 100);
	assert_true(closed);
	store_close(m.store);
	assert_int_equal(test_manager_start(&m), 0);
}

static unsigned chained;

static int
audit(void *arg, struct store *s, const struct audit_entry *entries, size_t count,
    struct hash *chain_head, struct err *err)
{
	const struct test_manager *manager = arg;
	struct store_records *found = NULL;

	(void)manager;
	(void)err;
	for (size_t i = 0; i < count; i++) {
		struct id id = test_id(1 + chained);

		/* It runs inside the transaction. */
		assert_int_equal(store_get(s, &id, &found, err), 0);
		assert_int_equal(found->items[0].at.seq, entries[i].seq);
		store_records_free(found);
		assert_string_equal(entries[i].actor, "tester");
		assert_string_equal(entries[i].action, "cert.add");
		chained++;
	}
	memset(chain_head->bytes, 0, HASH_LEN);
	chain_head->bytes[0] = (uint8_t)chained;
	return 0;
}

static void
test_audit(void **state)
{
	(void)state;
	test_manager_stop(&m);
	m.audit = audit;
	chained = 0;
	assert_int_equal(test_manager_start(&m), 0);
	assert_false(m.head.has_audit);
	for (uint64_t n = 1; n <= 3; n++)
		assert_int_equal(test_commit(&m, test_put(n, 0, 10), NULL), 0);
	assert_int_equal(chained, 3);
	virtual_pass(&m.time, 6000);
	assert_true(m.head.has_audit && m.head.audit_head.bytes[0] == 3);
	test_manager_stop(&m);
	assert_int_equal(test_manager_start(&m), 0);
	assert_true(m.head.has_audit && m.head.audit_head.bytes[0] == 3);
	m.audit = NULL;
}

static double
seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void
test_speed(void **state)
{
	enum { COUNT = 5000 };
	struct test_done *dones = mem_array(COUNT, sizeof(*dones));
	double start;

	(void)state;
	start = seconds();
	for (uint64_t i = 0; i < COUNT; i++)
		test_submit(&m, test_put(i, 0, 1500), &dones[i]);
	assert_true(virtual_until(&m.time, test_is_done, &dones[COUNT - 1], 1000));
	print_message("commit: %.0f mutations/s, signing included\n", COUNT / (seconds() - start));
	mem_free(dones);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_versions, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_expected, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_checked, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_names, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_refused_mutations_leave_nothing, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_group_commit, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_beats, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_numbers_never_come_twice, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_beats_reserve, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_purge, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_purge_by_itself, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_close_ends_everything, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_audit, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_speed, setup, teardown),
	};

	test_manager_quiet();
	return cmocka_run_group_tests(tests, NULL, NULL) + run_fault_tests();
}
