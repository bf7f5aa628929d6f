/* Looks at servers from outside: when they come, what they find, and those that are asked for. */

#include "common/wire/public_wire.h"
#include "tests/unit/server/health/stage.h"

static void
set_checks(struct stage *s, const char *name, const char *const *add, const char *const *remove)
{
	const struct checks_change change = {.name = name,
	    .add = office_texts(add),
	    .remove = remove != NULL ? office_texts(remove) : (struct texts){NULL, 0},
	    .author = "test"};

	OK(flow_credential_checks(s->o.flow, &change, office_on_flow, &s->o, &s->o.err));
	stage_pass(s, 1);
}

/* Ends a look with the chain of a GENERATION, or another one. */
static void
answer(struct stage *s, size_t look, const struct id *generation, struct cert *foreign)
{
	struct look *l = &s->looks[look];
	struct record *record = generation != NULL ? office_fetch(&s->o, generation) : NULL;
	struct generation_public g = {0};
	struct cert *leaf = foreign;

	if (record != NULL) {
		assert_int_equal(wire_generation_public_decode(record->public_part, &g, NULL), 0);
		assert_int_equal(cert_parse(g.chain.items[0], &leaf, NULL), 0);
	}
	assert_true(l->open);
	l->open = false;
	l->done(l->arg, &(struct check_answer){.stage = CHECK_DONE, .chain = &leaf, .count = 1});
	if (record != NULL) {
		cert_unref(leaf);
		generation_public_fini(&g);
		record_free(record);
	}
	stage_pass(s, 1);
}

static void
fail_look(struct stage *s, size_t look, enum check_stage stage)
{
	struct look *l = &s->looks[look];
	struct err err;

	err_set(&err, ERR_UNAVAIL, "it was not to be");
	assert_true(l->open);
	l->open = false;
	l->done(l->arg, &(struct check_answer){.stage = stage, .status = ERR_UNAVAIL, .err = &err});
	stage_pass(s, 1);
}

static const char *const one_place[] = {"smtp://mx.example.org:25", NULL};

static void
test_schedule(void **state)
{
	struct stage *s = *state;
	const struct check_result *r;
	struct health_summary sum;
	struct id id;

	stage_add(s, WWW);
	stage_serve_active(s, WWW);
	id = office_credential(&s->o, WWW)->id;
	set_checks(s, WWW, one_place, NULL);
	assert_null(health_found(s->health, &id, one_place[0]));
	stage_pass(s, 70);
	assert_int_equal(s->look_count, 1);
	assert_int_equal(s->looks[0].target.protocol, STARTTLS_SMTP);
	assert_string_equal(s->looks[0].name, "mx.example.org");
	/* One at a time. */
	stage_pass(s, 2 * 86400);
	assert_int_equal(s->look_count, 1);
	fail_look(s, 0, CHECK_CONNECT);
	r = health_found(s->health, &id, one_place[0]);
	assert_int_equal(r->findings, 1U << FOUND_UNREACHABLE);
	assert_int_equal(stage_grade(s, WWW, "check-unreachable"), HEALTH_RED);
	TOLD(WWW " check red;");
	health_summary(s->health, &sum);
	assert_int_equal(sum.addresses, 1);
	assert_int_equal(sum.addresses_bad, 1);
	/* A bad one comes again after an hour. */
	stage_pass(s, HEALTH_LOOK_AGAIN_S / 2);
	assert_int_equal(s->look_count, 1);
	stage_pass(s, HEALTH_LOOK_AGAIN_S / 2 + 10);
	assert_int_equal(s->look_count, 2);
	/* It asks for the host, which the certificate is not for. */
	answer(s, 1, &office_active(&s->o, WWW)->id, NULL);
	assert_int_equal(stage_grade(s, WWW, "check-name-mismatch"), HEALTH_RED);
	TOLD("");
	set_checks(s, WWW, (const char *const[]){"tls://192.0.2.1:443", NULL}, one_place);
	assert_int_equal(stage_grade(s, WWW, ""), HEALTH_GREEN);
	TOLD(WWW " check green;");
	stage_pass(s, 70);
	assert_int_equal(s->look_count, 3);
	assert_string_equal(s->looks[2].name, WWW);
	answer(s, 2, &office_active(&s->o, WWW)->id, NULL);
	assert_int_equal(stage_grade(s, WWW, ""), HEALTH_GREEN);
	/* A good one comes again after a day. */
	stage_pass(s, HEALTH_LOOK_S * 9 / 10);
	assert_int_equal(s->look_count, 3);
	stage_pass(s, HEALTH_LOOK_S / 10 + 10);
	assert_int_equal(s->look_count, 4);
	answer(s, 3, &office_active(&s->o, WWW)->id, NULL);
	/* After a renewal it is looked at soon. */
	OK(flow_credential_renew(s->o.flow, WWW, false, "test", office_on_flow, &s->o, &s->o.err));
	stage_pass(s, HEALTH_LOOK_NEW_S + 10);
	assert_int_equal(s->look_count, 5);
	TOLD(WWW " not-served yellow;");
	OK(flow_credential_delete(s->o.flow, WWW, "test", office_on_flow, &s->o, &s->o.err));
	fail_look(s, 4, CHECK_HANDSHAKE);
}

