/* What the signer answers: the reply itself, and what each operation gives back. */

#include "common/wire/fields.h"
#include "common/wire/signer_fields.h"

#include <string.h>

int
wire_signer_reply_encode(const struct signer_reply *r, struct buf *out, struct err *err)
{
	Certherd__Signer__SignerReply m = CERTHERD__SIGNER__SIGNER_REPLY__INIT;

	m.id = r->id;
	m.error_code = put_text(r->code < 0 ? err_name(r->code) : "");
	m.error_text = put_text(r->text);
	m.done = put_span(r->done);
	return pack(&m.base, LIMIT_SIGNER_FRAME, out, err);
}

int
wire_signer_reply_decode(struct span in, struct signer_reply *out, struct err *err)
{
	AUTO(fields_fini)
	struct fields f;
	const Certherd__Signer__SignerReply *m;
	struct signer_reply r = {0};
	void *message;
	int rc = fields_open(&f, &certherd__signer__signer_reply__descriptor, in,
	    LIMIT_SIGNER_FRAME, false, &message, err);

	if (rc < 0)
		return rc;
	m = message;
	r.id = m->id;
	r.code = m->error_code[0] != 0 ? err_code_by_name(m->error_code) : 0;
	get_rule(&f, m->error_code[0] == 0 || r.code < 0, "its error code is not known");
	r.text = get_text(&f, "error_text", m->error_text, LIMIT_TEXT);
	r.done = SPAN(m->done.data, m->done.len);
	if (f.error < 0)
		return f.error;
	r.memory = MOVE(f.arena);
	*out = r;
	return 0;
}

void
signer_reply_fini(struct signer_reply *r)
{
	if (r == NULL)
		return;
	arena_free(r->memory);
	memset(r, 0, sizeof(*r));
}

void
signer_done_fini(struct signer_done *d)
{
	if (d == NULL)
		return;
	arena_free(d->memory);
	memset(d, 0, sizeof(*d));
}

/*
 * All replies that carry a public part and a seal have the same two fields in the same places, so
 * IssueReply stands for MakeCaReply, MakeGroupReply and MakeMembershipReply. A list has no seal.
 */
static int
encode_parts(const struct signer_done *d, struct buf *out, struct err *err)
{
	Certherd__Signer__IssueReply m = CERTHERD__SIGNER__ISSUE_REPLY__INIT;

	m.public_part = put_span(d->public_part);
	m.sealed = put_span(d->sealed);
	m.export_public = put_span(d->export_public);
	m.export_sealed = put_span(d->export_sealed);
	return pack(&m.base, LIMIT_SIGNER_FRAME, out, err);
}

static int
encode_batch(const struct signer_done *d, struct buf *out, struct err *err)
{
	AUTO(arena_freep)
	struct arena *arena = arena_new(PACK_BUDGET);
	Certherd__Signer__SignBatchReply m = CERTHERD__SIGNER__SIGN_BATCH_REPLY__INIT;

	m.n_signatures = d->signatures.count;
	m.signatures = put_spans(arena, d->signatures);
	m.head_signature = put_span(d->head_signature);
	return pack(&m.base, LIMIT_SIGNER_FRAME, out, err);
}

int
wire_signer_done_encode(
    enum signer_op op, const struct signer_done *d, struct buf *out, struct err *err)
{
	Certherd__Signer__StartReply start = CERTHERD__SIGNER__START_REPLY__INIT;
	Certherd__Signer__LearnReply learn = CERTHERD__SIGNER__LEARN_REPLY__INIT;
	Certherd__Signer__SignHeadReply head = CERTHERD__SIGNER__SIGN_HEAD_REPLY__INIT;
	Certherd__Signer__SealReply seal = CERTHERD__SIGNER__SEAL_REPLY__INIT;
	Certherd__Signer__TakeKeyReply take = CERTHERD__SIGNER__TAKE_KEY_REPLY__INIT;
	Certherd__Signer__IssueIdentityReply identity =
	    CERTHERD__SIGNER__ISSUE_IDENTITY_REPLY__INIT;

	switch (op) {
	case SIGNER_START:
		start.sealing_key = put_span(d->sealing_key);
		start.manager_key = put_span(d->manager_key);
		return pack(&start.base, LIMIT_SIGNER_FRAME, out, err);
	case SIGNER_LEARN:
		learn.taken = d->taken;
		return pack(&learn.base, LIMIT_SIGNER_FRAME, out, err);
	case SIGNER_SIGN_BATCH:
		return encode_batch(d, out, err);
	case SIGNER_SIGN_HEAD:
		head.signature = put_span(d->head_signature);
		return pack(&head.base, LIMIT_SIGNER_FRAME, out, err);
	case SIGNER_ISSUE:
	case SIGNER_MAKE_REQUEST:
	case SIGNER_MAKE_CA:
	case SIGNER_MAKE_GROUP:
	case SIGNER_MAKE_MEMBERSHIP:
	case SIGNER_SIGN_CRL:
	case SIGNER_RENEW_CA:
		return encode_parts(d, out, err);
	case SIGNER_TAKE_KEY:
		take.sealed = put_span(d->sealed);
		take.export_public = put_span(d->export_public);
		take.export_sealed = put_span(d->export_sealed);
		return pack(&take.base, LIMIT_SIGNER_FRAME, out, err);
	case SIGNER_RESEAL:
	case SIGNER_SEAL:
	case SIGNER_EXPORT:
		seal.sealed = put_span(d->sealed);
		return pack(&seal.base, LIMIT_SIGNER_FRAME, out, err);
	case SIGNER_ISSUE_IDENTITY:
		identity.certificate = put_span(d->certificate);
		return pack(&identity.base, LIMIT_SIGNER_FRAME, out, err);
	case SIGNER_NOTHING:
	case SIGNER__COUNT:
		break;
	}
	return err_set(err, ERR_INVALID, "no operation of the signer");
}

