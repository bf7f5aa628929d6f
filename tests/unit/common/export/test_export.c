#include "common/crypto/cert.h"
#include "common/crypto/crypto_err.h"
#include "common/export/export.h"
#include "common/lift/lift.h"
#include "tests/unit/common/export/export_tests.h"

#include <stdio.h>

/* What is written here is read back by common/lift; what others read is in tests/integ. */

#define HEAP_SIZE (1024 * 1024)
#define NOW INT64_C(1795000000)

static struct pkey *ca_key;
static struct cert *ca;

static int
check_queue(void **state)
{
	(void)state;
	assert_false(crypto_err_pending());
	return 0;
}
#define TEST(f) cmocka_unit_test_teardown(f, check_queue)

struct secret *
secret_of(const char *text)
{
	char *copy = mem_strdup(text);
	struct secret *s = NULL;

	assert_int_equal(secret_take(copy, strlen(text), &s, NULL), 0);
	mem_free(copy);
	return s;
}

struct example {
	struct pkey *key;
	struct cert *leaf;
	struct span certs[2];
	struct export_set set;
};

static void
make_example(enum key_type type, struct example *e)
{
	static const char *const names[] = {"www.example.org"};
	struct leaf_params p = {
	    .names = names, .name_count = 1, .not_before = NOW, .not_after = NOW + 86400};

	assert_int_equal(pkey_generate(type, &e->key, NULL), 0);
	p.key = e->key;
	assert_int_equal(cert_issue_leaf(ca, ca_key, &p, &e->leaf, NULL), 0);
	e->certs[0] = cert_der(e->leaf);
	e->certs[1] = cert_der(ca);
	e->set = (struct export_set){e->certs, 2, e->key};
}

static void
end_example(struct example *e)
{
	pkey_unref(e->key);
	cert_unref(e->leaf);
}

