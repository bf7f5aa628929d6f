#include "common/crypto/cert_build.h"

#include "common/base/str.h"
#include "common/crypto/cert_priv.h"
#include "common/crypto/crypto_err.h"
#include "common/crypto/ossl.h"
#include "common/crypto/sign.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/*
 * Everything of a certificate that is the same for all of its kind stands here as DER; only names,
 * times, keys and identifiers are written at run time.
 */
static const uint8_t version_3[] = {0xa0, 0x03, 0x02, 0x01, 0x02};
static const uint8_t oid_key_usage_critical[] = {0x06, 0x03, 0x55, 0x1d, 0x0f, 0x01, 0x01, 0xff};
static const uint8_t oid_ext_key_usage[] = {0x06, 0x03, 0x55, 0x1d, 0x25};
static const uint8_t oid_basic_constraints_critical[] = {
    0x06, 0x03, 0x55, 0x1d, 0x13, 0x01, 0x01, 0xff};
static const uint8_t oid_subject_key_id[] = {0x06, 0x03, 0x55, 0x1d, 0x0e};
static const uint8_t oid_authority_key_id[] = {0x06, 0x03, 0x55, 0x1d, 0x23};
static const uint8_t oid_subject_alt_name[] = {0x06, 0x03, 0x55, 0x1d, 0x11};
static const uint8_t oid_subject_alt_name_critical[] = {
    0x06, 0x03, 0x55, 0x1d, 0x11, 0x01, 0x01, 0xff};
static const uint8_t oid_crl_points[] = {0x06, 0x03, 0x55, 0x1d, 0x1f};
static const uint8_t oid_authority_info[] = {
    0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x01};
static const uint8_t ca_issuers[] = {0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x02};
static const uint8_t server_auth[] = {0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01};
static const uint8_t client_auth[] = {0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02};
static const uint8_t email_protection[] = {
    0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x04};
static const uint8_t ca_true[] = {0x01, 0x01, 0xff};

static const uint8_t ecdsa_sha256[] = {
    0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};
static const uint8_t ecdsa_sha384[] = {
    0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03};
static const uint8_t ecdsa_sha512[] = {
    0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04};
static const uint8_t rsa_sha256[] = {
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b, 0x05, 0x00};
static const uint8_t ed25519[] = {0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70};

static struct span
signature_algorithm(const struct pkey *signer)
{
	EVP_PKEY *key = pkey_evp(signer);

	switch (EVP_PKEY_get_base_id(key)) {
	case EVP_PKEY_EC:
		if (EVP_PKEY_get_bits(key) > 384)
			return SPAN_OF(ecdsa_sha512);
		if (EVP_PKEY_get_bits(key) > 256)
			return SPAN_OF(ecdsa_sha384);
		return SPAN_OF(ecdsa_sha256);
	case EVP_PKEY_ED25519:
		return SPAN_OF(ed25519);
	default:
		return SPAN_OF(rsa_sha256);
	}
}

void
der_put_algorithm(struct der *d, const struct pkey *signer)
{
	der_put_raw(d, signature_algorithm(signer));
}

/* The hash that goes with signature_algorithm(); NULL for Ed25519, which brings its own. */
static const EVP_MD *
signature_hash(const struct pkey *signer)
{
	const uint8_t *algorithm = signature_algorithm(signer).data;

	if (algorithm == ed25519)
		return NULL;
	if (algorithm == ecdsa_sha512)
		return EVP_sha512();
	return algorithm == ecdsa_sha384 ? EVP_sha384() : EVP_sha256();
}

