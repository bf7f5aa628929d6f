/* Keys from outside: TakeKey, as it should be and as a main in foreign hands might ask for it. */

#include "tests/unit/server/signer/signer_tests.h"

#include "common/crypto/envelope.h"
#include "common/crypto/sign.h"

static const char *const types[] = {"ec-p256", "ec-p384", "ec-p521", "rsa-2048", "ed25519"};

/* The key that was sealed last for a generation, opened by a node. */
static struct pkey *
opened(struct signer_world *w, const struct signer_take_key *t, const struct pkey *by)
{
	const struct seal_binding b = {.domain = w->domain,
	    .record = t->generation.id,
	    .version = t->generation.version,
	    .kind = KIND_GENERATION,
	    .public_part = t->public_part};
	struct secret *payload = NULL, *pkcs8 = NULL;
	struct pkey *key = NULL;

	assert_int_equal(envelope_open(&b, w->last.sealed, by, &payload, NULL), 0);
	assert_int_equal(wire_private_key_decode(payload, &pkcs8, NULL), 0);
	assert_int_equal(pkey_from_pkcs8(secret_span(pkcs8), &key, NULL), 0);
	secret_free(payload);
	secret_free(pkcs8);
	return key;
}

static void
test_taken(void **state)
{
	struct signer_world *w = *state;
	struct world_node web = world_add_node(w, "web1");
	struct id credential;

	id_random(&credential);
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		struct world_import im;
		struct signer_request r;
		struct pkey *key;

		world_import_init(w, "www.example.org", types[i], &credential, &im);
		r = world_take(&im, (struct ids){&web.id, 1});
		assert_int_equal(world_ask(w, &r), 0);
		key = opened(w, &r.take_key, web.sealing);
		assert_true(pkey_same_public(key, im.key));
		pkey_unref(key);
		/* To nobody but the managers, too. */
		r = world_take(&im, (struct ids){NULL, 0});
		assert_int_equal(world_ask(w, &r), 0);
		assert_int_equal(w->last.public_part.len, 0);
		world_import_fini(&im);
	}
	world_node_fini(&web);
}

static void
refused(struct signer_world *w, const struct signer_request *r, int code)
{
	assert_int_equal(world_ask(w, r), code);
}

/* Every part of a request taken from another import, or changed. */
static void
test_mixed(void **state)
{
	struct signer_world *w = *state;
	struct world_import a, b;
	struct signer_request r;
	struct id credential, nobody;

	id_random(&credential);
	id_random(&nobody);
	world_import_init(w, "a.example.org", "ec-p256", &credential, &a);
	world_import_init(w, "b.example.org", "ec-p256", &credential, &b);
	r = world_take(&a, (struct ids){NULL, 0});
	r.take_key.key = buf_span(&b.sealed);
	refused(w, &r, ERR_CRYPTO);
	r.take_key.nonce = b.nonce;
	refused(w, &r, ERR_CRYPTO);
	r = world_take(&a, (struct ids){NULL, 0});
	r.take_key.public_part = buf_span(&b.public_part);
	refused(w, &r, ERR_CRYPTO);
	r = world_take(&a, (struct ids){NULL, 0});
	r.take_key.nonce.bytes[3] ^= 1;
	refused(w, &r, ERR_CRYPTO);
	r = world_take(&a, (struct ids){NULL, 0});
	a.sealed.data[a.sealed.len - 1] ^= 1;
	refused(w, &r, ERR_CRYPTO);
	a.sealed.data[a.sealed.len - 1] ^= 1;
	r.take_key.generation.version = 2;
	refused(w, &r, ERR_INVALID);
	r = world_take(&a, (struct ids){&nobody, 1});
	refused(w, &r, ERR_NOTFOUND);
	r = world_take(&a, (struct ids){NULL, 0});
	r.take_key.key = SPAN("no seal", 7);
	refused(w, &r, ERR_PARSE);
	r.take_key.public_part = SPAN("\xff", 1);
	refused(w, &r, ERR_PARSE);
	r = world_take(&a, (struct ids){NULL, 0});
	assert_int_equal(world_ask(w, &r), 0);
	world_import_fini(&a);
	world_import_fini(&b);
}

