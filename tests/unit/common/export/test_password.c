#include "common/export/password.h"

#include "common/base/limits.h"
#include "tests/unit/common/export/export_tests.h"

static void
test_rules(void **state)
{
	static const char *const avoid[] = {"www.example.org", "example"};
	static const struct {
		const char *password;
		const char *says; /* NULL: fine */
	} cases[] = {
	    {"", "0 characters"},
	    {"elevenchars", "11 characters"},
	    {"\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc", "6 characters"},
	    {"tab\there and more", "control"},
	    {"latin \xe4 or what", "no UTF-8"},
	    {"cut at the end \xc3", "no UTF-8"},
	    {"passwordpassword", "tried first"},
	    {"Password123456", "tried first"},
	    {"P@ssw0rd!2024", "tried first"},
	    {"aaaaaaaaaaaa", "tried first"},
	    {"abababababab", "tried first"},
	    {"123456789012", "tried first"},
	    {"qwertyuiop12", "tried first"},
	    {"1qaz2wsx3edc", "tried first"},
	    {"poiuytrewq987654", "tried first"},
	    {"Summer2026!!", "tried first"},
	    {"Winter-2026-Winter", "tried first"},
	    {"LetMeIn LetMeIn", "tried first"},
	    {"changeit changeit", "tried first"},
	    {"correcthorsebatterystaple", "tried first"},
	    {"www.example.org1", "tried first"},
	    {"example2026!example", "tried first"},
	    {"abcabcabcabcabc", "tried first"},
	    {"Tr0ub4dor&3x-2kq", NULL},
	    {"bin of old tram tickets", NULL},
	    {"gxq9-tz4m-ww3e", NULL},
	    {"blauer Esel f\xc3\xa4hrt Rad", NULL},
	    {"\xe7\xa7\x98\xe5\xaf\x86\xe7\x9a\x84\xe9\x92\xa5\xe5\x8c\x99\xe5\x9c\xa8\xe8\xbf\x99"
	     "\xe9\x87\x8c\xe7\x9a\x84\xe5\x91\x80\xe6\x9c\x8b\xe5\x8f\x8b",
		NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct secret *s = secret_of(cases[i].password);
		struct err err = {0};
		int r = password_check(s, avoid, ARRAY_LEN(avoid), &err);

		if ((r < 0) != (cases[i].says != NULL) ||
		    (r < 0 && strstr(err.text, cases[i].says) == NULL))
			fail_msg("'%s': %s", cases[i].password, err.text);
		/* Never a part of it in the text. */
		if (r < 0 && cases[i].password[0] != '\0')
			assert_null(strstr(err.text, cases[i].password));
		secret_free(s);
	}
}

static void
test_too_long(void **state)
{
	struct secret *s = NULL;
	struct err err;

	(void)state;
	for (size_t more = 0; more < 2; more++) {
		assert_int_equal(secret_new(LIMIT_PASSWORD + more, &s, NULL), 0);
		for (size_t i = 0; i < secret_span(s).len; i++)
			secret_bytes(s)[i] = (uint8_t)(' ' + i * i % 91);
		assert_int_equal(password_check(s, NULL, 0, &err), more > 0 ? ERR_INVALID : 0);
		secret_free(s);
	}
}

static void
test_generated(void **state)
{
	unsigned seen[256] = {0};
	struct secret *last = NULL;

	(void)state;
	for (int i = 0; i < 100; i++) {
		struct secret *s = NULL;

		assert_int_equal(password_generate(&s, NULL), 0);
		assert_int_equal(secret_span(s).len, 27);
		assert_int_equal(password_check(s, NULL, 0, NULL), 0);
		assert_true(last == NULL || !secret_equal(last, secret_span(s)));
		for (size_t k = 0; k < 27; k++)
			seen[secret_span(s).data[k]]++;
		secret_free(last);
		last = s;
	}
	secret_free(last);
	/* 2,400 draws from 32: each some 75 times. */
	assert_int_equal(seen['-'], 300);
	for (const char *p = "23456789abcdefghijkmnpqrstuvwxyz"; *p != '\0'; p++)
		assert_in_range(seen[(unsigned char)*p], 25, 150);
}

int
run_password_tests(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rules),
	    cmocka_unit_test(test_too_long),
	    cmocka_unit_test(test_generated),
	};

	return cmocka_run_group_tests_name("password", tests, NULL, NULL);
}
