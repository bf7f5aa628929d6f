#include "server/commit/commit_priv.h"

#include "common/log/log.h"

#include <inttypes.h>
#include <string.h>

static const struct sm_state phases[] = {
    [PHASE_LOADING] = {"loading", SM_TO(PHASE_IDLE) | SM_TO(PHASE_DEAD)},
    [PHASE_IDLE] = {"idle",
	SM_TO(PHASE_READING) | SM_TO(PHASE_SIGNING) | SM_TO(PHASE_STORING) |
	    SM_TO(PHASE_REBUILDING) | SM_TO(PHASE_CLOSED)},
    [PHASE_READING] = {"reading", SM_TO(PHASE_IDLE)},
    [PHASE_SIGNING] = {"signing", SM_TO(PHASE_IDLE) | SM_TO(PHASE_STORING)},
    [PHASE_STORING] = {"storing", SM_TO(PHASE_IDLE)},
    [PHASE_REBUILDING] = {"rebuilding", SM_TO(PHASE_IDLE) | SM_TO(PHASE_WAITING)},
    [PHASE_WAITING] = {"waiting", SM_TO(PHASE_REBUILDING) | SM_TO(PHASE_CLOSED)},
    [PHASE_DEAD] = {"dead", SM_TO(PHASE_CLOSED)},
    [PHASE_CLOSED] = {"closed", 0},
};
_Static_assert(ARRAY_LEN(phases) == PHASE__COUNT, "every phase has its row");

void
commit_trouble(struct commit *c, const struct err *err)
{
	if (err == NULL || err->code == 0) {
		if (c->trouble.code != 0)
			log_notice("commit", "commits go on after: %s", c->trouble.text);
		c->trouble = (struct err){0};
		return;
	}
	if (c->trouble.code != err->code || strcmp(c->trouble.text, err->text) != 0)
		log_error("commit", "nothing is committed: %s", err->text);
	c->trouble = *err;
}

void
commit_wake(struct commit *c)
{
	if (c->phase.state != PHASE_CLOSED && !timer_is_armed(&c->tick))
		runtime_timer_start(c->params.runtime, &c->tick, 0);
}

/* --- the end of mutations --- */

static void
end_one(struct commit *c, struct queued *q, int status, const struct err *err,
    const struct commit_result *result)
{
	if (status == 0)
		c->stats.mutations++;
	else if (status == ERR_CONFLICT || status == ERR_EXISTS || status == ERR_INVALID ||
	    status == ERR_LIMIT)
		c->stats.refused++;
	else
		c->stats.failed++;
	q->done(q->arg, status, result, err);
	mutation_free(q->m);
	mem_free(q);
}

static void
end_all(struct commit *c, struct queue *queue, int status, const struct err *err)
{
	/* A callback may submit: what comes now is not part of this. */
	struct queue ended;
	struct queued *q;

	queue_init(&ended);
	while ((q = queue_pop(queue)) != NULL)
		queue_push(&ended, q);
	while ((q = queue_pop(&ended)) != NULL)
		end_one(c, q, status, err, NULL);
}

static void
end_refused(struct commit *c, struct queue *refused)
{
	struct queued *q;

	while ((q = queue_pop(refused)) != NULL) {
		struct err err = q->err;

		end_one(c, q, q->status, &err, NULL);
	}
}

/* The batch came to nothing. What was signed is never used. */
static void
batch_failed(struct commit *c, int status, const struct err *err)
{
	AUTO(batch_freep)
	struct batch *b = MOVE(c->batch);

	if (b->has_head)
		digest_rollback(c->digest);
	sm_move(&c->phase, PHASE_IDLE);
	/* An empty one was our own idea; it is tried again at its own time. */
	end_all(c, &b->taken, status, err);
	commit_wake(c);
}

/* --- signing --- */

static void
on_signed(struct signer_call *call, int status, struct span done, const struct err *err)
{
	commit_signed(call->arg, status, done, err);
}

void
commit_signed(struct commit *c, int status, struct span done, const struct err *err)
{
	struct err own;

	if (status == 0) {
		status = batch_take_signatures(c->batch, done, &own);
		err = &own;
	}
	if (status < 0) {
		struct err shown = *err;

		c->signer_trouble = true;
		commit_trouble(c, &shown);
		shown.code = ERR_UNAVAIL;
		(void)err_wrap(&shown, "not signed");
		batch_failed(c, ERR_UNAVAIL, &shown);
		return;
	}
	/* It is there: what is wrong from now on is not of the signer. */
	c->signer_trouble = false;
	sm_move(&c->phase, PHASE_STORING);
	batch_note(c, c->batch);
	disk_store(c);
}

