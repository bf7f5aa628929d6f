/* What the manager answers. */

#include "common/wire/fields.h"

#include <string.h>

#include "link.pb-c.h"

static void
get_delta(struct fields *f, const Certherd__Delta *m, struct delta *out)
{
	f->message = "Delta";
	out->designations = get_designations(f, m->n_designations, m->designations);
	out->records = get_signed_list(f, "records", m->n_records, m->records);
	out->has_head = m->head != NULL;
	if (out->has_head) {
		out->head.body = get_bytes(f, "head", m->head->body, 1, LIMIT_HEAD);
		out->head.signature = get_bytes(f, "head", m->head->signature, 1, LIMIT_SIGNATURE);
	}
	out->more = m->more != 0;
	out->want_receipts = m->want_receipts != 0;
	out->has_want_offers = m->want_offers_since != NULL;
	out->want_offers_since = get_position(m->want_offers_since);
	out->audit = get_spans(f, "audit", m->n_audit, m->audit, SIZE_MAX, LIMIT_RECORD);
}

static void
get_reply_identity(struct fields *f, const Certherd__IdentityReply *m, struct identity_reply *out)
{
	f->message = "IdentityReply";
	out->certificate = get_bytes(f, "certificate", m->certificate, 1, LIMIT_CERT);
	out->chain = get_spans(f, "chain", m->n_chain, m->chain, LIMIT_CHAIN, LIMIT_CERT);
}

static void
get_refusal(struct fields *f, const Certherd__Refusal *m, struct refusal *out)
{
	f->message = "Refusal";
	out->code = err_code_by_name(m->code);
	if (out->code == 0)
		out->code = ERR_UNAVAIL;
	out->text = get_text(f, "text", m->text, LIMIT_TEXT);
	out->proof = get_designations(f, m->n_proof, m->proof);
}

int
wire_reply_decode(struct span in, struct reply *out, struct err *err)
{
	AUTO(fields_fini)
	struct fields f;
	struct reply r;
	Certherd__Reply *m;
	void *message;
	int rc =
	    fields_open(&f, &certherd__reply__descriptor, in, LIMIT_DELTA, false, &message, err);

	if (rc < 0)
		return rc;
	m = message;
	memset(&r, 0, sizeof(r));
	r.refusal.text = "";
	if (m->answer_case == CERTHERD__REPLY__ANSWER_DELTA) {
		r.answer = ANSWER_DELTA;
		get_delta(&f, m->delta, &r.delta);
	} else if (m->answer_case == CERTHERD__REPLY__ANSWER_IDENTITY) {
		r.answer = ANSWER_IDENTITY;
		get_reply_identity(&f, m->identity, &r.identity);
	} else if (m->answer_case == CERTHERD__REPLY__ANSWER_REFUSAL) {
		r.answer = ANSWER_REFUSAL;
		get_refusal(&f, m->refusal, &r.refusal);
	} else if (m->answer_case == CERTHERD__REPLY__ANSWER_BUCKETS) {
		r.answer = ANSWER_BUCKETS;
	}
	if (f.error < 0)
		return f.error;
	r.memory = MOVE(f.arena);
	*out = r;
	return 0;
}

void
reply_fini(struct reply *r)
{
	if (r == NULL)
		return;
	arena_free(r->memory);
	memset(r, 0, sizeof(*r));
}

static int
encode_delta(struct arena *a, const struct delta *d, struct buf *out, struct err *err)
{
	Certherd__Reply m = CERTHERD__REPLY__INIT;
	Certherd__Delta delta = CERTHERD__DELTA__INIT;
	Certherd__SignedHead head = CERTHERD__SIGNED_HEAD__INIT;
	Certherd__Position since;

	put_position(d->want_offers_since, &since);
	head.body = put_span(d->head.body);
	head.signature = put_span(d->head.signature);
	delta.n_designations = d->designations.count;
	delta.designations = put_designations(a, d->designations);
	delta.n_records = d->records.count;
	delta.records = put_signed_list(a, d->records);
	delta.head = d->has_head ? &head : NULL;
	delta.more = d->more;
	delta.want_receipts = d->want_receipts;
	delta.want_offers_since = d->has_want_offers ? &since : NULL;
	delta.n_audit = d->audit.count;
	delta.audit = put_spans(a, d->audit);
	m.answer_case = CERTHERD__REPLY__ANSWER_DELTA;
	m.delta = &delta;
	return pack(&m.base, LIMIT_DELTA, out, err);
}

static int
encode_identity(struct arena *a, const struct identity_reply *r, struct buf *out, struct err *err)
{
	Certherd__Reply m = CERTHERD__REPLY__INIT;
	Certherd__IdentityReply identity = CERTHERD__IDENTITY_REPLY__INIT;

	identity.certificate = put_span(r->certificate);
	identity.n_chain = r->chain.count;
	identity.chain = put_spans(a, r->chain);
	m.answer_case = CERTHERD__REPLY__ANSWER_IDENTITY;
	m.identity = &identity;
	return pack(&m.base, LIMIT_DELTA, out, err);
}

static int
encode_refusal(struct arena *a, const struct refusal *r, struct buf *out, struct err *err)
{
	Certherd__Reply m = CERTHERD__REPLY__INIT;
	Certherd__Refusal refusal = CERTHERD__REFUSAL__INIT;

	refusal.code = put_text(err_name(r->code));
	refusal.text = put_text(r->text);
	refusal.n_proof = r->proof.count;
	refusal.proof = put_designations(a, r->proof);
	m.answer_case = CERTHERD__REPLY__ANSWER_REFUSAL;
	m.refusal = &refusal;
	return pack(&m.base, LIMIT_DELTA, out, err);
}

int
wire_reply_encode(const struct reply *r, struct buf *out, struct err *err)
{
	AUTO(arena_freep)
	struct arena *arena = arena_new(PACK_BUDGET);

	if (r->answer == ANSWER_DELTA)
		return encode_delta(arena, &r->delta, out, err);
	if (r->answer == ANSWER_IDENTITY)
		return encode_identity(arena, &r->identity, out, err);
	if (r->answer == ANSWER_REFUSAL)
		return encode_refusal(arena, &r->refusal, out, err);
	return err_set(err, ERR_INVALID, "a reply answers nothing");
}
