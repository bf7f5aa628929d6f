#include "common/base/str.h"
#include "common/crypto/der.h"
#include "common/crypto/pbe.h"
#include "common/export/set.h"

#include <string.h>

/*
 * PKCS#12 (RFC 7292): one part with the certificates, encrypted, and one with the key, encrypted in
 * its bag; in this order, which every reader knows. The leaf and the key share a local key id and
 * the name.
 */

#define P12_MAX (2 * (LIMIT_CHAIN * LIMIT_CERT + LIMIT_KEY))
#define NAME_MAX_SHOWN 128

static const uint8_t version_0[] = {0x02, 0x01, 0x00};
static const uint8_t version_3[] = {0x02, 0x01, 0x03};
static const uint8_t oid_data[] = {
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01};
static const uint8_t oid_encrypted[] = {
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x06};
static const uint8_t oid_cert_bag[] = {
    0x06, 0x0b, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x0a, 0x01, 0x03};
static const uint8_t oid_key_bag[] = {
    0x06, 0x0b, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x0a, 0x01, 0x02};
static const uint8_t oid_x509[] = {
    0x06, 0x0a, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x16, 0x01};
static const uint8_t oid_friendly_name[] = {
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x14};
static const uint8_t oid_local_key_id[] = {
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x15};

/* UTF-8 as a BMPString; what it cannot say becomes a question mark. */
static void
put_bmp(struct der *d, const char *utf8)
{
	const uint8_t *p = (const uint8_t *)utf8;

	der_begin(d, DER_BMP_STRING);
	for (size_t n = 0; *p != 0 && n < NAME_MAX_SHOWN; n++) {
		unsigned more = *p >= 0xf0 ? 3 : *p >= 0xe0 ? 2 : *p >= 0xc0 ? 1 : 0;
		unsigned c = more == 0 ? *p : *p & (0x3fu >> more);

		p++;
		for (; more > 0 && (*p & 0xc0) == 0x80; more--)
			c = c << 6 | (*p++ & 0x3f);
		if (c > 0xffff || more > 0)
			c = '?';
		buf_put_be16(d->out, (uint16_t)c);
	}
	der_end(d);
}

static void
put_attributes(struct der *d, const char *name, const struct pkey *key)
{
	struct key_id id;

	pkey_id(key, &id);
	der_begin(d, DER_SET);
	if (name[0] != '\0') {
		der_begin(d, DER_SEQUENCE);
		der_put_raw(d, SPAN_OF(oid_friendly_name));
		der_begin(d, DER_SET);
		put_bmp(d, name);
		der_end(d);
		der_end(d);
	}
	der_begin(d, DER_SEQUENCE);
	der_put_raw(d, SPAN_OF(oid_local_key_id));
	der_begin(d, DER_SET);
	der_put(d, DER_OCTET_STRING, SPAN_OF(id.bytes));
	der_end(d);
	der_end(d);
	der_end(d);
}

static void
put_cert_bags(const struct export_set *set, const char *name, struct buf *out)
{
	struct der d = DER_INIT(out);

	der_begin(&d, DER_SEQUENCE);
	for (size_t i = 0; i < set->cert_count; i++) {
		der_begin(&d, DER_SEQUENCE);
		der_put_raw(&d, SPAN_OF(oid_cert_bag));
		der_begin(&d, DER_CONTEXT_CONS(0));
		der_begin(&d, DER_SEQUENCE);
		der_put_raw(&d, SPAN_OF(oid_x509));
		der_begin(&d, DER_CONTEXT_CONS(0));
		der_put(&d, DER_OCTET_STRING, set->certs[i]);
		der_end(&d);
		der_end(&d);
		der_end(&d);
		if (i == 0)
			put_attributes(&d, name, set->key);
		der_end(&d);
	}
	der_end(&d);
}

/* SEQUENCE { type data, [0] OCTET STRING } around what put writes. */
static void
begin_data(struct der *d)
{
	der_begin(d, DER_SEQUENCE);
	der_put_raw(d, SPAN_OF(oid_data));
	der_begin(d, DER_CONTEXT_CONS(0));
	der_begin(d, DER_OCTET_STRING);
}