/* The batch in c->batch is complete but for digest, head and signatures. */
static void
sign_batch(struct commit *c)
{
	struct batch *b = c->batch;
	struct err err;
	int rc;

	sm_move(&c->phase, PHASE_SIGNING);
	digest_mark(c->digest);
	rc = batch_finish(c, b, &err);
	if (rc == 0)
		rc = batch_request(c, b, &err);
	if (rc == 0)
		rc = commit_ask_signer(c, on_signed, &err);
	if (rc < 0)
		commit_signed(c, rc, SPAN(NULL, 0), &err);
}

/* --- what is done in IDLE, in this order --- */

/* A batch that only reserves numbers; everything else waits for it. */
static void
start_reserve(struct commit *c)
{
	c->want_reserve = false;
	c->batch = batch_new();
	c->batch->reserve = c->reserve;
	c->batch->reserve.seq = c->next_seq + SEQ_BLOCK;
	c->batch->reserve.beat = c->next_beat + BEAT_BLOCK;
	sm_move(&c->phase, PHASE_STORING);
	disk_store(c);
}

static bool
is_reserved(const struct commit *c)
{
	return c->reserve.seq >= c->next_seq + LIMIT_SIGN_BATCH && c->reserve.beat > c->next_beat;
}

static void
start_batch(struct commit *c)
{
	struct batch *b = batch_new();
	struct queue refused;

	queue_init(&refused);
	batch_fill(c, b, &refused);
	if (b->count == 0) {
		batch_free(b);
		commit_wake(c);
		end_refused(c, &refused);
		return;
	}
	b->reserve = c->reserve;
	if (c->reserve.seq - c->next_seq < SEQ_BLOCK / 2)
		b->reserve.seq = c->next_seq + SEQ_BLOCK;
	if (c->reserve.beat - c->next_beat < BEAT_BLOCK / 2)
		b->reserve.beat = c->next_beat + BEAT_BLOCK;
	c->batch = b;
	sign_batch(c);
	/* After it is under way: their callbacks may do anything. */
	end_refused(c, &refused);
}

static void
start_purge(struct commit *c)
{
	c->want_purge = false;
	sm_move(&c->phase, PHASE_READING);
	disk_read_tombstones(c);
}

void
commit_tombstones_read(struct commit *c, int status, const struct err *err)
{
	struct id *ids = MOVE(c->job_ids);

	sm_move(&c->phase, PHASE_IDLE);
	if (status < 0)
		log_warning("commit", "cannot look for old tombstones: %s", err->text);
	if (status < 0 || c->job_id_count == 0 || c->closing || c->beating || !is_reserved(c)) {
		/* A beat is being signed over the state with them: the next time. */
		c->want_purge = status == 0 && c->job_id_count > 0 && !c->closing;
		mem_free(ids);
		commit_wake(c);
		return;
	}
	c->batch = batch_new();
	c->batch->deletes = ids;
	c->batch->delete_count = c->job_id_count;
	c->batch->reserve = c->reserve;
	if (position_compare(c->job_floor, c->reserve.floor) > 0)
		c->batch->reserve.floor = c->job_floor;
	sign_batch(c);
}

static void
start_rebuild(struct commit *c)
{
	c->want_rebuild = false;
	sm_move(&c->phase, PHASE_REBUILDING);
	disk_rebuild(c);
}

/* --- after the disk --- */

static void
tell_committed(struct commit *c, struct batch *b)
{
	struct committed *records = batch_committed(b);
	struct queued *q;

	head_publish(c, &b->head, &b->head_body, &b->head_signature, records, b->count);
	mem_free(records);
	while ((q = queue_pop(&b->taken)) != NULL) {
		const struct commit_result result = {
		    .term = c->params.term,
		    .seq = b->records[q->first + q->count - 1].record.seq,
		    .durability = "local",
		};

		end_one(c, q, 0, NULL, &result);
	}
}

