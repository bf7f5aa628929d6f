#ifndef COMMON_LINK_LINK_CLIENT_H
#define COMMON_LINK_LINK_CLIENT_H

/*
 * The follower's end of the link: one request at a time, opaque bytes out, opaque bytes back. The
 * connection is made and made again underneath; a request that is started without one waits for it
 * until its deadline. A request is never sent twice: when the connection ends under it, the caller
 * is told and decides. Everything here belongs to the loop thread. Implementations: link_nng.h and
 * link_memory.h.
 */

#include "common/base/buf.h"

#define LINK_RECONNECT_MIN_MS 100
#define LINK_RECONNECT_MAX_MS 2000

/*
 * status 0: reply is the answer, borrowed for the time of the call. Otherwise reply is empty and
 * err says what happened: ERR_UNAVAIL (the connection was lost under the request), ERR_TIMEOUT,
 * ERR_LIMIT (the reply is longer than allowed), ERR_CANCELED (also by a close). The next request
 * may be started from inside the call.
 */
typedef void link_done_cb(void *arg, int status, struct span reply, const struct err *err);
typedef void link_client_closed_cb(void *arg);

struct link_call {
	struct span request; /* copied */
	size_t reply_max;
	uint64_t timeout_ms; /* of the whole call, connecting included */
	link_done_cb *cb;
	void *arg;
};

struct link_client;

struct link_client_ops {
	int (*start)(struct link_client *c, const struct link_call *call, struct err *err);
	void (*cancel)(struct link_client *c);
	void (*close)(struct link_client *c, link_client_closed_cb *cb, void *arg);
};

/* The first member of an implementation. */
struct link_client {
	const struct link_client_ops *ops;
};

/*
 * 0: the callback comes exactly once, later. Otherwise it never comes: ERR_BUSY while a request is
 * under way, ERR_LIMIT for one that is too long, ERR_NOMEM.
 */
NODISCARD int link_client_start(
    struct link_client *c, const struct link_call *call, struct err *err);

/*
 * The callback then comes with ERR_CANCELED, later, or with the answer if that was quicker. The
 * connection is given up too if the request may have been sent, so that the manager does not hold
 * two requests of this node. Without a request it does nothing.
 */
void link_client_cancel(struct link_client *c);

/* Cancels; cb comes later, after the request's own callback, and the client is gone then. */
void link_client_close(struct link_client *c, link_client_closed_cb *cb, void *arg);

#endif
