#ifndef SERVER_EVENTS_RECEIVER_PRIV_H
#define SERVER_EVENTS_RECEIVER_PRIV_H

/*
 * Inside: one receiver of events, and the two ways to reach one. An attempt is started with the
 * JSON of one event and ends by exactly one call of done, later, on the loop.
 */

#include "common/base/sm.h"
#include "server/events/events_priv.h"

#define ATTEMPT_TEXT 256

/* "credential.*" and "credential.issued". */
bool event_pattern_fits(const char *pattern, const char *kind);

enum attempt_end {
	ATTEMPT_TAKEN,
	ATTEMPT_FAILED,  /* comes again */
	ATTEMPT_REFUSED, /* the receiver says that it will never take this one */
	ATTEMPT_STOPPED, /* we end */
};

typedef void attempt_done_cb(void *arg, enum attempt_end end, const char *text);

struct attempt {
	uint64_t number; /* of the event */
	const char *id, *kind;
	struct span document; /* borrowed until done */
};

/* --- command.c: a child process, the JSON on its standard input ------------------------------ */

struct command;
struct command *command_new(struct loop *loop, const struct event_receiver *receiver);
NODISCARD int command_start(struct command *c, const struct attempt *attempt, attempt_done_cb *done,
    void *arg, struct err *err);
/* Ends the child; done comes still. */
void command_stop(struct command *c);
/* While nothing runs. */
void command_free(struct command *c);

/* --- webhook.c: a POST, on a thread of its own ------------------------------------------------ */

struct webhook;
NODISCARD int webhook_new(struct loop *loop, const struct event_receiver *receiver,
    struct webhook **out, struct err *err);
/* roots: PEM of what is trusted beside the authorities of the host; copied. */
NODISCARD int webhook_start(struct webhook *h, const struct attempt *attempt, struct span roots,
    attempt_done_cb *done, void *arg, struct err *err);
void webhook_stop(struct webhook *h);
void webhook_free(struct webhook *h);

#endif
