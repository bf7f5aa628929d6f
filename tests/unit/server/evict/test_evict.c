/*
 * Evict and prove over a manager at work, with receipts that the test makes up: each key that
 * somebody knows without having access is replaced, and the note ends when nobody serves it.
 */

#include "server/evict/evict.h"
#include "server/flow/flow_exposed.h"
#include "server/flow/flow_domain.h"
#include "tests/support/office_words.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define WWW "www.example.org"
#define NODES 3

static const char *const web1[] = {"web1", NULL};
static const char *const all[] = {"web1", "web2", "web3", NULL};
static const char *const mail[] = {"@mail", NULL};

struct shown {
	struct id credential, generation;
};

/* What a node says; its place in the log is not asked for. */
struct teller {
	struct office_node *node;
	bool told;
	struct shown shown[64];
	size_t count;
};

struct stage {
	struct office o;
	struct evict *evict;
	struct teller tellers[NODES];
};

static bool
has_told(void *arg, const struct id *node, struct position at)
{
	struct stage *s = arg;

	(void)at;
	for (size_t i = 0; i < NODES; i++)
		if (s->tellers[i].node != NULL && id_equal(&s->tellers[i].node->id, node))
			return s->tellers[i].told;
	return false;
}

static void
receipts(void *arg, const struct id *credential,
    void (*cb)(void *cb_arg, const struct id *node, const struct receipt *receipt), void *cb_arg)
{
	struct stage *s = arg;

	for (size_t i = 0; i < NODES; i++) {
		const struct teller *t = &s->tellers[i];

		for (size_t k = 0; t->told && k < t->count; k++) {
			const struct receipt r = {.credential = *credential,
			    .has_generation = true,
			    .generation = t->shown[k].generation};

			if (id_equal(&t->shown[k].credential, credential))
				cb(cb_arg, &t->node->id, &r);
		}
	}
}

static void
start_evict(struct stage *s)
{
	s->evict = evict_new(&(struct evict_params){.runtime = &s->o.time.rt,
	    .index = s->o.index,
	    .commit = s->o.commit,
	    .flow = s->o.flow,
	    .has_told = has_told,
	    .receipts = receipts,
	    .arg = s});
}

static int
setup(void **state)
{
	struct stage *s = mem_zalloc(sizeof(*s));
	static const char *const names[] = {"web1", "web2", "web3"};

	office_init(&s->o, 1);
	for (size_t i = 0; i < NODES; i++)
		s->tellers[i].node = office_add_node(&s->o, names[i]);
	start_evict(s);
	*state = s;
	return 0;
}

static int
teardown(void **state)
{
	struct stage *s = *state;

	evict_stop(s->evict);
	office_fini(&s->o);
	evict_free(s->evict);
	mem_free(s);
	return 0;
}

/* As a manager that was killed: nothing but the disk is left, and nobody has said anything yet. */
static void
restart(struct stage *s)
{
	evict_stop(s->evict);
	office_restart(&s->o);
	evict_free(s->evict);
	for (size_t i = 0; i < NODES; i++)
		s->tellers[i].told = false;
	start_evict(s);
}

static bool
on_serves(void *arg, const struct index_record *c)
{
	struct teller *t = arg;

	if (c->credential->has_active && t->count < ARRAY_LEN(t->shown))
		t->shown[t->count++] = (struct shown){c->id, c->credential->active};
	return true;
}

/* A node has caught up, and says all that it serves. */
static void
tells(struct stage *s, size_t i)
{
	struct teller *t = &s->tellers[i];

	t->told = true;
	t->count = 0;
	if (index_of_kind(s->o.index, KIND_NODE, &t->node->id) == NULL)
		return;
	index_readable_by(s->o.index, &t->node->id, on_serves, t);
	evict_on_receipt(s->evict, &t->node->id, NULL);
}

static struct exposures
exposed(struct stage *s, const char *name)
{
	return office_credential(&s->o, name)->credential->exposed;
}

struct stills {
	char text[256];
	struct stage *s;
};

static void
on_still(void *arg, const struct id *node, bool silent)
{
	struct stills *l = arg;
	size_t len = strlen(l->text);
	char name[LIMIT_NAME + 2];

	snprintf(l->text + len, sizeof(l->text) - len, "%s%s ",
	    index_access_name(l->s->o.index, node, name), silent ? "?" : "");
}

