/* How credentials are, as time passes, nodes speak and roots come. */

#include "common/wire/public_wire.h"
#include "tests/unit/server/health/stage.h"

/* --- by the clock --- */

static void
test_expiry(void **state)
{
	struct stage *s = *state;
	struct health_summary sum;

	stage_add(s, WWW);
	stage_serve_active(s, WWW);
	stage_pass(s, 60);
	assert_int_equal(stage_grade(s, WWW, ""), HEALTH_GREEN);
	health_summary(s->health, &sum);
	assert_int_equal(sum.grades[HEALTH_GREEN], 1);
	assert_int_equal(sum.unseen + sum.chains_unseen, 0);
	TOLD("");
	stage_sleep_days(s, 61);
	assert_int_equal(stage_grade(s, WWW, "expiring"), HEALTH_YELLOW);
	TOLD(WWW " expiring yellow;");
	stage_sleep_days(s, 15);
	assert_int_equal(stage_grade(s, WWW, "expiring"), HEALTH_RED);
	TOLD(WWW " expiring red;");
	stage_sleep_days(s, 15);
	assert_int_equal(stage_grade(s, WWW, "expired"), HEALTH_RED);
	TOLD(WWW " expiring green;" WWW " expired red;");
	health_summary(s->health, &sum);
	assert_int_equal(sum.grades[HEALTH_RED], 1);
	OK(flow_credential_renew(s->o.flow, WWW, false, "test", office_on_flow, &s->o, &s->o.err));
	stage_serve_active(s, WWW);
	stage_pass(s, 60);
	assert_int_equal(stage_grade(s, WWW, ""), HEALTH_GREEN);
	TOLD(WWW " expired green;");
}

/* --- what nodes say --- */

static void
test_serving(void **state)
{
	struct stage *s = *state;
	struct id old;

	stage_pass(s, 60);
	stage_add(s, WWW);
	s->has_told = true;
	/* It gets a moment. */
	stage_pass(s, HEALTH_GRACE_S - 5);
	assert_int_equal(stage_grade(s, WWW, ""), HEALTH_GREEN);
	stage_pass(s, 15);
	assert_int_equal(stage_grade(s, WWW, "not-served"), HEALTH_RED);
	TOLD(WWW " not-served red;");
	stage_serve_active(s, WWW);
	assert_int_equal(stage_grade(s, WWW, ""), HEALTH_GREEN);
	TOLD(WWW " not-served green;");
	old = s->receipt.generation;
	OK(flow_credential_renew(s->o.flow, WWW, false, "test", office_on_flow, &s->o, &s->o.err));
	assert_int_equal(stage_grade(s, WWW, ""), HEALTH_GREEN);
	stage_pass(s, HEALTH_GRACE_S + 10);
	assert_true(id_equal(&old, &s->receipt.generation));
	assert_int_equal(stage_grade(s, WWW, "older-served"), HEALTH_YELLOW);
	TOLD(WWW " not-served yellow;");
	/* Nothing is known of it since a start: that is no news about the credential. */
	s->has_told = s->has_receipt = false;
	health_on_receipt(s->health, &s->o.members[0].id, NULL);
	stage_pass(s, 10);
	assert_int_equal(stage_grade(s, WWW, "not-known"), HEALTH_YELLOW);
	TOLD(WWW " not-served green;");
	/* What is archived is served by nobody. */
	OK(flow_credential_archive(s->o.flow, WWW, true, "test", office_on_flow, &s->o, &s->o.err));
	stage_pass(s, 60);
	assert_int_equal(stage_grade(s, WWW, ""), HEALTH_GREEN);
	OK(flow_credential_delete(s->o.flow, WWW, "test", office_on_flow, &s->o, &s->o.err));
	stage_pass(s, 60);
}

static void
test_exposed(void **state)
{
	struct stage *s = *state;
	const struct access_change change = {.name = WWW,
	    .remove = office_texts((const char *const[]){"web2", NULL}),
	    .keep_key = true,
	    .author = "test"};

	(void)office_add_node(&s->o, "web2");
	assert_int_equal(
	    office_add_credential(&s->o, WWW, (const char *const[]){"web1", "web2", NULL}), 0);
	assert_int_equal(stage_grade(s, WWW, ""), HEALTH_GREEN);
	OK(flow_credential_access(s->o.flow, &change, office_on_flow, &s->o, &s->o.err));
	assert_int_equal(stage_grade(s, WWW, "exposed"), HEALTH_YELLOW);
	/* Who knows the key of before can do nothing with it here. */
	OK(flow_credential_renew(s->o.flow, WWW, true, "test", office_on_flow, &s->o, &s->o.err));
	assert_int_equal(stage_grade(s, WWW, ""), HEALTH_GREEN);
}

