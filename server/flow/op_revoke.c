/*
 * Generations that are revoked. The mark in the record is what counts: whoever serves it stops in
 * the same delta, and the revocation list of its CA follows from it (crl.c). Any mutation may
 * revoke the generation that its operation has fetched.
 */

#include "common/model/pki.h"
#include "common/model/state.h"
#include "common/wire/public_wire.h"
#include "server/flow/revoke.h"

#include <stdio.h>
#include <string.h>

int
look_revocation(struct flow_op *op, const struct index_record *credential,
    const struct index_record *generation, struct err *err)
{
	const struct index *ix = op->flow->index;
	struct generation_marks facts = index_generation_marks(ix, generation);
	const struct index_record *ca = index_ca_of(ix, generation), *crl;
	int64_t now = runtime_wall_s(op->flow->rt);
	int rc = generation_may(&facts, credential->name, GENERATION_REVOKE, now, err);

	if (rc < 0)
		return rc;
	if (ca == NULL) {
		flow_op_warn(op,
		    "it was issued by a CA outside: have it revoked there too; here it is served "
		    "no more");
		return 0;
	}
	crl = index_crl_of(ix, ca);
	if ((crl != NULL ? crl->crl->list.count : 0) + index_unlisted(ix, ca, now) >=
	    LIMIT_CRL_ENTRIES)
		return err_set(err, ERR_LIMIT,
		    "the revocation list of CA '%.64s' is full: %d certificates that still run; "
		    "'certherd ca renew --new-key' begins another one",
		    ca->name, LIMIT_CRL_ENTRIES);
	return 0;
}

int
request_revocation(
    struct flow_op *op, unsigned call, uint32_t reason, struct buf *out, struct err *err)
{
	struct signer_request r = {.op = SIGNER_RESEAL};
	struct generation_public g = {0};
	int rc = wire_generation_public_decode(op->fetched->public_part, &g, err);

	if (rc < 0)
		return rc;
	g.revoked = true;
	g.withdrawn = g.withdrawn || reason == REVOKED_KEY_COMPROMISE;
	g.revoked_at = runtime_wall_s(op->flow->rt);
	g.revocation_reason = reason;
	buf_free(op->public_part);
	op->public_part = buf_new(LIMIT_PUBLIC);
	rc = wire_generation_public_encode(&g, op->public_part, err);
	generation_public_fini(&g);
	if (rc < 0)
		return rc;
	/* From now on managers alone can open it. */
	op->asked[call] = SIGNER_RESEAL;
	r.reseal.record =
	    (struct signed_bytes){buf_span(op->fetched_body), buf_span(op->fetched_signature)};
	r.reseal.to = (struct record_ref){op->fetched->id, op->fetched->version + 1};
	r.reseal.public_part = buf_span(op->public_part);
	return wire_signer_request_encode(&r, out, err);
}

int
draft_revocation(struct flow_op *op, struct mutation *m, unsigned reply, struct err *err)
{
	struct draft *d = mutation_add(m);

	d->id = op->fetched->id;
	d->kind = KIND_GENERATION;
	d->expect_version = op->fetched->version;
	snprintf(d->name, sizeof(d->name), "%s", op->fetched->name);
	buf_put_span(d->public_part, buf_span(op->public_part));
	d->sealed = buf_new(LIMIT_SEALED);
	buf_put_span(d->sealed, op->replies[reply].sealed);
	return buf_error(d->public_part, "public part of a generation", err);
}

/* --- cert revoke --- */

static int
find_generation(struct flow_op *op, const struct index_record *c, const struct index_record **out,
    struct err *err)
{
	if (op->in.number > 0)
		return index_generation_find(op->flow->index, c, op->in.number, out, err);
	*out = index_active(op->flow->index, c);
	if (*out == NULL)
		return err_set(err, ERR_CONFLICT,
		    "credential '%.150s' has no certificate to be revoked", c->name);
	return 0;
}

static bool
is_active(const struct flow_op *op, const struct index_record *c)
{
	return c->credential->has_active && id_equal(&c->credential->active, &op->generation);
}

