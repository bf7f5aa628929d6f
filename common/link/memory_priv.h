#ifndef COMMON_LINK_MEMORY_PRIV_H
#define COMMON_LINK_MEMORY_PRIV_H

/*
 * The inside of the network in memory: memory_net.c carries messages over edges, memory.c is what
 * sends and takes them. A connection is a number; each message names the one that it belongs to,
 * and is dropped when its receiver knows that connection no more.
 */

#include "common/base/map.h"
#include "common/base/runtime.h"
#include "common/link/link_memory.h"

#define MEMORY_SERVER_MAGIC 0x6c4d6d53U
#define MEMORY_CLIENT_MAGIC 0x6c4d6d43U
#define MEMORY_REQUEST_MAGIC 0x6c4d6d52U

enum message_kind {
	MESSAGE_REQUEST,
	MESSAGE_REPLY,
	MESSAGE_END_TO_SERVER, /* the connection has ended */
	MESSAGE_END_TO_CLIENT,
};

struct message {
	struct link_net *net;
	enum message_kind kind;
	struct id from, to;
	uint64_t connection, number;
	bool again; /* the second copy of a request */
	struct buf body;
	struct timer timer;
	struct message *prev, *next;
};

struct mem_client {
	struct link_client base;
	uint32_t magic;
	struct link_net *net;
	struct id node, server;
	size_t request_max, reply_max;

	uint64_t connection; /* 0: none */
	bool active, sent;
	int stopped;
	uint64_t number; /* of the call */
	struct link_call call;
	struct buf request;
	struct backoff backoff;
	struct timer deadline, retry, stop, end;
	bool closing;
	link_client_closed_cb *closed_cb;
	void *closed_arg;
	struct mem_client *next;
};

struct mem_request {
	struct link_request base;
	uint32_t magic;
	struct mem_server *server;
	struct mem_peer *peer;
	uint64_t number;
	bool again;
	struct buf body;
};

struct mem_peer {
	struct id node;
	uint64_t connection;
	struct mem_request *open;
	struct mem_peer *next;
};

struct mem_server {
	struct link_server base;
	uint32_t magic;
	struct link_net *net;
	struct id node;
	size_t request_max;
	struct mem_peer *peers;
	struct timer end;
	bool closing;
	link_closed_cb *closed_cb;
	void *closed_arg;
	struct mem_server *next;
};

struct link_net {
	struct runtime *rt;
	struct link_faults usual;
	struct map *edges; /* from and to, one behind the other, to struct link_faults */
	struct mem_server *servers;
	struct mem_client *clients;
	struct message *messages; /* under way */
	uint64_t connections, numbers;
	link_tap *tap;
	void *tap_arg;
};

bool net_is_cut(struct link_net *net, const struct id *from, const struct id *to);
struct mem_server *net_server(struct link_net *net, const struct id *node);
struct mem_client *net_client(struct link_net *net, const struct id *node, const struct id *server);

/* Sends, with everything that the edge does to messages; the body is copied. */
void net_send(struct link_net *net, const struct message *m, struct span body);

/* What the network brings. body may be taken over. */
void server_take(struct mem_server *s, struct message *m);
void client_take(struct mem_client *c, struct message *m);

/* Ends a connection on the server's side; tell sends word to the client. */
void server_end(struct mem_server *s, const struct id *node, bool tell);
/* A new connection, which replaces an older one of the node; its number. */
uint64_t server_connect(struct mem_server *s, const struct id *node);

#endif
