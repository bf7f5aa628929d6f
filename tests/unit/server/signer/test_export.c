/* Exportable keys: made with a key and never later, given out for the password alone. */

#include "tests/unit/server/signer/signer_tests.h"

#include "common/crypto/envelope.h"
#include "common/crypto/sign.h"
#include "server/signer/tries.h"

#define DAY INT64_C(86400)

static const char password[] = "violet hammock 72 rain";

static struct secret *
secret_text(const char *text)
{
	struct secret *s;

	assert_int_equal(secret_new(strlen(text), &s, NULL), 0);
	memcpy(secret_bytes(s), text, strlen(text));
	return s;
}

static struct pkey *
managers_key(const struct signer_world *w)
{
	struct group_public g;
	struct pkey *key;

	assert_int_equal(
	    wire_group_public_decode(w->managers_record->record.public_part, &g, NULL), 0);
	assert_int_equal(pkey_from_spki(g.key, &key, NULL), 0);
	group_public_fini(&g);
	return key;
}

/* A password as the command seals it. */
struct sealed_as {
	uint32_t kind;
	struct id nonce;
	struct span purpose, reply_key;
};

static void
seal(const struct signer_world *w, const struct sealed_as *as, const char *text, struct buf *out)
{
	const struct seal_binding b = {
	    .domain = w->domain, .record = as->nonce, .kind = as->kind, .public_part = as->purpose};
	struct secret *given = secret_text(text), *payload;
	struct pkey *key = managers_key(w);

	buf_clear(out);
	assert_int_equal(wire_password_encode(given, as->reply_key, &payload, NULL), 0);
	assert_int_equal(
	    envelope_seal(&b, payload, (const struct pkey *const[]){key}, 1, out, NULL), 0);
	secret_free(given);
	secret_free(payload);
	pkey_unref(key);
}

/* A request that makes a key, with an export; ready to be asked. */
struct making {
	struct signer_request r;
	struct id credential, generation;
	struct buf sealed;
};

static void
making_init(struct signer_world *w, struct making *m, const char *text)
{
	*m = (struct making){.sealed = BUF_INIT(LIMIT_SEALED)};
	id_random(&m->credential);
	m->r = world_request(&m->credential, "ec-p256");
	m->generation = m->r.make_request.generation.id;
	seal(w,
	    &(struct sealed_as){
		SEAL_MAKE_EXPORT, m->generation, SPAN_OF(m->credential.bytes), SPAN(NULL, 0)},
	    text, &m->sealed);
	m->r.make_request.export = (struct signer_make_export){
	    .record = {.version = 1}, .password = buf_span(&m->sealed), .made_at = WORLD_NOW};
	id_random(&m->r.make_request.export.record.id);
}

/* Its EXPORT_KEY, signed. */
static struct world_record *
made_record(struct signer_world *w, const struct record_ref *ref)
{
	struct buf public = BUF_INIT(LIMIT_PUBLIC), sealed = BUF_INIT(LIMIT_SEALED);
	struct world_record *r;

	assert_true(w->last.export_public.len > 0 && w->last.export_sealed.len > 0);
	buf_put_span(&public, w->last.export_public);
	buf_put_span(&sealed, w->last.export_sealed);
	r = world_sign(w,
	    &(struct world_draft){.kind = KIND_EXPORT_KEY,
		.id = ref->id,
		.version = ref->version,
		.name = "x",
		.public_part = buf_span(&public),
		.sealed = buf_span(&sealed)});
	buf_fini(&public);
	buf_fini(&sealed);
	return r;
}

static struct world_record *
make(struct signer_world *w, const char *text)
{
	struct world_record *record;
	struct making m;

	making_init(w, &m, text);
	assert_int_equal(world_ask(w, &m.r), 0);
	record = made_record(w, &m.r.make_request.export.record);
	buf_fini(&m.sealed);
	return record;
}