/* Of a compromised key the generation in force goes first; the others follow from the record. */
static const struct index_record *
first_of_key(
    const struct flow_op *op, const struct index_record *c, const struct index_record *generation)
{
	const struct index_record *active = index_active(op->flow->index, c);

	if (op->in.reason == REVOKED_KEY_COMPROMISE && active != NULL &&
	    !active->generation->revoked &&
	    hash_equal(&active->generation->key, &generation->generation->key))
		return active;
	return generation;
}

static void
warn_pending(
    struct flow_op *op, const struct index_record *c, const struct index_record *generation)
{
	const struct index_record *pending = c->credential->has_pending
	    ? index_of_kind(op->flow->index, KIND_GENERATION, &c->credential->pending)
	    : NULL;

	if (pending != NULL && op->in.reason == REVOKED_KEY_COMPROMISE &&
	    hash_equal(&pending->generation->key, &generation->generation->key))
		flow_op_warn(op,
		    "the CSR that waits is for the same key: 'certherd cert submit --new-key' "
		    "makes another one");
}

/* A key that was imported under two names. */
struct elsewhere {
	const struct index *ix;
	const struct index_generation *lost;
	const struct index_record *found; /* a CREDENTIAL */
};

static bool
on_active_of(void *arg, const struct index_record *c)
{
	struct elsewhere *e = arg;
	const struct index_record *active = index_active(e->ix, c);

	if (active != NULL && !id_equal(&c->id, &e->lost->credential) &&
	    !active->generation->revoked && hash_equal(&active->generation->key, &e->lost->key))
		e->found = c;
	return e->found == NULL;
}

static void
warn_elsewhere(struct flow_op *op, const struct index_record *generation)
{
	struct elsewhere e = {op->flow->index, generation->generation, NULL};

	if (op->in.reason != REVOKED_KEY_COMPROMISE)
		return;
	index_each(e.ix, KIND_CREDENTIAL, on_active_of, &e);
	if (e.found != NULL)
		flow_op_warn(op,
		    "the same key is in force in '%.100s' too: 'certherd cert revoke %.100s "
		    "--reason key-compromise'",
		    e.found->name, e.found->name);
}

static int
look_revoke(struct flow_op *op, struct err *err)
{
	const struct index_record *c, *g;
	int rc = look_credential(op, &c, err);

	if (rc == 0)
		rc = find_generation(op, c, &g, err);
	if (rc < 0)
		return rc;
	g = first_of_key(op, c, g);
	op->generation = g->id;
	op->number = g->generation->number;
	op->not_after = g->generation->not_after;
	if (is_active(op, c))
		rc = credential_may(c->credential, c->name, CREDENTIAL_REVOKE, err);
	if (rc == 0)
		rc = look_revocation(op, c, g, err);
	if (rc < 0)
		return rc;
	warn_pending(op, c, g);
	warn_elsewhere(op, g);
	look_access(op, c->access);
	op->fetches = true;
	op->fetch = g->id;
	op->calls = 1;
	return 0;
}

static int
request_revoke(struct flow_op *op, unsigned call, struct buf *out, struct err *err)
{
	return request_revocation(op, call, op->in.reason, out, err);
}

/* Whatever else was certified for the key, as a list for retire.c. */
struct same_key {
	const struct flow_op *op;
	struct hash key;
	int64_t now;
	struct id ids[LIMIT_RETIRING];
	size_t count;
};

static void
put_id(struct same_key *s, const struct id *id)
{
	for (size_t i = 0; i < s->count; i++)
		if (id_equal(&s->ids[i], id))
			return;
	if (s->count < LIMIT_RETIRING && !id_equal(id, &s->op->generation))
		s->ids[s->count++] = *id;
}

static bool
on_generation(void *arg, const struct index_record *g)
{
	struct same_key *s = arg;

	if (!g->generation->waits && !g->generation->revoked &&
	    g->generation->not_after >= s->now && hash_equal(&g->generation->key, &s->key))
		put_id(s, &g->id);
	return true;
}

