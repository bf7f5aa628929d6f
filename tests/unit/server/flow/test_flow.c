#include "common/wire/public_wire.h"
#include "server/index/index_ca.h"
#include "tests/support/office_words.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define DAY INT64_C(86400)

static const char *const web1[] = {"web1", NULL};
static const char *const web2[] = {"web2", NULL};
static const char *const mail[] = {"@mail", NULL};
static const char *const nobody[] = {NULL};
static const char *const manager[] = {"manager", NULL};

#define WWW "www.example.org"

static int
renew(struct office *o, const char *name, bool new_key)
{
	return flow_credential_renew(o->flow, name, new_key, "test", office_on_flow, o, &o->err);
}

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

static void
test_add(void **state)
{
	struct office *o = *state;
	struct office_node *one = office_add_node(o, "web1"), *two = office_add_node(o, "web2");
	const char *names[] = {"WWW.example.org", "*.Example.org.", "www.example.org"};
	const struct credential_spec spec = {.names = {names, 3},
	    .has_access = true,
	    .access = office_texts(web1),
	    .author = "test",
	    .fraction_percent = 50,
	    .stale_after = 7};
	const struct index_record *c, *ca;
	int64_t now;

	assert_null(index_default_ca(o->index));
	OK(flow_credential_add(o->flow, &spec, office_on_flow, o, &o->err));
	c = office_credential(o, WWW);
	now = virtual_wall_ms(&o->time.rt) / 1000;
	assert_true(id_equal(&o->result.id, &c->id));
	assert_string_equal(o->name, WWW);
	assert_string_equal(o->warning, "");
	assert_string_equal(o->result.commit.durability, "local");
	assert_int_equal(o->result.generation, 1);
	assert_int_equal(c->credential->names.count, 2);
	assert_string_equal(c->credential->names.items[1], "*.example.org");
	assert_int_equal(c->credential->state, CREDENTIAL_ISSUED);
	assert_int_equal(c->credential->stale_after, 7);
	assert_int_equal(c->credential->fraction_percent, 50);
	assert_in_range(office_active(o, WWW)->generation->not_before, now - 310, now - 290);
	assert_int_equal(office_active(o, WWW)->generation->not_after,
	    office_active(o, WWW)->generation->not_before + 90 * DAY - 1);
	ca = index_default_ca(o->index);
	assert_non_null(ca);
	assert_string_equal(ca->name, FLOW_DEFAULT_CA);
	assert_true(id_equal(&c->credential->issuer_record, &ca->id));
	assert_true(office_can_open(o, one, WWW));
	assert_false(office_can_open(o, two, WWW));
	FAILS(ERR_EXISTS, flow_credential_add(o->flow, &spec, office_on_flow, o, &o->err));
	assert_non_null(strstr(o->err.text, "cert renew"));
}

static void
test_add_refused(void **state)
{
	struct office *o = *state;
	const char *name = "a.example.org", *bad = "a_b.example.org";
	const char *const unknown[] = {"web9", NULL};
	static const char *many[LIMIT_NAMES + 1];
	struct credential_spec good = {.names = {&name, 1}, .author = "test"}, s = good;

	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = name;
#define BAD(code, change)                                                                          \
	do {                                                                                       \
		s = good;                                                                          \
		change;                                                                            \
		FAILS(code, flow_credential_add(o->flow, &s, office_on_flow, o, &o->err));         \
	} while (0)
	BAD(ERR_INVALID, s.names.items = &bad);
	BAD(ERR_INVALID, s.names.count = 0);
	BAD(ERR_LIMIT, s.names = ((struct texts){many, LIMIT_NAMES + 1}));
	BAD(ERR_INVALID, s.key_type = "rsa-1024");
	BAD(ERR_INVALID, s.lifetime = FLOW_LIFETIME_LEAST - 1);
	BAD(ERR_INVALID, s.lifetime = FLOW_LIFETIME_MOST + 1);
	BAD(ERR_INVALID, s.fraction_percent = 91);
	BAD(ERR_INVALID, s.name = "");
	BAD(ERR_INVALID, s.name = "a/b");
	BAD(ERR_NOTFOUND, s.ca = "nothing");
	BAD(ERR_NOTFOUND, s.has_access = true; s.access = office_texts(unknown));
#undef BAD
	assert_int_equal(index_count(o->index, KIND_CREDENTIAL), 0);
}

