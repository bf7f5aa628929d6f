/* From memory to the outbox: with a commit, or in a job of its own. */

#include "common/base/str.h"
#include "common/log/log.h"
#include "common/store/store.h"
#include "server/events/events_priv.h"

#include <inttypes.h>
#include <string.h>

void
rows_init(struct rows *r)
{
	*r = (struct rows){.tail = &r->head};
}

void
rows_add(struct rows *r, struct row *row)
{
	row->next = NULL;
	*r->tail = row;
	r->tail = &row->next;
	r->count++;
}

static void
row_free(struct row *row)
{
	mem_free(row->body);
	mem_free(row);
}

void
rows_clear(struct rows *r)
{
	while (r->head != NULL) {
		struct row *row = r->head;

		r->head = row->next;
		row_free(row);
	}
	rows_init(r);
}

void
rows_move(struct rows *to, struct rows *from)
{
	if (from->head == NULL)
		return;
	*to->tail = from->head;
	to->tail = from->tail;
	to->count += from->count;
	rows_init(from);
}

/* --- on the worker ------------------------------------------------------------------------- */

static int
put_events(struct store *s, const struct rows *rows, struct err *err)
{
	struct local_event *list = mem_array(rows->count + 1, sizeof(*list));
	size_t count = 0;
	int rc = 0;

	for (const struct row *row = rows->head; row != NULL; row = row->next)
		if (row->has_event)
			list[count++] = (struct local_event){
			    .level = event_kind_level(row->kind),
			    .kind = event_kind_name(row->kind),
			    .body = span_str(row->body),
			};
	if (count > 0)
		rc = local_events_put(s, list, count, err);
	count = 0;
	for (struct row *row = rows->head; rc == 0 && row != NULL; row = row->next)
		if (row->has_event)
			row->number = list[count++].number;
	mem_free(list);
	return rc;
}

int
outbox_put(struct store *s, const struct rows *rows, struct err *err)
{
	int rc = put_events(s, rows, err);

	for (const struct row *row = rows->head; rc == 0 && row != NULL; row = row->next)
		if (row->has_mark) {
			const struct local_mark mark = {
			    row->about, event_kind_name(row->kind), row->level};

			rc = local_mark_put(s, &mark, err);
		}
	return rc;
}

/* One event tells of all that were dropped since the last one that was fetched. */
static int
put_lost(struct store *s, struct outbox_job *job, struct err *err)
{
	const char *kind = event_kind_name(EVENT_EVENTS_LOST);
	struct local_event ev = {
	    .level = event_kind_level(EVENT_EVENTS_LOST),
	    .kind = kind,
	    .body = span_str(job->notice),
	    .lost = job->lost,
	};
	bool found = false;
	int rc = local_event_add_lost(s, kind, job->fetched, job->lost, &found, err);

	if (rc == 0 && !found) {
		rc = local_events_put(s, &ev, 1, err);
		job->last = ev.number;
	}
	return rc;
}

static int
write_all(struct store *s, void *arg, struct err *err)
{
	struct outbox_job *job = arg;
	uint64_t dropped = 0;
	int rc = outbox_put(s, &job->rows, err);

	/* Read here, behind the turns that were queued before: what those fetch is on its way. */
	job->fetched = receivers_fetched(job->events);
	if (rc == 0)
		rc = local_events_bound(s, job->taken, job->fetched, &dropped, err);
	job->lost = job->lost_before + dropped;
	if (rc == 0 && job->lost > 0)
		rc = put_lost(s, job, err);
	return rc;
}

static void
run_write(struct job *j)
{
	struct outbox_job *job = CONTAINER_OF(j, struct outbox_job, job);
	const struct store_change change = {.force_full = true, .hook = write_all, .hook_arg = job};

	job->status = store_apply(job->store, &change, &job->err);
}

/* --- on the loop --------------------------------------------------------------------------- */

static void
log_trouble(const struct events *e, const struct outbox_job *job)
{
	if (e->backoff.tries == 0)
		log_warning("events",
		    "events are not kept: %s; they wait in memory and are tried again",
		    job->err.text);
}

static void
on_retry(void *arg)
{
	outbox_write(arg);
}

static void
write_done(struct job *j)
{
	struct outbox_job *job = CONTAINER_OF(j, struct outbox_job, job);
	struct events *e = job->events;

	job->runs = false;
	mem_free(MOVE(job->notice));
	if (job->status < 0) {
		/* Those that came meanwhile are younger. */
		rows_move(&job->rows, &e->waiting);
		rows_move(&e->waiting, &job->rows);
		log_trouble(e, job);
		e->retry.cb = on_retry;
		e->retry.arg = e;
		if (!e->closing)
			runtime_timer_start(e->rt, &e->retry, backoff_next(&e->backoff, e->rt));
	} else {
		backoff_reset(&e->backoff);
		e->lost -= job->lost_before;
		if (job->lost > 0)
			log_warning("events",
			    "%" PRIu64 " events were dropped: more than %d wait for a receiver",
			    job->lost, LOCAL_EVENTS_PENDING);
		e->bounded = e->last;
		if (job->last > e->last)
			e->last = job->last;
		outbox_written(e, &job->rows);
		outbox_write(e);
	}
	events_ended(e);
}

static char *
notice_body(struct events *e)
{
	static const struct event notice = {.kind = EVENT_EVENTS_LOST,
	    .text = "events were dropped, as many as the member 'lost' says: more waited for a "
		    "receiver than are kept"};

	return event_body(e, &notice);
}

void
outbox_write(struct events *e)
{
	struct outbox_job *job = &e->write;

	if (job->runs || timer_is_armed(&e->retry))
		return;
	if (e->waiting.count == 0 && e->last - e->bounded < OUTBOX_BOUND_EVERY)
		return;
	*job = (struct outbox_job){.job = {.run = run_write, .done = write_done},
	    .events = e,
	    .store = e->p.store,
	    .runs = true,
	    .taken = receivers_taken(e),
	    .lost_before = e->lost,
	    .notice = notice_body(e)};
	rows_init(&job->rows);
	rows_move(&job->rows, &e->waiting);
	runtime_work(e->rt, &job->job);
}

void
outbox_add(struct events *e, struct row *row)
{
	/* A mark is a few bytes for each credential; events may be many. */
	if (e->waiting.count >= OUTBOX_WAITING_MOST && !row->has_mark) {
		e->lost++;
		row_free(row);
		return;
	}
	rows_add(&e->waiting, row);
	if (!timer_is_armed(&e->soon))
		runtime_timer_start(e->rt, &e->soon, 0);
}

static void
tell_row(struct events *e, const struct row *row)
{
	const struct local_event ev = {.number = row->number, .body = span_str(row->body)};
	struct buf document = BUF_INIT(LOCAL_EVENT_MAX + 256);

	if (row->number > e->last)
		e->last = row->number;
	if (e->p.told == NULL)
		return;
	event_document(&ev, &document);
	e->p.told(e->p.arg, buf_span(&document));
	buf_fini(&document);
}

void
outbox_written(struct events *e, struct rows *rows)
{
	for (const struct row *row = rows->head; row != NULL; row = row->next)
		if (row->has_event)
			tell_row(e, row);
	rows_clear(rows);
	receivers_wake(e);
}
