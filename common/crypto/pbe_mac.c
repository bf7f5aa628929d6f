#include "common/base/str.h"
#include "common/crypto/crypto_err.h"
#include "common/crypto/pbe_priv.h"

#include <string.h>

#define KEY_MAX 32
#define IV_MAX 16
#define MD5_LEN 16
#define MAC_MAX 64
#define MAC_KEY_MAX 64
#define MAC_KEY_MIN 20

/* --- the traditional form of PEM ---------------------------------------------------------------
 */

/* EVP_BytesToKey with one round of MD5: each block digests the one before, password and salt. */
static int
traditional_key(const struct pbe_password *password, const uint8_t salt[static 8],
    const struct secret *key, struct err *err)
{
	EVP_MD *md5 = EVP_MD_fetch(NULL, "MD5", NULL);
	AUTO(EVP_MD_CTX_freep)
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t *out = (uint8_t *)(uintptr_t)secret_span(key).data;
	bool good = md5 != NULL && ctx != NULL;

	for (size_t at = 0; good && at < KEY_MAX; at += MD5_LEN)
		good = EVP_DigestInit_ex2(ctx, md5, NULL) == 1 &&
		    (at == 0 || EVP_DigestUpdate(ctx, out + at - MD5_LEN, MD5_LEN) == 1) &&
		    EVP_DigestUpdate(ctx, password->utf8.data, password->utf8.len) == 1 &&
		    EVP_DigestUpdate(ctx, salt, 8) == 1 &&
		    EVP_DigestFinal_ex(ctx, out + at, NULL) == 1;
	EVP_MD_free(md5);
	return good ? 0 : crypto_err(err, ERR_UNAVAIL, "derive a key with MD5");
}

int
pbe_open_traditional(struct span dek_info, struct span ciphertext,
    const struct pbe_password *password, struct secret **out, struct err *err)
{
	static const struct pbe_cipher known[] = {
	    {"AES-128-CBC", 16, 16, false},
	    {"AES-192-CBC", 24, 16, false},
	    {"AES-256-CBC", 32, 16, false},
	    {"DES-EDE3-CBC", 24, 8, false},
	    {"DES-CBC", 8, 8, true},
	    {"CAMELLIA-128-CBC", 16, 16, false},
	    {"CAMELLIA-192-CBC", 24, 16, false},
	    {"CAMELLIA-256-CBC", 32, 16, false},
	    {"RC2-CBC", 16, 8, true},
	    {"RC2-40-CBC", 5, 8, true},
	};
	const struct pbe_cipher *c = NULL;
	AUTO(secret_freep)
	struct secret *key = NULL;
	char name[24], hex[2 * IV_MAX + 1];
	uint8_t iv[IV_MAX];
	const uint8_t *comma = dek_info.len > 0 ? memchr(dek_info.data, ',', dek_info.len) : NULL;
	size_t n = comma != NULL ? (size_t)(comma - dek_info.data) : dek_info.len;
	struct span rest =
	    SPAN(comma != NULL ? comma + 1 : NULL, dek_info.len - n - (comma != NULL));
	int r;

	if (comma == NULL || n >= sizeof(name) || rest.len >= sizeof(hex))
		return err_set(err, ERR_PARSE, "a DEK-Info line that names no cipher and vector");
	memcpy(name, dek_info.data, n);
	name[n] = '\0';
	memcpy(hex, rest.data, rest.len);
	hex[rest.len] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (str_equal(name, known[i].name))
			c = &known[i];
	if (c == NULL)
		return err_set(
		    err, ERR_UNAVAIL, "encrypted with '%s', which is not known here", name);
	if (hex_decode(hex, iv, c->iv_len, NULL) < 0)
		return err_set(err, ERR_PARSE, "a DEK-Info line with a vector that does not fit");
	if ((r = pbe_check_ciphertext(c, ciphertext, err)) < 0 ||
	    (r = secret_new(KEY_MAX, &key, err)) < 0)
		return r;
	r = traditional_key(password, iv, key, err);
	return r < 0 ? r : pbe_decrypt(c, secret_span(key).data, iv, ciphertext, out, err);
}

/* --- integrity of PKCS#12 ----------------------------------------------------------------------
 */

