#ifndef COMMON_LINK_LINK_SERVER_H
#define COMMON_LINK_LINK_SERVER_H

/*
 * The manager's end of the link: requests of followers as opaque bytes, each with the proven id of
 * its sender, answered at once or held until there is something to say. Two implementations: nng
 * behind the terminator (link_nng.h), and the simulator's network (link_memory.h). Everything here
 * belongs to the loop thread.
 *
 * Of each node there is one connection, a new one replaces the old, and at most one request that
 * has not been answered; whoever sends a second one loses the connection.
 */

#include "common/base/id.h"

struct link_request;

struct link_request_ops {
	void (*reply)(struct link_request *r, struct span body);
	void (*forget)(struct link_request *r);
};

/*
 * Owned by the link. Whoever was given it by on_request ends it exactly once: by link_reply, by
 * link_request_forget, or by being told with on_gone that it has ended already. Afterwards the
 * pointer is dead. node and bytes stay as they are until then.
 */
struct link_request {
	const struct link_request_ops *ops;
	struct id node; /* proven by the connection, never read from the bytes */
	struct span bytes;
	void *user; /* the holder's, NULL at first */
};

static inline const struct id *
link_request_node(const struct link_request *r)
{
	return &r->node;
}

static inline struct span
link_request_bytes(const struct link_request *r)
{
	return r->bytes;
}

/*
 * body is copied once, into the message that is sent; many requests may be given the same, and it
 * may lie in the bytes of the request.
 */
void link_reply(struct link_request *r, struct span body);
/* No answer: the follower waits until its own deadline, or asks again. */
void link_request_forget(struct link_request *r);

struct link_handlers {
	/* May answer at once, from inside the call. */
	void (*on_request)(void *arg, struct link_request *r);
	/* The connection of a held request has ended, and the request with it. */
	void (*on_gone)(void *arg, struct link_request *r);
	void *arg;
};

typedef void link_closed_cb(void *arg);

struct link_server;

struct link_server_ops {
	void (*drop)(struct link_server *s, const struct id *node);
	void (*close)(struct link_server *s, link_closed_cb *cb, void *arg);
	int (*serve)(struct link_server *s, struct err *err);
};

/* The first member of an implementation. */
struct link_server {
	const struct link_server_ops *ops;
	struct link_handlers handlers;
};

/* Begins to receive; called once. Requests that came earlier wait. ERR_NOMEM, ERR_BUSY. */
NODISCARD int link_server_serve(
    struct link_server *s, const struct link_handlers *handlers, struct err *err);

/* Ends the connection of a node, if there is one; it may come back unless it is refused there. */
void link_server_drop(struct link_server *s, const struct id *node);

/*
 * Ends all connections; held requests are told with on_gone during the call or until the callback,
 * nothing after it, and the server's memory is gone then. NULL is not allowed.
 */
void link_server_close(struct link_server *s, link_closed_cb *cb, void *arg);

#endif
