#include "common/crypto/ossl.h"

#include "common/base/limits.h"
#include "common/crypto/crypto_err.h"
#include "common/crypto/pkey_der.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192
#define RSA_EXPONENT_BITS_MAX 64
#define SPKI_MAX 2048 /* RSA of 8192 bits has 1062 */

static const char *const type_names[] = {
    [KEY_EC_P256] = "ec-p256",
    [KEY_EC_P384] = "ec-p384",
    [KEY_EC_P521] = "ec-p521",
    [KEY_RSA_2048] = "rsa-2048",
    [KEY_RSA_3072] = "rsa-3072",
    [KEY_RSA_4096] = "rsa-4096",
    [KEY_ED25519] = "ed25519",
};
_Static_assert(ARRAY_LEN(type_names) == KEY__COUNT, "every key type has a name");

/* What the public key is, worked out once when the key is made. */
struct pkey {
	atomic_uint refs;
	EVP_PKEY *evp;
	bool has_private;
	enum key_family family;
	const struct ec_curve *curve; /* of FAMILY_EC */
	int bits;
	uint8_t *spki;
	size_t spki_len;
	struct key_id id;
};

const char *
key_type_name(enum key_type type)
{
	CHECK(type < KEY__COUNT);
	return type_names[type];
}

int
key_type_parse(const char *name, enum key_type *out, struct err *err)
{
	for (size_t i = 0; i < KEY__COUNT; i++) {
		if (strcmp(name, type_names[i]) == 0) {
			*out = (enum key_type)i;
			return 0;
		}
	}
	return err_set(err, ERR_INVALID,
	    "key type '%.40s' is not one of ec-p256, ec-p384, ec-p521, rsa-2048, rsa-3072, "
	    "rsa-4096, ed25519",
	    name);
}

static int
classify_rsa(struct pkey *key, struct err *err)
{
	BIGNUM *e = NULL;
	bool good;

	key->family = FAMILY_RSA;
	key->bits = EVP_PKEY_get_bits(key->evp);
	if (key->bits < RSA_BITS_MIN || key->bits > RSA_BITS_MAX)
		return err_set(err, ERR_INVALID, "an RSA key of %d bits; %d to %d are taken",
		    key->bits, RSA_BITS_MIN, RSA_BITS_MAX);
	if (EVP_PKEY_get_bn_param(key->evp, OSSL_PKEY_PARAM_RSA_E, &e) != 1)
		return crypto_err(err, ERR_CRYPTO, "read the exponent of an RSA key");
	/* A huge exponent would make every verification as slow as a signature. */
	good = BN_is_odd(e) && BN_num_bits(e) <= RSA_EXPONENT_BITS_MAX && !BN_is_one(e);
	BN_free(e);
	return good ? 0 : err_set(err, ERR_INVALID, "an RSA key with a bad public exponent");
}

static int
classify_ec(struct pkey *key, struct err *err)
{
	char group[40];

	key->family = FAMILY_EC;
	if (EVP_PKEY_get_group_name(key->evp, group, sizeof(group), NULL) != 1)
		return crypto_err(err, ERR_INVALID, "an EC key without a named curve");
	key->curve = ec_curve_by_group(group);
	if (key->curve == NULL)
		return err_set(err, ERR_INVALID,
		    "an EC key on curve %s; P-256, P-384 and P-521 are taken", group);
	key->bits = EVP_PKEY_get_bits(key->evp);
	if (EVP_PKEY_set_utf8_string_param(
		key->evp, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, "uncompressed") != 1)
		return crypto_err(err, ERR_CRYPTO, "set the point format of an EC key");
	return 0;
}

static int
classify(struct pkey *key, struct err *err)
{
	if (EVP_PKEY_is_a(key->evp, "EC"))
		return classify_ec(key, err);
	if (EVP_PKEY_is_a(key->evp, "RSA"))
		return classify_rsa(key, err);
	if (EVP_PKEY_is_a(key->evp, "ED25519")) {
		key->family = FAMILY_ED25519;
		key->bits = EVP_PKEY_get_bits(key->evp);
		return 0;
	}
	return err_set(err, ERR_INVALID,
	    "a key of type %.20s, which is not taken (EC, RSA and Ed25519 are)",
	    EVP_PKEY_get0_type_name(key->evp));
}

