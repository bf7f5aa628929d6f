/* What main asks its signer: reading, one function for each operation. */

#include "common/wire/fields.h"
#include "common/wire/signer_fields.h"

#include <string.h>

static const char *const op_names[] = {
    [SIGNER_NOTHING] = "nothing",
    [SIGNER_START] = "start",
    [SIGNER_LEARN] = "learn",
    [SIGNER_SIGN_BATCH] = "sign-batch",
    [SIGNER_SIGN_HEAD] = "sign-head",
    [SIGNER_ISSUE] = "issue",
    [SIGNER_MAKE_CA] = "make-ca",
    [SIGNER_RESEAL] = "reseal",
    [SIGNER_ISSUE_IDENTITY] = "issue-identity",
    [SIGNER_MAKE_GROUP] = "make-group",
    [SIGNER_MAKE_MEMBERSHIP] = "make-membership",
    [SIGNER_SEAL] = "seal",
    [SIGNER_MAKE_REQUEST] = "make-request",
    [SIGNER_TAKE_KEY] = "take-key",
    [SIGNER_EXPORT] = "export",
    [SIGNER_SIGN_CRL] = "sign-crl",
    [SIGNER_RENEW_CA] = "renew-ca",
};
_Static_assert(ARRAY_LEN(op_names) == SIGNER__COUNT, "every operation has a name");

const char *
signer_op_name(enum signer_op op)
{
	return (size_t)op < ARRAY_LEN(op_names) ? op_names[op] : "unknown";
}

static struct record_ref
get_ref(struct fields *f, const char *field, const Certherd__Signer__RecordRef *m)
{
	struct record_ref ref = {0};

	get_rule(f, m != NULL && m->version > 0, "it names no record and version");
	if (m == NULL)
		return ref;
	get_id(f, field, m->id, &ref.id);
	ref.version = m->version;
	return ref;
}

static void
get_make_export(
    struct fields *f, const Certherd__Signer__MakeExport *m, struct signer_make_export *out)
{
	if (m == NULL)
		return;
	out->record = get_ref(f, "export", m->record);
	out->password = get_bytes(f, "export password", m->password, 1, LIMIT_SEALED);
	out->made_at = m->made_at;
}

static void
get_start(struct fields *f, const Certherd__Signer__Start *m, struct signer_start *out)
{
	get_hash(f, "root_fingerprint", m->root_fingerprint, &out->root_fingerprint);
	get_domain(f, "domain", m->domain, &out->domain);
	get_id(f, "node", m->node, &out->node);
	out->designations = get_designations(f, m->n_designations, m->designations);
	out->root_certificate =
	    get_bytes(f, "root_certificate", m->root_certificate, 1, LIMIT_CERT);
}

static void
get_issue(struct fields *f, const Certherd__Signer__Issue *m, struct signer_issue *out)
{
	out->generation = get_ref(f, "generation", m->generation);
	get_id(f, "credential", m->credential, &out->credential);
	out->number = m->number;
	out->names = get_texts(f, "names", m->n_names, m->names, LIMIT_NAMES, LIMIT_NAME);
	out->key_type = get_text(f, "key_type", m->key_type, LIMIT_LABEL);
	out->not_before = m->not_before;
	out->not_after = m->not_after;
	out->ca = get_signed(f, "ca", m->ca, LIMIT_RECORD);
	out->keep_key = m->key_of != NULL;
	if (out->keep_key)
		out->key_of = get_signed(f, "key_of", m->key_of, LIMIT_RECORD);
	out->access = get_ids(f, "access", m->n_access, m->access, LIMIT_ACCESS);
	out->activated_at_ms = m->activated_at_ms;
	out->subject = get_texts(f, "subject", m->n_subject, m->subject, LIMIT_NAMES, LIMIT_TEXT);
	out->profile = get_text(f, "profile", m->profile, LIMIT_LABEL);
	get_make_export(f, m->export, &out->export);
	get_rule(f, out->names.count > 0, "it has no names");
}

static void
get_make_request(
    struct fields *f, const Certherd__Signer__MakeRequest *m, struct signer_make_request *out)
{
	out->generation = get_ref(f, "generation", m->generation);
	get_id(f, "credential", m->credential, &out->credential);
	out->number = m->number;
	out->names = get_texts(f, "names", m->n_names, m->names, LIMIT_NAMES, LIMIT_NAME);
	out->key_type = get_text(f, "key_type", m->key_type, LIMIT_LABEL);
	out->subject = get_texts(f, "subject", m->n_subject, m->subject, LIMIT_NAMES, LIMIT_TEXT);
	out->profile = get_text(f, "profile", m->profile, LIMIT_LABEL);
	out->keep_key = m->key_of != NULL;
	if (out->keep_key)
		out->key_of = get_signed(f, "key_of", m->key_of, LIMIT_RECORD);
	get_make_export(f, m->export, &out->export);
	get_rule(f, out->names.count > 0, "it has no names");
}