/* An export, as the command asks for it. */
struct asking {
	struct signer_request r;
	struct pkey *reply_key;
	struct export_purpose purpose;
	struct buf sealed;
};

static void
asking_init(
    struct signer_world *w, const struct world_record *record, const char *text, struct asking *a)
{
	struct export_key_public p;
	struct hash key;

	*a = (struct asking){.sealed = BUF_INIT(LIMIT_SEALED)};
	assert_int_equal(wire_export_key_public_decode(record->record.public_part, &p, NULL), 0);
	hash_of(p.key, &key);
	export_key_public_fini(&p);
	a->purpose = export_purpose(&record->record.id, &key);
	assert_int_equal(pkey_generate(KEY_EC_P256, &a->reply_key, NULL), 0);
	a->r = (struct signer_request){.op = SIGNER_EXPORT};
	a->r.export.record = record->bytes;
	id_random(&a->r.export.nonce);
	seal(w,
	    &(struct sealed_as){
		SEAL_EXPORT, a->r.export.nonce, SPAN_OF(a->purpose.bytes), pkey_spki(a->reply_key)},
	    text, &a->sealed);
	a->r.export.password = buf_span(&a->sealed);
}

static void
asking_fini(struct asking *a)
{
	pkey_unref(a->reply_key);
	buf_fini(&a->sealed);
}

static int
try_password(struct signer_world *w, const struct world_record *record, const char *text)
{
	struct asking a;
	int r;

	asking_init(w, record, text, &a);
	r = world_ask(w, &a.r);
	asking_fini(&a);
	return r;
}

/* What an export has answered, as the command opens it. */
static struct pkey *
opened(struct signer_world *w, const struct asking *a, const struct pkey *by, const char *text)
{
	const struct seal_binding b = {.domain = w->domain,
	    .record = a->r.export.nonce,
	    .kind = SEAL_EXPORTED,
	    .public_part = SPAN_OF(a->purpose.bytes)};
	struct secret *payload = NULL, *given = secret_text(text);
	struct pkey *key = NULL;
	struct span locked;

	if (envelope_open(&b, w->last.sealed, by, &payload, NULL) == 0) {
		assert_int_equal(wire_export_key_decode(payload, &locked, NULL), 0);
		assert_int_equal(pkey_from_encrypted_pkcs8(locked, given, &key, NULL), 0);
	}
	secret_free(payload);
	secret_free(given);
	return key;
}

static void
check_exports(struct signer_world *w, const struct world_record *record, struct span spki)
{
	struct asking a;
	struct pkey *key;

	asking_init(w, record, password, &a);
	assert_int_equal(world_ask(w, &a.r), 0);
	key = opened(w, &a, a.reply_key, password);
	assert_non_null(key);
	assert_true(span_equal(pkey_spki(key), spki));
	pkey_unref(key);
	/* Main holds no key that opens the answer; nor do the managers. */
	assert_null(opened(w, &a, w->manager.sealing, password));
	asking_fini(&a);
}

static struct span
key_of(const struct world_record *record, struct export_key_public *p)
{
	assert_int_equal(wire_export_key_public_decode(record->record.public_part, p, NULL), 0);
	return p->key;
}

static void
test_made_and_exported(void **state)
{
	struct signer_world *w = *state;
	struct world_record *ca = world_add_ca(w, "Micro CA", "ec-p256"), *record;
	static const char *const names[] = {"www.example.org"};
	struct export_key_public p;
	struct generation_public g;
	struct making m;

	/* With a CSR. */
	record = make(w, password);
	check_exports(w, record, key_of(record, &p));
	export_key_public_fini(&p);
	/* With a certificate of a Micro CA: the same fields in another request. */
	making_init(w, &m, password);
	const struct signer_make_export export = m.r.make_request.export;
	m.r = (struct signer_request){.op = SIGNER_ISSUE};
	m.r.issue = (struct signer_issue){.generation = {m.generation, 1},
	    .credential = m.credential,
	    .number = 1,
	    .names = {names, 1},
	    .key_type = "rsa-2048",
	    .not_before = WORLD_NOW,
	    .not_after = WORLD_NOW + 90 * DAY,
	    .ca = ca->bytes,
	    .activated_at_ms = WORLD_NOW * 1000,
	    .export = export};
	assert_int_equal(signer_core_lane(&m.r), SIGNER_SLOW);
	assert_int_equal(world_ask(w, &m.r), 0);
	assert_int_equal(wire_generation_public_decode(w->last.public_part, &g, NULL), 0);
	record = made_record(w, &export.record);
	assert_true(span_equal(key_of(record, &p), g.key));
	assert_true(id_equal(&p.credential, &m.credential));
	check_exports(w, record, g.key);
	export_key_public_fini(&p);
	generation_public_fini(&g);
	buf_fini(&m.sealed);
}

