/* Heads, designations and root statements: what the manager and the root say about the log. */

#include "common/wire/fields.h"
#include "common/wire/record_wire.h"

#include <string.h>

#define LIMIT_STATEMENT (LIMIT_CERT + 1024)

int
wire_head_decode(struct span body, struct head *out, struct err *err)
{
	AUTO(fields_fini)
	struct fields f;
	struct head h = {0};
	Certherd__Head *m;
	void *message;
	int rc =
	    fields_open(&f, &certherd__head__descriptor, body, LIMIT_HEAD, false, &message, err);

	if (rc < 0)
		return rc;
	m = message;
	h.term = m->term;
	h.seq = m->seq;
	h.beat = m->beat;
	h.floor = get_position(m->floor);
	get_hash(&f, "digest", m->digest, &h.digest);
	h.has_audit = opt_hash(&f, "audit_head", m->audit_head, &h.audit_head);
	h.time_ms = m->time_ms;
	get_rule(&f, term_epoch(h.term) > 0 && h.beat > 0, "it has no term or no beat");
	get_rule(&f, position_compare(h.floor, head_position(&h)) <= 0,
	    "its floor is above its newest record");
	if (f.error < 0)
		return f.error;
	*out = h;
	return 0;
}

int
wire_head_encode(const struct head *h, struct buf *body, struct err *err)
{
	Certherd__Head m = CERTHERD__HEAD__INIT;
	Certherd__Position floor;
	size_t start = body->len;
	struct head again;
	int rc;

	put_position(h->floor, &floor);
	m.term = h->term;
	m.seq = h->seq;
	m.beat = h->beat;
	if (h->floor.term > 0 || h->floor.seq > 0)
		m.floor = &floor;
	m.digest = put_hash(&h->digest);
	m.audit_head = put_opt_hash(h->has_audit, &h->audit_head);
	m.time_ms = h->time_ms;
	rc = pack(&m.base, LIMIT_HEAD, body, err);
	if (rc < 0)
		return rc;
	return wire_head_decode(SPAN(body->data + start, body->len - start), &again, err);
}

int
wire_designation_decode(struct span body, struct designation *out, struct err *err)
{
	AUTO(fields_fini)
	struct fields f;
	struct designation d = {0};
	Certherd__Designation *m;
	void *message;
	int rc = fields_open(
	    &f, &certherd__designation__descriptor, body, LIMIT_DESIGNATION, false, &message, err);

	if (rc < 0)
		return rc;
	m = message;
	d.term = m->term;
	get_id(&f, "node", m->node, &d.node);
	d.term_key = get_bytes(&f, "term_key", m->term_key, 1, LIMIT_SPKI);
	d.reason = (uint32_t)m->reason;
	d.has_cut = m->cut != NULL;
	if (d.has_cut) {
		d.cut = (struct position){m->cut->term, m->cut->seq};
		get_hash(&f, "cut", m->cut->digest, &d.cut_digest);
	}
	d.has_previous = opt_hash(&f, "previous", m->previous, &d.previous);
	d.made_at = m->made_at;
	if (f.error < 0)
		return f.error;
	*out = d;
	return 0;
}

int
wire_designation_encode(const struct designation *d, struct buf *body, struct err *err)
{
	Certherd__Designation m = CERTHERD__DESIGNATION__INIT;
	Certherd__Cut cut = CERTHERD__CUT__INIT;
	size_t start = body->len;
	struct designation again;
	int rc;

	m.term = d->term;
	m.node = put_id(&d->node);
	m.term_key = put_span(d->term_key);
	m.reason = (Certherd__Designation__Reason)d->reason;
	if (d->has_cut) {
		cut.term = d->cut.term;
		cut.seq = d->cut.seq;
		cut.digest = put_hash(&d->cut_digest);
		m.cut = &cut;
	}
	m.previous = put_opt_hash(d->has_previous, &d->previous);
	m.made_at = d->made_at;
	rc = pack(&m.base, LIMIT_DESIGNATION, body, err);
	if (rc < 0)
		return rc;
	return wire_designation_decode(SPAN(body->data + start, body->len - start), &again, err);
}

int
wire_signed_designation_encode(const struct signed_designation *s, struct buf *out, struct err *err)
{
	Certherd__SignedDesignation m;

	put_designation(s, &m);
	return pack(&m.base, 2 * LIMIT_DESIGNATION, out, err);
}

int
wire_signed_designation_decode(struct span bytes, struct signed_designation *out, struct err *err)
{
	AUTO(fields_fini)
	struct fields f;
	struct signed_designation s;
	void *message;
	int rc = fields_open(&f, &certherd__signed_designation__descriptor, bytes,
	    2 * LIMIT_DESIGNATION, false, &message, err);

	if (rc < 0)
		return rc;
	s = get_designation(&f, message);
	if (f.error < 0)
		return f.error;
	*out = s;
	return 0;
}

int
wire_root_statement_decode(struct span body, struct root_statement *out, struct err *err)
{
	AUTO(fields_fini)
	struct fields f;
	struct root_statement s = {0};
	Certherd__RootStatement *m;
	void *message;
	int rc = fields_open(
	    &f, &certherd__root_statement__descriptor, body, LIMIT_STATEMENT, false, &message, err);

	if (rc < 0)
		return rc;
	m = message;
	s.certificate = get_bytes(&f, "certificate", m->certificate, 1, LIMIT_CERT);
	s.has_previous = opt_hash(&f, "previous", m->previous, &s.previous);
	s.made_at = m->made_at;
	if (f.error < 0)
		return f.error;
	*out = s;
	return 0;
}

int
wire_root_statement_encode(const struct root_statement *s, struct buf *body, struct err *err)
{
	Certherd__RootStatement m = CERTHERD__ROOT_STATEMENT__INIT;

	m.certificate = put_span(s->certificate);
	m.previous = put_opt_hash(s->has_previous, &s->previous);
	m.made_at = s->made_at;
	return pack(&m.base, LIMIT_STATEMENT, body, err);
}
