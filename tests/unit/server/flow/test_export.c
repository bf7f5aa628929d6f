/* Keys that may leave the domain: how they become so, stay so, stop being so, and leave. */

#include "common/crypto/envelope.h"
#include "common/crypto/sign.h"
#include "server/signer/tries.h"
#include "tests/support/office_words.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define WWW "www.example.org"

static const char *const web1[] = {"web1", NULL};
static const char *const none[] = {NULL};
static const char *const names[] = {WWW, NULL};

static const char password[] = "violet hammock 72 rain";

/* A password as the command seals it; the caller frees the payload's parts. */
static void
seal(struct office *o, uint32_t kind, struct span purpose, const char *text, struct span reply_key,
    struct id *nonce, struct buf *out)
{
	struct secret *given, *payload;

	assert_int_equal(secret_new(strlen(text), &given, NULL), 0);
	memcpy(secret_bytes(given), text, strlen(text));
	assert_int_equal(wire_password_encode(given, reply_key, &payload, NULL), 0);
	buf_clear(out);
	world_seal_foreign(&o->world, kind, purpose, payload, nonce, out);
	secret_free(given);
	secret_free(payload);
}

/* For a credential that there is, or (NULL) for a new one. */
struct wish {
	struct flow_export export;
	struct buf sealed;
};

static void
wish_init(struct office *o, const char *name, struct wish *w)
{
	*w = (struct wish){.sealed = BUF_INIT(LIMIT_SEALED)};
	if (name != NULL)
		w->export.credential = office_credential(o, name)->id;
	else
		id_random(&w->export.credential);
	seal(o, SEAL_MAKE_EXPORT, SPAN_OF(w->export.credential.bytes), password, SPAN(NULL, 0),
	    &w->export.generation, &w->sealed);
	w->export.password = buf_span(&w->sealed);
}

static struct credential_spec
wanted(enum issuer_type issuer, const struct flow_export *export)
{
	return (struct credential_spec){.names = office_texts(names),
	    .issuer = issuer,
	    .has_access = true,
	    .access = office_texts(none),
	    .usual_new_key = true,
	    .exportable = export != NULL,
	    .export = export,
	    .author = "test"};
}

static void
add(struct office *o, enum issuer_type issuer)
{
	struct credential_spec spec;
	struct wish w;

	wish_init(o, NULL, &w);
	spec = wanted(issuer, &w.export);
	OK(flow_credential_add(o->flow, &spec, office_on_flow, o, &o->err));
	assert_true(id_equal(&o->result.id, &w.export.credential));
	assert_true(id_equal(&o->result.generation_id, &w.export.generation));
	buf_fini(&w.sealed);
}

static int
renew(struct office *o, bool new_key)
{
	return flow_credential_renew(o->flow, WWW, new_key, "test", office_on_flow, o, &o->err);
}

static enum export_state
state_of(struct office *o)
{
	return index_export_state(o->index, office_credential(o, WWW));
}

static struct id
export_id(struct office *o)
{
	const struct index_record *x = index_export_key(o->index, office_active(o, WWW));

	assert_non_null(x);
	return x->id;
}

/* One export, as the command asks for it. */
struct asking {
	struct export_spec spec;
	struct export_purpose purpose;
	struct pkey *reply_key;
	struct buf sealed;
};

static void
asking_init(struct office *o, const char *text, struct asking *a)
{
	*a = (struct asking){.sealed = BUF_INIT(LIMIT_SEALED)};
	a->spec = (struct export_spec){.name = WWW, .export_key = export_id(o), .author = "test"};
	a->purpose = export_purpose(&a->spec.export_key, &office_active(o, WWW)->generation->key);
	assert_int_equal(pkey_generate(KEY_EC_P256, &a->reply_key, NULL), 0);
	seal(o, SEAL_EXPORT, SPAN_OF(a->purpose.bytes), text, pkey_spki(a->reply_key),
	    &a->spec.nonce, &a->sealed);
	a->spec.password = buf_span(&a->sealed);
}

static void
asking_fini(struct asking *a)
{
	pkey_unref(a->reply_key);
	buf_fini(&a->sealed);
}

/* The result is borrowed for the callback only: opened there. */
struct got {
	struct office *o;
	const struct asking *a;
	bool right;
};