/* --- chains --- */

static void
paste(struct stage *s, bool with_issuer)
{
	const struct index_record *c = office_credential(&s->o, WWW);
	const char *name = WWW;
	AUTO(record_freep)
	struct record *record = office_fetch(&s->o, &c->credential->pending);
	struct generation_public g = {0};
	struct pkey *key = NULL;
	struct cert *leaf;
	struct span ders[2];
	int64_t now = virtual_wall_ms(&s->o.time.rt) / 1000;

	assert_int_equal(wire_generation_public_decode(record->public_part, &g, NULL), 0);
	assert_int_equal(csr_key(g.csr, &key, NULL), 0);
	leaf = outside_sign(&s->ca, key, &name, 1, now, now + 90 * DAY);
	ders[0] = cert_der(leaf);
	ders[1] = cert_der(s->ca.issuer);
	OK(flow_credential_paste(s->o.flow, WWW, (struct spans){ders, with_issuer ? 2 : 1}, "test",
	    office_on_flow, &s->o, &s->o.err));
	cert_unref(leaf);
	pkey_unref(key);
	generation_public_fini(&g);
}

static void
test_chains(void **state)
{
	struct stage *s = *state;
	const struct credential_spec spec = {
	    .names = office_texts((const char *const[]){WWW, NULL}),
	    .issuer = ISSUER_MANUAL,
	    .has_access = true,
	    .access = office_texts(web1),
	    .author = "test"};
	struct span root = cert_der(s->ca.root);
	const struct trust_spec trust = {.certificates = {&root, 1}, .author = "test"};

	OK(flow_credential_add(s->o.flow, &spec, office_on_flow, &s->o, &s->o.err));
	stage_pass(s, 1);
	assert_int_equal(stage_grade(s, WWW, "waiting"), HEALTH_YELLOW);
	paste(s, true);
	stage_serve_active(s, WWW);
	assert_int_equal(stage_grade(s, WWW, "incomplete"), HEALTH_YELLOW);
	TOLD(WWW " chain yellow;");
	/* It is judged anew when a root comes. */
	OK(flow_trust_add(s->o.flow, &trust, office_on_flow, &s->o, &s->o.err));
	stage_pass(s, 1);
	assert_int_equal(stage_grade(s, WWW, ""), HEALTH_GREEN);
	TOLD(WWW " chain green;");
	/* The issuer runs out, and nobody changes anything: it is seen within a day. */
	stage_sleep_days(s, 10 * 366);
	assert_int_equal(stage_grade(s, WWW, "issuer-expired"), HEALTH_RED);
}

static void
test_worst_and_runway(void **state)
{
	struct stage *s = *state;
	const struct index_record *worst[HEALTH_WORST];
	struct runway runway;
	char name[64];

	for (int i = 0; i < HEALTH_WORST + 3; i++) {
		snprintf(name, sizeof(name), "n%02d.example.org", 20 - i);
		assert_int_equal(
		    office_add_credential(&s->o, name, i == 5 ? web1 : (const char *const[]){NULL}),
		    0);
	}
	s->has_told = true;
	stage_pass(s, 90);
	/* The red one first, then those that nobody may open, by name. */
	assert_int_equal(health_worst_ones(s->health, worst), HEALTH_WORST);
	assert_string_equal(worst[0]->name, "n15.example.org");
	assert_string_equal(worst[1]->name, "n08.example.org");
	assert_string_equal(worst[HEALTH_WORST - 1]->name, "n17.example.org");
	health_runway(s->health, &runway);
	assert_int_equal(runway.first[RUNWAY_CERTIFICATE].until,
	    office_active(&s->o, runway.first[RUNWAY_CERTIFICATE].name)->generation->not_after);
	assert_int_equal(runway.manual[RUNWAY_CERTIFICATE].until, 0);
	assert_string_equal(runway.first[RUNWAY_CA].name, "default");
	assert_true(runway.first[RUNWAY_CA].until > runway.first[RUNWAY_CERTIFICATE].until);
	/* It is renewed by the manager, and has no list. */
	assert_int_equal(runway.manual[RUNWAY_CA].until, 0);
	assert_int_equal(runway.first[RUNWAY_CRL].until, 0);
	assert_true(runway.first[RUNWAY_IDENTITY].until > 0);
	assert_int_equal(runway.manual[RUNWAY_IDENTITY].until, 0);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, stage_setup, stage_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_expiry),
	    TEST(test_serving),
	    TEST(test_exposed),
	    TEST(test_chains),
	    TEST(test_worst_and_runway),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) + run_looks_tests();
}
