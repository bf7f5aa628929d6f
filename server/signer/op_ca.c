/* Micro CAs: made, renewed, and their revocation lists. */

#include "server/signer/core_priv.h"

#include "common/crypto/cert_facts.h"
#include "common/crypto/crl.h"

#include <string.h>

/* What a certificate of a CA is made of, beside itself. */
struct ca_work {
	struct open_ca *parent, *predecessor;
	struct pkey *key;
	struct cert *cert, *cross;
	struct ca_urls parent_urls, predecessor_urls;
	struct audience to;
};

static void
work_fini(struct ca_work *w)
{
	open_ca_unref(w->parent);
	open_ca_unref(w->predecessor);
	pkey_unref(w->key);
	cert_unref(w->cert);
	cert_unref(w->cross);
	audience_fini(&w->to);
}

/* A root with room for a CA below it. */
static int
open_parent(struct signer_core *c, const struct signed_bytes *record, struct ca_work *w,
    struct ca_params *p, struct err *err)
{
	struct cert_facts facts;
	int r = core_open_ca(c, record, true, &w->parent, err);

	if (r < 0)
		return r;
	cert_facts(w->parent->cert, &facts);
	if (w->parent->public.has_parent || facts.path_len == 0)
		return err_set(err, ERR_DENIED,
		    "the CA above is no root that may have another one below it; renewing it makes "
		    "room for one");
	p->issuer = w->parent->cert;
	p->issuer_key = w->parent->key;
	p->path_len = 0;
	if (open_ca_urls(w->parent, &w->parent_urls)) {
		p->crl_url = w->parent_urls.crl;
		p->issuer_url = w->parent_urls.certificate;
	}
	return 0;
}

/* The new key under the old one's signature, for who trusts only that; never longer than it. */
static int
make_cross(struct ca_work *w, const struct ca_params *own, struct err *err)
{
	const struct open_ca *by = w->predecessor;
	struct ca_params p = *own;

	p.issuer = by->cert;
	p.issuer_key = by->key;
	if (p.not_after > cert_not_after(by->cert))
		p.not_after = cert_not_after(by->cert);
	p.crl_url = p.issuer_url = NULL;
	if (open_ca_urls(by, &w->predecessor_urls)) {
		p.crl_url = w->predecessor_urls.crl;
		p.issuer_url = w->predecessor_urls.certificate;
	}
	if (p.not_after <= p.not_before)
		return 0;
	return cert_make_ca(&p, &w->cross, err);
}

/* Public part from what was made, and the seal of its key for managers alone. */
static int
seal_ca(struct signer_core *c, const struct record_ref *ref, const struct ca_public *like,
    struct ca_work *w, struct op_out *out, struct err *err)
{
	struct ca_public public = *like;
	struct span chain[LIMIT_CHAIN];
	size_t count = 0;
	int r;

	chain[count++] = cert_der(w->cert);
	if (w->parent != NULL)
		for (size_t i = 0; i < w->parent->public.chain.count && count < LIMIT_CHAIN; i++)
			chain[count++] = w->parent->public.chain.items[i];
	public.key = pkey_spki(w->key);
	public.chain = (struct spans){chain, count};
	public.not_after = cert_not_after(w->cert);
	public.has_parent = w->parent != NULL;
	if (w->parent != NULL)
	public.parent = w->parent->ref.id;
	if (w->cross != NULL)
	public.cross = cert_der(w->cross);
	public.memory = NULL;
	r = wire_ca_public_encode(&public, &out->public_part, err);
	return r < 0 ? r : core_seal_made(c, ref, KIND_CA, w->key, &w->to, out, err);
}

int
do_make_ca(
    struct signer_core *c, const struct signer_request *r, struct op_out *out, struct err *err)
{
	const struct signer_make_ca *s = &r->make_ca;
	const struct ca_public like = {.key_type = s->key_type,
	    .enabled = true,
	    .is_default = s->is_default,
	    .address = s->address};
	struct ca_params p = {.name = s->name,
	    .not_before = s->not_before,
	    .not_after = s->not_after,
	    .path_len = CA_ROOT_PATH_LEN};
	struct ca_work w = {0};
	enum key_type type;
	int rc = key_type_parse(s->key_type, &type, err);