static void
test_taken(void **state)
{
	struct signer_world *w = *state;
	struct buf sealed = BUF_INIT(LIMIT_SEALED);
	struct world_record *record;
	struct export_key_public p;
	struct signer_request r;
	struct world_import im;
	struct id credential;

	id_random(&credential);
	world_import_init(w, "www.example.org", "ec-p256", &credential, &im);
	r = world_take(&im, (struct ids){NULL, 0});
	seal(w,
	    &(struct sealed_as){
		SEAL_MAKE_EXPORT, r.take_key.generation.id, cert_der(im.leaf), SPAN(NULL, 0)},
	    password, &sealed);
	r.take_key.export = (struct signer_make_export){
	    .record = {.version = 1}, .password = buf_span(&sealed), .made_at = WORLD_NOW};
	id_random(&r.take_key.export.record.id);
	/* Anybody can seal a password to the managers: whoever has the key has to have said it. */
	assert_int_equal(world_ask(w, &r), ERR_CRYPTO);
	world_import_seal(w, &im, SPAN_OF(credential.bytes));
	r.take_key.nonce = im.nonce;
	r.take_key.key = buf_span(&im.sealed);
	assert_int_equal(world_ask(w, &r), ERR_CRYPTO);
	world_import_seal(w, &im, buf_span(&sealed));
	r.take_key.nonce = im.nonce;
	r.take_key.key = buf_span(&im.sealed);
	/* Nor does it become one that nobody can export by having its password taken away. */
	r.take_key.export.password = SPAN(NULL, 0);
	assert_int_equal(world_ask(w, &r), ERR_CRYPTO);
	r.take_key.export.password = buf_span(&sealed);
	assert_int_equal(world_ask(w, &r), 0);
	record = made_record(w, &r.take_key.export.record);
	check_exports(w, record, pkey_spki(im.key));
	assert_true(span_equal(key_of(record, &p), pkey_spki(im.key)));
	export_key_public_fini(&p);
	/* Bound to the certificate, not to the credential that main names. */
	seal(w,
	    &(struct sealed_as){SEAL_MAKE_EXPORT, r.take_key.generation.id,
		SPAN_OF(credential.bytes), SPAN(NULL, 0)},
	    password, &sealed);
	r.take_key.export.password = buf_span(&sealed);
	assert_int_equal(world_ask(w, &r), ERR_CRYPTO);
	world_import_fini(&im);
	buf_fini(&sealed);
}