static void
get_take_key(struct fields *f, const Certherd__Signer__TakeKey *m, struct signer_take_key *out)
{
	out->generation = get_ref(f, "generation", m->generation);
	out->public_part = get_bytes(f, "public_part", m->public_part, 1, LIMIT_PUBLIC);
	get_id(f, "nonce", m->nonce, &out->nonce);
	out->key = get_bytes(f, "key", m->key, 1, LIMIT_SEALED);
	out->access = get_ids(f, "access", m->n_access, m->access, LIMIT_ACCESS);
	get_make_export(f, m->export, &out->export);
}

static void
get_export(struct fields *f, const Certherd__Signer__Export *m, struct signer_export *out)
{
	out->record = get_signed(f, "record", m->record, LIMIT_RECORD);
	get_id(f, "nonce", m->nonce, &out->nonce);
	out->password = get_bytes(f, "password", m->password, 1, LIMIT_SEALED);
}

static void
get_make_ca(struct fields *f, const Certherd__Signer__MakeCa *m, struct signer_make_ca *out)
{
	out->ca = get_ref(f, "ca", m->ca);
	out->name = get_text(f, "name", m->name, LIMIT_NAME);
	out->key_type = get_text(f, "key_type", m->key_type, LIMIT_LABEL);
	out->not_before = m->not_before;
	out->not_after = m->not_after;
	out->is_default = m->is_default != 0;
	out->has_parent = m->parent != NULL;
	if (out->has_parent)
		out->parent = get_signed(f, "parent", m->parent, LIMIT_RECORD);
	out->has_predecessor = m->predecessor != NULL;
	if (out->has_predecessor)
		out->predecessor = get_signed(f, "predecessor", m->predecessor, LIMIT_RECORD);
	out->address = get_text(f, "address", m->address, LIMIT_CA_ADDRESS);
}

static void
get_renew_ca(struct fields *f, const Certherd__Signer__RenewCa *m, struct signer_renew_ca *out)
{
	out->ca = get_signed(f, "ca", m->ca, LIMIT_RECORD);
	out->to = get_ref(f, "to", m->to);
	out->not_before = m->not_before;
	out->not_after = m->not_after;
	out->has_parent = m->parent != NULL;
	if (out->has_parent)
		out->parent = get_signed(f, "parent", m->parent, LIMIT_RECORD);
}

static struct revoked_list
get_revoked(struct fields *f, size_t count, Certherd__Signer__RevokedCertificate **in)
{
	struct revoked_certificate *items = NULL;

	get_rule(f, count <= LIMIT_CRL_ENTRIES, "it revokes more than one list can hold");
	if (f->error < 0 || count == 0)
		return (struct revoked_list){NULL, 0};
	items = arena_array(f->arena, count, sizeof(*items));
	get_rule(f, items != NULL, "it revokes more than there is memory for");
	for (size_t i = 0; f->error == 0 && i < count; i++)
		items[i] = (struct revoked_certificate){
		    .serial = get_bytes(f, "serial", in[i]->serial, 1, LIMIT_SERIAL),
		    .revoked_at = in[i]->revoked_at,
		    .reason = in[i]->reason,
		    .not_after = in[i]->not_after};
	return (struct revoked_list){items, count};
}

static void
get_sign_crl(struct fields *f, const Certherd__Signer__SignCrl *m, struct signer_sign_crl *out)
{
	out->ca = get_signed(f, "ca", m->ca, LIMIT_RECORD);
	out->has_earlier = m->earlier != NULL;
	if (out->has_earlier)
		out->earlier = get_signed(f, "earlier", m->earlier, LIMIT_RECORD);
	out->revoked = get_revoked(f, m->n_revoked, m->revoked);
	out->this_update = m->this_update;
	out->next_update = m->next_update;
}

static void
get_reseal(struct fields *f, const Certherd__Signer__Reseal *m, struct signer_reseal *out)
{
	out->record = get_signed(f, "record", m->record, LIMIT_RECORD);
	out->to = get_ref(f, "to", m->to);
	out->public_part = get_bytes(f, "public_part", m->public_part, 0, LIMIT_PUBLIC);
	out->access = get_ids(f, "access", m->n_access, m->access, LIMIT_ACCESS);
}

static void
get_issue_identity(
    struct fields *f, const Certherd__Signer__IssueIdentity *m, struct signer_issue_identity *out)
{
	out->csr = get_bytes(f, "csr", m->csr, 1, LIMIT_CERT);
	get_id(f, "node", m->node, &out->node);
	out->name = get_text(f, "name", m->name, LIMIT_LABEL);
	out->addresses =
	    get_texts(f, "addresses", m->n_addresses, m->addresses, LIMIT_ADDRESSES, LIMIT_NAME);
	out->not_before = m->not_before;
	out->not_after = m->not_after;
	out->manager_certificate =
	    get_bytes(f, "manager_certificate", m->manager_certificate, 1, LIMIT_CERT);
}

