/* What main asks its signer: writing. */

#include "common/wire/fields.h"
#include "common/wire/signer_fields.h"

#define OP(name) CERTHERD__SIGNER__SIGNER_REQUEST__OP_##name

static const Certherd__Signer__SignerRequest__OpCase numbers[] = {
    [SIGNER_NOTHING] = OP(_NOT_SET),
    [SIGNER_START] = OP(START),
    [SIGNER_LEARN] = OP(LEARN),
    [SIGNER_SIGN_BATCH] = OP(SIGN_BATCH),
    [SIGNER_SIGN_HEAD] = OP(SIGN_HEAD),
    [SIGNER_ISSUE] = OP(ISSUE),
    [SIGNER_MAKE_CA] = OP(MAKE_CA),
    [SIGNER_RESEAL] = OP(RESEAL),
    [SIGNER_ISSUE_IDENTITY] = OP(ISSUE_IDENTITY),
    [SIGNER_MAKE_GROUP] = OP(MAKE_GROUP),
    [SIGNER_MAKE_MEMBERSHIP] = OP(MAKE_MEMBERSHIP),
    [SIGNER_SEAL] = OP(SEAL),
    [SIGNER_MAKE_REQUEST] = OP(MAKE_REQUEST),
    [SIGNER_TAKE_KEY] = OP(TAKE_KEY),
    [SIGNER_EXPORT] = OP(EXPORT),
    [SIGNER_SIGN_CRL] = OP(SIGN_CRL),
    [SIGNER_RENEW_CA] = OP(RENEW_CA),
};
_Static_assert(ARRAY_LEN(numbers) == SIGNER__COUNT, "every operation has a number");

enum signer_op
signer_op_of(Certherd__Signer__SignerRequest__OpCase number)
{
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (numbers[i] == number)
			return (enum signer_op)i;
	return SIGNER_NOTHING;
}

Certherd__Signer__SignerRequest__OpCase
signer_op_number(enum signer_op op)
{
	return (size_t)op < ARRAY_LEN(numbers) ? numbers[op] : OP(_NOT_SET);
}

static void
put_ref(const struct record_ref *r, Certherd__Signer__RecordRef *out)
{
	certherd__signer__record_ref__init(out);
	out->id = put_id(&r->id);
	out->version = r->version;
}

/* Every message of an operation, so that the one that is sent lives until it is packed. */
struct op_messages {
	union {
		Certherd__Signer__Start start;
		Certherd__Signer__Learn learn;
		Certherd__Signer__SignBatch sign_batch;
		Certherd__Signer__SignHead sign_head;
		Certherd__Signer__Issue issue;
		Certherd__Signer__MakeCa make_ca;
		Certherd__Signer__Reseal reseal;
		Certherd__Signer__IssueIdentity issue_identity;
		Certherd__Signer__MakeGroup make_group;
		Certherd__Signer__MakeMembership make_membership;
		Certherd__Signer__Seal seal;
		Certherd__Signer__MakeRequest make_request;
		Certherd__Signer__TakeKey take_key;
		Certherd__Signer__Export export;
		Certherd__Signer__SignCrl sign_crl;
		Certherd__Signer__RenewCa renew_ca;
	};
	Certherd__Signer__RecordRef ref, export_ref;
	Certherd__Signer__MakeExport make_export;
	Certherd__SignedRecord first, second;
};

static void
put_start(struct arena *a, const struct signer_start *s, Certherd__Signer__Start *m)
{
	certherd__signer__start__init(m);
	m->root_fingerprint = put_hash(&s->root_fingerprint);
	m->domain = put_domain(&s->domain);
	m->node = put_id(&s->node);
	m->n_designations = s->designations.count;
	m->designations = put_designations(a, s->designations);
	m->root_certificate = put_span(s->root_certificate);
}

static void
put_learn(struct arena *a, const struct signer_learn *s, Certherd__Signer__Learn *m)
{
	certherd__signer__learn__init(m);
	m->n_records = s->records.count;
	m->records = put_signed_list(a, s->records);
}

