#include "common/crypto/sign.h"

#include "common/crypto/crypto_err.h"
#include "common/crypto/ossl.h"

#include <stdio.h>

#include <openssl/rand.h>

#define PREFIX_MAX 40

enum { SIGNS_P256 = 1 << KEY_EC_P256, SIGNS_P384 = 1 << KEY_EC_P384 };

static const struct {
	const char *name;
	unsigned curves;
} types[] = {
    [SIGN_RECORD] = {"record", SIGNS_P256},
    [SIGN_HEAD] = {"head", SIGNS_P256},
    /* By the root, or by the term key of the term before. */
    [SIGN_DESIGNATION] = {"designation", SIGNS_P256 | SIGNS_P384},
    [SIGN_ROOT] = {"root", SIGNS_P384},
    [SIGN_JOIN] = {"join", SIGNS_P256},
};
_Static_assert(ARRAY_LEN(types) == SIGN__COUNT, "every signed type has a name");

const char *
sign_type_name(enum sign_type type)
{
	CHECK(type < SIGN__COUNT);
	return types[type].name;
}

/* "certherd/<type>/v1" and its NUL. */
static struct span
prefix(enum sign_type type, char out[static PREFIX_MAX])
{
	int n = snprintf(out, PREFIX_MAX, "certherd/%s/v1", sign_type_name(type));

	CHECK(n > 0 && n < PREFIX_MAX);
	return SPAN(out, (size_t)n + 1);
}

/* Name of the digest for the key; NULL when it does not sign this type. */
static const char *
digest_for(const struct pkey *key, enum sign_type type)
{
	enum key_type curve;

	if (pkey_type(key, &curve, NULL) < 0 || (types[type].curves & 1u << curve) == 0)
		return NULL;
	return curve == KEY_EC_P384 ? "SHA384" : "SHA256";
}

int
sign_put(const struct pkey *key, enum sign_type type, const struct domain_id *domain,
    struct span body, struct buf *out, struct err *err)
{
	AUTO(EVP_MD_CTX_freep)
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	const char *digest = digest_for(key, type);
	uint8_t signature[SIGNATURE_MAX];
	size_t len = sizeof(signature);
	char text[PREFIX_MAX];
	struct span head = prefix(type, text);

	if (digest == NULL || !pkey_has_private(key)) {
		char what[KEY_DESCRIPTION_MAX];

		return err_set(err, ERR_INVALID, "a key of type %s cannot sign a %s%s",
		    pkey_describe(key, what), types[type].name,
		    digest == NULL ? "" : ": it is only public");
	}
	if (ctx == NULL ||
	    EVP_DigestSignInit_ex(ctx, NULL, digest, NULL, NULL, pkey_evp(key), NULL) != 1 ||
	    EVP_DigestSignUpdate(ctx, head.data, head.len) != 1 ||
	    EVP_DigestSignUpdate(ctx, domain->bytes, sizeof(domain->bytes)) != 1 ||
	    EVP_DigestSignUpdate(ctx, body.data, body.len) != 1 ||
	    EVP_DigestSignFinal(ctx, signature, &len) != 1)
		return crypto_err(err, ERR_CRYPTO, "sign a %s", types[type].name);
	buf_put(out, signature, len);
	return buf_error(out, "signature", err);
}

int
sign_verify(const struct pkey *key, enum sign_type type, const struct domain_id *domain,
    struct span body, struct span signature, struct err *err)
{
	AUTO(EVP_MD_CTX_freep)
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	const char *digest = digest_for(key, type);
	char text[PREFIX_MAX];
	struct span head = prefix(type, text);

	if (digest == NULL) {
		char what[KEY_DESCRIPTION_MAX];

		return err_set(err, ERR_CRYPTO, "a key of type %s signs no %s",
		    pkey_describe(key, what), types[type].name);
	}
	if (signature.len == 0 || signature.len > SIGNATURE_MAX)
		return err_set(err, ERR_CRYPTO, "the signature of the %s is of %zu bytes",
		    types[type].name, signature.len);
	if (ctx == NULL ||
	    EVP_DigestVerifyInit_ex(ctx, NULL, digest, NULL, NULL, pkey_evp(key), NULL) != 1 ||
	    EVP_DigestVerifyUpdate(ctx, head.data, head.len) != 1 ||
	    EVP_DigestVerifyUpdate(ctx, domain->bytes, sizeof(domain->bytes)) != 1 ||
	    EVP_DigestVerifyUpdate(ctx, body.data, body.len) != 1)
		return crypto_err(err, ERR_CRYPTO, "verify a %s", types[type].name);
	if (EVP_DigestVerifyFinal(ctx, signature.data, signature.len) != 1) {
		/* A failed one leaves a reason only if it was no DER. */
		crypto_err_forget();
		return err_set(
		    err, ERR_CRYPTO, "the signature of the %s does not verify", types[type].name);
	}
	return 0;
}

void
hash_of(struct span data, struct hash *out)
{
	CHECK(EVP_Digest(data.data, data.len, out->bytes, NULL, algorithms()->sha256, NULL) == 1);
}

void
hash_of_parts(const struct span *parts, size_t count, struct hash *out)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	CHECK(ctx != NULL && EVP_DigestInit_ex2(ctx, algorithms()->sha256, NULL) == 1);
	for (size_t i = 0; i < count; i++)
		CHECK(EVP_DigestUpdate(ctx, parts[i].data, parts[i].len) == 1);
	CHECK(EVP_DigestFinal_ex(ctx, out->bytes, NULL) == 1);
	EVP_MD_CTX_free(ctx);
}

void
random_bytes(void *out, size_t len)
{
	CHECK(RAND_bytes_ex(NULL, out, len, 0) == 1);
}

void
id_random(struct id *out)
{
	random_bytes(out->bytes, sizeof(out->bytes));
}
