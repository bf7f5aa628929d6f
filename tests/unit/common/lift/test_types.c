#include "tests/unit/common/lift/lift_tests.h"

#include "common/crypto/cert_facts.h"

/*
 * Every type of key that is taken in, as openssl wrote it: it signs a request and certificates,
 * what it signed verifies, and both are matched to it.
 */

#define NOW INT64_C(1795000000)

static const char *const types[] = {
    "ec-p256", "ec-p384", "ec-p521", "rsa-2048", "rsa-3072", "rsa-4096", "rsa-8192", "ed25519"};

static void
add_cert_of(struct lift *l, const struct cert *c)
{
	lift_add(l, "certificate", cert_der(c));
}

static void
check_type(const char *type)
{
	static const char *const names[] = {"www.example.org"};
	struct lift *l = lift_with(NULL, NULL);
	struct leaf_params p = {
	    .names = names, .name_count = 1, .not_before = NOW, .not_after = NOW + 10};
	struct buf csr = BUF_INIT(LIMIT_CERT);
	struct cert *ca = NULL, *leaf = NULL;
	char file[32], described[KEY_DESCRIPTION_MAX];
	struct pkey *key;
	struct err err;

	snprintf(file, sizeof(file), "%s.key", type);
	add_vector(l, file);
	if (lift_check(l, &err) < 0)
		fail_msg("%s: %s", type, err.text);
	key = lift_at(l, 0)->key;
	assert_string_equal(pkey_describe(key, described), type);
	p.key = key;
	assert_int_equal(cert_issue_ca(key, type, NOW, NOW + 100, &ca, NULL), 0);
	assert_int_equal(cert_issue_leaf(ca, key, &p, &leaf, NULL), 0);
	assert_true(cert_signed_by(ca, ca) && cert_signed_by(leaf, ca));
	assert_int_equal(csr_make_leaf(&p, &csr, NULL), 0);
	add_cert_of(l, leaf);
	add_cert_of(l, ca);
	lift_add(l, "request", buf_span(&csr));
	lift_match(l);
	assert_string_equal(kinds_of(l), "kccr");
	/* Both certificates have the key; the leaf is what it is paired with. */
	assert_int_equal(lift_at(l, 0)->pair, 1);
	for (size_t i = 1; i < 4; i++)
		assert_int_equal(lift_at(l, i)->pair, 0);
	assert_true(lift_at(l, 1)->is_leaf && !lift_at(l, 2)->is_leaf);
	cert_unref(ca);
	cert_unref(leaf);
	buf_fini(&csr);
	lift_free(l);
}

static void
test_types(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		check_type(types[i]);
}

int
run_type_tests(void)
{
	const struct CMUnitTest tests[] = {TEST(test_types)};

	return cmocka_run_group_tests_name("types", tests, NULL, NULL);
}
