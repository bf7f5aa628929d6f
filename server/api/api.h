#ifndef SERVER_API_API_H
#define SERVER_API_API_H

/*
 * The HTTP/JSON API of a server (docs/openapi.yaml): on the UNIX socket for root, the server's own
 * user and the group certherd, and on the public port for whoever may join. Handlers are thin: they
 * decode by table, call nodes, flow or index, and answer when those do. Every answer to a change
 * says how durable it is and where in the log. Loop thread only.
 */

#include "common/httpd/httpd.h"
#include "common/wire/trust.h"
#include "server/flow/flow.h"
#include "server/nodes/nodes.h"

struct api;
struct events;
struct evict;
struct health;
struct loop;
struct publish;
struct sched;

struct api_params {
	struct loop *loop;
	struct index *index;
	struct nodes *nodes;
	struct flow *flow;
	struct sched *sched;
	struct evict *evict;
	struct commit *commit;
	struct publish *publish;
	struct events *events;
	struct health *health;
	const struct trust *trust;
	struct id self;
	const char *domain_name;
	struct texts endpoints; /* host:port of the public port */
	gid_t group;            /* may use the UNIX socket beside root and us; 0: none */
	/* NULL, or why the signer is not at work. */
	const char *(*signer_trouble)(void *arg);
	void *signer_arg;
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
/* As on_receipt of publish: what a node serves has changed; credential NULL: all of it. */
void api_on_receipt(void *arg, const struct id *node, const struct id *credential);
/* An event is durable: its JSON, for those who watch events; arg is the api. */
void api_on_event(void *arg, struct span document);
/* A node's connection has come or ended. */
void api_on_node(struct api *a, const struct id *node, bool connected);

#endif
