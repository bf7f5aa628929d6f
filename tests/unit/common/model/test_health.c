#include "common/base/str.h"
#include "common/model/health.h"
#include "tests/unit/common/model/model_tests.h"

#include <string.h>

#define DAY INT64_C(86400)
#define NOW (INT64_C(20000) * DAY)

static void
test_times(void **state)
{
	static const struct {
		int64_t lifetime, left;
		enum health_grade grade;
	} cases[] = {
	    {90 * DAY, 90 * DAY, HEALTH_GREEN},
	    {90 * DAY, 30 * DAY, HEALTH_GREEN},
	    {90 * DAY, 30 * DAY - 1, HEALTH_YELLOW},
	    {90 * DAY, 15 * DAY, HEALTH_YELLOW},
	    {90 * DAY, 15 * DAY - 1, HEALTH_RED},
	    {90 * DAY, 0, HEALTH_RED},
	    {90 * DAY, -1, HEALTH_RED},
	    {90 * DAY, 90 * DAY + 1, HEALTH_RED}, /* not yet */
	    /* A sixth is less than a day. */
	    {5 * DAY, DAY, HEALTH_YELLOW},
	    {5 * DAY, DAY - 1, HEALTH_RED},
	    /* Of those that live for days, the last day is not the exception but the life. */
	    {DAY, DAY - 60, HEALTH_GREEN},
	    {3 * DAY, DAY, HEALTH_GREEN},
	    {3600, 1199, HEALTH_YELLOW},
	    {3600, 599, HEALTH_RED},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t end = NOW + cases[i].left;

		if (health_of_times(end - cases[i].lifetime, end, NOW) != cases[i].grade)
			fail_msg("case %zu", i);
	}
}

/* Nothing changes between the moments that it names. */
static void
test_next_change(void **state)
{
	static const int64_t lifetimes[] = {600, 3600, 2 * DAY, 4 * DAY, 90 * DAY};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lifetimes); i++) {
		int64_t begin = NOW, end = NOW + lifetimes[i], next, step = lifetimes[i] / 500;

		for (int64_t t = begin - 2 * step; t < end + 2 * step; t += step) {
			enum health_grade grade = health_of_times(begin, end, t);

			next = health_next_change(begin, end, t);
			assert_true(next == 0 || next > t);
			assert_int_equal(next == 0, t > end);
			for (int64_t u = t; u < t + 3 * step && (next == 0 || u < next); u += 7)
				assert_int_equal(health_of_times(begin, end, u), grade);
		}
	}
}

#define GOOD 90 * DAY, 60 * DAY
#define NONE 0, 0

