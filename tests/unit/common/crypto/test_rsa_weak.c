/* RSA keys that were made wrongly: found by their public halves. */

#include "common/crypto/rsa_weak.h"
#include "tests/unit/common/crypto/crypto_tests.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

static EVP_PKEY *
key_of(const BIGNUM *n, unsigned long exponent)
{
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	BIGNUM *e = BN_new();
	EVP_PKEY *key = NULL;
	OSSL_PARAM *params;

	BN_set_word(e, exponent);
	OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n);
	OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e);
	params = OSSL_PARAM_BLD_to_param(build);
	assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
	assert_int_equal(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params), 1);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	EVP_PKEY_CTX_free(ctx);
	BN_free(e);
	return key;
}

static void
check(const BIGNUM *n, unsigned long exponent, const char *says)
{
	EVP_PKEY *key = key_of(n, exponent);
	const char *found = rsa_weakness(key);

	if (says == NULL)
		assert_null(found);
	else
		assert_string_equal(found, says);
	EVP_PKEY_free(key);
}

/* The next prime behind p, which is left far enough from it. */
static void
next_prime(BIGNUM *out, const BIGNUM *p, unsigned long after, BN_CTX *ctx)
{
	BN_copy(out, p);
	BN_add_word(out, after);
	while (BN_check_prime(out, ctx, NULL) != 1)
		BN_add_word(out, 2);
}

static void
test_close_primes(void **state)
{
	BN_CTX *ctx = BN_CTX_new();
	BIGNUM *p = BN_new(), *q = BN_new(), *n = BN_new();

	(void)state;
	assert_int_equal(BN_generate_prime_ex(p, 512, 0, NULL, NULL, NULL), 1);
	next_prime(q, p, 2, ctx);
	BN_mul(n, p, q, ctx);
	check(n, 65537, "RSA of close primes");
	BN_sqr(n, p, ctx);
	check(n, 65537, "RSA of close primes");
	assert_int_equal(BN_generate_prime_ex(q, 512, 0, NULL, NULL, NULL), 1);
	BN_mul(n, p, q, ctx);
	check(n, 65537, NULL);
	check(n, 3, NULL);
	check(n, 1, "RSA of an impossible exponent");
	check(n, 65536, "RSA of an impossible exponent");
	BN_lshift1(n, n);
	check(n, 65537, "RSA of an even modulus");
	BN_free(p);
	BN_free(q);
	BN_free(n);
	BN_CTX_free(ctx);
}

/* Numbers of the form that such a chip draws: k * M + 65537^a mod M. */
static void
test_roca(void **state)
{
	BN_CTX *ctx = BN_CTX_new();
	BIGNUM *m = BN_new(), *g = BN_new(), *a = BN_new(), *n = BN_new();

	(void)state;
	BN_one(m);
	for (unsigned long p = 2; p <= 167; p++) {
		BN_set_word(a, p);
		if (BN_check_prime(a, ctx, NULL) == 1)
			BN_mul_word(m, p);
	}
	for (int i = 0; i < 20; i++) {
		BN_set_word(g, 65537);
		BN_rand(a, 200, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY);
		BN_mod_exp(g, g, a, m, ctx);
		BN_rand(a, 2048 - BN_num_bits(m), BN_RAND_TOP_TWO, BN_RAND_BOTTOM_ANY);
		BN_mul(n, m, a, ctx);
		BN_add(n, n, g);
		check(n, 65537, "RSA of a faulty chip (ROCA)");
		BN_add_word(n, 2);
		check(n, 65537, NULL);
	}
	BN_free(m);
	BN_free(g);
	BN_free(a);
	BN_free(n);
	BN_CTX_free(ctx);
}

/* Keys as OpenSSL makes them are none of these. */
static void
test_good(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		EVP_PKEY *key = EVP_RSA_gen(2048);

		assert_null(rsa_weakness(key));
		EVP_PKEY_free(key);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_close_primes),
	    cmocka_unit_test(test_roca),
	    cmocka_unit_test(test_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
