/* Records of mutations, from what was looked up and what the signer made. */

#include "common/wire/public_wire.h"
#include "server/flow/flow_priv.h"
#include "server/index/index_ca.h"

#include <stdio.h>
#include <string.h>

int
draft_current(struct flow_op *op, const struct index_record **out, struct err *err)
{
	const struct index_record *r =
	    index_of_kind(op->flow->index, KIND_CREDENTIAL, &op->credential);

	if (r == NULL || r->version != op->credential_version)
		return err_set(err, ERR_CONFLICT,
		    "the credential has been changed by somebody else meanwhile");
	*out = r;
	return 0;
}

static struct draft *
draft_new(struct mutation *m, uint32_t kind, const struct id *id, uint64_t expect)
{
	struct draft *d = mutation_add(m);

	d->id = *id;
	d->kind = kind;
	d->expect_version = expect;
	return d;
}

/* A group that it names must be there when it is committed, with the key that was sealed to. */
static int
put_access(struct flow_op *op, struct mutation *m, struct draft *d, struct err *err)
{
	for (size_t i = 0; i < op->access_count; i++) {
		const struct index_record *r = index_get(op->flow->index, &op->access[i]);

		if (r == NULL)
			return err_set(
			    err, ERR_CONFLICT, "somebody with access has been removed meanwhile");
		if (r->kind == KIND_GROUP)
			mutation_expect(m, &r->id, r->version);
		d->access[d->access_count++] = op->access[i];
	}
	return 0;
}

static void
put_sealed(struct draft *d, struct span sealed)
{
	d->sealed = buf_new(LIMIT_SEALED);
	buf_put_span(d->sealed, sealed);
}

/*
 * Whoever the next version of the record does not name any more, because it has gone, is noted in
 * it; so is, with its new access, whoever loses it.
 */
static void
note_exposed(const struct flow_op *op, struct exposure_list *list)
{
	const struct index *ix = op->flow->index;
	const struct index_record *now = index_of_kind(ix, KIND_CREDENTIAL, &op->credential);

	if (now == NULL)
		return;
	index_expose_gone(ix, now, list);
	if (op->takes_access)
		expose_lost(op, now, list);
}

int
draft_credential(struct flow_op *op, struct mutation *m, const char *name,
    const struct credential_public *p, struct err *err)
{
	struct draft *d = draft_new(m, KIND_CREDENTIAL, &op->credential, op->credential_version);
	struct exposure_list *list = mem_zalloc(sizeof(*list));
	struct credential_public whole = *p;
	int rc = put_access(op, m, d, err);

	exposure_list_init(list, p->exposed);
	note_exposed(op, list);
	whole.exposed = exposure_list_items(list);
	snprintf(d->name, sizeof(d->name), "%s", name);
	if (rc == 0)
		rc = wire_credential_public_encode(&whole, d->public_part, err);
	mem_free(list);
	return rc;
}

int
draft_generation(struct flow_op *op, struct mutation *m, unsigned reply, struct err *err)
{
	struct draft *d = draft_new(m, KIND_GENERATION, &op->generation, 0);
	int rc = op->waits ? 0 : put_access(op, m, d, err);

	if (rc < 0)
		return rc;
	buf_put_span(d->public_part, op->replies[reply].public_part);
	put_sealed(d, op->replies[reply].sealed);
	return buf_error(d->public_part, "public part of a generation", err);
}

int
draft_answered(
    struct flow_op *op, struct mutation *m, uint64_t expect, unsigned reply, struct err *err)
{
	struct draft *d = draft_new(m, KIND_GENERATION, &op->generation, expect);
	int rc = put_access(op, m, d, err);

	if (rc < 0)
		return rc;
	buf_put_span(d->public_part, buf_span(op->public_part));
	put_sealed(d, op->replies[reply].sealed);
	return buf_error(d->public_part, "public part of a generation", err);
}

