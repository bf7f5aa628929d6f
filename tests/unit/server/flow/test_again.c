/* What is tried again: not too often, and until it is as it should be. */

#include "tests/support/office_words.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define DAY INT64_C(86400)
#define WWW "www.example.org"

/* Due again as soon as it is made, it rests a little. */
static void
test_due_rest(void **state)
{
	struct office *o = *state;
	const char *name = WWW;
	struct credential_spec spec = {.names = {&name, 1},
	    .lifetime = FLOW_LIFETIME_LEAST,
	    .fraction_percent = 90,
	    .author = "test"};
	uint64_t before;

	OK(flow_credential_add(o->flow, &spec, office_on_flow, o, &o->err));
	virtual_pass(&o->time, 1000);
	before = office_credential(o, WWW)->credential->generations;
	virtual_pass(&o->time, 60 * 1000);
	assert_in_range(office_credential(o, WWW)->credential->generations, before + 1, before + 8);
}

/* What a clock wrote that was ten years ahead keeps nothing back when it has been set right. */
static void
test_due_clock(void **state)
{
	struct office *o = *state;
	struct ca_spec ca = {.name = "Short CA", .lifetime = 2 * DAY};
	const char *name = WWW;
	struct credential_spec spec = {
	    .names = {&name, 1}, .ca = "Short CA", .lifetime = DAY, .author = "test"};
	int64_t before = o->time.wall_at_zero;

	OK(flow_ca_create(o->flow, &ca, office_on_flow, o, &o->err));
	OK(flow_credential_add(o->flow, &spec, office_on_flow, o, &o->err));
	o->time.wall_at_zero += 3650 * DAY * 1000;
	virtual_pass(&o->time, 600 * 1000);
	assert_int_equal(office_credential(o, WWW)->credential->state, CREDENTIAL_FAILED);
	o->time.wall_at_zero = before + DAY * 1000;
	virtual_pass(&o->time, 600 * 1000);
	assert_int_equal(office_credential(o, WWW)->credential->state, CREDENTIAL_ISSUED);
	assert_int_equal(office_credential(o, WWW)->credential->generations, 2);
}

/* However a removal meets what is just being sealed to the node, in the end it is not. */
static void
test_removed_meanwhile(void **state)
{
	struct office *o = *state;

	for (int steps = 0; steps < 12; steps++) {
		char name[32], www[32];
		const char *names[] = {www}, *access[] = {name};
		struct credential_spec spec = {.names = {names, 1},
		    .has_access = true,
		    .access = {access, 1},
		    .author = "test"};

		snprintf(name, sizeof(name), "n%d", steps);
		snprintf(www, sizeof(www), "w%d.example.org", steps);
		office_add_node(o, name);
		assert_int_equal(
		    flow_credential_add(o->flow, &spec, office_on_flow, o, &o->err), 0);
		for (int i = 0; i < steps; i++)
			(void)virtual_step(&o->time);
		assert_int_equal(
		    nodes_remove(o->nodes, name, "test", office_on_nodes, o, &o->err), 0);
		virtual_pass(&o->time, 10 * 1000);
		office_settle(o);
		if (index_named(o->index, KIND_CREDENTIAL, www) == NULL)
			continue;
		assert_int_equal(office_active(o, www)->access.count, 0);
		assert_int_equal(office_active(o, www)->recipient_count, 1);
	}
}

/* What no seal helps is tried less and less often, and keeps no other one back. */
static void
test_reseal_in_vain(void **state)
{
	struct office *o = *state;
	static const char *const both[] = {"web1", "web2", NULL};
	struct flow_stats stats;

	office_add_node(o, "web1");
	office_add_node(o, "web2");
	for (int i = 0; i < 20; i++) {
		char name[32];

		snprintf(name, sizeof(name), "n%d.example.org", i);
		assert_int_equal(office_add_credential(o, name, both), 0);
	}
	office_spoil(o, KIND_GENERATION);
	OK(nodes_remove(o->nodes, "web1", "test", office_on_nodes, o, &o->err));
	virtual_pass(&o->time, 60 * 1000);
	flow_stats(o->flow, &stats);
	assert_int_equal(stats.to_reseal, 20);
	assert_in_range(stats.resealed, 40, 20 * 7);
	office_spoil(o, KIND_UNKNOWN);
	virtual_pass(&o->time, 600 * 1000);
	flow_stats(o->flow, &stats);
	assert_int_equal(stats.to_reseal, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_OFFICE(test_due_rest),
	    WITH_OFFICE(test_due_clock),
	    WITH_OFFICE(test_removed_meanwhile),
	    WITH_OFFICE(test_reseal_in_vain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
