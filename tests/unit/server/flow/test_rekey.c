/* New keys, and what becomes of the certificates for those of before. */

#include "common/model/pki.h"
#include "common/wire/public_wire.h"
#include "tests/support/office_words.h"
#include "tests/support/outside.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define DAY INT64_C(86400)
#define WWW "www.example.org"

static const char *const web1[] = {"web1", NULL};

static int
rekey(struct office *o, enum rekey_reason reason)
{
	const struct credential_rekey r = {.name = WWW, .reason = reason, .author = "test"};

	return flow_credential_rekey(o->flow, &r, office_on_flow, o, &o->err);
}

static int
renew(struct office *o, bool new_key)
{
	return flow_credential_renew(o->flow, WWW, new_key, "test", office_on_flow, o, &o->err);
}

static int
activate(struct office *o, uint64_t number)
{
	return flow_generation_activate(o->flow, WWW, number, "test", office_on_flow, o, &o->err);
}

static const struct index_generation *
numbered(struct office *o, uint64_t number)
{
	const struct index_record *r = NULL;

	assert_int_equal(
	    index_generation_find(o->index, office_credential(o, WWW), number, &r, &o->err), 0);
	return r->generation;
}

static size_t
listed(struct office *o)
{
	const struct credential_public *p = office_credential(o, WWW)->credential;

	return p->retiring.count + p->compromised.count;
}

/* A moment for what is done by itself. */
static void
pass(struct office *o)
{
	office_sleep(o, 1);
	office_settle(o);
}

static void
test_new(void **state)
{
	struct office *o = *state;
	struct office_node *one = office_add_node(o, "web1");
	struct hash key;

	assert_int_equal(office_add_credential(o, WWW, web1), 0);
	key = office_active(o, WWW)->generation->key;
	OK(rekey(o, REKEY_NEW));
	assert_int_equal(o->result.generation, 2);
	assert_false(hash_equal(&office_active(o, WWW)->generation->key, &key));
	assert_true(office_can_open(o, one, WWW));
	pass(o);
	assert_false(numbered(o, 1)->revoked);
	assert_int_equal(listed(o), 0);
	OK(activate(o, 1));
}

/* Everything that was certified for the old key, when everybody serves the new one. */
static void
test_revoke(void **state)
{
	struct office *o = *state;
	bool at_once = true;
	struct id first;

	office_add_node(o, "web1");
	assert_int_equal(office_add_credential(o, WWW, web1), 0);
	first = office_active(o, WWW)->id;
	OK(renew(o, false));
	OK(renew(o, true));
	OK(activate(o, 2));
	OK(rekey(o, REKEY_REVOKE));
	assert_int_equal(o->result.generation, 4);
	assert_int_equal(listed(o), 2);
	assert_true(flow_is_retiring(o->index, office_credential(o, WWW), &first, &at_once));
	assert_false(at_once);
	FAILS(ERR_CONFLICT, activate(o, 1));
	SAYS("about to be revoked");
	pass(o);
	assert_int_equal(listed(o), 2);
	/* Nor does a restart in the middle bring it on, or lose it. */
	office_restart(o);
	pass(o);
	assert_int_equal(listed(o), 2);
	assert_false(numbered(o, 1)->revoked);
	o->serves = true;
	pass(o);
	assert_int_equal(listed(o), 0);
	assert_true(numbered(o, 1)->revoked && numbered(o, 2)->revoked);
	assert_int_equal(numbered(o, 1)->reason, REVOKED_SUPERSEDED);
	assert_false(
	    numbered(o, 1)->withdrawn || numbered(o, 3)->revoked || numbered(o, 4)->revoked);
	/* Of a key of its own nothing was said. */
	OK(activate(o, 3));
	assert_int_equal(office_credential(o, WWW)->credential->state, CREDENTIAL_ISSUED);
}

/* The one in force in the same mutation, the others of its key behind it; never again. */
static void
test_compromised(void **state)
{
	struct office *o = *state;
	struct office_node *one = office_add_node(o, "web1");
	struct id first;

	assert_int_equal(office_add_credential(o, WWW, web1), 0);
	first = office_active(o, WWW)->id;
	OK(renew(o, false));
	OK(rekey(o, REKEY_COMPROMISED));
	assert_true(numbered(o, 2)->revoked && numbered(o, 2)->withdrawn);
	assert_int_equal(numbered(o, 2)->reason, REVOKED_KEY_COMPROMISE);
	assert_int_equal(office_active(o, WWW)->generation->number, 3);
	assert_int_equal(office_credential(o, WWW)->credential->state, CREDENTIAL_ISSUED);
	pass(o);
	assert_true(numbered(o, 1)->revoked && numbered(o, 1)->withdrawn);
	assert_int_equal(listed(o), 0);
	assert_false(office_can_open_generation(o, one, &first));
	assert_true(office_can_open(o, one, WWW));
	for (uint64_t n = 1; n <= 2; n++)
		FAILS(ERR_CONFLICT, activate(o, n));
	SAYS("compromised");
	/* Once more, of the key in force. */
	OK(rekey(o, REKEY_COMPROMISED));
	assert_true(numbered(o, 3)->withdrawn && !numbered(o, 4)->revoked);
}

