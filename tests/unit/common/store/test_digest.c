#include "common/crypto/sign.h"
#include "tests/unit/common/store/store_tests.h"

#include <string.h>
#include <time.h>

static struct hash
body_of(uint64_t n)
{
	struct hash h;

	hash_of(SPAN(&n, sizeof(n)), &h);
	return h;
}

static void
set(struct digest *d, uint64_t n, uint64_t body)
{
	struct id id = make_id(n);
	struct hash h = body_of(body);

	digest_set(d, &id, &h);
}

static struct hash
root(struct digest *d)
{
	struct hash h;

	digest_root(d, &h);
	return h;
}

/* Bytes written out by hand: nothing of the code under test says what the root is. */
static void
test_by_the_definition(void **state)
{
	AUTO(digest_freep)
	struct digest *d = digest_new();
	static struct hash level[DIGEST_BUCKETS];
	struct id low = {{0xab, 0xcd, 1}}, high = {{0xab, 0xce, 0}}, other = {{0xab, 0xd0}};
	struct hash h = body_of(1), g = body_of(2), found;
	uint8_t two[2 * (ID_LEN + HASH_LEN)];

	(void)state;
	digest_set(d, &high, &g); /* not in order */
	digest_set(d, &low, &h);
	digest_set(d, &other, &h);
	memcpy(two, low.bytes, 16);
	memcpy(two + 16, h.bytes, 32);
	memcpy(two + 48, high.bytes, 16);
	memcpy(two + 64, g.bytes, 32);
	hash_of(SPAN(two, 96), &level[0xabc]);
	memcpy(two, other.bytes, 16);
	hash_of(SPAN(two, 48), &level[0xabd]);
	digest_bucket(d, 0xabc, &found);
	assert_true(hash_equal(&found, &level[0xabc]));
	for (size_t n = DIGEST_BUCKETS; n > 1; n /= 2)
		for (size_t i = 0; i < n / 2; i++)
			hash_of_parts((struct span[]){SPAN_OF(level[2 * i].bytes),
					  SPAN_OF(level[2 * i + 1].bytes)},
			    2, &level[i]);
	digest_root(d, &found);
	assert_true(hash_equal(&found, &level[0]));
}

static void
test_empty_and_back(void **state)
{
	AUTO(digest_freep)
	struct digest *d = digest_new();
	struct id id = make_id(1);
	struct hash empty = root(d), zero = {{0}}, h;

	(void)state;
	digest_bucket(d, 7, &h);
	assert_true(hash_equal(&h, &zero));
	assert_false(digest_remove(d, &id));
	set(d, 1, 1);
	h = root(d);
	assert_false(hash_equal(&h, &empty));
	assert_int_equal(digest_count(d), 1);
	assert_true(digest_remove(d, &id));
	assert_null(digest_get(d, &id));
	h = root(d);
	assert_true(hash_equal(&h, &empty));
	set(d, 1, 1);
	digest_clear(d);
	assert_int_equal(digest_count(d), 0);
	h = root(d);
	assert_true(hash_equal(&h, &empty));
}

/* Whatever the way, the same content has the same root; a rollback leads back to the mark. */
static void
test_random_changes(void **state)
{
	AUTO(digest_freep)
	struct digest *d = digest_new();
	uint64_t random = 42, bodies[300] = {0}, before[300];

	(void)state;
	for (int round = 0; round < 200; round++) {
		AUTO(digest_freep)
		struct digest *fresh = digest_new();
		struct hash h, mark = root(d);
		bool undo = round % 3 == 0;

		memcpy(before, bodies, sizeof(before));
		digest_mark(d);
		for (int i = 0; i < 40; i++) {
			uint64_t n;

			random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
			n = (random >> 33) % 300;
			if ((random >> 20) % 4 == 0) {
				struct id id = make_id(n);

				assert_int_equal(digest_remove(d, &id), bodies[n] != 0);
				bodies[n] = 0;
			} else {
				bodies[n] = (random >> 40) % 5 + 1;
				set(d, n, bodies[n]);
			}
			if (i % 16 == 0)
				(void)root(d);
		}
		if (undo) {
			digest_rollback(d);
			memcpy(bodies, before, sizeof(bodies));
			h = root(d);
			assert_true(hash_equal(&h, &mark));
		} else {
			digest_keep(d);
		}
		for (size_t n = ARRAY_LEN(bodies); n > 0; n--)
			if (bodies[n - 1] != 0)
				set(fresh, n - 1, bodies[n - 1]);
		h = root(fresh);
		mark = root(d);
		assert_true(hash_equal(&h, &mark));
		assert_int_equal(digest_count(fresh), digest_count(d));
	}
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
	AUTO(digest_freep)
	struct digest *d = digest_new();
	struct hash h = body_of(1), out;
	struct id *ids = mem_array(100000, sizeof(*ids));
	double start, loaded;

	(void)state;
	for (uint64_t n = 0; n < 100000; n++)
		ids[n] = make_id(n);
	start = seconds();
	for (size_t n = 0; n < 100000; n++)
		digest_set(d, &ids[n], &h);
	digest_root(d, &out);
	loaded = seconds();
	print_message("digest: 100,000 entries in %.1f ms", (loaded - start) * 1e3);
	h = body_of(2);
	for (size_t n = 0; n < 1000; n++) {
		digest_set(d, &ids[n], &h);
		digest_root(d, &out);
	}
	print_message(", one change %.1f us\n", (seconds() - loaded) * 1e3);
	mem_free(ids);
}

int
run_digest_tests(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_by_the_definition),
	    cmocka_unit_test(test_empty_and_back),
	    cmocka_unit_test(test_random_changes),
	    cmocka_unit_test(test_speed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