/* The state of the first note, and whom it waits for. */
static void
check_state(struct stage *s, const char *name, enum evict_state state, const char *still)
{
	const struct index_record *c = office_credential(&s->o, name);
	struct stills l = {.s = s};
	struct evict_view v;

	assert_true(c->credential->exposed.count > 0);
	v = evict_judge(s->evict, c, &c->credential->exposed.items[0], on_still, &l);
	assert_string_equal(evict_state_name(v.state), evict_state_name(state));
	assert_string_equal(l.text, still);
}

static int
expose(struct office *o, const char *node, bool keep)
{
	const struct expose_spec x = {
	    .node = node, .why = EXPOSED_ASKED, .keep_keys = keep, .author = "test"};

	return flow_expose(o->flow, &x, office_on_flow, o, &o->err);
}

static int
remove_node(struct office *o, const char *name)
{
	return nodes_remove(o->nodes, name, "test", office_on_nodes, o, &o->err);
}

/* One is evicted, one is away meanwhile: proven only when that one has come back. */
static void
test_evict_and_prove(void **state)
{
	struct stage *s = *state;
	struct office *o = &s->o;
	struct hash first;

	assert_int_equal(office_add_credential(o, WWW, all), 0);
	first = office_active(o, WWW)->generation->key;
	for (size_t i = 0; i < NODES; i++)
		tells(s, i);
	OK(remove_node(o, "web1"));
	office_settle(o);
	assert_false(hash_equal(&office_active(o, WWW)->generation->key, &first));
	assert_false(office_can_open(o, s->tellers[0].node, WWW));
	check_state(s, WWW, EVICT_REPLACED, "web2 web3 ");
	tells(s, 1);
	office_settle(o);
	check_state(s, WWW, EVICT_REPLACED, "web3 ");
	/* The manager is killed: what it has not heard anew is not proven. */
	restart(s);
	office_settle(o);
	check_state(s, WWW, EVICT_REPLACED, "web2? web3? ");
	tells(s, 1);
	office_settle(o);
	check_state(s, WWW, EVICT_REPLACED, "web3? ");
	tells(s, 2);
	office_settle(o);
	assert_int_equal(exposed(s, WWW).count, 0);
	assert_int_equal(office_active(o, WWW)->generation->number, 2);
}

/* Killed at any step, the work goes on and ends with the same. */
static void
test_killed_anywhere(void **state)
{
	struct stage *s = *state;
	struct office *o = &s->o;
	char name[32];

	OK(nodes_group_create(
	    o->nodes, "mail", office_texts(all), "test", office_on_nodes, o, &o->err));
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "n%d.example.org", i);
		assert_int_equal(office_add_credential(o, name, i % 2 ? all : mail), 0);
	}
	for (size_t i = 0; i < NODES; i++)
		tells(s, i);
	o->called = false;
	assert_int_equal(remove_node(o, "web1"), 0);
	while (index_named(o->index, KIND_NODE, "web1") != NULL)
		assert_true(virtual_step(&o->time));
	for (int kills = 0; kills < 12; kills++) {
		for (int i = 0; i < 7 * kills; i++)
			(void)virtual_step(&o->time);
		restart(s);
	}
	office_settle(o);
	for (size_t i = 1; i < NODES; i++)
		tells(s, i);
	office_settle(o);
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "n%d.example.org", i);
		assert_int_equal(exposed(s, name).count, 0);
		assert_true(office_active(o, name)->generation->number >= 2);
		assert_false(office_can_open(o, s->tellers[0].node, name));
		assert_true(office_can_open(o, s->tellers[1].node, name));
	}
}

/* Notes alone drive nothing, until somebody asks. */
static void
test_asked_for_later(void **state)
{
	struct stage *s = *state;
	struct office *o = &s->o;

	assert_int_equal(office_add_credential(o, WWW, all), 0);
	OK(expose(o, "web1", true));
	assert_int_equal(o->result.generation, 1);
	OK(remove_node(o, "web1"));
	office_settle(o);
	assert_int_equal(exposed(s, WWW).count, 1);
	check_state(s, WWW, EVICT_KEPT, "");
	assert_int_equal(office_active(o, WWW)->generation->number, 1);
	/* By the name that it had; another node of that name may be there. */
	office_add_node(o, "web1");
	OK(expose(o, "web1", false));
	office_settle(o);
	assert_int_equal(office_active(o, WWW)->generation->number, 2);
	check_state(s, WWW, EVICT_REPLACED, "web2? web3? ");
	FAILS(ERR_NOTFOUND, expose(o, "web9", false));
	OK(expose(o, "web1", false));
	assert_int_equal(o->result.generation, 0);
}

