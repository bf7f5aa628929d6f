#include "common/crypto/crypto_err.h"
#include "common/crypto/pbe_priv.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/core_names.h>
#include <openssl/provider.h>

/* From so many rounds on, a few are timed first. */
#define TIMED_ROUNDS 200000
#define PROBE_ROUNDS 10000

/* --- the legacy provider -----------------------------------------------------------------------
 */

static OSSL_LIB_CTX *legacy_library;
static pthread_once_t legacy_once = PTHREAD_ONCE_INIT;

/* Never given back: it lives as long as the process, like OpenSSL's own default context. */
static void
load_legacy(void)
{
	OSSL_LIB_CTX *library = OSSL_LIB_CTX_new();
	OSSL_PROVIDER *usual = NULL, *old = NULL;

	if (library != NULL && (usual = OSSL_PROVIDER_load(library, "default")) != NULL &&
	    (old = OSSL_PROVIDER_load(library, "legacy")) != NULL) {
		legacy_library = library;
		return;
	}
	if (usual != NULL)
		OSSL_PROVIDER_unload(usual);
	OSSL_LIB_CTX_free(library);
	crypto_err_forget();
}

int
pbe_library(bool legacy, OSSL_LIB_CTX **out, struct err *err)
{
	*out = NULL;
	if (!legacy)
		return 0;
	CHECK(pthread_once(&legacy_once, load_legacy) == 0);
	if (legacy_library == NULL)
		return err_set(err, ERR_UNAVAIL,
		    "old encryption (RC2, RC4 or DES) needs OpenSSL's legacy provider, which is "
		    "not installed here (Debian 13: openssl-provider-legacy)");
	*out = legacy_library;
	return 0;
}

int
pbe_load_legacy(struct err *err)
{
	OSSL_LIB_CTX *library;

	return pbe_library(true, &library, err);
}

/* --- passwords ---------------------------------------------------------------------------------
 */

/* The next character of UTF-8; a byte that begins none counts as one of Latin-1. */
static uint32_t
next_character(struct cursor *c)
{
	uint8_t first = cursor_u8(c);
	unsigned more = first >= 0xf0 && first < 0xf5 ? 3
	    : first >= 0xe0                           ? 2
	    : first >= 0xc2                           ? 1
						      : 0;
	struct cursor ahead = *c;
	uint32_t v = first & (0x3fu >> more);

	if (first < 0x80 || first >= 0xf5 || more == 0)
		return first;
	for (unsigned i = 0; i < more; i++) {
		uint8_t b = cursor_u8(&ahead);

		if (ahead.failed || (b & 0xc0) != 0x80)
			return first;
		v = v << 6 | (b & 0x3f);
	}
	*c = ahead;
	return v;
}

bool
pbe_spells_bytes(struct span utf8)
{
	for (size_t i = 0; i < utf8.len; i++)
		if (utf8.data[i] >= 0x80)
			return true;
	return false;
}

static void
put_be16(uint8_t *out, size_t *len, uint32_t v)
{
	out[(*len)++] = (uint8_t)(v >> 8);
	out[(*len)++] = (uint8_t)v;
}

/* BMPString with its two zero bytes, as PKCS#12 wants it; nothing at all for an absent password. */
static int
bmp_of(const struct pbe_password *password, struct secret **out, struct err *err)
{
	struct cursor c = {password->utf8, false};
	size_t len = 0;
	uint8_t *bytes;
	int r = secret_new(2 * password->utf8.len + 2, out, err);

	if (r < 0)
		return r;
	bytes = secret_bytes(*out);
	while (c.rest.len > 0 && !password->absent) {
		uint32_t v = password->spelling == SPELL_BYTES ? cursor_u8(&c) : next_character(&c);

		if (v < 0x10000) {
			put_be16(bytes, &len, v);
		} else {
			v -= 0x10000;
			put_be16(bytes, &len, 0xd800 + (v >> 10));
			put_be16(bytes, &len, 0xdc00 + (v & 0x3ff));
		}
	}
	if (!password->absent)
		put_be16(bytes, &len, 0);
	secret_cut(*out, len);
	return 0;
}

/* The bytes that everything but PKCS#12's own function takes. */
static int
bytes_of(const struct pbe_password *password, struct secret **out, struct err *err)
{
	struct cursor c = {password->utf8, false};
	size_t len = 0;
	int r = secret_new(password->utf8.len, out, err);

	if (r < 0)
		return r;
	while (c.rest.len > 0) {
		uint32_t v = password->spelling == SPELL_BYTES ? next_character(&c) : cursor_u8(&c);

		secret_bytes(*out)[len++] = v < 0x100 ? (uint8_t)v : (uint8_t)'?';
	}
	secret_cut(*out, len);
	return 0;
}

/* --- derivation --------------------------------------------------------------------------------
 */

static int64_t
cpu_ns(void)
{
	struct timespec t;

	CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) == 0);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static const char *const kdf_names[] = {
    [KDF_PBKDF2] = "PBKDF2",
    [KDF_SCRYPT] = "SCRYPT",
    [KDF_PKCS12] = "PKCS12KDF",
    [KDF_PBKDF1] = "PBKDF1",
};

/* OpenSSL's types are not const; it only reads. */
static void *
loose(const void *p)
{
	return (void *)(uintptr_t)p;
}

static int
run(const struct pbe_kdf *k, enum pkcs12_purpose purpose, struct span password, uint64_t rounds,
    struct span out, struct err *err)
{
	OSSL_LIB_CTX *library;
	EVP_KDF *kdf;
	OSSL_PARAM params[8], *p = params;
	uint64_t memory = 2 * LIMIT_PBE_MEMORY;
	uint32_t r = k->r, par = k->p;
	int id = (int)purpose, rc = pbe_library(k->legacy, &library, err);