static void
put_sign_batch(struct arena *a, const struct signer_sign_batch *s, Certherd__Signer__SignBatch *m)
{
	certherd__signer__sign_batch__init(m);
	m->n_bodies = s->bodies.count;
	m->bodies = put_spans(a, s->bodies);
	m->head = put_span(s->head);
}

static void
put_sign_head(const struct signer_sign_head *s, Certherd__Signer__SignHead *m)
{
	certherd__signer__sign_head__init(m);
	m->head = put_span(s->head);
}

/* NULL when none is asked for. */
static Certherd__Signer__MakeExport *
put_make_export(const struct signer_make_export *s, struct op_messages *o)
{
	if (s->password.len == 0)
		return NULL;
	certherd__signer__make_export__init(&o->make_export);
	put_ref(&s->record, &o->export_ref);
	o->make_export.record = &o->export_ref;
	o->make_export.password = put_span(s->password);
	o->make_export.made_at = s->made_at;
	return &o->make_export;
}

static void
put_issue(struct arena *a, const struct signer_issue *s, struct op_messages *o)
{
	Certherd__Signer__Issue *m = &o->issue;

	certherd__signer__issue__init(m);
	put_ref(&s->generation, &o->ref);
	put_signed(&s->ca, &o->first);
	m->generation = &o->ref;
	m->credential = put_id(&s->credential);
	m->number = s->number;
	m->n_names = s->names.count;
	m->names = put_texts(s->names);
	m->key_type = put_text(s->key_type);
	m->not_before = s->not_before;
	m->not_after = s->not_after;
	m->ca = &o->first;
	if (s->keep_key) {
		put_signed(&s->key_of, &o->second);
		m->key_of = &o->second;
	}
	m->n_access = s->access.count;
	m->access = put_ids(a, s->access);
	m->activated_at_ms = s->activated_at_ms;
	m->n_subject = s->subject.count;
	m->subject = put_texts(s->subject);
	m->profile = put_text(s->profile);
	m->export = put_make_export(&s->export, o);
}

static void
put_make_request(const struct signer_make_request *s, struct op_messages *o)
{
	Certherd__Signer__MakeRequest *m = &o->make_request;

	certherd__signer__make_request__init(m);
	put_ref(&s->generation, &o->ref);
	m->generation = &o->ref;
	m->credential = put_id(&s->credential);
	m->number = s->number;
	m->n_names = s->names.count;
	m->names = put_texts(s->names);
	m->key_type = put_text(s->key_type);
	m->n_subject = s->subject.count;
	m->subject = put_texts(s->subject);
	m->profile = put_text(s->profile);
	if (s->keep_key) {
		put_signed(&s->key_of, &o->first);
		m->key_of = &o->first;
	}
	m->export = put_make_export(&s->export, o);
}

static void
put_take_key(struct arena *a, const struct signer_take_key *s, struct op_messages *o)
{
	Certherd__Signer__TakeKey *m = &o->take_key;

	certherd__signer__take_key__init(m);
	put_ref(&s->generation, &o->ref);
	m->generation = &o->ref;
	m->public_part = put_span(s->public_part);
	m->nonce = put_id(&s->nonce);
	m->key = put_span(s->key);
	m->n_access = s->access.count;
	m->access = put_ids(a, s->access);
	m->export = put_make_export(&s->export, o);
}

static void
put_export(const struct signer_export *s, struct op_messages *o)
{
	Certherd__Signer__Export *m = &o->export;

	certherd__signer__export__init(m);
	put_signed(&s->record, &o->first);
	m->record = &o->first;
	m->nonce = put_id(&s->nonce);
	m->password = put_span(s->password);
}