/* Never more than so many at once, and all of them come. */
static void
test_crowd(void **state)
{
	struct stage *s = *state;
	char text[3 * LIMIT_CHECKS][64], name[64];
	const char *items[LIMIT_CHECKS + 1] = {NULL};

	for (size_t i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "n%zu.example.org", i);
		stage_add(s, name);
		for (size_t k = 0; k < LIMIT_CHECKS; k++) {
			size_t at = i * LIMIT_CHECKS + k;

			snprintf(text[at], sizeof(text[at]), "tls://192.0.2.%zu:443", at);
			items[k] = text[at];
		}
		set_checks(s, name, items, NULL);
	}
	stage_pass(s, 70);
	assert_int_equal(s->look_count, LIMIT_CHECKS_AT_ONCE);
	for (size_t i = 0; i < 3 * LIMIT_CHECKS; i++) {
		fail_look(s, i, CHECK_CONNECT);
		stage_pass(s, 6);
	}
	assert_int_equal(s->look_count, 3 * LIMIT_CHECKS);
	/* One more than there may be. */
	assert_int_equal(
	    (s->o.called = false,
		office_wait(&s->o,
		    flow_credential_checks(s->o.flow,
			&(struct checks_change){.name = name,
			    .add = office_texts((const char *const[]){"tls://a.example:1", NULL}),
			    .author = "test"},
			office_on_flow, &s->o, &s->o.err))),
	    ERR_LIMIT);
}

static void
on_checked(
    void *arg, int status, const struct health_checked *list, size_t count, const struct err *err)
{
	struct stage *s = arg;

	assert_int_equal(status == 0, err == NULL);
	s->checked = true;
	s->status = status;
	s->result_count = count;
	for (size_t i = 0; i < count; i++)
		s->results[i] = list[i].result;
}

static int
check(struct stage *s, const char *const *addresses)
{
	s->checked = false;
	s->look_count = 0;
	return health_check(s->health, office_credential(&s->o, WWW),
	    addresses != NULL ? office_texts(addresses) : (struct texts){NULL, 0}, on_checked, s,
	    &s->o.err);
}

#define FOUND(a) (1U << FOUND_##a)

static void
test_findings(void **state)
{
	struct stage *s = *state;
	const char *const at_www[] = {"tls://" WWW ":443", NULL};
	const char *const at_other[] = {"tls://192.0.2.1:443/other.example.org", NULL};
	const char *name = WWW;
	int64_t now = virtual_wall_ms(&s->o.time.rt) / 1000;
	struct pkey *key = NULL;
	struct cert *foreign;
	struct id first;

	stage_add(s, WWW);
	first = office_active(&s->o, WWW)->id;
	OK(flow_credential_renew(s->o.flow, WWW, false, "test", office_on_flow, &s->o, &s->o.err));
	assert_int_equal(pkey_generate(KEY_EC_P256, &key, NULL), 0);
	foreign = outside_sign(&s->ca, key, &name, 1, now - DAY, now - 1);

	assert_int_equal(check(s, at_www), 0);
	answer(s, 0, &office_active(&s->o, WWW)->id, NULL);
	assert_true(s->checked);
	assert_int_equal(s->status, 0);
	assert_int_equal(s->results[0].findings, 0);
	assert_int_equal(s->results[0].generation, 2);

	assert_int_equal(check(s, at_www), 0);
	answer(s, 0, &first, NULL);
	assert_int_equal(s->results[0].findings, FOUND(OLDER_GENERATION));
	assert_int_equal(s->results[0].generation, 1);
	assert_non_null(strstr(s->results[0].text, "generation 1 is still served"));

	assert_int_equal(check(s, at_www), 0);
	answer(s, 0, NULL, foreign);
	assert_int_equal(s->results[0].findings,
	    FOUND(WRONG_CERTIFICATE) | FOUND(EXPIRED) | FOUND(CHAIN_INCOMPLETE));
	assert_int_equal(s->results[0].not_after, now - 1);
	assert_true(s->results[0].has_certificate);

	assert_int_equal(check(s, at_other), 0);
	assert_string_equal(s->looks[0].name, "other.example.org");
	answer(s, 0, &office_active(&s->o, WWW)->id, NULL);
	assert_int_equal(s->results[0].findings, FOUND(NAME_MISMATCH));

	for (enum check_stage stage = CHECK_RESOLVE; stage < CHECK_DONE; stage++) {
		static const uint32_t findings[] = {FOUND(UNREACHABLE), FOUND(UNREACHABLE),
		    FOUND(NO_STARTTLS), FOUND(NO_HANDSHAKE)};

		assert_int_equal(check(s, at_www), 0);
		fail_look(s, 0, stage);
		assert_int_equal(s->results[0].findings, findings[stage]);
		assert_non_null(strstr(s->results[0].text, "it was not to be"));
	}
	cert_unref(foreign);
	pkey_unref(key);
}

