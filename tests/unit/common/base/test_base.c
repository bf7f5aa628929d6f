#include "common/base/buf.h"
#include "common/base/id.h"
#include "common/base/map.h"
#include "common/base/num.h"
#include "common/base/runtime.h"
#include "common/base/sm.h"
#include "common/base/str.h"

#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
test_err(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(err_set(&err, ERR_PARSE, "line %d", 7), ERR_PARSE);
	assert_string_equal(err.text, "line 7");
	assert_int_equal(err_wrap(&err, "file '%s'", "a"), ERR_PARSE);
	assert_string_equal(err.text, "file 'a': line 7");
	assert_int_equal(err_errno(&err, ENOSPC, "write"), ERR_NOSPACE);
	assert_non_null(strstr(err.text, "No space left"));
	assert_int_equal(err_set(NULL, ERR_IO, "x"), ERR_IO);
	for (int c = ERR_NOMEM; c >= ERR_BUG; c--)
		assert_int_equal(err_code_by_name(err_name(c)), c);
	assert_string_equal(err_name(1), "unknown");
	assert_int_equal(err_code_by_name("nonsense"), 0);
}

static void
test_err_cuts_long_text(void **state)
{
	char longer[2 * ERR_TEXT_MAX];
	struct err err;

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(err_set(&err, ERR_IO, "%s", longer), ERR_IO);
	assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
	assert_int_equal(err_wrap(&err, "a"), ERR_IO);
	assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
}

static void
test_buf_limit_is_sticky(void **state)
{
	struct buf b = BUF_INIT(8);
	struct err err;

	(void)state;
	buf_put_str(&b, "12345678");
	assert_int_equal(buf_error(&b, "text", &err), 0);
	buf_put_u8(&b, '9');
	assert_int_equal(buf_error(&b, "text", &err), ERR_LIMIT);
	assert_int_equal(b.len, 8);
	assert_string_equal(buf_str(&b), "12345678");
	buf_clear(&b);
	buf_putf(&b, "%d-%s", 12, "ab");
	assert_string_equal(buf_str(&b), "12-ab");
	buf_consume(&b, 3);
	assert_string_equal(buf_str(&b), "ab");
	buf_fini(&b);
}

static void
test_buf_integers(void **state)
{
	struct buf b = BUF_INIT(64);
	struct cursor c;

	(void)state;
	buf_put_u8(&b, 1);
	buf_put_be16(&b, 0x0203);
	buf_put_be32(&b, 0x04050607);
	buf_put_be64(&b, 0x08090a0b0c0d0e0fU);
	for (size_t i = 0; i < b.len; i++)
		assert_int_equal(b.data[i], i + 1);
	c = (struct cursor){buf_span(&b), false};
	assert_int_equal(cursor_u8(&c), 1);
	assert_int_equal(cursor_be16(&c), 0x0203);
	assert_int_equal(cursor_be32(&c), 0x04050607);
	assert_true(cursor_be64(&c) == 0x08090a0b0c0d0e0fU);
	assert_false(c.failed);
	assert_int_equal(cursor_u8(&c), 0);
	assert_true(c.failed);
	buf_fini(&b);
}

static void
test_hex_and_base64(void **state)
{
	static const struct {
		const char *plain, *std, *url;
	} cases[] = {{"", "", ""}, {"f", "Zg==", "Zg"}, {"fo", "Zm8=", "Zm8"},
	    {"foo", "Zm9v", "Zm9v"}, {"foob", "Zm9vYg==", "Zm9vYg"},
	    {"\xfb\xff\xbf", "+/+/", "-_-_"}};
	static const char *const bad[] = {"Zg=", "Zh==", "Z", "Zm9v\n", "Zm 9", "Zg==Zg=="};
	struct buf b = BUF_INIT(64);
	struct err err;
	struct id id;
	char text[ID_HEX_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		buf_clear(&b);
		base64_put(&b, span_str(cases[i].plain));
		assert_string_equal(buf_str(&b), cases[i].std);
		buf_clear(&b);
		base64url_put(&b, span_str(cases[i].plain));
		assert_string_equal(buf_str(&b), cases[i].url);
		buf_clear(&b);
		assert_int_equal(base64_decode(span_str(cases[i].std), &b, &err), 0);
		assert_string_equal(buf_str(&b), cases[i].plain);
		buf_clear(&b);
		assert_int_equal(base64url_decode(span_str(cases[i].url), &b, &err), 0);
		assert_string_equal(buf_str(&b), cases[i].plain);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		buf_clear(&b);
		assert_int_equal(base64_decode(span_str(bad[i]), &b, &err), ERR_PARSE);
	}
	assert_int_equal(id_parse("000102030405060708090a0b0c0d0e0F", &id, &err), 0);
	assert_string_equal(id_hex(&id, text), "000102030405060708090a0b0c0d0e0f");
	assert_int_equal(id_parse("00", &id, &err), ERR_PARSE);
	assert_int_equal(id_parse("g00102030405060708090a0b0c0d0e0f", &id, &err), ERR_PARSE);
	buf_fini(&b);
}