void
commit_stored(struct commit *c, int status, const struct err *err)
{
	struct err shown = *err;
	struct batch *b = c->batch;

	batch_settled(c, b, status);
	if (status < 0) {
		c->want_rebuild |= status == ERR_IO;
		c->want_reserve = false; /* not again at once; the next mutation asks anew */
		commit_trouble(c, &shown);
		if (!b->has_head) {
			/* Without the reservation nobody can go on. */
			c->want_purge = false;
			end_all(c, &c->queue, status, &shown);
		}
		batch_failed(c, status, &shown);
		return;
	}
	c->batch = NULL;
	c->reserve = b->reserve;
	c->audit_head = c->job_audit;
	sm_move(&c->phase, PHASE_IDLE);
	commit_trouble(c, NULL);
	if (b->has_head) {
		digest_keep(c->digest);
		c->stats.batches++;
		c->stats.records += b->count;
		log_debug("commit", "mutations=%zu records=%zu deletes=%zu seq=%" PRIu64,
		    b->taken.count, b->count, b->delete_count, b->head.seq);
		tell_committed(c, b);
	}
	batch_free(b);
	disk_checkpoint(c);
	commit_wake(c);
}

void
commit_rebuilt(struct commit *c, int status, const struct err *err)
{
	if (status == 0) {
		log_notice("commit", "the database has been written anew");
		backoff_reset(&c->backoff);
		sm_move(&c->phase, PHASE_IDLE);
		commit_trouble(c, NULL);
		commit_wake(c);
		return;
	}
	commit_trouble(c, err);
	sm_move(&c->phase, PHASE_WAITING);
	runtime_timer_start(
	    c->params.runtime, &c->wait_timer, backoff_next(&c->backoff, c->params.runtime));
	end_all(c, &c->queue, status == ERR_NOSPACE ? ERR_NOSPACE : ERR_IO, err);
	commit_wake(c);
}

void
commit_loaded(struct commit *c, int status, const struct err *err)
{
	if (status < 0) {
		commit_ready_cb *ready = MOVE(c->ready);

		sm_move(&c->phase, PHASE_DEAD);
		commit_trouble(c, err);
		ready(c->ready_arg, status, err);
		commit_wake(c);
		return;
	}
	c->audit_head = c->job_audit;
	sm_move(&c->phase, PHASE_IDLE);
	runtime_timer_start(c->params.runtime, &c->purge_timer, PURGE_MS);
	commit_wake(c);
}

/* --- turns --- */

static void
finish(struct commit *c)
{
	static const struct err canceled = {ERR_CANCELED, "the server is stopping"};
	struct runtime *rt = c->params.runtime;
	void (*closed)(void *arg) = c->closed;
	void *arg = c->closed_arg;

	if (c->ready != NULL)
		c->ready(c->ready_arg, ERR_CANCELED, &canceled);
	sm_move(&c->phase, PHASE_CLOSED);
	runtime_timer_stop(rt, &c->tick);
	runtime_timer_stop(rt, &c->beat_timer);
	runtime_timer_stop(rt, &c->purge_timer);
	runtime_timer_stop(rt, &c->wait_timer);
	digest_free(c->digest);
	buf_fini(&c->head_body);
	buf_fini(&c->head_signature);
	buf_fini(&c->request);
	buf_fini(&c->beat_body);
	mem_free(c);
	closed(arg);
}

static void
turn_closing(struct commit *c)
{
	static const struct err canceled = {ERR_CANCELED, "the server is stopping"};

	end_all(c, &c->queue, ERR_CANCELED, &canceled);
	if (c->beating || c->checkpointing || c->queue.count > 0)
		return;
	if (c->phase.state == PHASE_IDLE || c->phase.state == PHASE_WAITING ||
	    c->phase.state == PHASE_DEAD)
		finish(c);
}

static void
on_tick(void *arg)
{
	struct commit *c = arg;

	if (c->closing) {
		turn_closing(c);
		return;
	}
	if (c->phase.state == PHASE_DEAD) {
		struct err err = c->trouble;

		err.code = ERR_UNAVAIL;
		end_all(c, &c->queue, ERR_UNAVAIL, &err);
		return;
	}
	if (c->phase.state != PHASE_IDLE || c->beating)
		return;
	if (c->want_rebuild)
		start_rebuild(c);
	else if (c->want_reserve || ((c->queue.count > 0 || c->want_purge) && !is_reserved(c)))
		start_reserve(c);
	else if (!c->has_head && !timer_is_armed(&c->beat_timer))
		commit_beat(c);
	else if (c->queue.count > 0 && c->has_head)
		start_batch(c);
	else if (c->want_purge && c->has_head)
		start_purge(c);
}

