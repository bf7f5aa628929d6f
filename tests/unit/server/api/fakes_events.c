/* In place of server/events. */

#include "fakes.h"

#include "common/base/runtime.h"
#include "server/events/events.h"

#include <stdio.h>

static struct timer later;
static events_read_cb *read_done;
static void *read_arg;

void
events_raise(struct events *e, const struct event *event)
{
	(void)e;
	snprintf(fakes.called, sizeof(fakes.called), "raise %s", event_kind_name(event->kind));
}

static void
on_later(void *arg)
{
	static const char document[] = "{\"number\":199}";
	const struct span documents[] = {SPAN(document, sizeof(document) - 1)};
	struct err err;

	(void)arg;
	err_set(&err, ERR_IO, "the disk");
	read_done(read_arg, fakes.status, documents, fakes.status == 0, &err);
}

void
events_read(struct events *e, uint64_t above, size_t max, events_read_cb *done, void *arg)
{
	(void)e;
	snprintf(fakes.called, sizeof(fakes.called), "events above=%llu max=%zu",
	    (unsigned long long)above, max);
	read_done = done;
	read_arg = arg;
	later = (struct timer){.cb = on_later};
	runtime_timer_start(fakes.rt, &later, 0);
}

uint64_t
events_last(const struct events *e)
{
	(void)e;
	return 200;
}

size_t
events_receivers(
    const struct events *e, struct event_receiver_stats out[static EVENT_RECEIVERS_MOST])
{
	static const struct event_receiver receiver = {.name = "mail"};

	(void)e;
	out[0] = (struct event_receiver_stats){.receiver = &receiver,
	    .done = 198,
	    .trouble = "exit status 1",
	    .since_ms = 1700000000000};
	return 1;
}

const char *
event_kind_name(enum event_kind kind)
{
	return kind == EVENT_EVENTS_TEST ? "events.test" : "other";
}
