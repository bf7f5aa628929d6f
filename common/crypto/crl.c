#include "common/crypto/crl.h"

#include "common/crypto/cert_build.h"
#include "common/crypto/cert_priv.h"
#include "common/crypto/crypto_err.h"
#include "common/crypto/ossl.h"

#include <string.h>
#include <time.h>

#include <openssl/x509.h>

DEFINE_OSSL_FREEP(X509_CRL, X509_CRL_free)

static const uint8_t oid_reason[] = {0x55, 0x1d, 0x15};
static const uint8_t oid_number[] = {0x55, 0x1d, 0x14};
static const uint8_t oid_key_id[] = {0x55, 0x1d, 0x23};

#define DER_ENUMERATED 0x0a

static X509_CRL *
decode(struct span der)
{
	const uint8_t *p = der.data;
	X509_CRL *crl = der.len > 0 ? d2i_X509_CRL(NULL, &p, (long)der.len) : NULL;

	if (crl != NULL && p == der.data + der.len)
		return crl;
	X509_CRL_free(crl);
	return NULL;
}

int
crl_check(struct span der, struct err *err)
{
	AUTO(X509_CRL_freep)
	X509_CRL *crl = decode(der);

	if (crl == NULL)
		return crypto_err(err, ERR_PARSE, "revocation list is not DER");
	crypto_err_forget();
	return 0;
}

bool
crl_signed_by(struct span der, const struct cert *ca)
{
	AUTO(X509_CRL_freep)
	X509_CRL *crl = decode(der);
	EVP_PKEY *key = X509_get0_pubkey(cert_x509(ca));
	bool is = crl != NULL && key != NULL && X509_CRL_verify(crl, key) == 1;

	crypto_err_forget();
	return is;
}

/* --- serial numbers --- */

/* Content of an INTEGER that is not negative, its leading zeroes dropped; 0 stays one byte. */
static bool
set_serial(struct crl_serial *out, struct span content)
{
	if (content.len == 0 || (content.data[0] & 0x80) != 0)
		return false;
	while (content.len > 1 && content.data[0] == 0)
		content = SPAN(content.data + 1, content.len - 1);
	if (content.len > LIMIT_SERIAL)
		return false;
	out->len = (uint8_t)content.len;
	memset(out->bytes, 0, sizeof(out->bytes));
	memcpy(out->bytes, content.data, content.len);
	return true;
}

int
cert_serial(const struct cert *c, struct crl_serial *out, struct err *err)
{
	const ASN1_INTEGER *n = X509_get0_serialNumber(cert_x509(c));
	int len = ASN1_STRING_length(n);
	uint8_t bytes[LIMIT_SERIAL + 1] = {0};

	/* OpenSSL keeps the number without its sign and leading zeroes. */
	if (len < 0 || len > LIMIT_SERIAL || ASN1_STRING_type(n) == V_ASN1_NEG_INTEGER)
		return err_set(err, ERR_LIMIT,
		    "a serial number has 1 to %d bytes and is not negative", LIMIT_SERIAL);
	memcpy(bytes + 1, ASN1_STRING_get0_data(n), (size_t)len);
	CHECK(set_serial(out, SPAN(bytes, (size_t)len + 1)));
	return 0;
}

