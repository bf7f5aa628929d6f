/* Credentials that were made elsewhere. */

#include "common/crypto/cert.h"
#include "tests/support/office_words.h"

#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#define WWW "www.example.org"

static const char *const web1[] = {"web1", NULL};
static const char *const none[] = {NULL};

static struct world_import
made(struct office *o, const char *name)
{
	const struct id unused = {{1}};
	struct world_import im;

	world_import_init(&o->world, name, "ec-p256", &unused, &im);
	return im;
}

static int
import(struct office *o, const struct world_import *im, const char *name, bool replace,
    const char *const *access)
{
	const struct span certs[] = {cert_der(im->leaf), cert_der(im->ca)};
	const struct credential_import spec = {.name = name,
	    .certificates = {certs, 2},
	    .nonce = im->nonce,
	    .sealed = buf_span(&im->sealed),
	    .has_access = access != NULL,
	    .access = office_texts(access != NULL ? access : none),
	    .replace = replace,
	    .author = "test"};

	return flow_credential_import(o->flow, &spec, office_on_flow, o, &o->err);
}

static void
test_first(void **state)
{
	struct office *o = *state;
	struct office_node *web = office_add_node(o, "web1"), *other = office_add_node(o, "web2");
	struct world_import im = made(o, WWW);
	const struct credential_public *c;

	OK(import(o, &im, NULL, false, web1));
	assert_false(o->result.unchanged);
	assert_string_equal(o->name, WWW);
	c = office_credential(o, WWW)->credential;
	assert_int_equal(c->issuer, ISSUER_IMPORTED);
	assert_int_equal(c->state, CREDENTIAL_ISSUED);
	assert_string_equal(c->key_type, "ec-p256");
	assert_int_equal(c->generations, 1);
	assert_true(office_can_open(o, web, WWW));
	assert_false(office_can_open(o, other, WWW));
	/* It is nobody's turn to renew it. */
	assert_int_equal(sched_due_at(o->sched, &office_credential(o, WWW)->id), 0);
	office_restart(o);
	assert_string_equal(office_credential(o, WWW)->credential->key_type, "ec-p256");
	world_import_fini(&im);
}

static void
test_again(void **state)
{
	struct office *o = *state;
	struct world_import im = made(o, WWW), next = made(o, WWW);
	uint64_t version;

	OK(import(o, &im, NULL, false, NULL));
	assert_non_null(strstr(o->warning, "no server may open it"));
	version = office_credential(o, WWW)->version;
	OK(import(o, &im, NULL, false, NULL));
	assert_true(o->result.unchanged);
	assert_int_equal(o->result.generation, 1);
	assert_int_equal(office_credential(o, WWW)->version, version);
	FAILS(ERR_EXISTS, import(o, &next, NULL, false, NULL));
	SAYS("--replace");
	OK(import(o, &next, NULL, true, NULL));
	assert_int_equal(o->result.generation, 2);
	assert_int_equal(office_credential(o, WWW)->credential->generations, 2);
	/* The older one is known, too. */
	OK(import(o, &im, NULL, true, NULL));
	assert_true(o->result.unchanged);
	assert_int_equal(o->result.generation, 1);
	OK(import(o, &im, "second", false, NULL));
	assert_string_equal(o->name, "second");
	world_import_fini(&im);
	world_import_fini(&next);
}

static void
test_replace_keeps_access(void **state)
{
	struct office *o = *state;
	struct office_node *web = office_add_node(o, "web1");
	struct world_import im = made(o, WWW), next = made(o, WWW);

	OK(import(o, &im, NULL, false, web1));
	OK(import(o, &next, NULL, true, NULL));
	assert_true(office_can_open(o, web, WWW));
	OK(flow_credential_archive(o->flow, WWW, true, "test", office_on_flow, o, &o->err));
	world_import_fini(&im);
	im = made(o, WWW);
	FAILS(ERR_CONFLICT, import(o, &im, NULL, true, NULL));
	SAYS("archived");
	world_import_fini(&im);
	world_import_fini(&next);
}

