/* Signatures: none of one type, domain or key is one of another. */

#include "tests/unit/common/crypto/crypto_tests.h"

#include "common/crypto/sign.h"

static const struct domain_id home = {{1}}, foreign = {{2}};

/* The keys that sign each type. */
static const struct signer {
	enum sign_type type;
	enum key_type key;
} signers[] = {
    {SIGN_RECORD, KEY_EC_P256},
    {SIGN_HEAD, KEY_EC_P256},
    {SIGN_DESIGNATION, KEY_EC_P384},
    {SIGN_DESIGNATION, KEY_EC_P256},
    {SIGN_ROOT, KEY_EC_P384},
    {SIGN_JOIN, KEY_EC_P256},
};

static void
test_types(void **state)
{
	struct pkey *keys[KEY__COUNT] = {
	    [KEY_EC_P256] = make_key(KEY_EC_P256), [KEY_EC_P384] = make_key(KEY_EC_P384)};
	struct span body = span_str("what is signed");

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(signers); i++) {
		struct pkey *public = public_of(keys[signers[i].key]);
		struct buf sig = BUF_INIT(SIGNATURE_MAX);

		assert_int_equal(
		    sign_put(keys[signers[i].key], signers[i].type, &home, body, &sig, NULL), 0);
		for (unsigned type = 0; type < SIGN__COUNT; type++)
			assert_int_equal(sign_verify(public, (enum sign_type)type, &home, body,
					     buf_span(&sig), NULL),
			    type == signers[i].type ? 0 : ERR_CRYPTO);
		assert_int_equal(
		    sign_verify(public, signers[i].type, &foreign, body, buf_span(&sig), NULL),
		    ERR_CRYPTO);
		assert_int_equal(sign_verify(public, signers[i].type, &home,
				     span_str("what is signeD"), buf_span(&sig), NULL),
		    ERR_CRYPTO);
		buf_fini(&sig);
		pkey_unref(public);
	}
	pkey_unref(keys[KEY_EC_P256]);
	pkey_unref(keys[KEY_EC_P384]);
}

static void
test_bad_signatures(void **state)
{
	struct pkey *key = make_key(KEY_EC_P256), *other = make_key(KEY_EC_P256);
	struct span body = span_str("body");
	struct buf sig = BUF_INIT(SIGNATURE_MAX + 1);

	(void)state;
	assert_int_equal(sign_put(key, SIGN_RECORD, &home, body, &sig, NULL), 0);
	assert_int_equal(
	    sign_verify(other, SIGN_RECORD, &home, body, buf_span(&sig), NULL), ERR_CRYPTO);
	for (size_t i = 0; i < sig.len; i++) {
		sig.data[i] ^= 0x40;
		assert_int_equal(
		    sign_verify(key, SIGN_RECORD, &home, body, buf_span(&sig), NULL), ERR_CRYPTO);
		check_queue(state);
		sig.data[i] ^= 0x40;
		assert_int_equal(
		    sign_verify(key, SIGN_RECORD, &home, body, SPAN(sig.data, i), NULL),
		    ERR_CRYPTO);
	}
	buf_put_u8(&sig, 0);
	assert_int_equal(
	    sign_verify(key, SIGN_RECORD, &home, body, buf_span(&sig), NULL), ERR_CRYPTO);
	buf_fini(&sig);
	pkey_unref(key);
	pkey_unref(other);
}

static void
test_wrong_keys(void **state)
{
	struct pkey *rsa = make_key(KEY_RSA_2048), *p521 = make_key(KEY_EC_P521),
		    *p384 = make_key(KEY_EC_P384), *p256 = make_key(KEY_EC_P256);
	struct pkey *public = public_of(p256);
	const struct {
		const struct pkey *key;
		enum sign_type type;
	} cases[] = {
	    {rsa, SIGN_RECORD},
	    {p521, SIGN_ROOT},
	    {p384, SIGN_RECORD},
	    {p384, SIGN_JOIN},
	    {p256, SIGN_ROOT},
	    {public, SIGN_RECORD},
	};
	struct buf sig = BUF_INIT(SIGNATURE_MAX);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(
		    sign_put(cases[i].key, cases[i].type, &home, span_str("x"), &sig, NULL),
		    ERR_INVALID);
	assert_int_equal(sig.len, 0);
	buf_fini(&sig);
	pkey_unref(rsa);
	pkey_unref(p521);
	pkey_unref(p384);
	pkey_unref(p256);
	pkey_unref(public);
}

static void
test_hash(void **state)
{
	const struct span parts[] = {span_str("a"), SPAN(NULL, 0), span_str("bc")};
	char hex[HASH_HEX_MAX];
	struct hash whole, pieces;
	struct id a, b;

	(void)state;
	hash_of(span_str("abc"), &whole);
	assert_string_equal(hash_hex(&whole, hex),
	    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	hash_of_parts(parts, ARRAY_LEN(parts), &pieces);
	assert_true(hash_equal(&whole, &pieces));
	id_random(&a);
	id_random(&b);
	assert_false(id_equal(&a, &b));
}

int
run_sign_tests(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_types),
	    TEST(test_bad_signatures),
	    TEST(test_wrong_keys),
	    TEST(test_hash),
	};

	return cmocka_run_group_tests_name("sign", tests, NULL, NULL);
}
