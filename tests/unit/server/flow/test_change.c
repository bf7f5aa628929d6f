/* What is wanted of a credential changes: one mutation, or nothing. */

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
change(struct office *o, struct credential_change c)
{
	c.name = WWW;
	c.author = "test";
	return flow_credential_change(o->flow, &c, office_on_flow, o, &o->err);
}

/* The list "a, b" of names. */
static struct texts
list(const char *const *names)
{
	return office_texts(names);
}

static void
check_names(struct texts is, const char *const *names)
{
	struct texts want = list(names);

	assert_true(texts_equal(is, want));
}

#define NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})

static int
add_manual(struct office *o, bool draft)
{
	const struct credential_spec spec = {.names = list(NAMES(WWW)),
	    .issuer = ISSUER_MANUAL,
	    .draft = draft,
	    .has_access = true,
	    .access = office_texts(web1),
	    .author = "test"};

	return flow_credential_add(o->flow, &spec, office_on_flow, o, &o->err);
}

/* The CA outside answers the CSR that waits, with the names in it. */
static int
answer(struct office *o, struct outside *ca)
{
	const struct index_record *g = index_of_kind(
	    o->index, KIND_GENERATION, &office_credential(o, WWW)->credential->pending);
	int64_t now = virtual_wall_ms(&o->time.rt) / 1000;
	struct record *r = office_fetch(o, &g->id);
	struct generation_public p;
	struct pkey *key = NULL;
	struct cert *leaf;
	struct span der;
	int started;

	assert_int_equal(wire_generation_public_decode(r->public_part, &p, NULL), 0);
	assert_int_equal(csr_key(p.csr, &key, NULL), 0);
	leaf = outside_sign(ca, key, p.names.items, p.names.count, now, now + 90 * DAY - 1);
	der = cert_der(leaf);
	o->called = false;
	started = flow_credential_paste(
	    o->flow, WWW, (struct spans){&der, 1}, "test", office_on_flow, o, &o->err);
	cert_unref(leaf);
	pkey_unref(key);
	generation_public_fini(&p);
	record_free(r);
	return started;
}

static void
test_names(void **state)
{
	struct office *o = *state;
	struct office_node *one = office_add_node(o, "web1");
	const struct index_record *c;
	struct hash key;
	struct id first;

	assert_int_equal(office_add_credential(o, WWW, web1), 0);
	first = office_active(o, WWW)->id;
	key = office_active(o, WWW)->generation->key;
	OK(change(o, (struct credential_change){.add = list(NAMES("Shop.example.org", WWW))}));
	assert_int_equal(o->result.generation, 2);
	assert_false(o->result.waits);
	check_names(office_credential(o, WWW)->credential->names, NAMES(WWW, "shop.example.org"));
	check_names(office_active(o, WWW)->generation->names, NAMES(WWW, "shop.example.org"));
	assert_true(hash_equal(&office_active(o, WWW)->generation->key, &key));
	assert_non_null(index_get(o->index, &first));
	assert_true(office_can_open(o, one, WWW));
	/* The name of the credential stays, also when it is none of its names any more. */
	OK(change(o,
	    (struct credential_change){.add = list(NAMES("stra\xc3\x9f"
							 "e.example.org")),
		.remove = list(NAMES(WWW))}));
	check_names(office_active(o, WWW)->generation->names,
	    NAMES("shop.example.org", "xn--strae-oqa.example.org"));
	OK(change(o,
	    (struct credential_change){.remove = list(NAMES("Stra\xc3\x9f"
							    "e.example.org"))}));
	c = office_credential(o, WWW);
	check_names(c->credential->names, NAMES("shop.example.org"));
	assert_int_equal(c->credential->generations, 4);
}

