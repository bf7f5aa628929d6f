/*
 * Keys that may leave the domain: what becomes of a credential's EXPORT_KEY records while its
 * generations come and go, and giving a key out. That is a mutation too: each export, and each
 * wrong password, stands in the audit log before anybody gets an answer, and in the CREDENTIAL.
 */

#include "common/crypto/sign.h"
#include "common/wire/public_wire.h"
#include "server/flow/export.h"

#include <stdio.h>

/* --- what was asked for with a new key --- */

int
export_take(struct flow_op *op, const struct flow_export *e, struct err *err)
{
	if (e == NULL)
		return 0;
	if (id_is_zero(&e->generation))
		return err_set(err, ERR_INVALID, "an export password names its generation");
	op->in.exportable = true;
	op->in.has_export = true;
	op->in.export_generation = e->generation;
	op->in.export_credential = e->credential;
	op->in.export_password = buf_new(LIMIT_SEALED);
	buf_put_span(op->in.export_password, e->password);
	return buf_error(op->in.export_password, "the sealed password", err);
}

static int
start_exportable(struct flow *f, const struct flow_op_type *type, const char *name,
    const struct flow_export *export, const char *author, flow_done_cb *done, void *arg,
    struct err *err)
{
	struct flow_op *op;
	int rc = flow_check_open(f, err);

	if (rc < 0)
		return rc;
	op = flow_op_new(f, type, done, arg);
	op->in.name = flow_op_text(op, name);
	op->in.author = flow_op_text(op, author);
	op->in.new_key = true;
	rc = export_take(op, export, err);
	if (rc == 0)
		flow_op_start(op);
	else
		flow_op_free(op);
	return rc;
}

int
flow_credential_renew_exportable(struct flow *f, const char *name, const struct flow_export *export,
    const char *author, flow_done_cb *done, void *arg, struct err *err)
{
	return start_exportable(f, &flow_op_credential_renew, name, export, author, done, arg, err);
}

int
flow_credential_submit_exportable(struct flow *f, const char *name,
    const struct flow_export *export, const char *author, flow_done_cb *done, void *arg,
    struct err *err)
{
	return start_exportable(
	    f, &flow_op_credential_submit, name, export, author, done, arg, err);
}

static int
check_unused(const struct flow_op *op, const struct id *id, struct err *err)
{
	bool removed;

	if (index_version(op->flow->index, id, &removed) == 0)
		return 0;
	return err_set(err, ERR_EXISTS,
	    "this was done already, or another record has the id that it asks for: look with "
	    "'certherd cert list' before it is repeated");
}

int
export_look(struct flow_op *op, struct err *err)
{
	int rc;

	if (!op->in.has_export)
		return 0;
	/* The password is sealed for these two ids, so that it makes no other key exportable. */
	rc = check_unused(op, &op->in.export_generation, err);
	if (rc == 0 && op->credential_version == 0 && !id_is_zero(&op->in.export_credential)) {
		rc = check_unused(op, &op->in.export_credential, err);
		op->credential = op->in.export_credential;
	}
	if (rc < 0)
		return rc;
	if (!id_is_zero(&op->in.export_credential) &&
	    !id_equal(&op->in.export_credential, &op->credential))
		return err_set(err, ERR_CONFLICT,
		    "another credential has that name since the password was asked for");
	op->generation = op->in.export_generation;
	new_id(op->flow, &op->export_key);
	return 0;
}

struct signer_make_export
export_request(const struct flow_op *op)
{
	if (!op->in.has_export)
		return (struct signer_make_export){.made_at = 0};
	return (struct signer_make_export){.record = {op->export_key, 1},
	    .password = buf_span(op->in.export_password),
	    .made_at = runtime_wall_s(op->flow->rt)};
}

/* --- what becomes of those that there are --- */

/* A generation of before, or the one that this operation makes. */
static int
key_of(const struct flow_op *op, const struct id *id, unsigned reply, struct hash *out,
    struct err *err)
{
	const struct index_record *g = index_of_kind(op->flow->index, KIND_GENERATION, id);
	struct generation_public p = {0};
	int rc;

	if (g != NULL) {
		*out = g->generation->key;
		return 0;
	}
	rc = wire_generation_public_decode(
	    op->public_part != NULL ? buf_span(op->public_part) : op->replies[reply].public_part,
	    &p, err);
	if (rc == 0)
		hash_of(p.key, out);
	generation_public_fini(&p);
	return rc;
}

