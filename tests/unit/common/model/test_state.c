#include "common/model/generation.h"
#include "common/base/buf.h"
#include "common/model/renewal.h"
#include "common/model/state.h"
#include "tests/unit/common/model/model_tests.h"

#include <string.h>

#define DAY INT64_C(86400)
#define ARCHIVED CREDENTIAL__COUNT

/* Every state with every event: the letter of the state that follows, or '-' for a refusal. */
static const struct {
	uint32_t state;
	bool archived;
	const char *follows; /* in the order of enum credential_event */
	const char *says;    /* of the first refusal, what to do */
} table[] = {
    {CREDENTIAL_DRAFT, false, "wwif-a--d-", "no certificate"},
    {CREDENTIAL_PENDING, false, "-wifra-wws", "cert csr"},
    {CREDENTIAL_ISSUED, false, "wwifra-ii-", "not archived"},
    {CREDENTIAL_FAILED, false, "wwifra-ifs", "not archived"},
    {CREDENTIAL_REVOKED, false, "wwi--a-ir-", "not renewed by itself"},
    {CREDENTIAL_SUBMITTED, false, "-wifra-sss", "cert csr"},
    {CREDENTIAL_DRAFT, true, "------d---", "cert archive --undo"},
    {CREDENTIAL_PENDING, true, "------w---", "cert archive --undo"},
    {CREDENTIAL_ISSUED, true, "------i---", "cert archive --undo"},
    {CREDENTIAL_FAILED, true, "------f---", "cert archive --undo"},
    {CREDENTIAL_REVOKED, true, "------r---", "cert archive --undo"},
    {CREDENTIAL_SUBMITTED, true, "------s---", "cert archive --undo"},
    {CREDENTIAL__COUNT, false, "----------", "newer"},
    {4711, false, "----------", "newer"},
};

static char
letter_of(const struct credential_public *c)
{
	return c->archived ? 'a' : "dwifrs"[c->state];
}

static void
test_moves(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		bool refused = false;

		assert_int_equal(strlen(table[i].follows), CREDENTIAL_EVENT__COUNT);
		for (unsigned event = 0; event < CREDENTIAL_EVENT__COUNT; event++) {
			const struct credential_public before = {.state = table[i].state,
			    .archived = table[i].archived,
			    .error = "bad luck",
			    .next_try = 5,
			    .failures = 2};
			struct credential_public c = before;
			struct err err;
			int r = credential_move(&c, "www.example.org", event, &err);

			assert_int_equal(
			    credential_may(&before, "www.example.org", event, &err), r);
			if (table[i].follows[event] != '-') {
				assert_int_equal(r, 0);
				assert_int_equal(letter_of(&c), table[i].follows[event]);
				continue;
			}
			assert_int_equal(r,
			    table[i].archived || table[i].state < ARCHIVED ? ERR_CONFLICT
									   : ERR_INVALID);
			assert_memory_equal(&c, &before, sizeof(c));
			assert_non_null(strstr(err.text, "'www.example.org'"));
			if (!refused)
				assert_non_null(strstr(err.text, table[i].says));
			refused = true;
		}
	}
}

