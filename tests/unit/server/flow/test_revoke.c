/* What is revoked, and the lists that follow from it. */

#include "server/index/index_ca.h"
#include "tests/support/office_words.h"
#include "tests/support/outside.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define DAY INT64_C(86400)
#define WWW "www.example.org"

static void
test_revoke(void **state)
{
	struct office *o = *state;
	const struct index_record *crl;
	const char *web1[] = {"web1", NULL};
	struct office_node *n = office_add_node(o, "web1");
	struct id active;

	assert_int_equal(office_add_credential(o, WWW, web1), 0);
	/* Without an address there is no list as long as nothing stands in it. */
	office_settle(o);
	assert_null(index_crl_of(o->index, index_default_ca(o->index)));
	active = office_active(o, WWW)->id;
	assert_int_equal(office_revoke(o, WWW, 0, "superseded"), 0);
	assert_string_equal(o->warning, "");
	assert_int_equal(office_credential(o, WWW)->credential->state, CREDENTIAL_REVOKED);
	/* When it was answered the list had it. */
	assert_true(office_is_listed(o, &active));
	crl = index_crl_of(o->index, index_default_ca(o->index));
	assert_int_equal(crl->crl->list.entries[0].reason, 4);
	assert_int_equal(crl->crl->number, 1);
	assert_false(office_can_open_generation(o, n, &active));
	assert_int_equal(office_revoke(o, WWW, 0, NULL), ERR_CONFLICT);
	assert_int_equal(office_revoke(o, WWW, 9, NULL), ERR_NOTFOUND);
	assert_int_equal(office_revoke(o, WWW, 0, "boredom"), ERR_INVALID);
	/* A renewal makes it good again; the key was not said to be compromised. */
	OK(flow_credential_renew(o->flow, WWW, false, "test", office_on_flow, o, &o->err));
	assert_int_equal(office_credential(o, WWW)->credential->state, CREDENTIAL_ISSUED);
	assert_true(office_is_listed(o, &active));
	/* Nothing is lost at a restart, and nothing is signed for that alone. */
	office_restart(o);
	office_settle(o);
	assert_true(office_is_listed(o, &active));
	assert_int_equal(index_crl_of(o->index, index_default_ca(o->index))->crl->number, 1);
}

/* What is revoked stays that, whoever gets or loses access; the next one is for those. */
static void
test_access_to_revoked(void **state)
{
	struct office *o = *state;
	const char *web1[] = {"web1", NULL};
	const char *one = "web1", *two = "web2";
	struct office_node *n = office_add_node(o, "web2");
	struct access_change change = {
	    .name = WWW, .add = {&two, 1}, .remove = {&one, 1}, .author = "test"};
	struct id active;

	office_add_node(o, "web1");
	assert_int_equal(office_add_credential(o, WWW, web1), 0);
	active = office_active(o, WWW)->id;
	assert_int_equal(office_revoke(o, WWW, 0, NULL), 0);
	OK(flow_credential_access(o->flow, &change, office_on_flow, o, &o->err));
	assert_int_equal(office_credential(o, WWW)->credential->state, CREDENTIAL_REVOKED);
	assert_int_equal(office_credential(o, WWW)->credential->generations, 1);
	assert_int_equal(index_get(o->index, &active)->access.count, 0);
	office_settle(o);
	assert_false(office_can_open_generation(o, n, &active));
	OK(flow_credential_renew(o->flow, WWW, false, "test", office_on_flow, o, &o->err));
	assert_true(office_can_open(o, n, WWW));
}

/* The key of the CSR of WWW that waits. */
static struct pkey *
requested_key(struct office *o)
{
	struct record *r = office_fetch(o, &office_credential(o, WWW)->credential->pending);
	struct generation_public g;
	struct pkey *key = NULL;

	assert_int_equal(wire_generation_public_decode(r->public_part, &g, NULL), 0);
	assert_int_equal(csr_key(g.csr, &key, NULL), 0);
	generation_public_fini(&g);
	record_free(r);
	return key;
}

