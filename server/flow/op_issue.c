/* Credentials that are made, and made anew: one certificate of a Micro CA. */

#include "common/crypto/pkey.h"
#include "common/model/names.h"
#include "common/model/renewal.h"
#include "common/model/state.h"
#include "server/flow/flow_priv.h"

#include <string.h>

/* Generations that are kept beside the active one while they have not run out. */
#define KEEP_GENERATIONS 3

/* Request of an Issue; the credential's facts are the caller's. */
static int
issue_request(
    struct flow_op *op, struct texts names, const char *key_type, struct buf *out, struct err *err)
{
	const struct index_record *ca = index_of_kind(op->flow->index, KIND_CA, &op->ca);
	struct signer_request r = {.op = SIGNER_ISSUE};

	if (ca == NULL)
		return err_set(err, ERR_CONFLICT, "the CA has been removed meanwhile");
	r.issue.generation = (struct record_ref){op->generation, 1};
	r.issue.credential = op->credential;
	r.issue.number = op->number;
	r.issue.names = names;
	r.issue.key_type = key_type;
	r.issue.not_before = op->not_before;
	r.issue.not_after = op->not_after;
	r.issue.ca = ca->signed_record;
	r.issue.access = (struct ids){op->access, op->access_count};
	r.issue.activated_at_ms = runtime_wall_ms(op->flow->rt);
	if (op->fetched != NULL && !op->new_key) {
		r.issue.keep_key = true;
		r.issue.key_of = (struct signed_bytes){
		    buf_span(op->fetched_body), buf_span(op->fetched_signature)};
	}
	return wire_signer_request_encode(&r, out, err);
}

/* --- add --- */

static int
look_default_access(struct flow_op *op, struct err *err)
{
	const struct setting_public *s;

	if (op->in.has_access)
		return index_resolve_access(
		    op->flow->index, op->in.access, op->access, &op->access_count, err);
	s = index_setting(op->flow->index, SETTING_DEFAULT_ACCESS);
	if (s != NULL)
		look_access(op, s->records);
	return 0;
}

static int
look_add(struct flow_op *op, struct err *err)
{
	const struct index_record *ca;
	int rc;

	if (index_named(op->flow->index, KIND_CREDENTIAL, op->in.name) != NULL)
		return err_set(err, ERR_EXISTS,
		    "there is a credential '%s' already; 'certherd cert renew' makes it a new "
		    "certificate, --name gives this one another name",
		    op->in.name);
	rc = look_default_access(op, err);
	if (rc < 0)
		return rc;
	rc = look_ca(op, op->in.ca, &ca, err);
	op->waits_for_ca = rc == ERR_AGAIN;
	if (rc == ERR_AGAIN) {
		flow_make_default_ca(op->flow);
		return rc;
	}
	if (rc == 0)
		rc = look_times(op, ca, op->in.lifetime, err);
	if (rc < 0)
		return rc;
	if (op->access_count == 0)
		op->warning = "no server may open it yet: 'certherd cert access NAME --add NODE' "
			      "gives it to one";
	/* Fresh ids at each look: the last ones may have been committed by a lost attempt. */
	new_id(op->flow, &op->credential);
	new_id(op->flow, &op->generation);
	op->credential_version = 0;
	op->number = 1;
	op->calls = 1;
	return 0;
}

static int
request_add(struct flow_op *op, unsigned call, struct buf *out, struct err *err)
{
	(void)call;
	op->asked[0] = SIGNER_ISSUE;
	return issue_request(op, op->in.names, op->in.key_type, out, err);
}

static int
mutation_add_credential(struct flow_op *op, struct mutation *m, struct err *err)
{
	const struct credential_public p = {.names = op->in.names,
	    .key_type = op->in.key_type,
	    .issuer = ISSUER_MICRO,
	    .has_issuer_record = true,
	    .issuer_record = op->ca,
	    .lifetime = op->in.lifetime,
	    .fraction_percent = op->in.fraction_percent,
	    .new_key = op->in.new_key,
	    .has_active = true,
	    .active = op->generation,
	    .generations = 1,
	    .stale_after = op->in.stale_after,
	    .state = CREDENTIAL_ISSUED,
	    .created_at = runtime_wall_s(op->flow->rt)};
	int rc = draft_credential(op, m, op->in.name, &p, err);

	op->flow->stats.issued++;
	return rc < 0 ? rc : draft_generation(op, m, 0, err);
}

const struct flow_op_type flow_op_credential_add = {
    "cert.add", look_add, request_add, mutation_add_credential};

/* --- renew --- */

static int
look_renew(struct flow_op *op, struct err *err)
{
	const struct index_record *c, *ca, *active;
	int rc = look_credential(op, &c, err);

	if (rc < 0)
		return rc;
	if (op->in.name == NULL)
		op->in.name = flow_op_text(op, c->name);
	rc = credential_may(c->credential, c->name, CREDENTIAL_ISSUE, err);
	if (rc < 0)
		return rc;
	rc = look_ca_of(op, c->credential, &ca, err);
	if (rc == 0)
		rc = look_times(op, ca, c->credential->lifetime, err);
	if (rc < 0)
		return err_wrap(err, "credential '%s'", c->name);
	look_access(op, c->access);
	active = index_active(op->flow->index, c);
	op->new_key = op->in.new_key || c->credential->new_key || active == NULL;
	op->fetches = !op->new_key;
	if (op->fetches)
		op->fetch = active->id;
	new_id(op->flow, &op->generation);
	op->number = c->credential->generations + 1;
	op->calls = 1;
	return 0;
}

static int
request_renew(struct flow_op *op, unsigned call, struct buf *out, struct err *err)
{
	const struct index_record *c;
	int rc = draft_current(op, &c, err);

	if (rc < 0)
		return rc;
	op->asked[call] = SIGNER_ISSUE;
	return issue_request(op, c->credential->names, c->credential->key_type, out, err);
}

static int
mutation_renew(struct flow_op *op, struct mutation *m, struct err *err)
{
	const struct index_record *c;
	struct credential_public p;
	int rc = draft_current(op, &c, err);

	if (rc < 0)
		return rc;
	p = *c->credential;
	p.has_active = true;
	p.active = op->generation;
	p.generations = op->number;
	rc = credential_move(&p, c->name, CREDENTIAL_ISSUE, err);
	if (rc == 0)
		rc = draft_credential(op, m, c->name, &p, err);
	if (rc == 0)
		rc = draft_generation(op, m, 0, err);
	if (rc < 0)
		return rc;
	/* The one in force until now counts as one of those that are kept. */
	draft_superseded(op, m, c, KEEP_GENERATIONS - 1);
	op->flow->stats.issued++;
	return 0;
}

const struct flow_op_type flow_op_credential_renew = {
    "cert.renew", look_renew, request_renew, mutation_renew};
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