static void
decode_batch(struct fields *f, const Certherd__Signer__SignBatchReply *m, struct signer_done *d)
{
	d->signatures = get_spans(
	    f, "signatures", m->n_signatures, m->signatures, LIMIT_SIGN_BATCH, LIMIT_SIGNATURE);
	d->head_signature = get_bytes(f, "head_signature", m->head_signature, 0, LIMIT_SIGNATURE);
}

static void
decode_export(struct fields *f, ProtobufCBinaryData public_part, ProtobufCBinaryData sealed,
    struct signer_done *d)
{
	d->export_public = get_bytes(f, "export_public", public_part, 0, LIMIT_PUBLIC);
	d->export_sealed = get_bytes(f, "export_sealed", sealed, 0, LIMIT_SEALED);
}

static void
decode_op(struct fields *f, enum signer_op op, const void *message, struct signer_done *d)
{
	const Certherd__Signer__StartReply *start = message;
	const Certherd__Signer__LearnReply *learn = message;
	const Certherd__Signer__SignHeadReply *head = message;
	const Certherd__Signer__IssueReply *issue = message;
	const Certherd__Signer__SealReply *seal = message;
	const Certherd__Signer__TakeKeyReply *take = message;
	const Certherd__Signer__IssueIdentityReply *identity = message;

	if (op == SIGNER_START) {
		d->sealing_key = get_bytes(f, "sealing_key", start->sealing_key, 1, LIMIT_SPKI);
		d->manager_key = get_bytes(f, "manager_key", start->manager_key, 1, LIMIT_SPKI);
	} else if (op == SIGNER_LEARN) {
		d->taken = learn->taken;
	} else if (op == SIGNER_SIGN_BATCH) {
		decode_batch(f, message, d);
	} else if (op == SIGNER_SIGN_HEAD) {
		d->head_signature = get_bytes(f, "signature", head->signature, 1, LIMIT_SIGNATURE);
	} else if (op == SIGNER_TAKE_KEY) {
		d->sealed = get_bytes(f, "sealed", take->sealed, 1, LIMIT_SEALED);
		decode_export(f, take->export_public, take->export_sealed, d);
	} else if (op == SIGNER_RESEAL || op == SIGNER_SEAL || op == SIGNER_EXPORT) {
		d->sealed = get_bytes(f, "sealed", seal->sealed, 1, LIMIT_SEALED);
	} else if (op == SIGNER_ISSUE_IDENTITY) {
		d->certificate = get_bytes(f, "certificate", identity->certificate, 1, LIMIT_CERT);
	} else {
		d->public_part = get_bytes(f, "public_part", issue->public_part, 1,
		    op == SIGNER_SIGN_CRL ? LIMIT_PUBLIC_CRL : LIMIT_PUBLIC);
		d->sealed = get_bytes(f, "sealed", issue->sealed, 0, LIMIT_SEALED);
		decode_export(f, issue->export_public, issue->export_sealed, d);
	}
}

int
wire_signer_done_decode(enum signer_op op, struct span in, struct signer_done *out, struct err *err)
{
	static const ProtobufCMessageDescriptor *const types[SIGNER__COUNT] = {
	    [SIGNER_START] = &certherd__signer__start_reply__descriptor,
	    [SIGNER_LEARN] = &certherd__signer__learn_reply__descriptor,
	    [SIGNER_SIGN_BATCH] = &certherd__signer__sign_batch_reply__descriptor,
	    [SIGNER_SIGN_HEAD] = &certherd__signer__sign_head_reply__descriptor,
	    [SIGNER_ISSUE] = &certherd__signer__issue_reply__descriptor,
	    [SIGNER_MAKE_CA] = &certherd__signer__issue_reply__descriptor,
	    [SIGNER_RESEAL] = &certherd__signer__seal_reply__descriptor,
	    [SIGNER_ISSUE_IDENTITY] = &certherd__signer__issue_identity_reply__descriptor,
	    [SIGNER_MAKE_GROUP] = &certherd__signer__issue_reply__descriptor,
	    [SIGNER_MAKE_MEMBERSHIP] = &certherd__signer__issue_reply__descriptor,
	    [SIGNER_SEAL] = &certherd__signer__seal_reply__descriptor,
	    [SIGNER_MAKE_REQUEST] = &certherd__signer__issue_reply__descriptor,
	    [SIGNER_TAKE_KEY] = &certherd__signer__take_key_reply__descriptor,
	    [SIGNER_EXPORT] = &certherd__signer__export_reply__descriptor,
	    [SIGNER_SIGN_CRL] = &certherd__signer__issue_reply__descriptor,
	    [SIGNER_RENEW_CA] = &certherd__signer__issue_reply__descriptor,
	};
	AUTO(fields_fini)
	struct fields f = {0};
	struct signer_done d = {0};
	void *message;
	int rc;

	if ((size_t)op >= ARRAY_LEN(types) || types[op] == NULL)
		return err_set(err, ERR_INVALID, "no operation of the signer");
	rc = fields_open(&f, types[op], in, LIMIT_SIGNER_FRAME, false, &message, err);
	if (rc < 0)
		return rc;
	decode_op(&f, op, message, &d);
	if (f.error < 0)
		return f.error;
	d.memory = MOVE(f.arena);
	*out = d;
	return 0;
}