static int
compare_mac(const char *digest, const struct secret *key, struct span content, struct span expected,
    struct err *err)
{
	uint8_t mac[MAC_MAX];
	size_t len = 0;

	if (EVP_Q_mac(NULL, "HMAC", NULL, digest, NULL, secret_span(key).data, secret_span(key).len,
		content.data, content.len, mac, sizeof(mac), &len) == NULL)
		return crypto_err(err, ERR_UNAVAIL, "check a file with HMAC and %s", digest);
	if (len == expected.len && CRYPTO_memcmp(mac, expected.data, len) == 0)
		return 0;
	return err_set(err, ERR_DENIED, "the password is wrong");
}

static int
check_pbmac1(struct der_reader *algorithm, struct span expected, struct span content,
    const struct pbe_password *password, struct pbe_budget *budget, struct err *err)
{
	struct der_reader params = der_enter(algorithm, DER_SEQUENCE);
	struct der_reader kdf = der_enter(&params, DER_SEQUENCE);
	struct span kdf_oid = der_take(&kdf, DER_OID), mac_oid;
	struct der_reader pbkdf2 = der_enter(&kdf, DER_SEQUENCE);
	struct der_reader mac = der_enter(&params, DER_SEQUENCE);
	AUTO(secret_freep)
	struct secret *key = NULL;
	const char *digest;
	struct pbe_kdf k;
	uint32_t key_len;
	int r;

	mac_oid = der_take(&mac, DER_OID);
	digest = pbe_digest_by_oid(mac_oid);
	if (kdf.failed || mac.failed || params.rest.len > 0)
		return err_set(err, ERR_PARSE, "damaged parameters of PBMAC1");
	if (pbe_pkcs5_number(kdf_oid) != PKCS5_PBKDF2)
		return pbe_unknown("PBMAC1 with the key derivation", kdf_oid, err);
	if (digest == NULL)
		return pbe_unknown("PBMAC1 with", mac_oid, err);
	r = pbe_read_pbkdf2(pbkdf2, &k, &key_len, err);
	if (r < 0)
		return r;
	/* RFC 9579 wants the length to be there, and no short one. */
	if (key_len < MAC_KEY_MIN || key_len > MAC_KEY_MAX)
		return err_set(err, ERR_PARSE, "PBMAC1 with a key of %u bytes", key_len);
	r = pbe_derive(&k, PURPOSE_MAC, password, budget, key_len, &key, err);
	return r < 0 ? r : compare_mac(digest, key, content, expected, err);
}

static int
digest_len(const char *name)
{
	EVP_MD *md = EVP_MD_fetch(NULL, name, NULL);
	int len = md != NULL ? EVP_MD_get_size(md) : -1;

	EVP_MD_free(md);
	return len;
}

int
pbe_check_mac(struct span mac_data, struct span content, const struct pbe_password *password,
    struct pbe_budget *budget, struct err *err)
{
	struct der_reader r = DER_READER(mac_data);
	struct der_reader info = der_enter(&r, DER_SEQUENCE);
	struct der_reader algorithm = der_enter(&info, DER_SEQUENCE);
	struct span oid = der_take(&algorithm, DER_OID);
	struct span expected = der_take(&info, DER_OCTET_STRING);
	struct pbe_kdf k = {.kind = KDF_PKCS12, .rounds = 1};
	AUTO(secret_freep)
	struct secret *key = NULL;
	int len, rc;

	k.salt = der_take(&r, DER_OCTET_STRING);
	if (r.rest.len > 0)
		k.rounds = der_take_count(&r);
	if (algorithm.failed || !der_done(&info) || !der_done(&r))
		return err_set(err, ERR_PARSE, "a damaged integrity code");
	if (pbe_pkcs5_number(oid) == PKCS5_PBMAC1)
		return check_pbmac1(&algorithm, expected, content, password, budget, err);
	k.digest = pbe_digest_by_oid(oid);
	if (k.digest == NULL)
		return pbe_unknown("an integrity code by", oid, err);
	len = digest_len(k.digest);
	if (len <= 0)
		return crypto_err(err, ERR_UNAVAIL, "an integrity code by %s", k.digest);
	rc = pbe_derive(&k, PURPOSE_MAC, password, budget, (size_t)len, &key, err);
	return rc < 0 ? rc : compare_mac(k.digest, key, content, expected, err);
}
