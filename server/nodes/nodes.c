#include "server/nodes/nodes.h"

#include "common/log/log.h"
#include "common/wire/public_wire.h"
#include "common/wire/record_wire.h"
#include "server/nodes/nodes_priv.h"

#include <stdio.h>
#include <string.h>

/* --- what the signer learns --- */

struct learn {
	struct signer_call call;
	struct nodes *nodes;
};

static void
on_learnt(struct signer_call *call, int status, struct span done, const struct err *err)
{
	struct learn *l = CONTAINER_OF(call, struct learn, call);
	struct nodes *n = l->nodes;

	/* A signer that died is introduced to everything when it comes up again. */
	(void)done;
	if (status < 0 && status != ERR_UNAVAIL && status != ERR_CANCELED)
		log_error("signer", "did not take a change of recipients: %s", err->text);
	mem_free(l);
	n->pending--;
	nodes_check_closed(n);
}

static bool
is_learnt(uint32_t kind)
{
	return kind == KIND_NODE || kind == KIND_GROUP || kind == KIND_MEMBERSHIP;
}

static int
encode_learn(const struct signed_bytes *records, size_t count, struct buf *out, struct err *err)
{
	struct signer_request r = {.op = SIGNER_LEARN};

	r.learn.records = (struct signed_list){records, count};
	return wire_signer_request_encode(&r, out, err);
}

/* Sent before anybody hears that these are committed, and the signer takes it in before what
 * follows. */
static void
tell_signer(struct nodes *n, const struct signed_bytes *records, size_t count)
{
	AUTO(buf_freep)
	struct buf *bytes = buf_new(LIMIT_SIGNER_FRAME);
	struct learn *l;
	struct err err;

	if (count == 0 || encode_learn(records, count, bytes, &err) < 0)
		return;
	l = mem_zalloc(sizeof(*l));
	l->nodes = n;
	l->call = (struct signer_call){.cb = on_learnt};
	n->pending++;
	if (signer_submit(n->p.signer, &l->call, buf_span(bytes), &err) == 0)
		return;
	n->pending--;
	mem_free(l);
}

static void
on_observed(void *arg, const struct committed *records, size_t count, const struct head *head,
    struct signed_bytes signed_head)
{
	struct nodes *n = arg;
	struct signed_bytes *learn = NULL;
	size_t found = 0;

	(void)head;
	(void)signed_head;
	if (count == 0 || n->closing)
		return;
	learn = mem_array(count, sizeof(*learn));
	for (size_t i = 0; i < count; i++)
		if (is_learnt(records[i].record->kind))
			learn[found++] = records[i].signed_record;
	tell_signer(n, learn, found);
	mem_free(learn);
	for (size_t i = 0; i < count; i++) {
		const struct record *r = records[i].record;

		repair_observe(n, r);
		if (r->kind == KIND_NODE && r->removed && n->p.on_removed != NULL)
			n->p.on_removed(n->p.arg, &r->id);
	}
}

struct introduce {
	struct signed_bytes *records;
	size_t count, cap, bytes;
	void (*add)(void *add_arg, struct span request);
	void *add_arg;
	int status;
	struct err *err;
};

static void
introduce_flush(struct introduce *in)
{
	AUTO(buf_freep)
	struct buf *bytes = buf_new(LIMIT_SIGNER_FRAME);

	if (in->status == 0 && in->count > 0)
		in->status = encode_learn(in->records, in->count, bytes, in->err);
	if (in->status == 0 && in->count > 0)
		in->add(in->add_arg, buf_span(bytes));
	in->count = 0;
	in->bytes = 0;
}

static bool
on_known(void *arg, const struct index_record *r)
{
	struct introduce *in = arg;

	if (in->count == in->cap) {
		in->cap = in->cap > 0 ? 2 * in->cap : 64;
		in->records = mem_grow(in->records, in->cap, sizeof(*in->records));
	}
	in->records[in->count++] = r->signed_record;
	in->bytes += wire_signed_size(&r->signed_record);
	if (in->bytes > LIMIT_SIGNER_FRAME / 4)
		introduce_flush(in);
	return in->status == 0;
}

int
nodes_introduce(const struct index *ix, void (*add)(void *add_arg, struct span request),
    void *add_arg, struct err *err)
{
	static const uint32_t kinds[] = {KIND_NODE, KIND_GROUP, KIND_MEMBERSHIP};
	struct introduce in = {.add = add, .add_arg = add_arg, .err = err};

	/* Nodes first, then what is sealed to them. */
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		index_each(ix, kinds[i], on_known, &in);
	introduce_flush(&in);
	mem_free(in.records);
	return in.status;
}

/* --- life --- */

struct opening {
	struct job job;
	struct nodes *nodes;
	nodes_ready_cb *ready;
	void *arg;
	int64_t now;
	struct local_token *rows;
	size_t count;
	int status;
	struct err err;
};

static void
run_opening(struct job *job)
{
	struct opening *o = CONTAINER_OF(job, struct opening, job);

	o->status = local_token_load(o->nodes->p.store, o->now, &o->rows, &o->count, &o->err);
}

static void
on_opened(struct job *job)
{
	struct opening *o = CONTAINER_OF(job, struct opening, job);
	struct nodes *n = o->nodes;

	for (size_t i = 0; i < o->count; i++) {
		struct token *token = mem_zalloc(sizeof(*token));

		token->row = o->rows[i];
		mem_free(map_put(n->tokens, token->row.id.bytes, ID_LEN, token));
	}
	mem_free(o->rows);
	n->pending--;
	if (!n->closing)
		repair_start(n);
	o->ready(o->arg, o->status, &o->err);
	mem_free(o);
	nodes_check_closed(n);
}

