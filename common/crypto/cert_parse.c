#include "common/base/str.h"
#include "common/crypto/cert_build.h"
#include "common/crypto/cert_priv.h"
#include "common/crypto/crypto_err.h"
#include "common/crypto/ossl.h"
#include "common/crypto/sign.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include <openssl/bio.h>
#include <openssl/provider.h>
#include <openssl/x509v3.h>

DEFINE_OSSL_FREEP(X509, X509_free)
DEFINE_OSSL_FREEP(BIO, BIO_vfree)

/*
 * x is made at once for certificates that come from outside, and when first wanted for those that
 * this module wrote, or that are of a key at hand: decoding the key takes longer than signing, and
 * a signer hands on the DER only.
 */
struct cert {
	_Atomic unsigned refs;
	_Atomic(X509 *) x;
	bool has_key_id; /* of its key, which is then known to be one that can be decoded */
	struct key_id key_id;
	size_t len;
	uint8_t *der;
};

/* The count and the parsed form are what changes in a certificate that is the same for ever. */
static struct cert *
shared(const struct cert *c)
{
	return (struct cert *)(uintptr_t)c;
}

static struct cert *
cert_new(struct span der, X509 *x)
{
	struct cert *c = mem_zalloc(sizeof(*c));

	atomic_init(&c->refs, 1);
	atomic_init(&c->x, x);
	c->der = mem_dup(der.data, der.len);
	c->len = der.len;
	return c;
}

struct cert *
cert_of_own_der(const struct buf *der)
{
	return cert_new(buf_span(der), NULL);
}

static int
seconds_of(const ASN1_TIME *t, int64_t *out)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(t, &tm) != 1)
		return -1;
	*out = timegm(&tm);
	return 0;
}

/*
 * bare: without algorithms, so that the key is not decoded and the fingerprint, which OpenSSL keeps
 * too, cannot be made.
 */
static int
parse(struct span der, OSSL_LIB_CTX *bare, X509 **out, struct err *err)
{
	AUTO(X509_freep)
	X509 *x = X509_new_ex(bare, NULL);
	const uint8_t *p = der.data;
	int64_t t;

	if (der.len > LIMIT_CERT)
		return err_set(
		    err, ERR_LIMIT, "certificate of %zu bytes; at most %d", der.len, LIMIT_CERT);
	/* Frees what it was given when it fails. */
	if (x == NULL || der.len == 0 || d2i_X509(&x, &p, (long)der.len) == NULL)
		return crypto_err(err, ERR_PARSE, "certificate is not DER");
	if (p != der.data + der.len)
		return err_set(err, ERR_PARSE, "%zu bytes follow the certificate",
		    (size_t)(der.data + der.len - p));
	/* Fills what OpenSSL keeps about extensions, so that getters find them and threads may
	 * share. */
	if ((X509_check_purpose(x, -1, 0) != 1 && bare == NULL) ||
	    (X509_get_extension_flags(x) & EXFLAG_INVALID))
		return crypto_err(err, ERR_PARSE, "certificate has extensions that are not valid");
	if (seconds_of(X509_get0_notBefore(x), &t) < 0 || seconds_of(X509_get0_notAfter(x), &t) < 0)
		return crypto_err(err, ERR_PARSE, "certificate has times that are none");
	crypto_err_forget();
	*out = MOVE(x);
	return 0;
}

int
cert_parse(struct span der, struct cert **out, struct err *err)
{
	X509 *x;
	int r = parse(der, NULL, &x, err);

	if (r == 0)
		*out = cert_new(der, x);
	return r;
}

static OSSL_LIB_CTX *bare;
static pthread_once_t bare_once = PTHREAD_ONCE_INIT;

static void
make_bare(void)
{
	bare = OSSL_LIB_CTX_new();
	/* Without any, OpenSSL would load its own. */
	CHECK(bare != NULL && OSSL_PROVIDER_load(bare, "null") != NULL);
}

static bool
is_of(const X509 *x, const struct pkey *key)
{
	struct span spki = pkey_spki(key);
	unsigned char *der = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der);
	bool same = len > 0 && span_equal(SPAN(der, (size_t)len), spki);

	OPENSSL_free(der);
	return same;
}

