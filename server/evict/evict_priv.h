#ifndef SERVER_EVICT_EVICT_PRIV_H
#define SERVER_EVICT_EVICT_PRIV_H

/* Inside of server/evict. */

#include "common/base/map.h"
#include "common/base/runtime.h"
#include "server/evict/evict.h"
#include "server/flow/flow_exposed.h"
#include "server/flow/trouble.h"

/* A credential with exposures. */
struct evict_item {
	struct id credential;
	bool queued, running;
	unsigned failures;
	uint64_t not_before;        /* monotonic, ms */
	char trouble[ERR_TEXT_MAX]; /* of the last try */
	struct evict_item *next;    /* of those that are to be looked at */
};

struct evict {
	struct evict_params p;
	struct map *items; /* by credential */
	struct evict_item *ready, **ready_end;
	size_t running;
	struct trouble trouble; /* that is everybody's */
	uint64_t next_look;     /* monotonic, ms: at everything */
	struct timer timer;
	uint64_t timer_at;
	bool stopped;
};

#endif
