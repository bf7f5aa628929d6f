#ifndef SERVER_INDEX_LOCAL_EVENTS_H
#define SERVER_INDEX_LOCAL_EVENTS_H

/*
 * The outbox of events, a table of this server: events with numbers that rise by one, how far each
 * receiver is, and what has been told once. Blocking; on the runtime's worker only. The functions
 * with "put" are for the hook of a store_apply, so that a change and its events are durable
 * together.
 */

#include "common/store/store.h"

#define LOCAL_EVENTS_PENDING 10000 /* not taken by a receiver yet; more are dropped */
#define LOCAL_EVENTS_KEPT 1000     /* taken by all, for lists */
#define LOCAL_EVENT_MAX (16 * 1024)
#define LOCAL_RECEIVER_MAX 64 /* bytes of a name */

struct local_event {
	uint64_t number; /* given by local_events_put */
	uint32_t level;
	const char *kind;
	struct span body; /* JSON */
	uint64_t lost;    /* of an event that says so: how many were dropped */
};

NODISCARD int local_events_put(
    struct store *s, struct local_event *list, size_t count, struct err *err);

/*
 * Drops what is over the bounds: of what all have (up to `taken`) the oldest; of what is pending
 * the least important, and of those the oldest, but nothing up to `fetched`, which is on its way.
 * *lost counts the latter.
 */
NODISCARD int local_events_bound(
    struct store *s, uint64_t taken, uint64_t fetched, uint64_t *lost, struct err *err);
/* Adds to the newest pending event that tells of lost ones; false in *found: there is none. */
NODISCARD int local_event_add_lost(struct store *s, const char *kind, uint64_t fetched,
    uint64_t lost, bool *found, struct err *err);

/* Borrowed for the time of the call. */
typedef int local_event_cb(void *arg, const struct local_event *ev, struct err *err);
/* Events above a number in order; at most max. */
NODISCARD int local_events_each(
    struct store *s, uint64_t above, size_t max, local_event_cb *cb, void *arg, struct err *err);
/* Number of the newest event ever; 0: none. */
NODISCARD int local_events_last(struct store *s, uint64_t *out, struct err *err);

/*
 * Up to which number a receiver has taken everything. A new one begins behind what there is; those
 * that are not among the names are forgotten.
 */
NODISCARD int local_receivers_open(
    struct store *s, const char *const *names, size_t count, uint64_t *done, struct err *err);
NODISCARD int local_receiver_put(struct store *s, const char *name, uint64_t done, struct err *err);

/* What has been told of one thing; level 0 forgets it. */
struct local_mark {
	struct id about;
	const char *kind;
	uint32_t level;
};
NODISCARD int local_mark_put(struct store *s, const struct local_mark *mark, struct err *err);
typedef void local_mark_cb(void *arg, const struct local_mark *mark);
NODISCARD int local_marks_each(struct store *s, local_mark_cb *cb, void *arg, struct err *err);

#endif