int
cert_parse_of(struct span der, const struct pkey *key, struct cert **out, struct err *err)
{
	AUTO(X509_freep)
	X509 *x = NULL;
	int r;

	CHECK(pthread_once(&bare_once, make_bare) == 0);
	r = parse(der, bare, &x, err);
	if (r < 0)
		return r;
	if (!is_of(x, key))
		return cert_parse(der, out, err);
	*out = cert_new(der, NULL);
	(*out)->has_key_id = true;
	pkey_id(key, &(*out)->key_id);
	return 0;
}

X509 *
cert_x509(const struct cert *c)
{
	struct cert *own = shared(c);
	X509 *x = atomic_load_explicit(&own->x, memory_order_acquire), *there = NULL;
	const uint8_t *p = c->der;

	if (x != NULL)
		return x;
	x = d2i_X509(NULL, &p, (long)c->len);
	CHECK(x != NULL && X509_check_purpose(x, -1, 0) == 1);
	if (atomic_compare_exchange_strong(&own->x, &there, x))
		return x;
	X509_free(x);
	return there;
}

struct cert *
cert_ref(const struct cert *c)
{
	struct cert *own = shared(c);

	atomic_fetch_add_explicit(&own->refs, 1, memory_order_relaxed);
	return own;
}

void
cert_unref(struct cert *c)
{
	if (c == NULL || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) > 1)
		return;
	X509_free(atomic_load(&c->x));
	mem_free(c->der);
	mem_free(c);
}

struct span
cert_der(const struct cert *c)
{
	return SPAN(c->der, c->len);
}

int64_t
cert_not_before(const struct cert *c)
{
	int64_t t = 0;

	CHECK(seconds_of(X509_get0_notBefore(cert_x509(c)), &t) == 0);
	return t;
}

int64_t
cert_not_after(const struct cert *c)
{
	int64_t t = 0;

	CHECK(seconds_of(X509_get0_notAfter(cert_x509(c)), &t) == 0);
	return t;
}

bool
cert_is_ca(const struct cert *c)
{
	return (X509_get_extension_flags(cert_x509(c)) & EXFLAG_CA) != 0;
}

void
cert_fingerprint(const struct cert *c, struct hash *out)
{
	hash_of(cert_der(c), out);
}

int
cert_key(const struct cert *c, struct pkey **out, struct err *err)
{
	EVP_PKEY *key = X509_get_pubkey(cert_x509(c));

	if (key == NULL)
		return crypto_err(
		    err, ERR_INVALID, "the key of the certificate is of no known type");
	return pkey_wrap_public(key, out, err);
}

bool
cert_has_key(const struct cert *c, const struct pkey *key)
{
	struct key_id id;
	EVP_PKEY *own;
	bool same;

	if (c->has_key_id) {
		pkey_id(key, &id);
		return memcmp(&id, &c->key_id, sizeof(id)) == 0;
	}
	own = X509_get0_pubkey(cert_x509(c));
	same = own != NULL && EVP_PKEY_eq(own, pkey_evp(key)) == 1;
	crypto_err_forget();
	return same;
}

struct span
cert_subject_der(const struct cert *c)
{
	const unsigned char *p = NULL;
	size_t n = 0;

	CHECK(X509_NAME_get0_der(X509_get_subject_name(cert_x509(c)), &p, &n) == 1);
	return SPAN(p, n);
}

struct span
cert_issuer_der(const struct cert *c)
{
	const unsigned char *p = NULL;
	size_t n = 0;

	CHECK(X509_NAME_get0_der(X509_get_issuer_name(cert_x509(c)), &p, &n) == 1);
	return SPAN(p, n);
}

bool
cert_names_issuer(const struct cert *c, const struct cert *issuer)
{
	return X509_NAME_cmp(X509_get_issuer_name(cert_x509(c)),
		   X509_get_subject_name(cert_x509(issuer))) == 0;
}

bool
cert_is_old_root(const struct cert *c)
{
	return X509_get_version(cert_x509(c)) == X509_VERSION_1 && cert_names_issuer(c, c);
}