/* A crash behind the first mutation: the rest follows from the record. */
static void
test_compromised_then_restart(void **state)
{
	struct office *o = *state;

	assert_int_equal(office_add_credential(o, WWW, NULL), 0);
	for (int i = 0; i < 3; i++)
		OK(renew(o, false));
	OK(rekey(o, REKEY_COMPROMISED));
	office_restart(o);
	pass(o);
	for (uint64_t n = 1; n <= 4; n++)
		assert_true(numbered(o, n)->withdrawn);
	assert_int_equal(listed(o), 0);
}

static int
add_manual(struct office *o)
{
	static const char *const names[] = {WWW};
	const struct credential_spec spec = {.names = {names, 1},
	    .issuer = ISSUER_MANUAL,
	    .has_access = true,
	    .access = office_texts(web1),
	    .author = "test"};

	return flow_credential_add(o->flow, &spec, office_on_flow, o, &o->err);
}

static struct pkey *
key_of_csr(struct office *o)
{
	struct record *r = office_fetch(o, &office_credential(o, WWW)->credential->pending);
	struct generation_public p;
	struct pkey *key = NULL;

	assert_int_equal(wire_generation_public_decode(r->public_part, &p, NULL), 0);
	assert_int_equal(csr_key(p.csr, &key, NULL), 0);
	generation_public_fini(&p);
	record_free(r);
	return key;
}

static int
answer(struct office *o, struct outside *ca, const struct pkey *key)
{
	static const char *const names[] = {WWW};
	int64_t now = virtual_wall_ms(&o->time.rt) / 1000;
	struct cert *leaf = outside_sign(ca, key, names, 1, now, now + 90 * DAY - 1);
	struct span der = cert_der(leaf);
	int started = flow_credential_paste(
	    o->flow, WWW, (struct spans){&der, 1}, "test", office_on_flow, o, &o->err);

	cert_unref(leaf);
	return started;
}

/* What is in force goes on until the CSR is answered; then it is marked. */
static void
test_manual(void **state)
{
	struct office *o = *state;
	struct pkey *old, *new;
	struct outside ca;
	struct hash waits;
	struct id pending;

	office_add_node(o, "web1");
	outside_init(&ca, virtual_wall_ms(&o->time.rt) / 1000);
	OK(add_manual(o));
	old = key_of_csr(o);
	OK(answer(o, &ca, old));
	OK(rekey(o, REKEY_COMPROMISED));
	assert_true(o->result.waits);
	WARNS("have generation 1 revoked at its CA now");
	pass(o);
	assert_int_equal(office_active(o, WWW)->generation->number, 1);
	assert_int_equal(listed(o), 1);
	/* Another change keeps the new key, not the one that was replaced. */
	pending = office_credential(o, WWW)->credential->pending;
	waits = index_get(o->index, &pending)->generation->key;
	OK(flow_credential_change(o->flow,
	    &(struct credential_change){.name = WWW, .profile = "both", .author = "test"},
	    office_on_flow, o, &o->err));
	pending = office_credential(o, WWW)->credential->pending;
	assert_true(hash_equal(&index_get(o->index, &pending)->generation->key, &waits));
	/* Nothing new comes for the old one. */
	FAILS(ERR_INVALID, answer(o, &ca, old));
	SAYS("no certificate is for the key");
	new = key_of_csr(o);
	OK(answer(o, &ca, new));
	pass(o);
	assert_true(numbered(o, 1)->withdrawn);
	assert_int_equal(listed(o), 0);
	assert_int_equal(office_credential(o, WWW)->credential->state, CREDENTIAL_ISSUED);
	pkey_unref(old);
	pkey_unref(new);
	outside_fini(&ca);
}

