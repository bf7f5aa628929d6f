#include "common/crypto/pkey_der.h"

#include "common/crypto/crypto_err.h"
#include "common/crypto/der.h"

#include <string.h>

#include <pthread.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/objects.h>

#define FIELD_MAX 66
#define POINT_MAX (1 + 2 * FIELD_MAX)

struct ec_curve {
	const char *group;
	size_t field;          /* bytes of a coordinate, and of the private number */
	struct span algorithm; /* AlgorithmIdentifier: id-ecPublicKey and the curve */
};

static const uint8_t algorithm_p256[] = {0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02,
    0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
static const uint8_t algorithm_p384[] = {0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02,
    0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22};
static const uint8_t algorithm_p521[] = {0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02,
    0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23};

#define LITERAL(array)                                                                             \
	{                                                                                          \
		(array), sizeof(array)                                                             \
	}
static const struct ec_curve curves[] = {
    {"prime256v1", 32, LITERAL(algorithm_p256)},
    {"secp384r1", 48, LITERAL(algorithm_p384)},
    {"secp521r1", FIELD_MAX, LITERAL(algorithm_p521)},
};

const struct ec_curve *
ec_curve_by_group(const char *group)
{
	for (size_t i = 0; i < ARRAY_LEN(curves); i++)
		if (strcmp(group, curves[i].group) == 0)
			return &curves[i];
	return NULL;
}

static int
get_point(const struct ec_curve *curve, EVP_PKEY *evp, uint8_t *point, struct err *err)
{
	size_t want = 1 + 2 * curve->field, len = 0;

	if (EVP_PKEY_get_octet_string_param(evp, OSSL_PKEY_PARAM_PUB_KEY, point, want, &len) != 1)
		return crypto_err(err, ERR_CRYPTO, "read the point of an EC key");
	if (len != want || point[0] != 0x04)
		return err_set(err, ERR_CRYPTO, "the point of an EC key is not uncompressed");
	return 0;
}

int
ec_p256_point(EVP_PKEY *evp, uint8_t point[static P256_POINT_LEN], struct err *err)
{
	return get_point(&curves[0], evp, point, err);
}

int
ec_put_spki(const struct ec_curve *curve, EVP_PKEY *evp, struct buf *out, struct err *err)
{
	struct der d = DER_INIT(out);
	uint8_t point[POINT_MAX];
	int r = get_point(curve, evp, point, err);

	if (r < 0)
		return r;
	der_begin(&d, DER_SEQUENCE);
	der_put_raw(&d, curve->algorithm);
	der_begin(&d, DER_BIT_STRING);
	der_put_raw(&d, SPAN("\0", 1)); /* no unused bits */
	der_put_raw(&d, SPAN(point, 1 + 2 * curve->field));
	der_end(&d);
	der_end(&d);
	return buf_error(out, "public key", err);
}

/* The private number, most significant byte first. */
static int
get_private(EVP_PKEY *evp, uint8_t *out, size_t len, struct err *err)
{
	OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, out, len),
	    OSSL_PARAM_construct_end(),
	};

	if (EVP_PKEY_get_params(evp, params) != 1)
		return crypto_err(err, ERR_CRYPTO, "read the private number of an EC key");
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	for (size_t i = 0; i < len / 2; i++) {
		uint8_t byte = out[i];

		out[i] = out[len - 1 - i];
		out[len - 1 - i] = byte;
	}
#endif
	return 0;
}

/* Header of an element below 256 bytes; returns the place behind it. */
static uint8_t *
put_header(uint8_t *at, uint8_t tag, size_t len)
{
	*at++ = tag;
	if (len >= 0x80)
		*at++ = 0x81;
	*at++ = (uint8_t)len;
	return at;
}

static size_t
element_size(size_t len)
{
	return len + (len < 0x80 ? 2 : 3);
}

static uint8_t *
put_bytes(uint8_t *at, const void *bytes, size_t len)
{
	memcpy(at, bytes, len);
	return at + len;
}

