#include "common/crypto/ossl.h"

#include "common/base/limits.h"
#include "common/crypto/crypto_err.h"
#include "common/crypto/der.h"
#include "common/crypto/pem.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/rand.h>

/*
 * EncryptedPrivateKeyInfo (RFC 5958) with PBES2 (RFC 8018), scrypt (RFC 7914) and AES-256-CBC,
 * written and read here so that the key is in clear on the secure heap only.
 */

#define LABEL "ENCRYPTED PRIVATE KEY"
#define KEY_LEN 32
#define BLOCK 16
#define SALT_LEN 16
#define SALT_MAX 64
#define PEM_MAX (2 * LIMIT_KEY)

/* As much as the openssl program takes (32 MiB), and the p that OWASP asks for with this N. */
#define COST_N (1u << 14)
#define COST_R 8
#define COST_P 5

/* What a file may ask for: 64 MiB, and ten times the work of what is written here. */
#define COST_MEMORY_MAX (64u * 1024 * 1024)
#define COST_WORK_MAX (10u * COST_N * COST_R * COST_P)

static const uint8_t oid_pbes2[] = {
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0d};
static const uint8_t oid_scrypt[] = {
    0x06, 0x09, 0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x04, 0x0b};
static const uint8_t oid_aes256_cbc[] = {
    0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2a};

struct locked {
	struct span salt;
	uint32_t n, r, p;
	struct span iv;
	struct span ciphertext;
};

static void
put_number(struct der *d, uint32_t v)
{
	uint8_t bytes[] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};

	der_put_uint(d, SPAN_OF(bytes));
}

static void
write_locked(const struct locked *l, struct buf *out)
{
	struct der d = DER_INIT(out);

	der_begin(&d, DER_SEQUENCE);
	der_begin(&d, DER_SEQUENCE);
	der_put_raw(&d, SPAN_OF(oid_pbes2));
	der_begin(&d, DER_SEQUENCE);
	der_begin(&d, DER_SEQUENCE);
	der_put_raw(&d, SPAN_OF(oid_scrypt));
	der_begin(&d, DER_SEQUENCE);
	der_put(&d, DER_OCTET_STRING, l->salt);
	put_number(&d, l->n);
	put_number(&d, l->r);
	put_number(&d, l->p);
	der_end(&d);
	der_end(&d);
	der_begin(&d, DER_SEQUENCE);
	der_put_raw(&d, SPAN_OF(oid_aes256_cbc));
	der_put(&d, DER_OCTET_STRING, l->iv);
	der_end(&d);
	der_end(&d);
	der_end(&d);
	der_put(&d, DER_OCTET_STRING, l->ciphertext);
	der_end(&d);
}

static int
read_locked(struct span der, struct locked *l, struct err *err)
{
	struct der_reader r = DER_READER(der);
	struct der_reader whole = der_enter(&r, DER_SEQUENCE);
	struct der_reader algorithm = der_enter(&whole, DER_SEQUENCE);
	struct der_reader pbes2, kdf, scrypt, cipher;

	der_expect(&algorithm, SPAN_OF(oid_pbes2));
	pbes2 = der_enter(&algorithm, DER_SEQUENCE);
	kdf = der_enter(&pbes2, DER_SEQUENCE);
	der_expect(&kdf, SPAN_OF(oid_scrypt));
	scrypt = der_enter(&kdf, DER_SEQUENCE);
	l->salt = der_take(&scrypt, DER_OCTET_STRING);
	l->n = der_take_small(&scrypt);
	l->r = der_take_small(&scrypt);
	l->p = der_take_small(&scrypt);
	/* The openssl program writes the length of the key too. */
	if (scrypt.rest.len > 0 && der_take_small(&scrypt) != KEY_LEN)
		scrypt.failed = true;
	cipher = der_enter(&pbes2, DER_SEQUENCE);
	der_expect(&cipher, SPAN_OF(oid_aes256_cbc));
	l->iv = der_take_fixed(&cipher, DER_OCTET_STRING, BLOCK);
	l->ciphertext = der_take(&whole, DER_OCTET_STRING);
	if (!der_done(&scrypt) || !der_done(&kdf) || !der_done(&cipher) || !der_done(&pbes2) ||
	    !der_done(&algorithm) || !der_done(&whole) || !der_done(&r))
		return err_set(err, ERR_PARSE,
		    "not a private key under a passphrase (PBES2 with scrypt and AES-256-CBC)");
	if (l->salt.len > SALT_MAX || l->n < 2 || (l->n & (l->n - 1)) != 0 || l->r == 0 ||
	    l->p == 0 || UINT64_C(128) * l->r > COST_MEMORY_MAX / l->n ||
	    (uint64_t)l->r * l->p > COST_WORK_MAX / l->n)
		return err_set(err, ERR_PARSE,
		    "a key under a passphrase with scrypt N=%u r=%u p=%u, which is not taken", l->n,
		    l->r, l->p);
	if (l->ciphertext.len == 0 || l->ciphertext.len % BLOCK != 0)
		return err_set(err, ERR_PARSE, "a key under a passphrase, cut short");
	return 0;
}