static void
test_add_idn(void **state)
{
	struct office *o = *state;
	const char *const names[] = {"*.Straße.example", "faß.de", "paypаl.com", "192.0.2.1"};
	const struct credential_spec spec = {.names = {names, ARRAY_LEN(names)}, .author = "test"};
	const struct index_record *c;

	OK(flow_credential_add(o->flow, &spec, office_on_flow, o, &o->err));
	assert_non_null(strstr(o->warning, "mixes Latin and Cyrillic"));
	c = office_credential(o, "*.xn--strae-oqa.example");
	assert_string_equal(c->credential->names.items[1], "xn--fa-hia.de");
	/* It is found as it was typed, and as it is stored. */
	assert_ptr_equal(index_credential(o->index, "*.STRAßE.example"), c);
	OK(renew(o, "*.straße.example", false));
	assert_int_equal(o->result.generation, 2);
	FAILS(ERR_NOTFOUND, renew(o, "straße.example", false));
}

static void
test_access_defaults(void **state)
{
	struct office *o = *state;
	struct office_node *one = office_add_node(o, "web1");

	/* Nobody, with a warning; then the domain's default. */
	assert_int_equal(office_add_credential(o, "a.example.org", NULL), 0);
	assert_non_null(strstr(o->warning, "no server may open it"));
	OK(nodes_set_default_access(
	    o->nodes, office_texts(web1), "test", office_on_nodes, o, &o->err));
	assert_int_equal(office_add_credential(o, "b.example.org", NULL), 0);
	assert_string_equal(o->warning, "");
	assert_true(office_can_open(o, one, "b.example.org"));
	assert_int_equal(office_add_credential(o, "c.example.org", nobody), 0);
	assert_false(office_can_open(o, one, "c.example.org"));
}

static int
set(struct office *o, const char *name, const char *value)
{
	return flow_setting_set(o->flow, name, value, "test", office_on_flow, o, &o->err);
}

/* Settings count for what is made from then on, and where nothing else is asked for. */
static void
test_settings(void **state)
{
	struct office *o = *state;
	const char *name = "a.example.org", *other = "b.example.org";
	struct credential_spec s = {
	    .names = {&name, 1}, .usual_issuer = true, .usual_new_key = true, .author = "test"};
	const struct credential_public *c;

	OK(set(o, "key-type", "ec-p384"));
	OK(set(o, "lifetime", "10d"));
	OK(set(o, "renew-percent", "20"));
	OK(set(o, "new-key", "yes"));
	OK(set(o, "new-key", "yes"));
	assert_true(o->result.unchanged);
	OK(flow_credential_add(o->flow, &s, office_on_flow, o, &o->err));
	c = office_credential(o, name)->credential;
	assert_string_equal(c->key_type, "ec-p384");
	assert_int_equal(c->lifetime, 10 * 86400);
	assert_int_equal(c->fraction_percent, 20);
	assert_true(c->new_key && c->issuer == ISSUER_MICRO);
	OK(set(o, "issuer", "manual"));
	OK(set(o, "new-key", NULL));
	OK(set(o, "new-key", NULL));
	assert_true(o->result.unchanged);
	s.names.items = &other;
	OK(flow_credential_add(o->flow, &s, office_on_flow, o, &o->err));
	c = office_credential(o, other)->credential;
	assert_true(!c->new_key && c->issuer == ISSUER_MANUAL && c->lifetime == 0);
	FAILS(ERR_INVALID, set(o, "lifetime", "1s"));
	FAILS(ERR_INVALID, set(o, "default-access", "web1"));
	FAILS(ERR_NOTFOUND, set(o, "colour", "red"));
}

static void
test_renew(void **state)
{
	struct office *o = *state;
	struct office_node *one = office_add_node(o, "web1");
	struct hash key;
	struct id before;

	assert_int_equal(office_add_credential(o, WWW, web1), 0);
	key = office_active(o, WWW)->generation->key;
	before = office_active(o, WWW)->id;
	OK(renew(o, WWW, false));
	assert_int_equal(o->result.generation, 2);
	assert_false(id_equal(&office_active(o, WWW)->id, &before));
	assert_true(hash_equal(&office_active(o, WWW)->generation->key, &key));
	assert_non_null(index_get(o->index, &before));
	OK(renew(o, WWW, true));
	assert_false(hash_equal(&office_active(o, WWW)->generation->key, &key));
	assert_true(office_can_open(o, one, WWW));
	FAILS(ERR_NOTFOUND, renew(o, "nothing.example.org", false));
}