/* Of a node that keeps its access: it gets the new key, too, and the old one goes. */
static void
test_of_a_member(void **state)
{
	struct stage *s = *state;
	struct office *o = &s->o;

	assert_int_equal(office_add_credential(o, WWW, all), 0);
	OK(expose(o, "web1", false));
	office_settle(o);
	assert_int_equal(office_active(o, WWW)->generation->number, 2);
	for (size_t i = 0; i < NODES; i++)
		tells(s, i);
	office_settle(o);
	assert_int_equal(exposed(s, WWW).count, 0);
	assert_int_equal(office_active(o, WWW)->generation->number, 2);
	assert_true(office_can_open(o, s->tellers[0].node, WWW));
}

/* Taken away with the key kept, and given back: there is nothing to be noted any more. */
static void
test_given_back(void **state)
{
	struct stage *s = *state;
	struct office *o = &s->o;
	struct access_change c = {
	    .name = WWW, .remove = office_texts(web1), .keep_key = true, .author = "test"};

	assert_int_equal(office_add_credential(o, WWW, all), 0);
	OK(flow_credential_access(o->flow, &c, office_on_flow, o, &o->err));
	office_settle(o);
	check_state(s, WWW, EVICT_KEPT, "");
	c.add = c.remove;
	c.remove = (struct texts){NULL, 0};
	OK(flow_credential_access(o->flow, &c, office_on_flow, o, &o->err));
	office_settle(o);
	assert_int_equal(exposed(s, WWW).count, 0);
}

static void
test_manual(void **state)
{
	struct stage *s = *state;
	struct office *o = &s->o;
	const char *name = WWW;
	const struct credential_spec spec = {.names = {&name, 1},
	    .issuer = ISSUER_MANUAL,
	    .has_access = true,
	    .access = office_texts(all),
	    .author = "test"};
	struct id before;

	/* A manager's key could open the key that waits. */
	OK(flow_credential_add(o->flow, &spec, office_on_flow, o, &o->err));
	before = office_credential(o, WWW)->credential->pending;
	OK(remove_node(o, "recovery"));
	office_settle(o);
	for (size_t i = 0; i < NODES; i++)
		tells(s, i);
	office_settle(o);
	assert_int_equal(exposed(s, WWW).count, 0);
	assert_false(id_equal(&office_credential(o, WWW)->credential->pending, &before));
}

/* What cannot be done is tried again later, and said. */
static void
test_trouble(void **state)
{
	struct stage *s = *state;
	struct office *o = &s->o;
	const struct ca_change off = {
	    .name = FLOW_DEFAULT_CA, .has_enabled = true, .author = "test"};
	const struct ca_spec other = {.name = "other", .is_default = true, .author = "test"};
	struct ca_change on = off;
	const struct index_record *c;
	struct evict_view v;

	assert_int_equal(office_add_credential(o, WWW, all), 0);
	OK(flow_ca_create(o->flow, &other, office_on_flow, o, &o->err));
	OK(flow_ca_change(o->flow, &off, office_on_flow, o, &o->err));
	OK(expose(o, "web1", false));
	office_settle(o);
	c = office_credential(o, WWW);
	v = evict_judge(s->evict, c, &c->credential->exposed.items[0], NULL, NULL);
	assert_int_equal(v.state, EVICT_WAITING);
	assert_non_null(strstr(v.trouble, "not enabled"));
	on.enabled = true;
	OK(flow_ca_change(o->flow, &on, office_on_flow, o, &o->err));
	office_sleep(o, 3600);
	assert_int_equal(office_active(o, WWW)->generation->number, 2);
}

/* Out of a group and back by its own name: what it knows is proven all the same. */
static void
test_back_by_name(void **state)
{
	struct stage *s = *state;
	struct office *o = &s->o;
	const struct access_change back = {
	    .name = WWW, .add = office_texts(web1), .author = "test"};

	OK(nodes_group_create(
	    o->nodes, "mail", office_texts(all), "test", office_on_nodes, o, &o->err));
	assert_int_equal(office_add_credential(o, WWW, mail), 0);
	OK(nodes_group_remove(
	    o->nodes, "mail", "web1", false, "test", office_on_nodes, o, &o->err));
	virtual_pass(&o->time, 1000);
	OK(flow_credential_access(o->flow, &back, office_on_flow, o, &o->err));
	virtual_pass(&o->time, 1000);
	check_state(s, WWW, EVICT_REPLACED, "web1? web2? web3? ");
	for (size_t i = 0; i < NODES; i++)
		tells(s, i);
	virtual_pass(&o->time, 1000);
	assert_int_equal(exposed(s, WWW).count, 0);
	assert_int_equal(office_active(o, WWW)->generation->number, 2);
}

