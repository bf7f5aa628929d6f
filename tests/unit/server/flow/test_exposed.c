/* Who knows which keys without having access any more, as the records say it. */

#include "tests/support/office_words.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define WWW "www.example.org"
#define MANY 1200 /* more than one mutation notes */

static const char *const web1[] = {"web1", NULL};
static const char *const both[] = {"web1", "web2", NULL};
static const char *const mail[] = {"@mail", NULL};
static const char *const both_ways[] = {"web1", "@mail", NULL};

static int
change_access(struct office *o, const char *const *add, const char *const *remove, bool keep)
{
	const struct access_change c = {.name = WWW,
	    .add = office_texts(add),
	    .remove = office_texts(remove),
	    .keep_key = keep,
	    .author = "test"};

	return flow_credential_access(o->flow, &c, office_on_flow, o, &o->err);
}

static int
make_group(struct office *o, const char *const *members)
{
	return nodes_group_create(
	    o->nodes, "mail", office_texts(members), "test", office_on_nodes, o, &o->err);
}

static int
leave(struct office *o, const char *node, bool keep)
{
	return nodes_group_remove(
	    o->nodes, "mail", node, keep, "test", office_on_nodes, o, &o->err);
}

static struct exposures
exposed(struct office *o, const char *name)
{
	return office_credential(o, name)->credential->exposed;
}

/* The one entry there is. */
static void
check_one(struct office *o, const char *node, const struct hash *key, uint32_t why, bool replace)
{
	struct exposures e = exposed(o, WWW);

	assert_int_equal(e.count, 1);
	assert_string_equal(e.items[0].name, node);
	assert_true(hash_equal(&e.items[0].key, key));
	assert_int_equal(e.items[0].why, why);
	assert_int_equal(e.items[0].replace, replace);
	assert_true(e.items[0].since == virtual_wall_ms(&o->time.rt) / 1000 ||
	    e.items[0].since >= virtual_wall_ms(&o->time.rt) / 1000 - 120);
}

static void
test_access_taken(void **state)
{
	struct office *o = *state;
	struct hash first;

	office_add_node(o, "web1");
	office_add_node(o, "web2");
	assert_int_equal(office_add_credential(o, WWW, both), 0);
	first = office_active(o, WWW)->generation->key;
	OK(change_access(o, NULL, web1, true));
	check_one(o, "web1", &first, EXPOSED_ACCESS, false);
	assert_true(hash_equal(&office_active(o, WWW)->generation->key, &first));
	/* Of others, a new key leaves the fact as it is. */
	OK(flow_credential_renew(o->flow, WWW, true, "test", office_on_flow, o, &o->err));
	check_one(o, "web1", &first, EXPOSED_ACCESS, false);
	OK(flow_credential_archive(o->flow, WWW, true, "test", office_on_flow, o, &o->err));
	check_one(o, "web1", &first, EXPOSED_ACCESS, false);
}

static void
test_access_taken_with_new_key(void **state)
{
	struct office *o = *state;
	struct hash first;

	office_add_node(o, "web1");
	office_add_node(o, "web2");
	assert_int_equal(office_add_credential(o, WWW, both), 0);
	first = office_active(o, WWW)->generation->key;
	OK(change_access(o, NULL, web1, false));
	check_one(o, "web1", &first, EXPOSED_ACCESS, true);
	assert_false(hash_equal(&office_active(o, WWW)->generation->key, &first));
}

/* Taken away by name, it still reads by its group: it loses nothing. */
static void
test_access_by_two_ways(void **state)
{
	struct office *o = *state;

	office_add_node(o, "web1");
	office_add_node(o, "web2");
	OK(make_group(o, both));
	assert_int_equal(office_add_credential(o, WWW, both_ways), 0);
	OK(change_access(o, NULL, web1, true));
	assert_int_equal(exposed(o, WWW).count, 0);
	OK(change_access(o, web1, mail, true));
	/* Of the group only web2 loses it. */
	assert_int_equal(exposed(o, WWW).count, 1);
	assert_string_equal(exposed(o, WWW).items[0].name, "web2");
}

static void
test_node_removed(void **state)
{
	struct office *o = *state;
	struct hash first;

	office_add_node(o, "web1");
	office_add_node(o, "web2");
	assert_int_equal(office_add_credential(o, WWW, both), 0);
	first = office_active(o, WWW)->generation->key;
	OK(nodes_remove(o->nodes, "web1", "test", office_on_nodes, o, &o->err));
	office_restart(o);
	office_settle(o);
	check_one(o, "web1", &first, EXPOSED_REMOVED, true);
	assert_int_equal(office_active(o, WWW)->access.count, 1);
}