static void
test_what_makes_a_certificate(void **state)
{
	static const char *const subject[] = {"o=Example", NULL};
	static const struct {
		struct credential_change change;
		bool makes, new_key;
	} cases[] = {
	    {{.key_type = "ec-p256"}, false, false},
	    {{.profile = "server"}, false, false},
	    {{.has_issuer = true, .issuer = ISSUER_MICRO}, false, false},
	    {{.ca = FLOW_DEFAULT_CA}, false, false},
	    {{.lifetime = 30 * DAY}, false, false},
	    {{.fraction_percent = 50}, false, false},
	    {{.has_stale_after = true, .stale_after = 3600}, false, false},
	    {{.has_new_key = true, .new_key = true}, false, false},
	    {{.has_new_key = true, .new_key = false}, false, false},
	    {{.has_subject = true, .subject = {subject, 1}}, true, false},
	    {{.has_subject = true, .subject = {subject, 1}}, false, false},
	    {{.has_subject = true}, true, false},
	    {{.profile = "both"}, true, false},
	    {{.ca = "Second CA"}, true, false},
	    {{.key_type = "rsa-2048"}, true, true},
	    {{.profile = "client", .key_type = "ed25519"}, true, true},
	};
	const struct ca_spec ca = {.name = "Second CA", .author = "test"};
	struct office *o = *state;

	assert_int_equal(office_add_credential(o, WWW, NULL), 0);
	OK(flow_ca_create(o->flow, &ca, office_on_flow, o, &o->err));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct hash key = office_active(o, WWW)->generation->key;
		uint64_t before = office_credential(o, WWW)->credential->generations;
		const struct index_record *c;

		OK(change(o, cases[i].change));
		c = office_credential(o, WWW);
		assert_int_equal(c->credential->generations, before + cases[i].makes);
		assert_int_equal(
		    hash_equal(&office_active(o, WWW)->generation->key, &key), !cases[i].new_key);
		assert_int_equal(
		    office_active(o, WWW)->generation->number, c->credential->generations);
		/* Asked again there is nothing left to be done. */
		OK(change(o, cases[i].change));
		assert_true(o->result.unchanged);
		assert_int_equal(office_credential(o, WWW)->version, c->version);
	}
	assert_string_equal(office_active(o, WWW)->generation->key_type, "ed25519");
	assert_string_equal(office_active(o, WWW)->generation->profile, "client");
	assert_int_equal(office_credential(o, WWW)->credential->lifetime, 30 * DAY);
	/* What was only written down counts for the next one, which has the new type too. */
	OK(flow_credential_renew(o->flow, WWW, false, "test", office_on_flow, o, &o->err));
	assert_string_equal(office_active(o, WWW)->generation->key_type, "ed25519");
}

/* A CSR with the new names; the old certificate goes on, with the old ones, until it is answered.
 */
static void
test_manual(void **state)
{
	struct office *o = *state;
	struct office_node *one = office_add_node(o, "web1");
	struct explained found[EXPLAIN_MAX];
	int64_t now = virtual_wall_ms(&o->time.rt) / 1000;
	const struct index_record *c;
	struct outside ca;
	struct id first, csr;

	outside_init(&ca, now);
	OK(add_manual(o, false));
	OK(answer(o, &ca));
	first = office_active(o, WWW)->id;
	OK(change(o,
	    (struct credential_change){
		.add = list(NAMES("new.example.org")), .remove = list(NAMES(WWW))}));
	assert_true(o->result.waits);
	WARNS("what is served stays");
	c = office_credential(o, WWW);
	check_names(c->credential->names, NAMES("new.example.org"));
	assert_true(id_equal(&c->credential->active, &first));
	check_names(office_active(o, WWW)->generation->names, NAMES(WWW));
	assert_int_equal(index_explain(o->index, NULL, WWW, now, found), 1);
	assert_true(found[0].serves);
	assert_int_equal(index_explain(o->index, NULL, "new.example.org", now, found), 1);
	assert_int_equal(found[0].why, WHY_NOT_NAME);
	csr = c->credential->pending;
	/* Another change replaces the CSR that waits. */
	OK(change(o, (struct credential_change){.key_type = "ec-p384"}));
	assert_null(index_get(o->index, &csr));
	assert_true(id_equal(&office_active(o, WWW)->id, &first));
	assert_true(office_can_open(o, one, WWW));
	OK(answer(o, &ca));
	check_names(office_active(o, WWW)->generation->names, NAMES("new.example.org"));
	assert_string_equal(office_active(o, WWW)->generation->key_type, "ec-p384");
	assert_int_equal(office_active(o, WWW)->generation->number, 3);
	assert_int_equal(index_explain(o->index, NULL, "new.example.org", now, found), 1);
	assert_true(found[0].serves);
	/* A renewal asks for the same again, with the key in force. */
	OK(flow_credential_renew(o->flow, WWW, false, "test", office_on_flow, o, &o->err));
	assert_true(o->result.waits);
	outside_fini(&ca);
}

