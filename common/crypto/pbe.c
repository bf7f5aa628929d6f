#include "common/crypto/crypto_err.h"
#include "common/crypto/pbe_priv.h"

#include <string.h>

#include <openssl/core_names.h>

#define IV_MAX 16

/* --- algorithms --------------------------------------------------------------------------------
 */

static const uint8_t oid_rc2_cbc[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x03, 0x02};

/* PKCS#12's own schemes: 1.2.840.113549.1.12.1.n */
static const uint8_t oid_pkcs12_pbe[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x01};
static const struct pbe_cipher pkcs12_ciphers[] = {
    [1] = {"RC4", 16, 0, true},
    [2] = {"RC4-40", 5, 0, true},
    [3] = {"DES-EDE3-CBC", 24, 8, false},
    [4] = {"DES-EDE-CBC", 16, 8, true},
    [5] = {"RC2-CBC", 16, 8, true},
    [6] = {"RC2-40-CBC", 5, 8, true},
};

/* PKCS#5: 1.2.840.113549.1.5.n */
static const struct {
	const char *digest;
	struct pbe_cipher cipher;
} pbes1[] = {
    [3] = {"MD5", {"DES-CBC", 8, 8, true}},
    [6] = {"MD5", {"RC2-64-CBC", 8, 8, true}},
    [10] = {"SHA1", {"DES-CBC", 8, 8, true}},
    [11] = {"SHA1", {"RC2-64-CBC", 8, 8, true}},
};
static const uint8_t oid_scrypt[] = {0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x04, 0x0b};

/* A password scheme, read: key and iv come from kdf, but for PBES2, which carries its iv. */
struct scheme {
	struct pbe_kdf kdf;
	struct pbe_cipher cipher;
	struct span iv;
	bool derives_iv;
};

int
pbe_read_pbkdf2(struct der_reader params, struct pbe_kdf *out, uint32_t *key_len, struct err *err)
{
	struct der_reader prf;
	struct span oid;

	*out = (struct pbe_kdf){.kind = KDF_PBKDF2, .digest = "SHA1"};
	*key_len = 0;
	out->salt = der_take(&params, DER_OCTET_STRING);
	out->rounds = der_take_count(&params);
	if (params.rest.len > 0 && params.rest.data[0] == DER_INTEGER)
		*key_len = der_take_small(&params);
	if (params.rest.len > 0) {
		prf = der_enter(&params, DER_SEQUENCE);
		oid = der_take(&prf, DER_OID);
		out->digest = pbe_digest_by_oid(oid);
		if (!prf.failed && out->digest == NULL)
			return pbe_unknown("PBKDF2 with the function", oid, err);
		params.failed |= prf.failed;
	}
	return der_done(&params) ? 0 : err_set(err, ERR_PARSE, "damaged parameters of PBKDF2");
}

static int
read_kdf(struct der_reader *r, struct pbe_kdf *out, struct err *err)
{
	struct der_reader kdf = der_enter(r, DER_SEQUENCE), params;
	struct span oid = der_take(&kdf, DER_OID);
	uint32_t key_len;

	params = der_enter(&kdf, DER_SEQUENCE);
	if (!der_done(&kdf) && !kdf.failed)
		kdf.failed = true;
	if (kdf.failed)
		return err_set(err, ERR_PARSE, "damaged parameters of PBES2");
	if (pbe_pkcs5_number(oid) == PKCS5_PBKDF2)
		return pbe_read_pbkdf2(params, out, &key_len, err);
	if (!span_equal(oid, SPAN_OF(oid_scrypt)))
		return pbe_unknown("PBES2 with the key derivation", oid, err);
	*out = (struct pbe_kdf){.kind = KDF_SCRYPT};
	out->salt = der_take(&params, DER_OCTET_STRING);
	out->rounds = der_take_count(&params);
	out->r = der_take_small(&params);
	out->p = der_take_small(&params);
	if (params.rest.len > 0)
		(void)der_take_small(&params); /* the length of the key, which the cipher says */
	return der_done(&params) ? 0 : err_set(err, ERR_PARSE, "damaged parameters of scrypt");
}

static int
read_rc2(struct der_reader *r, struct scheme *out, struct err *err)
{
	struct der_reader params = der_enter(r, DER_SEQUENCE);
	uint32_t version = der_take_small(&params);

	out->iv = der_take_fixed(&params, DER_OCTET_STRING, 8);
	if (!der_done(&params))
		return err_set(err, ERR_PARSE, "damaged parameters of RC2");
	/* RFC 2268: these numbers stand for bits of the key. */
	if (version == 160)
		out->cipher = (struct pbe_cipher){"RC2-40-CBC", 5, 8, true};
	else if (version == 120)
		out->cipher = (struct pbe_cipher){"RC2-64-CBC", 8, 8, true};
	else if (version == 58)
		out->cipher = (struct pbe_cipher){"RC2-CBC", 16, 8, true};
	else
		return err_set(err, ERR_UNAVAIL, "RC2 with a key length that is not known here");
	return 0;
}

static int
read_pbes2(struct der_reader *r, struct scheme *out, struct err *err)
{
	struct der_reader params = der_enter(r, DER_SEQUENCE), cipher;
	struct span oid;
	int rc = read_kdf(&params, &out->kdf, err);

	if (rc < 0)
		return rc;
	cipher = der_enter(&params, DER_SEQUENCE);
	oid = der_take(&cipher, DER_OID);
	if (cipher.failed || params.rest.len > 0)
		return err_set(err, ERR_PARSE, "damaged parameters of PBES2");
	if (span_equal(oid, SPAN_OF(oid_rc2_cbc)))
		return read_rc2(&cipher, out, err);
	if (!pbe_cipher_by_oid(oid, &out->cipher))
		return pbe_unknown("PBES2 with the cipher", oid, err);
	out->iv = der_take_fixed(&cipher, DER_OCTET_STRING, out->cipher.iv_len);
	return der_done(&cipher) ? 0 : err_set(err, ERR_PARSE, "damaged parameters of a cipher");
}