static void
on_beat_timer(void *arg)
{
	struct commit *c = arg;

	if (commit_may_beat(c)) {
		commit_beat(c);
		return;
	}
	/* Tries that came to nothing use up numbers too; nobody else may ask for more of them. */
	if (commit_beats_left(c) == 0) {
		c->want_reserve = true;
		commit_wake(c);
	}
	runtime_timer_start(c->params.runtime, &c->beat_timer, BEAT_RETRY_MS);
}

static void
on_purge_timer(void *arg)
{
	struct commit *c = arg;

	runtime_timer_start(c->params.runtime, &c->purge_timer, PURGE_MS);
	commit_purge(c, PURGE_AGE_S);
}

static void
on_wait_over(void *arg)
{
	struct commit *c = arg;

	if (!c->closing && c->phase.state == PHASE_WAITING)
		start_rebuild(c);
}

/* --- the interface --- */

int
commit_new(const struct commit_params *params, commit_ready_cb *ready, void *arg,
    struct commit **out, struct err *err)
{
	struct commit *c;

	if (params->term == 0 || params->term > INT64_MAX)
		return err_set(err, ERR_INVALID, "a committer needs a term");
	c = mem_zalloc(sizeof(*c));
	c->params = *params;
	c->ready = ready;
	c->ready_arg = arg;
	c->digest = digest_new();
	c->head_body = BUF_INIT(LIMIT_HEAD);
	c->head_signature = BUF_INIT(LIMIT_SIGNATURE);
	c->beat_body = BUF_INIT(LIMIT_HEAD);
	c->request = BUF_INIT(LIMIT_SIGNER_FRAME);
	c->backoff = (struct backoff){.first_ms = 500, .most_ms = 5000};
	c->tick = (struct timer){.cb = on_tick, .arg = c};
	c->beat_timer = (struct timer){.cb = on_beat_timer, .arg = c};
	c->purge_timer = (struct timer){.cb = on_purge_timer, .arg = c};
	c->wait_timer = (struct timer){.cb = on_wait_over, .arg = c};
	queue_init(&c->queue);
	sm_init(&c->phase, phases, PHASE__COUNT, PHASE_LOADING);
	disk_load(c);
	*out = c;
	return 0;
}

void
commit_close(struct commit *c, void (*closed)(void *arg), void *arg)
{
	CHECK(!c->closing);
	c->closing = true;
	c->closed = closed;
	c->closed_arg = arg;
	commit_wake(c);
}

void
commit_observe(struct commit *c, commit_observer_cb *cb, void *arg)
{
	for (size_t i = 0; i < OBSERVERS_MAX; i++) {
		if (c->observers[i].cb == NULL) {
			c->observers[i].cb = cb;
			c->observers[i].arg = arg;
			return;
		}
	}
	CHECK(!"at most 8 observers");
}

void
commit_unobserve(struct commit *c, commit_observer_cb *cb, void *arg)
{
	for (size_t i = 0; i < OBSERVERS_MAX; i++)
		if (c->observers[i].cb == cb && c->observers[i].arg == arg)
			c->observers[i].cb = NULL;
}

int
commit_submit(
    struct commit *c, struct mutation *m, commit_done_cb *done, void *arg, struct err *err)
{
	struct queued *q;

	if (c->closing) {
		mutation_free(m);
		return err_set(err, ERR_CANCELED, "the server is stopping");
	}
	q = mem_zalloc(sizeof(*q));
	*q = (struct queued){.m = m, .done = done, .arg = arg};
	queue_push(&c->queue, q);
	commit_wake(c);
	return 0;
}

const struct head *
commit_head(const struct commit *c, struct signed_bytes *signed_head)
{
	if (!c->has_head)
		return NULL;
	if (signed_head != NULL)
		*signed_head =
		    (struct signed_bytes){buf_span(&c->head_body), buf_span(&c->head_signature)};
	return &c->head;
}

void
commit_purge(struct commit *c, int64_t age_s)
{
	if (c->closing)
		return;
	c->purge_before_ms = runtime_wall_ms(c->params.runtime) - age_s * 1000;
	c->want_purge = true;
	commit_wake(c);
}

void
commit_stats(const struct commit *c, struct commit_stats *out)
{
	*out = c->stats;
	out->queued = c->queue.count;
	out->trouble = c->trouble.code != 0 ? c->trouble.text : NULL;
}