static void
test_access_change(void **state)
{
	struct office *o = *state;
	struct office_node *one = office_add_node(o, "web1"), *two = office_add_node(o, "web2");
	struct hash key;
	struct id first;

	assert_int_equal(office_add_credential(o, WWW, web1), 0);
	key = office_active(o, WWW)->generation->key;
	first = office_active(o, WWW)->id;
	OK(change_access(o, web2, NULL, false));
	assert_true(office_can_open(o, one, WWW) && office_can_open(o, two, WWW));
	assert_true(hash_equal(&office_active(o, WWW)->generation->key, &key));
	assert_int_equal(office_active(o, WWW)->access.count, 2);
	/* Taking away: a new key, and the old generation is sealed without web1. */
	OK(change_access(o, NULL, web1, false));
	assert_false(hash_equal(&office_active(o, WWW)->generation->key, &key));
	assert_false(office_can_open(o, one, WWW));
	assert_true(office_can_open(o, two, WWW));
	assert_int_equal(index_get(o->index, &first)->access.count, 1);
	assert_int_equal(index_get(o->index, &first)->recipient_count, 2);
	assert_int_equal(office_credential(o, WWW)->access.count, 1);
	key = office_active(o, WWW)->generation->key;
	OK(change_access(o, web1, web2, true));
	assert_true(hash_equal(&office_active(o, WWW)->generation->key, &key));
	assert_non_null(strstr(o->warning, "--new-key"));
	assert_true(office_can_open(o, one, WWW) && !office_can_open(o, two, WWW));
	FAILS(ERR_NOTFOUND, change_access(o, mail, NULL, false));
	OK(change_access(o, NULL, web1, true));
	assert_non_null(strstr(o->warning, "no server may open it"));
	/* A group without anybody is nobody, and a manager serves nothing. */
	OK(nodes_group_create(
	    o->nodes, "mail", (struct texts){0}, "test", office_on_nodes, o, &o->err));
	OK(change_access(o, mail, NULL, true));
	assert_non_null(strstr(o->warning, "no server may open it"));
	OK(change_access(o, manager, NULL, true));
	assert_non_null(strstr(o->warning, "no server may open it"));
	OK(change_access(o, web1, NULL, true));
	assert_string_equal(o->warning, "");
}

static void
test_archive_delete(void **state)
{
	struct office *o = *state;

	office_add_node(o, "web1");
	assert_int_equal(office_add_credential(o, WWW, web1), 0);
	OK(flow_credential_archive(o->flow, WWW, true, "test", office_on_flow, o, &o->err));
	assert_true(office_credential(o, WWW)->credential->archived);
	FAILS(ERR_CONFLICT,
	    flow_credential_archive(o->flow, WWW, true, "test", office_on_flow, o, &o->err));
	assert_non_null(strstr(o->err.text, "archived already"));
	assert_int_equal(sched_due_at(o->sched, &office_credential(o, WWW)->id), 0);
	FAILS(ERR_CONFLICT, renew(o, WWW, false));
	assert_non_null(strstr(o->err.text, "archived"));
	OK(flow_credential_archive(o->flow, WWW, false, "test", office_on_flow, o, &o->err));
	FAILS(ERR_CONFLICT,
	    flow_credential_archive(o->flow, WWW, false, "test", office_on_flow, o, &o->err));
	OK(renew(o, WWW, false));
	OK(flow_credential_delete(o->flow, WWW, "test", office_on_flow, o, &o->err));
	assert_null(index_named(o->index, KIND_CREDENTIAL, WWW));
	assert_int_equal(index_count(o->index, KIND_GENERATION), 0);
	FAILS(
	    ERR_NOTFOUND, flow_credential_delete(o->flow, WWW, "test", office_on_flow, o, &o->err));
	/* The name is free again. */
	assert_int_equal(office_add_credential(o, WWW, web1), 0);
}

/* Many at once, with no CA yet: one is made, and all are done. */
struct crowd {
	struct office *o;
	size_t done, good, conflicts;
};

static void
on_crowd(void *arg, int status, const struct flow_result *result, const struct err *err)
{
	struct crowd *c = arg;

	(void)result;
	if (status < 0 && status != ERR_EXISTS && status != ERR_CANCELED)
		print_message("%s\n", err->text);
	c->done++;
	c->good += status == 0;
	c->conflicts += status == ERR_EXISTS;
}

static bool
is_done(void *arg)
{
	return ((struct crowd *)arg)->done == 40;
}

