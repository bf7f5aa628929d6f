#ifndef TESTS_UNIT_COMMON_LINK_NNG_WORLD_H
#define TESTS_UNIT_COMMON_LINK_NNG_WORLD_H

/* The world of the nng link for the contract's cases and for its own: a real loop, and sockets. */

#include "common/link/link_nng.h"
#include "tests/unit/common/link/contract.h"
#include "tests/unit/common/link/pump.h"

#define CONTEXTS_MAX 1300

/* What the originator of a node is asked to do. */
struct hook {
	struct pump *pump;
	unsigned node;
	struct link_client *client;
};

struct world {
	struct loop *loop;
	struct pump pump;
	struct timer tick; /* so that a turn that waits ends */
	uint64_t attach_ms, grave_ms;
	struct hook hooks[PUMP_PORTS];
};

struct link_nng_stats nng_stats(struct fixture *f);
/* Descriptors of this process. */
unsigned nng_open_fds(void);
/* For fixture_until: no more than *arg descriptors; no peers and no listeners that wait to close.
 */
bool nng_fds_are_back(void *arg);
bool nng_no_graves(void *arg);

#endif
