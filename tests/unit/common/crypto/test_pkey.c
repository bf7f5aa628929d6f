/* Keys, their encodings, key files, and keys under a passphrase. */

#include "tests/unit/common/crypto/crypto_tests.h"

#include "common/base/limits.h"
#include "common/base/str.h"
#include "common/crypto/der.h"
#include "common/crypto/pem.h"

#include <stdio.h>

static void
test_names(void **state)
{
	enum key_type type;
	struct err err;

	(void)state;
	for (unsigned i = 0; i < KEY__COUNT; i++) {
		assert_int_equal(key_type_parse(key_type_name((enum key_type)i), &type, NULL), 0);
		assert_int_equal(type, i);
	}
	assert_int_equal(key_type_parse("dsa", &type, &err), ERR_INVALID);
	assert_non_null(strstr(err.text, "rsa-4096"));
}

static void
test_round_trip(void **state)
{
	(void)state;
	for (unsigned i = 0; i < KEY__COUNT; i++) {
		struct pkey *key, *again = NULL, *public, *ref;
		struct secret *pkcs8 = NULL, *twice = NULL;
		char what[KEY_DESCRIPTION_MAX], again_what[KEY_DESCRIPTION_MAX];
		struct key_id a, b;
		enum key_type type;

		/* A large RSA key takes seconds under a sanitizer. */
		if (i == KEY_RSA_3072 || i == KEY_RSA_4096)
			continue;
		key = make_key((enum key_type)i);
		public = public_of(key);
		assert_true(pkey_has_private(key) && !pkey_has_private(public));
		assert_int_equal(pkey_to_pkcs8(key, &pkcs8, NULL), 0);
		assert_int_equal(pkey_from_pkcs8(secret_span(pkcs8), &again, NULL), 0);
		assert_int_equal(pkey_to_pkcs8(again, &twice, NULL), 0);
		assert_true(secret_equal(twice, secret_span(pkcs8)));
		assert_true(pkey_same_public(key, again) && pkey_same_public(key, public));
		assert_int_equal(pkey_type(public, &type, NULL), 0);
		assert_int_equal(type, i);
		assert_string_equal(pkey_describe(key, what), key_type_name((enum key_type)i));
		assert_string_equal(spki_describe(pkey_spki(public), again_what), what);
		pkey_id(key, &a);
		spki_key_id(pkey_spki(public), &b);
		assert_memory_equal(&a, &b, sizeof(a));
		assert_int_equal(pkey_to_pkcs8(public, &twice, NULL), ERR_INVALID);
		ref = pkey_ref(key);
		pkey_unref(key);
		assert_true(pkey_has_private(ref));
		pkey_unref(ref);
		pkey_unref(again);
		pkey_unref(public);
		secret_free(pkcs8);
		secret_free(twice);
	}
}

/* Nobody has checked what is described, so anything may come. */
static void
test_described(void **state)
{
	struct pkey *key = make_key(KEY_RSA_2048);
	struct span spki = pkey_spki(key);
	char what[KEY_DESCRIPTION_MAX];

	(void)state;
	for (size_t n = 0; n < spki.len; n++)
		assert_string_equal(spki_describe(SPAN(spki.data, n), what), "");
	assert_string_equal(spki_describe(spki, what), "rsa-2048");
	pkey_unref(key);
}

