#include "server/index/local_events.h"

#include "server/index/local_sql.h"

#include <string.h>

static int
put_one(struct local_stmt *st, struct local_event *ev, struct err *err)
{
	int rc;

	local_bind_int(st, 1, ev->level);
	local_bind_text(st, 2, ev->kind);
	local_bind_bytes(st, 3, ev->body);
	local_bind_int(st, 4, (int64_t)ev->lost);
	rc = local_step(st, err);
	if (rc < 0)
		return rc;
	CHECK(rc == 1);
	ev->number = (uint64_t)local_column_int(st, 0);
	rc = local_step(st, err);
	return rc < 0 ? rc : 0;
}

int
local_events_put(struct store *s, struct local_event *list, size_t count, struct err *err)
{
	AUTO(local_stmt_fini)
	struct local_stmt st;
	int rc = local_stmt_begin(&st, s, "keep an event",
	    "INSERT INTO event (level, kind, body, lost) VALUES (?1, ?2, ?3, ?4) RETURNING number",
	    err);

	for (size_t i = 0; rc == 0 && i < count; i++) {
		rc = put_one(&st, &list[i], err);
		local_stmt_again(&st);
	}
	return rc;
}

/* A statement of numbers; *changed (may be NULL): rows that it changed or deleted. */
static int
run(struct store *s, const char *what, const char *sql, const int64_t *values, size_t count,
    uint64_t *changed, struct err *err)
{
	AUTO(local_stmt_fini)
	struct local_stmt st;
	int rc = local_stmt_begin(&st, s, what, sql, err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < count; i++)
		local_bind_int(&st, (int)i + 1, values[i]);
	rc = local_step(&st, err);
	CHECK(rc <= 0);
	if (rc == 0 && changed != NULL)
		*changed = (uint64_t)sqlite3_changes64(store_sqlite(s));
	return rc;
}

static int
number_of(struct store *s, const char *what, const char *sql, const int64_t *value, int64_t *out,
    struct err *err)
{
	AUTO(local_stmt_fini)
	struct local_stmt st;
	int rc = local_stmt_begin(&st, s, what, sql, err);

	if (rc < 0)
		return rc;
	if (value != NULL)
		local_bind_int(&st, 1, *value);
	rc = local_step(&st, err);
	if (rc < 0)
		return rc;
	*out = rc == 1 ? local_column_int(&st, 0) : 0;
	return 0;
}

int
local_events_last(struct store *s, uint64_t *out, struct err *err)
{
	int64_t last = 0;
	int rc = number_of(s, "find the newest event",
	    "SELECT seq FROM sqlite_sequence WHERE name = 'event'", NULL, &last, err);

	if (rc == 0)
		*out = (uint64_t)last;
	return rc;
}

/* Numbers rise by one, so that the range says when it is worth to count. */
static int
pending_over(struct store *s, uint64_t taken, uint64_t last, int64_t *over, struct err *err)
{
	int64_t above = (int64_t)taken, count = 0;
	int rc;

	*over = 0;
	if (last <= taken || last - taken <= LOCAL_EVENTS_PENDING)
		return 0;
	rc = number_of(s, "count the events", "SELECT count(*) FROM event WHERE number > ?1",
	    &above, &count, err);
	if (rc == 0 && count > LOCAL_EVENTS_PENDING)
		*over = count - LOCAL_EVENTS_PENDING;
	return rc;
}

int
local_events_bound(
    struct store *s, uint64_t taken, uint64_t fetched, uint64_t *lost, struct err *err)
{
	uint64_t last = 0;
	int64_t over = 0, keep;
	int rc = local_events_last(s, &last, err);

	*lost = 0;
	if (rc < 0)
		return rc;
	if (taken > last)
		taken = last;
	keep = last > LOCAL_EVENTS_KEPT ? (int64_t)(last - LOCAL_EVENTS_KEPT) : 0;
	if (keep > (int64_t)taken)
		keep = (int64_t)taken;
	rc = run(s, "drop old events", "DELETE FROM event WHERE number <= ?1", &keep, 1, NULL, err);
	if (rc == 0)
		rc = pending_over(s, taken, last, &over, err);
	if (rc < 0 || over == 0)
		return rc;
	/* A few more at once, so that not every event sorts all of them. */
	over += LOCAL_EVENTS_PENDING / 100;
	if (fetched < taken)
		fetched = taken;
	return run(s, "drop events that nobody takes",
	    "DELETE FROM event WHERE number IN (SELECT number FROM event "
	    "WHERE number > ?1 AND lost = 0 ORDER BY level, number LIMIT ?2)",
	    (const int64_t[]){(int64_t)fetched, over}, 2, lost, err);
}

int
local_event_add_lost(struct store *s, const char *kind, uint64_t fetched, uint64_t lost,
    bool *found, struct err *err)
{
	AUTO(local_stmt_fini)
	struct local_stmt st;
	int rc = local_stmt_begin(&st, s, "count lost events",
	    "UPDATE event SET lost = lost + ?1 WHERE number = "
	    "(SELECT max(number) FROM event WHERE kind = ?2 AND number > ?3)",
	    err);

	if (rc < 0)
		return rc;
	local_bind_int(&st, 1, (int64_t)lost);
	local_bind_text(&st, 2, kind);
	local_bind_int(&st, 3, (int64_t)fetched);
	rc = local_step(&st, err);
	CHECK(rc <= 0);
	if (rc == 0)
		*found = sqlite3_changes64(store_sqlite(s)) > 0;
	return rc;
}