/* The keys that a credential has from now on. */
struct kept {
	struct mutation *m;
	bool has_active, has_pending;
	struct hash active, pending;
	bool active_exports, pending_exports, dropped;
};

static bool
on_export(void *arg, const struct index_record *r)
{
	struct kept *k = arg;
	struct hash key;

	hash_of(r->export_key->key, &key);
	if (k->has_active && hash_equal(&key, &k->active))
		k->active_exports = true;
	else if (k->has_pending && hash_equal(&key, &k->pending))
		k->pending_exports = true;
	else {
		draft_removed(k->m, r);
		k->dropped = true;
	}
	return k->m->count < LIMIT_MUTATION;
}

static void
draft_new_key(
    struct flow_op *op, struct mutation *m, const struct hash *key, const struct signer_done *made)
{
	struct draft *d = mutation_add(m);

	d->id = op->export_key;
	d->kind = KIND_EXPORT_KEY;
	export_key_name(&op->credential, key, d->name);
	buf_put_span(d->public_part, made->export_public);
	d->sealed = buf_new(LIMIT_SEALED);
	buf_put_span(d->sealed, made->export_sealed);
}

/* What was said once is not said again at each renewal. */
static void
say_lapsed(
    struct flow_op *op, struct mutation *m, const struct kept *k, const struct index_record *before)
{
	if (k->has_active && !k->active_exports && (k->dropped || before == NULL)) {
		flow_op_warn(op,
		    "its key cannot be exported: the new one has no export password; "
		    "'certherd cert renew %s --exportable' makes one that has",
		    op->in.name);
		mutation_tell(m, "credential.export_lapsed", &op->credential, op->in.name,
		    "the new key of %s cannot be exported: it has no export password", op->in.name);
	} else if (k->has_pending && !k->pending_exports &&
	    !(k->has_active && hash_equal(&k->active, &k->pending))) {
		flow_op_warn(op,
		    "the new key has no export password, so that it cannot be exported; "
		    "'certherd cert submit %s --exportable' makes one that has",
		    op->in.name);
	}
}

static const struct index_record *
active_before(const struct flow_op *op)
{
	const struct index *ix = op->flow->index;
	const struct index_record *c = index_of_kind(ix, KIND_CREDENTIAL, &op->credential);

	return c != NULL ? index_active(ix, c) : NULL;
}

int
export_draft(struct flow_op *op, struct mutation *m, struct credential_public *p, unsigned reply,
    struct err *err)
{
	const struct index_record *before = active_before(op);
	struct kept k = {.m = m, .has_active = p->has_active, .has_pending = p->has_pending};
	struct hash made;
	int rc = 0;

	p->exportable |= op->in.exportable;
	if (!p->exportable)
		return 0;
	if (k.has_active)
		rc = key_of(op, &p->active, reply, &k.active, err);
	if (rc == 0 && k.has_pending)
		rc = key_of(op, &p->pending, reply, &k.pending, err);
	if (rc == 0 && op->in.has_export)
		rc = key_of(op, &op->generation, reply, &made, err);
	if (rc < 0)
		return rc;
	index_exports(op->flow->index, &op->credential, on_export, &k);
	if (op->in.has_export) {
		draft_new_key(op, m, &made, &op->replies[reply]);
		k.active_exports |= k.has_active && hash_equal(&made, &k.active);
		k.pending_exports |= k.has_pending && hash_equal(&made, &k.pending);
	}
	/* They are about the key in force. */
	if (k.has_active && (before == NULL || !hash_equal(&before->generation->key, &k.active))) {
		p->exported_at = 0;
		p->export_refusals = 0;
	}
	say_lapsed(op, m, &k, before);
	return 0;
}

bool
export_draft_removed(struct flow_op *op, struct mutation *m)
{
	struct kept k = {.m = m};

	index_exports(op->flow->index, &op->credential, on_export, &k);
	return k.dropped;
}

int
export_draft_unused(
    struct flow_op *op, struct mutation *m, const struct index_record *c, struct err *err)
{
	const struct credential_public *p = c->credential;
	struct kept k = {.m = m, .has_active = p->has_active, .has_pending = p->has_pending};
	int rc = 0;

	if (k.has_active)
		rc = key_of(op, &p->active, 0, &k.active, err);
	if (rc == 0 && k.has_pending)
		rc = key_of(op, &p->pending, 0, &k.pending, err);
	if (rc == 0)
		index_exports(op->flow->index, &op->credential, on_export, &k);
	return rc;
}

/* --- giving one out --- */

