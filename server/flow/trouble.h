#ifndef SERVER_FLOW_TROUBLE_H
#define SERVER_FLOW_TROUBLE_H

/*
 * Work that goes through many records by itself, and meets trouble: of one record, which then waits
 * longer each time and keeps no other one back; or everybody's, which holds all of it. Times are
 * monotonic, ms. Loop thread only.
 */

#include <stdbool.h>
#include <stdint.h>

/* The signer is away, the disk is full, the server ends: nothing that the record could help. */
bool trouble_is_everybodys(int status);

struct trouble {
	uint64_t until;    /* nothing is started before */
	unsigned failures; /* in a row, that are everybody's */
};

/* One more. Those that were under way fail together, and count once. */
void trouble_hold(struct trouble *t, uint64_t now);

#endif