/* A removal from a group that never came: the note goes after a while. */
static void
test_never_left(void **state)
{
	struct stage *s = *state;
	struct office *o = &s->o;
	const struct expose_spec x = {
	    .node = "web1", .why = EXPOSED_GROUP, .keep_keys = true, .author = "test"};

	OK(nodes_group_create(
	    o->nodes, "mail", office_texts(all), "test", office_on_nodes, o, &o->err));
	assert_int_equal(office_add_credential(o, WWW, mail), 0);
	OK(flow_expose(o->flow, &x, office_on_flow, o, &o->err));
	office_settle(o);
	check_state(s, WWW, EVICT_LEAVING, "");
	office_sleep(o, 600);
	assert_int_equal(exposed(s, WWW).count, 0);
	assert_int_equal(office_active(o, WWW)->generation->number, 1);
}

/* Keys that were in force before count as well, and end as soon as nobody shows them. */
static void
test_older_keys(void **state)
{
	struct stage *s = *state;
	struct office *o = &s->o;
	static const char *const both_ways[] = {"web2", "@mail", NULL};

	OK(nodes_group_create(
	    o->nodes, "mail", office_texts(all), "test", office_on_nodes, o, &o->err));
	assert_int_equal(office_add_credential(o, WWW, both_ways), 0);
	tells(s, 2);
	for (int i = 0; i < 2; i++)
		OK(flow_credential_renew(o->flow, WWW, true, "test", office_on_flow, o, &o->err));
	tells(s, 0);
	tells(s, 1);
	OK(nodes_group_remove(
	    o->nodes, "mail", "web1", false, "test", office_on_nodes, o, &o->err));
	office_settle(o);
	assert_true(exposed(s, WWW).count >= 2);
	check_state(s, WWW, EVICT_REPLACED, "web1 web2 ");
	OK(expose(o, "web3", false));
	OK(nodes_remove(o->nodes, "web3", "test", office_on_nodes, o, &o->err));
	OK(nodes_group_add(o->nodes, "mail", "web1", "test", office_on_nodes, o, &o->err));
	OK(nodes_group_remove(o->nodes, "mail", "web1", true, "test", office_on_nodes, o, &o->err));
	for (size_t i = 0; i < NODES; i++)
		tells(s, i);
	office_settle(o);
	for (size_t i = 0; i < NODES; i++)
		tells(s, i);
	office_settle(o);
	/* What is left is what nobody wants replaced. */
	assert_int_equal(exposed(s, WWW).count, 1);
	check_state(s, WWW, EVICT_KEPT, "");
}

/* Archived: it rests, and goes on when it comes back. */
static void
test_archived(void **state)
{
	struct stage *s = *state;
	struct office *o = &s->o;

	assert_int_equal(office_add_credential(o, WWW, all), 0);
	OK(flow_credential_archive(o->flow, WWW, true, "test", office_on_flow, o, &o->err));
	OK(expose(o, "web1", false));
	office_settle(o);
	check_state(s, WWW, EVICT_RESTING, "");
	OK(flow_credential_archive(o->flow, WWW, false, "test", office_on_flow, o, &o->err));
	office_settle(o);
	assert_int_equal(office_active(o, WWW)->generation->number, 2);
	OK(flow_credential_delete(o->flow, WWW, "test", office_on_flow, o, &o->err));
	office_settle(o);
}

#define WITH_STAGE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_STAGE(test_evict_and_prove),
	    WITH_STAGE(test_killed_anywhere),
	    WITH_STAGE(test_asked_for_later),
	    WITH_STAGE(test_of_a_member),
	    WITH_STAGE(test_given_back),
	    WITH_STAGE(test_manual),
	    WITH_STAGE(test_trouble),
	    WITH_STAGE(test_back_by_name),
	    WITH_STAGE(test_never_left),
	    WITH_STAGE(test_older_keys),
	    WITH_STAGE(test_archived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
