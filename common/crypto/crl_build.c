/* Revocation lists are written as certificates are: constant DER, with what differs in between. */

#include "common/crypto/cert_build.h"
#include "common/crypto/cert_priv.h"
#include "common/crypto/crl.h"
#include "common/crypto/pem.h"

static const uint8_t version_2[] = {0x02, 0x01, 0x01};
static const uint8_t oid_reason[] = {0x06, 0x03, 0x55, 0x1d, 0x15};
static const uint8_t oid_number[] = {0x06, 0x03, 0x55, 0x1d, 0x14};
static const uint8_t oid_authority_key_id[] = {0x06, 0x03, 0x55, 0x1d, 0x23};

static void
put_entry(struct der *d, const struct crl_entry *e)
{
	const uint8_t reason[] = {0x0a, 0x01, (uint8_t)e->reason};

	der_begin(d, DER_SEQUENCE);
	der_put_uint(d, SPAN(e->serial.bytes, e->serial.len));
	der_put_time(d, e->revoked_at);
	/* That none is said has no form of its own. */
	if (e->reason != 0) {
		der_begin(d, DER_SEQUENCE);
		der_begin_extension(d, SPAN_OF(oid_reason));
		der_put_raw(d, SPAN_OF(reason));
		der_end_extension(d);
		der_end(d);
	}
	der_end(d);
}

static void
put_extensions(struct der *d, const struct crl_params *p)
{
	der_begin(d, DER_CONTEXT_CONS(0));
	der_begin(d, DER_SEQUENCE);
	der_begin_extension(d, SPAN_OF(oid_authority_key_id));
	der_begin(d, DER_SEQUENCE);
	der_put(d, DER_CONTEXT(0), cert_subject_key_id(p->ca));
	der_end(d);
	der_end_extension(d);
	der_begin_extension(d, SPAN_OF(oid_number));
	der_put_uint(d, p->number);
	der_end_extension(d);
	der_end(d);
	der_end(d);
}

static int
check(const struct crl_params *p, struct err *err)
{
	if (!cert_has_key(p->ca, p->key))
		return err_set(err, ERR_INVALID, "the signing key is not that of the CA");
	if (p->this_update < 0 || p->next_update <= p->this_update || p->next_update > TIME_MAX)
		return err_set(err, ERR_INVALID,
		    "a revocation list from %lld to %lld (seconds since 1970) is never valid",
		    (long long)p->this_update, (long long)p->next_update);
	if (p->number.len == 0 || p->number.len > LIMIT_SERIAL)
		return err_set(err, ERR_INVALID, "the number of a revocation list is 1 to %d bytes",
		    LIMIT_SERIAL);
	if (p->count > LIMIT_CRL_ENTRIES)
		return err_set(err, ERR_LIMIT, "revocation list of %zu entries; at most %d",
		    p->count, LIMIT_CRL_ENTRIES);
	for (size_t i = 0; i < p->count; i++) {
		const struct crl_entry *e = &p->entries[i];

		if (e->serial.len == 0 || e->serial.len > LIMIT_SERIAL || e->revoked_at < 0 ||
		    e->revoked_at > TIME_MAX || e->reason > 10 || e->reason == 7)
			return err_set(err, ERR_INVALID,
			    "entry %zu of a revocation list has a serial number, time or reason "
			    "that cannot be",
			    i + 1);
	}
	return 0;
}

int
crl_build(const struct crl_params *p, struct buf *out, struct err *err)
{
	AUTO(buf_freep)
	struct buf *tbs = buf_new(LIMIT_CRL);
	struct der d = DER_INIT(tbs);
	int r = check(p, err);

	if (r < 0)
		return r;
	der_begin(&d, DER_SEQUENCE);
	der_put_raw(&d, SPAN_OF(version_2));
	der_put_algorithm(&d, p->key);
	der_put_raw(&d, cert_subject_der(p->ca));
	der_put_time(&d, p->this_update);
	der_put_time(&d, p->next_update);
	/* An empty list has none: RFC 5280 wants it left out then. */
	if (p->count > 0) {
		der_begin(&d, DER_SEQUENCE);
		for (size_t i = 0; i < p->count; i++)
			put_entry(&d, &p->entries[i]);
		der_end(&d);
	}
	put_extensions(&d, p);
	der_end(&d);
	r = buf_error(tbs, "revocation list", err);
	return r < 0 ? r : der_sign(buf_span(tbs), p->key, out, err);
}

void
crl_put_pem(struct span der, struct buf *out)
{
	pem_put(out, "X509 CRL", der);
}
