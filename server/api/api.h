#ifndef SERVER_API_API_H
#define SERVER_API_API_H

/*
 * The HTTP/JSON API of a server (docs/openapi.yaml): on the UNIX socket for root, the server's own
 * user and the group certherd, and on the public port for whoever may join. Handlers are thin: they
 * decode by table, call nodes, flow or index, and answer when those do. Every answer to a change
 * says how durable it is and where in the log. Loop thread only.
 */

#include "common/httpd/httpd.h"
#include "common/wire/link_messages.h"
#include "common/wire/trust.h"
#include "server/flow/flow.h"
#include "server/nodes/nodes.h"

struct api;
struct loop;
struct sched;

/* What the server knows of a follower; publish keeps it. */
struct api_follower {
	bool connected;
	struct position have;
	uint64_t silent_ms; /* since it last asked */
	const char *software;
};

typedef void api_receipt_cb(void *arg, const struct id *node, const struct receipt *receipt);

/* Questions to other parts, answered at once. */
struct api_sources {
	void *arg;
	/* False: never heard of since the start. */
	bool (*follower)(void *arg, const struct id *node, struct api_follower *out);
	size_t (*connected)(void *arg);
	/* Each node's receipt for a credential. */
	void (*receipts)(void *arg, const struct id *credential, api_receipt_cb *cb, void *cb_arg);
	/* NULL: the signer is at work; else why not. */
	const char *(*signer_trouble)(void *arg);
};

struct api_params {
	struct loop *loop;
	struct index *index;
	struct nodes *nodes;
	struct flow *flow;
	struct sched *sched;
	struct commit *commit;
	const struct trust *trust;
	struct id self;
	const char *domain_name;
	struct texts endpoints; /* host:port of the public port */
	gid_t group;            /* may use the UNIX socket beside root and us; 0: none */
	struct api_sources sources;
};

NODISCARD int api_new(const struct api_params *params, struct api **out, struct err *err);
/* What is not answered gets 503. Before nodes, flow and index end. */
void api_free(struct api *a);
DEFINE_FREEP(struct api, api_free)

/* A listening UNIX socket, taken. */
NODISCARD int api_listen(struct api *a, int fd, struct err *err);
/* A connection of the public port, taken; as the terminator's on_http, arg is the api. */
void api_add_public(void *arg, int fd, const struct cert *peer, const char *address);

/* What watchers are told. The first is an observer of commit, arg is the api. */
void api_observe(void *arg, const struct committed *records, size_t count, const struct head *head,
    struct signed_bytes signed_head);
void api_on_receipt(struct api *a, const struct id *node, const struct receipt *receipt);
void api_on_node(struct api *a, const struct id *node, bool connected);

#endif
