#include "common/crypto/rsa_weak.h"

#include "common/base/base.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>

/* As the baseline requirements for public authorities ask (6.1.1.3). */
#define FERMAT_ROUNDS 100

/*
 * Chips of one maker drew primes of the form k * M + 65537^a mod M, M being the product of the
 * first primes (CVE-2017-15361): so the modulus, too, is a power of 65537 modulo each of them. Of
 * other keys one in a hundred million is.
 */
static bool
is_roca(const BIGNUM *n)
{
	static const uint16_t primes[] = {3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53,
	    59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149,
	    151, 157, 163, 167};

	for (size_t i = 0; i < ARRAY_LEN(primes); i++) {
		BN_ULONG rest = BN_mod_word(n, primes[i]);
		unsigned power = 1, left = primes[i];

		while (power != rest && left-- > 0)
			power = power * (65537U % primes[i]) % primes[i];
		if (power != rest)
			return false;
	}
	return true;
}

/* The largest whole number whose square is not above n, by Newton's way. */
static bool
root_of(BIGNUM *out, const BIGNUM *n, BN_CTX *ctx)
{
	BIGNUM *next = BN_CTX_get(ctx);

	if (next == NULL || !BN_set_word(next, 1) ||
	    !BN_lshift(next, next, (BN_num_bits(n) + 1) / 2))
		return false;
	do {
		if (BN_copy(out, next) == NULL || !BN_div(next, NULL, n, out, ctx) ||
		    !BN_add(next, next, out) || !BN_rshift1(next, next))
			return false;
	} while (BN_cmp(next, out) < 0);
	return true;
}

/* Most numbers are seen not to be one by what is left of them. */
static bool
is_square(const BIGNUM *n, BN_CTX *ctx)
{
	static const uint8_t by[] = {64, 63, 65, 11};
	BIGNUM *root = BN_CTX_get(ctx), *square = BN_CTX_get(ctx);

	for (size_t i = 0; i < ARRAY_LEN(by); i++) {
		BN_ULONG rest = BN_mod_word(n, by[i]), k = 0;

		while (k < by[i] && k * k % by[i] != rest)
			k++;
		if (k == by[i])
			return false;
	}
	return square != NULL && root_of(root, n, ctx) && BN_sqr(square, root, ctx) &&
	    BN_cmp(square, n) == 0;
}

/* Primes that lie close together are found from the middle, after Fermat. */
static bool
has_close_primes(const BIGNUM *n, BN_CTX *ctx)
{
	BIGNUM *middle = BN_CTX_get(ctx), *rest = BN_CTX_get(ctx);

	if (rest == NULL || !root_of(middle, n, ctx) || !BN_sqr(rest, middle, ctx))
		return false;
	if (BN_cmp(rest, n) == 0)
		return true;
	for (int i = 0; i < FERMAT_ROUNDS; i++) {
		bool found;

		if (!BN_add_word(middle, 1) || !BN_sqr(rest, middle, ctx) || !BN_sub(rest, rest, n))
			return false;
		BN_CTX_start(ctx);
		found = is_square(rest, ctx);
		BN_CTX_end(ctx);
		if (found)
			return true;
	}
	return false;
}

const char *
rsa_weakness(const EVP_PKEY *key)
{
	BIGNUM *n = NULL, *e = NULL;
	BN_CTX *ctx = BN_CTX_new();
	const char *found = NULL;

	if (ctx != NULL && EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n) == 1 &&
	    EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) == 1) {
		BN_CTX_start(ctx);
		if (BN_is_one(e) || !BN_is_odd(e))
			found = "RSA of an impossible exponent";
		else if (!BN_is_odd(n))
			found = "RSA of an even modulus";
		else if (is_roca(n))
			found = "RSA of a faulty chip (ROCA)";
		else if (has_close_primes(n, ctx))
			found = "RSA of close primes";
		BN_CTX_end(ctx);
	}
	BN_free(n);
	BN_free(e);
	BN_CTX_free(ctx);
	return found;
}
