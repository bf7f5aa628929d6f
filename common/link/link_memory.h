#ifndef COMMON_LINK_LINK_MEMORY_H
#define COMMON_LINK_LINK_MEMORY_H

/*
 * The link as a network in memory, for the simulator: virtual time by struct runtime, faults for
 * each edge, all chances drawn from the runtime's random function, so that a seed says what
 * happens. A node may be server, client or both; nodes are named by id. Nothing here knows
 * messages: their bytes can be looked at and changed by a tap.
 */

#include "common/link/link_client.h"
#include "common/link/link_server.h"

struct runtime;
struct link_net;

/*
 * What one direction between two nodes does to messages. A connection that loses one looks dead to
 * the caller until its deadline, as a stuck TCP connection does.
 */
struct link_faults {
	uint32_t loss_ppm;      /* chance that a message never comes, in a million */
	uint32_t duplicate_ppm; /* chance that a request comes once more, later */
	uint32_t delay_min_ms, delay_max_ms;
	bool cut; /* nothing passes; both directions are cut for a partition */
};

struct link_net *link_net_new(struct runtime *rt);
/* All servers and clients must have been closed, and their callbacks have come. */
void link_net_free(struct link_net *net);
DEFINE_FREEP(struct link_net, link_net_free)

/* Delays of 1 to 3 ms and no faults unless this says otherwise; NULL sets all edges. */
void link_net_set_faults(struct link_net *net, const struct id *from, const struct id *to,
    const struct link_faults *faults);
/* Both directions; other faults stay. */
void link_net_partition(struct link_net *net, const struct id *a, const struct id *b, bool cut);
/* Ends the connection between a client and a server now; both sides are told, unless cut. */
void link_net_drop(struct link_net *net, const struct id *client, const struct id *server);

/*
 * Sees each message when it is about to be delivered, and may change it (the buf is its own copy)
 * or swallow it by returning false. For byzantine edges.
 */
typedef bool link_tap(
    void *arg, const struct id *from, const struct id *to, bool is_reply, struct buf *body);
void link_net_set_tap(struct link_net *net, link_tap *tap, void *arg);

/* ERR_EXISTS when the node has a server. request_max as in link_nng.h. */
NODISCARD int link_memory_server_new(struct link_net *net, const struct id *node,
    size_t request_max, struct link_server **out, struct err *err);

/* From node to server; one at a time for each pair is connected, the newest. */
NODISCARD int link_memory_client_new(struct link_net *net, const struct id *node,
    const struct id *server, size_t request_max, size_t reply_max, struct link_client **out,
    struct err *err);

/*
 * A crash: gone at once, no callback comes any more. Not from inside a callback of that end. The
 * other side sees the connection end, unless it is cut off.
 */
void link_memory_server_kill(struct link_server *s);
void link_memory_client_kill(struct link_client *c);

#endif
