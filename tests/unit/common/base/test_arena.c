#include "common/base/arena.h"

#include <setjmp.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void
test_pieces(void **state)
{
	struct arena *a = arena_new(1024 * 1024);
	uint8_t *pieces[200];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
		size_t size = i * 37 % 3000 + 1;

		pieces[i] = arena_array(a, size, 1);
		assert_non_null(pieces[i]);
		assert_int_equal((uintptr_t)pieces[i] % alignof(max_align_t), 0);
		for (size_t k = 0; k < size; k++)
			assert_int_equal(pieces[i][k], 0);
		memset(pieces[i], (int)i, size);
	}
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++)
		assert_int_equal(pieces[i][i * 37 % 3000], (uint8_t)i);
	assert_non_null(arena_array(a, 0, 100));
	assert_string_equal(arena_text(a, SPAN("abcdef", 3)), "abc");
	assert_string_equal(arena_text(a, SPAN(NULL, 0)), "");
	assert_true(span_equal(arena_span(a, span_str("xyz")), span_str("xyz")));
	assert_null(arena_span(a, SPAN(NULL, 0)).data);
	arena_free(a);
	arena_free(NULL);
}

static void
test_budget(void **state)
{
	struct arena *a = arena_new(100);

	(void)state;
	assert_null(arena_array(a, 101, 1));
	assert_null(arena_array(a, SIZE_MAX, 2));
	assert_null(arena_array(a, SIZE_MAX / 2, SIZE_MAX / 2));
	assert_int_equal(arena_used(a), 0);
	assert_non_null(arena_array(a, 80, 1));
	assert_int_equal(arena_used(a), 80);
	assert_null(arena_array(a, 21, 1));
	assert_null(arena_span(a, SPAN("0123456789012345678901234", 25)).data);
	assert_null(arena_text(a, SPAN("01234567890123456789", 20)));
	assert_non_null(arena_text(a, SPAN("012345678901234", 15)));
	arena_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_pieces),
	    cmocka_unit_test(test_budget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
