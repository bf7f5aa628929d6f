/* Credentials that are not served without news. */

#include "tests/unit/replica/cache/test_cache.h"

#include <stdio.h>
#include <string.h>

static int64_t
now_ms(const struct test_node *n)
{
	return (int64_t)runtime_mono_ms(loop_runtime(n->loop));
}

static struct test_credential
add(struct test_node *n, const char *name, int64_t stale_after)
{
	struct test_credential c = {
	    .names = {name}, .type = KEY_EC_P256, .stale_after = stale_after};

	test_node_issue(n, &c);
	test_node_put(n, &c);
	test_node_apply(n);
	return c;
}

static bool
is_gone(void *arg)
{
	struct test_node *n = arg;

	return !cache_knows(n->cache, "minute.example.org");
}

static bool
is_back(void *arg)
{
	return !is_gone(arg);
}

/* It leaves at its time, with a reason, and comes back with the news; others stay. */
static void
test_leaves_and_comes_back(void **state)
{
	struct test_node *n = *state;
	struct test_credential ever = add(n, "ever.example.org", 0);
	struct test_credential day = add(n, "day.example.org", 86400);
	struct test_credential minute = add(n, "minute.example.org", 60);

	assert_true(serves(n, "minute.example.org", &minute));
	/* Stale for almost a minute, and then for one. */
	cache_set_fresh(n->cache, false, now_ms(n) - 60000 + 200);
	assert_true(serves(n, "minute.example.org", &minute));
	n->receipts = 0;
	assert_true(wait_until(n->loop, is_gone, n));
	assert_true(serves(n, "minute.example.org", NULL));
	assert_true(id_is_zero(&n->receipt_generation));
	assert_non_null(strstr(n->receipt_error, "stale_after"));
	assert_true(serves(n, "ever.example.org", &ever));
	assert_true(serves(n, "day.example.org", &day));
	assert_false(cache_serves(n->cache, "minute.example.org", &minute.id, &minute.generation));
	cache_set_fresh(n->cache, true, 0);
	assert_true(wait_until(n->loop, is_back, n));
	assert_true(serves(n, "minute.example.org", &minute));
	assert_string_equal(n->receipt_error, "");
	assert_true(id_equal(&n->receipt_generation, &minute.generation));
	test_credential_fini(&ever);
	test_credential_fini(&day);
	test_credential_fini(&minute);
}

/* From the start, when the last news are older than that: the time before the start counts. */
static void
test_stale_at_the_start(void **state)
{
	struct test_node *n = *state;
	struct test_credential c = {
	    .names = {"minute.example.org"}, .type = KEY_EC_P256, .stale_after = 60};

	test_node_issue(n, &c);
	test_node_put(n, &c);
	test_node_store(n);
	cache_set_fresh(n->cache, false, now_ms(n) - INT64_C(86400) * 1000 * 365 * 50);
	test_node_load(n);
	assert_false(cache_knows(n->cache, "minute.example.org"));
	assert_non_null(strstr(n->receipt_error, "stale_after"));
	cache_set_fresh(n->cache, true, 0);
	assert_true(wait_until(n->loop, is_back, n));
	test_credential_fini(&c);
}

/* What is changed about it counts at once, and what arrives while it is stale is not served. */
static void
test_changed_meanwhile(void **state)
{
	struct test_node *n = *state;
	struct test_credential c = add(n, "minute.example.org", 60);

	cache_set_fresh(n->cache, false, now_ms(n) - 3600 * 1000);
	assert_false(cache_knows(n->cache, "minute.example.org"));
	test_node_issue(n, &c);
	test_node_put(n, &c);
	test_node_apply(n);
	assert_false(cache_knows(n->cache, "minute.example.org"));
	c.stale_after = 2 * 3600;
	test_node_put(n, &c);
	test_node_apply(n);
	assert_true(serves(n, "minute.example.org", &c));
	c.stale_after = 0;
	test_node_put(n, &c);
	test_node_apply(n);
	cache_set_fresh(n->cache, false, now_ms(n) - INT64_C(86400) * 1000 * 365);
	assert_true(serves(n, "minute.example.org", &c));
	/* A number that is too large for any clock is never. */
	c.stale_after = INT64_MAX;
	test_node_put(n, &c);
	test_node_apply(n);
	assert_true(serves(n, "minute.example.org", &c));
	test_credential_fini(&c);
}

int
stale_run(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_leaves_and_comes_back, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_stale_at_the_start, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_changed_meanwhile, setup, teardown),
	};

	return cmocka_run_group_tests_name("stale", tests, NULL, NULL);
}
