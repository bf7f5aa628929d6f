#include "common/crypto/envelope_priv.h"

#include "common/crypto/crypto_err.h"
#include "common/crypto/ossl.h"
#include "common/crypto/pkey_der.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>

/*
 * One answer for everything that is wrong behind the profile: which check failed is no business of
 * whoever sent the seal. A full secure heap is another matter, and stays one.
 */
static int
refuse(struct err *err)
{
	struct err reason;

	if (crypto_err(&reason, ERR_CRYPTO, "open a seal") == ERR_NOMEM)
		return err_set(err, ERR_NOMEM, "%s", reason.text);
	if (crypto_heap_is_full())
		return err_set(err, ERR_NOMEM, "open a seal: the secure heap is full");
	return err_set(err, ERR_CRYPTO, "the seal is not what was sealed for this record");
}

static const struct seal_recipient *
find_recipient(const struct seal_parts *parts, const struct pkey *key)
{
	struct key_id own;

	pkey_id(key, &own);
	for (size_t i = 0; i < parts->count; i++)
		if (memcmp(parts->recipients[i].id.bytes, own.bytes, KEY_ID_LEN) == 0)
			return &parts->recipients[i];
	return NULL;
}

/* The key encryption key between the ephemeral key and ours, for this binding. */
static int
derive_kek(const struct seal_parts *parts, const struct pkey *key, const struct hash *ukm,
    uint8_t kek[static SEAL_KEK_LEN], struct err *err)
{
	AUTO(EVP_PKEY_CTX_freep)
	EVP_PKEY_CTX *agree = EVP_PKEY_CTX_new_from_pkey(NULL, pkey_evp(key), NULL);
	AUTO(EVP_KDF_CTX_freep)
	EVP_KDF_CTX *kdf = EVP_KDF_CTX_new(algorithms()->x963);
	AUTO(EVP_PKEY_freep)
	EVP_PKEY *ephemeral = NULL;
	uint8_t shared[SEAL_KEK_LEN], storage[SEAL_SHARED_INFO_MAX];
	struct span text = seal_shared_info(ukm, storage);
	static char digest[] = "SHA256";
	OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
	    OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, shared, sizeof(shared)),
	    OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, storage, text.len),
	    OSSL_PARAM_construct_end(),
	};
	size_t len = sizeof(shared);
	bool good;

	/*
	 * Refuses a point that is not on the curve, the way to learn our key bit by bit. On a curve
	 * of cofactor 1 that is all there is to check: no second time with the order below.
	 */
	if (ec_p256_from_point(parts->point, &ephemeral, NULL) < 0)
		return refuse(err);
	good = agree != NULL && kdf != NULL && EVP_PKEY_derive_init(agree) == 1 &&
	    EVP_PKEY_derive_set_peer_ex(agree, ephemeral, 0) == 1 &&
	    EVP_PKEY_derive(agree, shared, &len) == 1 && len == sizeof(shared) &&
	    EVP_KDF_derive(kdf, kek, SEAL_KEK_LEN, params) == 1;
	OPENSSL_cleanse(shared, sizeof(shared));
	return good ? 0 : refuse(err);
}

static int
unwrap(const uint8_t *kek, const uint8_t *wrapped, struct secret **out, struct err *err)
{
	AUTO(EVP_CIPHER_CTX_freep)
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	AUTO(secret_freep)
	struct secret *cek = NULL;
	int len = 0;
	/* The implementation may use the room of the integrity block too. */
	int r = secret_new(SEAL_WRAPPED_LEN, &cek, err);

	if (r < 0)
		return r;
	if (ctx == NULL)
		return refuse(err);
	EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
	if (EVP_DecryptInit_ex2(ctx, algorithms()->aes256_wrap, kek, NULL, NULL) != 1 ||
	    EVP_DecryptUpdate(ctx, secret_bytes(cek), &len, wrapped, SEAL_WRAPPED_LEN) != 1 ||
	    len != SEAL_KEK_LEN)
		return refuse(err);
	secret_cut(cek, SEAL_KEK_LEN);
	*out = MOVE(cek);
	return 0;
}