/* Nobody sends a root: one that the host knows, or that outgoing connections trust, is an end. */
static void
test_anchors(void **state)
{
	struct stage *s = *state;
	const char *const at_www[] = {"tls://" WWW ":443", NULL};
	const char *name = WWW;
	int64_t now = virtual_wall_ms(&s->o.time.rt) / 1000;
	struct pkey *key = NULL;
	struct cert *chain[3];

	stage_add(s, WWW);
	assert_int_equal(pkey_generate(KEY_EC_P256, &key, NULL), 0);
	chain[0] = outside_sign(&s->ca, key, &name, 1, now - DAY, now + DAY);
	chain[1] = s->ca.other;
	chain[2] = s->ca.issuer;
	for (size_t sent = 1; sent <= ARRAY_LEN(chain); sent++) {
		assert_int_equal(check(s, at_www), 0);
		s->looks[0].open = false;
		s->looks[0].done(s->looks[0].arg,
		    &(struct check_answer){.stage = CHECK_DONE, .chain = chain, .count = sent});
		stage_pass(s, 1);
		assert_int_equal(s->results[0].findings,
		    FOUND(WRONG_CERTIFICATE) | (sent < 3 ? FOUND(CHAIN_INCOMPLETE) : 0));
	}
	cert_unref(chain[0]);
	pkey_unref(key);
}

static void
test_on_demand(void **state)
{
	struct stage *s = *state;
	const char *const bad[] = {"tls://a.example.org:443", "nonsense://x", NULL};
	const char *const two[] = {"tls://a.example.org:443", "b.example.org", NULL};

	stage_add(s, WWW);
	assert_int_equal(check(s, NULL), ERR_NOTFOUND);
	assert_int_equal(check(s, bad), ERR_INVALID);
	s->refusal = ERR_IO;
	assert_int_equal(check(s, two), ERR_IO);
	s->refusal = 0;
	assert_false(s->checked);
	assert_int_equal(check(s, two), 0);
	fail_look(s, 1, CHECK_CONNECT);
	assert_false(s->checked);
	answer(s, 0, &office_active(&s->o, WWW)->id, NULL);
	assert_true(s->checked);
	assert_int_equal(s->result_count, 2);
	assert_int_equal(s->results[0].findings, FOUND(NAME_MISMATCH));
	assert_int_equal(s->results[1].findings, FOUND(UNREACHABLE));
	/* What is stored is kept and counts for its health; what was asked for once does not. */
	assert_int_equal(stage_grade(s, WWW, ""), HEALTH_GREEN);
	set_checks(s, WWW, one_place, NULL);
	assert_int_equal(check(s, NULL), 0);
	fail_look(s, 0, CHECK_HANDSHAKE);
	assert_int_equal(stage_grade(s, WWW, "check-no-handshake"), HEALTH_RED);
	/* The end comes in between. */
	assert_int_equal(check(s, two), 0);
	health_free(MOVE(s->health));
	assert_true(s->checked);
	assert_int_equal(s->status, ERR_CANCELED);
}

int
run_looks_tests(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, stage_setup, stage_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_schedule),
	    TEST(test_crowd),
	    TEST(test_findings),
	    TEST(test_anchors),
	    TEST(test_on_demand),
	};

	return cmocka_run_group_tests_name("looks", tests, NULL, NULL);
}
