#include "common/crypto/crypto_err.h"
#include "common/crypto/pbe_priv.h"
#include "common/crypto/sign.h"

#include <string.h>

#define SALT_LEN 16
#define SALT_LEN_OLD 8
#define IV_MAX 16
#define COST_N (1u << 14)
#define COST_R 8
#define COST_P 5

static const uint8_t oid_pbes2[] = {
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0d};
static const uint8_t oid_pbkdf2[] = {
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0c};
static const uint8_t oid_scrypt[] = {
    0x06, 0x09, 0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x04, 0x0b};
static const uint8_t oid_aes256_cbc[] = {
    0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2a};
static const uint8_t oid_3des[] = {
    0x06, 0x0a, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x01, 0x03};
static const uint8_t hmac_sha256[] = {
    0x30, 0x0c, 0x06, 0x08, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x09, 0x05, 0x00};
static const uint8_t sha256[] = {
    0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00};
static const uint8_t sha1[] = {0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00};

static void
put_number(struct der *d, uint32_t v)
{
	uint8_t bytes[] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};

	der_put_uint(d, SPAN_OF(bytes));
}

static void
put_pbes2(struct buf *out, enum pbe_style style, struct span salt, struct span iv)
{
	struct der d = DER_INIT(out);

	der_begin(&d, DER_SEQUENCE);
	der_put_raw(&d, SPAN_OF(oid_pbes2));
	der_begin(&d, DER_SEQUENCE);
	der_begin(&d, DER_SEQUENCE);
	if (style == PBE_SCRYPT)
		der_put_raw(&d, SPAN_OF(oid_scrypt));
	else
		der_put_raw(&d, SPAN_OF(oid_pbkdf2));
	der_begin(&d, DER_SEQUENCE);
	der_put(&d, DER_OCTET_STRING, salt);
	if (style == PBE_SCRYPT) {
		put_number(&d, COST_N);
		put_number(&d, COST_R);
		put_number(&d, COST_P);
	} else {
		put_number(&d, PBE_ROUNDS);
		der_put_raw(&d, SPAN_OF(hmac_sha256));
	}
	der_end(&d);
	der_end(&d);
	der_begin(&d, DER_SEQUENCE);
	der_put_raw(&d, SPAN_OF(oid_aes256_cbc));
	der_put(&d, DER_OCTET_STRING, iv);
	der_end(&d);
	der_end(&d);
	der_end(&d);
}

static void
put_old(struct buf *out, struct span salt)
{
	struct der d = DER_INIT(out);

	der_begin(&d, DER_SEQUENCE);
	der_put_raw(&d, SPAN_OF(oid_3des));
	der_begin(&d, DER_SEQUENCE);
	der_put(&d, DER_OCTET_STRING, salt);
	put_number(&d, PBE_ROUNDS_OLD);
	der_end(&d);
	der_end(&d);
}

static int
encrypt(const struct pbe_cipher *how, const struct secret *key, struct span iv, struct span plain,
    struct buf *out, struct err *err)
{
	AUTO(EVP_CIPHER_CTX_freep)
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, how->name, NULL);
	uint8_t *room = buf_reserve(out, plain.len + IV_MAX);
	int len = 0, last = 0, good;

	good = room != NULL && ctx != NULL && cipher != NULL &&
	    EVP_EncryptInit_ex2(ctx, cipher, secret_span(key).data, iv.data, NULL) == 1 &&
	    EVP_EncryptUpdate(ctx, room, &len, plain.data, (int)plain.len) == 1 &&
	    EVP_EncryptFinal_ex(ctx, room + len, &last) == 1;
	EVP_CIPHER_free(cipher);
	if (room == NULL)
		return buf_error(out, "what is to be encrypted", err);
	if (!good)
		return crypto_err(err, ERR_CRYPTO, "encrypt with %s", how->name);
	buf_advance(out, (size_t)(len + last));
	return 0;
}