/* Straight into the secure heap, with lengths that are known: no other copy of the number. */
int
ec_to_pkcs8(const struct ec_curve *curve, EVP_PKEY *evp, struct secret **out, struct err *err)
{
	static const uint8_t version_0[] = {0x02, 0x01, 0x00}, version_1[] = {0x02, 0x01, 0x01};
	size_t point_len = 1 + 2 * curve->field;
	size_t tagged = element_size(1 + point_len);
	size_t inner = sizeof(version_1) + element_size(curve->field) + element_size(tagged);
	size_t whole = sizeof(version_0) + curve->algorithm.len + element_size(element_size(inner));
	AUTO(secret_freep)
	struct secret *s = NULL;
	uint8_t point[POINT_MAX];
	uint8_t *at;
	int r = secret_new(element_size(whole), &s, err);

	if (r == 0)
		r = get_point(curve, evp, point, err);
	if (r < 0)
		return r;
	at = put_header(secret_bytes(s), DER_SEQUENCE, whole);
	at = put_bytes(at, version_0, sizeof(version_0));
	at = put_bytes(at, curve->algorithm.data, curve->algorithm.len);
	at = put_header(at, DER_OCTET_STRING, element_size(inner));
	at = put_header(at, DER_SEQUENCE, inner);
	at = put_bytes(at, version_1, sizeof(version_1));
	at = put_header(at, DER_OCTET_STRING, curve->field);
	r = get_private(evp, at, curve->field, err);
	if (r < 0)
		return r;
	at = put_header(at + curve->field, DER_CONTEXT_CONS(1), tagged);
	at = put_header(at, DER_BIT_STRING, 1 + point_len);
	*at++ = 0; /* no unused bits */
	at = put_bytes(at, point, point_len);
	CHECK(at == secret_bytes(s) + secret_span(s).len);
	*out = MOVE(s);
	return 0;
}

/* priv may be empty: a public key then. */
static int
make(const struct ec_curve *curve, struct span point, struct span priv, EVP_PKEY **out,
    struct err *err)
{
	AUTO(EVP_PKEY_CTX_freep)
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	/* A number in an OSSL_PARAM has the byte order of the machine. */
	AUTO(secret_freep)
	struct secret *native = NULL;
	OSSL_PARAM params[4];
	EVP_PKEY *evp = NULL;
	int r = secret_new(priv.len, &native, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < priv.len; i++) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
		secret_bytes(native)[i] = priv.data[priv.len - 1 - i];
#else
		secret_bytes(native)[i] = priv.data[i];
#endif
	}
	/* OpenSSL's types are not const; it only reads. */
	params[0] = OSSL_PARAM_construct_utf8_string(
	    OSSL_PKEY_PARAM_GROUP_NAME, (char *)(uintptr_t)curve->group, 0);
	params[1] = OSSL_PARAM_construct_octet_string(
	    OSSL_PKEY_PARAM_PUB_KEY, (void *)(uintptr_t)point.data, point.len);
	params[2] = priv.len > 0
	    ? OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, secret_bytes(native), priv.len)
	    : OSSL_PARAM_construct_end();
	params[3] = OSSL_PARAM_construct_end();
	if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(
		ctx, &evp, priv.len > 0 ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, params) != 1) {
		EVP_PKEY_free(evp);
		return crypto_err(err, ERR_PARSE, "the numbers of an EC key make no key");
	}
	*out = evp;
	return 0;
}

int
ec_p256_from_point(const uint8_t point[static P256_POINT_LEN], EVP_PKEY **out, struct err *err)
{
	return make(&curves[0], SPAN(point, P256_POINT_LEN), SPAN(NULL, 0), out, err);
}

static struct span
take_point(struct der_reader *r, const struct ec_curve *curve)
{
	struct span bits = der_take_fixed(r, DER_BIT_STRING, 2 + 2 * curve->field);

	if (r->failed || bits.data[0] != 0 || bits.data[1] != 0x04) {
		r->failed = true;
		return SPAN(NULL, 0);
	}
	return SPAN(bits.data + 1, bits.len - 1);
}

int
ec_from_spki(struct span der, EVP_PKEY **out, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(curves); i++) {
		struct der_reader r = DER_READER(der);
		struct der_reader spki = der_enter(&r, DER_SEQUENCE);
		struct span point;

		der_expect(&spki, curves[i].algorithm);
		point = take_point(&spki, &curves[i]);
		if (der_done(&spki) && der_done(&r))
			return make(&curves[i], point, SPAN(NULL, 0), out, err);
	}
	return 0;
}

