/*
 * A new key, and why. What was certified for the key of before is noted in the same mutation, to be
 * revoked by retire.c; a compromised one of a Micro CA is revoked in it.
 */

#include "common/model/pki.h"
#include "common/model/state.h"
#include "server/flow/revoke.h"

/* Copies of the lists of a credential, with what is added to them. */
struct lists {
	const struct flow_op *op;
	const struct index_record *active;
	bool revokes; /* active itself, in this mutation */
	int64_t now;
	struct id retiring[LIMIT_RETIRING], compromised[LIMIT_RETIRING];
	size_t retiring_count, compromised_count;
};

static bool
add_id(struct id list[static LIMIT_RETIRING], size_t *count, const struct id *id)
{
	for (size_t i = 0; i < *count; i++)
		if (id_equal(&list[i], id))
			return true;
	if (*count == LIMIT_RETIRING)
		return false;
	list[(*count)++] = *id;
	return true;
}

/* Whatever was certified for that key and can still be believed. */
static bool
on_generation(void *arg, const struct index_record *r)
{
	struct lists *l = arg;
	const struct index_generation *g = r->generation;

	if (g->waits || g->revoked || g->not_after < l->now ||
	    !hash_equal(&g->key, &l->active->generation->key) ||
	    (l->revokes && id_equal(&r->id, &l->active->id)))
		return true;
	/* There are fewer generations than places. */
	if (l->op->in.rekey == REKEY_COMPROMISED)
		(void)add_id(l->compromised, &l->compromised_count, &r->id);
	else
		(void)add_id(l->retiring, &l->retiring_count, &r->id);
	return true;
}

static void
put_lists(const struct flow_op *op, const struct index_record *c, bool revokes, struct lists *l)
{
	const struct credential_public *p = c->credential;

	*l = (struct lists){.op = op,
	    .active = index_active(op->flow->index, c),
	    .revokes = revokes,
	    .now = runtime_wall_s(op->flow->rt)};
	for (size_t i = 0; i < p->retiring.count; i++)
		(void)add_id(l->retiring, &l->retiring_count, &p->retiring.items[i]);
	for (size_t i = 0; i < p->compromised.count; i++)
		(void)add_id(l->compromised, &l->compromised_count, &p->compromised.items[i]);
	if (l->active != NULL && op->in.rekey != REKEY_NEW)
		index_generations(op->flow->index, &c->id, on_generation, l);
}

static int
check_rekey(const struct index_record *c, struct err *err)
{
	if (c->credential->archived)
		return credential_may(c->credential, c->name, CREDENTIAL_ISSUE, err);
	if (c->credential->state == CREDENTIAL_DRAFT)
		return err_set(err, ERR_CONFLICT,
		    "credential '%.120s' is a draft, without a key so far: 'certherd cert submit' "
		    "makes one",
		    c->name);
	if (c->credential->issuer != ISSUER_MICRO && c->credential->issuer != ISSUER_MANUAL)
		return err_set(err, ERR_INVALID,
		    "the key of '%.100s' was made elsewhere ('%s'): 'certherd cert import "
		    "--replace' takes another one in, 'certherd cert change --issuer' has it made "
		    "here",
		    c->name, issuer_type_name(c->credential->issuer));
	return 0;
}

static void
warn_outside(struct flow_op *op, const struct index_record *active)
{
	if (active == NULL)
		return;
	if (op->in.rekey == REKEY_COMPROMISED)
		flow_op_warn(op,
		    "what is in force goes on with the compromised key until the CSR is answered: "
		    "have generation %llu revoked at its CA now; 'certherd cert revoke' takes it "
		    "out of service at once",
		    (unsigned long long)active->generation->number);
	else if (op->in.rekey == REKEY_REVOKE)
		flow_op_warn(op,
		    "have generation %llu revoked at its CA when the new one is served; here it "
		    "is marked by itself then",
		    (unsigned long long)active->generation->number);
}

/* Only what runs still and is believed still has to be revoked. */
static bool
can_revoke(const struct flow_op *op, const struct index_record *active)
{
	return active != NULL && !active->generation->revoked &&
	    active->generation->not_after >= runtime_wall_s(op->flow->rt);
}

static int
look_rekey(struct flow_op *op, struct err *err)
{
	const struct index_record *c, *active;
	int rc = look_credential(op, &c, err);

	if (rc == 0)
		rc = check_rekey(c, err);
	if (rc < 0)
		return rc;
	active = index_active(op->flow->index, c);
	if (c->credential->issuer == ISSUER_MANUAL) {
		rc = look_csr(op, c, c->credential, err);
		if (rc == 0)
			warn_outside(op, active);
		return rc;
	}
	rc = look_issue(op, c, c->credential, err);
	if (rc < 0 || op->in.rekey != REKEY_COMPROMISED || !can_revoke(op, active))
		return rc;
	rc = look_revocation(op, c, active, err);
	/* A full list is no reason to serve on with the key: retire.c revokes it when it can. */
	if (rc == ERR_LIMIT) {
		flow_op_warn(op,
		    "%s; it has a new key, and the old one is revoked when that "
		    "can be done",
		    err->text);
		return 0;
	}
	op->fetches = true;
	op->fetch = active->id;
	op->calls = 2;
	return rc;
}

static int
request_rekey(struct flow_op *op, unsigned call, struct buf *out, struct err *err)
{
	const struct index_record *c;
	int rc = draft_current(op, &c, err);

	if (rc < 0)
		return rc;
	if (call == 1)
		return request_revocation(op, call, REVOKED_KEY_COMPROMISE, out, err);
	return op->waits ? request_csr(op, c->credential, call, out, err)
			 : request_issue(op, c->credential, call, out, err);
}

static int
mutation_rekey(struct flow_op *op, struct mutation *m, struct err *err)
{
	const struct index_record *c;
	struct credential_public wish;
	struct lists *l;
	struct buf *revoked;
	int rc = draft_current(op, &c, err);

	if (rc < 0)
		return rc;
	l = mem_zalloc(sizeof(*l));
	put_lists(op, c, op->calls == 2, l);
	wish = *c->credential;
	wish.retiring = (struct ids){l->retiring, l->retiring_count};
	wish.compromised = (struct ids){l->compromised, l->compromised_count};
	/* That is the public part of the old one; the new one's lies in the signer's reply. */
	revoked = MOVE(op->public_part);
	rc = op->waits ? mutation_csr(op, m, c, &wish, err) : mutation_issue(op, m, c, &wish, err);
	op->public_part = revoked;
	if (rc == 0 && op->calls == 2)
		rc = draft_revocation(op, m, 1, err);
	mem_free(l);
	return rc;
}

const struct flow_op_type flow_op_credential_rekey = {
    "cert.rekey", look_rekey, request_rekey, mutation_rekey};

int
flow_credential_rekey(struct flow *f, const struct credential_rekey *rekey, flow_done_cb *done,
    void *arg, struct err *err)
{
	struct flow_op *op;
	int rc = flow_check_open(f, err);

	if (rc < 0)
		return rc;
	op = flow_op_new(f, &flow_op_credential_rekey, done, arg);
	rc = export_take(op, rekey->export, err);
	if (rc < 0) {
		flow_op_free(op);
		return rc;
	}
	op->in.name = flow_op_text(op, rekey->name);
	op->in.author = flow_op_text(op, rekey->author);
	op->in.new_key = true;
	op->in.rekey = rekey->reason;
	flow_op_start(op);
	return 0;
}
