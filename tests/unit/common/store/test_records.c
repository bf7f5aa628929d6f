#include "common/base/limits.h"
#include "tests/unit/common/store/store_tests.h"

#include <string.h>

static struct store *store;

static int
setup(void **state)
{
	static unsigned n;
	char name[32];

	(void)state;
	snprintf(name, sizeof(name), "records%u.db", n++);
	store = open_store(store_tmp(name), false);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	store_close(store);
	return 0;
}

/* One record alone, with the fields that a case wants. */
static int
put_one(uint64_t n, uint64_t seq, uint64_t mutation, uint64_t version, uint32_t kind, bool removed)
{
	AUTO(buf_freep)
	struct buf *memory = buf_new(200);
	struct stored_record r = make_record(memory, n, seq, version, 100);
	const struct store_change change = {.records = &r, .record_count = 1};
	struct err err;

	r.mutation = mutation;
	r.kind = kind;
	r.removed = removed;
	return store_apply(store, &change, &err);
}

static void
test_put_get_replace_delete(void **state)
{
	struct id ids[] = {make_id(2), make_id(77)};
	struct store_change change = {.deletes = ids, .delete_count = 2};
	struct position newest;
	uint64_t count;
	struct err err;

	(void)state;
	assert_int_equal(store_extent(store, &newest, &count, &err), 0);
	assert_true(newest.term == 0 && newest.seq == 0 && count == 0);
	put_mutation(store, 1, 3, 100);
	assert_int_equal(put_one(1, 4, 4, 2, 6, false), 0);
	assert_record(store, 1, 2, 100);
	assert_record(store, 3, 1, 100);
	assert_int_equal(store_extent(store, &newest, &count, &err), 0);
	assert_true(newest.term == TERM && newest.seq == 4 && count == 3);
	assert_int_equal(store_apply(store, &change, &err), 0);
	assert_false(has_record(store, 2));
	assert_true(has_record(store, 3));
}

static int
count_one(const struct stored_record *r, void *arg, struct err *err)
{
	size_t *n = arg;

	n[r->body.len > 0 ? 1 : 0]++;
	return n[0] + n[1] == 40 ? err_set(err, ERR_CANCELED, "enough") : 0;
}

static void
test_each(void **state)
{
	struct err err;

	(void)state;
	put_mutation(store, 1, 30, 5000);
	for (int bodies = 0; bodies < 2; bodies++) {
		size_t n[2] = {0, 0};

		assert_int_equal(store_each(store, STORE_ALL_KINDS, bodies, count_one, n, &err), 0);
		assert_int_equal(n[bodies], 30);
		assert_int_equal(store_each(store, 7, bodies, count_one, n, &err), ERR_CANCELED);
		assert_int_equal(n[bodies], 40);
		n[bodies] = 0;
		assert_int_equal(store_each(store, 6, bodies, count_one, n, &err), 0);
		assert_int_equal(n[bodies], 15);
		assert_int_equal(store_each(store, 5, bodies, count_one, n, &err), 0);
		assert_int_equal(n[bodies], 15);
	}
}

static size_t
page(uint64_t after, size_t bytes, size_t max, uint64_t *last, bool *more)
{
	struct store_records *list = NULL;
	struct err err;
	size_t n;

	assert_int_equal(
	    store_page(store, (struct position){TERM, after}, bytes, max, &list, more, &err), 0);
	for (size_t i = 1; i < list->count; i++)
		assert_true(position_compare(list->items[i - 1].at, list->items[i].at) < 0);
	n = list->count;
	*last = n > 0 ? list->items[n - 1].at.seq : 0;
	store_records_free(list);
	return n;
}

static void
test_pages_keep_mutations_whole(void **state)
{
	/* Mutations at seqs 1-3, 4-5, 6, 7-10; 125 bytes a record with signature and overhead. */
	static const struct {
		uint64_t after;
		size_t bytes, max, count;
		bool more;
	} cases[] = {
	    {0, 10000, 100, 10, false},
	    {10, 10000, 100, 0, false},
	    {0, 10000, 9, 6, true},
	    {0, 10000, 6, 6, true},
	    {0, 10000, 5, 5, true},
	    {0, 10000, 4, 3, true},
	    {0, 10000, 1, 3, true},
	    {0, 1, 100, 3, true},
	    {0, 5 * 125, 100, 5, true},
	    {0, 5 * 125 - 1, 100, 3, true},
	    {6, 1, 1, 4, false},
	    {5, 1, 1, 1, true},
	    /* A cursor inside a mutation gives its rest. */
	    {8, 10000, 100, 2, false},
	};

	(void)state;
	put_mutation(store, 1, 3, 100);
	put_mutation(store, 4, 2, 100);
	put_mutation(store, 6, 1, 100);
	put_mutation(store, 7, 4, 100);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t last;
		bool more;
		size_t n = page(cases[i].after, cases[i].bytes, cases[i].max, &last, &more);

		if (n != cases[i].count || more != cases[i].more)
			fail_msg("case %zu: %zu records, %d", i, n, more);
	}
}

