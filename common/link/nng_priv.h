#ifndef COMMON_LINK_NNG_PRIV_H
#define COMMON_LINK_NNG_PRIV_H

/*
 * The inside of the nng server, shared by nng_server.c (requests) and nng_peer.c (connections).
 * nng's threads only look into by_listener and append to the queue of finished operations, both
 * under the lock; all else belongs to the loop thread. nng is never called with the lock held.
 */

#include "common/base/map.h"
#include "common/link/frames.h"
#include "common/link/link_nng.h"
#include "common/loop/loop.h"

#include <nng/nng.h>
#include <pthread.h>

#define NNG_SERVER_MAGIC 0x4c6e6b53U
#define NNG_SLOT_MAGIC 0x4c6e6b6cU

struct nng_server;

/* One context of the REP socket: it receives a request, holds it, sends the reply. */
enum slot_state {
	SLOT_RECEIVING,
	SLOT_HOLDING,
	SLOT_SENDING,
	SLOT_CLOSED,
};

struct slot {
	uint32_t magic;
	struct link_request req;
	struct nng_server *server;
	nng_ctx ctx;
	nng_aio *aio;
	enum slot_state state;
	struct link_peer *peer; /* holding and sending; NULL when it has gone meanwhile */
	nng_msg *msg;           /* of the request */

	/* written by nng's thread before the slot is queued */
	int result;
	int listener;
	struct slot *queued_next;

	struct slot *next; /* of all slots */
};

struct link_peer {
	struct nng_server *server;
	struct id node;
	void *conn;
	nng_listener listener;
	int fd; /* a duplicate of the descriptor that was given out */
	struct frames frames;
	bool used;    /* a pipe was let in; under the lock */
	bool up;      /* that pipe has joined the socket; under the lock */
	bool dropped; /* on_drop has been called, or the owner has detached */
	bool told;    /* the held request was given to on_request */
	struct slot *holding, *sending;
	struct loop_fd *drain;         /* while its end is kept from nng */
	struct timer timer;            /* of the state that it is in */
	struct link_peer *prev, *next; /* in peers or in graves */
};

struct nng_server {
	struct link_server base;
	uint32_t magic;
	struct loop *loop;
	struct runtime *rt;
	struct link_nng_server_params params;
	nng_socket rep;

	struct slot *slots;
	unsigned contexts, receiving;
	struct link_peer *peers, *graves;
	struct map *by_node;
	struct link_nng_stats stats;

	pthread_mutex_t lock;
	struct map *by_listener;
	struct slot *queue, **queue_tail;
	bool waking; /* posted, and not called yet */
	uint64_t strangers;

	struct posted posted;

	struct timer end;
	bool closing, ended;
	link_closed_cb *closed_cb;
	void *closed_arg;
};

/* Translates nng's error numbers; the only place that does. */
int nng_err(struct err *err, int rv, const char *what);
/* Opens a socket; nng's threads, made with the first one, hear no signals, as all of ours. */
int nng_open_quietly(int (*make)(nng_socket *s), nng_socket *out);

/* requests */
void slot_receive(struct slot *slot);
void slot_forget(struct slot *slot);
void slot_deliver(struct slot *slot);

/* connections */
struct link_peer *peer_of_listener(struct nng_server *s, int listener);
void peer_drop(struct link_peer *peer, enum link_drop why);
void peers_close(struct nng_server *s);
/* False while nng has not been told the end of each connection. */
bool graves_are_quiet(struct nng_server *s);
void graves_free(struct nng_server *s);
void peer_pipe_cb(nng_pipe pipe, nng_pipe_ev ev, void *arg);
/* Called when the last peer has gone while closing. */
void server_try_end(struct nng_server *s);

#endif