/* The SPKI is kept: OpenSSL's encoder takes longer than a signature. */
static int
keep_spki(struct pkey *key, struct err *err)
{
	struct buf spki = BUF_INIT(SPKI_MAX);
	struct hash digest;
	int r = 0;

	if (key->family == FAMILY_EC) {
		r = ec_put_spki(key->curve, key->evp, &spki, err);
	} else {
		unsigned char *der = NULL;
		int len = i2d_PUBKEY(key->evp, &der);

		if (len <= 0)
			r = crypto_err(err, ERR_CRYPTO, "encode a public key");
		else
			buf_put(&spki, der, (size_t)len);
		OPENSSL_free(der);
	}
	if (r == 0)
		r = buf_error(&spki, "public key", err);
	if (r == 0) {
		key->spki_len = spki.len;
		key->spki = mem_dup(spki.data, spki.len);
		CHECK(EVP_Digest(spki.data, spki.len, digest.bytes, NULL, algorithms()->sha256,
			  NULL) == 1);
		memcpy(key->id.bytes, digest.bytes, KEY_ID_LEN);
	}
	buf_fini(&spki);
	return r;
}

/* Foreign numbers: the point on its curve, the private part of the same pair. */
static int
check_foreign(const struct pkey *key, struct err *err)
{
	AUTO(EVP_PKEY_CTX_freep)
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->evp, NULL);

	if (ctx == NULL)
		return crypto_err(err, ERR_NOMEM, "check a key");
	/* The curves have cofactor 1, so that on the curve and not infinity is enough. */
	if (key->family == FAMILY_EC && EVP_PKEY_public_check_quick(ctx) != 1)
		return crypto_err(err, ERR_CRYPTO, "the public key is not valid on its curve");
	if (!key->has_private)
		return 0;
	if (key->family == FAMILY_EC)
		return ec_check_pair(key->curve, key->evp, err);
	if (key->family == FAMILY_RSA)
		return rsa_check_pair(key->evp, err);
	if (EVP_PKEY_pairwise_check(ctx) != 1)
		return crypto_err(
		    err, ERR_CRYPTO, "the private key does not belong to its public key");
	return 0;
}

static int
wrap(EVP_PKEY *evp, bool has_private, bool foreign, struct pkey **out, struct err *err)
{
	AUTO(pkey_unrefp)
	struct pkey *key = mem_zalloc(sizeof(*key));
	int r;

	atomic_init(&key->refs, 1);
	key->evp = evp;
	key->has_private = has_private;
	r = classify(key, err);
	if (r == 0 && foreign)
		r = check_foreign(key, err);
	if (r == 0)
		r = keep_spki(key, err);
	if (r < 0)
		return r;
	*out = MOVE(key);
	return 0;
}

int
pkey_wrap_public(EVP_PKEY *evp, struct pkey **out, struct err *err)
{
	return wrap(evp, false, true, out, err);
}

int
pkey_generate(enum key_type type, struct pkey **out, struct err *err)
{
	static const struct {
		const char *algorithm, *curve;
		size_t bits;
	} how[] = {
	    [KEY_EC_P256] = {"EC", "P-256", 0},
	    [KEY_EC_P384] = {"EC", "P-384", 0},
	    [KEY_EC_P521] = {"EC", "P-521", 0},
	    [KEY_RSA_2048] = {"RSA", NULL, 2048},
	    [KEY_RSA_3072] = {"RSA", NULL, 3072},
	    [KEY_RSA_4096] = {"RSA", NULL, 4096},
	    [KEY_ED25519] = {"ED25519", NULL, 0},
	};
	const char *algorithm;
	EVP_PKEY *evp;

	CHECK(type < KEY__COUNT);
	_Static_assert(ARRAY_LEN(how) == KEY__COUNT, "every key type can be made");
	algorithm = how[type].algorithm;
	if (how[type].curve != NULL)
		evp = EVP_PKEY_Q_keygen(NULL, NULL, algorithm, how[type].curve);
	else if (how[type].bits > 0)
		evp = EVP_PKEY_Q_keygen(NULL, NULL, algorithm, how[type].bits);
	else
		evp = EVP_PKEY_Q_keygen(NULL, NULL, algorithm);
	if (evp == NULL)
		return crypto_err(err, ERR_CRYPTO, "make a key of type %s", type_names[type]);
	return wrap(evp, true, false, out, err);
}

int
pkey_from_pkcs8(struct span der, struct pkey **out, struct err *err)
{
	const unsigned char *p = der.data;
	PKCS8_PRIV_KEY_INFO *info;
	EVP_PKEY *evp = NULL;
	int r;

	if (der.len > LIMIT_KEY)
		return err_set(err, ERR_LIMIT, "a private key of %zu bytes; %d at the most",
		    der.len, LIMIT_KEY);
	/* Keys that this module wrote itself: five times faster than OpenSSL's decoder. */
	r = ec_from_pkcs8(der, &evp, err);
	if (r < 0)
		return r;
	if (evp != NULL)
		return wrap(evp, true, true, out, err);
	info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &p, (long)der.len);
	if (info != NULL && p == der.data + der.len)
		evp = EVP_PKCS82PKEY(info);
	PKCS8_PRIV_KEY_INFO_free(info);
	if (evp == NULL)
		return crypto_err(err, ERR_PARSE, "not a private key in PKCS#8");
	return wrap(evp, true, true, out, err);
}