/* Records of another term with the same mutation number are another mutation. */
static void
test_page_over_terms(void **state)
{
	AUTO(buf_freep)
	struct buf *memory = buf_new(200);
	struct stored_record r = make_record(memory, 50, 1, 1, 100);
	const struct store_change change = {.records = &r, .record_count = 1};
	struct err err;
	uint64_t last;
	bool more;

	(void)state;
	put_mutation(store, 1, 2, 100);
	r.at.term = TERM + 1;
	r.mutation = 1;
	assert_int_equal(store_apply(store, &change, &err), 0);
	assert_int_equal(page(0, 10000, 2, &last, &more), 2);
	assert_true(more);
	assert_int_equal(page(0, 10000, 3, &last, &more), 3);
	assert_false(more);
}

static void
test_floor_and_tombstones(void **state)
{
	struct position floor = {9, 9};
	struct id *ids = NULL;
	size_t count = 0;
	struct err err;

	(void)state;
	assert_int_equal(store_floor(store, 1000000, &floor, &err), 0);
	assert_true(floor.term == 0 && floor.seq == 0);
	/* Committed at seq seconds. */
	assert_int_equal(put_one(1, 1, 1, 1, 6, true), 0);
	assert_int_equal(put_one(2, 2, 2, 1, 3, true), 0); /* NODE */
	assert_int_equal(put_one(3, 3, 3, 1, 2, true), 0); /* DESIGNATION */
	assert_int_equal(put_one(4, 4, 4, 1, 6, false), 0);
	assert_int_equal(put_one(5, 5, 5, 1, 7, true), 0);
	assert_int_equal(put_one(6, 6, 6, 1, 6, false), 0);
	assert_int_equal(put_one(7, 7, 7, 1, 6, true), 0);
	static const struct {
		int64_t before_ms;
		uint64_t seq;
		size_t count;
	} cases[] = {{500, 0, 0}, {1000, 0, 0}, {1001, 1, 1}, {5000, 1, 1}, {5001, 5, 2},
	    {7001, 7, 3}, {INT64_MAX, 7, 3}};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(store_floor(store, cases[i].before_ms, &floor, &err), 0);
		assert_int_equal(floor.seq, cases[i].seq);
		assert_int_equal(store_tombstones(store, floor, &ids, &count, &err), 0);
		assert_int_equal(count, cases[i].count);
		mem_free(ids);
	}
}

static int
fail_late(struct store *s, void *arg, struct err *err)
{
	const struct id *id = arg;
	struct store_records *found = NULL;

	/* It sees what the transaction has done so far. */
	if (store_get(s, id, &found, err) < 0)
		return ERR_BUG;
	store_records_free(found);
	return err_set(err, ERR_CONFLICT, "not today");
}

static void
test_all_or_nothing(void **state)
{
	AUTO(buf_freep)
	struct buf *memory = buf_new(200);
	AUTO(buf_freep)
	struct buf *value = buf_new(200);
	struct stored_record r = make_record(memory, 9, 9, 1, 100);
	struct store_meta metas[] = {{"a", span_str("1")}, {"b", span_str("")}};
	struct id gone = make_id(1);
	struct store_change change = {
	    .records = &r,
	    .record_count = 1,
	    .deletes = &gone,
	    .delete_count = 1,
	    .metas = metas,
	    .meta_count = 2,
	    .hook = fail_late,
	    .hook_arg = &r.id,
	};
	struct err err;

	(void)state;
	put_mutation(store, 1, 1, 100);
	assert_int_equal(store_apply(store, &change, &err), ERR_CONFLICT);
	assert_string_equal(err.text, "not today");
	assert_false(has_record(store, 9));
	assert_true(has_record(store, 1));
	assert_int_equal(store_meta_get(store, "a", value, &err), ERR_NOTFOUND);
	change.hook = NULL;
	assert_int_equal(store_apply(store, &change, &err), 0);
	assert_true(has_record(store, 9));
	assert_false(has_record(store, 1));
	assert_int_equal(store_meta_get(store, "a", value, &err), 0);
	assert_int_equal(store_meta_get(store, "b", value, &err), 0);
	assert_string_equal(buf_str(value), "1");
	assert_int_equal(store_meta_set(store, "a", SPAN(NULL, 0), &err), 0);
	assert_int_equal(store_meta_get(store, "a", value, &err), ERR_NOTFOUND);
}

static void
test_limits(void **state)
{
	AUTO(buf_freep)
	struct buf *memory = buf_new(LIMIT_RECORD + 2);
	struct stored_record r = make_record(memory, 1, 1, 1, LIMIT_RECORD + 1);
	const struct store_change change = {.records = &r, .record_count = 1};
	char name[LIMIT_NAME + 2];
	struct err err;

	(void)state;
	assert_int_equal(store_apply(store, &change, &err), ERR_LIMIT);
	r.body.len--;
	assert_int_equal(store_apply(store, &change, &err), 0);
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	r.name = name;
	assert_int_equal(store_apply(store, &change, &err), ERR_LIMIT);
	r.name = name + 1;
	assert_int_equal(store_apply(store, &change, &err), 0);
	r.at.seq = UINT64_C(1) << 63;
	assert_int_equal(store_apply(store, &change, &err), ERR_INVALID);
	/* Two records at one place: the log would not be in order. */
	assert_int_equal(put_one(2, 1, 1, 1, 6, false), ERR_INVALID);
	assert_false(store_has_failed(store));
}

int
run_records_tests(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_put_get_replace_delete, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_each, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_pages_keep_mutations_whole, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_page_over_terms, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_floor_and_tombstones, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_all_or_nothing, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
