#include "common/log/log.h"
#include "server/events/events_priv.h"

#include <string.h>

#define RETRY_FIRST_MS 1000
#define RETRY_MOST_MS 60000

struct mark_key {
	uint8_t bytes[4 + ID_LEN];
};

static struct mark_key
mark_key(enum event_kind kind, const struct id *about)
{
	uint32_t number = kind;
	struct mark_key k;

	memcpy(k.bytes, &number, 4);
	memcpy(k.bytes + 4, about->bytes, ID_LEN);
	return k;
}

void
mark_of_key(struct span key, enum event_kind *kind, struct id *about)
{
	uint32_t number;

	CHECK(key.len == sizeof(struct mark_key));
	memcpy(&number, key.data, 4);
	memcpy(about->bytes, key.data + 4, ID_LEN);
	*kind = (enum event_kind)number;
}

static uint32_t
mark_of(const struct events *e, enum event_kind kind, const struct id *about)
{
	struct mark_key k = mark_key(kind, about);

	return (uint32_t)(uintptr_t)map_get(e->marks, k.bytes, sizeof(k.bytes));
}

static void
set_mark(struct events *e, enum event_kind kind, const struct id *about, uint32_t level)
{
	struct mark_key k = mark_key(kind, about);

	if (level > 0)
		(void)map_put(e->marks, k.bytes, sizeof(k.bytes), (void *)(uintptr_t)level);
	else
		(void)map_del(e->marks, k.bytes, sizeof(k.bytes));
}

/* --- raising -------------------------------------------------------------------------------- */

struct row *
event_row(struct events *e, const struct event *event)
{
	struct row *row = mem_zalloc(sizeof(*row));

	row->has_event = true;
	row->kind = event->kind;
	row->body = event_body(e, event);
	return row;
}

static bool
is_deaf(const struct events *e)
{
	return e == NULL || e->closing;
}

void
events_raise(struct events *e, const struct event *event)
{
	if (!is_deaf(e))
		outbox_add(e, event_row(e, event));
}

bool
events_raise_once(
    struct events *e, const struct event *event, const struct id *about, uint32_t level)
{
	struct row *row;

	CHECK(level > 0);
	if (is_deaf(e) || mark_of(e, event->kind, about) >= level)
		return false;
	set_mark(e, event->kind, about, level);
	row = event_row(e, event);
	row->has_mark = true;
	row->about = *about;
	row->level = level;
	outbox_add(e, row);
	return true;
}

bool
events_settle(struct events *e, enum event_kind kind, const struct id *about)
{
	struct row *row;

	if (is_deaf(e) || mark_of(e, kind, about) == 0)
		return false;
	set_mark(e, kind, about, 0);
	row = mem_zalloc(sizeof(*row));
	row->kind = kind;
	row->has_mark = true;
	row->about = *about;
	outbox_add(e, row);
	return true;
}

/* --- beside commits ------------------------------------------------------------------------- */

static void
add_tidings(struct events *e, const struct tidings *t)
{
	struct event event = {.id = &t->id, .name = t->name, .text = t->text};

	if (event_kind_parse(t->event, &event.kind))
		rows_add(&e->batch, event_row(e, &event));
	else
		log_error("events", "event=%s is not known here", t->event);
}

static void
note(void *arg, const struct committed *records, size_t count, const struct tidings *tidings,
    size_t tidings_count)
{
	struct events *e = arg;

	CHECK(e->batch.count == 0);
	derive_events(e, records, count);
	for (size_t i = 0; i < tidings_count; i++)
		add_tidings(e, &tidings[i]);
}

static int
write_batch(void *arg, struct store *s, struct err *err)
{
	const struct events *e = arg;

	return outbox_put(s, &e->batch, err);
}

static void
settled(void *arg, int status)
{
	struct events *e = arg;

	/* The change did not happen, so that there is nothing to tell. */
	if (status < 0) {
		rows_clear(&e->batch);
		return;
	}
	outbox_written(e, &e->batch);
	outbox_write(e);
}

struct commit_beside
events_beside(struct events *e)
{
	return (struct commit_beside){
	    .arg = e, .note = note, .write = write_batch, .settled = settled};
}

/* --- life ----------------------------------------------------------------------------------- */

static void
on_mark(void *arg, const struct local_mark *mark)
{
	struct events *e = arg;
	enum event_kind kind;

	if (event_kind_parse(mark->kind, &kind))
		set_mark(e, kind, &mark->about, mark->level);
}

static void
events_free(struct events *e)
{
	receivers_free(e);
	rows_clear(&e->waiting);
	rows_clear(&e->batch);
	map_free(e->marks);
	mem_free(e);
}

static void
on_soon(void *arg)
{
	outbox_write(arg);
}

int
events_new(const struct events_params *params, struct events **out, struct err *err)
{
	struct events *e = mem_zalloc(sizeof(*e));
	int r;

	e->p = *params;
	if (e->p.stale_after == 0)
		e->p.stale_after = EVENTS_STALE_AFTER;
	e->rt = params->runtime;
	e->marks = map_new();
	e->soon = (struct timer){.cb = on_soon, .arg = e};
	e->backoff = (struct backoff){.first_ms = RETRY_FIRST_MS, .most_ms = RETRY_MOST_MS};
	rows_init(&e->waiting);
	rows_init(&e->batch);
	r = local_marks_each(params->store, on_mark, e, err);
	if (r == 0)
		r = local_events_last(params->store, &e->last, err);
	if (r == 0)
		r = receivers_open(e, err);
	if (r < 0) {
		events_free(e);
		return err_wrap(err, "events");
	}
	*out = e;
	return 0;
}

void
events_start(struct events *e, struct commit *commit, const struct publish *publish,
    const struct health *health)
{
	static const struct event started = {
	    .kind = EVENT_MANAGER_STARTED, .text = "the manager has been started"};

	e->started = true;
	e->commit = commit;
	e->publish = publish;
	e->health = health;
	events_raise(e, &started);
	receivers_wake(e);
	look_start(e);
}

void
events_look_away(struct events *e)
{
	look_stop(e);
	e->publish = NULL;
	e->health = NULL;
}

void
events_ended(struct events *e)
{
	void (*closed)(void *arg) = e->closed;
	void *arg = e->closed_arg;

	if (!e->closable || e->write.runs || e->readers > 0 || !receivers_are_quiet(e))
		return;
	events_free(e);
	closed(arg);
}

static void
on_close(void *arg)
{
	struct events *e = arg;

	e->closable = true;
	events_ended(e);
}

void
events_close(struct events *e, void (*closed)(void *arg), void *arg)
{
	e->closed = closed;
	e->closed_arg = arg;
	events_look_away(e);
	/* What was raised on the way here is kept still. */
	runtime_timer_stop(e->rt, &e->retry);
	outbox_write(e);
	e->closing = true;
	receivers_stop(e);
	e->soon.cb = on_close;
	runtime_timer_start(e->rt, &e->soon, 0);
}