/* As many new ones as are kept, while a node is away: none goes before it is revoked. */
static void
test_many_before_revoked(void **state)
{
	struct office *o = *state;

	office_add_node(o, "web1");
	assert_int_equal(office_add_credential(o, WWW, web1), 0);
	for (unsigned i = 0; i < 18; i++)
		OK(rekey(o, REKEY_REVOKE));
	pass(o);
	assert_int_equal(listed(o), 18);
	assert_false(numbered(o, 1)->revoked);
	/* Nor with the credential. */
	FAILS(
	    ERR_CONFLICT, flow_credential_delete(o->flow, WWW, "test", office_on_flow, o, &o->err));
	SAYS("waits to be revoked");
	o->serves = true;
	for (unsigned i = 0; i < 18; i++)
		pass(o);
	assert_int_equal(listed(o), 0);
	for (uint64_t n = 1; n <= 18; n++)
		assert_true(numbered(o, n)->revoked);
	OK(flow_credential_delete(o->flow, WWW, "test", office_on_flow, o, &o->err));
}

/* A clock that was set years ahead for a while makes nobody forget. */
static void
test_clock_set_ahead(void **state)
{
	const int64_t years = 10 * 365 * DAY * 1000;
	struct office *o = *state;

	office_add_node(o, "web1");
	assert_int_equal(office_add_credential(o, WWW, web1), 0);
	OK(rekey(o, REKEY_REVOKE));
	pass(o);
	o->time.wall_at_zero += years;
	pass(o);
	o->time.wall_at_zero -= years;
	pass(o);
	assert_int_equal(listed(o), 1);
	o->serves = true;
	pass(o);
	assert_int_equal(listed(o), 0);
	assert_true(numbered(o, 1)->revoked);
	/* What has run out by a clock that goes evenly needs it no more. */
	o->serves = false;
	OK(rekey(o, REKEY_REVOKE));
	o->time.wall_at_zero += years;
	pass(o);
	office_sleep(o, 25 * 3600);
	pass(o);
	assert_int_equal(listed(o), 0);
}

/* All that were certified for a compromised key, also the one that would have gone now. */
static void
test_many_of_one_key(void **state)
{
	struct office *o = *state;

	assert_int_equal(office_add_credential(o, WWW, NULL), 0);
	for (unsigned i = 0; i < 16; i++)
		OK(renew(o, false));
	OK(rekey(o, REKEY_COMPROMISED));
	for (unsigned i = 0; i < 18; i++)
		pass(o);
	assert_int_equal(listed(o), 0);
	for (uint64_t n = 1; n <= 17; n++)
		assert_true(numbered(o, n)->withdrawn);
}

static void
test_refusals(void **state)
{
	struct office *o = *state;
	const char *name = "draft.example.org";
	const struct credential_spec draft = {.names = {&name, 1}, .draft = true, .author = "test"};
	const struct credential_rekey of_draft = {.name = name, .author = "test"};
	const struct id unused = {{1}};
	struct world_import im;
	uint64_t version;

	FAILS(ERR_NOTFOUND, rekey(o, REKEY_NEW));
	OK(flow_credential_add(o->flow, &draft, office_on_flow, o, &o->err));
	FAILS(ERR_CONFLICT, flow_credential_rekey(o->flow, &of_draft, office_on_flow, o, &o->err));
	SAYS("cert submit");
	world_import_init(&o->world, WWW, "ec-p256", &unused, &im);
	const struct span certs[] = {cert_der(im.leaf), cert_der(im.ca)};
	const struct credential_import spec = {.certificates = {certs, 2},
	    .nonce = im.nonce,
	    .sealed = buf_span(&im.sealed),
	    .author = "test"};
	OK(flow_credential_import(o->flow, &spec, office_on_flow, o, &o->err));
	world_import_fini(&im);
	FAILS(ERR_INVALID, rekey(o, REKEY_COMPROMISED));
	SAYS("cert import --replace");
	OK(flow_credential_change(o->flow,
	    &(struct credential_change){
		.name = WWW, .has_issuer = true, .issuer = ISSUER_MICRO, .author = "test"},
	    office_on_flow, o, &o->err));
	version = office_credential(o, WWW)->version;
	vfs_fault_fail(o->disk, VFS_WRITE, 1, VFS_ENOSPC, true);
	FAILS(ERR_NOSPACE, rekey(o, REKEY_COMPROMISED));
	vfs_fault_heal(o->disk);
	assert_int_equal(office_credential(o, WWW)->version, version);
	assert_false(numbered(o, 2)->revoked);
	OK(flow_credential_archive(o->flow, WWW, true, "test", office_on_flow, o, &o->err));
	FAILS(ERR_CONFLICT, rekey(o, REKEY_REVOKE));
	SAYS("cert archive --undo");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_OFFICE(test_new),
	    WITH_OFFICE(test_revoke),
	    WITH_OFFICE(test_compromised),
	    WITH_OFFICE(test_compromised_then_restart),
	    WITH_OFFICE(test_manual),
	    WITH_OFFICE(test_many_before_revoked),
	    WITH_OFFICE(test_clock_set_ahead),
	    WITH_OFFICE(test_many_of_one_key),
	    WITH_OFFICE(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
