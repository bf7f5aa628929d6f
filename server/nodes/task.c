/*
 * How an operation goes:
 *
 *   START --> JOB --> SIGN (once for each call) --> COMMIT --> [WAIT] --> DONE
 *
 * What is not needed is left out. COMMIT goes back to START when the records have changed
 * meanwhile, TASK_ATTEMPTS times at most, and when it was only a step on the way. Each step ends on
 * a later turn of the loop.
 */

#include "server/nodes/nodes_priv.h"

#include <string.h>

static const struct sm_state states[] = {
    [TASK_START] = {"start",
	SM_TO(TASK_JOB) | SM_TO(TASK_SIGN) | SM_TO(TASK_COMMIT) | SM_TO(TASK_DONE)},
    [TASK_JOB] = {"job",
	SM_TO(TASK_START) | SM_TO(TASK_SIGN) | SM_TO(TASK_COMMIT) | SM_TO(TASK_DONE)},
    [TASK_SIGN] = {"sign",
	SM_TO(TASK_START) | SM_TO(TASK_SIGN) | SM_TO(TASK_COMMIT) | SM_TO(TASK_DONE)},
    [TASK_COMMIT] = {"commit", SM_TO(TASK_START) | SM_TO(TASK_WAIT) | SM_TO(TASK_DONE)},
    [TASK_WAIT] = {"wait", SM_TO(TASK_DONE)},
    [TASK_DONE] = {"done", 0},
};
_Static_assert(ARRAY_LEN(states) == TASK__COUNT, "every state has its moves");

static void look(struct task *t);

static void
on_start(void *arg)
{
	look(arg);
}

struct task *
task_new(struct nodes *n, const struct task_type *type, const char *author, const char *object,
    void (*done)(void), void *arg)
{
	struct task *t = mem_zalloc(type->size);

	t->nodes = n;
	t->type = type;
	t->memory = arena_new(LIMIT_RECORD);
	t->author = task_text(t, author != NULL ? author : "certherd");
	t->object = task_text(t, object);
	t->done = done;
	t->arg = arg;
	t->timer = (struct timer){.cb = on_start, .arg = t};
	sm_init(&t->sm, states, TASK__COUNT, TASK_START);
	return t;
}

const char *
task_text(struct task *t, const char *s)
{
	const char *copy = arena_text(t->memory, span_str(s));

	return copy != NULL ? copy : "";
}

struct span
task_span(struct task *t, struct span s)
{
	struct span copy = arena_span(t->memory, s);

	return copy.data != NULL ? copy : SPAN(NULL, 0);
}

struct texts
task_texts(struct task *t, struct texts texts)
{
	const char **items = arena_array(t->memory, texts.count, sizeof(*items));

	if (items == NULL)
		return (struct texts){NULL, 0};
	for (size_t i = 0; i < texts.count; i++)
		items[i] = task_text(t, texts.items[i]);
	return (struct texts){items, texts.count};
}

static void
forget(struct task *t)
{
	if (t->type->forget != NULL)
		t->type->forget(t);
	t->uses_job = false;
	t->answered = false;
	t->waits = false;
	t->again = false;
	t->calls = 0;
	t->at_call = 0;
}

void
task_drop(struct task *t)
{
	forget(t);
	arena_free(t->memory);
	mem_free(t);
}

static void
finish(struct task *t, int status, const struct err *err)
{
	struct nodes *n = t->nodes;

	sm_move(&t->sm, TASK_DONE);
	*t->prev = t->next;
	if (t->next != NULL)
		t->next->prev = t->prev;
	t->type->finish(t, status, &t->commit, err);
	task_drop(t);
	nodes_check_closed(n);
}

static bool
is_canceled(struct task *t)
{
	struct err err;

	if (!t->nodes->closing)
		return false;
	err_set(&err, ERR_CANCELED, "the server is ending");
	finish(t, ERR_CANCELED, &err);
	return true;
}

static void
fail(struct task *t, int status, const struct err *err)
{
	bool changed = status == ERR_CONFLICT || status == ERR_EXISTS;
	struct err text = *err;

	if (changed && ++t->attempts < TASK_ATTEMPTS && !t->nodes->closing) {
		uint16_t drawn;

		/* After a moment, drawn, so that several do not go on in step. */
		sm_move(&t->sm, TASK_START);
		runtime_random(t->nodes->p.runtime, &drawn, sizeof(drawn));
		runtime_timer_start(t->nodes->p.runtime, &t->timer, drawn % (1 + 5 * t->attempts));
		return;
	}
	finish(t, status, &text);
}

