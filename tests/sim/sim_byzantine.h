#ifndef TESTS_SIM_SIM_BYZANTINE_H
#define TESTS_SIM_SIM_BYZANTINE_H

/*
 * A network that lies: what somebody could do who has a manager's or a follower's connection, and
 * neither's keys. It keeps answers and shows them again, leaves records out, changes their order,
 * gives an older head, damages bytes.
 */

#include "tests/sim/sim.h"

#define REPLAY_MAX 12

struct replay {
	struct buf *bodies[REPLAY_MAX];
	size_t count; /* kept so far; the ring holds the last ones */
};

void replay_fini(struct replay *r);
/* Keeps the answer, and changes it when lie is set and chance wants it. */
void byzantine_reply(
    struct sim *s, struct sim_follower *f, struct replay *r, bool lie, struct buf *body);
void byzantine_request(struct sim *s, struct buf *body);

#endif
