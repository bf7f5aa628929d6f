#ifndef SERVER_SIGNER_LANES_H
#define SERVER_SIGNER_LANES_H

/*
 * The signer's threads: one that only signs batches and heads, one that makes RSA keys, and one for
 * each processor for the rest, so that nothing slow is ever in front of a signature. Internal to
 * server/signer.
 */

#include "server/signer/core.h"

#define LANE_MAX 4096 /* requests that wait in one lane */

/* One request with the frame that it borrows from. */
struct work {
	struct work *next;
	struct buf frame;
	struct signer_request request;
};

void work_free(struct work *w);

struct lanes;
/* run is called by a lane's thread and takes the work. */
typedef void lanes_run_cb(void *arg, struct work *w);

NODISCARD int lanes_new(lanes_run_cb *run, void *arg, struct lanes **out, struct err *err);
/* False when the lane is full; the work stays the caller's then. */
bool lanes_push(struct lanes *l, enum signer_lane lane, struct work *w);
/* Drops what waits, ends what runs, joins the threads. */
void lanes_free(struct lanes *l);

#endif
