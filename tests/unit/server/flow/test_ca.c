/* Micro CAs: made by name, used by default, and told apart by their certificates. */

#include "server/index/index_ca.h"
#include "tests/support/office_words.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define DAY INT64_C(86400)
#define WWW "www.example.org"

static void
test_ca(void **state)
{
	struct office *o = *state;
	struct ca_spec spec = {.name = "Short CA", .key_type = "ec-p384", .lifetime = 30 * DAY};
	const char *name = WWW;
	struct credential_spec c = {.names = {&name, 1}, .ca = "Short CA", .author = "test"};

	OK(flow_ca_create(o->flow, &spec, office_on_flow, o, &o->err));
	assert_true(index_named(o->index, KIND_CA, "Short CA")->ca->is_default);
	FAILS(ERR_EXISTS, flow_ca_create(o->flow, &spec, office_on_flow, o, &o->err));
	OK(flow_credential_add(o->flow, &c, office_on_flow, o, &o->err));
	assert_non_null(strstr(o->warning, "no server"));
	assert_int_equal(office_active(o, WWW)->generation->not_after,
	    index_named(o->index, KIND_CA, "Short CA")->ca->not_after);
	spec.name = "Next CA";
	spec.is_default = true;
	OK(flow_ca_create(o->flow, &spec, office_on_flow, o, &o->err));
	assert_string_equal(index_default_ca(o->index)->name, "Next CA");
#define BAD(change)                                                                                \
	do {                                                                                       \
		struct ca_spec s = spec;                                                           \
		change;                                                                            \
		FAILS(ERR_INVALID, flow_ca_create(o->flow, &s, office_on_flow, o, &o->err));       \
	} while (0)
	BAD(s.name = "");
	BAD(s.name = " a");
	BAD(s.name = "a\n");
	BAD(s.name = "12345678901234567890123456789012345678901234567890123456789012345");
	BAD(s.key_type = "dsa");
	BAD(s.lifetime = 60);
#undef BAD
}

/* Whether the certificate of a CA has this as a common name, by the bytes of its DER. */
static bool
is_called(struct office *o, const char *ca, const char *text)
{
	struct span der = index_named(o->index, KIND_CA, ca)->ca->chain.items[0];
	char value[2 + 64 + 1];
	int n = snprintf(value, sizeof(value), "\x0c%c%s", (char)strlen(text), text);

	return memmem(der.data, der.len, value, (size_t)n) != NULL;
}

/* Two domains may have a CA of one name; no common name may be longer than 64 bytes. */
static void
test_subjects(void **state)
{
	static const struct {
		const char *name, *subject;
	} cases[] = {
	    {"lab", "Micro CA lab of test.example"},
	    {"a name to which no more than a word or two can be added",
		"a name to which no more than a word or two can be added"},
	};
	struct office *o = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct ca_spec spec = {.name = cases[i].name, .lifetime = 30 * DAY};

		OK(flow_ca_create(o->flow, &spec, office_on_flow, o, &o->err));
		assert_true(is_called(o, cases[i].name, cases[i].subject));
	}
}

/* --- CAs that there are --- */

static void
test_default(void **state)
{
	struct office *o = *state;
	struct ca_spec spec = {.name = "one", .author = "test"};
	struct ca_change change = {.name = "one", .author = "test"};

	OK(flow_ca_create(o->flow, &spec, office_on_flow, o, &o->err));
	spec.name = "two";
	OK(flow_ca_create(o->flow, &spec, office_on_flow, o, &o->err));
	spec.name = "three";
	spec.is_default = true;
	OK(flow_ca_create(o->flow, &spec, office_on_flow, o, &o->err));
	assert_false(office_ca(o, "one")->ca->is_default);
	assert_true(office_ca(o, "three")->ca->is_default);
	FAILS(ERR_INVALID, flow_ca_change(o->flow, &change, office_on_flow, o, &o->err));
	change.make_default = true;
	OK(flow_ca_change(o->flow, &change, office_on_flow, o, &o->err));
	assert_string_equal(index_default_ca(o->index)->name, "one");
	assert_false(office_ca(o, "three")->ca->is_default);
	OK(flow_ca_change(o->flow, &change, office_on_flow, o, &o->err));
	assert_true(o->result.unchanged);
	change = (struct ca_change){.name = "one", .has_enabled = true, .author = "test"};
	FAILS(ERR_CONFLICT, flow_ca_change(o->flow, &change, office_on_flow, o, &o->err));
	change.name = "two";
	OK(flow_ca_change(o->flow, &change, office_on_flow, o, &o->err));
	assert_int_equal(office_add_of(o, "two.example.org", "two"), ERR_INVALID);
	change = (struct ca_change){.name = "two", .make_default = true, .author = "test"};
	FAILS(ERR_CONFLICT, flow_ca_change(o->flow, &change, office_on_flow, o, &o->err));
	change = (struct ca_change){
	    .name = "two", .has_enabled = true, .enabled = true, .author = "test"};
	OK(flow_ca_change(o->flow, &change, office_on_flow, o, &o->err));
	assert_int_equal(office_add_of(o, "two.example.org", "two"), 0);
	change.address = "https://pki.example.org";
	FAILS(ERR_INVALID, flow_ca_change(o->flow, &change, office_on_flow, o, &o->err));
	change.address = NULL;
	change.name = "four";
	FAILS(ERR_NOTFOUND, flow_ca_change(o->flow, &change, office_on_flow, o, &o->err));
}