/* Salt and rounds, which PBES1 and PKCS#12's schemes have in the same form. */
static int
read_salt_and_rounds(struct der_reader *r, struct scheme *out, struct err *err)
{
	struct der_reader params = der_enter(r, DER_SEQUENCE);

	out->kdf.salt = der_take(&params, DER_OCTET_STRING);
	out->kdf.rounds = der_take_count(&params);
	out->derives_iv = true;
	return der_done(&params) ? 0 : err_set(err, ERR_PARSE, "damaged parameters of encryption");
}

static int
read_scheme(struct span algorithm, struct scheme *out, struct err *err)
{
	struct der_reader r = DER_READER(algorithm);
	struct der_reader whole = der_enter(&r, DER_SEQUENCE);
	struct span oid = der_take(&whole, DER_OID);
	unsigned n;

	*out = (struct scheme){0};
	if (whole.failed || r.rest.len > 0)
		return err_set(err, ERR_PARSE, "a damaged name of an encryption");
	n = pbe_pkcs5_number(oid);
	if (n == PKCS5_PBES2)
		return read_pbes2(&whole, out, err);
	if (n < ARRAY_LEN(pbes1) && pbes1[n].digest != NULL) {
		out->kdf =
		    (struct pbe_kdf){.kind = KDF_PBKDF1, .digest = pbes1[n].digest, .legacy = true};
		out->cipher = pbes1[n].cipher;
		return read_salt_and_rounds(&whole, out, err);
	}
	n = oid_after(oid, SPAN_OF(oid_pkcs12_pbe));
	if (n > 0 && n < ARRAY_LEN(pkcs12_ciphers)) {
		out->kdf = (struct pbe_kdf){.kind = KDF_PKCS12, .digest = "SHA1"};
		out->cipher = pkcs12_ciphers[n];
		return read_salt_and_rounds(&whole, out, err);
	}
	return pbe_unknown("encrypted with", oid, err);
}

/* --- decryption --------------------------------------------------------------------------------
 */

int
pbe_decrypt(const struct pbe_cipher *how, const uint8_t *key, const uint8_t *iv,
    struct span ciphertext, struct secret **out, struct err *err)
{
	AUTO(EVP_CIPHER_CTX_freep)
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	AUTO(secret_freep)
	struct secret *plain = NULL;
	OSSL_LIB_CTX *library;
	EVP_CIPHER *cipher;
	int len = 0, last = 0, ready, r = pbe_library(how->legacy, &library, err);

	if (r == 0)
		r = secret_new(ciphertext.len + IV_MAX, &plain, err);
	if (r < 0)
		return r;
	cipher = EVP_CIPHER_fetch(library, how->name, NULL);
	ready =
	    ctx != NULL && cipher != NULL && EVP_DecryptInit_ex2(ctx, cipher, key, iv, NULL) == 1;
	EVP_CIPHER_free(cipher);
	if (!ready)
		return crypto_err(err, ERR_UNAVAIL, "decrypt with %s", how->name);
	if (EVP_DecryptUpdate(
		ctx, secret_bytes(plain), &len, ciphertext.data, (int)ciphertext.len) != 1 ||
	    EVP_DecryptFinal_ex(ctx, secret_bytes(plain) + len, &last) != 1) {
		crypto_err_forget();
		return err_set(err, ERR_DENIED, "the password is wrong");
	}
	secret_cut(plain, (size_t)(len + last));
	*out = MOVE(plain);
	return 0;
}

int
pbe_check_ciphertext(const struct pbe_cipher *c, struct span ciphertext, struct err *err)
{
	if (ciphertext.len > LIMIT_IMPORT_FILE)
		return err_set(err, ERR_LIMIT, "%zu encrypted bytes", ciphertext.len);
	if (ciphertext.len == 0 || (c->iv_len > 0 && ciphertext.len % c->iv_len != 0))
		return err_set(err, ERR_PARSE, "%zu encrypted bytes are no whole blocks of %s",
		    ciphertext.len, c->name);
	return 0;
}

int
pbe_open(struct span algorithm, struct span ciphertext, const struct pbe_password *password,
    struct pbe_budget *budget, struct secret **out, struct err *err)
{
	AUTO(secret_freep)
	struct secret *key = NULL;
	AUTO(secret_freep)
	struct secret *iv = NULL;
	struct scheme s;
	size_t key_len;
	int r;

	if ((r = read_scheme(algorithm, &s, err)) < 0 ||
	    (r = pbe_check_ciphertext(&s.cipher, ciphertext, err)) < 0)
		return r;
	key_len = s.cipher.key_len;
	/* PBES1 derives both in one go. */
	if (s.kdf.kind == KDF_PBKDF1)
		key_len += s.cipher.iv_len;
	r = pbe_derive(&s.kdf, PURPOSE_KEY, password, budget, key_len, &key, err);
	if (r == 0 && s.kdf.kind == KDF_PBKDF1)
		s.iv = SPAN(secret_span(key).data + s.cipher.key_len, s.cipher.iv_len);
	if (r == 0 && s.kdf.kind == KDF_PKCS12 && s.cipher.iv_len > 0) {
		r = pbe_derive(&s.kdf, PURPOSE_IV, password, budget, s.cipher.iv_len, &iv, err);
		s.iv = r == 0 ? secret_span(iv) : s.iv;
	}
	if (r < 0)
		return r;
	return pbe_decrypt(&s.cipher, secret_span(key).data, s.iv.data, ciphertext, out, err);
}
