/*
 * How an operation goes:
 *
 *   START --> FETCH --> SIGN (once for each call) --> COMMIT --> DONE
 *     |  \--> PARKED --> START
 *     \--> SIGN, COMMIT, DONE (what is not needed is left out)
 *
 * COMMIT goes back to START when the records have changed meanwhile, OP_ATTEMPTS times at most.
 * Each step ends in a callback on a later turn of the loop; a failure anywhere goes to DONE.
 */

#include "common/crypto/cert.h"
#include "server/flow/flow_priv.h"

#include <stdarg.h>
#include <string.h>

static const struct sm_state states[] = {
    [OP_START] = {"start",
	SM_TO(OP_START) | SM_TO(OP_PARKED) | SM_TO(OP_FETCH) | SM_TO(OP_SIGN) | SM_TO(OP_COMMIT) |
	    SM_TO(OP_DONE)},
    [OP_PARKED] = {"parked", SM_TO(OP_START) | SM_TO(OP_DONE)},
    [OP_FETCH] = {"fetch", SM_TO(OP_START) | SM_TO(OP_SIGN) | SM_TO(OP_COMMIT) | SM_TO(OP_DONE)},
    [OP_SIGN] = {"sign", SM_TO(OP_START) | SM_TO(OP_SIGN) | SM_TO(OP_COMMIT) | SM_TO(OP_DONE)},
    [OP_COMMIT] = {"commit", SM_TO(OP_START) | SM_TO(OP_DONE)},
    [OP_DONE] = {"done", 0},
};
_Static_assert(ARRAY_LEN(states) == OP__COUNT, "every state has its moves");

static void look(struct flow_op *op);

static void
on_start(void *arg)
{
	look(arg);
}

struct flow_op *
flow_op_new(struct flow *f, const struct flow_op_type *type, flow_done_cb *done, void *arg)
{
	struct flow_op *op = mem_zalloc(sizeof(*op));

	op->flow = f;
	op->type = type;
	op->done = done;
	op->arg = arg;
	op->memory = arena_new(LIMIT_PUBLIC * 4);
	op->timer = (struct timer){.cb = on_start, .arg = op};
	sm_init(&op->sm, states, OP__COUNT, OP_START);
	return op;
}

const char *
flow_op_text(struct flow_op *op, const char *s)
{
	return s != NULL ? arena_text(op->memory, span_str(s)) : NULL;
}

struct texts
flow_op_texts(struct flow_op *op, struct texts t)
{
	const char **items = arena_array(op->memory, t.count, sizeof(*items));

	for (size_t i = 0; items != NULL && i < t.count; i++)
		items[i] = arena_text(op->memory, span_str(t.items[i]));
	return (struct texts){items, t.count};
}

/* Everything that was found by a look that does not count any more. */
static void
forget(struct flow_op *op)
{
	for (unsigned i = 0; i < OP_CALLS_MAX; i++) {
		signer_done_fini(&op->replies[i]);
		buf_free(op->reply_bytes[i]);
		op->reply_bytes[i] = NULL;
		buf_free(op->ca_parts[i]);
		op->ca_parts[i] = NULL;
	}
	record_free(op->fetched);
	buf_free(op->fetched_body);
	buf_free(op->fetched_signature);
	buf_free(op->public_part);
	mem_free(MOVE(op->revised));
	op->fetched = NULL;
	op->fetched_body = NULL;
	op->fetched_signature = NULL;
	op->public_part = NULL;
	op->fetches = false;
	op->new_key = false;
	op->has_ca = false;
	op->waits = false;
	op->unchanged = false;
	op->takes_access = false;
	op->calls = 0;
	op->at_call = 0;
	op->access_count = 0;
	op->warning_count = 0;
}

void
flow_op_warn(struct flow_op *op, const char *fmt, ...)
{
	struct buf text = BUF_INIT(4 * ERR_TEXT_MAX);
	va_list ap;

	va_start(ap, fmt);
	buf_vputf(&text, fmt, ap);
	va_end(ap);
	if (op->warning_count < OP_WARNINGS_MAX) {
		op->warnings[op->warning_count] = flow_op_text(op, buf_str(&text));
		op->warning_count += op->warnings[op->warning_count] != NULL;
	}
	buf_fini(&text);
}

void
flow_op_free(struct flow_op *op)
{
	forget(op);
	for (size_t i = 0; i < op->in.cert_count; i++)
		cert_unref(op->in.certs[i]);
	mem_free(op->in.certs);
	buf_free(op->in.sealed);
	buf_free(op->in.export_password);
	buf_free(op->exported);
	arena_free(op->memory);
	mem_free(op);
}

static void
finish(struct flow_op *op, int status, const struct commit_result *commit, const struct err *err)
{
	struct flow *f = op->flow;
	struct flow_result r = {.id = op->credential,
	    .name = op->in.name,
	    .generation = op->number,
	    .generation_id = op->generation,
	    .not_after = op->not_after,
	    .waits = op->waits,
	    .unchanged = op->unchanged,
	    .warnings = {op->warnings, op->warning_count}};

	sm_move(&op->sm, OP_DONE);
	*op->prev = op->next;
	if (op->next != NULL)
		op->next->prev = op->prev;
	f->stats.under_way--;
	f->stats.failed += status < 0;
	if (commit != NULL)
		r.commit = *commit;
	if (op->exported != NULL)
		r.exported = buf_span(op->exported);
	if (f->ca_op == op)
		f->ca_op = NULL;
	op->done(op->arg, status, status == 0 ? &r : NULL, err);
	flow_op_free(op);
	flow_check_closed(f);
}

