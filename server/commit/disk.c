#include "server/commit/commit_priv.h"

/* The jobs of the committer, one at a time but for the checkpoint, which nobody waits for. */

static void
start(struct commit *c, void (*run)(struct job *), void (*done)(struct job *))
{
	c->job = (struct job){.run = run, .done = done};
	c->job_err = (struct err){0};
	runtime_work(c->params.runtime, &c->job);
}

static struct commit *
of_job(struct job *job)
{
	return CONTAINER_OF(job, struct commit, job);
}

/* --- load --- */

static int
take_record(const struct stored_record *r, void *arg, struct err *err)
{
	struct commit *c = arg;

	(void)err;
	digest_set(c->digest, &r->id, &r->hash);
	if (r->at.seq > c->reserve.last_seq)
		c->reserve.last_seq = r->at.seq;
	return 0;
}

static int
tell_audit_head(struct store *s, void *arg, struct err *err)
{
	struct commit *c = arg;

	return c->params.audit(c->params.audit_arg, s, NULL, 0, &c->job_audit, err);
}

/* What was reserved before counts as used; the next block begins behind it. */
static int
load(struct commit *c, struct err *err)
{
	AUTO(buf_freep)
	struct buf *row = buf_new(64);
	struct store_meta meta = {.key = "commit"};
	struct store_change change = {.metas = &meta, .meta_count = 1, .force_full = true};
	struct reserve found = {0};
	int rc = store_meta_get(c->params.store, "commit", row, err);

	if (rc == 0)
		rc = reserve_decode(buf_span(row), &found, err);
	else if (rc == ERR_NOTFOUND)
		rc = 0;
	if (rc < 0)
		return rc;
	c->reserve = found;
	rc = store_each(c->params.store, STORE_ALL_KINDS, false, take_record, c, err);
	if (rc < 0)
		return rc;
	if (c->reserve.seq < c->reserve.last_seq)
		c->reserve.seq = c->reserve.last_seq;
	c->next_seq = c->reserve.seq + 1;
	c->next_beat = c->reserve.beat + 1;
	c->reserve.seq += SEQ_BLOCK;
	c->reserve.beat += BEAT_BLOCK;
	buf_clear(row);
	reserve_encode(&c->reserve, row);
	meta.value = buf_span(row);
	if (c->params.audit != NULL) {
		change.hook = tell_audit_head;
		change.hook_arg = c;
	}
	return store_apply(c->params.store, &change, err);
}

static void
run_load(struct job *job)
{
	struct commit *c = of_job(job);

	c->job_status = load(c, &c->job_err);
}

static void
done_load(struct job *job)
{
	struct commit *c = of_job(job);

	commit_loaded(c, c->job_status, &c->job_err);
}

void
disk_load(struct commit *c)
{
	start(c, run_load, done_load);
}

/* --- store --- */

static void
run_store(struct job *job)
{
	struct commit *c = of_job(job);

	c->job_status = batch_store(c, c->batch, &c->job_err);
}

static void
done_store(struct job *job)
{
	struct commit *c = of_job(job);

	commit_stored(c, c->job_status, &c->job_err);
}

void
disk_store(struct commit *c)
{
	c->job_audit = c->audit_head;
	start(c, run_store, done_store);
}

/* --- tombstones --- */

static void
run_tombstones(struct job *job)
{
	struct commit *c = of_job(job);
	struct store *s = c->params.store;

	c->job_status = store_floor(s, c->job_before_ms, &c->job_floor, &c->job_err);
	if (c->job_status == 0)
		c->job_status =
		    store_tombstones(s, c->job_floor, &c->job_ids, &c->job_id_count, &c->job_err);
}

static void
done_tombstones(struct job *job)
{
	struct commit *c = of_job(job);

	commit_tombstones_read(c, c->job_status, &c->job_err);
}

void
disk_read_tombstones(struct commit *c)
{
	c->job_ids = NULL;
	c->job_id_count = 0;
	c->job_before_ms = c->purge_before_ms; /* which may change while the job runs */
	start(c, run_tombstones, done_tombstones);
}

/* --- rebuild --- */

static void
run_rebuild(struct job *job)
{
	struct commit *c = of_job(job);

	c->job_status = store_rebuild(c->params.store, &c->job_digest, &c->job_err);
}

static void
done_rebuild(struct job *job)
{
	struct commit *c = of_job(job);

	commit_rebuilt(c, c->job_status, &c->job_err);
}

void
disk_rebuild(struct commit *c)
{
	digest_root(c->digest, &c->job_digest);
	start(c, run_rebuild, done_rebuild);
}

/* --- checkpoint --- */

static void
run_checkpoint(struct job *job)
{
	struct commit *c = CONTAINER_OF(job, struct commit, checkpoint);

	c->checkpoint_status = store_checkpoint(c->params.store, NULL);
}

static void
done_checkpoint(struct job *job)
{
	struct commit *c = CONTAINER_OF(job, struct commit, checkpoint);

	c->checkpointing = false;
	/* A full disk shows at the next commit as well; an error must not wait for it. */
	if (c->checkpoint_status == ERR_IO)
		c->want_rebuild = true;
	commit_wake(c);
}

void
disk_checkpoint(struct commit *c)
{
	if (c->checkpointing)
		return;
	c->checkpointing = true;
	c->checkpoint = (struct job){.run = run_checkpoint, .done = done_checkpoint};
	runtime_work(c->params.runtime, &c->checkpoint);
}