void
task_resume(struct task *t)
{
	if (t->sm.state == TASK_WAIT)
		finish(t, 0, NULL);
}

static void
on_committed(void *arg, int status, const struct commit_result *result, const struct err *err)
{
	struct task *t = arg;

	if (status < 0) {
		fail(t, status, err);
		return;
	}
	t->commit = *result;
	if (t->again) {
		t->attempts = 0;
		sm_move(&t->sm, TASK_START);
		runtime_timer_start(t->nodes->p.runtime, &t->timer, 0);
		return;
	}
	if (!t->waits || t->nodes->closing) {
		finish(t, 0, NULL);
		return;
	}
	sm_move(&t->sm, TASK_WAIT);
	repair_start(t->nodes);
}

static void
commit(struct task *t)
{
	struct mutation *m = mutation_new(t->author, t->type->action, t->object);
	struct err err;
	int rc;

	sm_move(&t->sm, TASK_COMMIT);
	rc = t->type->mutation(t, m, &err);
	if (rc == 0)
		rc = commit_submit(t->nodes->p.commit, m, on_committed, t, &err);
	else
		mutation_free(m);
	if (rc < 0)
		fail(t, rc, &err);
}

static void sign(struct task *t);

static void
on_signed(struct signer_call *call, int status, struct span bytes, const struct err *err)
{
	struct task *t = CONTAINER_OF(call, struct task, call);
	struct signer_done done;
	struct err text;
	int rc;

	if (is_canceled(t))
		return;
	if (status < 0) {
		fail(t, status, err);
		return;
	}
	rc = wire_signer_done_decode(t->asked, bytes, &done, &text);
	if (rc == 0) {
		rc = t->type->reply(t, t->at_call, &done, &text);
		signer_done_fini(&done);
	}
	if (rc < 0)
		fail(t, rc, &text);
	else if (++t->at_call < t->calls)
		sign(t);
	else
		commit(t);
}

static void
sign(struct task *t)
{
	AUTO(buf_freep)
	struct buf *bytes = buf_new(LIMIT_SIGNER_FRAME);
	struct signer_request r = {0};
	struct err err;
	int rc;

	sm_move(&t->sm, TASK_SIGN);
	t->call = (struct signer_call){.cb = on_signed};
	rc = t->type->request(t, t->at_call, &r, &err);
	t->asked = r.op;
	if (rc == 0)
		rc = wire_signer_request_encode(&r, bytes, &err);
	if (rc == 0)
		rc = signer_submit(t->nodes->p.signer, &t->call, buf_span(bytes), &err);
	if (rc < 0)
		fail(t, rc, &err);
}

static void
proceed(struct task *t)
{
	if (t->calls > 0)
		sign(t);
	else if (t->type->mutation != NULL)
		commit(t);
	else
		finish(t, 0, NULL);
}

static void
run_job(struct job *job)
{
	struct task *t = CONTAINER_OF(job, struct task, job);

	t->job_status = t->type->run(t, &t->job_err);
}

static void
on_job_done(struct job *job)
{
	struct task *t = CONTAINER_OF(job, struct task, job);

	if (is_canceled(t))
		return;
	if (t->job_status < 0)
		fail(t, t->job_status, &t->job_err);
	else
		proceed(t);
}

static void
look(struct task *t)
{
	struct err err;
	int rc;

	if (is_canceled(t))
		return;
	forget(t);
	rc = t->type->look(t, &err);
	if (rc < 0 || t->answered) {
		finish(t, rc, &err);
	} else if (t->uses_job) {
		sm_move(&t->sm, TASK_JOB);
		t->job = (struct job){.run = run_job, .done = on_job_done};
		runtime_work(t->nodes->p.runtime, &t->job);
	} else {
		proceed(t);
	}
}

void
task_start(struct task *t)
{
	struct nodes *n = t->nodes;

	t->next = n->tasks;
	t->prev = &n->tasks;
	if (n->tasks != NULL)
		n->tasks->prev = &t->next;
	n->tasks = t;
	runtime_timer_start(n->p.runtime, &t->timer, 0);
}

void
task_finish_plain(struct task *t, const struct id *id, int status,
    const struct commit_result *commit, const struct err *err)
{
	nodes_done_cb *done = (nodes_done_cb *)t->done;
	struct nodes_result r = {.id = *id, .commit = *commit, .warning = t->warning};

	done(t->arg, status, status == 0 ? &r : NULL, err);
}