static void
get_make_group(
    struct fields *f, const Certherd__Signer__MakeGroup *m, struct signer_make_group *out)
{
	out->group = get_ref(f, "group", m->group);
	out->new_key = m->new_key != 0;
	out->has_current = m->current != NULL;
	if (out->has_current)
		out->current = get_signed(f, "current", m->current, LIMIT_RECORD);
	out->built_in = m->built_in != 0;
	get_rule(f, out->new_key == out->has_current, "a further key needs the group as it is");
}

static void
get_make_membership(
    struct fields *f, const Certherd__Signer__MakeMembership *m, struct signer_make_membership *out)
{
	out->membership = get_ref(f, "membership", m->membership);
	get_id(f, "group", m->group, &out->group);
	get_id(f, "node", m->node, &out->node);
	out->has_group_record = m->group_record != NULL;
	if (out->has_group_record)
		out->group_record = get_signed(f, "group_record", m->group_record, LIMIT_RECORD);
	out->group_public = get_bytes(f, "group_public", m->group_public, 0, LIMIT_PUBLIC);
	out->group_sealed = get_bytes(f, "group_sealed", m->group_sealed, 0, LIMIT_SEALED);
	out->group_version = m->group_version;
	out->node_public = get_bytes(f, "node_public", m->node_public, 0, LIMIT_PUBLIC);
}

static void
get_seal(struct fields *f, const Certherd__Signer__Seal *m, struct signer_seal *out)
{
	out->record = get_ref(f, "record", m->record);
	out->kind = m->kind;
	out->public_part = get_bytes(f, "public_part", m->public_part, 0, LIMIT_PUBLIC);
	out->payload = get_bytes(f, "payload", m->payload, 1, LIMIT_SEALED);
	out->access = get_ids(f, "access", m->n_access, m->access, LIMIT_ACCESS);
}

static void
get_op(struct fields *f, const Certherd__Signer__SignerRequest *m, struct signer_request *out)
{
	out->op = signer_op_of(m->op_case);
	f->message = signer_op_name(out->op);
	switch (out->op) {
	case SIGNER_START:
		get_start(f, m->start, &out->start);
		break;
	case SIGNER_LEARN:
		out->learn.records =
		    get_signed_list(f, "records", m->learn->n_records, m->learn->records);
		break;
	case SIGNER_SIGN_BATCH:
		out->sign_batch.bodies = get_spans(f, "bodies", m->sign_batch->n_bodies,
		    m->sign_batch->bodies, LIMIT_SIGN_BATCH, LIMIT_RECORD);
		out->sign_batch.head = get_bytes(f, "head", m->sign_batch->head, 0, LIMIT_HEAD);
		break;
	case SIGNER_SIGN_HEAD:
		out->sign_head.head = get_bytes(f, "head", m->sign_head->head, 1, LIMIT_HEAD);
		break;
	case SIGNER_ISSUE:
		get_issue(f, m->issue, &out->issue);
		break;
	case SIGNER_MAKE_CA:
		get_make_ca(f, m->make_ca, &out->make_ca);
		break;
	case SIGNER_RESEAL:
		get_reseal(f, m->reseal, &out->reseal);
		break;
	case SIGNER_ISSUE_IDENTITY:
		get_issue_identity(f, m->issue_identity, &out->issue_identity);
		break;
	case SIGNER_MAKE_GROUP:
		get_make_group(f, m->make_group, &out->make_group);
		break;
	case SIGNER_MAKE_MEMBERSHIP:
		get_make_membership(f, m->make_membership, &out->make_membership);
		break;
	case SIGNER_SEAL:
		get_seal(f, m->seal, &out->seal);
		break;
	case SIGNER_MAKE_REQUEST:
		get_make_request(f, m->make_request, &out->make_request);
		break;
	case SIGNER_TAKE_KEY:
		get_take_key(f, m->take_key, &out->take_key);
		break;
	case SIGNER_EXPORT:
		get_export(f, m->export, &out->export);
		break;
	case SIGNER_SIGN_CRL:
		get_sign_crl(f, m->sign_crl, &out->sign_crl);
		break;
	case SIGNER_RENEW_CA:
		get_renew_ca(f, m->renew_ca, &out->renew_ca);
		break;
	case SIGNER_NOTHING:
	case SIGNER__COUNT:
		get_rule(f, false, "the request asks for no operation that is known here");
		break;
	}
}

int
wire_signer_request_decode(struct span in, struct signer_request *out, struct err *err)
{
	AUTO(fields_fini)
	struct fields f;
	const Certherd__Signer__SignerRequest *m;
	struct signer_request r;
	void *message;
	int rc = fields_open(&f, &certherd__signer__signer_request__descriptor, in,
	    LIMIT_SIGNER_FRAME, false, &message, err);

	if (rc < 0)
		return rc;
	m = message;
	memset(&r, 0, sizeof(r));
	r.id = m->id;
	get_op(&f, m, &r);
	if (f.error < 0)
		return f.error;
	r.memory = MOVE(f.arena);
	*out = r;
	return 0;
}

void
signer_request_fini(struct signer_request *r)
{
	if (r == NULL)
		return;
	arena_free(r->memory);
	memset(r, 0, sizeof(*r));
}