/* From one issuer to the other, with the key; a CSR that nobody is to answer any more goes. */
static void
test_issuers(void **state)
{
	static const struct credential_change micro = {.has_issuer = true, .issuer = ISSUER_MICRO},
					      manual = {
						  .has_issuer = true, .issuer = ISSUER_MANUAL};
	struct office *o = *state;
	struct office_node *one = office_add_node(o, "web1");
	struct hash key;
	struct outside ca;
	struct id csr, first;

	outside_init(&ca, virtual_wall_ms(&o->time.rt) / 1000);
	assert_int_equal(office_add_credential(o, WWW, web1), 0);
	first = office_active(o, WWW)->id;
	key = office_active(o, WWW)->generation->key;
	OK(change(o, manual));
	assert_true(o->result.waits);
	assert_true(id_equal(&office_active(o, WWW)->id, &first));
	assert_int_equal(office_credential(o, WWW)->credential->lifetime, 0);
	csr = office_credential(o, WWW)->credential->pending;
	OK(change(o, micro));
	WARNS("clients must trust the Micro CA");
	assert_null(index_get(o->index, &csr));
	assert_false(office_credential(o, WWW)->credential->has_pending);
	assert_int_equal(office_active(o, WWW)->generation->number, 3);
	assert_true(hash_equal(&office_active(o, WWW)->generation->key, &key));
	assert_int_equal(office_credential(o, WWW)->credential->lifetime, 90 * DAY);
	OK(change(o, manual));
	OK(answer(o, &ca));
	assert_true(hash_equal(&office_active(o, WWW)->generation->key, &key));
	assert_int_equal(office_active(o, WWW)->generation->number, 4);
	assert_true(office_can_open(o, one, WWW));
	/* The one of before comes back, as any other. */
	OK(flow_generation_activate(o->flow, WWW, 1, "test", office_on_flow, o, &o->err));
	assert_true(id_equal(&office_active(o, WWW)->id, &first));
	outside_fini(&ca);
}

static int
import(struct office *o)
{
	const struct id unused = {{1}};
	struct world_import im;
	int started;

	world_import_init(&o->world, WWW, "ec-p256", &unused, &im);
	const struct span certs[] = {cert_der(im.leaf), cert_der(im.ca)};
	const struct credential_import spec = {.certificates = {certs, 2},
	    .nonce = im.nonce,
	    .sealed = buf_span(&im.sealed),
	    .has_access = true,
	    .access = office_texts(web1),
	    .author = "test"};
	started = flow_credential_import(o->flow, &spec, office_on_flow, o, &o->err);
	world_import_fini(&im);
	return started;
}

static void
test_imported(void **state)
{
	struct office *o = *state;
	struct office_node *one = office_add_node(o, "web1");
	uint64_t version;
	struct hash key;

	OK(import(o));
	key = office_active(o, WWW)->generation->key;
	version = office_credential(o, WWW)->version;
	FAILS(ERR_INVALID,
	    change(o, (struct credential_change){.add = list(NAMES("new.example.org"))}));
	SAYS("--issuer micro or manual");
	FAILS(ERR_INVALID, change(o, (struct credential_change){.key_type = "rsa-2048"}));
	assert_int_equal(office_credential(o, WWW)->version, version);
	OK(change(o, (struct credential_change){.has_stale_after = true, .stale_after = 60}));
	OK(change(o, (struct credential_change){.has_issuer = true, .issuer = ISSUER_MANUAL}));
	assert_true(o->result.waits);
	assert_true(hash_equal(&office_active(o, WWW)->generation->key, &key));
	OK(change(o,
	    (struct credential_change){.has_issuer = true,
		.issuer = ISSUER_MICRO,
		.add = list(NAMES("new.example.org"))}));
	assert_true(hash_equal(&office_active(o, WWW)->generation->key, &key));
	check_names(office_active(o, WWW)->generation->names, NAMES(WWW, "new.example.org"));
	assert_true(office_can_open(o, one, WWW));
	/* From now on it is renewed by itself. */
	assert_true(sched_due_at(o->sched, &office_credential(o, WWW)->id) > 0);
}

static void
test_draft(void **state)
{
	struct office *o = *state;
	const struct index_record *c;

	office_add_node(o, "web1");
	OK(add_manual(o, true));
	OK(change(o,
	    (struct credential_change){.add = list(NAMES("new.example.org")),
		.key_type = "ec-p384",
		.has_issuer = true,
		.issuer = ISSUER_MICRO}));
	c = office_credential(o, WWW);
	assert_int_equal(c->credential->state, CREDENTIAL_DRAFT);
	assert_int_equal(c->credential->generations, 0);
	OK(flow_credential_submit(o->flow, WWW, false, "test", office_on_flow, o, &o->err));
	check_names(office_active(o, WWW)->generation->names, NAMES(WWW, "new.example.org"));
	assert_string_equal(office_active(o, WWW)->generation->key_type, "ec-p384");
}