int
der_sign(struct span tbs, const struct pkey *signer, struct buf *out, struct err *err)
{
	AUTO(EVP_MD_CTX_freep)
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	struct der d = DER_INIT(out);
	size_t len = 0;
	uint8_t *room;

	if (!pkey_has_private(signer))
		return err_set(err, ERR_INVALID, "sign with a key that has no private half");
	if (md == NULL ||
	    EVP_DigestSignInit(md, NULL, signature_hash(signer), NULL, pkey_evp(signer)) != 1 ||
	    EVP_DigestSign(md, NULL, &len, tbs.data, tbs.len) != 1)
		return crypto_err(err, ERR_CRYPTO, "sign a certificate or request");
	der_begin(&d, DER_SEQUENCE);
	der_put_raw(&d, tbs);
	der_put_raw(&d, signature_algorithm(signer));
	der_begin(&d, DER_BIT_STRING);
	buf_put_u8(out, 0); /* no bits unused */
	room = buf_reserve(out, len);
	if (room == NULL)
		return buf_error(out, "certificate or request", err);
	if (EVP_DigestSign(md, room, &len, tbs.data, tbs.len) != 1)
		return crypto_err(err, ERR_CRYPTO, "sign a certificate or request");
	buf_advance(out, len);
	der_end(&d);
	der_end(&d);
	return buf_error(out, "certificate or request", err);
}

void
common_name_of(const char *prefix, const char *text, char out[static COMMON_NAME_MAX + 1])
{
	size_t n;

	snprintf(out, COMMON_NAME_MAX + 1, "%s%s", prefix, text);
	n = strlen(out);
	if (strlen(prefix) + strlen(text) == n)
		return;
	/* A cut inside a UTF-8 character goes back to where it began. */
	while (n > 0 && ((uint8_t)text[n - strlen(prefix)] & 0xc0) == 0x80)
		out[--n] = '\0';
}

static void
put_serial(struct der *d)
{
	uint8_t serial[16];

	random_bytes(serial, sizeof(serial));
	serial[0] &= 0x7f;
	der_put_uint(d, SPAN_OF(serial));
}

void
der_begin_extension(struct der *d, struct span head)
{
	der_begin(d, DER_SEQUENCE);
	der_put_raw(d, head);
	der_begin(d, DER_OCTET_STRING);
}

void
der_end_extension(struct der *d)
{
	der_end(d);
	der_end(d);
}

static void
put_key_usage(struct der *d, unsigned usage)
{
	uint8_t bits[2] = {0, (uint8_t)usage};

	CHECK(bits[1] != 0);
	while ((usage >> bits[0] & 1) == 0)
		bits[0]++;
	der_begin_extension(d, SPAN_OF(oid_key_usage_critical));
	der_put(d, DER_BIT_STRING, SPAN_OF(bits));
	der_end_extension(d);
}

static void
put_basic_constraints(struct der *d, uint8_t path_len)
{
	der_begin_extension(d, SPAN_OF(oid_basic_constraints_critical));
	der_begin(d, DER_SEQUENCE);
	der_put_raw(d, SPAN_OF(ca_true));
	der_put_uint(d, SPAN(&path_len, 1));
	der_end(d);
	der_end_extension(d);
}

static void
put_ext_key_usage(struct der *d, const struct cert_profile *p)
{
	if (!p->server_auth && !p->client_auth && !p->email_protection)
		return;
	der_begin_extension(d, SPAN_OF(oid_ext_key_usage));
	der_begin(d, DER_SEQUENCE);
	if (p->server_auth)
		der_put_raw(d, SPAN_OF(server_auth));
	if (p->client_auth)
		der_put_raw(d, SPAN_OF(client_auth));
	if (p->email_protection)
		der_put_raw(d, SPAN_OF(email_protection));
	der_end(d);
	der_end_extension(d);
}

static void
put_key_ids(struct der *d, struct span own, struct span issuer)
{
	der_begin_extension(d, SPAN_OF(oid_subject_key_id));
	der_put(d, DER_OCTET_STRING, own);
	der_end_extension(d);
	if (issuer.len == 0)
		return;
	der_begin_extension(d, SPAN_OF(oid_authority_key_id));
	der_begin(d, DER_SEQUENCE);
	der_put(d, DER_CONTEXT(0), issuer);
	der_end(d);
	der_end_extension(d);
}