/* A sealed password makes one key exportable, the one that it was given for. */
static void
test_make_refused(void **state)
{
	struct signer_world *w = *state;
	struct world_record *generation;
	struct making m;
	struct id other;

	id_random(&other);
	making_init(w, &m, password);
	m.r.make_request.generation.id = other;
	assert_int_equal(world_ask(w, &m.r), ERR_CRYPTO);
	m.r.make_request.generation.id = m.generation;
	m.r.make_request.credential = other;
	assert_int_equal(world_ask(w, &m.r), ERR_CRYPTO);
	m.r.make_request.credential = m.credential;
	m.r.make_request.export.record.version = 2;
	assert_int_equal(world_ask(w, &m.r), ERR_INVALID);
	m.r.make_request.export.record.version = 1;
	/* An answer's or an import's seal is none of this kind. */
	seal(w,
	    &(struct sealed_as){
		SEAL_EXPORT, m.generation, SPAN_OF(m.credential.bytes), SPAN(NULL, 0)},
	    password, &m.sealed);
	m.r.make_request.export.password = buf_span(&m.sealed);
	assert_int_equal(world_ask(w, &m.r), ERR_CRYPTO);
	/* A weak one, whoever has let it pass. */
	for (size_t i = 0; i < 3; i++) {
		static const char *const weak[] = {"short", "password1234", "www.example.org"};

		buf_fini(&m.sealed);
		making_init(w, &m, weak[i]);
		assert_int_equal(world_ask(w, &m.r), ERR_INVALID);
	}
	buf_fini(&m.sealed);
	/* A key that there is: main has a signed record of it, and a password of the administrator.
	 */
	making_init(w, &m, password);
	const struct signer_make_export export = m.r.make_request.export;
	m.r.make_request.export = (struct signer_make_export){.made_at = 0};
	assert_int_equal(world_ask(w, &m.r), 0);
	generation = world_sign(w,
	    &(struct world_draft){.kind = KIND_GENERATION,
		.id = m.generation,
		.version = 1,
		.name = "",
		.public_part = w->last.public_part,
		.sealed = w->last.sealed});
	m.r.make_request.keep_key = true;
	m.r.make_request.key_of = generation->bytes;
	m.r.make_request.export = export;
	assert_int_equal(world_ask(w, &m.r), ERR_DENIED);
	buf_fini(&m.sealed);
}

static void
test_export_refused(void **state)
{
	struct signer_world *w = *state;
	struct world_record *a = make(w, password), *b = make(w, "another long pass phrase 9");
	struct asking x;

	/* The password of another credential, or main puts another record under the request. */
	assert_int_equal(try_password(w, a, "another long pass phrase 9"), ERR_DENIED);
	asking_init(w, a, password, &x);
	x.r.export.record = b->bytes;
	assert_int_equal(world_ask(w, &x.r), ERR_CRYPTO);
	x.r.export.record = w->manager.record->bytes;
	assert_int_equal(world_ask(w, &x.r), ERR_INVALID);
	x.r.export.record = a->bytes;
	x.r.export.nonce.bytes[0] ^= 1;
	assert_int_equal(world_ask(w, &x.r), ERR_CRYPTO);
	x.r.export.nonce.bytes[0] ^= 1;
	assert_int_equal(world_ask(w, &x.r), 0);
	/* Main has kept the seal: it gets nothing by it, and no new row of tries. */
	assert_int_equal(world_ask(w, &x.r), ERR_DENIED);
	asking_fini(&x);
	/* Without a key for the answer there is none. */
	asking_init(w, a, password, &x);
	seal(w,
	    &(struct sealed_as){
		SEAL_EXPORT, x.r.export.nonce, SPAN_OF(x.purpose.bytes), SPAN(NULL, 0)},
	    password, &x.sealed);
	x.r.export.password = buf_span(&x.sealed);
	assert_true(world_ask(w, &x.r) < 0);
	asking_fini(&x);
}

static void
test_wrong_many_times(void **state)
{
	struct signer_world *w = *state;
	struct world_record *a = make(w, password);

	for (int i = 0; i < TRIES_FREE - 1; i++)
		assert_int_equal(try_password(w, a, "quite another one 11"), ERR_DENIED);
	/* A right one begins anew. */
	assert_int_equal(try_password(w, a, password), 0);
	for (int i = 0; i < TRIES_FREE; i++)
		assert_int_equal(try_password(w, a, "quite another one 11"), ERR_DENIED);
	assert_int_equal(try_password(w, a, password), ERR_AGAIN);
}