	/* A CA's key is for managers alone. */
	if (rc == 0)
		rc = beliefs_audience(c->beliefs, (struct ids){NULL, 0}, &w.to, err);
	if (rc == 0 && s->has_parent)
		rc = open_parent(c, &s->parent, &w, &p, err);
	if (rc == 0 && s->has_predecessor)
		rc = core_open_ca(c, &s->predecessor, false, &w.predecessor, err);
	if (rc == 0)
		rc = pkey_generate(type, &w.key, err);
	p.key = w.key;
	if (w.predecessor != NULL)
		p.subject_of = w.predecessor->cert;
	if (rc == 0)
		rc = cert_make_ca(&p, &w.cert, err);
	/* An intermediate's new key is signed by the same root as its old one. */
	if (rc == 0 && w.predecessor != NULL && w.parent == NULL)
		rc = make_cross(&w, &p, err);
	if (rc == 0)
		rc = seal_ca(c, &s->ca, &like, &w, out, err);
	work_fini(&w);
	return rc;
}

int
do_renew_ca(
    struct signer_core *c, const struct signer_request *r, struct op_out *out, struct err *err)
{
	const struct signer_renew_ca *s = &r->renew_ca;
	struct ca_params p = {
	    .not_before = s->not_before, .not_after = s->not_after, .path_len = CA_ROOT_PATH_LEN};
	AUTO(open_ca_unrefp)
	struct open_ca *ca = NULL;
	struct ca_work w = {0};
	int rc = core_open_ca(c, &s->ca, false, &ca, err);

	if (rc == 0 && (!id_equal(&s->to.id, &ca->ref.id) || s->to.version <= ca->ref.version))
		rc = err_set(err, ERR_INVALID, "a CA is renewed as a later version of its record");
	if (rc == 0 && ca->public.has_parent != s->has_parent)
		rc = err_set(err, ERR_DENIED, "a renewal leaves a CA below the same root");
	if (rc == 0)
		rc = beliefs_audience(c->beliefs, (struct ids){NULL, 0}, &w.to, err);
	if (rc == 0 && s->has_parent)
		rc = open_parent(c, &s->parent, &w, &p, err);
	if (rc == 0 && w.parent != NULL && !id_equal(&w.parent->ref.id, &ca->public.parent))
		rc = err_set(err, ERR_DENIED, "a renewal leaves a CA below the same root");
	if (rc == 0) {
		w.key = pkey_ref(ca->key);
		p.key = w.key;
		p.subject_of = ca->cert;
		rc = cert_make_ca(&p, &w.cert, err);
	}
	if (rc == 0)
		rc = seal_ca(c, &s->to, &ca->public, &w, out, err);
	work_fini(&w);
	return rc;
}

/* --- revocation lists --- */

struct list {
	struct crl_entry entries[LIMIT_CRL_ENTRIES];
	uint8_t ends[LIMIT_CRL_ENTRIES * CRL_END_LEN];
	size_t count;
};

static int64_t
end_at(struct span ends, size_t i)
{
	uint64_t v = 0;

	for (size_t k = 0; k < CRL_END_LEN; k++)
		v = v << 8 | ends.data[i * CRL_END_LEN + k];
	return (int64_t)v;
}

static int
add(struct list *l, const struct crl_entry *e, int64_t end, struct err *err)
{
	if (l->count == LIMIT_CRL_ENTRIES)
		return err_set(err, ERR_LIMIT,
		    "the revocation list is full: %d certificates that still run",
		    LIMIT_CRL_ENTRIES);
	l->entries[l->count] = *e;
	for (size_t k = 0; k < CRL_END_LEN; k++)
		l->ends[l->count * CRL_END_LEN + k] =
		    (uint8_t)((uint64_t)end >> (8 * (CRL_END_LEN - 1 - k)));
	l->count++;
	return 0;
}

/*
 * What stands in the list before: nothing leaves it but what had run out before that was signed, so
 * that everybody has seen it there once (RFC 5280, 3.3). That it is the newest is what main says.
 */
