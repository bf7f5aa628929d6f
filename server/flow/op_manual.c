/* Certificates from outside, first half: a key and its CSR, which waits. */

#include "common/model/state.h"
#include "server/flow/export.h"
#include "server/flow/flow_priv.h"

/* Whose key goes on: of the one that waits, or else of that in force. */
static const struct index_record *
key_source(const struct flow_op *op, const struct index_record *c)
{
	if (c->credential->has_pending)
		return index_of_kind(op->flow->index, KIND_GENERATION, &c->credential->pending);
	return index_active(op->flow->index, c);
}

static enum credential_event
csr_event(const struct flow_op *op)
{
	return op->in.new_key || op->in.has_export || op->in.change != NULL ? CREDENTIAL_REPLACE
									    : CREDENTIAL_REQUEST;
}

int
look_csr(struct flow_op *op, const struct index_record *c, const struct credential_public *p,
    struct err *err)
{
	int rc = credential_may(c->credential, c->name, csr_event(op), err);

	if (rc < 0)
		return rc;
	look_access(op, c->access);
	op->waits = true;
	look_key(op, p, key_source(op, c));
	new_id(op->flow, &op->generation);
	rc = export_look(op, err);
	if (rc < 0)
		return rc;
	op->number = c->credential->generations + 1;
	op->calls = 1;
	return 0;
}

int
request_csr(struct flow_op *op, const struct credential_public *c, unsigned call, struct buf *out,
    struct err *err)
{
	struct signer_request r = {.op = SIGNER_MAKE_REQUEST};

	op->asked[call] = SIGNER_MAKE_REQUEST;
	r.make_request = (struct signer_make_request){.generation = {op->generation, 1},
	    .credential = op->credential,
	    .number = op->number,
	    .names = c->names,
	    .key_type = c->key_type,
	    .subject = c->subject,
	    .profile = c->profile,
	    .export = export_request(op)};
	if (op->fetched != NULL && !op->new_key) {
		r.make_request.keep_key = true;
		r.make_request.key_of = (struct signed_bytes){
		    buf_span(op->fetched_body), buf_span(op->fetched_signature)};
	}
	return wire_signer_request_encode(&r, out, err);
}

int
mutation_csr(struct flow_op *op, struct mutation *m, const struct index_record *c,
    const struct credential_public *wanted, struct err *err)
{
	const struct index_record *old = NULL;
	struct credential_public p = *wanted;
	int rc;

	if (p.has_pending)
		old = index_of_kind(op->flow->index, KIND_GENERATION, &p.pending);
	p.has_pending = true;
	p.pending = op->generation;
	p.generations = op->number;
	rc = credential_move(&p, c->name, csr_event(op), err);
	if (rc == 0)
		rc = export_draft(op, m, &p, 0, err);
	if (rc == 0)
		rc = draft_credential(op, m, c->name, &p, err);
	if (rc == 0)
		rc = draft_generation(op, m, 0, err);
	/* A CSR that another replaces is of no use any more: its certificate would be refused. */
	if (rc == 0 && old != NULL)
		draft_removed(m, old);
	return rc;
}

/* --- with the CA --- */

/* The CSR, which anybody may read, has been handed on: who looks knows whom it waits for. */
static int
look_submitted(struct flow_op *op, struct err *err)
{
	const struct index_record *c;
	int rc = look_credential(op, &c, err);

	if (rc == 0)
		rc = credential_may(c->credential, c->name, CREDENTIAL_SUBMIT, err);
	if (rc == 0 && !c->credential->has_pending)
		rc = err_set(err, ERR_CONFLICT,
		    "credential '%.120s' has no CSR that waits: 'certherd cert submit' makes one",
		    c->name);
	if (rc < 0)
		return rc;
	look_access(op, c->access);
	op->unchanged = c->credential->state == CREDENTIAL_SUBMITTED;
	return 0;
}

static int
mutation_submitted(struct flow_op *op, struct mutation *m, struct err *err)
{
	const struct index_record *c;
	struct credential_public p;
	int rc = draft_current(op, &c, err);

	if (rc < 0)
		return rc;
	p = *c->credential;
	rc = credential_move(&p, c->name, CREDENTIAL_SUBMIT, err);
	return rc < 0 ? rc : draft_credential(op, m, c->name, &p, err);
}

const struct flow_op_type flow_op_credential_submitted = {
    "cert.submitted", look_submitted, NULL, mutation_submitted};

int
flow_credential_submitted(struct flow *f, const char *name, const char *author, flow_done_cb *done,
    void *arg, struct err *err)
{
	struct flow_op *op;

	return flow_start_named(
	    f, &flow_op_credential_submitted, name, author, done, arg, &op, err);
}
