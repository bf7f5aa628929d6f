#include "tests/sim/sim_op.h"

#include "common/base/str.h"

#include <string.h>

bool
sim_op_may_begin(const struct sim *s, bool alone)
{
	return s->manager.state == SIM_UP && !s->alone && (!alone || s->ops == 0);
}

struct sim_op *
sim_op_new(struct sim *s, const char *action, const char *object)
{
	struct sim_op *op = mem_zalloc(sizeof(*op));

	op->sim = s;
	op->life = s->manager.life;
	op->mutation = mutation_new("sim", action, object);
	CHECK(str_copy(op->action, sizeof(op->action), action, NULL) == 0);
	CHECK(str_copy(op->name, sizeof(op->name), object, NULL) == 0);
	s->ops++;
	return op;
}

static void
sim_op_free(struct sim_op *op)
{
	CHECK(op->sim->ops > 0);
	op->sim->ops--;
	if (op->alone)
		op->sim->alone = false;
	mutation_free(op->mutation);
	buf_free(op->group_public);
	buf_free(op->group_sealed);
	buf_free(op->node_public);
	mem_free(op->promises);
	mem_free(op);
}

void
sim_op_step(struct sim_op *op, enum signer_op what, sim_ask *ask, sim_take *take)
{
	CHECK(op->step_count < SIM_STEPS);
	op->steps[op->step_count++] = (struct sim_op_step){what, ask, take};
}

struct draft *
sim_op_draft(struct sim_op *op, const struct id *id, uint32_t kind, const char *name)
{
	const struct sim_entry *there = shelf_get(&op->sim->manager.shelf, id);
	struct draft *d = mutation_add(op->mutation);

	d->id = *id;
	d->kind = kind;
	CHECK(str_copy(d->name, sizeof(d->name), name, NULL) == 0);
	d->expect_version = there != NULL ? there->record->version : 0;
	return d;
}

bool
sim_op_remove(struct sim_op *op, const struct id *id)
{
	const struct sim_entry *there = shelf_get(&op->sim->manager.shelf, id);
	struct draft *d;

	if (there == NULL || there->record->removed)
		return false;
	d = sim_op_draft(op, id, there->record->kind, there->record->name);
	d->removed = true;
	return true;
}

/* Answers that only mean trouble somewhere else: the change did not happen, and may be tried. */
static bool
is_trouble(int status)
{
	return status == ERR_UNAVAIL || status == ERR_CANCELED || status == ERR_NOSPACE ||
	    status == ERR_IO || status == ERR_CONFLICT || status == ERR_EXISTS;
}

static void
on_committed(void *arg, int status, const struct commit_result *result, const struct err *err)
{
	struct sim_op *op = arg;
	struct sim *s = op->sim;

	if (status == 0 && op->expected != 0)
		sim_fail(s, "%s was committed, and had to be refused", op->action);
	else if (status == 0) {
		sim_trace(s, "%s '%s' is acknowledged at seq %llu", op->action, op->name,
		    (unsigned long long)result->seq);
		oracle_note_acknowledged(&s->oracle, op->promises, op->promise_count);
		if (op->on_done != NULL)
			op->on_done(op);
	} else {
		s->oracle.refused++;
		sim_trace(s, "%s '%s': %s", op->action, op->name, err->text);
		if (status != op->expected && !is_trouble(status))
			sim_fail(s, "%s: %s: %s", op->action, err_name(status), err->text);
	}
	sim_op_free(op);
}

static void
submit(struct sim_op *op)
{
	struct sim *s = op->sim;
	struct mutation *m = MOVE(op->mutation);
	struct err err = {0};
	int r;

	op->promise_count = m->count;
	op->promises = mem_array(m->count + 1, sizeof(*op->promises));
	for (size_t i = 0; i < m->count; i++) {
		const struct draft *d = &m->drafts[i];
		op->promises[i] = (struct promise){d->id, d->expect_version + 1,
		    d->removed && d->kind != KIND_NODE && d->kind != KIND_DESIGNATION};
	}
	r = commit_submit(s->manager.commit, m, on_committed, op, &err);
	if (r < 0)
		on_committed(op, r, NULL, &err);
}

static void on_answer(
    struct signer_call *call, int status, struct span done, const struct err *err);

static void
next(struct sim_op *op)
{
	struct signer_request request = {0};
	struct sim *s = op->sim;

	if (op->life != s->manager.life || s->manager.state != SIM_UP) {
		sim_op_free(op);
		return;
	}
	if (op->step == op->step_count) {
		submit(op);
		return;
	}
	request.op = op->steps[op->step].op;
	if (!op->steps[op->step].ask(op, &request)) {
		sim_trace(s, "%s '%s' is moot", op->action, op->name);
		sim_op_free(op);
		return;
	}
	op->call.cb = on_answer;
	op->call.arg = op;
	if (manager_ask(s, &op->call, &request) < 0)
		sim_op_free(op);
}

static void
on_answer(struct signer_call *call, int status, struct span done, const struct err *err)
{
	struct sim_op *op = call->arg;
	struct signer_done answer = {0};
	struct err bad = {0};

	op->sim->manager.calls--;
	if (status < 0) {
		sim_trace(op->sim, "%s '%s': the signer: %s", op->action, op->name, err->text);
		if (!is_trouble(status))
			sim_fail(op->sim, "%s: the signer: %s: %s", op->action, err_name(status),
			    err->text);
		sim_op_free(op);
		return;
	}
	if (wire_signer_done_decode(op->steps[op->step].op, done, &answer, &bad) < 0) {
		sim_fail(op->sim, "%s: the signer's answer: %s", op->action, bad.text);
		sim_op_free(op);
		return;
	}
	op->steps[op->step].take(op, &answer);
	signer_done_fini(&answer);
	op->step++;
	next(op);
}

void
sim_op_start(struct sim_op *op)
{
	if (op->alone)
		op->sim->alone = true;
	next(op);
}