/* Of a CA outside: it is served no more, but somebody has to tell that CA. */
static void
test_revoke_outside(void **state)
{
	struct office *o = *state;
	const char *name = WWW;
	const struct credential_spec spec = {
	    .names = {&name, 1}, .issuer = ISSUER_MANUAL, .author = "test"};
	int64_t now = virtual_wall_ms(&o->time.rt) / 1000;
	struct outside ca;
	struct pkey *key, *next;
	struct cert *leaf;
	struct span der;

	outside_init(&ca, now);
	OK(flow_credential_add(o->flow, &spec, office_on_flow, o, &o->err));
	assert_int_equal(office_revoke(o, WWW, 0, NULL), ERR_CONFLICT);
	assert_int_equal(office_revoke(o, WWW, 1, NULL), ERR_CONFLICT);
	key = requested_key(o);
	leaf = outside_sign(&ca, key, &name, 1, now, now + DAY);
	der = cert_der(leaf);
	OK(flow_credential_paste(
	    o->flow, WWW, (struct spans){&der, 1}, "test", office_on_flow, o, &o->err));
	assert_int_equal(office_revoke(o, WWW, 0, "key-compromise"), 0);
	assert_non_null(strstr(o->warning, "CA outside"));
	assert_int_equal(office_credential(o, WWW)->credential->state, CREDENTIAL_REVOKED);
	assert_int_equal(index_count(o->index, KIND_CRL), 0);
	/* Another certificate for that key is not asked for. */
	OK(flow_credential_renew(o->flow, WWW, false, "test", office_on_flow, o, &o->err));
	next = requested_key(o);
	assert_false(pkey_same_public(key, next));
	pkey_unref(next);
	pkey_unref(key);
	cert_unref(leaf);
	outside_fini(&ca);
}

/* All generations of a compromised key go, and it is never certified again. */
static void
test_revoke_key(void **state)
{
	struct office *o = *state;
	struct id first, second, third;
	struct hash key;

	assert_int_equal(office_add_of(o, WWW, NULL), 0);
	first = office_active(o, WWW)->id;
	OK(flow_credential_renew(o->flow, WWW, true, "test", office_on_flow, o, &o->err));
	second = office_active(o, WWW)->id;
	OK(flow_credential_renew(o->flow, WWW, false, "test", office_on_flow, o, &o->err));
	third = office_active(o, WWW)->id;
	key = office_active(o, WWW)->generation->key;
	assert_int_equal(office_revoke(o, WWW, 0, "key-compromise"), 0);
	assert_int_equal(o->result.generation, 3);
	assert_true(office_is_listed(o, &second) && office_is_listed(o, &third));
	assert_false(index_get(o->index, &first)->generation->revoked);
	assert_true(index_get(o->index, &second)->generation->withdrawn);
	OK(flow_credential_renew(o->flow, WWW, false, "test", office_on_flow, o, &o->err));
	assert_false(hash_equal(&office_active(o, WWW)->generation->key, &key));
	/* One that is not in force leaves that as it is. */
	assert_int_equal(office_revoke(o, WWW, 1, "cessation-of-operation"), 0);
	assert_true(office_is_listed(o, &first));
	assert_int_equal(office_credential(o, WWW)->credential->state, CREDENTIAL_ISSUED);
	assert_int_equal(index_default_ca(o->index)->ca->has_successor, false);
}

/* Many at a time come into few lists. */
static void
test_revoke_many(void **state)
{
	enum { MANY = 40 };
	struct office *o = *state;
	char names[MANY][32];

	for (int i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof(names[i]), "n%d.example.org", i);
		assert_int_equal(office_add_of(o, names[i], NULL), 0);
	}
	o->called = false;
	for (int i = 0; i < MANY; i++)
		assert_int_equal(flow_credential_revoke(o->flow, names[i], 0, NULL, "test",
				     office_on_flow, o, &o->err),
		    0);
	office_settle(o);
	assert_int_equal(o->status, 0);
	assert_int_equal(index_unlisted(o->index, index_default_ca(o->index), 0), 0);
	assert_int_equal(index_crl_of(o->index, index_default_ca(o->index))->crl->list.count, MANY);
	assert_true(index_crl_of(o->index, index_default_ca(o->index))->crl->number < MANY / 4);
}

/* From the moment at which a generation is revoked nothing can be stored any more. */
static void
fill_disk(void *arg, const struct committed *records, size_t count, const struct head *head,
    struct signed_bytes signed_head)
{
	struct office *o = arg;

	(void)head;
	(void)signed_head;
	for (size_t i = 0; i < count; i++)
		if (records[i].record->kind == KIND_GENERATION)
			vfs_fault_fail(o->disk, VFS_WRITE, 1, VFS_ENOSPC, true);
}

/* The list cannot be stored: the answer says so, and it comes later. */
static void
test_list_later(void **state)
{
	struct office *o = *state;
	struct id active;

	assert_int_equal(office_add_of(o, WWW, NULL), 0);
	active = office_active(o, WWW)->id;
	commit_observe(o->commit, fill_disk, o);
	assert_int_equal(office_revoke(o, WWW, 0, NULL), 0);
	commit_unobserve(o->commit, fill_disk, o);
	assert_non_null(strstr(o->warning, "not signed yet"));
	assert_false(office_is_listed(o, &active));
	vfs_fault_heal(o->disk);
	office_sleep(o, 3600);
	assert_true(office_is_listed(o, &active));
}