/* After a lost race a moment later, drawn, so that several do not go on in step. */
static void
again(struct flow_op *op)
{
	uint16_t drawn;

	sm_move(&op->sm, OP_START);
	runtime_random(op->flow->rt, &drawn, sizeof(drawn));
	runtime_timer_start(op->flow->rt, &op->timer, drawn % (1 + 5 * op->attempts));
}

/* A failure on the way: what has only changed meanwhile is looked at again. */
static void
fail(struct flow_op *op, int status, const struct err *err)
{
	bool changed = status == ERR_CONFLICT || status == ERR_EXISTS;
	struct err text = *err;

	if (changed && ++op->attempts < OP_ATTEMPTS && !op->flow->closing) {
		again(op);
		return;
	}
	finish(op, status, NULL, &text);
}

static bool
is_canceled(struct flow_op *op)
{
	struct err err;

	if (!op->flow->closing)
		return false;
	err_set(&err, ERR_CANCELED, "the server is ending");
	finish(op, ERR_CANCELED, NULL, &err);
	return true;
}

static void
on_committed(void *arg, int status, const struct commit_result *result, const struct err *err)
{
	struct flow_op *op = arg;

	if (status < 0)
		fail(op, status, err);
	else if (op->refusal.code < 0)
		finish(op, op->refusal.code, NULL, &op->refusal);
	else
		finish(op, 0, result, err);
}

static void
commit(struct flow_op *op)
{
	struct mutation *m = mutation_new(op->in.author != NULL ? op->in.author : "certherd",
	    op->type->action, op->in.name != NULL ? op->in.name : "");
	struct err err;
	int rc;

	sm_move(&op->sm, OP_COMMIT);
	rc = op->type->mutation(op, m, &err);
	if (rc == 0)
		rc = commit_submit(op->flow->commit, m, on_committed, op, &err);
	else
		mutation_free(m);
	if (rc < 0)
		fail(op, rc, &err);
}

static void sign(struct flow_op *op);

static void
on_signed(struct signer_call *call, int status, struct span done, const struct err *err)
{
	struct flow_op *op = CONTAINER_OF(call, struct flow_op, call);
	unsigned n = op->at_call;
	struct err text;
	int rc = status;

	if (is_canceled(op))
		return;
	if (status < 0) {
		if (op->refused != NULL && op->refused(op, status, err))
			commit(op);
		else
			fail(op, status, err);
		return;
	}
	op->reply_bytes[n] = buf_new(LIMIT_SIGNER_FRAME);
	buf_put_span(op->reply_bytes[n], done);
	rc = buf_error(op->reply_bytes[n], "reply of the signer", &text);
	if (rc == 0)
		rc = wire_signer_done_decode(
		    op->asked[n], buf_span(op->reply_bytes[n]), &op->replies[n], &text);
	if (rc < 0) {
		fail(op, rc, &text);
		return;
	}
	op->at_call++;
	if (op->at_call < op->calls)
		sign(op);
	else
		commit(op);
}

static void
sign(struct flow_op *op)
{
	AUTO(buf_freep)
	struct buf *request = buf_new(LIMIT_SIGNER_FRAME);
	struct err err;
	int rc;

	sm_move(&op->sm, OP_SIGN);
	op->call = (struct signer_call){.cb = on_signed};
	rc = op->type->request(op, op->at_call, request, &err);
	if (rc == 0)
		rc = signer_submit(op->flow->signer, &op->call, buf_span(request), &err);
	if (rc < 0)
		fail(op, rc, &err);
}

static void
on_fetched(void *arg, int status, const struct record *record, struct signed_bytes s,
    const struct err *err)
{
	struct flow_op *op = arg;
	struct err gone;

	if (is_canceled(op))
		return;
	if (status < 0) {
		/* The index knew it: it has gone since. */
		fail(op, status == ERR_NOTFOUND ? ERR_CONFLICT : status, err);
		return;
	}
	if (record->removed) {
		err_set(&gone, ERR_CONFLICT, "it has been removed by somebody else meanwhile");
		fail(op, ERR_CONFLICT, &gone);
		return;
	}
	op->fetched = record_dup(record);
	op->fetched_body = buf_new(LIMIT_RECORD);
	buf_put_span(op->fetched_body, s.body);
	op->fetched_signature = buf_new(LIMIT_SIGNATURE);
	buf_put_span(op->fetched_signature, s.signature);
	if (op->calls > 0)
		sign(op);
	else
		commit(op);
}

static void
look(struct flow_op *op)
{
	struct err err;
	int rc;

	if (is_canceled(op))
		return;
	forget(op);
	rc = op->type->look(op, &err);
	if (rc == ERR_AGAIN && op->waits_for_ca) {
		sm_move(&op->sm, OP_PARKED);
		return;
	}
	if (rc < 0) {
		finish(op, rc, NULL, &err);
	} else if (op->unchanged) {
		finish(op, 0, NULL, NULL);
	} else if (op->fetches) {
		sm_move(&op->sm, OP_FETCH);
		index_fetch(op->flow->index, &op->fetch, on_fetched, op);
	} else if (op->calls > 0) {
		sign(op);
	} else {
		commit(op);
	}
}

void
flow_op_start(struct flow_op *op)
{
	struct flow *f = op->flow;

	op->next = f->ops;
	op->prev = &f->ops;
	if (f->ops != NULL)
		f->ops->prev = &op->next;
	f->ops = op;
	f->stats.under_way++;
	/* Not at once: done never comes from inside the call that started it. */
	runtime_timer_start(f->rt, &op->timer, 0);
}

void
flow_op_unpark(struct flow_op *op, int status, const struct err *err)
{
	if (op->sm.state != OP_PARKED)
		return;
	op->waits_for_ca = false;
	if (status < 0)
		finish(op, status, NULL, err);
	else
		again(op);
}