bool
crl_serial_equal(const struct crl_serial *a, const struct crl_serial *b)
{
	return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

/* --- reading --- */

static int
two_digits(const uint8_t *p)
{
	if (p[0] < '0' || p[0] > '9' || p[1] < '0' || p[1] > '9')
		return -1;
	return (p[0] - '0') * 10 + p[1] - '0';
}

/* UTCTime to 2049 or GeneralizedTime, with seconds and Z, as RFC 5280 asks for. */
static bool
parse_time(unsigned tag, struct span s, int64_t *out)
{
	static const uint8_t days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	struct tm tm = {0}, again;
	int part[7] = {0};
	size_t count = tag == DER_UTC_TIME ? 6 : 7;
	time_t seconds;

	if ((tag != DER_UTC_TIME && tag != DER_GENERALIZED_TIME) || s.len != 2 * count + 1 ||
	    s.data[s.len - 1] != 'Z')
		return false;
	for (size_t i = 0; i < count; i++)
		if ((part[7 - count + i] = two_digits(s.data + 2 * i)) < 0)
			return false;
	if (tag == DER_UTC_TIME)
		part[0] = part[1] < 50 ? 20 : 19;
	tm.tm_year = part[0] * 100 + part[1] - 1900;
	tm.tm_mon = part[2] - 1;
	tm.tm_mday = part[3];
	tm.tm_hour = part[4];
	tm.tm_min = part[5];
	tm.tm_sec = part[6];
	if (part[2] < 1 || part[2] > 12 || part[3] < 1 || part[3] > days[part[2] - 1] ||
	    part[4] > 23 || part[5] > 59 || part[6] > 59)
		return false;
	seconds = timegm(&tm);
	if (gmtime_r(&seconds, &again) == NULL || again.tm_mday != part[3])
		return false; /* the 30th of February */
	*out = seconds;
	return true;
}

static int64_t
take_time(struct der_reader *r)
{
	struct span content;
	unsigned tag;
	int64_t seconds = 0;

	if (!der_next(r, &tag, &content) || !parse_time(tag, content, &seconds))
		r->failed = true;
	return seconds;
}

/* One Extension; content of its value. A critical one that is not known here fails. */
static struct span
take_extension(struct der_reader *r, struct span *oid, bool *critical)
{
	struct der_reader e = der_enter(r, DER_SEQUENCE);
	struct span value;
	unsigned tag;

	*oid = der_take(&e, DER_OID);
	*critical = false;
	if (!der_next(&e, &tag, &value)) {
		r->failed = true;
		return value;
	}
	if (tag == DER_BOOLEAN) {
		/* DER leaves the default out. */
		if (value.len != 1 || value.data[0] != 0xff)
			e.failed = true;
		*critical = true;
		value = der_take(&e, DER_OCTET_STRING);
	} else if (tag != DER_OCTET_STRING) {
		e.failed = true;
	}
	if (!der_done(&e))
		r->failed = true;
	return value;
}

static void
read_entry_extensions(struct der_reader *r, struct crl_entry *out)
{
	struct der_reader list = der_enter(r, DER_SEQUENCE);

	while (!list.failed && list.rest.len > 0) {
		struct span oid, value;
		bool critical;

		value = take_extension(&list, &oid, &critical);
		if (span_equal(oid, SPAN_OF(oid_reason))) {
			struct der_reader v = DER_READER(value);
			struct span reason = der_take_fixed(&v, DER_ENUMERATED, 1);

			if (!der_done(&v) || reason.data[0] > 10) {
				r->failed = true;
				return;
			}
			out->reason = reason.data[0];
		} else if (critical) {
			list.failed = true;
		}
	}
	r->failed = r->failed || list.failed;
}

static bool
read_entry(struct der_reader *list, struct crl_entry *out)
{
	struct der_reader e = der_enter(list, DER_SEQUENCE);

	*out = (struct crl_entry){0};
	if (!set_serial(&out->serial, der_take(&e, DER_INTEGER)))
		return false;
	out->revoked_at = take_time(&e);
	if (!e.failed && e.rest.len > 0)
		read_entry_extensions(&e, out);
	return der_done(&e);
}

static int
read_entries(struct span content, struct crl *out, struct err *err)
{
	struct der_reader list = DER_READER(content), count = DER_READER(content);
	unsigned tag;
	struct span entry;
	size_t n = 0;

	while (der_next(&count, &tag, &entry))
		n++;
	if (n > LIMIT_CRL_ENTRIES)
		return err_set(err, ERR_LIMIT, "revocation list of %zu entries; at most %d", n,
		    LIMIT_CRL_ENTRIES);
	out->entries = mem_array(n + 1, sizeof(*out->entries));
	for (; out->count < n; out->count++)
		if (!read_entry(&list, &out->entries[out->count]))
			return err_set(err, ERR_PARSE,
			    "revocation list: entry %zu is not one of RFC 5280", out->count + 1);
	return 0;
}

static void
read_number(struct der_reader *list, struct span value, struct crl *out)
{
	struct der_reader v = DER_READER(value);
	struct crl_serial number = {0};

	if (!set_serial(&number, der_take(&v, DER_INTEGER)) || !der_done(&v)) {
		list->failed = true;
		return;
	}
	memcpy(out->number, number.bytes, number.len);
	out->number_len = number.len;
}

static bool
read_extensions(struct span content, struct crl *out)
{
	struct der_reader outer = DER_READER(content);
	struct der_reader list = der_enter(&outer, DER_SEQUENCE);

	while (!list.failed && list.rest.len > 0) {
		struct span oid, value;
		bool critical;

		value = take_extension(&list, &oid, &critical);
		if (span_equal(oid, SPAN_OF(oid_number)))
			read_number(&list, value, out);
		else if (critical && !span_equal(oid, SPAN_OF(oid_key_id)))
			return false;
	}
	return !list.failed && der_done(&outer);
}

static int
read_tbs(struct der_reader *tbs, struct crl *out, struct err *err)
{
	static const uint8_t version_2[] = {0x02, 0x01, 0x01};
	struct span content;
	unsigned tag;
	bool has_entries = false, has_extensions = false;
	int r = 0;

	der_expect(tbs, SPAN_OF(version_2));
	(void)der_take(tbs, DER_SEQUENCE); /* algorithm: crl_signed_by judges it */
	out->issuer = der_take(tbs, DER_SEQUENCE);
	out->this_update = take_time(tbs);
	while (r == 0 && !tbs->failed && der_next(tbs, &tag, &content)) {
		if (tag == DER_CONTEXT_CONS(0) && !has_extensions) {
			has_extensions = true;
			tbs->failed = !read_extensions(content, out);
		} else if (has_extensions || has_entries) {
			tbs->failed = true;
		} else if (tag == DER_SEQUENCE) {
			has_entries = true;
			r = read_entries(content, out, err);
		} else {
			tbs->failed = out->next_update != 0 ||
			    !parse_time(tag, content, &out->next_update) || out->next_update == 0;
		}
	}
	if (r == 0 && !der_done(tbs))
		r = err_set(err, ERR_PARSE, "revocation list is not one of RFC 5280, version 2");
	return r;
}

int
crl_read(struct span der, struct crl *out, struct err *err)
{
	struct der_reader r = DER_READER(der);
	struct der_reader list = der_enter(&r, DER_SEQUENCE);
	struct der_reader tbs = der_enter(&list, DER_SEQUENCE);
	struct crl l = {0};
	int rc;

	if (der.len > LIMIT_CRL)
		return err_set(
		    err, ERR_LIMIT, "revocation list of %zu bytes; at most %d", der.len, LIMIT_CRL);
	(void)der_take(&list, DER_SEQUENCE);
	(void)der_take(&list, DER_BIT_STRING);
	if (!der_done(&list) || !der_done(&r))
		return err_set(err, ERR_PARSE, "revocation list is not DER");
	rc = read_tbs(&tbs, &l, err);
	if (rc < 0)
		crl_fini(&l);
	else
		*out = l;
	return rc;
}

void
crl_fini(struct crl *l)
{
	if (l == NULL)
		return;
	mem_free(l->entries);
	*l = (struct crl){0};
}

const struct crl_entry *
crl_find(const struct crl *l, const struct crl_serial *serial)
{
	for (size_t i = 0; i < l->count; i++)
		if (crl_serial_equal(&l->entries[i].serial, serial))
			return &l->entries[i];
	return NULL;
}