/* The letters of DNS names, with '*' for wildcards and '_' for names of services. */
static bool
is_dns_name(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-._*";
	size_t n = strlen(name);

	return n > 0 && n <= LIMIT_NAME && strspn(name, letters) == n;
}

/* The part before the '@' is the mailbox's own affair; behind it stands a DNS name. */
static bool
is_email(const char *name)
{
	const char *at = strrchr(name, '@');

	if (at == NULL || at == name || strlen(name) > LIMIT_NAME || !is_dns_name(at + 1))
		return false;
	for (const char *p = name; *p != '\0'; p++)
		if (*p <= ' ' || *p > '~')
			return false;
	return true;
}

size_t
address_bytes(const char *name, uint8_t out[static 16])
{
	if (inet_pton(AF_INET, name, out) == 1)
		return 4;
	return inet_pton(AF_INET6, name, out) == 1 ? 16 : 0;
}

static int
put_general_name(struct der *d, const char *name, struct err *err)
{
	struct buf text = BUF_INIT(ERR_TEXT_MAX);
	uint8_t address[16];
	size_t n = address_bytes(name, address);

	if (n > 0) {
		der_put(d, DER_CONTEXT(7), SPAN(address, n));
		return 0;
	}
	if (is_dns_name(name)) {
		der_put(d, DER_CONTEXT(2), span_str(name));
		return 0;
	}
	if (is_email(name)) {
		der_put(d, DER_CONTEXT(1), span_str(name));
		return 0;
	}
	str_put_escaped(&text, span_str(name), 64);
	err_set(err, ERR_INVALID,
	    "'%s' is neither a DNS name nor an IP address nor an e-mail address", buf_str(&text));
	buf_fini(&text);
	return ERR_INVALID;
}

static int
put_alt_names(struct der *d, const struct cert_profile *p, struct err *err)
{
	if (p->uri == NULL && p->name_count == 0)
		return 0;
	der_begin_extension(d,
	    p->common_name == NULL && p->subject_count == 0 ? SPAN_OF(oid_subject_alt_name_critical)
							    : SPAN_OF(oid_subject_alt_name));
	der_begin(d, DER_SEQUENCE);
	if (p->uri != NULL)
		der_put(d, DER_CONTEXT(6), span_str(p->uri));
	for (size_t i = 0; i < p->name_count; i++) {
		int r = put_general_name(d, p->names[i], err);
		if (r < 0)
			return r;
	}
	der_end(d);
	der_end_extension(d);
	return 0;
}

/* Where the issuer's revocation list and certificate are; both by HTTP, as RFC 5280 asks for. */
static void
put_addresses(struct der *d, const struct cert_profile *p)
{
	if (p->crl_url != NULL) {
		der_begin_extension(d, SPAN_OF(oid_crl_points));
		der_begin(d, DER_SEQUENCE);
		der_begin(d, DER_SEQUENCE);
		der_begin(d, DER_CONTEXT_CONS(0)); /* distributionPoint */
		der_begin(d, DER_CONTEXT_CONS(0)); /* fullName */
		der_put(d, DER_CONTEXT(6), span_str(p->crl_url));
		der_end(d);
		der_end(d);
		der_end(d);
		der_end(d);
		der_end_extension(d);
	}
	if (p->issuer_url != NULL) {
		der_begin_extension(d, SPAN_OF(oid_authority_info));
		der_begin(d, DER_SEQUENCE);
		der_begin(d, DER_SEQUENCE);
		der_put_raw(d, SPAN_OF(ca_issuers));
		der_put(d, DER_CONTEXT(6), span_str(p->issuer_url));
		der_end(d);
		der_end(d);
		der_end_extension(d);
	}
}