/* The server dies between the two: the next one finds what is missing. */
static void
test_list_after_crash(void **state)
{
	struct office *o = *state;
	struct id first, active;

	assert_int_equal(office_add_of(o, WWW, NULL), 0);
	first = office_active(o, WWW)->id;
	OK(flow_credential_renew(o->flow, WWW, false, "test", office_on_flow, o, &o->err));
	active = office_active(o, WWW)->id;
	commit_observe(o->commit, fill_disk, o);
	assert_int_equal(office_revoke(o, WWW, 0, "key-compromise"), 0);
	assert_false(index_get(o->index, &first)->generation->revoked);
	vfs_fault_heal(o->disk);
	office_restart(o);
	office_settle(o);
	assert_true(office_is_listed(o, &active) && office_is_listed(o, &first));
	assert_int_equal(office_credential(o, WWW)->credential->compromised.count, 0);
}

/* A deletion that comes as soon as a generation is revoked. */
static void
on_deleted(void *arg, int status, const struct flow_result *result, const struct err *err)
{
	(void)result;
	(void)err;
	*(int *)arg = status;
}

static int deleted;

static void
delete_it(void *arg, const struct committed *records, size_t count, const struct head *head,
    struct signed_bytes signed_head)
{
	struct office *o = arg;
	struct err err;

	(void)head;
	(void)signed_head;
	for (size_t i = 0; i < count; i++)
		if (records[i].record->kind == KIND_GENERATION && !records[i].record->removed)
			assert_int_equal(flow_credential_delete(
					     o->flow, WWW, "test", on_deleted, &deleted, &err),
			    0);
}

/* It waits for the list, which is made from the records that it removes. */
static void
test_deleted_at_once(void **state)
{
	struct office *o = *state;

	assert_int_equal(office_add_of(o, WWW, NULL), 0);
	deleted = 1;
	commit_observe(o->commit, delete_it, o);
	assert_int_equal(office_revoke(o, WWW, 0, NULL), 0);
	office_settle(o);
	commit_unobserve(o->commit, delete_it, o);
	assert_int_equal(deleted, 0);
	assert_null(index_named(o->index, KIND_CREDENTIAL, WWW));
	assert_int_equal(index_crl_of(o->index, index_default_ca(o->index))->crl->list.count, 1);
}

static void
on_put(void *arg, int status, const struct commit_result *result, const struct err *err)
{
	(void)result;
	(void)err;
	*(int *)arg = status;
}

/* A list with that many certificates that nobody here knows. */
static void
put_list(struct office *o, const struct index_record *ca, size_t count)
{
	static uint8_t serials[LIMIT_CRL_ENTRIES][3];
	static struct revoked_certificate all[LIMIT_CRL_ENTRIES];
	int64_t now = virtual_wall_ms(&o->time.rt) / 1000;
	struct signer_request r = {.op = SIGNER_SIGN_CRL};
	struct mutation *m = mutation_new("test", "test", "list");
	struct draft *d = mutation_add(m);
	char hex[ID_HEX_MAX];
	int status = 1;

	for (size_t i = 0; i < count; i++) {
		serials[i][0] = 1;
		serials[i][1] = (uint8_t)(i >> 8);
		serials[i][2] = (uint8_t)i;
		all[i] = (struct revoked_certificate){.serial = SPAN(serials[i], 3),
		    .revoked_at = now,
		    .not_after = now + 1000 * DAY};
	}
	r.sign_crl = (struct signer_sign_crl){.ca = ca->signed_record,
	    .revoked = {all, count},
	    .this_update = now,
	    .next_update = now + 7 * DAY};
	assert_int_equal(world_ask(&o->world, &r), 0);
	d->id = (struct id){{9, 9}};
	d->kind = KIND_CRL;
	snprintf(d->name, sizeof(d->name), "%s", id_hex(&ca->id, hex));
	buf_put_span(d->public_part, o->world.last.public_part);
	assert_int_equal(commit_submit(o->commit, m, on_put, &status, &o->err), 0);
	office_settle(o);
	assert_int_equal(status, 0);
}

