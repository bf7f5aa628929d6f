#include "common/crypto/envelope_priv.h"

#include "common/crypto/crypto_err.h"
#include "common/crypto/ossl.h"
#include "common/crypto/pkey_der.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

/* What everything but the plaintext takes: fixed parts below 300 bytes, 70 for a recipient. */
#define OVERHEAD_MAX (512 + 80 * LIMIT_RECIPIENTS)
#define PAYLOAD_MAX (LIMIT_SEALED - OVERHEAD_MAX - SEAL_HEADER_LEN - SEAL_BLOCK)

struct audience {
	const struct pkey *key;
	struct key_id id;
};

static int
compare_audience(const void *a, const void *b)
{
	return memcmp(((const struct audience *)a)->id.bytes,
	    ((const struct audience *)b)->id.bytes, KEY_ID_LEN);
}

static int
sort_recipients(const struct pkey *const *keys, size_t count,
    struct audience sorted[static LIMIT_RECIPIENTS], struct err *err)
{
	if (count == 0 || count > LIMIT_RECIPIENTS)
		return err_set(err, count == 0 ? ERR_INVALID : ERR_LIMIT,
		    "a seal for %zu recipients; 1 to %d are possible", count, LIMIT_RECIPIENTS);
	for (size_t i = 0; i < count; i++) {
		char what[KEY_DESCRIPTION_MAX];
		enum key_type type;

		if (pkey_type(keys[i], &type, NULL) < 0 || type != KEY_EC_P256)
			return err_set(err, ERR_INVALID,
			    "a recipient's key is of type %s; seals are made to ec-p256",
			    pkey_describe(keys[i], what));
		sorted[i].key = keys[i];
		pkey_id(keys[i], &sorted[i].id);
	}
	qsort(sorted, count, sizeof(*sorted), compare_audience);
	for (size_t i = 1; i < count; i++)
		if (compare_audience(&sorted[i - 1], &sorted[i]) == 0)
			return err_set(err, ERR_INVALID, "a seal with the same recipient twice");
	return 0;
}

/* Header, payload, and zeroes up to the next multiple of the block. */
static int
make_plaintext(
    const struct seal_binding *b, struct span payload, struct secret **out, struct err *err)
{
	size_t len = (SEAL_HEADER_LEN + payload.len + SEAL_BLOCK - 1) / SEAL_BLOCK * SEAL_BLOCK;
	struct buf header = BUF_INIT(SEAL_HEADER_LEN);
	struct secret *s;
	int r;

	if (payload.len > PAYLOAD_MAX)
		return err_set(err, ERR_LIMIT, "%zu bytes to be sealed; %d at the most",
		    payload.len, (int)PAYLOAD_MAX);
	r = secret_new(len, &s, err);
	if (r < 0)
		return r;
	buf_put(&header, seal_magic, SEAL_MAGIC_LEN);
	buf_put_be32(&header, b->kind);
	buf_put_be64(&header, b->version);
	buf_put(&header, b->record.bytes, ID_LEN);
	buf_put_be32(&header, (uint32_t)payload.len);
	CHECK(header.error == 0 && header.len == SEAL_HEADER_LEN);
	memcpy(secret_bytes(s), header.data, header.len);
	buf_fini(&header);
	if (payload.len > 0)
		memcpy(secret_bytes(s) + SEAL_HEADER_LEN, payload.data, payload.len);
	*out = s;
	return 0;
}

static int
wrap_key(EVP_CIPHER_CTX *ctx, const uint8_t *kek, const uint8_t *cek, uint8_t *wrapped)
{
	int len = 0;

	EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
	return EVP_EncryptInit_ex2(ctx, algorithms()->aes256_wrap, kek, NULL, NULL) == 1 &&
	    EVP_EncryptUpdate(ctx, wrapped, &len, cek, SEAL_KEK_LEN) == 1 &&
	    len == SEAL_WRAPPED_LEN;
}