int
local_events_each(
    struct store *s, uint64_t above, size_t max, local_event_cb *cb, void *arg, struct err *err)
{
	AUTO(local_stmt_fini)
	struct local_stmt st;
	int rc = local_stmt_begin(&st, s, "read the events",
	    "SELECT number, level, kind, body, lost FROM event WHERE number > ?1 "
	    "ORDER BY number LIMIT ?2",
	    err);

	if (rc < 0)
		return rc;
	local_bind_int(&st, 1, (int64_t)above);
	local_bind_int(&st, 2, (int64_t)max);
	while ((rc = local_step(&st, err)) == 1) {
		const struct local_event ev = {
		    .number = (uint64_t)local_column_int(&st, 0),
		    .level = (uint32_t)local_column_int(&st, 1),
		    .kind = local_column_text(&st, 2),
		    .body = local_column_bytes(&st, 3),
		    .lost = (uint64_t)local_column_int(&st, 4),
		};

		rc = cb(arg, &ev, err);
		if (rc < 0)
			break;
	}
	return rc;
}

/* --- receivers ----------------------------------------------------------------------------- */

int
local_receiver_put(struct store *s, const char *name, uint64_t done, struct err *err)
{
	AUTO(local_stmt_fini)
	struct local_stmt st;
	int rc = local_stmt_begin(&st, s, "keep how far a receiver of events is",
	    "INSERT INTO event_receiver (name, done) VALUES (?1, ?2) "
	    "ON CONFLICT (name) DO UPDATE SET done = excluded.done",
	    err);

	if (rc < 0)
		return rc;
	local_bind_text(&st, 1, name);
	local_bind_int(&st, 2, (int64_t)done);
	rc = local_step(&st, err);
	CHECK(rc <= 0);
	return rc;
}

struct receivers {
	const char *const *names;
	size_t count;
	uint64_t *done;
	bool *known;
};

static int
read_receivers(struct store *s, const struct receivers *r, struct err *err)
{
	AUTO(local_stmt_fini)
	struct local_stmt st;
	int rc = local_stmt_begin(
	    &st, s, "read the receivers of events", "SELECT name, done FROM event_receiver", err);

	while (rc == 0 && (rc = local_step(&st, err)) == 1) {
		for (size_t i = 0; i < r->count; i++)
			if (strcmp(r->names[i], local_column_text(&st, 0)) == 0) {
				r->done[i] = (uint64_t)local_column_int(&st, 1);
				r->known[i] = true;
			}
		rc = 0;
	}
	return rc;
}

static int
open_receivers(struct store *s, void *arg, struct err *err)
{
	struct receivers *r = arg;
	uint64_t last = 0;
	int rc = local_events_last(s, &last, err);

	if (rc == 0)
		rc = read_receivers(s, r, err);
	if (rc == 0)
		rc = run(s, "forget receivers of events", "DELETE FROM event_receiver", NULL, 0,
		    NULL, err);
	for (size_t i = 0; rc == 0 && i < r->count; i++) {
		if (!r->known[i])
			r->done[i] = last;
		rc = local_receiver_put(s, r->names[i], r->done[i], err);
	}
	return rc;
}

int
local_receivers_open(
    struct store *s, const char *const *names, size_t count, uint64_t *done, struct err *err)
{
	bool *known = mem_array(count + 1, sizeof(*known));
	struct receivers r = {names, count, done, known};
	struct store_change change = {.hook = open_receivers, .hook_arg = &r};
	int rc = store_apply(s, &change, err);

	mem_free(known);
	return rc;
}

/* --- what has been told --------------------------------------------------------------------- */

int
local_mark_put(struct store *s, const struct local_mark *mark, struct err *err)
{
	AUTO(local_stmt_fini)
	struct local_stmt st;
	int rc = local_stmt_begin(&st, s, "keep what has been told",
	    mark->level > 0 ? "INSERT INTO event_mark (about, kind, level) VALUES (?1, ?2, ?3) "
			      "ON CONFLICT (about, kind) DO UPDATE SET level = excluded.level"
			    : "DELETE FROM event_mark WHERE about = ?1 AND kind = ?2",
	    err);

	if (rc < 0)
		return rc;
	local_bind_bytes(&st, 1, SPAN_OF(mark->about.bytes));
	local_bind_text(&st, 2, mark->kind);
	if (mark->level > 0)
		local_bind_int(&st, 3, mark->level);
	rc = local_step(&st, err);
	CHECK(rc <= 0);
	return rc;
}

int
local_marks_each(struct store *s, local_mark_cb *cb, void *arg, struct err *err)
{
	AUTO(local_stmt_fini)
	struct local_stmt st;
	int rc = local_stmt_begin(
	    &st, s, "read what has been told", "SELECT about, kind, level FROM event_mark", err);

	while (rc == 0 && (rc = local_step(&st, err)) == 1) {
		struct local_mark mark = {
		    .kind = local_column_text(&st, 1),
		    .level = (uint32_t)local_column_int(&st, 2),
		};

		rc = id_from_span(local_column_bytes(&st, 0), &mark.about, err);
		if (rc == 0)
			cb(arg, &mark);
	}
	return rc;
}
