/* Micro CAs: made by name, used by default, and told apart by their certificates. */

#include "tests/support/office.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define DAY INT64_C(86400)
#define WWW "www.example.org"

#define OK(call) assert_int_equal((o->called = false, office_wait(o, (call))), 0)
#define FAILS(code, call) assert_int_equal((o->called = false, office_wait(o, (call))), (code))

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

#define WITH_OFFICE(test) cmocka_unit_test_setup_teardown(test, office_setup, office_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_OFFICE(test_ca),
	    WITH_OFFICE(test_subjects),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