static int
take_earlier(struct signer_core *c, const struct signer_sign_crl *s, const struct open_ca *ca,
    struct list *l, uint64_t *number, struct err *err)
{
	struct crl_public before = {0};
	struct record record;
	struct crl crl = {0};
	int r = core_take_record(c, &s->earlier, KIND_CRL, &record, err);

	if (r == 0)
		r = wire_crl_public_decode(record.public_part, &before, err);
	if (r == 0 && (!id_equal(&before.ca, &ca->ref.id) || !crl_signed_by(before.der, ca->cert)))
		r = err_set(err, ERR_DENIED, "the earlier revocation list is not of this CA");
	if (r == 0)
		r = crl_read(before.der, &crl, err);
	if (r == 0 && crl.count * CRL_END_LEN != before.ends.len)
		r = err_set(
		    err, ERR_PARSE, "the earlier revocation list lacks ends of its entries");
	for (size_t i = 0; r == 0 && i < crl.count; i++) {
		int64_t end = end_at(before.ends, i);

		/* The clock may have been ahead when the one before was signed. */
		if (end >= before.this_update || end >= s->this_update)
			r = add(l, &crl.entries[i], end, err);
	}
	*number = before.number + 1;
	crl_fini(&crl);
	crl_public_fini(&before);
	return r;
}

static bool
is_listed(const struct list *l, const struct crl_serial *serial)
{
	for (size_t i = 0; i < l->count; i++)
		if (crl_serial_equal(&l->entries[i].serial, serial))
			return true;
	return false;
}

static int
add_revoked(struct list *l, const struct revoked_certificate *r, struct err *err)
{
	struct crl_entry e = {.revoked_at = r->revoked_at, .reason = r->reason};
	struct span serial = r->serial;

	while (serial.len > 1 && serial.data[0] == 0)
		serial = SPAN(serial.data + 1, serial.len - 1);
	e.serial.len = (uint8_t)serial.len;
	memcpy(e.serial.bytes, serial.data, serial.len);
	return is_listed(l, &e.serial) ? 0 : add(l, &e, r->not_after, err);
}

/*
 * Term and number: two managers, of whom one was believed lost, never use one number for two lists.
 */
static void
put_number(uint8_t out[static 16], uint64_t term, uint64_t number)
{
	for (unsigned k = 0; k < 8; k++) {
		out[k] = (uint8_t)(term >> (56 - 8 * k));
		out[8 + k] = (uint8_t)(number >> (56 - 8 * k));
	}
}

static int
write_list(const struct signer_core *c, const struct signer_sign_crl *s, const struct open_ca *ca,
    const struct list *l, uint64_t number, struct op_out *out, struct err *err)
{
	AUTO(buf_freep)
	struct buf *der = buf_new(LIMIT_CRL);
	uint8_t whole[16];
	const struct crl_params p = {.ca = ca->cert,
	    .key = ca->key,
	    .number = SPAN_OF(whole),
	    .this_update = s->this_update,
	    .next_update = s->next_update,
	    .entries = l->entries,
	    .count = l->count};
	struct crl_public public = {.ca = ca->ref.id,
	    .number = number,
	    .this_update = s->this_update,
	    .next_update = s->next_update,
	    .ends = SPAN(l->ends, l->count * CRL_END_LEN)};
	int r;

	put_number(whole, c->term, number);
	r = crl_build(&p, der, err);
	public.der = buf_span(der);
	return r < 0 ? r : wire_crl_public_encode(&public, &out->public_part, err);
}

int
do_sign_crl(
    struct signer_core *c, const struct signer_request *r, struct op_out *out, struct err *err)
{
	const struct signer_sign_crl *s = &r->sign_crl;
	struct list *l = mem_zalloc(sizeof(*l));
	AUTO(open_ca_unrefp)
	struct open_ca *ca = NULL;
	uint64_t number = 1;
	int rc = core_open_ca(c, &s->ca, false, &ca, err);

	if (rc == 0 && s->has_earlier)
		rc = take_earlier(c, s, ca, l, &number, err);
	for (size_t i = 0; rc == 0 && i < s->revoked.count; i++)
		rc = add_revoked(l, &s->revoked.items[i], err);
	if (rc == 0)
		rc = write_list(c, s, ca, l, number, out, err);
	mem_free(l);
	return rc;
}
