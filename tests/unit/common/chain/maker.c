#include "tests/unit/common/chain/maker.h"

#include "common/crypto/crypto_err.h"

#include <openssl/evp.h>
#include <openssl/x509v3.h>

static EVP_PKEY *keys[KEYS];
static long serial;

static EVP_PKEY *
key_at(unsigned i)
{
	assert_true(i < KEYS);
	if (keys[i] == NULL)
		keys[i] = EVP_EC_gen("P-256");
	assert_non_null(keys[i]);
	return keys[i];
}

struct pkey *
make_key_of(unsigned i)
{
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(key_at(i), &der);
	struct pkey *key = NULL;

	assert_int_equal(pkey_from_spki(SPAN(der, (size_t)len), &key, NULL), 0);
	OPENSSL_free(der);
	return key;
}

void
maker_end(void)
{
	for (size_t i = 0; i < KEYS; i++)
		EVP_PKEY_free(keys[i]);
}

static void
add_extensions(X509 *x, const char *list)
{
	char text[512], *rest = text, *one;

	snprintf(text, sizeof(text), "%s", list);
	while ((one = strsep(&rest, ";")) != NULL) {
		char *value = strchr(one, '=');
		X509_EXTENSION *e;

		assert_non_null(value);
		*value++ = '\0';
		for (char *mark = value; *mark != '\0'; mark++)
			if (*mark == '\x01')
				*mark = ';';
		e = X509V3_EXT_conf_nid(NULL, NULL, OBJ_sn2nid(one), value);
		if (e == NULL)
			fail_msg("extension %s=%s", one, value);
		assert_int_equal(X509_add_ext(x, e, -1), 1);
		X509_EXTENSION_free(e);
	}
}

static void
set_name(X509_NAME *name, const char *cn)
{
	assert_int_equal(X509_NAME_add_entry_by_txt(
			     name, "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1, -1, 0),
	    1);
}

struct cert *
make(const struct recipe *r)
{
	const char *usual = r->leaf
	    ? "subjectAltName=DNS:www.example.org;extendedKeyUsage=serverAuth"
	    : "basicConstraints=critical,CA:TRUE;keyUsage=critical,keyCertSign,cRLSign";
	X509 *x = X509_new();
	unsigned char *der = NULL;
	struct cert *c = NULL;
	int len, from = r->from, to = r->to;

	if (from == 0 && to == 0) {
		from = -10;
		to = 100;
	}
	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
	set_name(X509_get_subject_name(x), r->subject);
	set_name(X509_get_issuer_name(x), r->issuer);
	ASN1_TIME_set(X509_getm_notBefore(x), NOW + from * DAY);
	ASN1_TIME_set(X509_getm_notAfter(x), NOW + to * DAY);
	X509_set_pubkey(x, key_at(r->key));
	add_extensions(x, r->extensions != NULL ? r->extensions : usual);
	assert_true(X509_sign(x, key_at(r->issuer_key),
			r->hash != NULL ? EVP_get_digestbyname(r->hash) : EVP_sha256()) > 0);
	len = i2d_X509(x, &der);
	assert_true(len > 0);
	assert_int_equal(cert_parse(SPAN(der, (size_t)len), &c, NULL), 0);
	OPENSSL_free(der);
	X509_free(x);
	return c;
}

void
shelf_put(struct shelf *s, char name, const struct recipe *r)
{
	assert_true(s->count < ARRAY_LEN(s->own));
	s->own[s->count] = make(r);
	s->list[s->count] = s->own[s->count];
	s->names[s->count++] = name;
}

void
shelf_fini(struct shelf *s)
{
	for (size_t i = 0; i < s->count; i++)
		cert_unref(s->own[i]);
	s->count = 0;
}

struct certs
shelf_get(const struct shelf *s, const char *letters)
{
	static const struct cert *room[4][64];
	static unsigned turn;
	const struct cert **list = room[turn++ % ARRAY_LEN(room)];
	size_t n = 0;

	for (; *letters != '\0'; letters++)
		for (size_t i = 0; i < s->count; i++)
			if (s->names[i] == *letters)
				list[n++] = s->list[i];
	return (struct certs){list, n};
}

const char *
path_of(const struct shelf *s, const struct chain *c)
{
	static char out[LIMIT_CHAIN + 1];

	for (size_t k = 0; k < c->count; k++) {
		out[k] = '?';
		for (size_t i = 0; i < s->count; i++)
			if (c->path[k] == s->list[i])
				out[k] = s->names[i];
	}
	out[c->count] = '\0';
	return out;
}

bool
has_reason(const struct chain *c, enum chain_code code)
{
	for (size_t i = 0; i < c->reason_count; i++)
		if (c->reasons[i].code == code)
			return true;
	return false;
}

const char *
reasons_of(const struct chain *c)
{
	static char out[512];
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < c->reason_count; i++)
		n += (size_t)snprintf(out + n, sizeof(out) - n, "%s%s", i > 0 ? " " : "",
		    chain_code_name(c->reasons[i].code));
	return out;
}

int
check_queue(void **state)
{
	(void)state;
	assert_false(crypto_err_pending());
	return 0;
}