static void
on_exported(void *arg, int status, const struct flow_result *result, const struct err *err)
{
	struct got *g = arg;
	const struct seal_binding b = {.domain = g->o->world.domain,
	    .record = g->a->spec.nonce,
	    .kind = SEAL_EXPORTED,
	    .public_part = SPAN_OF(g->a->purpose.bytes)};
	struct secret *payload = NULL, *given = NULL;
	struct pkey *key = NULL;
	struct hash hash;
	struct span locked;

	if (status == 0) {
		assert_int_equal(secret_new(strlen(password), &given, NULL), 0);
		memcpy(secret_bytes(given), password, strlen(password));
		assert_int_equal(
		    envelope_open(&b, result->exported, g->a->reply_key, &payload, NULL), 0);
		assert_int_equal(wire_export_key_decode(payload, &locked, NULL), 0);
		assert_int_equal(pkey_from_encrypted_pkcs8(locked, given, &key, NULL), 0);
		hash_of(pkey_spki(key), &hash);
		g->right = hash_equal(&hash, &office_active(g->o, WWW)->generation->key);
		secret_free(payload);
		secret_free(given);
		pkey_unref(key);
	}
	office_on_flow(g->o, status, result, err);
}

static int export(struct office *o, const char *text)
{
	struct asking a;
	struct got g = {o, &a, false};
	int rc;

	asking_init(o, text, &a);
	o->called = false;
	rc = office_wait(o, flow_credential_export(o->flow, &a.spec, on_exported, &g, &o->err));
	assert_int_equal(g.right, rc == 0);
	asking_fini(&a);
	return rc;
}

/* --- the audit log --- */

struct last {
	char action[64];
	uint64_t count;
};

static int
on_row(void *arg, const struct local_audit_row *row, struct err *err)
{
	struct last *l = arg;

	(void)err;
	snprintf(l->action, sizeof(l->action), "%s", row->entry.action);
	l->count++;
	return 0;
}

static struct last
audited(struct office *o)
{
	struct last l = {.count = 0};

	assert_int_equal(local_audit_each(o->store, 0, SIZE_MAX, on_row, &l, NULL), 0);
	return l;
}

/* --- made, renewed, exported --- */

static void
test_made_and_kept(void **state)
{
	struct office *o = *state;
	struct id first, second;

	office_add_node(o, "web1");
	add(o, ISSUER_MICRO);
	assert_int_equal(state_of(o), EXPORT_READY);
	first = export_id(o);
	/* The key stays, and so does its export, over a restart too. */
	OK(renew(o, false));
	second = export_id(o);
	assert_true(id_equal(&first, &second));
	office_restart(o);
	assert_int_equal(state_of(o), EXPORT_READY);
	assert_int_equal(export(o, password), 0);
	assert_string_equal(audited(o).action, "cert.export");
	assert_true(office_credential(o, WWW)->credential->exported_at > 0);
	/* A renewal that nobody attends, with a new key: it lapses. */
	OK(renew(o, true));
	WARNS("--exportable");
	assert_int_equal(state_of(o), EXPORT_LAPSED);
	assert_null(index_get(o->index, &first));
	assert_int_equal(office_credential(o, WWW)->credential->exported_at, 0);
	assert_true(office_credential(o, WWW)->credential->exportable);
	/* It was said once. */
	OK(renew(o, true));
	assert_null(strstr(o->warning, "export"));
}

static void
test_marked_later(void **state)
{
	struct office *o = *state;
	struct wish w;

	office_add_credential(o, WWW, none);
	assert_int_equal(state_of(o), EXPORT_NONE);
	wish_init(o, WWW, &w);
	OK(flow_credential_renew_exportable(
	    o->flow, WWW, &w.export, "test", office_on_flow, o, &o->err));
	assert_int_equal(state_of(o), EXPORT_READY);
	assert_int_equal(export(o, password), 0);
	/* The same again: it was done. */
	FAILS(ERR_EXISTS,
	    flow_credential_renew_exportable(
		o->flow, WWW, &w.export, "test", office_on_flow, o, &o->err));
	buf_fini(&w.sealed);
	/* Of another credential. */
	wish_init(o, NULL, &w);
	FAILS(ERR_CONFLICT,
	    flow_credential_renew_exportable(
		o->flow, WWW, &w.export, "test", office_on_flow, o, &o->err));
	buf_fini(&w.sealed);
}