/* A renewal that comes between the removal and the new seals loses nothing. */
static void
test_renewed_meanwhile(void **state)
{
	struct office *o = *state;
	struct hash first;

	office_add_node(o, "web1");
	office_add_node(o, "web2");
	assert_int_equal(office_add_credential(o, WWW, both), 0);
	first = office_active(o, WWW)->generation->key;
	o->called = false;
	assert_int_equal(nodes_remove(o->nodes, "web1", "test", office_on_nodes, o, &o->err), 0);
	while (index_named(o->index, KIND_NODE, "web1") != NULL)
		assert_true(virtual_step(&o->time));
	OK(flow_credential_renew(o->flow, WWW, true, "test", office_on_flow, o, &o->err));
	office_settle(o);
	assert_true(exposed(o, WWW).count >= 1);
	assert_true(hash_equal(&exposed(o, WWW).items[0].key, &first));
}

static void
add_many(struct office *o, const char *const *access)
{
	for (int i = 0; i < MANY; i++) {
		char name[32];

		snprintf(name, sizeof(name), "n%d.example.org", i);
		assert_int_equal(office_add_credential(o, name, access), 0);
	}
}

static void
check_many(struct office *o, const char *node, uint32_t why)
{
	for (int i = 0; i < MANY; i++) {
		char name[32];

		snprintf(name, sizeof(name), "n%d.example.org", i);
		assert_int_equal(exposed(o, name).count, 1);
		assert_string_equal(exposed(o, name).items[0].name, node);
		assert_int_equal(exposed(o, name).items[0].why, why);
	}
}

/* All are noted before the group gets its new key, in several mutations. */
static void
test_group_left(void **state)
{
	struct office *o = *state;

	office_add_node(o, "web1");
	office_add_node(o, "web2");
	OK(make_group(o, both));
	add_many(o, mail);
	OK(leave(o, "web1", false));
	check_many(o, "web1", EXPOSED_GROUP);
	assert_int_equal(index_named(o->index, KIND_GROUP, "mail")->group->generation, 2);
	assert_true(exposed(o, "n1.example.org").items[0].replace);
	OK(leave(o, "web2", true));
	assert_int_equal(exposed(o, "n1.example.org").count, 2);
	assert_false(exposed(o, "n1.example.org").items[1].replace);
}

/* The server ends in the middle of the notes of a removal. */
static void
test_group_of_removed(void **state)
{
	struct office *o = *state;
	bool some = false;

	office_add_node(o, "web1");
	office_add_node(o, "web2");
	OK(make_group(o, both));
	add_many(o, mail);
	o->called = false;
	assert_int_equal(nodes_remove(o->nodes, "web1", "test", office_on_nodes, o, &o->err), 0);
	while (!some) {
		assert_true(virtual_step(&o->time));
		for (int i = 0; i < MANY && !some; i += 50) {
			char name[32];

			snprintf(name, sizeof(name), "n%d.example.org", i);
			some = exposed(o, name).count > 0;
		}
	}
	assert_int_equal(index_named(o->index, KIND_GROUP, "mail")->group->generation, 1);
	office_restart(o);
	office_settle(o);
	assert_int_equal(index_named(o->index, KIND_GROUP, "mail")->group->generation, 2);
	check_many(o, "web1", EXPOSED_REMOVED);
}

/* Whoever could open everything knows everything. */
static void
test_manager_removed(void **state)
{
	struct office *o = *state;
	struct hash key;

	assert_int_equal(office_add_credential(o, WWW, NULL), 0);
	key = office_active(o, WWW)->generation->key;
	OK(nodes_remove(o->nodes, "recovery", "test", office_on_nodes, o, &o->err));
	office_settle(o);
	check_one(o, "recovery", &key, EXPOSED_REMOVED, true);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_OFFICE(test_access_taken),
	    WITH_OFFICE(test_access_taken_with_new_key),
	    WITH_OFFICE(test_access_by_two_ways),
	    WITH_OFFICE(test_node_removed),
	    WITH_OFFICE(test_renewed_meanwhile),
	    WITH_OFFICE(test_group_left),
	    WITH_OFFICE(test_group_of_removed),
	    WITH_OFFICE(test_manager_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
