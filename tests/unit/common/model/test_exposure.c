#include "common/model/exposure.h"

#include "tests/unit/common/model/model_tests.h"

#include <string.h>

static struct exposure
knows(uint8_t node, uint8_t key, int64_t since)
{
	return (struct exposure){
	    .node = {{node}}, .name = "web", .since = since, .key = {{key}}, .replace = true};
}

static void
test_note(void **state)
{
	struct exposure e = knows(1, 1, 10);
	struct exposure_list l;

	(void)state;
	exposure_list_init(&l, (struct exposures){&e, 1});
	assert_false(l.changed);
	e.since = 20;
	exposure_note(&l, &e);
	assert_true(!l.changed && l.count == 1 && l.items[0].since == 10);
	e = knows(1, 2, 20);
	exposure_note(&l, &e);
	e = knows(2, 1, 20);
	exposure_note(&l, &e);
	assert_true(l.changed && l.count == 3);
	assert_true(exposure_is_of(&l.items[2], &(struct id){{2}}, "other"));
	assert_true(exposure_is_of(&l.items[2], NULL, "web"));
	assert_false(exposure_is_of(&l.items[2], &(struct id){{1}}, "other"));
}

/* More servers than are listed: one entry for each key stands for them. */
static void
test_others(void **state)
{
	struct exposure_list l;
	struct exposure e;

	(void)state;
	exposure_list_init(&l, (struct exposures){NULL, 0});
	for (unsigned i = 1; i <= EXPOSED_NAMED + 3; i++) {
		e = knows((uint8_t)i, 1, 10);
		exposure_note(&l, &e);
	}
	assert_int_equal(l.count, EXPOSED_NAMED + 1);
	assert_true(id_is_zero(&l.items[EXPOSED_NAMED].node));
	assert_true(exposure_is_of(&l.items[EXPOSED_NAMED], NULL, "anybody"));
	l.changed = false;
	exposure_note(&l, &e);
	assert_false(l.changed);
	for (unsigned i = 2; i <= LIMIT_EXPOSED - EXPOSED_NAMED; i++) {
		e = knows(200, (uint8_t)i, 10 + i);
		exposure_note(&l, &e);
	}
	assert_int_equal(l.count, LIMIT_EXPOSED);
	/* The longest known key of those gives way. */
	e = knows(200, 99, 100);
	exposure_note(&l, &e);
	assert_int_equal(l.count, LIMIT_EXPOSED);
	assert_int_equal(l.items[EXPOSED_NAMED].key.bytes[0], 99);
}

static bool
has_key(void *arg, const struct exposure *e)
{
	return e->key.bytes[0] == *(const uint8_t *)arg;
}

static void
test_end(void **state)
{
	const struct exposure e[] = {knows(1, 1, 1), knows(1, 2, 1), knows(2, 1, 1)};
	uint8_t key = 1;
	struct exposure_list l;

	(void)state;
	exposure_list_init(&l, (struct exposures){e, 3});
	exposure_end(&l, has_key, &key);
	assert_true(l.changed && l.count == 1 && l.items[0].key.bytes[0] == 2);
	l.changed = false;
	exposure_end(&l, has_key, &key);
	assert_false(l.changed);
	assert_string_equal(exposure_why_name(EXPOSED_REMOVED), "removed");
	assert_string_equal(exposure_why_name(99), "unknown");
}

int
run_exposure_tests(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_note),
	    cmocka_unit_test(test_others),
	    cmocka_unit_test(test_end),
	};

	return cmocka_run_group_tests_name("exposure", tests, NULL, NULL);
}