static int
derive(
    const struct locked *l, const struct secret *passphrase, struct secret **out, struct err *err)
{
	AUTO(EVP_KDF_CTX_freep)
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(algorithms()->scrypt);
	AUTO(secret_freep)
	struct secret *key = NULL;
	struct span pass = secret_span(passphrase);
	uint64_t n = l->n, memory = 2 * COST_MEMORY_MAX;
	uint32_t r = l->r, p = l->p;
	/* OpenSSL's types are not const; it only reads. */
	OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_octet_string(
		OSSL_KDF_PARAM_PASSWORD, (void *)(uintptr_t)pass.data, pass.len),
	    OSSL_PARAM_construct_octet_string(
		OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)l->salt.data, l->salt.len),
	    OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
	    OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R, &r),
	    OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P, &p),
	    OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &memory),
	    OSSL_PARAM_construct_end(),
	};
	int rc = secret_new(KEY_LEN, &key, err);

	if (rc < 0)
		return rc;
	if (ctx == NULL || EVP_KDF_derive(ctx, secret_bytes(key), KEY_LEN, params) != 1)
		return crypto_err(err, ERR_CRYPTO, "derive a key from the passphrase");
	*out = MOVE(key);
	return 0;
}

int
pkey_to_encrypted_pem(
    const struct pkey *key, const struct secret *passphrase, struct buf *out, struct err *err)
{
	AUTO(EVP_CIPHER_CTX_freep)
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	AUTO(buf_freep)
	struct buf *text = buf_new(PEM_MAX);
	AUTO(buf_freep)
	struct buf *der = buf_new(PEM_MAX);
	AUTO(secret_freep)
	struct secret *plain = NULL, *derived = NULL;
	uint8_t salt[SALT_LEN], iv[BLOCK];
	struct locked l = {SPAN_OF(salt), COST_N, COST_R, COST_P, SPAN_OF(iv), SPAN(NULL, 0)};
	int r, len = 0, last = 0;

	CHECK(RAND_bytes(salt, sizeof(salt)) == 1 && RAND_bytes(iv, sizeof(iv)) == 1);
	if ((r = derive(&l, passphrase, &derived, err)) < 0 ||
	    (r = pkey_to_pkcs8(key, &plain, err)) < 0)
		return r;
	CHECK(buf_reserve(text, secret_span(plain).len + BLOCK) != NULL);
	if (ctx == NULL ||
	    EVP_EncryptInit_ex2(ctx, algorithms()->aes256_cbc, secret_bytes(derived), iv, NULL) !=
		1 ||
	    EVP_EncryptUpdate(
		ctx, text->data, &len, secret_span(plain).data, (int)secret_span(plain).len) != 1 ||
	    EVP_EncryptFinal_ex(ctx, text->data + len, &last) != 1)
		return crypto_err(err, ERR_CRYPTO, "encrypt a private key");
	l.ciphertext = SPAN(text->data, (size_t)(len + last));
	write_locked(&l, der);
	r = buf_error(der, "encrypted key", err);
	if (r < 0)
		return r;
	pem_put(out, LABEL, buf_span(der));
	return buf_error(out, "encrypted key", err);
}

/* A wrong passphrase shows in the padding, or once in 256 in what lies under it. */
static int
unlock(const struct locked *l, const struct secret *derived, struct pkey **out, struct err *err)
{
	AUTO(EVP_CIPHER_CTX_freep)
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	AUTO(secret_freep)
	struct secret *plain = NULL;
	int len = 0, last = 0;
	int r = secret_new(l->ciphertext.len + BLOCK, &plain, err);

	if (r < 0)
		return r;
	if (ctx == NULL ||
	    EVP_DecryptInit_ex2(
		ctx, algorithms()->aes256_cbc, secret_span(derived).data, l->iv.data, NULL) != 1 ||
	    EVP_DecryptUpdate(
		ctx, secret_bytes(plain), &len, l->ciphertext.data, (int)l->ciphertext.len) != 1)
		return crypto_err(err, ERR_CRYPTO, "decrypt a private key");
	if (EVP_DecryptFinal_ex(ctx, secret_bytes(plain) + len, &last) != 1) {
		crypto_err_forget();
		return err_set(err, ERR_DENIED, "the passphrase is wrong");
	}
	secret_cut(plain, (size_t)(len + last));
	r = pkey_from_pkcs8(secret_span(plain), out, err);
	return r == ERR_PARSE ? err_set(err, ERR_DENIED, "the passphrase is wrong") : r;
}

int
pkey_from_encrypted_pem(
    struct span pem, const struct secret *passphrase, struct pkey **out, struct err *err)
{
	AUTO(buf_freep)
	struct buf *der = buf_new(PEM_MAX);
	AUTO(secret_freep)
	struct secret *derived = NULL;
	struct locked l;
	int r;

	if (pem.len > LIMIT_PEM_FILE)
		return err_set(err, ERR_PARSE, "a file of %zu bytes is no key", pem.len);
	r = pem_next(&pem, LABEL, der, err);
	if (r == ERR_NOTFOUND || r == ERR_LIMIT)
		return err_set(err, ERR_PARSE, "no PEM block of type %s", LABEL);
	if (r < 0 || (r = read_locked(buf_span(der), &l, err)) < 0 ||
	    (r = derive(&l, passphrase, &derived, err)) < 0)
		return r;
	return unlock(&l, derived, out, err);
}
