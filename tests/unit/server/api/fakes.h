#ifndef TESTS_UNIT_SERVER_API_FAKES_H
#define TESTS_UNIT_SERVER_API_FAKES_H

/*
 * Stand-ins for what the API calls: they write down how they were called, and answer on a later
 * turn of the loop as the test has set. Linked instead of server/nodes, flow, health, commit,
 * publish and sched.
 */

#include "common/wire/link_messages.h"
#include "server/flow/flow.h"
#include "server/health/health.h"
#include "server/nodes/nodes.h"

struct fakes {
	struct runtime *rt;
	char called[1024]; /* the last call, as text */
	int refuse;        /* the call returns this, and starts nothing */
	int status;        /* of the callback */
	const char *text;  /* of either error */
	bool hold;         /* no callback until fakes_answer() */
	const struct receipt *receipt;
	struct id receipt_node;
	bool unwell; /* every credential */
	bool in_touch;
	struct head head;
};

extern struct fakes fakes;

void fakes_reset(struct runtime *rt);
/* An operation of server/flow that is called like this, for stand-ins in files of their own. */
NODISCARD int fakes_flow(const char *called, flow_done_cb *done, void *arg, struct err *err);
/* Calls back what is held. */
void fakes_answer(void);

#endif