static void
test_manual(void **state)
{
	struct office *o = *state;
	struct credential_spec spec = wanted(ISSUER_MANUAL, NULL);
	struct wish w;

	/* Marked before there is a key, which is when the password is given. */
	spec.draft = spec.exportable = true;
	OK(flow_credential_add(o->flow, &spec, office_on_flow, o, &o->err));
	assert_int_equal(state_of(o), EXPORT_WAITING);
	OK(flow_credential_submit(o->flow, WWW, false, "test", office_on_flow, o, &o->err));
	WARNS("--exportable");
	assert_int_equal(state_of(o), EXPORT_LAPSED);
	wish_init(o, WWW, &w);
	OK(flow_credential_submit_exportable(
	    o->flow, WWW, &w.export, "test", office_on_flow, o, &o->err));
	assert_int_equal(state_of(o), EXPORT_WAITING);
	assert_int_equal(index_count(o->index, KIND_EXPORT_KEY), 1);
	buf_fini(&w.sealed);
	/* Another CSR in its place takes it along. */
	OK(flow_credential_submit(o->flow, WWW, true, "test", office_on_flow, o, &o->err));
	assert_int_equal(index_count(o->index, KIND_EXPORT_KEY), 0);
}

static void
test_imported(void **state)
{
	struct office *o = *state;
	const struct id unused = {{1}};
	struct buf sealed = BUF_INIT(LIMIT_SEALED);
	struct flow_export export_wish = {.password = {NULL, 0}};
	struct credential_import spec;
	struct world_import im;
	struct span certs[2];

	world_import_init(&o->world, WWW, "ec-p256", &unused, &im);
	certs[0] = cert_der(im.leaf);
	certs[1] = cert_der(im.ca);
	spec = (struct credential_import){.certificates = {certs, 2},
	    .nonce = im.nonce,
	    .sealed = buf_span(&im.sealed),
	    .author = "test"};
	OK(flow_credential_import(o->flow, &spec, office_on_flow, o, &o->err));
	assert_int_equal(state_of(o), EXPORT_NONE);
	seal(o, SEAL_MAKE_EXPORT, certs[0], password, SPAN(NULL, 0), &export_wish.generation,
	    &sealed);
	export_wish.password = buf_span(&sealed);
	spec.export = &export_wish;
	FAILS(ERR_EXISTS, flow_credential_import(o->flow, &spec, office_on_flow, o, &o->err));
	SAYS("--replace");
	spec.replace = true;
	/* A password that does not come with the key is of no use. */
	FAILS(ERR_CRYPTO, flow_credential_import(o->flow, &spec, office_on_flow, o, &o->err));
	world_import_seal(&o->world, &im, buf_span(&sealed));
	spec.nonce = im.nonce;
	spec.sealed = buf_span(&im.sealed);
	OK(flow_credential_import(o->flow, &spec, office_on_flow, o, &o->err));
	assert_int_equal(state_of(o), EXPORT_READY);
	assert_int_equal(export(o, password), 0);
	buf_fini(&sealed);
	world_import_fini(&im);
}

/* Who has access taken away gets no export by it, and the new key has none either. */
static void
test_access_and_end(void **state)
{
	struct office *o = *state;
	struct access_change change = {.name = WWW, .add = office_texts(web1), .author = "test"};
	struct wish w;

	office_add_node(o, "web1");
	add(o, ISSUER_MICRO);
	OK(flow_credential_access(o->flow, &change, office_on_flow, o, &o->err));
	assert_int_equal(state_of(o), EXPORT_READY);
	change =
	    (struct access_change){.name = WWW, .remove = office_texts(web1), .author = "test"};
	OK(flow_credential_access(o->flow, &change, office_on_flow, o, &o->err));
	WARNS("--exportable");
	assert_int_equal(state_of(o), EXPORT_LAPSED);
	wish_init(o, WWW, &w);
	OK(flow_credential_renew_exportable(
	    o->flow, WWW, &w.export, "test", office_on_flow, o, &o->err));
	buf_fini(&w.sealed);
	OK(flow_credential_archive(o->flow, WWW, true, "test", office_on_flow, o, &o->err));
	WARNS("exported");
	assert_int_equal(index_count(o->index, KIND_EXPORT_KEY), 0);
	OK(flow_credential_archive(o->flow, WWW, false, "test", office_on_flow, o, &o->err));
	wish_init(o, WWW, &w);
	OK(flow_credential_renew_exportable(
	    o->flow, WWW, &w.export, "test", office_on_flow, o, &o->err));
	buf_fini(&w.sealed);
	OK(flow_credential_delete(o->flow, WWW, "test", office_on_flow, o, &o->err));
	assert_int_equal(index_count(o->index, KIND_EXPORT_KEY), 0);
}

