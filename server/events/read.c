/* Lists of events, for those who ask. */

#include "server/events/events_priv.h"

#define BYTES_MOST (2 * 1024 * 1024)

struct reader {
	struct job job;
	struct events *e;
	uint64_t above;
	size_t max;
	struct buf text; /* documents, one behind the other */
	size_t *lengths;
	struct span *documents;
	size_t count;
	events_read_cb *done;
	void *arg;
	int status;
	struct err err;
};

static int
on_event(void *arg, const struct local_event *ev, struct err *err)
{
	struct reader *r = arg;
	size_t before = r->text.len;

	(void)err;
	/* The rest comes with the next question. */
	if (r->text.len > BYTES_MOST)
		return 0;
	event_document(ev, &r->text);
	r->lengths[r->count++] = r->text.len - before;
	return 0;
}

static void
run_read(struct job *job)
{
	struct reader *r = CONTAINER_OF(job, struct reader, job);

	r->status = local_events_each(r->e->p.store, r->above, r->max, on_event, r, &r->err);
}

static void
read_done(struct job *job)
{
	struct reader *r = CONTAINER_OF(job, struct reader, job);
	struct events *e = r->e;
	size_t at = 0;

	for (size_t i = 0; i < r->count; i++) {
		r->documents[i] = SPAN(r->text.data + at, r->lengths[i]);
		at += r->lengths[i];
	}
	r->done(r->arg, r->status, r->documents, r->count, &r->err);
	mem_free(r->lengths);
	mem_free(r->documents);
	buf_fini(&r->text);
	mem_free(r);
	e->readers--;
	events_ended(e);
}

void
events_read(struct events *e, uint64_t above, size_t max, events_read_cb *done, void *arg)
{
	struct reader *r = mem_zalloc(sizeof(*r));

	CHECK(max > 0 && max <= EVENTS_READ_MOST);
	*r = (struct reader){.job = {.run = run_read, .done = read_done},
	    .e = e,
	    .above = above,
	    .max = max,
	    .text = BUF_INIT(BYTES_MOST + 2 * LOCAL_EVENT_MAX),
	    .lengths = mem_array(max, sizeof(*r->lengths)),
	    .documents = mem_array(max, sizeof(*r->documents)),
	    .done = done,
	    .arg = arg};
	e->readers++;
	runtime_work(e->rt, &r->job);
}

uint64_t
events_last(const struct events *e)
{
	return e->last;
}