/* Bytes cut, changed or appended never give another key than the one encoded. */
static void
test_damaged(void **state)
{
	static const enum key_type types[] = {KEY_EC_P256, KEY_EC_P384, KEY_RSA_2048};

	(void)state;
	for (size_t t = 0; t < ARRAY_LEN(types); t++) {
		struct pkey *key = make_key(types[t]), *out = NULL;
		struct secret *pkcs8 = NULL;
		struct span der;
		struct buf text = BUF_INIT(8192);

		assert_int_equal(pkey_to_pkcs8(key, &pkcs8, NULL), 0);
		der = secret_span(pkcs8);
		for (size_t i = 0; i < der.len; i += t == 2 ? 7 : 1) {
			assert_true(pkey_from_pkcs8(SPAN(der.data, i), &out, NULL) < 0);
			secret_bytes(pkcs8)[i] ^= 1;
			if (pkey_from_pkcs8(der, &out, NULL) == 0) {
				/* Numbers that belong to it are checked, other parts not. */
				assert_true(types[t] == KEY_RSA_2048 || pkey_same_public(key, out));
				pkey_unref(out);
			}
			check_queue(state);
			secret_bytes(pkcs8)[i] ^= 1;
		}
		buf_put_span(&text, der);
		buf_put_u8(&text, 0);
		assert_int_equal(pkey_from_pkcs8(buf_span(&text), &out, NULL), ERR_PARSE);
		buf_clear(&text);
		buf_put_span(&text, pkey_spki(key));
		for (size_t i = 0; i < text.len; i++) {
			assert_true(pkey_from_spki(SPAN(text.data, i), &out, NULL) < 0);
			text.data[i] ^= 1;
			if (pkey_from_spki(buf_span(&text), &out, NULL) == 0) {
				assert_int_equal(types[t], KEY_RSA_2048); /* another modulus */
				pkey_unref(out);
			}
			text.data[i] ^= 1;
		}
		buf_put_u8(&text, 0);
		assert_int_equal(pkey_from_spki(buf_span(&text), &out, NULL), ERR_PARSE);
		check_queue(state);
		pkey_unref(key);
		secret_free(pkcs8);
		buf_fini(&text);
	}
}

/* The private number of one key with the public point of another. */
static void
test_mixed_pair(void **state)
{
	static const struct {
		enum key_type type;
		size_t offset, len; /* of the private number */
	} cases[] = {
	    {KEY_EC_P256, 36, 32},
	    {KEY_EC_P384, 35, 48},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pkey *a = make_key(cases[i].type), *b = make_key(cases[i].type), *out = NULL;
		struct secret *x = NULL, *y = NULL;

		assert_int_equal(pkey_to_pkcs8(a, &x, NULL), 0);
		assert_int_equal(pkey_to_pkcs8(b, &y, NULL), 0);
		memcpy(secret_bytes(x) + cases[i].offset, secret_bytes(y) + cases[i].offset,
		    cases[i].len);
		assert_int_equal(pkey_from_pkcs8(secret_span(x), &out, NULL), ERR_CRYPTO);
		pkey_unref(a);
		pkey_unref(b);
		secret_free(x);
		secret_free(y);
	}
}