static int
put_extensions(struct der *d, const struct cert_profile *p, struct err *err)
{
	struct key_id id;
	struct span own = SPAN_OF(id.bytes);
	int r;

	pkey_id(p->key, &id);
	der_begin(d, DER_CONTEXT_CONS(3));
	der_begin(d, DER_SEQUENCE);
	put_key_usage(d, p->usage);
	if (p->is_ca)
		put_basic_constraints(d, p->path_len);
	put_ext_key_usage(d, p);
	put_key_ids(d, own, p->issuer != NULL ? cert_subject_key_id(p->issuer) : own);
	r = put_alt_names(d, p, err);
	if (r < 0)
		return r;
	put_addresses(d, p);
	der_end(d);
	der_end(d);
	return 0;
}

int
der_put_request_extensions(struct der *d, const struct cert_profile *p, struct err *err)
{
	int r;

	der_begin(d, DER_SEQUENCE);
	put_key_usage(d, p->usage);
	put_ext_key_usage(d, p);
	r = put_alt_names(d, p, err);
	if (r < 0)
		return r;
	der_end(d);
	return 0;
}

static int
put_subject(struct der *d, const struct cert_profile *p, struct err *err)
{
	if (p->subject_of != NULL) {
		der_put_raw(d, cert_subject_der(p->subject_of));
		return 0;
	}
	return der_put_subject(d, p->subject, p->subject_count, p->common_name, err);
}

static int
put_tbs(struct buf *out, const struct cert_profile *p, struct err *err)
{
	struct der d = DER_INIT(out);
	int r;

	der_begin(&d, DER_SEQUENCE);
	der_put_raw(&d, SPAN_OF(version_3));
	put_serial(&d);
	der_put_raw(&d, signature_algorithm(p->signer));
	if (p->issuer != NULL)
		der_put_raw(&d, cert_subject_der(p->issuer));
	else if ((r = put_subject(&d, p, err)) < 0)
		return r;
	der_begin(&d, DER_SEQUENCE);
	der_put_time(&d, p->not_before);
	der_put_time(&d, p->not_after);
	der_end(&d);
	if ((r = put_subject(&d, p, err)) < 0 || (r = pkey_put_spki(p->key, out, err)) < 0 ||
	    (r = put_extensions(&d, p, err)) < 0)
		return r;
	der_end(&d);
	return buf_error(out, "certificate", err);
}

static int
check_profile(const struct cert_profile *p, struct err *err)
{
	char until[TIME_TEXT_MAX], end[TIME_TEXT_MAX];

	if (p->name_count > LIMIT_NAMES)
		return err_set(err, ERR_LIMIT, "a certificate with %zu names; at most %d",
		    p->name_count, LIMIT_NAMES);
	if (p->not_before < 0 || p->not_before > p->not_after || p->not_after > TIME_MAX)
		return err_set(err, ERR_INVALID,
		    "a certificate from %lld to %lld (seconds since 1970) is never valid",
		    (long long)p->not_before, (long long)p->not_after);
	if (p->issuer == NULL)
		return 0;
	if (!cert_is_ca(p->issuer))
		return err_set(err, ERR_INVALID, "the issuing certificate is not one of a CA");
	if (!cert_has_key(p->issuer, p->signer))
		return err_set(err, ERR_INVALID, "the signing key is not that of the CA");
	if (p->not_after > cert_not_after(p->issuer))
		return err_set(err, ERR_INVALID,
		    "the certificate would be valid to %s, but its CA only to %s: ask for a "
		    "shorter time or make a new CA",
		    time_text(p->not_after, until), time_text(cert_not_after(p->issuer), end));
	return 0;
}

int
cert_build(const struct cert_profile *p, struct cert **out, struct err *err)
{
	AUTO(buf_freep)
	struct buf *tbs = buf_new(LIMIT_CERT);
	AUTO(buf_freep)
	struct buf *der = buf_new(LIMIT_CERT);
	int r;

	if ((r = check_profile(p, err)) < 0 || (r = put_tbs(tbs, p, err)) < 0 ||
	    (r = der_sign(buf_span(tbs), p->signer, der, err)) < 0)
		return r;
	*out = cert_of_own_der(der);
	return 0;
}
