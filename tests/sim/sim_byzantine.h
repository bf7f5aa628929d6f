#ifndef TESTS_SIM_SIM_BYZANTINE_H
#define TESTS_SIM_SIM_BYZANTINE_H

/*
 * A network that lies: what somebody could do who has a manager's or a follower's connection, and
 * neither's keys. It keeps answers and shows them again, leaves records out, changes their order,
 * gives an older head, damages bytes.
 */

#include "tests/sim/sim.h"

/* What it does to each answer. */
enum lying {
	HONEST,
	LIES,    /* some are changed */
	CAPTIVE, /* all are old ones, or an old state as a whole, or only the newest head again */
};

#define REPLAY_MAX 12
#define REPLAY_FIRST 4 /* of these are kept for good: the state as it was at the beginning */

struct replay {
	struct buf *bodies[REPLAY_MAX];
	const struct buf *newest; /* one of them */
	struct buf *snapshot;     /* the whole state as it was when the lies began */
	size_t count;             /* kept so far; behind the first ones, the ring holds the last */
};

void replay_fini(struct replay *r);
/* Takes a snapshot of what the manager holds, unless it is down. */
void replay_begin(struct sim *s, struct replay *r);
/* Keeps an answer that it lets pass. False: there is nothing to give instead of it. */
bool byzantine_reply(
    struct sim *s, struct sim_follower *f, struct replay *r, enum lying how, struct buf *body);
void byzantine_request(struct sim *s, enum lying how, struct buf *body);

#endif