static void
put_make_ca(const struct signer_make_ca *s, struct op_messages *o)
{
	Certherd__Signer__MakeCa *m = &o->make_ca;

	certherd__signer__make_ca__init(m);
	put_ref(&s->ca, &o->ref);
	m->ca = &o->ref;
	m->name = put_text(s->name);
	m->key_type = put_text(s->key_type);
	m->not_before = s->not_before;
	m->not_after = s->not_after;
	m->is_default = s->is_default;
	if (s->has_parent) {
		put_signed(&s->parent, &o->first);
		m->parent = &o->first;
	}
	if (s->has_predecessor) {
		put_signed(&s->predecessor, &o->second);
		m->predecessor = &o->second;
	}
	m->address = put_text(s->address);
}

static void
put_renew_ca(const struct signer_renew_ca *s, struct op_messages *o)
{
	Certherd__Signer__RenewCa *m = &o->renew_ca;

	certherd__signer__renew_ca__init(m);
	put_signed(&s->ca, &o->first);
	put_ref(&s->to, &o->ref);
	m->ca = &o->first;
	m->to = &o->ref;
	m->not_before = s->not_before;
	m->not_after = s->not_after;
	if (s->has_parent) {
		put_signed(&s->parent, &o->second);
		m->parent = &o->second;
	}
}

static Certherd__Signer__RevokedCertificate **
put_revoked(struct arena *a, struct revoked_list l)
{
	Certherd__Signer__RevokedCertificate **list =
	    arena_array(a, l.count, sizeof(Certherd__Signer__RevokedCertificate *));
	Certherd__Signer__RevokedCertificate *items =
	    arena_array(a, l.count, sizeof(Certherd__Signer__RevokedCertificate));

	CHECK(l.count == 0 || (list != NULL && items != NULL));
	for (size_t i = 0; i < l.count; i++) {
		certherd__signer__revoked_certificate__init(&items[i]);
		items[i].serial = put_span(l.items[i].serial);
		items[i].revoked_at = l.items[i].revoked_at;
		items[i].reason = l.items[i].reason;
		items[i].not_after = l.items[i].not_after;
		list[i] = &items[i];
	}
	return list;
}

static void
put_sign_crl(struct arena *a, const struct signer_sign_crl *s, struct op_messages *o)
{
	Certherd__Signer__SignCrl *m = &o->sign_crl;

	certherd__signer__sign_crl__init(m);
	put_signed(&s->ca, &o->first);
	m->ca = &o->first;
	if (s->has_earlier) {
		put_signed(&s->earlier, &o->second);
		m->earlier = &o->second;
	}
	m->n_revoked = s->revoked.count;
	m->revoked = put_revoked(a, s->revoked);
	m->this_update = s->this_update;
	m->next_update = s->next_update;
}

static void
put_reseal(struct arena *a, const struct signer_reseal *s, struct op_messages *o)
{
	Certherd__Signer__Reseal *m = &o->reseal;

	certherd__signer__reseal__init(m);
	put_signed(&s->record, &o->first);
	put_ref(&s->to, &o->ref);
	m->record = &o->first;
	m->to = &o->ref;
	m->public_part = put_span(s->public_part);
	m->n_access = s->access.count;
	m->access = put_ids(a, s->access);
}

static void
put_issue_identity(const struct signer_issue_identity *s, Certherd__Signer__IssueIdentity *m)
{
	certherd__signer__issue_identity__init(m);
	m->csr = put_span(s->csr);
	m->node = put_id(&s->node);
	m->name = put_text(s->name);
	m->n_addresses = s->addresses.count;
	m->addresses = put_texts(s->addresses);
	m->not_before = s->not_before;
	m->not_after = s->not_after;
	m->manager_certificate = put_span(s->manager_certificate);
}

static void
put_make_group(const struct signer_make_group *s, struct op_messages *o)
{
	Certherd__Signer__MakeGroup *m = &o->make_group;

	certherd__signer__make_group__init(m);
	put_ref(&s->group, &o->ref);
	m->group = &o->ref;
	m->new_key = s->new_key;
	if (s->has_current) {
		put_signed(&s->current, &o->first);
		m->current = &o->first;
	}
	m->built_in = s->built_in;
}