/* Reads it back and wants these items ("kcc"), the key to be e's, paired with the leaf. */
static void
check_back(const struct example *e, struct span file, const struct secret *password,
    const char *kinds, bool locked)
{
	struct lift *l = lift_new(&(struct lift_params){&password, password != NULL, NULL});
	struct err err;

	lift_add(l, "export", file);
	lift_match(l);
	if (lift_check(l, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(lift_count(l), strlen(kinds));
	for (size_t i = 0; i < lift_count(l); i++) {
		const struct lift_item *item = lift_at(l, i);

		assert_int_equal(item->kind, kinds[i] == 'k' ? LIFT_KEY : LIFT_CERT);
		if (item->kind != LIFT_KEY)
			continue;
		assert_true(pkey_same_public(item->key, e->key));
		assert_int_equal(item->was_locked, locked);
		assert_true(span_equal(cert_der(lift_at(l, item->pair)->cert), e->certs[0]));
	}
	lift_free(l);
}

static void
test_pem(void **state)
{
	static const char *const clear[] = {
	    [EXPORT_KEY_FIRST] = "kcc", [EXPORT_KEY_LAST] = "cck", [EXPORT_KEY_ALONE] = "k"};

	(void)state;
	for (enum key_type type = 0; type < KEY__COUNT; type++) {
		struct example e;

		if (type == KEY_RSA_3072 || type == KEY_RSA_4096) /* as RSA 2048, and slow */
			continue;
		make_example(type, &e);
		for (unsigned order = 0; order <= EXPORT_KEY_ALONE; order++) {
			struct secret *pem = NULL;

			assert_int_equal(export_pem(&e.set, order, NULL, false, &pem, NULL), 0);
			if (order != EXPORT_KEY_ALONE)
				check_back(&e, secret_span(pem), NULL, clear[order], false);
			else
				assert_memory_equal(
				    secret_span(pem).data, "-----BEGIN PRIVATE KEY-----", 27);
			secret_free(pem);
		}
		end_example(&e);
	}
}

static void
test_encrypted_pem(void **state)
{
	struct secret *password = secret_of("k\xc3\xa4se und brot"), *pem = NULL;
	struct example e;

	(void)state;
	make_example(KEY_EC_P256, &e);
	for (int scrypt = 0; scrypt < 2; scrypt++) {
		assert_int_equal(
		    export_pem(&e.set, EXPORT_KEY_FIRST, password, scrypt, &pem, NULL), 0);
		assert_memory_equal(
		    secret_span(pem).data, "-----BEGIN ENCRYPTED PRIVATE KEY-----", 37);
		check_back(&e, secret_span(pem), password, "kcc", true);
		secret_free(pem);
	}
	secret_free(password);
	end_example(&e);
}

static void
test_chain_only(void **state)
{
	struct buf out = BUF_INIT(LIMIT_PEM_FILE);
	struct example e;

	(void)state;
	make_example(KEY_EC_P384, &e);
	e.set.key = NULL;
	assert_int_equal(export_chain(&e.set, &out, NULL), 0);
	assert_null(strstr(buf_str(&out), "KEY"));
	check_back(&e, buf_span(&out), NULL, "cc", false);
	buf_fini(&out);
	end_example(&e);
}

static void
test_p12(void **state)
{
	static const struct {
		enum key_type type;
		bool old;
		const char *password, *name;
	} cases[] = {
	    {KEY_EC_P256, false, "k\xc3\xa4se und brot", "www.example.org"},
	    {KEY_RSA_2048, true, "only ascii here",
		"stra\xc3\x9f"
		"e"},
	    {KEY_EC_P521, true, "\xf0\x9f\x90\x91 and more", ""},
	    {KEY_ED25519, true, "", "empty password"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct secret *password = secret_of(cases[i].password);
		struct buf out = BUF_INIT(LIMIT_IMPORT_FILE);
		struct example e;

		make_example(cases[i].type, &e);
		assert_int_equal(
		    export_p12(&e.set, cases[i].name, password, cases[i].old, &out, NULL), 0);
		check_back(&e, buf_span(&out), password, "cck", true);
		end_example(&e);
		buf_fini(&out);
		secret_free(password);
	}
}

static void
test_stored_key(void **state)
{
	struct secret *right = secret_of("right password"), *wrong = secret_of("wrong password");
	struct buf der = BUF_INIT(LIMIT_KEY), pem = BUF_INIT(LIMIT_KEY);
	struct pkey *back = NULL;
	struct example e;

	(void)state;
	make_example(KEY_ED25519, &e);
	assert_int_equal(pkey_put_encrypted_pkcs8(e.key, right, false, &der, NULL), 0);
	assert_int_equal(pkey_from_encrypted_pkcs8(buf_span(&der), wrong, &back, NULL), ERR_DENIED);
	assert_int_equal(pkey_from_encrypted_pkcs8(buf_span(&der), right, &back, NULL), 0);
	assert_true(pkey_same_public(back, e.key));
	pkey_unref(back);
	encrypted_pkcs8_put_pem(buf_span(&der), &pem);
	assert_memory_equal(pem.data, "-----BEGIN ENCRYPTED PRIVATE KEY-----\n", 38);
	buf_fini(&der);
	buf_fini(&pem);
	end_example(&e);
	secret_free(right);
	secret_free(wrong);
}

static void
test_refusals(void **state)
{
	struct secret *pem = NULL;
	struct example a, b;
	struct err err;

	(void)state;
	make_example(KEY_EC_P256, &a);
	make_example(KEY_EC_P256, &b);
	a.set.key = b.key;
	assert_int_equal(
	    export_pem(&a.set, EXPORT_KEY_FIRST, NULL, false, &pem, &err), ERR_INVALID);
	assert_string_equal(err.text, "the key is not that of the certificate");
	a.set.key = NULL;
	assert_int_equal(
	    export_pem(&a.set, EXPORT_KEY_FIRST, NULL, false, &pem, &err), ERR_INVALID);
	a.set.cert_count = 0;
	assert_int_equal(
	    export_pem(&a.set, EXPORT_KEY_FIRST, NULL, false, &pem, &err), ERR_INVALID);
	end_example(&a);
	end_example(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_pem),
	    TEST(test_encrypted_pem),
	    TEST(test_chain_only),
	    TEST(test_p12),
	    TEST(test_stored_key),
	    TEST(test_refusals),
	};
	struct err err;
	int failed;

	if (secret_heap_init(HEAP_SIZE, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	if (pkey_generate(KEY_EC_P256, &ca_key, NULL) < 0 ||
	    cert_issue_ca(ca_key, "export", NOW, NOW + 864000, &ca, NULL) < 0)
		return 1;
	failed = cmocka_run_group_tests_name("export", tests, NULL, NULL) + run_password_tests();
	pkey_unref(ca_key);
	cert_unref(ca);
	return failed;
}
