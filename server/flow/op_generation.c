/* Generations beside the one in force: an older one comes back, or is put away. */

#include "common/crypto/cert.h"
#include "common/model/renewal.h"
#include "common/model/state.h"
#include "common/wire/public_wire.h"
#include "server/flow/export.h"
#include "server/flow/flow_priv.h"

/* The generation that the command names, to be written anew with its seal. */
static int
look_numbered(struct flow_op *op, enum generation_event event, const struct index_record **c,
    const struct index_record **g, struct err *err)
{
	struct generation_marks facts;
	int rc = look_credential(op, c, err);

	if (rc == 0)
		rc = index_generation_find(op->flow->index, *c, op->in.number, g, err);
	if (rc < 0)
		return rc;
	facts = index_generation_marks(op->flow->index, *g);
	rc = generation_may(&facts, (*c)->name, event, runtime_wall_s(op->flow->rt), err);
	if (rc < 0)
		return rc;
	op->generation = (*g)->id;
	op->number = op->in.number;
	op->not_after = (*g)->generation->not_after;
	op->fetches = true;
	op->fetch = (*g)->id;
	op->calls = 1;
	return 0;
}

static int
request_numbered(struct flow_op *op, unsigned call, struct buf *out, struct err *err)
{
	const struct record_ref to = {op->fetched->id, op->fetched->version + 1};
	struct generation_public g = {0};
	int rc = wire_generation_public_decode(op->fetched->public_part, &g, err);

	if (rc < 0)
		return rc;
	g.archived = op->in.archived;
	if (!g.archived)
		g.activated_at_ms = runtime_wall_ms(op->flow->rt);
	op->public_part = buf_new(LIMIT_PUBLIC);
	rc = wire_generation_public_encode(&g, op->public_part, err);
	generation_public_fini(&g);
	if (rc < 0)
		return rc;
	return request_reseal_as(op, call, &to, buf_span(op->public_part), out, err);
}

/* --- activate --- */

static void
warn_differences(struct flow_op *op, const struct index_record *c, const struct index_generation *g)
{
	const struct index_record *active = index_active(op->flow->index, c);

	/* Who knew it need not be noted any more: that ends once nobody serves it. */
	if (active != NULL && !hash_equal(&active->generation->key, &g->key))
		flow_op_warn(op,
		    "its key is another one than that in force: whoever had access before may "
		    "know it");
	if (!texts_equal(c->credential->names, g->names))
		flow_op_warn(op,
		    "the names of its certificate are not those that the credential asks for, "
		    "which "
		    "its next renewal has: 'certherd cert change' changes them");
	if (c->credential->issuer != ISSUER_IMPORTED &&
	    renewal_due_at(g->not_before, g->not_after, c->credential->fraction_percent,
		renewal_jitter(&op->generation)) <= runtime_wall_s(op->flow->rt))
		flow_op_warn(op, "its certificate is due, so it is renewed soon");
}

static void
warn_known(struct flow_op *op, const struct index_record *c, const struct hash *key)
{
	struct exposures e = c->credential->exposed;

	for (size_t i = 0; i < e.count; i++) {
		if (!hash_equal(&e.items[i].key, key))
			continue;
		flow_op_warn(op,
		    "its key is known to somebody without access%s: 'certherd exposed'",
		    e.items[i].replace ? ", so that a new one follows at once" : "");
		return;
	}
}

static int
look_activate(struct flow_op *op, struct err *err)
{
	const struct index_record *c, *g;
	int rc = look_numbered(op, GENERATION_ACTIVATE, &c, &g, err);

	if (rc == 0)
		rc = credential_may(c->credential, c->name, CREDENTIAL_ACTIVATE, err);
	if (rc == 0 && retire_is_lost(op->flow->index, c, &g->generation->key))
		rc = err_set(err, ERR_CONFLICT,
		    "generation %llu of '%.100s' has a key that is compromised, so it never comes "
		    "into force again",
		    (unsigned long long)g->generation->number, c->name);
	if (rc == 0 && retire_is_listed(op->flow->index, c, &g->generation->key))
		rc = err_set(err, ERR_CONFLICT,
		    "generation %llu of '%.100s' has a key that was replaced and is about to be "
		    "revoked: 'certherd cert renew' makes another one",
		    (unsigned long long)g->generation->number, c->name);
	if (rc < 0)
		return rc;
	look_access(op, c->access);
	look_readers(op);
	warn_differences(op, c, g->generation);
	warn_known(op, c, &g->generation->key);
	return 0;
}

static int
mutation_activate(struct flow_op *op, struct mutation *m, struct err *err)
{
	const struct index_record *c;
	struct credential_public p;
	int rc = draft_current(op, &c, err);

	if (rc < 0)
		return rc;
	p = *c->credential;
	p.has_active = true;
	p.active = op->generation;
	rc = credential_move(&p, c->name, CREDENTIAL_ACTIVATE, err);
	if (rc == 0)
		rc = draft_credential(op, m, c->name, &p, err);
	if (rc == 0)
		rc = draft_answered(op, m, op->fetched->version, 0, err);
	return rc;
}

const struct flow_op_type flow_op_generation_activate = {
    "cert.activate", look_activate, request_numbered, mutation_activate};

/* --- archive --- */

static int
look_put_away(struct flow_op *op, struct err *err)
{
	const struct index_record *c, *g;

	return look_numbered(op, GENERATION_ARCHIVE, &c, &g, err);
}

static int
mutation_put_away(struct flow_op *op, struct mutation *m, struct err *err)
{
	const struct index_record *c;
	int rc = draft_current(op, &c, err);

	if (rc < 0)
		return rc;
	/* It must not come into force meanwhile. */
	mutation_expect(m, &c->id, c->version);
	rc = export_draft_unused(op, m, c, err);
	return rc < 0 ? rc : draft_answered(op, m, op->fetched->version, 0, err);
}

const struct flow_op_type flow_op_generation_archive = {
    "cert.archive-generation", look_put_away, request_numbered, mutation_put_away};

/* --- both --- */

int
flow_generation_activate(struct flow *f, const char *name, uint64_t number, const char *author,
    flow_done_cb *done, void *arg, struct err *err)
{
	struct flow_op *op;
	int rc =
	    flow_start_named(f, &flow_op_generation_activate, name, author, done, arg, &op, err);

	if (rc == 0)
		op->in.number = number;
	return rc;
}

int
flow_generation_archive(struct flow *f, const char *name, uint64_t number, const char *author,
    flow_done_cb *done, void *arg, struct err *err)
{
	struct flow_op *op;
	int rc =
	    flow_start_named(f, &flow_op_generation_archive, name, author, done, arg, &op, err);

	if (rc < 0)
		return rc;
	op->in.number = number;
	op->in.archived = true;
	return 0;
}