static void
end_data(struct der *d)
{
	der_end(d);
	der_end(d);
	der_end(d);
}

static int
put_cert_part(const struct export_set *set, const char *name, enum pbe_style style,
    const struct secret *password, struct der *d, struct err *err)
{
	AUTO(buf_freep)
	struct buf *bags = buf_new(P12_MAX);
	AUTO(buf_freep)
	struct buf *algorithm = buf_new(LIMIT_TEXT);
	AUTO(buf_freep)
	struct buf *ciphertext = buf_new(P12_MAX);
	int r;

	put_cert_bags(set, name, bags);
	if ((r = buf_error(bags, "PKCS#12", err)) < 0 ||
	    (r = pbe_seal(style, buf_span(bags), password, algorithm, ciphertext, err)) < 0)
		return r;
	der_begin(d, DER_SEQUENCE);
	der_put_raw(d, SPAN_OF(oid_encrypted));
	der_begin(d, DER_CONTEXT_CONS(0));
	der_begin(d, DER_SEQUENCE);
	der_put_raw(d, SPAN_OF(version_0));
	der_begin(d, DER_SEQUENCE);
	der_put_raw(d, SPAN_OF(oid_data));
	der_put_raw(d, buf_span(algorithm));
	der_put(d, DER_CONTEXT(0), buf_span(ciphertext));
	der_end(d);
	der_end(d);
	der_end(d);
	der_end(d);
	return 0;
}

static int
put_key_part(const struct export_set *set, const char *name, enum pbe_style style,
    const struct secret *password, struct der *d, struct err *err)
{
	AUTO(secret_freep)
	struct secret *plain = NULL;
	AUTO(buf_freep)
	struct buf *algorithm = buf_new(LIMIT_TEXT);
	AUTO(buf_freep)
	struct buf *ciphertext = buf_new(2 * LIMIT_KEY);
	int r;

	if ((r = pkey_to_pkcs8(set->key, &plain, err)) < 0 ||
	    (r = pbe_seal(style, secret_span(plain), password, algorithm, ciphertext, err)) < 0)
		return r;
	begin_data(d);
	der_begin(d, DER_SEQUENCE);
	der_begin(d, DER_SEQUENCE);
	der_put_raw(d, SPAN_OF(oid_key_bag));
	der_begin(d, DER_CONTEXT_CONS(0));
	der_begin(d, DER_SEQUENCE);
	der_put_raw(d, buf_span(algorithm));
	der_put(d, DER_OCTET_STRING, buf_span(ciphertext));
	der_end(d);
	der_end(d);
	put_attributes(d, name, set->key);
	der_end(d);
	der_end(d);
	end_data(d);
	return 0;
}

int
export_p12(const struct export_set *set, const char *name, const struct secret *password,
    bool old_readers, struct buf *out, struct err *err)
{
	enum pbe_style style = old_readers ? PBE_OLD : PBE_PBKDF2;
	AUTO(buf_freep)
	struct buf *safes = buf_new(P12_MAX);
	AUTO(buf_freep)
	struct buf *mac = buf_new(LIMIT_TEXT);
	struct der inner = DER_INIT(safes), d = DER_INIT(out);
	int r = export_check(set, true, err);

	if (r < 0)
		return r;
	der_begin(&inner, DER_SEQUENCE);
	if ((r = put_cert_part(set, name, style, password, &inner, err)) < 0 ||
	    (r = put_key_part(set, name, style, password, &inner, err)) < 0)
		return r;
	der_end(&inner);
	if ((r = buf_error(safes, "PKCS#12", err)) < 0 ||
	    (r = pbe_put_mac(style, buf_span(safes), password, mac, err)) < 0)
		return r;
	der_begin(&d, DER_SEQUENCE);
	der_put_raw(&d, SPAN_OF(version_3));
	begin_data(&d);
	der_put_raw(&d, buf_span(safes));
	end_data(&d);
	der_put(&d, DER_SEQUENCE, buf_span(mac));
	der_end(&d);
	return buf_error(out, "PKCS#12", err);
}
