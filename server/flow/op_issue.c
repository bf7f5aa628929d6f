/* Credentials that are made, and made anew: a certificate of a Micro CA, or a CSR (op_manual.c). */

#include "common/crypto/pkey.h"
#include "common/model/names.h"
#include "common/model/renewal.h"
#include "common/model/state.h"
#include "server/flow/export.h"
#include "server/flow/flow_priv.h"

#include <string.h>

int
request_issue(struct flow_op *op, const struct credential_public *c, unsigned call, struct buf *out,
    struct err *err)
{
	const struct index_record *ca = index_of_kind(op->flow->index, KIND_CA, &op->ca);
	struct signer_request r = {.op = SIGNER_ISSUE};

	if (ca == NULL)
		return err_set(err, ERR_CONFLICT, "the CA has been removed meanwhile");
	op->asked[call] = SIGNER_ISSUE;
	r.issue.generation = (struct record_ref){op->generation, 1};
	r.issue.credential = op->credential;
	r.issue.number = op->number;
	r.issue.names = c->names;
	r.issue.key_type = c->key_type;
	r.issue.subject = c->subject;
	r.issue.profile = c->profile;
	r.issue.not_before = op->not_before;
	r.issue.not_after = op->not_after;
	r.issue.ca = ca->signed_record;
	r.issue.access = (struct ids){op->access, op->access_count};
	r.issue.activated_at_ms = runtime_wall_ms(op->flow->rt);
	r.issue.export = export_request(op);
	if (op->fetched != NULL && !op->new_key) {
		r.issue.keep_key = true;
		r.issue.key_of = (struct signed_bytes){
		    buf_span(op->fetched_body), buf_span(op->fetched_signature)};
	}
	return wire_signer_request_encode(&r, out, err);
}

/* --- add --- */

/* The CA that is named, or the default one unless a draft leaves that open. */
static int
look_add_ca(struct flow_op *op, struct err *err)
{
	const struct index_record *ca;
	int rc;

	if (op->in.issuer != ISSUER_MICRO || (op->in.draft && op->in.ca == NULL))
		return 0;
	rc = look_ca(op, op->in.ca, &ca, err);
	if (rc == 0 && !op->in.draft)
		rc = look_times(op, ca, op->in.lifetime, err);
	op->has_ca = rc == 0;
	return rc;
}

static int
look_add(struct flow_op *op, struct err *err)
{
	int rc;

	if (index_named(op->flow->index, KIND_CREDENTIAL, op->in.name) != NULL)
		return err_set(err, ERR_EXISTS,
		    "there is a credential '%s' already; 'certherd cert renew' makes it a new "
		    "certificate, --name gives this one another name",
		    op->in.name);
	rc = look_default_access(op, err);
	if (rc == 0)
		rc = look_add_ca(op, err);
	if (rc < 0)
		return rc;
	look_readers(op);
	look_names(op, op->in.names);
	/* Fresh ids at each look: the last ones may have been committed by a lost attempt. */
	new_id(op->flow, &op->credential);
	new_id(op->flow, &op->generation);
	op->credential_version = 0;
	rc = export_look(op, err);
	if (rc < 0)
		return rc;
	op->number = op->in.draft ? 0 : 1;
	op->calls = op->in.draft ? 0 : 1;
	op->waits = op->in.issuer == ISSUER_MANUAL && !op->in.draft;
	op->new_key = true;
	return 0;
}

static struct credential_public
asked_for(const struct flow_op *op)
{
	return (struct credential_public){.names = op->in.names,
	    .key_type = op->in.key_type,
	    .issuer = op->in.issuer,
	    .has_issuer_record = op->has_ca,
	    .issuer_record = op->ca,
	    .lifetime = op->in.lifetime,
	    .fraction_percent = op->in.fraction_percent,
	    .new_key = op->in.new_key,
	    .stale_after = op->in.stale_after,
	    .exportable = op->in.exportable,
	    .state = CREDENTIAL_DRAFT,
	    .created_at = runtime_wall_s(op->flow->rt),
	    .subject = op->in.subject,
	    .profile = op->in.profile};
}

static int
request_add(struct flow_op *op, unsigned call, struct buf *out, struct err *err)
{
	const struct credential_public p = asked_for(op);

	if (op->waits)
		return request_csr(op, &p, call, out, err);
	return request_issue(op, &p, call, out, err);
}

static int
mutation_add_credential(struct flow_op *op, struct mutation *m, struct err *err)
{
	struct credential_public p = asked_for(op);
	int rc = 0;

	if (op->calls > 0) {
		p.generations = op->number;
		p.has_active = !op->waits;
		p.has_pending = op->waits;
		p.active = p.pending = op->generation;
		rc = credential_move(
		    &p, op->in.name, op->waits ? CREDENTIAL_REQUEST : CREDENTIAL_ISSUE, err);
		if (rc == 0)
			rc = export_draft(op, m, &p, 0, err);
	}
	if (rc == 0)
		rc = draft_credential(op, m, op->in.name, &p, err);
	if (rc < 0 || op->calls == 0)
		return rc;
	op->flow->stats.issued += p.has_active;
	return draft_generation(op, m, 0, err);
}

const struct flow_op_type flow_op_credential_add = {
    "cert.add", look_add, request_add, mutation_add_credential};

/* --- renew --- */

static bool
is_replaced(const struct flow_op *op, const struct index_record *source)
{
	const struct index *ix = op->flow->index;
	const struct index_record *c = index_of_kind(ix, KIND_CREDENTIAL, &op->credential);

	return c != NULL && retire_is_listed(ix, c, &source->generation->key);
}