/* The public part names a key that is not the certificate's; or there is no certificate. */
static void
test_public_parts(void **state)
{
	struct signer_world *w = *state;
	struct world_import a, b;
	struct generation_public g;
	struct buf public = BUF_INIT(LIMIT_PUBLIC);
	struct signer_request r;
	struct id credential;
	struct span spki;

	id_random(&credential);
	world_import_init(w, "a.example.org", "ec-p256", &credential, &a);
	world_import_init(w, "b.example.org", "ec-p256", &credential, &b);
	assert_int_equal(wire_generation_public_decode(buf_span(&a.public_part), &g, NULL), 0);
	spki = g.key;
	g.key = pkey_spki(b.key);
	assert_int_equal(wire_generation_public_encode(&g, &public, NULL), 0);
	r = world_take(&a, (struct ids){NULL, 0});
	r.take_key.public_part = buf_span(&public);
	refused(w, &r, ERR_CRYPTO);
	g.key = spki;
	g.chain.count = 0;
	g.csr = SPAN("csr", 3);
	buf_clear(&public);
	assert_int_equal(wire_generation_public_encode(&g, &public, NULL), 0);
	r.take_key.public_part = buf_span(&public);
	refused(w, &r, ERR_INVALID);
	generation_public_fini(&g);
	buf_fini(&public);
	world_import_fini(&a);
	world_import_fini(&b);
}

/* Seals for something else, and keys that are not in the one form that there is. */
static void
test_payloads(void **state)
{
	struct signer_world *w = *state;
	struct secret *pkcs8 = NULL, *payload = NULL, *longer = NULL;
	struct world_import im, ca;
	struct signer_request r;
	struct id credential;

	id_random(&credential);
	world_import_init(w, "a.example.org", "ec-p256", &credential, &im);
	world_import_init(w, NULL, "ec-p256", &credential, &ca);
	r = world_take(&ca, (struct ids){NULL, 0});
	refused(w, &r, ERR_DENIED);
	assert_int_equal(pkey_to_pkcs8(im.key, &pkcs8, NULL), 0);
	assert_int_equal(wire_private_key_encode(pkcs8, &payload, NULL), 0);
	/* Of another kind: a password is no key, whatever is in it. */
	buf_clear(&im.sealed);
	world_seal_foreign(w, KIND_GENERATION, cert_der(im.leaf), payload, &im.nonce, &im.sealed);
	r = world_take(&im, (struct ids){NULL, 0});
	refused(w, &r, ERR_CRYPTO);
	/* Not what it should be inside. */
	buf_clear(&im.sealed);
	world_seal_foreign(w, SEAL_IMPORTED_KEY, cert_der(im.leaf), pkcs8, &im.nonce, &im.sealed);
	r = world_take(&im, (struct ids){NULL, 0});
	refused(w, &r, ERR_PARSE);
	/* Bytes behind the key. */
	secret_free(payload);
	assert_int_equal(secret_new(secret_span(pkcs8).len + 1, &longer, NULL), 0);
	memcpy(secret_bytes(longer), secret_span(pkcs8).data, secret_span(pkcs8).len);
	assert_int_equal(wire_private_key_encode(longer, &payload, NULL), 0);
	buf_clear(&im.sealed);
	world_seal_foreign(w, SEAL_IMPORTED_KEY, cert_der(im.leaf), payload, &im.nonce, &im.sealed);
	r = world_take(&im, (struct ids){NULL, 0});
	refused(w, &r, ERR_PARSE);
	secret_free(pkcs8);
	secret_free(payload);
	secret_free(longer);
	world_import_fini(&im);
	world_import_fini(&ca);
}

int
run_take_tests(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_taken),
	    TEST(test_mixed),
	    TEST(test_public_parts),
	    TEST(test_payloads),
	};

	return cmocka_run_group_tests_name("take", tests, NULL, NULL);
}