int
nodes_new(const struct nodes_params *params, nodes_ready_cb *ready, void *arg, struct nodes **out,
    struct err *err)
{
	struct nodes *n = mem_zalloc(sizeof(*n));
	struct opening *o = mem_zalloc(sizeof(*o));

	(void)err;
	n->p = *params;
	n->tokens = map_new();
	n->repair_troubles = map_new();
	n->repair_timer = (struct timer){.cb = repair_run, .arg = n};
	n->join_window_ms = runtime_mono_ms(n->p.runtime);
	nodes_set_endpoints(n, params->endpoints);
	commit_observe(n->p.commit, on_observed, n);
	o->job = (struct job){.run = run_opening, .done = on_opened};
	o->nodes = n;
	o->ready = ready;
	o->arg = arg;
	o->now = runtime_wall_s(n->p.runtime);
	n->pending++;
	runtime_work(n->p.runtime, &o->job);
	*out = n;
	return 0;
}

void
nodes_set_endpoints(struct nodes *n, struct texts endpoints)
{
	const char **items;

	arena_free(n->endpoint_memory);
	n->endpoint_memory = arena_new(LIMIT_PUBLIC);
	items = arena_array(n->endpoint_memory, endpoints.count, sizeof(*items));
	CHECK(items != NULL && endpoints.count <= LIMIT_ENDPOINTS);
	for (size_t i = 0; i < endpoints.count; i++)
		items[i] = arena_text(n->endpoint_memory, span_str(endpoints.items[i]));
	n->endpoints = (struct texts){items, endpoints.count};
}

int
nodes_check_open(const struct nodes *n, struct err *err)
{
	return n->closing ? err_set(err, ERR_CANCELED, "the server is ending") : 0;
}

static void
on_close(void *arg)
{
	struct nodes *n = arg;
	void (*closed)(void *closed_arg) = n->closed;
	void *closed_arg = n->closed_arg;

	tokens_free(n);
	repair_free(n);
	arena_free(n->endpoint_memory);
	mem_free(n);
	closed(closed_arg);
}

void
nodes_check_closed(struct nodes *n)
{
	if (n->closing && n->tasks == NULL && n->pending == 0 && !timer_is_armed(&n->close_timer))
		runtime_timer_start(n->p.runtime, &n->close_timer, 0);
}

void
nodes_close(struct nodes *n, void (*closed)(void *arg), void *arg)
{
	struct task *next;

	n->closing = true;
	n->closed = closed;
	n->closed_arg = arg;
	n->close_timer = (struct timer){.cb = on_close, .arg = n};
	commit_unobserve(n->p.commit, on_observed, n);
	runtime_timer_stop(n->p.runtime, &n->repair_timer);
	for (struct task *t = n->tasks; t != NULL; t = next) {
		next = t->next;
		task_resume(t);
	}
	nodes_check_closed(n);
}

/* --- default access --- */

struct setting_task {
	struct task t;
	struct texts names;
	struct id ids[LIMIT_ACCESS];
	size_t count;
	struct id id;
	uint64_t version;
};

static int
look_setting(struct task *t, struct err *err)
{
	struct setting_task *st = CONTAINER_OF(t, struct setting_task, t);
	const struct index *ix = t->nodes->p.index;
	const struct index_record *r = index_named(ix, KIND_SETTING, SETTING_DEFAULT_ACCESS);
	int rc = index_resolve_access(ix, st->names, st->ids, &st->count, err);

	if (rc < 0)
		return rc;
	st->version = r != NULL ? r->version : 0;
	if (r != NULL)
		st->id = r->id;
	else
		nodes_new_id(t->nodes, &st->id);
	return 0;
}

static int
mutation_setting(struct task *t, struct mutation *m, struct err *err)
{
	struct setting_task *st = CONTAINER_OF(t, struct setting_task, t);
	const struct setting_public p = {.value = "", .records = {st->ids, st->count}};
	struct draft *d = mutation_add(m);

	for (size_t i = 0; i < st->count; i++) {
		bool removed;
		uint64_t version = index_version(t->nodes->p.index, &st->ids[i], &removed);

		if (!removed)
			mutation_expect(m, &st->ids[i], version);
	}
	d->id = st->id;
	d->kind = KIND_SETTING;
	d->expect_version = st->version;
	snprintf(d->name, sizeof(d->name), "%s", SETTING_DEFAULT_ACCESS);
	return wire_setting_public_encode(&p, d->public_part, err);
}

static void
finish_setting(
    struct task *t, int status, const struct commit_result *commit, const struct err *err)
{
	task_finish_plain(t, &CONTAINER_OF(t, struct setting_task, t)->id, status, commit, err);
}

static const struct task_type setting_type = {.action = "setting.default-access",
    .size = sizeof(struct setting_task),
    .look = look_setting,
    .mutation = mutation_setting,
    .finish = finish_setting};

int
nodes_set_default_access(struct nodes *n, struct texts names, const char *author,
    nodes_done_cb *done, void *arg, struct err *err)
{
	struct setting_task *st;
	int rc = nodes_check_open(n, err);

	if (rc == 0 && names.count > LIMIT_ACCESS)
		rc = err_set(err, ERR_LIMIT, "an access list has at most %d servers and groups",
		    LIMIT_ACCESS);
	if (rc < 0)
		return rc;
	st = CONTAINER_OF(
	    task_new(n, &setting_type, author, SETTING_DEFAULT_ACCESS, (void (*)(void))done, arg),
	    struct setting_task, t);
	st->names = task_texts(&st->t, names);
	task_start(&st->t);
	return 0;
}
