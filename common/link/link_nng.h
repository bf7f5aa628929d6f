#ifndef COMMON_LINK_LINK_NNG_H
#define COMMON_LINK_LINK_NNG_H

/*
 * The link over nng. nng sees only bytes of peers that have proven who they are: for each such
 * connection the terminator attaches it, gets a socket, and pumps the plain bytes through. On a
 * follower nng dials a local address on which the originator listens. docs/internals/link.md says
 * which defects of nng 1.5.2 shape this. Only calls that 1.5.2 and 1.10 both have are used.
 *
 * Loop thread only; nng's own threads are met inside and post to the loop.
 */

#include "common/link/link_client.h"
#include "common/link/link_server.h"

struct loop;

/* Why a connection must end. */
enum link_drop {
	LINK_DROP_REPLACED, /* the same node has connected again */
	LINK_DROP_MISUSE,   /* a second request while one was open */
	LINK_DROP_DEAD,     /* nng did not take the connection within LINK_ATTACH_MS */
	LINK_DROP_ASKED,    /* link_server_drop */
	LINK_DROP_CLOSING,  /* link_server_close */
	LINK_DROP__COUNT,
};
const char *link_drop_name(enum link_drop why);

#define LINK_ATTACH_MS 5000 /* for nng to take a new connection */
#define LINK_GRAVE_MS                                                                              \
	1000 /* of silence before nng is told an end; then to its listener's close                 \
	      */

struct link_nng_server_params {
	struct loop *loop;
	size_t request_max;           /* LIMIT_REQUEST */
	unsigned contexts_max;        /* at least twice the connections that there may be, and 16 */
	uint64_t attach_ms, grave_ms; /* 0: LINK_ATTACH_MS, LINK_GRAVE_MS */
	/*
	 * End the connection that was attached with this conn: close both of its ends, then call
	 * link_nng_detach, inside the call or later. Comes at most once for each attached peer, on
	 * the loop, also from inside link_nng_attach (LINK_DROP_REPLACED).
	 */
	void (*on_drop)(void *arg, void *conn, enum link_drop why);
	void *arg;
};

NODISCARD int link_nng_server_new(
    const struct link_nng_server_params *p, struct link_server **out, struct err *err);

/* One connection of a node, as seen by the link. */
struct link_peer;

/*
 * A connection of the node has been authenticated, and the first bytes of its protocol have come
 * (not earlier: who connects and leaves must not cost a listener). Gives a connected nonblocking
 * descriptor that the caller owns: it pumps the peer's bytes into it, each first through
 * link_nng_check, and out of it, and takes its end of file as the end of the connection.
 * ERR_UNAVAIL when nng has no listener to give, ERR_BUSY while the server closes.
 *
 * The link keeps a duplicate, so that a connection costs five descriptors with the public one: nng
 * must not meet the end of a connection while it writes to it.
 */
NODISCARD int link_nng_attach(struct link_server *s, const struct id *node, void *conn,
    struct link_peer **out, int *fd, struct err *err);

/*
 * Bytes of the follower, all of them and in order, before they are passed on to nng. ERR_PROTO
 * when they are not the framing of requests that are short enough: the connection must end then
 * without their being passed on, because nng may not be made to end it.
 */
NODISCARD int link_nng_check(struct link_peer *peer, struct span bytes, struct err *err);

/* The connection has ended and its descriptor is closed. NULL is fine. */
void link_nng_detach(struct link_peer *peer);

struct link_nng_stats {
	unsigned peers, graves, contexts, receiving, held;
	uint64_t requests, replies, misuses, strangers; /* strangers: refused before any byte */
};
void link_nng_server_stats(struct link_server *s, struct link_nng_stats *out);

struct link_nng_client_params {
	struct loop *loop;
	const char *url;    /* abstract://NAME or ipc:///PATH of the originator's socket */
	size_t request_max; /* LIMIT_REQUEST */
	size_t reply_max;   /* LIMIT_DELTA: a longer reply ends the connection */
	/*
	 * End the connection that the originator carries for this client, if there is one, by
	 * closing its own end; nng dials again by itself. On the loop; asked for when a request is
	 * given up that may have been sent.
	 */
	void (*hang_up)(void *arg);
	void *arg;
};

/*
 * Dials at once and goes on dialling, between LINK_RECONNECT_MIN_MS and _MAX_MS with jitter. Close
 * the originator before the client: nng 1.5.2 leaks a connection that it is just making when it is
 * closed. The originator must not close a connection that it has not read from.
 */
NODISCARD int link_nng_client_new(
    const struct link_nng_client_params *p, struct link_client **out, struct err *err);

/*
 * The originator has closed its end of a connection, for whatever reason; to be told before
 * anything else happens on the loop. The next request waits until nng has seen it: 1.5.2 loses the
 * message of a request that it gives to a connection which it is just closing.
 */
void link_nng_client_closed(struct link_client *c);

#endif