static void
test_states(void **state)
{
	static const struct {
		struct credential_public c;
		int64_t lifetime, left; /* 0: no generation is in force */
		bool revoked, access;
		enum health_grade grade;
		const char *codes; /* in their order */
	} cases[] = {
	    {{.state = CREDENTIAL_ISSUED}, GOOD, false, true, HEALTH_GREEN, ""},
	    {{.state = CREDENTIAL_ISSUED}, 90 * DAY, 20 * DAY, false, true, HEALTH_YELLOW,
		"expiring"},
	    {{.state = CREDENTIAL_ISSUED}, 90 * DAY, 1 * DAY, false, true, HEALTH_RED, "expiring"},
	    {{.state = CREDENTIAL_ISSUED}, 90 * DAY, -DAY, false, true, HEALTH_RED, "expired"},
	    {{.state = CREDENTIAL_ISSUED}, 90 * DAY, 99 * DAY, false, true, HEALTH_RED,
		"not-yet-valid"},
	    {{.state = CREDENTIAL_ISSUED}, GOOD, false, false, HEALTH_YELLOW, "no-access"},
	    {{.state = CREDENTIAL_ISSUED}, GOOD, true, true, HEALTH_RED, "revoked"},
	    {{.state = CREDENTIAL_REVOKED}, GOOD, false, true, HEALTH_RED, "revoked"},
	    {{.state = CREDENTIAL_FAILED, .error = "no"}, GOOD, false, true, HEALTH_YELLOW,
		"failed"},
	    {{.state = CREDENTIAL_FAILED, .next_try = NOW}, 90 * DAY, 20 * DAY, false, true,
		HEALTH_YELLOW, "expiring failed"},
	    {{.state = CREDENTIAL_PENDING, .has_pending = true}, NONE, false, true, HEALTH_YELLOW,
		"waiting"},
	    {{.state = CREDENTIAL_PENDING, .has_pending = true}, GOOD, false, true, HEALTH_GREEN,
		""},
	    {{.state = CREDENTIAL_DRAFT}, NONE, false, false, HEALTH_GREEN, ""},
	    {{.state = CREDENTIAL_ISSUED, .archived = true}, 90 * DAY, -DAY, true, false,
		HEALTH_GREEN, ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct active_facts active = {
		    .not_before = NOW + cases[i].left - cases[i].lifetime,
		    .not_after = NOW + cases[i].left,
		    .revoked = cases[i].revoked};
		struct health_report r = {0};
		struct buf codes = BUF_INIT(1024);

		health_judge_state(
		    &cases[i].c, cases[i].lifetime > 0 ? &active : NULL, cases[i].access, NOW, &r);
		for (size_t k = 0; k < r.count; k++)
			buf_putf(&codes, "%s%s", k > 0 ? " " : "", r.reasons[k].code);
		if (r.grade != cases[i].grade || !str_equal(buf_str(&codes), cases[i].codes))
			fail_msg(
			    "case %zu: %s, '%s'", i, health_grade_name(r.grade), buf_str(&codes));
		buf_fini(&codes);
	}
}

static void
test_cas(void **state)
{
	static const struct {
		struct ca_facts ca;
		enum health_grade grade;
		const char *code;
	} cases[] = {
	    {{NOW - DAY, NOW + 3650 * DAY, NOW + 3500 * DAY, 0, false}, HEALTH_GREEN, NULL},
	    /* It lives for years after a third of its time is gone. */
	    {{NOW - 3000 * DAY, NOW + 650 * DAY, NOW + 500 * DAY, 0, false}, HEALTH_GREEN, NULL},
	    {{NOW - 3560 * DAY, NOW + 90 * DAY, NOW - DAY, 0, false}, HEALTH_GREEN, NULL},
	    {{NOW - 3560 * DAY, NOW + 90 * DAY, NOW - 2 * DAY, 0, false}, HEALTH_YELLOW,
		"renewal-late"},
	    {{NOW - 3560 * DAY, NOW + 90 * DAY, NOW - 2 * DAY, 0, true}, HEALTH_GREEN, NULL},
	    {{NOW - 3000 * DAY, NOW + 650 * DAY, 0, 0, false}, HEALTH_YELLOW, "expiring"},
	    {{NOW - 3000 * DAY, NOW + 650 * DAY, 0, 0, true}, HEALTH_GREEN, NULL},
	    {{NOW - 3000 * DAY, NOW - 1, NOW, 0, true}, HEALTH_RED, "expired"},
	    {{NOW - 3000 * DAY, NOW - 1, NOW, NOW - 5, false}, HEALTH_RED, "expired"},
	    {{NOW + 1, NOW + 3000 * DAY, NOW + DAY, 0, false}, HEALTH_RED, "not-yet-valid"},
	    {{NOW - DAY, NOW + DAY, NOW, NOW, false}, HEALTH_GREEN, NULL},
	    {{NOW - DAY, NOW + DAY, NOW, NOW - 1, false}, HEALTH_RED, "crl-expired"},
	    {{NOW - DAY, NOW + DAY, NOW, NOW - 1, true}, HEALTH_RED, "crl-expired"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct health_report r = {0};

		health_judge_ca(&cases[i].ca, NOW, &r);
		if (r.grade != cases[i].grade || r.count != (cases[i].code != NULL) ||
		    (r.count > 0 && !str_equal(r.reasons[0].code, cases[i].code)))
			fail_msg("case %zu: %s, %zu", i, health_grade_name(r.grade), r.count);
	}
}

static void
test_serving(void **state)
{
	const struct health_node nodes[] = {
	    {"web1", SERVES_ACTIVE, false, ""},
	    {"web2", SERVES_NOTHING, false, ""},
	    {"web3", SERVES_NOTHING, false, "cannot open it"},
	    {"web4", SERVES_NOTHING, false, NULL},
	    {"web5", SERVES_NOTHING, false, NULL},
	    {"web6", SERVES_OLDER, false, NULL},
	    {"web7", SERVES_UNKNOWN, false, NULL},
	    {"web8", SERVES_OLDER, true, NULL},
	};
	struct health_report r = {0};

	(void)state;
	health_judge_serving(nodes, 1, &r);
	assert_int_equal(r.grade, HEALTH_GREEN);
	assert_null(health_worst(&r));
	health_judge_serving(nodes, 7, &r);
	assert_int_equal(r.count, 3);
	assert_int_equal(r.grade, HEALTH_RED);
	assert_ptr_equal(health_worst(&r), &r.reasons[0]);
	assert_string_equal(
	    r.reasons[0].text, "not served by web2, web3, web4 and 1 more: cannot open it");
	assert_string_equal(r.reasons[1].text, "another generation is still served by web6");
	assert_int_equal(r.reasons[1].grade, HEALTH_YELLOW);
	assert_string_equal(r.reasons[2].code, "not-known");
	memset(&r, 0, sizeof(r));
	health_judge_serving(nodes + 5, 3, &r);
	assert_string_equal(r.reasons[0].code, "older-served");
	assert_int_equal(r.reasons[0].grade, HEALTH_RED);
}

static void
test_check(void **state)
{
	struct check_result c = {0};
	struct health_report r = {0};

	(void)state;
	check_result_say(&c, FOUND_CHAIN_INCOMPLETE, "the issuer '%s' is not sent", "R3");
	health_judge_check("tls://a:443", &c, &r);
	assert_int_equal(r.count, 0); /* nobody has looked */
	c.at = NOW;
	health_judge_check("tls://a:443", &c, &r);
	assert_string_equal(r.reasons[0].code, "check-chain-incomplete");
	assert_int_equal(r.grade, HEALTH_YELLOW);
	check_result_say(&c, FOUND_NAME_MISMATCH, "not for '%s'", "a");
	health_judge_check("tls://a:443", &c, &r);
	assert_string_equal(r.reasons[1].code, "check-name-mismatch");
	assert_string_equal(
	    r.reasons[1].text, "tls://a:443: the issuer 'R3' is not sent; not for 'a'");
	assert_int_equal(check_result_grade(&c), HEALTH_RED);
	for (unsigned i = 0; i < 2 * HEALTH_REASONS_MAX; i++)
		check_result_say(&c, FOUND_EXPIRED, "the certificate of that server ran out");
	assert_true(strlen(c.text) < sizeof(c.text));
	for (unsigned i = 0; i < 2 * HEALTH_REASONS_MAX; i++)
		health_judge_check("tls://a:443", &c, &r);
	assert_int_equal(r.count, HEALTH_REASONS_MAX);
	for (enum check_finding f = 0; f < FOUND__COUNT; f++) {
		assert_true(check_finding_name(f)[0] != '\0');
		assert_true(check_finding_grade(f) > HEALTH_GREEN);
	}
}

int
run_health_tests(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_times),
	    cmocka_unit_test(test_next_change),
	    cmocka_unit_test(test_states),
	    cmocka_unit_test(test_cas),
	    cmocka_unit_test(test_serving),
	    cmocka_unit_test(test_check),
	};

	return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}