static void
test_refused(void **state)
{
	struct office *o = *state;
	struct credential_spec spec;
	struct asking a;
	struct wish w;
	uint64_t version, count;

	/* What makes no sense is refused before anything is. */
	wish_init(o, NULL, &w);
	spec = wanted(ISSUER_MICRO, &w.export);
	spec.draft = true;
	assert_int_equal(
	    flow_credential_add(o->flow, &spec, office_on_flow, o, &o->err), ERR_INVALID);
	spec = wanted(ISSUER_MICRO, NULL);
	spec.exportable = true;
	assert_int_equal(
	    flow_credential_add(o->flow, &spec, office_on_flow, o, &o->err), ERR_INVALID);
	buf_fini(&w.sealed);
	add(o, ISSUER_MICRO);
	/* Each wrong password is written down, in the log and in the record. */
	for (uint32_t i = 1; i <= TRIES_FREE; i++) {
		version = office_credential(o, WWW)->version;
		assert_int_equal(export(o, "quite another one 11"), ERR_DENIED);
		assert_string_equal(audited(o).action, "cert.export-refused");
		assert_int_equal(office_credential(o, WWW)->version, version + 1);
		assert_int_equal(office_credential(o, WWW)->credential->export_refusals, i);
	}
	count = audited(o).count;
	assert_int_equal(export(o, password), ERR_AGAIN);
	assert_int_equal(audited(o).count, count);
	/* Of a key that is there no more. */
	asking_init(o, password, &a);
	OK(renew(o, true));
	FAILS(ERR_INVALID, flow_credential_export(o->flow, &a.spec, office_on_flow, o, &o->err));
	SAYS("cannot be exported any more");
	wish_init(o, WWW, &w);
	OK(flow_credential_renew_exportable(
	    o->flow, WWW, &w.export, "test", office_on_flow, o, &o->err));
	FAILS(ERR_CONFLICT, flow_credential_export(o->flow, &a.spec, office_on_flow, o, &o->err));
	buf_fini(&w.sealed);
	asking_fini(&a);
	/* The chain alone needs no password, and is written down too. */
	a.spec = (struct export_spec){.name = WWW, .author = "test"};
	OK(flow_credential_export(o->flow, &a.spec, office_on_flow, o, &o->err));
	assert_string_equal(audited(o).action, "cert.export-chain");
}

/* Somebody changes the credential between the signer's answer and the commit. */
static void
test_race(void **state)
{
	struct office *o = *state;
	struct asking a, b;
	struct got ga = {o, &a, false}, gb = {o, &b, false};

	add(o, ISSUER_MICRO);
	asking_init(o, password, &a);
	asking_init(o, password, &b);
	/* Both look at the same version; one has to look again, and asks the signer no more. */
	assert_int_equal(flow_credential_export(o->flow, &a.spec, on_exported, &ga, &o->err), 0);
	o->called = false;
	assert_int_equal(
	    office_wait(o, flow_credential_export(o->flow, &b.spec, on_exported, &gb, &o->err)), 0);
	office_settle(o);
	assert_true(ga.right && gb.right);
	asking_fini(&a);
	asking_fini(&b);
}

static void
on_committed(void *arg, int status, const struct commit_result *result, const struct err *err)
{
	struct office *o = arg;

	(void)result;
	(void)err;
	o->called = true;
	o->status = status;
}

/* A next version of the group of managers, as when they get a new key. */
static void
touch_managers(struct office *o)
{
	struct record *r = office_fetch(o, &index_managers(o->index)->id);
	struct mutation *m = mutation_new("test", "test", "");
	struct draft *d = mutation_add(m);

	d->id = r->id;
	d->kind = r->kind;
	d->expect_version = r->version;
	snprintf(d->name, sizeof(d->name), "%s", r->name);
	buf_put_span(d->public_part, r->public_part);
	OK(commit_submit(o->commit, m, on_committed, o, &o->err));
	record_free(r);
}

/* What is not sealed to the managers as they are now is sealed anew, and opens as before. */
static void
test_resealed(void **state)
{
	struct office *o = *state;
	struct id id;

	office_spoil(o, KIND_EXPORT_KEY);
	add(o, ISSUER_MICRO);
	office_spoil(o, KIND_UNKNOWN);
	id = export_id(o);
	assert_int_equal(index_get(o->index, &id)->version, 1);
	touch_managers(o);
	office_settle(o);
	assert_int_equal(index_get(o->index, &id)->version, 2);
	assert_int_equal(index_get(o->index, &id)->access.count, 0);
	assert_int_equal(index_get(o->index, &id)->recipient_count, 1);
	assert_int_equal(export(o, password), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, office_setup, office_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_made_and_kept),
	    TEST(test_marked_later),
	    TEST(test_manual),
	    TEST(test_imported),
	    TEST(test_access_and_end),
	    TEST(test_refused),
	    TEST(test_race),
	    TEST(test_resealed),
	};

	return cmocka_run_group_tests_name("export", tests, NULL, NULL);
}