static void
test_escape_and_times(void **state)
{
	struct buf b = BUF_INIT(64);
	char out[DURATION_TEXT_MAX], t[TIME_TEXT_MAX];

	(void)state;
	str_put_escaped(&b, span_str("a'\x1b[31m\n\xc3"), 64);
	assert_string_equal(buf_str(&b), "a\\'\\x1b[31m\\x0a\\xc3");
	buf_clear(&b);
	str_put_escaped(&b, span_str("abcdef"), 3);
	assert_string_equal(buf_str(&b), "abc...");
	buf_fini(&b);
	assert_string_equal(time_text(0, t), "1970-01-01T00:00:00Z");
	assert_string_equal(time_text(951782400, t), "2000-02-29T00:00:00Z");
	assert_string_equal(time_text(4102444799, t), "2099-12-31T23:59:59Z");
	assert_string_equal(time_text(-1, t), "1969-12-31T23:59:59Z");
	assert_string_equal(time_text(INT64_MAX / 2, t), "out of range");
	assert_string_equal(duration_text(0, out), "0 s");
	assert_string_equal(duration_text(90, out), "1 min 30 s");
	assert_string_equal(duration_text(86400 * 3 + 3600 * 4, out), "3 days 4 h");
	assert_string_equal(duration_text(-7200, out), "-2 h");
	assert_string_equal(duration_text(86400, out), "1 day");
}

static void
test_numbers(void **state)
{
	static const struct {
		const char *text;
		int result;
		int64_t value;
	} durations[] = {{"90d", 0, 7776000}, {"15m", 0, 900}, {"1y", 0, 31536000},
	    {"90", ERR_PARSE, 0}, {"d", ERR_PARSE, 0}, {"", ERR_PARSE, 0}, {"-1d", ERR_PARSE, 0},
	    {"1d ", ERR_PARSE, 0}, {"99999999999999999y", ERR_LIMIT, 0}, {"11y", ERR_LIMIT, 0}};
	struct err err;
	uint64_t u = 5;
	int64_t d;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(durations); i++) {
		d = -1;
		assert_int_equal(
		    num_parse_duration(durations[i].text, 1, 10 * 31536000LL, &d, &err),
		    durations[i].result);
		if (durations[i].result == 0)
			assert_true(d == durations[i].value);
		else
			assert_true(d == -1);
	}
	assert_int_equal(num_parse_u64("18446744073709551616", 0, UINT64_MAX, &u, &err), ERR_LIMIT);
	assert_int_equal(num_parse_u64("0x10", 0, 100, &u, &err), ERR_PARSE);
	assert_int_equal(num_parse_u64("101", 0, 100, &u, &err), ERR_LIMIT);
	assert_true(u == 5);
	assert_int_equal(num_parse_u64("100", 0, 100, &u, &err), 0);
	assert_true(u == 100);
}