/* What is written here is within every budget. */
static int
derive(const struct pbe_kdf *kdf, enum pkcs12_purpose purpose, const struct secret *password,
    size_t len, struct secret **out, struct err *err)
{
	struct pbe_password p = {secret_span(password), false, SPELL_STANDARD};
	struct pbe_budget budget = {LIMIT_PBE_ROUNDS, INT64_MAX};

	return pbe_derive(kdf, purpose, &p, &budget, len, out, err);
}

int
pbe_seal(enum pbe_style style, struct span plain, const struct secret *password,
    struct buf *algorithm, struct buf *ciphertext, struct err *err)
{
	static const struct pbe_cipher aes = {"AES-256-CBC", 32, 16, false};
	static const struct pbe_cipher des = {"DES-EDE3-CBC", 24, 8, false};
	const struct pbe_cipher *cipher = style == PBE_OLD ? &des : &aes;
	uint8_t salt[SALT_LEN], iv[IV_MAX];
	struct pbe_kdf kdf = {.kind = KDF_PBKDF2, .digest = "SHA256", .rounds = PBE_ROUNDS};
	struct span iv_span = SPAN(iv, cipher->iv_len);
	AUTO(secret_freep)
	struct secret *key = NULL;
	AUTO(secret_freep)
	struct secret *derived_iv = NULL;
	int r;

	random_bytes(salt, sizeof(salt));
	random_bytes(iv, sizeof(iv));
	if (style == PBE_SCRYPT)
		kdf = (struct pbe_kdf){
		    .kind = KDF_SCRYPT, .rounds = COST_N, .r = COST_R, .p = COST_P};
	else if (style == PBE_OLD)
		kdf = (struct pbe_kdf){
		    .kind = KDF_PKCS12, .digest = "SHA1", .rounds = PBE_ROUNDS_OLD};
	kdf.salt = SPAN(salt, style == PBE_OLD ? SALT_LEN_OLD : SALT_LEN);
	r = derive(&kdf, PURPOSE_KEY, password, cipher->key_len, &key, err);
	if (r == 0 && style == PBE_OLD) {
		r = derive(&kdf, PURPOSE_IV, password, cipher->iv_len, &derived_iv, err);
		iv_span = r == 0 ? secret_span(derived_iv) : iv_span;
	}
	if (r == 0)
		r = encrypt(cipher, key, iv_span, plain, ciphertext, err);
	if (r < 0)
		return r;
	if (style == PBE_OLD)
		put_old(algorithm, kdf.salt);
	else
		put_pbes2(algorithm, style, kdf.salt, iv_span);
	return buf_error(algorithm, "name of an encryption", err);
}

int
pbe_put_mac(enum pbe_style style, struct span content, const struct secret *password,
    struct buf *out, struct err *err)
{
	bool old = style == PBE_OLD;
	uint8_t salt[SALT_LEN], mac[EVP_MAX_MD_SIZE];
	struct pbe_kdf kdf = {.kind = KDF_PKCS12,
	    .digest = old ? "SHA1" : "SHA256",
	    .rounds = old ? PBE_ROUNDS_OLD : PBE_ROUNDS,
	    .salt = SPAN(salt, old ? SALT_LEN_OLD : SALT_LEN)};
	struct der d = DER_INIT(out);
	AUTO(secret_freep)
	struct secret *key = NULL;
	size_t len = 0;
	int r;

	random_bytes(salt, sizeof(salt));
	r = derive(&kdf, PURPOSE_MAC, password, old ? 20 : 32, &key, err);
	if (r < 0)
		return r;
	if (EVP_Q_mac(NULL, "HMAC", NULL, kdf.digest, NULL, secret_span(key).data,
		secret_span(key).len, content.data, content.len, mac, sizeof(mac), &len) == NULL)
		return crypto_err(err, ERR_CRYPTO, "make an integrity code");
	der_begin(&d, DER_SEQUENCE);
	if (old)
		der_put_raw(&d, SPAN_OF(sha1));
	else
		der_put_raw(&d, SPAN_OF(sha256));
	der_put(&d, DER_OCTET_STRING, SPAN(mac, len));
	der_end(&d);
	der_put(&d, DER_OCTET_STRING, kdf.salt);
	put_number(&d, (uint32_t)kdf.rounds);
	return buf_error(out, "integrity code", err);
}