/* Key encryption key of each recipient from the one ephemeral key, and the wrapped content key. */
static int
wrap_for_all(EVP_PKEY *ephemeral, const struct audience *sorted, const struct hash *ukm,
    const struct secret *cek, struct seal_parts *parts, struct err *err)
{
	AUTO(EVP_PKEY_CTX_freep)
	EVP_PKEY_CTX *agree = EVP_PKEY_CTX_new_from_pkey(NULL, ephemeral, NULL);
	AUTO(EVP_KDF_CTX_freep)
	EVP_KDF_CTX *kdf = EVP_KDF_CTX_new(algorithms()->x963);
	AUTO(EVP_CIPHER_CTX_freep)
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t shared[SEAL_KEK_LEN], kek[SEAL_KEK_LEN], storage[SEAL_SHARED_INFO_MAX];
	struct span text = seal_shared_info(ukm, storage);
	static char digest[] = "SHA256";
	OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
	    OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, shared, sizeof(shared)),
	    OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, storage, text.len),
	    OSSL_PARAM_construct_end(),
	};
	bool good = agree != NULL && kdf != NULL && ctx != NULL && EVP_PKEY_derive_init(agree) == 1;

	for (size_t i = 0; good && i < parts->count; i++) {
		size_t len = sizeof(shared);

		/* The recipient's point was checked when its key was read. */
		good = EVP_PKEY_derive_set_peer_ex(agree, pkey_evp(sorted[i].key), 0) == 1 &&
		    EVP_PKEY_derive(agree, shared, &len) == 1 && len == sizeof(shared) &&
		    EVP_KDF_derive(kdf, kek, sizeof(kek), params) == 1 &&
		    wrap_key(ctx, kek, secret_span(cek).data, parts->recipients[i].wrapped);
		EVP_KDF_CTX_reset(kdf);
	}
	OPENSSL_cleanse(shared, sizeof(shared));
	OPENSSL_cleanse(kek, sizeof(kek));
	return good ? 0 : crypto_err(err, ERR_CRYPTO, "seal: wrap the key");
}

static int
encrypt(const struct secret *cek, const struct secret *plain, struct seal_parts *parts,
    struct buf *ciphertext, struct err *err)
{
	AUTO(EVP_CIPHER_CTX_freep)
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	struct span text = secret_span(plain);
	uint8_t *room = buf_reserve(ciphertext, text.len);
	int len = 0, last = 0;

	if (room == NULL)
		return buf_error(ciphertext, "seal", err);
	if (ctx == NULL ||
	    EVP_EncryptInit_ex2(
		ctx, algorithms()->aes256_gcm, secret_span(cek).data, parts->nonce, NULL) != 1 ||
	    EVP_EncryptUpdate(ctx, room, &len, text.data, (int)text.len) != 1 ||
	    EVP_EncryptFinal_ex(ctx, room + len, &last) != 1 ||
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, SEAL_TAG_LEN, parts->tag) != 1)
		return crypto_err(err, ERR_CRYPTO, "seal: encrypt");
	CHECK((size_t)len == text.len && last == 0);
	buf_advance(ciphertext, text.len);
	parts->ciphertext = buf_span(ciphertext);
	return 0;
}

int
seal_by_plan(const struct seal_plan *plan, const struct secret *payload,
    const struct pkey *const *recipients, size_t count, struct buf *out, struct err *err)
{
	AUTO(EVP_PKEY_freep)
	EVP_PKEY *ephemeral = NULL;
	AUTO(secret_freep)
	struct secret *plain = NULL, *cek = NULL;
	AUTO(buf_freep)
	struct buf *ciphertext = buf_new(LIMIT_SEALED);
	struct audience sorted[LIMIT_RECIPIENTS];
	struct seal_parts parts;
	struct hash derived;
	int r;

	if ((r = sort_recipients(recipients, count, sorted, err)) < 0 ||
	    (r = make_plaintext(plan->header, secret_span(payload), &plain, err)) < 0 ||
	    (r = secret_random(SEAL_KEK_LEN, &cek, err)) < 0)
		return r;
	parts.count = count;
	for (size_t i = 0; i < count; i++)
		parts.recipients[i].id = sorted[i].id;
	seal_bind(plan->written, parts.recipients, count, &parts.ukm);
	seal_bind(plan->derived, parts.recipients, count, &derived);
	/* A fresh key for each seal, used for this one and never kept. */
	ephemeral = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	if (ephemeral == NULL || RAND_bytes(parts.nonce, sizeof(parts.nonce)) != 1)
		return crypto_err(err, ERR_CRYPTO, "seal: make a key");
	if ((r = ec_p256_point(ephemeral, parts.point, err)) < 0 ||
	    (r = wrap_for_all(ephemeral, sorted, &derived, cek, &parts, err)) < 0 ||
	    (r = encrypt(cek, plain, &parts, ciphertext, err)) < 0)
		return r;
	return seal_write(&parts, out, err);
}

int
envelope_seal(const struct seal_binding *binding, const struct secret *payload,
    const struct pkey *const *recipients, size_t count, struct buf *out, struct err *err)
{
	const struct seal_plan plan = {binding, binding, binding};

	return seal_by_plan(&plan, payload, recipients, count, out, err);
}