/* The last place is given away; after that a revocation is refused, and says what to do. */
static void
test_full_list(void **state)
{
	struct office *o = *state;
	const struct index_record *ca;

	assert_int_equal(office_add_of(o, WWW, NULL), 0);
	assert_int_equal(office_add_of(o, "b.example.org", NULL), 0);
	ca = index_default_ca(o->index);
	put_list(o, ca, LIMIT_CRL_ENTRIES - 1);
	assert_int_equal(office_revoke(o, WWW, 0, NULL), 0);
	assert_string_equal(o->warning, "");
	assert_int_equal(index_crl_of(o->index, ca)->crl->list.count, LIMIT_CRL_ENTRIES);
	assert_int_equal(office_revoke(o, "b.example.org", 0, NULL), ERR_LIMIT);
	assert_non_null(strstr(o->err.text, "--new-key"));
	assert_int_equal(
	    office_credential(o, "b.example.org")->credential->state, CREDENTIAL_ISSUED);
	/* A compromised key is replaced all the same, and never comes back. */
	OK(flow_credential_rekey(o->flow,
	    &(struct credential_rekey){
		.name = "b.example.org", .reason = REKEY_COMPROMISED, .author = "test"},
	    office_on_flow, o, &o->err));
	assert_non_null(strstr(o->warning, "is full"));
	assert_int_equal(office_active(o, "b.example.org")->generation->number, 2);
	assert_int_equal(office_credential(o, "b.example.org")->credential->compromised.count, 1);
	FAILS(ERR_CONFLICT,
	    flow_generation_activate(
		o->flow, "b.example.org", 1, "test", office_on_flow, o, &o->err));
	/* It is renewed all the same, and a new key has a list of its own. */
	office_sleep(o, 4 * DAY);
	assert_int_equal(index_crl_of(o->index, ca)->crl->number, 3);
	OK(flow_ca_renew(o->flow, "default", true, 0, "test", office_on_flow, o, &o->err));
	OK(flow_credential_renew(
	    o->flow, "b.example.org", false, "test", office_on_flow, o, &o->err));
	assert_int_equal(office_revoke(o, "b.example.org", 0, NULL), 0);
}

static void
test_refresh(void **state)
{
	struct office *o = *state;
	const struct ca_change change = {
	    .name = "default", .address = "http://pki.example.org/", .author = "test"};
	uint64_t number;
	int64_t next;

	assert_int_equal(office_add_of(o, WWW, NULL), 0);
	OK(flow_ca_change(o->flow, &change, office_on_flow, o, &o->err));
	assert_string_equal(office_ca(o, "default")->ca->address, "http://pki.example.org");
	office_settle(o);
	/* With an address it has a list at once, though an empty one. */
	number = index_crl_of(o->index, office_ca(o, "default"))->crl->number;
	next = index_crl_of(o->index, office_ca(o, "default"))->crl->next_update;
	assert_int_equal(number, 1);
	assert_in_range(next, virtual_wall_ms(&o->time.rt) / 1000 + 7 * DAY - 120,
	    virtual_wall_ms(&o->time.rt) / 1000 + 7 * DAY);
	office_sleep(o, 3 * DAY);
	assert_int_equal(index_crl_of(o->index, office_ca(o, "default"))->crl->number, 1);
	office_sleep(o, DAY);
	assert_int_equal(index_crl_of(o->index, office_ca(o, "default"))->crl->number, 2);
	/* Its certificate runs out: then it leaves the list, but not at once. */
	assert_int_equal(office_revoke(o, WWW, 0, NULL), 0);
	for (int i = 0; i < 27; i++)
		office_sleep(o, 4 * DAY);
	assert_int_equal(index_crl_of(o->index, office_ca(o, "default"))->crl->list.count, 0);
}

/* The shortest list that can be set is signed twice a minute, and not all the time. */
static void
test_short_lists(void **state)
{
	const struct ca_spec spec = {.name = "ca", .address = "http://pki", .author = "test"};
	struct office *o = *state;

	OK(flow_setting_set(o->flow, "crl-lifetime", "60s", "test", office_on_flow, o, &o->err));
	OK(flow_ca_create(o->flow, &spec, office_on_flow, o, &o->err));
	for (int i = 0; i < 10; i++)
		office_settle(o);
	assert_in_range(index_crl_of(o->index, office_ca(o, "ca"))->crl->number, 20, 24);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_OFFICE(test_revoke),
	    WITH_OFFICE(test_access_to_revoked),
	    WITH_OFFICE(test_revoke_outside),
	    WITH_OFFICE(test_revoke_key),
	    WITH_OFFICE(test_revoke_many),
	    WITH_OFFICE(test_list_later),
	    WITH_OFFICE(test_list_after_crash),
	    WITH_OFFICE(test_deleted_at_once),
	    WITH_OFFICE(test_full_list),
	    WITH_OFFICE(test_refresh),
	    WITH_OFFICE(test_short_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