/* A certificate or a new CSR ends a failure; a failure and the archive keep what is known of it. */
static void
test_failure_ends(void **state)
{
	static const struct {
		enum credential_event event;
		bool ends;
	} cases[] = {
	    {CREDENTIAL_REQUEST, true},
	    {CREDENTIAL_ISSUE, true},
	    {CREDENTIAL_ACTIVATE, true},
	    {CREDENTIAL_CHANGE, false},
	    {CREDENTIAL_FAIL, false},
	    {CREDENTIAL_ARCHIVE, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct credential_public c = {
		    .state = CREDENTIAL_FAILED, .error = "bad luck", .next_try = 5, .failures = 2};

		assert_int_equal(credential_move(&c, "a", cases[i].event, NULL), 0);
		assert_string_equal(c.error, cases[i].ends ? "" : "bad luck");
		assert_int_equal(c.next_try, cases[i].ends ? 0 : 5);
		assert_int_equal(c.failures, cases[i].ends ? 0 : 2);
	}
}

static void
test_shown(void **state)
{
	/* Valid from day 0 to day 100, due when 33 % are left, less 3 % at the most. */
	static const struct active_facts good = {.not_after = 100 * DAY - 1},
					 revoked = {.not_after = 100 * DAY - 1, .revoked = true};
	static const struct {
		uint32_t state;
		bool archived;
		const struct active_facts *active;
		int64_t day;
		const char *word;
	} cases[] = {
	    {CREDENTIAL_DRAFT, false, NULL, 1, "draft"},
	    {CREDENTIAL_PENDING, false, NULL, 1, "waiting"},
	    {CREDENTIAL_PENDING, false, &good, 1, "waiting"},
	    {CREDENTIAL_SUBMITTED, false, NULL, 1, "submitted"},
	    {CREDENTIAL_SUBMITTED, false, &good, 70, "renewal-due"},
	    {CREDENTIAL_PENDING, false, &good, 70, "renewal-due"},
	    {CREDENTIAL_PENDING, false, &good, 100, "expired"},
	    {CREDENTIAL_ISSUED, false, &good, 1, "issued"},
	    {CREDENTIAL_ISSUED, false, &good, 60, "issued"},
	    {CREDENTIAL_ISSUED, false, &good, 70, "renewal-due"},
	    {CREDENTIAL_ISSUED, false, &good, 99, "renewal-due"},
	    {CREDENTIAL_ISSUED, false, &good, 100, "expired"},
	    {CREDENTIAL_ISSUED, false, &revoked, 1, "revoked"},
	    {CREDENTIAL_FAILED, false, NULL, 1, "failed"},
	    {CREDENTIAL_FAILED, false, &good, 70, "failed"},
	    {CREDENTIAL_FAILED, false, &good, 100, "expired"},
	    {CREDENTIAL_REVOKED, false, &good, 100, "revoked"},
	    {CREDENTIAL_ISSUED, true, &good, 100, "archived"},
	    {CREDENTIAL_DRAFT, true, NULL, 1, "archived"},
	    {4711, false, &good, 100, "unknown"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct credential_public c = {
		    .state = cases[i].state, .archived = cases[i].archived};

		assert_string_equal(credential_shown_name(credential_state_at(
					&c, cases[i].active, cases[i].day * DAY)),
		    cases[i].word);
	}
	assert_string_equal(credential_shown_name(SHOWN__COUNT), "unknown");
	assert_string_equal(credential_event_name(CREDENTIAL_RESTORE), "restore");
	assert_string_equal(credential_event_name(CREDENTIAL_EVENT__COUNT), "unknown");
}

/* The word changes at the very second for which the renewal is planned. */
static void
test_shown_due(void **state)
{
	const struct active_facts g = {{{1, 2, 3, 4}}, 0, 90 * DAY - 1, false};
	const struct credential_public c = {.state = CREDENTIAL_ISSUED, .fraction_percent = 50};
	int64_t due = renewal_due_at(g.not_before, g.not_after, 50, 0x01020304);

	(void)state;
	assert_int_equal(renewal_jitter(&g.id), 0x01020304);
	assert_int_equal(credential_state_at(&c, &g, due - 1), SHOWN_ISSUED);
	assert_int_equal(credential_state_at(&c, &g, due), SHOWN_RENEWAL_DUE);
	assert_int_equal(credential_state_at(&c, &g, g.not_after), SHOWN_RENEWAL_DUE);
	assert_int_equal(credential_state_at(&c, &g, g.not_after + 1), SHOWN_EXPIRED);
}

/* Of a generation: flags to the word, and what may follow ("ar": activate, archive). */
static void
test_generations(void **state)
{
	static const struct {
		struct generation_marks g;
		const char *word, *may, *says;
	} cases[] = {
	    {{.waits = true}, "waiting", "", "cert paste"},
	    {{.active = true, .not_after = 100}, "in force", "v", "in force already"},
	    {{.active = true, .not_after = 99}, "in force", "v", "in force already"},
	    {{.not_after = 100}, "older", "arv", ""},
	    {{.not_after = 100, .archived = true}, "archived", "av", "cert activate"},
	    {{.not_after = 99}, "expired", "r", "cert renew"},
	    {{.not_after = 100, .revoked = true, .archived = true}, "revoked", "", "cert renew"},
	    {{.not_after = 100, .withdrawn = true, .revoked = true}, "withdrawn", "",
		"compromised"},
	    {{.not_after = 100, .active = true, .withdrawn = true}, "withdrawn", "", "compromised"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct generation_marks g = cases[i].g;
		bool refused = false;
		struct err err;

		g.number = 7;
		assert_string_equal(
		    generation_shown_name(generation_state_at(&g, 100)), cases[i].word);
		for (unsigned e = 0; e < GENERATION_EVENT__COUNT; e++) {
			bool may = strchr(cases[i].may, "arv"[e]) != NULL;

			assert_int_equal(generation_may(&g, "www.example.org", e, 100, &err),
			    may ? 0 : ERR_CONFLICT);
			if (may || refused)
				continue;
			assert_non_null(strstr(err.text, "generation 7 of 'www.example.org'"));
			assert_non_null(strstr(err.text, cases[i].says));
			refused = true;
		}
		assert_int_equal(
		    generation_kept_until(&g), g.active || g.waits ? 0 : g.not_after + 30 * DAY);
	}
	assert_string_equal(generation_shown_name(GENERATION__COUNT), "unknown");
}

/* The moments at which the word changes, and no others. */
static void
test_changes(void **state)
{
	static const struct active_facts g = {.not_after = 100 * DAY - 1},
					 gone = {.not_after = 100 * DAY - 1, .revoked = true};
	static const struct {
		uint32_t state;
		bool archived;
		const struct active_facts *active;
		const char *words;
	} cases_at[] = {
	    {CREDENTIAL_ISSUED, false, &g, "issued renewal-due expired"},
	    {CREDENTIAL_PENDING, false, &g, "waiting renewal-due expired"},
	    {CREDENTIAL_FAILED, false, &g, "failed expired"},
	    {CREDENTIAL_ISSUED, true, &g, "archived"},
	    {CREDENTIAL_ISSUED, false, &gone, "revoked"},
	    {CREDENTIAL_DRAFT, false, NULL, "draft"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases_at); i++) {
		const struct credential_public c = {
		    .state = cases_at[i].state, .archived = cases_at[i].archived};
		const struct active_facts *active = cases_at[i].active;
		struct buf words = BUF_INIT(256);

		for (int64_t t = DAY, next; t < INT64_MAX; t = next) {
			buf_putf(&words, "%s%s", words.len > 0 ? " " : "",
			    credential_shown_name(credential_state_at(&c, active, t)));
			next = credential_changes_at(&c, active, t);
			assert_true(next > t);
			if (next < INT64_MAX)
				assert_int_equal(credential_state_at(&c, active, next - 1),
				    credential_state_at(&c, active, t));
		}
		assert_string_equal(buf_str(&words), cases_at[i].words);
		buf_fini(&words);
	}
}

int
run_state_tests(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_moves),
	    cmocka_unit_test(test_failure_ends),
	    cmocka_unit_test(test_shown),
	    cmocka_unit_test(test_shown_due),
	    cmocka_unit_test(test_changes),
	    cmocka_unit_test(test_generations),
	};

	return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