static void
find_same_key(const struct flow_op *op, const struct index_record *c, struct same_key *out)
{
	const struct index *ix = op->flow->index;
	const struct index_record *g = index_of_kind(ix, KIND_GENERATION, &op->generation);

	*out = (struct same_key){.op = op, .now = runtime_wall_s(op->flow->rt)};
	if (g == NULL || op->in.reason != REVOKED_KEY_COMPROMISE)
		return;
	out->key = g->generation->key;
	for (size_t i = 0; i < c->credential->compromised.count; i++)
		put_id(out, &c->credential->compromised.items[i]);
	index_generations(ix, &c->id, on_generation, out);
}

static int
mutation_revoke(struct flow_op *op, struct mutation *m, struct err *err)
{
	const struct index_record *c;
	struct credential_public p;
	struct same_key same;
	int rc = draft_current(op, &c, err);

	if (rc < 0)
		return rc;
	find_same_key(op, c, &same);
	if (!is_active(op, c) && same.count == 0) {
		mutation_expect(m, &c->id, c->version);
		return draft_revocation(op, m, 0, err);
	}
	p = *c->credential;
	if (same.count > 0)
		p.compromised = (struct ids){same.ids, same.count};
	if (is_active(op, c))
		rc = credential_move(&p, c->name, CREDENTIAL_REVOKE, err);
	if (rc == 0)
		rc = draft_credential(op, m, c->name, &p, err);
	return rc < 0 ? rc : draft_revocation(op, m, 0, err);
}

const struct flow_op_type flow_op_credential_revoke = {
    "cert.revoke", look_revoke, request_revoke, mutation_revoke};

/* --- the whole of it: then the list --- */

/* Copies of what the operation has said, until the list has it. */
struct revoking {
	struct flow *flow;
	char *name;
	flow_done_cb *done;
	void *arg;
	struct flow_result result;
	char *warnings[OP_WARNINGS_MAX + 1];
};

static void
revoking_end(struct revoking *r, int status, const struct err *err)
{
	r->result.warnings.items = (const char *const *)r->warnings;
	r->done(r->arg, status, status == 0 ? &r->result : NULL, err);
	for (size_t i = 0; i < r->result.warnings.count; i++)
		mem_free(r->warnings[i]);
	mem_free(r->name);
	mem_free(r);
}

static void
revoking_warn(struct revoking *r, const char *text)
{
	if (r->result.warnings.count < ARRAY_LEN(r->warnings))
		r->warnings[r->result.warnings.count++] = mem_strdup(text);
}

static void
on_listed(void *arg, const char *trouble)
{
	struct revoking *r = arg;

	if (trouble != NULL)
		revoking_warn(r, trouble);
	revoking_end(r, 0, NULL);
}

static void
on_revoked(void *arg, int status, const struct flow_result *result, const struct err *err)
{
	struct revoking *r = arg;

	if (status < 0) {
		revoking_end(r, status, err);
		return;
	}
	r->name = mem_strdup(result->name);
	r->result = *result;
	r->result.name = r->name;
	r->result.warnings = (struct texts){NULL, 0};
	for (size_t i = 0; i < result->warnings.count && i < OP_WARNINGS_MAX; i++)
		revoking_warn(r, result->warnings.items[i]);
	crl_when_listed(r->flow, &result->generation_id, on_listed, r);
}

int
flow_credential_revoke(struct flow *f, const char *name, uint64_t number, const char *reason,
    const char *author, flow_done_cb *done, void *arg, struct err *err)
{
	struct revoking *r;
	struct flow_op *op;
	uint32_t code;
	int rc = revocation_reason_parse(reason != NULL ? reason : "", &code, err);

	if (rc < 0)
		return rc;
	r = mem_zalloc(sizeof(*r));
	*r = (struct revoking){.flow = f, .done = done, .arg = arg};
	rc = flow_start_named(f, &flow_op_credential_revoke, name, author, on_revoked, r, &op, err);
	if (rc < 0) {
		mem_free(r);
		return rc;
	}
	op->in.number = number;
	op->in.reason = code;
	return 0;
}