static int
refuse_export(const struct index *ix, const struct index_record *c, struct err *err)
{
	return err_set(err, ERR_INVALID,
	    index_export_state(ix, c) == EXPORT_LAPSED
		? "the key of '%.100s' cannot be exported any more: it was made without an export "
		  "password; 'certherd cert renew %.60s --exportable' makes a new one"
		: "the key of '%.100s' cannot be exported: it was not made exportable, and no key "
		  "becomes so later; 'certherd cert renew %.60s --exportable' makes a new one",
	    c->name, c->name);
}

static int
look_export(struct flow_op *op, struct err *err)
{
	const struct index_record *c, *active, *x;
	int rc = look_credential(op, &c, err);

	if (rc < 0)
		return rc;
	active = index_active(op->flow->index, c);
	if (active == NULL)
		return err_set(
		    err, ERR_CONFLICT, "credential '%.160s' has no certificate yet", c->name);
	look_access(op, c->access);
	op->number = active->generation->number;
	op->not_after = active->generation->not_after;
	/* Of an attempt before, whose mutation lost a race: asked once. */
	if (!op->in.has_export || op->exported != NULL || op->refusal.code < 0)
		return 0;
	x = index_export_key(op->flow->index, active);
	if (x == NULL)
		return refuse_export(op->flow->index, c, err);
	if (!id_equal(&x->id, &op->in.record))
		return err_set(err, ERR_CONFLICT,
		    "'%.160s' has another key since the password was asked for; repeat the command",
		    c->name);
	op->fetches = true;
	op->fetch = x->id;
	op->calls = 1;
	return 0;
}

static int
request_export(struct flow_op *op, unsigned call, struct buf *out, struct err *err)
{
	struct signer_request r = {.op = SIGNER_EXPORT};

	op->asked[call] = SIGNER_EXPORT;
	r.export = (struct signer_export){
	    .record = {buf_span(op->fetched_body), buf_span(op->fetched_signature)},
	    .nonce = op->in.nonce,
	    .password = buf_span(op->in.export_password)};
	return wire_signer_request_encode(&r, out, err);
}

/* A wrong password is no end yet: it is written down first. */
static bool
export_refused(struct flow_op *op, int status, const struct err *err)
{
	if (status != ERR_DENIED)
		return false;
	op->refusal = *err;
	return true;
}

static void
set_outcome(struct flow_op *op, struct mutation *m, struct credential_public *p)
{
	if (op->refusal.code < 0) {
		snprintf(m->action, sizeof(m->action), "cert.export-refused");
		p->export_refusals += p->export_refusals < UINT32_MAX;
		mutation_tell(m, "credential.export_refused", &op->credential, op->in.name,
		    "somebody has given a wrong password to export the key of %s, the %u. in a row",
		    op->in.name, p->export_refusals);
	} else if (op->in.has_export) {
		p->exported_at = runtime_wall_s(op->flow->rt);
		p->export_refusals = 0;
		mutation_tell(m, "credential.exported", &op->credential, op->in.name,
		    "the key of %s was exported", op->in.name);
	} else {
		snprintf(m->action, sizeof(m->action), "cert.export-chain");
	}
}

static int
mutation_export(struct flow_op *op, struct mutation *m, struct err *err)
{
	const struct index_record *c;
	struct credential_public p;
	int rc = draft_current(op, &c, err);

	if (rc < 0)
		return rc;
	if (op->in.has_export && op->exported == NULL && op->refusal.code == 0) {
		op->exported = buf_new(LIMIT_SEALED);
		buf_put_span(op->exported, op->replies[0].sealed);
	}
	p = *c->credential;
	set_outcome(op, m, &p);
	return draft_credential(op, m, c->name, &p, err);
}

const struct flow_op_type flow_op_credential_export = {
    "cert.export", look_export, request_export, mutation_export};

int
flow_credential_export(
    struct flow *f, const struct export_spec *spec, flow_done_cb *done, void *arg, struct err *err)
{
	struct flow_op *op;
	int rc = flow_start_named(
	    f, &flow_op_credential_export, spec->name, spec->author, done, arg, &op, err);

	if (rc < 0 || spec->password.len == 0)
		return rc;
	op->refused = export_refused;
	op->in.has_export = true;
	op->in.record = spec->export_key;
	op->in.nonce = spec->nonce;
	op->in.export_password = buf_new(LIMIT_SEALED);
	buf_put_span(op->in.export_password, spec->password);
	return 0;
}