int
draft_resealed(struct flow_op *op, struct mutation *m, unsigned reply, struct err *err)
{
	const struct record *r = op->fetched;
	struct draft *d = draft_new(m, r->kind, &r->id, r->version);
	int rc = put_access(op, m, d, err);

	if (rc < 0)
		return rc;
	snprintf(d->name, sizeof(d->name), "%s", r->name);
	buf_put_span(d->public_part, r->public_part);
	put_sealed(d, op->replies[reply].sealed);
	return buf_error(d->public_part, "public part of a record", err);
}

int
request_reseal_as(struct flow_op *op, unsigned call, const struct record_ref *to,
    struct span public_part, struct buf *out, struct err *err)
{
	struct signer_request r = {.op = SIGNER_RESEAL};

	op->asked[call] = SIGNER_RESEAL;
	r.reseal.record =
	    (struct signed_bytes){buf_span(op->fetched_body), buf_span(op->fetched_signature)};
	r.reseal.to = *to;
	r.reseal.public_part = public_part;
	r.reseal.access = (struct ids){op->access, op->access_count};
	return wire_signer_request_encode(&r, out, err);
}

int
request_reseal(struct flow_op *op, unsigned call, struct buf *out, struct err *err)
{
	const struct record_ref to = {op->fetched->id, op->fetched->version + 1};

	return request_reseal_as(op, call, &to, op->fetched->public_part, out, err);
}

void
draft_removed(struct mutation *m, const struct index_record *r)
{
	struct draft *d = draft_new(m, r->kind, &r->id, r->version);

	snprintf(d->name, sizeof(d->name), "%s", r->name);
	d->removed = true;
}

struct superseded {
	struct flow_op *op;
	struct mutation *m;
	const struct index_record *before;
	const struct credential_public *credential;
	int64_t now;
	bool by_age;
	unsigned newer, keep;
};

/* By this mutation or one before: the mark, and the list after it, are made from the record. */
static bool
is_to_be_revoked(const struct superseded *s, const struct index_record *r)
{
	const struct index *ix = s->op->flow->index;
	const struct index_record *active = index_active(ix, s->before);
	bool at_once;

	if (r->generation->revoked || r->generation->not_after < s->now)
		return index_awaits_list(ix, r, s->now);
	return flow_is_retiring(ix, s->before, &r->id, &at_once) ||
	    (s->op->in.rekey != REKEY_NEW && active != NULL &&
		hash_equal(&active->generation->key, &r->generation->key));
}

static bool
on_generation(void *arg, const struct index_record *r)
{
	struct superseded *s = arg;
	const struct index_generation *g = r->generation;
	const struct generation_marks facts = {.not_after = g->not_after};

	if (id_equal(&r->id, &s->credential->active) ||
	    (s->credential->has_pending && id_equal(&r->id, &s->credential->pending)))
		return true;
	if (s->by_age && generation_kept_until(&facts) < s->now) {
		draft_removed(s->m, r);
	} else if (s->newer++ >= s->keep && !is_to_be_revoked(s, r)) {
		draft_removed(s->m, r);
		if (g->not_after >= s->now)
			flow_op_warn(s->op,
			    "generation %llu is removed, although its certificate has not run out: "
			    "%d older ones are kept",
			    (unsigned long long)g->number, GENERATIONS_KEPT);
	}
	return s->m->count < LIMIT_MUTATION;
}

void
draft_superseded(struct flow_op *op, struct mutation *m, const struct index_record *credential)
{
	/* The one in force until now is to be one of those that are kept. */
	struct superseded s = {.op = op,
	    .m = m,
	    .before = credential,
	    .credential = credential->credential,
	    .now = runtime_wall_s(op->flow->rt),
	    .by_age = purge_may(op->flow),
	    .keep = GENERATIONS_KEPT - 1};

	index_generations(op->flow->index, &credential->id, on_generation, &s);
}