struct span
cert_subject_key_id(const struct cert *c)
{
	const ASN1_OCTET_STRING *id = X509_get0_subject_key_id(cert_x509(c));

	return id != NULL ? SPAN(ASN1_STRING_get0_data(id), (size_t)ASN1_STRING_length(id))
			  : SPAN(NULL, 0);
}

void
cert_put_serial(const struct cert *c, struct buf *out)
{
	const ASN1_INTEGER *n = X509_get0_serialNumber(cert_x509(c));
	const uint8_t *p = ASN1_STRING_get0_data(n);
	int len = ASN1_STRING_length(n);

	if (ASN1_STRING_type(n) == V_ASN1_NEG_INTEGER)
		buf_put_str(out, "-");
	for (int i = 0; i < len; i++)
		buf_putf(out, "%02x", p[i]);
}

/* RFC 4514: last part first, everything but ASCII escaped, so that it is fit for a terminal. */
static void
put_name(const X509_NAME *name, struct buf *out)
{
	AUTO(BIO_vfreep)
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;
	long n;

	CHECK(bio != NULL);
	if (X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0) {
		n = BIO_get_mem_data(bio, &text);
		buf_put(out, text, n > 0 ? (size_t)n : 0);
	}
	crypto_err_forget();
}

void
cert_put_subject(const struct cert *c, struct buf *out)
{
	put_name(X509_get_subject_name(cert_x509(c)), out);
}

void
cert_put_issuer(const struct cert *c, struct buf *out)
{
	put_name(X509_get_issuer_name(cert_x509(c)), out);
}

/* Text of a name that is printable ASCII without blanks, else false. */
static bool
plain_text(const ASN1_STRING *s, char *out, size_t size)
{
	const uint8_t *p = ASN1_STRING_get0_data(s);
	int n = ASN1_STRING_length(s);

	if (n <= 0 || (size_t)n >= size)
		return false;
	for (int i = 0; i < n; i++)
		if (p[i] <= ' ' || p[i] >= 0x7f)
			return false;
	memcpy(out, p, (size_t)n);
	out[n] = '\0';
	return true;
}

static bool
name_text(const GENERAL_NAME *g, char out[static LIMIT_NAME + 1])
{
	int kind, n;
	const ASN1_STRING *s = GENERAL_NAME_get0_value(g, &kind);

	if (kind == GEN_DNS || kind == GEN_EMAIL)
		return plain_text(s, out, LIMIT_NAME + 1);
	if (kind != GEN_IPADD)
		return false;
	n = ASN1_STRING_length(s);
	if (n != 4 && n != 16)
		return false;
	return inet_ntop(n == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(s), out, LIMIT_NAME) !=
	    NULL;
}

static GENERAL_NAMES *
alt_names(const struct cert *c)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert_x509(c), NID_subject_alt_name, NULL, NULL);

	crypto_err_forget();
	return names;
}

size_t
cert_each_name(const struct cert *c, void (*cb)(void *arg, const char *name), void *arg)
{
	GENERAL_NAMES *names = alt_names(c);
	char text[LIMIT_NAME + 1];
	size_t count = 0;

	for (int i = 0; names != NULL && i < sk_GENERAL_NAME_num(names); i++) {
		if (!name_text(sk_GENERAL_NAME_value(names, i), text))
			continue;
		count++;
		if (cb != NULL)
			cb(arg, text);
	}
	GENERAL_NAMES_free(names);
	return count;
}

bool
cert_uri(const struct cert *c, char out[static CERT_URI_MAX])
{
	GENERAL_NAMES *names = alt_names(c);
	unsigned uris = 0;
	bool plain = false;

	for (int i = 0; names != NULL && i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);
		int kind;
		const ASN1_STRING *s = GENERAL_NAME_get0_value(g, &kind);
		if (kind != GEN_URI)
			continue;
		uris++;
		plain = plain_text(s, out, CERT_URI_MAX);
	}
	GENERAL_NAMES_free(names);
	return uris == 1 && plain;
}