/* Nothing of the plaintext is looked at before the tag was found right. */
static int
decrypt(
    const struct seal_parts *parts, const struct secret *cek, struct secret **out, struct err *err)
{
	AUTO(EVP_CIPHER_CTX_freep)
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	AUTO(secret_freep)
	struct secret *plain = NULL;
	uint8_t tag[SEAL_TAG_LEN];
	int len = 0, last = 0;
	int r = secret_new(parts->ciphertext.len, &plain, err);

	if (r < 0)
		return r;
	memcpy(tag, parts->tag, sizeof(tag));
	if (ctx == NULL ||
	    EVP_DecryptInit_ex2(
		ctx, algorithms()->aes256_gcm, secret_span(cek).data, parts->nonce, NULL) != 1 ||
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, SEAL_TAG_LEN, tag) != 1 ||
	    EVP_DecryptUpdate(ctx, secret_bytes(plain), &len, parts->ciphertext.data,
		(int)parts->ciphertext.len) != 1 ||
	    EVP_DecryptFinal_ex(ctx, secret_bytes(plain) + len, &last) != 1 ||
	    (size_t)len != parts->ciphertext.len || last != 0)
		return refuse(err);
	*out = MOVE(plain);
	return 0;
}

/* The header inside must say what the record outside says; the rest is payload and zeroes. */
static int
check_plaintext(const struct seal_binding *binding, struct secret *plain, struct err *err)
{
	struct cursor c = {secret_span(plain), false};
	bool good = span_equal(cursor_bytes(&c, SEAL_MAGIC_LEN), SPAN_OF(seal_magic));
	uint8_t padding = 0;
	size_t len;

	good &= cursor_be32(&c) == binding->kind;
	good &= cursor_be64(&c) == binding->version;
	good &= span_equal(cursor_bytes(&c, ID_LEN), SPAN_OF(binding->record.bytes));
	len = cursor_be32(&c);
	if (c.failed || !good || len > c.rest.len || c.rest.len - len >= SEAL_BLOCK)
		return refuse(err);
	for (size_t i = len; i < c.rest.len; i++)
		padding |= c.rest.data[i];
	if (padding != 0)
		return refuse(err);
	memmove(secret_bytes(plain), secret_bytes(plain) + SEAL_HEADER_LEN, len);
	secret_cut(plain, len);
	return 0;
}

int
envelope_open(const struct seal_binding *binding, struct span der, const struct pkey *key,
    struct secret **out, struct err *err)
{
	AUTO(secret_freep)
	struct secret *cek = NULL, *plain = NULL;
	const struct seal_recipient *own;
	uint8_t kek[SEAL_KEK_LEN];
	struct seal_parts parts;
	enum key_type type;
	struct hash ukm;
	int r;

	if (!pkey_has_private(key) || pkey_type(key, &type, NULL) < 0 || type != KEY_EC_P256)
		return err_set(err, ERR_INVALID, "seals are opened with private ec-p256 keys");
	r = seal_parse(der, &parts, err);
	if (r < 0)
		return r;
	own = find_recipient(&parts, key);
	if (own == NULL)
		return err_set(err, ERR_NOTFOUND, "the seal is not for this key");
	/* Ours, not the message's: using what the message says would bind nothing. */
	seal_bind(binding, parts.recipients, parts.count, &ukm);
	if (!hash_equal(&ukm, &parts.ukm))
		return refuse(err);
	r = derive_kek(&parts, key, &ukm, kek, err);
	if (r == 0)
		r = unwrap(kek, own->wrapped, &cek, err);
	OPENSSL_cleanse(kek, sizeof(kek));
	if (r < 0 || (r = decrypt(&parts, cek, &plain, err)) < 0 ||
	    (r = check_plaintext(binding, plain, err)) < 0)
		return r;
	*out = MOVE(plain);
	return 0;
}