int
pkey_to_pkcs8(const struct pkey *key, struct secret **out, struct err *err)
{
	PKCS8_PRIV_KEY_INFO *info;
	unsigned char *der = NULL;
	int len, r;

	if (!key->has_private)
		return err_set(err, ERR_INVALID, "a public key has no private part to encode");
	if (key->family == FAMILY_EC)
		return ec_to_pkcs8(key->curve, key->evp, out, err);
	info = EVP_PKEY2PKCS8(key->evp);
	len = info != NULL ? i2d_PKCS8_PRIV_KEY_INFO(info, &der) : -1;
	PKCS8_PRIV_KEY_INFO_free(info);
	if (len <= 0)
		return crypto_err(err, ERR_CRYPTO, "encode a private key");
	r = secret_take(der, (size_t)len, out, err);
	OPENSSL_free(der);
	return r;
}

int
pkey_from_spki(struct span der, struct pkey **out, struct err *err)
{
	AUTO(pkey_unrefp)
	struct pkey *key = NULL;
	const unsigned char *p = der.data;
	EVP_PKEY *evp = NULL;
	int r;

	if (der.len > SPKI_MAX)
		return err_set(
		    err, ERR_LIMIT, "a public key of %zu bytes; %d at the most", der.len, SPKI_MAX);
	r = ec_from_spki(der, &evp, err);
	if (r < 0)
		return r;
	if (evp == NULL)
		evp = d2i_PUBKEY(NULL, &p, (long)der.len);
	if (evp == NULL)
		return crypto_err(err, ERR_PARSE, "not a public key (SubjectPublicKeyInfo)");
	r = wrap(evp, false, true, &key, err);
	if (r < 0)
		return r;
	/* One key has one encoding, and so one identifier. */
	if (!span_equal(der, SPAN(key->spki, key->spki_len)))
		return err_set(err, ERR_PARSE, "a public key in an unusual encoding");
	*out = MOVE(key);
	return 0;
}

int
pkey_put_spki(const struct pkey *key, struct buf *out, struct err *err)
{
	buf_put(out, key->spki, key->spki_len);
	return buf_error(out, "public key", err);
}

struct span
pkey_spki(const struct pkey *key)
{
	return SPAN(key->spki, key->spki_len);
}

EVP_PKEY *
pkey_evp(const struct pkey *key)
{
	return key->evp;
}

struct pkey *
pkey_ref(const struct pkey *key)
{
	/* The count is the one thing of an immutable key that changes. */
	struct pkey *shared = (struct pkey *)(uintptr_t)key;

	atomic_fetch_add_explicit(&shared->refs, 1, memory_order_relaxed);
	return shared;
}

void
pkey_unref(struct pkey *key)
{
	if (key == NULL || atomic_fetch_sub_explicit(&key->refs, 1, memory_order_acq_rel) != 1)
		return;
	EVP_PKEY_free(key->evp);
	mem_free(key->spki);
	mem_free(key);
}

bool
pkey_has_private(const struct pkey *key)
{
	return key->has_private;
}

bool
pkey_same_public(const struct pkey *a, const struct pkey *b)
{
	return span_equal(pkey_spki(a), pkey_spki(b));
}

int
pkey_type(const struct pkey *key, enum key_type *out, struct err *err)
{
	char name[KEY_DESCRIPTION_MAX];

	pkey_describe(key, name);
	for (size_t i = 0; i < KEY__COUNT; i++) {
		if (strcmp(name, type_names[i]) == 0) {
			*out = (enum key_type)i;
			return 0;
		}
	}
	return err_set(err, ERR_INVALID, "no key of type %s can be made here", name);
}

const char *
pkey_describe(const struct pkey *key, char out[static KEY_DESCRIPTION_MAX])
{
	switch (key->family) {
	case FAMILY_EC:
		snprintf(out, KEY_DESCRIPTION_MAX, "ec-p%d", key->bits);
		break;
	case FAMILY_RSA:
		snprintf(out, KEY_DESCRIPTION_MAX, "rsa-%d", key->bits);
		break;
	case FAMILY_ED25519:
		snprintf(out, KEY_DESCRIPTION_MAX, "ed25519");
		break;
	}
	return out;
}

void
pkey_id(const struct pkey *key, struct key_id *out)
{
	*out = key->id;
}

void
spki_key_id(struct span spki, struct key_id *out)
{
	struct hash digest;

	CHECK(EVP_Digest(spki.data, spki.len, digest.bytes, NULL, algorithms()->sha256, NULL) == 1);
	memcpy(out->bytes, digest.bytes, KEY_ID_LEN);
}