/* A number outside of the curve's order that leads to the same point: one more than the order. */
static void
test_number_beyond_order(void **state)
{
	static const char generator[] =
	    "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
	    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
	static const struct {
		const char *number;
		bool taken;
	} cases[] = {
	    {"0000000000000000000000000000000000000000000000000000000000000001", true},
	    {"0000000000000000000000000000000000000000000000000000000000000002", false},
	    {"0000000000000000000000000000000000000000000000000000000000000000", false},
	    {"ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", false},
	    {"ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632552", false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pkey *key = make_key(KEY_EC_P256), *out = NULL;
		struct secret *der = NULL;
		uint8_t *point;

		assert_int_equal(pkey_to_pkcs8(key, &der, NULL), 0);
		point = secret_bytes(der) + secret_span(der).len - 64;
		assert_int_equal(hex_decode(cases[i].number, secret_bytes(der) + 36, 32, NULL), 0);
		assert_int_equal(hex_decode(generator, point, 64, NULL), 0);
		if (cases[i].taken)
			assert_int_equal(pkey_from_pkcs8(secret_span(der), &out, NULL), 0);
		else
			assert_true(pkey_from_pkcs8(secret_span(der), &out, NULL) < 0);
		check_queue(state);
		pkey_unref(out);
		pkey_unref(key);
		secret_free(der);
	}
}

/* Keys of others: what is taken in, and what is not (made by the openssl program). */
static void
test_foreign(void **state)
{
	static const struct {
		const char *what, *hex;
		int code;
	} private_keys[] = {
	    {"ed25519",
		"302e020100300506032b657004220420"
		"d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842",
		0},
	    {"x25519",
		"302e020100300506032b656e04220420"
		"d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842",
		ERR_INVALID},
	    {"P-256 without its public point",
		"3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420"
		"d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842",
		0},
	    {"P-256, the number zero",
		"3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420"
		"0000000000000000000000000000000000000000000000000000000000000000",
		ERR_CRYPTO},
	    {"secp256k1",
		"303e020100301006072a8648ce3d020106052b8104000a042730250201010420"
		"d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842",
		ERR_INVALID},
	    {"nothing", "", ERR_PARSE},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(private_keys); i++) {
		size_t len = strlen(private_keys[i].hex) / 2;
		struct pkey *key = NULL;
		uint8_t der[128];
		int r;

		assert_int_equal(hex_decode(private_keys[i].hex, der, len, NULL), 0);
		r = pkey_from_pkcs8(SPAN(der, len), &key, NULL);
		if (r != private_keys[i].code)
			fail_msg("%s: %s", private_keys[i].what, err_name(r));
		check_queue(state);
		pkey_unref(key);
	}
}

/* A point not on the curve, and the same key in another encoding. */
static void
test_foreign_spki(void **state)
{
	struct pkey *key = make_key(KEY_EC_P256), *out = NULL;
	struct span spki = pkey_spki(key);
	struct buf der = BUF_INIT(256), zero = BUF_INIT(256);
	struct der d = DER_INIT(&der);

	(void)state;
	/* Compressed: the same key, but a second identifier. */
	der_begin(&d, DER_SEQUENCE);
	der_put_raw(&d, SPAN(spki.data + 2, 21));
	der_begin(&d, DER_BIT_STRING);
	buf_put_u8(&der, 0);
	buf_put_u8(&der, 2 + (spki.data[spki.len - 1] & 1));
	buf_put(&der, spki.data + 27, 32);
	der_end(&d);
	der_end(&d);
	assert_int_equal(pkey_from_spki(buf_span(&der), &out, NULL), ERR_PARSE);
	buf_put(&zero, spki.data, 27);
	for (size_t i = 0; i < 64; i++)
		buf_put_u8(&zero, 0);
	assert_int_equal(pkey_from_spki(buf_span(&zero), &out, NULL), ERR_PARSE);
	pkey_unref(key);
	buf_fini(&der);
	buf_fini(&zero);
}

/* --- key files ----------------------------------------------------------------------------------
 */

static void
test_keyfile(void **state)
{
	static const char *const names[] = {"sealing", "manager", "term-0000000100000000"};
	struct keyfile file = {0}, parsed = {0};
	struct secret *text = NULL, *again = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(file.entries[i].name, sizeof(file.entries[i].name), "%s", names[i]);
		file.entries[i].key = make_key(i == 1 ? KEY_EC_P384 : KEY_EC_P256);
		file.count++;
	}
	assert_int_equal(keyfile_format(&file, &text, NULL), 0);
	assert_int_equal(keyfile_parse(text, &parsed, NULL), 0);
	assert_int_equal(parsed.count, ARRAY_LEN(names));
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		assert_true(pkey_same_public(keyfile_find(&parsed, names[i]), file.entries[i].key));
	assert_null(keyfile_find(&parsed, "identity"));
	assert_int_equal(keyfile_format(&parsed, &again, NULL), 0);
	assert_true(secret_equal(again, secret_span(text)));
	for (size_t i = 0; i < secret_span(text).len; i++) {
		struct keyfile cut = {0};
		struct secret *part = NULL;

		/* Behind a whole block a shorter file is a file. */
		assert_int_equal(secret_copy(text, &part, NULL), 0);
		secret_cut(part, i);
		if (keyfile_parse(part, &cut, NULL) == 0)
			assert_true(cut.count > 0);
		keyfile_fini(&cut);
		secret_free(part);
	}
	keyfile_fini(&file);
	keyfile_fini(&parsed);
	secret_free(text);
	secret_free(again);
}

