#include "tests/unit/server/publish/publish_tests.h"

#include <string.h>

#define TERM 5

/* Record n at seq, of the mutation that began at mutation; 100 bytes with its signature. */
static void
put(struct ring *r, uint64_t n, uint64_t seq, uint64_t mutation, bool removed)
{
	static const uint8_t bytes[90];
	struct record record = {
	    .id = test_id(n),
	    .kind = 6,
	    .term = TERM,
	    .seq = seq,
	    .mutation = mutation,
	    .removed = removed,
	};
	const struct committed c = {
	    .record = &record, .signed_record = {SPAN_OF(bytes), SPAN("0123456789", 10)}};

	ring_add(r, &c);
}

static size_t
collect(const struct ring *r, uint64_t cursor, size_t max_bytes, bool *more)
{
	struct signed_bytes *list = NULL;
	size_t count = 0;

	if (!ring_collect(r, (struct position){TERM, cursor}, max_bytes, &list, &count, more))
		return SIZE_MAX;
	mem_free(list);
	return count;
}

static void
test_collect(void **state)
{
	/* Mutations at 1-3, 4-5, 6, 7-10; with tags and lengths a record takes 106 bytes. */
	static const struct {
		uint64_t cursor;
		size_t max_bytes, count;
		bool more;
	} cases[] = {
	    {0, 10000, 10, false},
	    {10, 10000, 0, false},
	    {99, 10000, 0, false},
	    {0, 1, 3, true},
	    {0, 106 * 5, 5, true},
	    {0, 106 * 5 - 1, 3, true},
	    {0, 106 * 9, 6, true},
	    {6, 1, 4, false},
	    {5, 1, 1, true},
	};
	static const uint64_t mutation[] = {1, 1, 1, 4, 4, 6, 7, 7, 7, 7};
	struct ring r;

	(void)state;
	ring_init(&r, 1000000);
	ring_begin(&r, (struct position){TERM, 0});
	for (uint64_t i = 0; i < 10; i++)
		put(&r, i, i + 1, mutation[i], false);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		bool more;
		size_t n = collect(&r, cases[i].cursor, cases[i].max_bytes, &more);

		if (n != cases[i].count || more != cases[i].more)
			fail_msg("case %zu: %zu, %d", i, n, more);
	}
	ring_fini(&r);
}

static void
test_only_the_latest(void **state)
{
	struct ring r;
	bool more;

	(void)state;
	ring_init(&r, 1000000);
	ring_begin(&r, (struct position){TERM, 0});
	for (uint64_t seq = 1; seq <= 200; seq++)
		put(&r, seq % 3, seq, seq, false);
	assert_int_equal(collect(&r, 0, 100000, &more), 3);
	assert_int_equal(collect(&r, 198, 100000, &more), 2);
	assert_int_equal(r.bytes, 300);
	/* A tombstone under the floor is gone, others are not. */
	put(&r, 0, 201, 201, true);
	put(&r, 1, 202, 202, true);
	ring_purge(&r, (struct position){TERM, 201});
	assert_int_equal(collect(&r, 0, 100000, &more), 2);
	ring_purge(&r, (struct position){TERM, 202});
	assert_int_equal(collect(&r, 0, 100000, &more), 1);
	/* It may come again. */
	put(&r, 0, 203, 203, false);
	assert_int_equal(collect(&r, 0, 100000, &more), 2);
	ring_fini(&r);
}

static void
test_reach(void **state)
{
	struct ring r;
	bool more;

	(void)state;
	ring_init(&r, 1000);
	ring_begin(&r, (struct position){TERM, 7});
	assert_int_equal(collect(&r, 6, 1000, &more), SIZE_MAX);
	assert_int_equal(collect(&r, 7, 1000, &more), 0);
	for (uint64_t seq = 8; seq < 100; seq++)
		put(&r, seq, seq, seq, false);
	assert_true(r.bytes <= 1000);
	assert_int_equal(collect(&r, 88, 100000, &more), SIZE_MAX);
	assert_int_equal(collect(&r, 89, 100000, &more), 10);
	/* A lower term is behind, whatever its seq. */
	struct signed_bytes *list = NULL;
	size_t count;

	assert_false(
	    ring_collect(&r, (struct position){TERM - 1, 1000}, 1000, &list, &count, &more));
	ring_begin(&r, (struct position){TERM, 500});
	assert_int_equal(r.bytes, 0);
	assert_int_equal(collect(&r, 500, 1000, &more), 0);
	ring_fini(&r);
}

int
run_ring_tests(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_collect),
	    cmocka_unit_test(test_only_the_latest),
	    cmocka_unit_test(test_reach),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