	if (rc < 0)
		return rc;
	kdf = EVP_KDF_fetch(library, kdf_names[k->kind], NULL);
	AUTO(EVP_KDF_CTX_freep)
	EVP_KDF_CTX *ctx = kdf != NULL ? EVP_KDF_CTX_new(kdf) : NULL;
	EVP_KDF_free(kdf);

	*p++ = OSSL_PARAM_construct_octet_string(
	    OSSL_KDF_PARAM_PASSWORD, loose(password.data), password.len);
	*p++ = OSSL_PARAM_construct_octet_string(
	    OSSL_KDF_PARAM_SALT, loose(k->salt.data), k->salt.len);
	if (k->kind == KDF_SCRYPT) {
		*p++ = OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &rounds);
		*p++ = OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R, &r);
		*p++ = OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P, &par);
		*p++ = OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &memory);
	} else {
		*p++ = OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_ITER, &rounds);
		*p++ = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, loose(k->digest), 0);
		if (k->kind == KDF_PKCS12)
			*p++ = OSSL_PARAM_construct_int(OSSL_KDF_PARAM_PKCS12_ID, &id);
	}
	*p = OSSL_PARAM_construct_end();
	if (ctx == NULL || EVP_KDF_derive(ctx, (uint8_t *)loose(out.data), out.len, params) != 1)
		return crypto_err(err, ERR_UNAVAIL, "derive a key from a password with %s and %s",
		    kdf_names[k->kind], k->digest != NULL ? k->digest : "no digest");
	return 0;
}

/* Whether so many rounds may be done, before any is. */
static int
check_work(const struct pbe_kdf *k, struct pbe_budget *budget, struct err *err)
{
	uint64_t work = k->rounds;

	if (k->kind == KDF_SCRYPT) {
		if (k->r == 0 || k->p == 0 || k->rounds < 2 || (k->rounds & (k->rounds - 1)) != 0 ||
		    k->rounds > UINT32_MAX)
			return err_set(err, ERR_PARSE, "scrypt with impossible costs");
		if (UINT64_C(128) * k->r > LIMIT_PBE_MEMORY / k->rounds)
			return err_set(err, ERR_LIMIT,
			    "scrypt with N=%llu r=%u, which takes more than %u MiB of memory",
			    (unsigned long long)k->rounds, k->r, LIMIT_PBE_MEMORY >> 20);
		/* N * r is bounded by now, and p below 2^32. */
		work *= (uint64_t)k->r * k->p;
	}
	if (k->salt.len > LIMIT_PBE_SALT)
		return err_set(
		    err, ERR_LIMIT, "a salt of %zu bytes; at most %d", k->salt.len, LIMIT_PBE_SALT);
	if (work == 0)
		return err_set(err, ERR_PARSE, "a key derivation of no rounds");
	if (work > budget->rounds)
		return err_set(err, ERR_LIMIT,
		    "a password protected by %llu rounds, and %llu may still be done: at most %d "
		    "in one import",
		    (unsigned long long)work, (unsigned long long)budget->rounds, LIMIT_PBE_ROUNDS);
	budget->rounds -= work;
	return 0;
}

/* How long it will take, by a few rounds; the costs of scrypt are bounded well enough. */
static int
check_time(const struct pbe_kdf *k, enum pkcs12_purpose purpose, struct span password,
    struct span out, const struct pbe_budget *budget, struct err *err)
{
	int64_t start = cpu_ns(), needed;
	int r;

	if (budget->cpu_ns <= 0)
		return err_set(err, ERR_LIMIT,
		    "passwords have taken %d s of computing already, the most for one import",
		    LIMIT_PBE_MS / 1000);
	if (k->kind == KDF_SCRYPT || k->rounds < TIMED_ROUNDS)
		return 0;
	r = run(k, purpose, password, PROBE_ROUNDS, out, err);
	if (r < 0)
		return r;
	needed = (cpu_ns() - start) * (int64_t)(k->rounds / PROBE_ROUNDS);
	if (needed <= budget->cpu_ns)
		return 0;
	return err_set(err, ERR_LIMIT,
	    "a password protected by %llu rounds would take some %lld s of computing here, and at "
	    "most %d s may go into one import",
	    (unsigned long long)k->rounds, (long long)(needed / 1000000000), LIMIT_PBE_MS / 1000);
}

int
pbe_derive(const struct pbe_kdf *kdf, enum pkcs12_purpose purpose,
    const struct pbe_password *password, struct pbe_budget *budget, size_t len, struct secret **out,
    struct err *err)
{
	AUTO(secret_freep)
	struct secret *text = NULL;
	AUTO(secret_freep)
	struct secret *key = NULL;
	struct span room;
	int64_t start;
	bool bmp = kdf->kind == KDF_PKCS12 || password->spelling == SPELL_NSS;
	int r;

	/* The same as the standard one, which was tried: no work for it. */
	if (kdf->kind == KDF_PKCS12 && password->spelling == SPELL_NSS)
		return err_set(err, ERR_DENIED, "the password is wrong");
	r = check_work(kdf, budget, err);
	if (r == 0)
		r = bmp ? bmp_of(password, &text, err) : bytes_of(password, &text, err);
	if (r == 0)
		r = secret_new(len, &key, err);
	if (r < 0)
		return r;
	room = SPAN(secret_bytes(key), len);
	start = cpu_ns();
	r = check_time(kdf, purpose, secret_span(text), room, budget, err);
	if (r == 0)
		r = run(kdf, purpose, secret_span(text), kdf->rounds, room, err);
	budget->cpu_ns -= cpu_ns() - start;
	if (r == 0)
		*out = MOVE(key);
	return r;
}