static void
test_crowd(void **state)
{
	struct office *o = *state;
	struct crowd c = {.o = o};

	for (int i = 0; i < 40; i++) {
		char text[32];
		const char *name = text;
		const struct credential_spec spec = {
		    .names = {&name, 1}, .has_access = true, .author = "test"};

		/* Each name twice. */
		snprintf(text, sizeof(text), "n%d.example.org", i / 2);
		assert_int_equal(flow_credential_add(o->flow, &spec, on_crowd, &c, &o->err), 0);
	}
	assert_true(virtual_until(&o->time, is_done, &c, 60000));
	assert_int_equal(c.good, 20);
	assert_int_equal(c.conflicts, 20);
	assert_int_equal(index_count(o->index, KIND_CA), 1);
	assert_int_equal(index_count(o->index, KIND_CREDENTIAL), 20);
	assert_int_equal(index_count(o->index, KIND_GENERATION), 20);
}

/* Two renewals of one credential: both are done, one after the other. */
static void
test_race(void **state)
{
	struct office *o = *state;
	struct crowd c = {.o = o, .done = 36};

	office_add_node(o, "web1");
	assert_int_equal(office_add_credential(o, WWW, web1), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(
		    flow_credential_renew(o->flow, WWW, false, "test", on_crowd, &c, &o->err), 0);
	assert_true(virtual_until(&o->time, is_done, &c, 60000));
	assert_int_equal(c.good, 4);
	assert_int_equal(office_credential(o, WWW)->credential->generations, 5);
}

static void
test_close(void **state)
{
	struct office *o = *state;
	struct crowd c = {.o = o, .done = 39};
	const char *name = WWW;
	const struct credential_spec spec = {.names = {&name, 1}, .author = "test"};

	assert_int_equal(flow_credential_add(o->flow, &spec, on_crowd, &c, &o->err), 0);
	office_restart(o);
	assert_int_equal(c.done, 40);
	assert_int_equal(c.good, 0);
	assert_int_equal(office_add_credential(o, WWW, nobody), 0);
}

static void
test_disk_full(void **state)
{
	struct office *o = *state;

	assert_int_equal(office_add_credential(o, "a.example.org", nobody), 0);
	vfs_fault_fail(o->disk, VFS_WRITE, 1, VFS_ENOSPC, true);
	assert_int_equal(office_add_credential(o, WWW, nobody), ERR_NOSPACE);
	assert_null(index_named(o->index, KIND_CREDENTIAL, WWW));
	vfs_fault_heal(o->disk);
	assert_int_equal(office_add_credential(o, WWW, nobody), 0);
}

/* --- what happens by itself --- */

static void
test_due(void **state)
{
	struct office *o = *state;
	int64_t due;

	office_add_node(o, "web1");
	assert_int_equal(office_add_credential(o, WWW, web1), 0);
	due = sched_due_at(o->sched, &office_credential(o, WWW)->id);
	assert_in_range(due, office_active(o, WWW)->generation->not_before + 57 * DAY,
	    office_active(o, WWW)->generation->not_before + 61 * DAY);
	/* The same after a restart. */
	office_restart(o);
	assert_true(sched_due_at(o->sched, &office_credential(o, WWW)->id) == due);
	office_sleep(o, 56 * DAY);
	assert_int_equal(office_credential(o, WWW)->credential->generations, 1);
	office_sleep(o, 6 * DAY);
	assert_int_equal(office_credential(o, WWW)->credential->generations, 2);
}

static void
test_due_failure(void **state)
{
	struct office *o = *state;
	struct ca_spec ca = {.name = "Short CA", .lifetime = 2 * DAY};
	struct ca_change off = {.name = "Short CA", .has_enabled = true, .author = "test"};
	const char *name = WWW;
	struct credential_spec spec = {
	    .names = {&name, 1}, .ca = "Short CA", .lifetime = DAY, .author = "test"};
	const struct credential_public *p;

	OK(flow_ca_create(o->flow, &ca, office_on_flow, o, &o->err));
	OK(flow_credential_add(o->flow, &spec, office_on_flow, o, &o->err));
	ca.name = FLOW_DEFAULT_CA;
	ca.lifetime = 0;
	ca.is_default = true;
	OK(flow_ca_create(o->flow, &ca, office_on_flow, o, &o->err));
	OK(flow_ca_change(o->flow, &off, office_on_flow, o, &o->err));
	/* The CA is off: the failure stands in the record, with the next try further off. */
	for (int i = 0; i < 60; i++)
		office_sleep(o, DAY / 20);
	p = office_credential(o, WWW)->credential;
	assert_int_equal(p->state, CREDENTIAL_FAILED);
	assert_non_null(strstr(p->error, "not enabled"));
	assert_true(p->failures > 1);
	assert_true(p->next_try > virtual_wall_ms(&o->time.rt) / 1000);
	FAILS(ERR_INVALID, renew(o, WWW, false));
	/* It is the same once the CA has run out, since nobody renews one that is off. */
	assert_int_equal(index_ca_due_at(o->index, index_named(o->index, KIND_CA, "Short CA")), 0);
	OK(flow_credential_delete(o->flow, WWW, "test", office_on_flow, o, &o->err));
}

static void
test_node_removed(void **state)
{
	struct office *o = *state;
	struct office_node *one = office_add_node(o, "web1"), *two = office_add_node(o, "web2");
	static const char *const both[] = {"web1", "web2", NULL};
	struct flow_stats stats;

	assert_int_equal(office_add_credential(o, WWW, both), 0);
	assert_int_equal(office_active(o, WWW)->recipient_count, 3);
	OK(nodes_remove(o->nodes, "web1", "test", office_on_nodes, o, &o->err));
	office_settle(o);
	assert_int_equal(office_active(o, WWW)->recipient_count, 2);
	assert_int_equal(office_active(o, WWW)->access.count, 1);
	assert_int_equal(office_credential(o, WWW)->access.count, 1);
	assert_false(office_can_open(o, one, WWW));
	assert_true(office_can_open(o, two, WWW));
	flow_stats(o->flow, &stats);
	assert_int_equal(stats.to_reseal, 0);
	assert_int_equal(stats.resealed, 1);
}

/* What a crash leaves undone is found at the next start. */
static void
test_reseal_after_restart(void **state)
{
	struct office *o = *state;
	static const char *const both[] = {"web1", "web2", NULL};

	office_add_node(o, "web1");
	office_add_node(o, "web2");
	for (int i = 0; i < 30; i++) {
		char name[32];

		snprintf(name, sizeof(name), "n%d.example.org", i);
		assert_int_equal(office_add_credential(o, name, both), 0);
	}
	OK(nodes_remove(o->nodes, "web1", "test", office_on_nodes, o, &o->err));
	office_restart(o);
	office_settle(o);
	for (int i = 0; i < 30; i++) {
		char name[32];

		snprintf(name, sizeof(name), "n%d.example.org", i);
		assert_int_equal(office_active(o, name)->recipient_count, 2);
		assert_int_equal(office_credential(o, name)->access.count, 1);
	}
}

static void
test_group_key(void **state)
{
	struct office *o = *state;
	static const char *const both[] = {"web1", "web2", NULL};
	struct office_node *one = office_add_node(o, "web1"), *two = office_add_node(o, "web2"),
			   *three = office_add_node(o, "web3");
	struct hash before;

	OK(nodes_group_create(
	    o->nodes, "mail", office_texts(both), "test", office_on_nodes, o, &o->err));
	assert_int_equal(office_add_credential(o, WWW, mail), 0);
	assert_true(office_can_open(o, one, WWW) && office_can_open(o, two, WWW));
	assert_false(office_can_open(o, three, WWW));
	OK(nodes_group_add(o->nodes, "mail", "web3", "test", office_on_nodes, o, &o->err));
	assert_true(office_can_open(o, three, WWW));
	before = office_active(o, WWW)->recipients;
	OK(nodes_group_remove(
	    o->nodes, "mail", "web1", false, "test", office_on_nodes, o, &o->err));
	office_settle(o);
	assert_false(hash_equal(&office_active(o, WWW)->recipients, &before));
	assert_false(office_can_open(o, one, WWW));
	assert_true(office_can_open(o, two, WWW) && office_can_open(o, three, WWW));
	FAILS(ERR_BUSY, nodes_group_delete(o->nodes, "mail", "test", office_on_nodes, o, &o->err));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_OFFICE(test_add),
	    WITH_OFFICE(test_add_refused),
	    WITH_OFFICE(test_add_idn),
	    WITH_OFFICE(test_access_defaults),
	    WITH_OFFICE(test_settings),
	    WITH_OFFICE(test_renew),
	    WITH_OFFICE(test_access_change),
	    WITH_OFFICE(test_archive_delete),
	    WITH_OFFICE(test_crowd),
	    WITH_OFFICE(test_race),
	    WITH_OFFICE(test_close),
	    WITH_OFFICE(test_disk_full),
	    WITH_OFFICE(test_due),
	    WITH_OFFICE(test_due_failure),
	    WITH_OFFICE(test_node_removed),
	    WITH_OFFICE(test_reseal_after_restart),
	    WITH_OFFICE(test_group_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