static void
test_bad_keyfiles(void **state)
{
	struct keyfile one = {.count = 1};
	struct secret *text = NULL;
	struct buf file = BUF_INIT(65536);
	struct err err;

	(void)state;
	one.entries[0] = (struct keyfile_entry){"sealing", make_key(KEY_EC_P256)};
	assert_int_equal(keyfile_format(&one, &text, NULL), 0);
	const char *whole = (const char *)secret_span(text).data;
	const int len = (int)secret_span(text).len, head = (int)strlen("certherd key sealing\n");
	const struct {
		const char *what, *before;
		int skip;
		const char *after, *text;
		int code;
	} cases[] = {
	    {"a good one", "", 0, "", "", 0},
	    {"one with a blank line", "", 0, "\n", "", 0},
	    {"no name", "", head, "", "no line", ERR_PARSE},
	    {"empty name", "certherd key \n", head, "", "without a name", ERR_PARSE},
	    {"long name", "certherd key aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n", head, "",
		"without a name", ERR_PARSE},
	    {"upper case", "certherd key Sealing\n", head, "", "a-z", ERR_PARSE},
	    {"text before", "# my keys\n", 0, "", "no line", ERR_PARSE},
	    {"text behind", "", 0, "x", "no line", ERR_PARSE},
	    {"a name without a key", "", 0, "certherd key x\n", "no private key", ERR_PARSE},
	    {"the same name again", "certherd key sealing\n", head, "certherd key sealing\n",
		"two keys", ERR_PARSE},
	    {"not base64",
		"certherd key x\n-----BEGIN PRIVATE KEY-----\n!!!!\n"
		"-----END PRIVATE KEY-----\n",
		len, "", "key 'x'", ERR_PARSE},
	    {"not a key",
		"certherd key x\n-----BEGIN PRIVATE KEY-----\nAAAA\n"
		"-----END PRIVATE KEY-----\n",
		len, "", "key 'x'", ERR_PARSE},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct secret *s = NULL;
		struct keyfile parsed = {0};
		int r;

		buf_clear(&file);
		buf_putf(&file, "%s%.*s%s", cases[i].before, len - cases[i].skip,
		    whole + cases[i].skip, cases[i].after);
		assert_int_equal(secret_take(file.data, file.len, &s, NULL), 0);
		r = keyfile_parse(s, &parsed, &err);
		if (r != cases[i].code || (r < 0 && strstr(err.text, cases[i].text) == NULL))
			fail_msg("%s: %s", cases[i].what, r < 0 ? err.text : "taken");
		check_queue(state);
		keyfile_fini(&parsed);
		secret_free(s);
	}
	keyfile_fini(&one);
	secret_free(text);
	buf_fini(&file);
}

static void
test_keyfile_limit(void **state)
{
	struct keyfile full = {.count = KEYFILE_MAX}, parsed = {0};
	struct secret *text = NULL, *longer = NULL;
	struct buf file = BUF_INIT(65536);

	(void)state;
	for (size_t i = 0; i < KEYFILE_MAX; i++) {
		snprintf(full.entries[i].name, sizeof(full.entries[i].name), "key-%zu", i);
		full.entries[i].key = make_key(KEY_EC_P256);
	}
	assert_int_equal(keyfile_format(&full, &text, NULL), 0);
	assert_int_equal(keyfile_parse(text, &parsed, NULL), 0);
	keyfile_fini(&parsed);
	buf_put_span(&file, secret_span(text));
	buf_put_str(&file, "certherd key more\n-----BEGIN PRIVATE KEY-----\n");
	assert_int_equal(secret_take(file.data, file.len, &longer, NULL), 0);
	assert_int_equal(keyfile_parse(longer, &parsed, NULL), ERR_LIMIT);
	keyfile_fini(&full);
	secret_free(text);
	secret_free(longer);
	buf_fini(&file);
}

/* --- passphrases --------------------------------------------------------------------------------
 */

static void
test_encrypted(void **state)
{
	struct pkey *key = make_key(KEY_EC_P384), *out = NULL;
	struct secret *right = secret_of("correct horse"), *wrong = secret_of("correct horsE"),
		      *none = NULL;
	struct buf pem = BUF_INIT(8192);
	struct err err;

	(void)state;
	assert_int_equal(secret_new(0, &none, NULL), 0);
	assert_int_equal(pkey_to_encrypted_pem(key, right, &pem, NULL), 0);
	assert_int_equal(pkey_from_encrypted_pem(buf_span(&pem), right, &out, NULL), 0);
	assert_true(pkey_has_private(out) && pkey_same_public(key, out));
	pkey_unref(out);
	out = NULL;
	assert_int_equal(pkey_from_encrypted_pem(buf_span(&pem), wrong, &out, &err), ERR_DENIED);
	assert_int_equal(pkey_from_encrypted_pem(buf_span(&pem), none, &out, &err), ERR_DENIED);
	assert_int_equal(
	    pkey_from_encrypted_pem(SPAN(pem.data, pem.len / 2), right, &out, &err), ERR_PARSE);
	assert_int_equal(
	    pkey_from_encrypted_pem(span_str("nothing"), right, &out, &err), ERR_PARSE);
	assert_null(out);
	pkey_unref(key);
	secret_free(right);
	secret_free(wrong);
	secret_free(none);
	buf_fini(&pem);
}