static void
test_renew(void **state)
{
	struct office *o = *state;
	const struct ca_spec spec = {.name = "ca", .lifetime = 400 * DAY, .author = "test"};
	const struct index_record *active;
	int64_t before, due;
	struct id id;

	OK(flow_ca_create(o->flow, &spec, office_on_flow, o, &o->err));
	id = office_ca(o, "ca")->id;
	assert_int_equal(office_add_of(o, WWW, "ca"), 0);
	active = office_active(o, WWW);
	before = office_ca(o, "ca")->ca->not_after;
	FAILS(ERR_INVALID,
	    flow_ca_renew(o->flow, "ca", false, 100 * DAY, "test", office_on_flow, o, &o->err));
	OK(flow_ca_renew(o->flow, "ca", false, 800 * DAY, "test", office_on_flow, o, &o->err));
	assert_true(office_ca(o, "ca")->ca->not_after > before + 399 * DAY);
	assert_true(id_equal(&office_ca(o, "ca")->id, &id));
	assert_true(index_ca_of(o->index, active) == office_ca(o, "ca"));
	/* By itself, before a leaf of 90 days would be cut short. */
	due = index_ca_due_at(o->index, office_ca(o, "ca"));
	before = office_ca(o, "ca")->ca->not_after;
	assert_int_equal(due, before - 180 * DAY);
	office_sleep(o, due - virtual_wall_ms(&o->time.rt) / 1000 - DAY);
	assert_int_equal(office_ca(o, "ca")->ca->not_after, before);
	office_sleep(o, DAY + 3600);
	assert_true(office_ca(o, "ca")->ca->not_after > before);
}

static void
test_below(void **state)
{
	struct office *o = *state;
	struct ca_spec spec = {
	    .name = "root", .lifetime = 2000 * DAY, .address = "http://pki", .author = "test"};

	OK(flow_ca_create(o->flow, &spec, office_on_flow, o, &o->err));
	spec = (struct ca_spec){
	    .name = "below", .parent = "root", .lifetime = 3000 * DAY, .author = "test"};
	OK(flow_ca_create(o->flow, &spec, office_on_flow, o, &o->err));
	assert_non_null(strstr(o->warning, "ends with"));
	assert_int_equal(office_ca(o, "below")->ca->not_after, office_ca(o, "root")->ca->not_after);
	assert_string_equal(office_ca(o, "below")->ca->address, "http://pki");
	assert_int_equal(office_ca(o, "below")->ca->chain.count, 2);
	spec.name = "deeper";
	spec.parent = "below";
	FAILS(ERR_INVALID, flow_ca_create(o->flow, &spec, office_on_flow, o, &o->err));
	spec.parent = "nobody";
	FAILS(ERR_NOTFOUND, flow_ca_create(o->flow, &spec, office_on_flow, o, &o->err));
	assert_int_equal(office_add_of(o, WWW, "below"), 0);
	assert_int_equal(index_issuers_of(office_active(o, WWW)).count, 2);
	/* The root first, then what is below it. */
	OK(flow_ca_renew(o->flow, "root", false, 3000 * DAY, "test", office_on_flow, o, &o->err));
	OK(flow_ca_renew(o->flow, "below", false, 2500 * DAY, "test", office_on_flow, o, &o->err));
	assert_int_equal(office_revoke(o, WWW, 0, NULL), 0);
	assert_true(office_is_listed(o, &office_credential(o, WWW)->credential->active));
}

static void
test_new_key(void **state)
{
	struct office *o = *state;
	struct id old, leaf;

	assert_int_equal(office_add_of(o, WWW, NULL), 0);
	old = office_ca(o, "default")->id;
	leaf = office_active(o, WWW)->id;
	OK(flow_ca_renew(o->flow, "default", true, 0, "test", office_on_flow, o, &o->err));
	assert_false(id_equal(&office_ca(o, "default")->id, &old));
	assert_true(id_equal(&office_ca(o, "default.1")->id, &old));
	assert_true(index_default_ca(o->index) == office_ca(o, "default"));
	assert_true(
	    index_ca_successor(o->index, office_ca(o, "default.1")) == office_ca(o, "default"));
	FAILS(ERR_CONFLICT,
	    flow_ca_renew(o->flow, "default.1", false, 0, "test", office_on_flow, o, &o->err));
	/* Its leaves are still revoked by it; their renewals come from the new one. */
	OK(flow_credential_renew(o->flow, WWW, false, "test", office_on_flow, o, &o->err));
	assert_true(index_ca_of(o->index, office_active(o, WWW)) == office_ca(o, "default"));
	assert_int_equal(index_issuers_of(office_active(o, WWW)).count, 2);
	assert_int_equal(office_revoke(o, WWW, 1, NULL), 0);
	assert_true(office_is_listed(o, &leaf));
	assert_non_null(index_crl_of(o->index, office_ca(o, "default.1")));
	assert_null(index_crl_of(o->index, office_ca(o, "default")));
	OK(flow_ca_renew(o->flow, "default", true, 0, "test", office_on_flow, o, &o->err));
	assert_true(
	    index_ca_successor(o->index, office_ca(o, "default.1")) == office_ca(o, "default"));
	office_restart(o);
	assert_true(
	    index_ca_successor(o->index, office_ca(o, "default.1")) == office_ca(o, "default"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_OFFICE(test_ca),
	    WITH_OFFICE(test_subjects),
	    WITH_OFFICE(test_default),
	    WITH_OFFICE(test_renew),
	    WITH_OFFICE(test_below),
	    WITH_OFFICE(test_new_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
