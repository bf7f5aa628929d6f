/* Groups that are repaired: not too often, and until they are as they should be. */

#include "tests/support/office_words.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *const web1[] = {"web1", NULL};
static const char *const both[] = {"web1", "web2", NULL};

/* However a new key meets a node that is just being added, in the end the node has it. */
static void
test_added_meanwhile(void **state)
{
	struct office *o = *state;
	static const char *const mail[] = {"@mail", NULL};
	struct office_node *two;

	office_add_node(o, "web1");
	two = office_add_node(o, "web2");
	OK(nodes_group_create(
	    o->nodes, "mail", office_texts(web1), "test", office_on_nodes, o, &o->err));
	assert_int_equal(office_add_credential(o, "a.example.org", mail), 0);
	for (int steps = 0; steps < 24; steps++) {
		bool there = steps % 2 == 0;

		o->called = false;
		assert_int_equal(
		    nodes_group_add(o->nodes, "mail", "web2", "test", office_on_nodes, o, &o->err),
		    0);
		for (int i = 0; i < steps; i++)
			(void)virtual_step(&o->time);
		if (there)
			assert_int_equal(nodes_group_remove(o->nodes, "mail", "web1", false, "test",
					     office_on_nodes, o, &o->err),
			    0);
		else
			assert_int_equal(nodes_group_add(o->nodes, "mail", "web1", "test",
					     office_on_nodes, o, &o->err),
			    0);
		virtual_pass(&o->time, 10 * 1000);
		assert_true(office_can_open(o, two, "a.example.org"));
		OK(nodes_group_remove(
		    o->nodes, "mail", "web2", false, "test", office_on_nodes, o, &o->err));
		office_settle(o);
	}
}

static bool
has_group(void *arg, const struct index_record *m)
{
	struct office *o = arg;

	assert_non_null(index_of_kind(o->index, KIND_GROUP, &m->membership->group));
	return true;
}

struct ended {
	bool called;
	int status;
};

static void
on_ended(void *arg, int status, const struct nodes_result *result, const struct err *err)
{
	struct ended *e = arg;

	(void)result;
	(void)err;
	*e = (struct ended){true, status};
}

static void
on_credential_ended(void *arg, int status, const struct flow_result *result, const struct err *err)
{
	struct ended *e = arg;

	(void)result;
	(void)err;
	*e = (struct ended){true, status};
}

/* However an addition meets the deletion of its group, no membership is left of it. */
static void
test_deleted_meanwhile(void **state)
{
	struct office *o = *state;
	unsigned added = 0, refused = 0;

	office_add_node(o, "web1");
	office_add_node(o, "web2");
	for (int i = 0; i < 48; i++) {
		struct ended add = {false, 0}, gone = {false, 0};
		int lead = i / 2;

		OK(nodes_group_create(
		    o->nodes, "mail", office_texts(web1), "test", office_on_nodes, o, &o->err));
		if (i % 2 == 0)
			assert_int_equal(
			    nodes_group_delete(o->nodes, "mail", "test", on_ended, &gone, &o->err),
			    0);
		else
			assert_int_equal(nodes_group_add(o->nodes, "mail", "web2", "test", on_ended,
					     &add, &o->err),
			    0);
		for (int step = 0; step < lead; step++)
			(void)virtual_step(&o->time);
		/* Whoever was first may have ended, and the group be gone. */
		if (i % 2 == 0)
			(void)!nodes_group_add(
			    o->nodes, "mail", "web2", "test", on_ended, &add, &o->err);
		else
			(void)!nodes_group_delete(
			    o->nodes, "mail", "test", on_ended, &gone, &o->err);
		virtual_pass(&o->time, 10 * 1000);
		assert_true(gone.called && gone.status == 0);
		assert_true(add.called && (add.status == 0 || add.status == ERR_NOTFOUND));
		added += add.status == 0;
		refused += add.status != 0;
		assert_null(index_named(o->index, KIND_GROUP, "mail"));
		index_each(o->index, KIND_MEMBERSHIP, has_group, o);
	}
	assert_true(added > 0 && refused > 0);
}

/* The same for a credential that names the group: one of the two is refused. */
static void
test_used_meanwhile(void **state)
{
	struct office *o = *state;
	static const char *const mail[] = {"@mail", NULL};
	unsigned kept = 0, refused = 0;

	office_add_node(o, "web1");
	for (int i = 0; i < 48; i++) {
		struct ended use = {false, 0}, gone = {false, 0};
		const char *name = "a.example.org";
		const struct credential_spec spec = {.names = {&name, 1},
		    .has_access = true,
		    .access = office_texts(mail),
		    .author = "test"};

		OK(nodes_group_create(
		    o->nodes, "mail", office_texts(web1), "test", office_on_nodes, o, &o->err));
		assert_int_equal(
		    flow_credential_add(o->flow, &spec, on_credential_ended, &use, &o->err), 0);
		for (int step = 0; step < i / 2; step++)
			(void)virtual_step(&o->time);
		assert_int_equal(
		    nodes_group_delete(o->nodes, "mail", "test", on_ended, &gone, &o->err), 0);
		virtual_pass(&o->time, 10 * 1000);
		assert_true(use.called && gone.called);
		assert_true((use.status == 0) != (gone.status == 0));
		kept += use.status == 0;
		refused += use.status != 0;
		if (use.status == 0)
			OK(flow_credential_delete(
			    o->flow, name, "test", office_on_flow, o, &o->err));
		if (gone.status != 0)
			OK(nodes_group_delete(
			    o->nodes, "mail", "test", office_on_nodes, o, &o->err));
	}
	assert_true(kept > 0 && refused > 0);
}

/* A repair that does not help is tried less and less often, and others are done. */
static void
test_repair_in_vain(void **state)
{
	struct office *o = *state;
	uint64_t seq;

	office_add_node(o, "web1");
	office_add_node(o, "web2");
	office_add_node(o, "web3");
	office_add_node(o, "web4");
	OK(nodes_group_create(
	    o->nodes, "mail", office_texts(both), "test", office_on_nodes, o, &o->err));
	office_spoil(o, KIND_MEMBERSHIP);
	OK(nodes_group_add(o->nodes, "mail", "web3", "test", office_on_nodes, o, &o->err));
	seq = commit_head(o->commit, NULL)->seq;
	OK(nodes_remove(o->nodes, "web4", "test", office_on_nodes, o, &o->err));
	virtual_pass(&o->time, 60 * 1000);
	assert_in_range(commit_head(o->commit, NULL)->seq, seq + 3, seq + 10);
	/* A removal does not wait for that: it says what is left to do. */
	OK(nodes_remove(o->nodes, "web2", "test", office_on_nodes, o, &o->err));
	office_spoil(o, KIND_UNKNOWN);
	virtual_pass(&o->time, 3600 * 1000);
	seq = commit_head(o->commit, NULL)->seq;
	virtual_pass(&o->time, 3600 * 1000);
	assert_true(commit_head(o->commit, NULL)->seq == seq);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_OFFICE(test_added_meanwhile),
	    WITH_OFFICE(test_deleted_meanwhile),
	    WITH_OFFICE(test_used_meanwhile),
	    WITH_OFFICE(test_repair_in_vain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