/* Work and memory that a file may ask for have limits; the cheap ones are decided at once. */
static void
test_encrypted_costs(void **state)
{
	static const struct {
		const char *scrypt; /* OCTET STRING salt, N, r, p */
		int code;
	} cases[] = {
	    {"0400020102020101020101", ERR_DENIED},
	    {"0400020100020101020101", ERR_PARSE},         /* N = 0 */
	    {"0400020103020101020101", ERR_PARSE},         /* N = 3 */
	    {"0400020102020100020101", ERR_PARSE},         /* r = 0 */
	    {"0400020102020101020100", ERR_PARSE},         /* p = 0 */
	    {"0400020401000000020108020101", ERR_PARSE},   /* N = 2^24 */
	    {"0400020440000000020101020101", ERR_PARSE},   /* N = 2^30 */
	    {"0400020102020101020500ffffffff", ERR_PARSE}, /* p = 2^32 - 1 */
	    {"0400020102020500ffffffff020101", ERR_PARSE}, /* r = 2^32 - 1 */
	    {"0400020102020101020101020110", ERR_PARSE},   /* another length of key */
	    {"0400020102020101020101020120", ERR_DENIED},
	};
	static const char head[] = "06092a864886f70d01050d",
			  scrypt_oid[] = "06092b06010401da47040b",
			  cipher[] = "301d06096086480165030401"
				     "2a041000000000000000000000000000000000";
	struct secret *pass = secret_of("x");

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf der = BUF_INIT(1024), pem = BUF_INIT(2048);
		struct der d = DER_INIT(&der);
		uint8_t bytes[64];
		struct pkey *out = NULL;
		const char *hex[] = {head, scrypt_oid, cases[i].scrypt, cipher};
		struct span parts[4];
		uint8_t storage[4][64];
		struct err err;
		int r;

		for (size_t k = 0; k < 4; k++) {
			size_t len = strlen(hex[k]) / 2;
			char text[129];

			snprintf(text, sizeof(text), "%.*s", (int)(2 * len), hex[k]);
			assert_int_equal(hex_decode(text, storage[k], len, NULL), 0);
			parts[k] = SPAN(storage[k], len);
		}
		memset(bytes, 0, sizeof(bytes));
		der_begin(&d, DER_SEQUENCE);
		der_begin(&d, DER_SEQUENCE);
		der_put_raw(&d, parts[0]);
		der_begin(&d, DER_SEQUENCE);
		der_begin(&d, DER_SEQUENCE);
		der_put_raw(&d, parts[1]);
		der_put(&d, DER_SEQUENCE, parts[2]);
		der_end(&d);
		der_put_raw(&d, parts[3]);
		der_end(&d);
		der_end(&d);
		der_put(&d, DER_OCTET_STRING, SPAN_OF(bytes));
		der_end(&d);
		pem_put(&pem, "ENCRYPTED PRIVATE KEY", buf_span(&der));
		r = pkey_from_encrypted_pem(buf_span(&pem), pass, &out, &err);
		if (r != cases[i].code)
			fail_msg("scrypt %s: %d %s", cases[i].scrypt, r, r < 0 ? err.text : "");
		check_queue(state);
		buf_fini(&der);
		buf_fini(&pem);
	}
	secret_free(pass);
}

int
run_pkey_tests(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_names),
	    TEST(test_round_trip),
	    TEST(test_damaged),
	    TEST(test_described),
	    TEST(test_mixed_pair),
	    TEST(test_number_beyond_order),
	    TEST(test_foreign),
	    TEST(test_foreign_spki),
	    TEST(test_keyfile),
	    TEST(test_bad_keyfiles),
	    TEST(test_keyfile_limit),
	    TEST(test_encrypted),
	    TEST(test_encrypted_costs),
	};

	return cmocka_run_group_tests_name("pkey", tests, NULL, NULL);
}