/* Each says what is wrong with what, and nothing is changed; so does a failure half-way. */
static void
test_refusals(void **state)
{
	static const char *const part[] = {"X=1", NULL};
	char many[LIMIT_NAMES][32];
	const char *items[LIMIT_NAMES];
	const struct {
		struct credential_change change;
		int code;
		const char *says;
	} cases[] = {
	    {{.add = list(NAMES("a b"))}, ERR_INVALID, "'a b'"},
	    {{.add = list(NAMES("a@example.org"))}, ERR_INVALID, "a@example.org"},
	    {{.remove = list(NAMES("no.example.org"))}, ERR_NOTFOUND, "no name 'no.example.org'"},
	    {{.remove = list(NAMES(WWW))}, ERR_INVALID, "no name left"},
	    {{.add = {items, LIMIT_NAMES}}, ERR_LIMIT, "at most 100 names"},
	    {{.key_type = "rsa-512"}, ERR_INVALID, "rsa-512"},
	    {{.profile = "king"}, ERR_INVALID, "king"},
	    {{.ca = "Nobody's"}, ERR_NOTFOUND, "Nobody's"},
	    {{.ca = "x", .has_issuer = true, .issuer = ISSUER_MANUAL}, ERR_INVALID, "Micro CA"},
	    {{.has_subject = true, .subject = {part, 1}}, ERR_INVALID, "X"},
	    {{.lifetime = 59}, ERR_INVALID, "a minute to ten years"},
	    {{.fraction_percent = 91}, ERR_INVALID, "1 to 90 %"},
	    {{.lifetime = DAY, .has_issuer = true, .issuer = ISSUER_MANUAL}, ERR_INVALID,
		"decides the lifetime"},
	};
	struct office *o = *state;
	uint64_t version;

	for (size_t i = 0; i < LIMIT_NAMES; i++) {
		snprintf(many[i], sizeof(many[i]), "n%zu.example.org", i);
		items[i] = many[i];
	}
	FAILS(ERR_NOTFOUND, change(o, (struct credential_change){.key_type = "rsa-2048"}));
	assert_int_equal(office_add_credential(o, WWW, NULL), 0);
	version = office_credential(o, WWW)->version;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		FAILS(cases[i].code, change(o, cases[i].change));
		SAYS(cases[i].says);
	}
	vfs_fault_fail(o->disk, VFS_WRITE, 1, VFS_ENOSPC, true);
	FAILS(ERR_NOSPACE,
	    change(o, (struct credential_change){.add = list(NAMES("new.example.org"))}));
	vfs_fault_heal(o->disk);
	assert_int_equal(office_credential(o, WWW)->version, version);
	assert_int_equal(index_count(o->index, KIND_GENERATION), 1);
	office_restart(o);
	assert_int_equal(office_credential(o, WWW)->version, version);
	OK(flow_credential_archive(o->flow, WWW, true, "test", office_on_flow, o, &o->err));
	FAILS(ERR_CONFLICT, change(o, (struct credential_change){.fraction_percent = 50}));
	SAYS("cert archive --undo");
}

/* Two that come together are both done, one after the other. */
static void
test_race(void **state)
{
	struct office *o = *state;
	struct credential_change a = {.name = WWW, .add = list(NAMES("a.example.org"))};

	assert_int_equal(office_add_credential(o, WWW, NULL), 0);
	o->called = false;
	assert_int_equal(flow_credential_change(o->flow, &a, office_on_flow, o, &o->err), 0);
	OK(change(o, (struct credential_change){.add = list(NAMES("b.example.org"))}));
	office_settle(o);
	assert_int_equal(office_credential(o, WWW)->credential->names.count, 3);
	assert_true(texts_equal(office_credential(o, WWW)->credential->names,
	    office_active(o, WWW)->generation->names));
	assert_int_equal(office_credential(o, WWW)->credential->generations, 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_OFFICE(test_names),
	    WITH_OFFICE(test_what_makes_a_certificate),
	    WITH_OFFICE(test_manual),
	    WITH_OFFICE(test_issuers),
	    WITH_OFFICE(test_imported),
	    WITH_OFFICE(test_draft),
	    WITH_OFFICE(test_refusals),
	    WITH_OFFICE(test_race),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