static bool
read_pkcs8(struct span der, const struct ec_curve *curve, struct span *point, struct span *priv)
{
	struct der_reader r = DER_READER(der);
	struct der_reader info = der_enter(&r, DER_SEQUENCE);
	struct der_reader octets, key, tagged;

	if (der_take_small(&info) != 0)
		return false;
	der_expect(&info, curve->algorithm);
	octets = der_enter(&info, DER_OCTET_STRING);
	key = der_enter(&octets, DER_SEQUENCE);
	if (der_take_small(&key) != 1)
		return false;
	*priv = der_take_fixed(&key, DER_OCTET_STRING, curve->field);
	tagged = der_enter(&key, DER_CONTEXT_CONS(1));
	*point = take_point(&tagged, curve);
	return der_done(&tagged) && der_done(&key) && der_done(&octets) && der_done(&info) &&
	    der_done(&r);
}

int
ec_from_pkcs8(struct span der, EVP_PKEY **out, struct err *err)
{
	struct span point, priv;

	for (size_t i = 0; i < ARRAY_LEN(curves); i++)
		if (read_pkcs8(der, &curves[i], &point, &priv))
			return make(&curves[i], point, priv, out, err);
	return 0;
}

DEFINE_OSSL_FREEP(BIGNUM, BN_clear_free)
DEFINE_OSSL_FREEP(BN_CTX, BN_CTX_free)
DEFINE_OSSL_FREEP(EC_POINT, EC_POINT_free)

static EC_GROUP *groups[ARRAY_LEN(curves)];
static pthread_once_t groups_once = PTHREAD_ONCE_INIT;

static void
make_groups(void)
{
	for (size_t i = 0; i < ARRAY_LEN(curves); i++)
		groups[i] = EC_GROUP_new_by_curve_name(OBJ_sn2nid(curves[i].group));
}

/* The uncompressed point that belongs to the number, if it is one of the curve's. */
static bool
make_point(const EC_GROUP *group, struct span number, uint8_t *point, size_t len)
{
	AUTO(BN_CTX_freep)
	BN_CTX *ctx = BN_CTX_secure_new();
	AUTO(BN_clear_freep)
	BIGNUM *n = BN_secure_new();
	AUTO(EC_POINT_freep)
	EC_POINT *p = EC_POINT_new(group);

	if (ctx == NULL || n == NULL || p == NULL ||
	    BN_bin2bn(number.data, (int)number.len, n) == NULL)
		return false;
	BN_set_flags(n, BN_FLG_CONSTTIME);
	return !BN_is_zero(n) && BN_cmp(n, EC_GROUP_get0_order(group)) < 0 &&
	    EC_POINT_mul(group, p, n, NULL, NULL, ctx) == 1 &&
	    EC_POINT_point2oct(group, p, POINT_CONVERSION_UNCOMPRESSED, point, len, ctx) == len;
}

int
ec_check_pair(const struct ec_curve *curve, EVP_PKEY *evp, struct err *err)
{
	size_t len = 1 + 2 * curve->field;
	uint8_t point[POINT_MAX], made[POINT_MAX];
	AUTO(secret_freep)
	struct secret *number = NULL;
	int r = secret_new(curve->field, &number, err);

	CHECK(pthread_once(&groups_once, make_groups) == 0 && groups[curve - curves] != NULL);
	if (r < 0 || (r = get_point(curve, evp, point, err)) < 0 ||
	    (r = get_private(evp, secret_bytes(number), curve->field, err)) < 0)
		return r;
	if (!make_point(groups[curve - curves], secret_span(number), made, len) ||
	    memcmp(point, made, len) != 0)
		return crypto_err(
		    err, ERR_CRYPTO, "the private key does not belong to its public key");
	return 0;
}

int
rsa_check_pair(EVP_PKEY *evp, struct err *err)
{
	static const uint8_t text[] = "certherd key pair";
	AUTO(EVP_MD_CTX_freep)
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t signature[1024];
	size_t len = sizeof(signature);

	if (ctx == NULL)
		return crypto_err(err, ERR_NOMEM, "check an RSA key");
	if (EVP_DigestSignInit_ex(ctx, NULL, "SHA256", NULL, NULL, evp, NULL) != 1 ||
	    EVP_DigestSign(ctx, signature, &len, text, sizeof(text)) != 1 ||
	    EVP_MD_CTX_reset(ctx) != 1 ||
	    EVP_DigestVerifyInit_ex(ctx, NULL, "SHA256", NULL, NULL, evp, NULL) != 1 ||
	    EVP_DigestVerify(ctx, signature, len, text, sizeof(text)) != 1)
		return crypto_err(
		    err, ERR_CRYPTO, "the private key does not belong to its public key");
	return 0;
}