static void
put_make_membership(const struct signer_make_membership *s, struct op_messages *o)
{
	Certherd__Signer__MakeMembership *m = &o->make_membership;

	certherd__signer__make_membership__init(m);
	put_ref(&s->membership, &o->ref);
	m->membership = &o->ref;
	m->group = put_id(&s->group);
	m->node = put_id(&s->node);
	if (s->has_group_record) {
		put_signed(&s->group_record, &o->first);
		m->group_record = &o->first;
	}
	m->group_public = put_span(s->group_public);
	m->group_sealed = put_span(s->group_sealed);
	m->group_version = s->group_version;
	m->node_public = put_span(s->node_public);
}

static void
put_seal(struct arena *a, const struct signer_seal *s, struct op_messages *o)
{
	Certherd__Signer__Seal *m = &o->seal;

	certherd__signer__seal__init(m);
	put_ref(&s->record, &o->ref);
	m->record = &o->ref;
	m->kind = s->kind;
	m->public_part = put_span(s->public_part);
	m->payload = put_span(s->payload);
	m->n_access = s->access.count;
	m->access = put_ids(a, s->access);
}

static void
put_op(struct arena *a, const struct signer_request *r, struct op_messages *o)
{
	switch (r->op) {
	case SIGNER_START:
		put_start(a, &r->start, &o->start);
		break;
	case SIGNER_LEARN:
		put_learn(a, &r->learn, &o->learn);
		break;
	case SIGNER_SIGN_BATCH:
		put_sign_batch(a, &r->sign_batch, &o->sign_batch);
		break;
	case SIGNER_SIGN_HEAD:
		put_sign_head(&r->sign_head, &o->sign_head);
		break;
	case SIGNER_ISSUE:
		put_issue(a, &r->issue, o);
		break;
	case SIGNER_MAKE_CA:
		put_make_ca(&r->make_ca, o);
		break;
	case SIGNER_RESEAL:
		put_reseal(a, &r->reseal, o);
		break;
	case SIGNER_ISSUE_IDENTITY:
		put_issue_identity(&r->issue_identity, &o->issue_identity);
		break;
	case SIGNER_MAKE_GROUP:
		put_make_group(&r->make_group, o);
		break;
	case SIGNER_MAKE_MEMBERSHIP:
		put_make_membership(&r->make_membership, o);
		break;
	case SIGNER_SEAL:
		put_seal(a, &r->seal, o);
		break;
	case SIGNER_MAKE_REQUEST:
		put_make_request(&r->make_request, o);
		break;
	case SIGNER_TAKE_KEY:
		put_take_key(a, &r->take_key, o);
		break;
	case SIGNER_EXPORT:
		put_export(&r->export, o);
		break;
	case SIGNER_SIGN_CRL:
		put_sign_crl(a, &r->sign_crl, o);
		break;
	case SIGNER_RENEW_CA:
		put_renew_ca(&r->renew_ca, o);
		break;
	case SIGNER_NOTHING:
	case SIGNER__COUNT:
		break;
	}
}

int
wire_signer_request_encode(const struct signer_request *r, struct buf *out, struct err *err)
{
	AUTO(arena_freep)
	struct arena *arena = arena_new(PACK_BUDGET);
	Certherd__Signer__SignerRequest m = CERTHERD__SIGNER__SIGNER_REQUEST__INIT;
	struct op_messages o;
	int rc;

	m.id = r->id;
	m.op_case = signer_op_number(r->op);
	if (m.op_case == OP(_NOT_SET))
		return err_set(err, ERR_INVALID, "a request to the signer asks for nothing");
	put_op(arena, r, &o);
	m.start = &o.start; /* the first member of the union stands for all */
	rc = pack(&m.base, LIMIT_SIGNER_FRAME, out, err);
	return rc < 0 ? err_wrap(err, "request '%s' to the signer", signer_op_name(r->op)) : 0;
}