static void
test_refused(void **state)
{
	static const char *const nobody[] = {"nobody", NULL};
	struct office *o = *state;
	struct world_import im = made(o, WWW), ca = made(o, NULL), other = made(o, "b.example.org");
	struct world_import mixed = im;

	FAILS(ERR_NOTFOUND, import(o, &im, NULL, false, nobody));
	FAILS(ERR_INVALID, import(o, &im, "a b", false, NULL));
	FAILS(ERR_INVALID, import(o, &ca, "ca", false, NULL));
	SAYS("one of a CA");
	mixed.sealed = other.sealed;
	mixed.nonce = other.nonce;
	FAILS(ERR_CRYPTO, import(o, &mixed, NULL, false, NULL));
	office_add_credential(o, "micro.example.org", none);
	FAILS(ERR_INVALID, import(o, &im, "micro.example.org", true, NULL));
	SAYS("issuer 'micro'");
	assert_null(index_named(o->index, KIND_CREDENTIAL, WWW));
	world_import_fini(&im);
	world_import_fini(&ca);
	world_import_fini(&other);
}

static int
revoke(struct office *o, const char *reason)
{
	return flow_credential_revoke(o->flow, WWW, 0, reason, "test", office_on_flow, o, &o->err);
}

/* What was revoked does not come back with the file that it came from, under whatever name. */
static void
test_revoked(void **state)
{
	struct office *o = *state;
	struct world_import im = made(o, WWW);
	const struct span certs[] = {cert_der(im.leaf), cert_der(im.ca)};
	const struct flow_export export = {.generation = {{7}}, .password = certs[0]};
	const struct credential_import exportable = {.certificates = {certs, 2},
	    .nonce = im.nonce,
	    .sealed = buf_span(&im.sealed),
	    .replace = true,
	    .export = &export,
	    .author = "test"};

	OK(import(o, &im, NULL, false, none));
	OK(revoke(o, "superseded"));
	OK(import(o, &im, NULL, true, NULL));
	assert_true(o->result.unchanged);
	assert_non_null(strstr(o->warning, "which is revoked"));
	FAILS(ERR_DENIED, import(o, &im, "second", false, none));
	SAYS("is revoked, as generation 1 of 'www.example.org'");
	FAILS(ERR_DENIED, flow_credential_import(o->flow, &exportable, office_on_flow, o, &o->err));
	SAYS("is revoked");
	world_import_fini(&im);
}

static void
test_compromised(void **state)
{
	struct office *o = *state;
	struct world_import im = made(o, WWW), next = made(o, WWW), other = made(o, WWW);

	OK(import(o, &im, NULL, false, none));
	OK(import(o, &im, "twin", false, none));
	OK(revoke(o, "key-compromise"));
	assert_non_null(strstr(o->warning, "in force in 'twin' too"));
	FAILS(ERR_DENIED, import(o, &im, "second", false, none));
	SAYS("compromised");
	OK(import(o, &next, NULL, true, none));
	OK(import(o, &other, "twin", true, none));
	FAILS(ERR_CONFLICT,
	    flow_generation_activate(o->flow, "twin", 1, "test", office_on_flow, o, &o->err));
	SAYS("compromised");
	/* Not after a restart either. */
	office_restart(o);
	FAILS(ERR_DENIED, import(o, &im, "second", false, none));
	world_import_fini(&im);
	world_import_fini(&other);
	world_import_fini(&next);
}

/* It cannot be renewed here, and its access can change like any other's. */
static void
test_afterwards(void **state)
{
	struct office *o = *state;
	struct office_node *web = office_add_node(o, "web1");
	struct world_import im = made(o, WWW);
	struct access_change change = {.name = WWW, .add = office_texts(web1), .author = "test"};

	OK(import(o, &im, NULL, false, none));
	FAILS(ERR_INVALID,
	    flow_credential_renew(o->flow, WWW, false, "test", office_on_flow, o, &o->err));
	SAYS("imported");
	OK(flow_credential_access(o->flow, &change, office_on_flow, o, &o->err));
	assert_true(office_can_open(o, web, WWW));
	world_import_fini(&im);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, office_setup, office_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_first),
	    TEST(test_again),
	    TEST(test_replace_keeps_access),
	    TEST(test_refused),
	    TEST(test_revoked),
	    TEST(test_compromised),
	    TEST(test_afterwards),
	};

	return cmocka_run_group_tests_name("import", tests, NULL, NULL);
}
