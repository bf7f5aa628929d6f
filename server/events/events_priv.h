#ifndef SERVER_EVENTS_EVENTS_PRIV_H
#define SERVER_EVENTS_EVENTS_PRIV_H

/* The inside of events: rows on their way to the outbox, and what has been told. */

#include "common/base/map.h"
#include "common/base/runtime.h"
#include "server/events/events.h"
#include "server/index/local_events.h"

/* What becomes a row of the outbox, a mark, or both. */
struct row {
	struct row *next;
	bool has_event;
	enum event_kind kind; /* of the event, or of the mark */
	char *body;           /* JSON without its number */
	uint64_t number;      /* once it is written */
	bool has_mark;
	struct id about;
	uint32_t level; /* of the mark; 0: forgotten */
};

struct rows {
	struct row *head, **tail;
	size_t count;
};

void rows_init(struct rows *r);
void rows_add(struct rows *r, struct row *row);
void rows_clear(struct rows *r);
/* Moves all of them behind the others. */
void rows_move(struct rows *to, struct rows *from);

#define OUTBOX_WAITING_MOST LOCAL_EVENTS_PENDING /* in memory, while the disk refuses them */
#define OUTBOX_BOUND_EVERY 256                   /* events until the old ones are looked at */

/* What the worker writes beside commits; the loop leaves it alone while it runs. */
struct outbox_job {
	struct job job;
	struct events *events;
	struct store *store;
	bool runs;
	struct rows rows;
	uint64_t taken, fetched;    /* as in local_events_bound */
	uint64_t lost_before, lost; /* for want of room in memory; those, and what is dropped */
	char *notice;               /* body of the event that says so */
	uint64_t last;              /* its number; 0: none */
	int status;
	struct err err;
};

struct receiver;

struct events {
	struct events_params p;
	struct runtime *rt;
	struct map *marks; /* kind (4 bytes) and id: level, as a pointer */
	struct timer soon;
	struct rows waiting; /* for a job of their own */
	struct rows batch;   /* of the commit under way */
	struct outbox_job write;
	struct timer retry;
	struct backoff backoff;
	uint64_t lost;              /* in memory, for want of room */
	uint64_t last, bounded;     /* numbers: of the newest event, and when it was last bounded */
	struct receiver *receivers; /* as many as in p */
	size_t readers;             /* jobs for lists */
	bool started;
	/* looking: look.c */
	struct commit *commit;
	const struct publish *publish;
	const struct health *health;
	struct timer look;
	uint64_t look_ms; /* when that was due */
	unsigned looks;
	struct map *nodes;         /* by id: struct seen_node */
	struct position newest;    /* of the log at the last look */
	char next[LIMIT_NAME + 1]; /* the node whose identity is looked at next */
	void (*closed)(void *arg);
	void *closed_arg;
	bool closing;
	bool closable; /* the timer of events_close has fired, so that none is left in here */
};

/* --- body.c --- */
/* The JSON of an event without its number; owned by the caller (mem_free). */
char *event_body(struct events *e, const struct event *event);
/* With its number; appended to out. */
void event_document(const struct local_event *ev, struct buf *out);

/* --- outbox.c: rows to the disk --- */
/* Takes the row. */
void outbox_add(struct events *e, struct row *row);
/* Starts the job when there is something for it. */
void outbox_write(struct events *e);
/* Inside a transaction, on the worker. */
NODISCARD int outbox_put(struct store *s, const struct rows *rows, struct err *err);
/* Those of rows are durable: told to whoever watches, and freed. */
void outbox_written(struct events *e, struct rows *rows);

/* --- events.c --- */
void events_ended(struct events *e); /* a job: when it was the last, closed */
void mark_of_key(struct span key, enum event_kind *kind, struct id *about);
/* A row with the event, not yet added. */
struct row *event_row(struct events *e, const struct event *event);

/* --- look.c: what is found by looking --- */
void look_start(struct events *e);
void look_stop(struct events *e);

/* --- conditions.c --- */
/* What was told of a thing is looked at again: it may be over. */
void conditions_review(struct events *e, enum event_kind kind, const struct id *about);

/* --- receivers.c --- */
/* Blocking, at start. */
NODISCARD int receivers_open(struct events *e, struct err *err);
void receivers_stop(struct events *e);
bool receivers_are_quiet(const struct events *e);
void receivers_free(struct events *e); /* quiet ones */
void receivers_wake(struct events *e);
/*
 * Up to which number all have taken (on the loop), and all have fetched (on the worker);
 * UINT64_MAX, 0: no receivers.
 */
uint64_t receivers_taken(const struct events *e);
uint64_t receivers_fetched(const struct events *e);

/* --- derive.c: what follows from records, as rows of the batch --- */
void derive_events(struct events *e, const struct committed *records, size_t count);

#endif