/* A key that is kept is of the type that is wanted, and nobody has asked to have it replaced. */
void
look_key(struct flow_op *op, const struct credential_public *p, const struct index_record *source)
{
	op->new_key = op->in.new_key || op->in.has_export || p->new_key || source == NULL ||
	    is_replaced(op, source) || strcmp(source->generation->key_type, p->key_type) != 0;
	op->fetches = !op->new_key;
	if (op->fetches)
		op->fetch = source->id;
}

int
look_issue(struct flow_op *op, const struct index_record *c, const struct credential_public *p,
    struct err *err)
{
	const struct index_record *ca;
	int rc = credential_may(c->credential, c->name, CREDENTIAL_ISSUE, err);

	if (rc < 0)
		return rc;
	rc = op->in.ca != NULL ? look_ca(op, op->in.ca, &ca, err) : look_ca_of(op, p, &ca, err);
	if (rc == ERR_AGAIN)
		return rc;
	if (rc == 0)
		rc = look_times(op, ca, p->lifetime, err);
	if (rc < 0)
		return err_wrap(err, "credential '%s'", c->name);
	look_access(op, c->access);
	look_key(op, p, index_active(op->flow->index, c));
	new_id(op->flow, &op->generation);
	rc = export_look(op, err);
	if (rc < 0)
		return rc;
	op->number = c->credential->generations + 1;
	op->calls = 1;
	return 0;
}

static int
look_renew(struct flow_op *op, struct err *err)
{
	const struct index_record *c;
	int rc = look_credential(op, &c, err);

	if (rc < 0)
		return rc;
	if (op->in.name == NULL)
		op->in.name = flow_op_text(op, c->name);
	return c->credential->issuer == ISSUER_MANUAL ? look_csr(op, c, c->credential, err)
						      : look_issue(op, c, c->credential, err);
}

/* Of an own CA only what is not made yet: all later ones are renewals. */
static int
look_submit(struct flow_op *op, struct err *err)
{
	const struct index_record *c;
	int rc = look_credential(op, &c, err);

	if (rc < 0)
		return rc;
	if (c->credential->issuer != ISSUER_MANUAL && !c->credential->archived &&
	    c->credential->state != CREDENTIAL_DRAFT)
		return err_set(err, ERR_CONFLICT,
		    "credential '%s' is no draft: 'certherd cert renew' makes it a new certificate",
		    c->name);
	return look_renew(op, err);
}

static int
request_renew(struct flow_op *op, unsigned call, struct buf *out, struct err *err)
{
	const struct index_record *c;
	int rc = draft_current(op, &c, err);

	if (rc < 0)
		return rc;
	if (op->waits)
		return request_csr(op, c->credential, call, out, err);
	return request_issue(op, c->credential, call, out, err);
}

int
mutation_issue(struct flow_op *op, struct mutation *m, const struct index_record *c,
    const struct credential_public *wanted, struct err *err)
{
	struct credential_public p = *wanted;
	int rc;

	p.has_issuer_record = true;
	p.issuer_record = op->ca;
	p.has_active = true;
	p.active = op->generation;
	p.generations = op->number;
	rc = credential_move(&p, c->name, CREDENTIAL_ISSUE, err);
	if (rc == 0)
		rc = export_draft(op, m, &p, 0, err);
	if (rc == 0)
		rc = draft_credential(op, m, c->name, &p, err);
	if (rc == 0)
		rc = draft_generation(op, m, 0, err);
	if (rc < 0)
		return rc;
	draft_superseded(op, m, c);
	op->flow->stats.issued++;
	return 0;
}

static int
mutation_renew(struct flow_op *op, struct mutation *m, struct err *err)
{
	const struct index_record *c;
	int rc = draft_current(op, &c, err);

	if (rc < 0)
		return rc;
	return op->waits ? mutation_csr(op, m, c, c->credential, err)
			 : mutation_issue(op, m, c, c->credential, err);
}

const struct flow_op_type flow_op_credential_renew = {
    "cert.renew", look_renew, request_renew, mutation_renew};
const struct flow_op_type flow_op_credential_submit = {
    "cert.submit", look_submit, request_renew, mutation_renew};
const struct flow_op_type flow_op_credential_due = {
    "cert.renew", look_renew, request_renew, mutation_renew};

/* --- a renewal that failed --- */

static int
look_failed(struct flow_op *op, struct err *err)
{
	const struct index_record *c;
	int rc = look_credential(op, &c, err);

	if (rc < 0)
		return rc;
	op->in.name = flow_op_text(op, c->name);
	look_access(op, c->access);
	return 0;
}

static int
mutation_failed(struct flow_op *op, struct mutation *m, struct err *err)
{
	const struct index_record *c;
	struct credential_public p;
	uint32_t jitter;
	int rc = draft_current(op, &c, err);

	if (rc < 0)
		return rc;
	runtime_random(op->flow->rt, &jitter, sizeof(jitter));
	p = *c->credential;
	rc = credential_move(&p, c->name, CREDENTIAL_FAIL, err);
	if (rc < 0)
		return rc;
	p.error = op->in.failure;
	p.failures++;
	p.next_try = runtime_wall_s(op->flow->rt) + renewal_retry_after(p.failures, jitter);
	return draft_credential(op, m, c->name, &p, err);
}

const struct flow_op_type flow_op_credential_failed = {
    "cert.renew-failed", look_failed, NULL, mutation_failed};