static void
test_map_against_array(void **state)
{
	enum { KEYS = 512 };
	void *expect[KEYS] = {NULL};
	struct map *m = map_new();
	unsigned rnd = 1;
	size_t live = 0, at = 0, seen = 0;
	void *value;

	(void)state;
	for (int step = 0; step < 50000; step++) {
		uint32_t key;
		void *old;

		rnd = rnd * 1103515245U + 12345U;
		key = rnd >> 16 & (KEYS - 1);
		if ((rnd >> 28 & 1) != 0) {
			old = map_put(m, &key, sizeof(key), &expect[(rnd >> 8) % KEYS]);
			assert_ptr_equal(old, expect[key]);
			live += old == NULL;
			expect[key] = &expect[(rnd >> 8) % KEYS];
		} else {
			old = map_del(m, &key, sizeof(key));
			assert_ptr_equal(old, expect[key]);
			live -= old != NULL;
			expect[key] = NULL;
		}
		assert_int_equal(map_count(m), live);
	}
	for (uint32_t key = 0; key < KEYS; key++)
		assert_ptr_equal(map_get(m, &key, sizeof(key)), expect[key]);
	while (map_next(m, &at, NULL, &value))
		seen++;
	assert_int_equal(seen, live);
	map_free(m);
}

struct fired {
	struct timers *ts;
	struct timer t;
	int *log, *count, number, rearm;
};

static void
on_fire(void *arg)
{
	struct fired *f = arg;

	f->log[(*f->count)++] = f->number;
	if (f->rearm-- > 0)
		timers_start(f->ts, &f->t, f->t.due);
}

static void
test_timers(void **state)
{
	struct timers ts = {0};
	int log[16], count = 0;
	struct fired f[5];
	uint64_t due = 0;

	(void)state;
	for (int i = 0; i < 5; i++) {
		f[i] = (struct fired){.ts = &ts, .log = log, .count = &count, .number = i};
		f[i].t.cb = on_fire;
		f[i].t.arg = &f[i];
	}
	assert_false(timers_next(&ts, &due));
	timers_start(&ts, &f[0].t, 30);
	timers_start(&ts, &f[1].t, 10);
	timers_start(&ts, &f[2].t, 20);
	timers_start(&ts, &f[3].t, 20);
	timers_start(&ts, &f[4].t, 5);
	timers_stop(&ts, &f[4].t);
	timers_stop(&ts, &f[4].t);
	assert_true(timers_next(&ts, &due));
	assert_int_equal(due, 10);
	timers_fire(&ts, 20);
	assert_int_equal(count, 3);
	assert_int_equal(log[0], 1);
	assert_int_equal(log[1], 2);
	assert_int_equal(log[2], 3);
	f[0].rearm = 1;
	timers_fire(&ts, 30);
	assert_int_equal(count, 4);
	assert_true(timer_is_armed(&f[0].t));
	timers_fire(&ts, 30);
	assert_int_equal(count, 5);
	assert_false(timer_is_armed(&f[0].t));
	timers_fini(&ts);
}

static void
test_sm(void **state)
{
	enum { A, B, C };
	static const struct sm_state table[] = {
	    [A] = {"a", SM_TO(B)}, [B] = {"b", SM_TO(A) | SM_TO(C)}, [C] = {"c", 0}};
	struct sm m;

	(void)state;
	sm_init(&m, table, ARRAY_LEN(table), A);
	assert_false(sm_may(&m, C));
	sm_move(&m, B);
	sm_move(&m, C);
	assert_string_equal(sm_name(&m), "c");
	assert_false(sm_may(&m, A));
}

static void
ones(struct runtime *rt, void *out, size_t len)
{
	(void)rt;
	memset(out, 0xff, len);
}

static void
test_backoff(void **state)
{
	static const struct runtime_ops ops = {.random = ones};
	struct runtime rt = {&ops};
	struct backoff b = {100, 1000, 0};
	uint64_t before = 0;

	(void)state;
	for (int i = 0; i < 100; i++) {
		uint64_t w = backoff_next(&b, &rt);

		assert_true(w <= 1000 && w >= 50);
		if (i < 4)
			assert_true(w > before);
		before = w;
	}
	assert_true(before >= 500);
	backoff_reset(&b);
	assert_true(backoff_next(&b, &rt) <= 100);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_err),
	    cmocka_unit_test(test_err_cuts_long_text),
	    cmocka_unit_test(test_buf_limit_is_sticky),
	    cmocka_unit_test(test_buf_integers),
	    cmocka_unit_test(test_hex_and_base64),
	    cmocka_unit_test(test_escape_and_times),
	    cmocka_unit_test(test_numbers),
	    cmocka_unit_test(test_map_against_array),
	    cmocka_unit_test(test_timers),
	    cmocka_unit_test(test_sm),
	    cmocka_unit_test(test_backoff),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