static void
test_resealed(void **state)
{
	struct signer_world *w = *state;
	struct world_node web = world_add_node(w, "web1");
	struct world_record *a = make(w, password), *next;
	struct signer_request r = {.op = SIGNER_RESEAL};
	struct export_key_public p;

	r.reseal = (struct signer_reseal){.record = a->bytes,
	    .to = {a->record.id, 2},
	    .public_part = a->record.public_part,
	    .access = {&web.id, 1}};
	assert_int_equal(world_ask(w, &r), ERR_DENIED);
	r.reseal.access = (struct ids){NULL, 0};
	r.reseal.public_part = SPAN("x", 1);
	assert_int_equal(world_ask(w, &r), ERR_DENIED);
	r.reseal.public_part = a->record.public_part;
	assert_int_equal(world_ask(w, &r), 0);
	next = world_sign(w,
	    &(struct world_draft){.kind = KIND_EXPORT_KEY,
		.id = a->record.id,
		.version = 2,
		.name = "x",
		.public_part = a->record.public_part,
		.sealed = w->last.sealed});
	check_exports(w, next, key_of(next, &p));
	export_key_public_fini(&p);
	/* Main cannot have something of its own sealed as one. */
	r = (struct signer_request){.op = SIGNER_SEAL};
	r.seal = (struct signer_seal){.record = {a->record.id, 3},
	    .kind = KIND_EXPORT_KEY,
	    .public_part = a->record.public_part,
	    .payload = SPAN("x", 1)};
	assert_int_equal(world_ask(w, &r), ERR_DENIED);
	world_node_fini(&web);
}

/* --- the counter alone, with a clock of its own --- */

static void
test_tries(void **state)
{
	struct tries *t = tries_new();
	struct id record = {{1}}, other = {{2}}, nonce = {{3}};
	uint64_t now = 1000, wait = TRIES_WAIT_MS;

	(void)state;
	for (int i = 0; i < TRIES_FREE; i++)
		assert_int_equal(tries_begin(t, &record, now, NULL), 0);
	for (int i = 0; i < 12; i++) {
		assert_int_equal(tries_begin(t, &record, now + wait - 1, NULL), ERR_AGAIN);
		now += wait;
		assert_int_equal(tries_begin(t, &record, now, NULL), 0);
		wait = 2 * wait < TRIES_WAIT_MOST_MS ? 2 * wait : TRIES_WAIT_MOST_MS;
	}
	assert_int_equal(wait, TRIES_WAIT_MOST_MS);
	/* Others are not held up, and a right one ends it. */
	assert_int_equal(tries_begin(t, &other, now, NULL), 0);
	assert_int_equal(tries_right(t, &record, &nonce, NULL), 0);
	for (int i = 0; i < TRIES_FREE; i++)
		assert_int_equal(tries_begin(t, &record, now, NULL), 0);
	/* But not by what was right before. */
	assert_int_equal(tries_right(t, &record, &nonce, NULL), ERR_DENIED);
	assert_int_equal(tries_begin(t, &record, now, NULL), ERR_AGAIN);
	/* The one that was tried last stays, however many others come. */
	for (unsigned i = 0; i < 3000; i++) {
		struct id many = {{9, (uint8_t)i, (uint8_t)(i >> 8)}};

		assert_int_equal(tries_begin(t, &many, now, NULL), 0);
		if (i % 1000 == 0)
			assert_int_equal(tries_begin(t, &other, now + i, NULL), 0);
	}
	assert_int_equal(tries_begin(t, &other, now + 3000, NULL), 0);
	assert_int_equal(tries_begin(t, &other, now + 3000, NULL), ERR_AGAIN);
	tries_free(t);
}

int
run_export_tests(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_made_and_exported),
	    TEST(test_taken),
	    TEST(test_make_refused),
	    TEST(test_export_refused),
	    TEST(test_wrong_many_times),
	    TEST(test_resealed),
	    cmocka_unit_test(test_tries),
	};

	return cmocka_run_group_tests_name("export", tests, NULL, NULL);
}
