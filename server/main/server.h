#ifndef SERVER_MAIN_SERVER_H
#define SERVER_MAIN_SERVER_H

/*
 * The running server: what it is made of, in the order in which it is built; it is taken down in
 * reverse. Main loop's thread only.
 */

#include "common/loop/loop.h"
#include "common/member/member.h"
#include "common/tls/terminator.h"
#include "common/wire/trust.h"
#include "server/api/api.h"
#include "server/commit/commit.h"
#include "server/evict/evict.h"
#include "server/events/events.h"
#include "server/flow/flow.h"
#include "server/health/health.h"
#include "server/index/index.h"
#include "server/main/config.h"
#include "server/nodes/nodes.h"
#include "server/publish/publish.h"
#include "server/sched/sched.h"

struct link_server;
struct signer;
struct store;

#define SERVER_ENDPOINTS_MAX 16

struct server {
	const struct server_config *config;
	char *path; /* of this program, for the signer */
	char *key_path, *socket_path;
	const char *signer_argv[8];
	char signer_heap[24];
	int lock;
	struct member member;
	struct store *store;
	struct trust *trust;
	struct loop *loop;
	struct runtime *runtime;
	struct loop_signal *signals[3];
	struct index *index;
	struct event_receiver receivers[EVENT_RECEIVERS_MOST];
	struct events *events;
	struct signer *signer;
	char signer_trouble[ERR_TEXT_MAX]; /* "": it works */
	struct commit *commit;
	struct nodes *nodes;
	struct flow *flow;
	struct sched *sched;
	struct evict *evict;
	struct api *api;
	struct link_server *link;
	struct publish *publish;
	struct health *health;
	struct terminator *terminator;

	char *endpoints[SERVER_ENDPOINTS_MAX];
	size_t endpoint_count;
	struct map *expired; /* node ids whose connection has a certificate that has run out */
	struct timer renew_timer;
	bool started, stopping;
	int failed; /* negative code that ends the program */
};

/* start.c */
NODISCARD int server_run(const struct server_config *config, const char *program, struct err *err);
void server_fail(struct server *s, const struct err *err);

/* stop.c */
void server_stop(struct server *s);

/* beliefs.c: what the signer is told about recipients */
void server_introduce(void *arg, void (*add)(void *add_arg, struct span request), void *add_arg);

/* members.c: the public port, and the connections of members into the link */
NODISCARD int server_open_link(struct server *s, struct err *err);
NODISCARD int server_open_port(struct server *s, struct err *err);

/* events.c: what the parts ask of each other */
struct publish_events server_publish_events(struct server *s);
const char *server_signer_trouble(void *arg); /* NULL: it works */
void server_on_removed(void *arg, const struct id *node);
/* Observer of commits: says in the log who has joined and who was removed. */
void server_tell_members(void *arg, const struct committed *records, size_t count,
    const struct head *head, struct signed_bytes signed_head);
void server_tell_signer(struct server *s, bool works);
void server_on_event(void *arg, struct span document);
int server_start_renewal(void *arg, const struct id *credential, struct err *err);

/* health.c: how credentials are; behind publish */
void server_open_health(struct server *s);

/* evict.c */
void server_start_evict(struct server *s);

/* renew.c: a third of the identity's lifetime before its end, and again until it works */
void server_watch_identity(struct server *s);

/* health.c: what a node says that it serves of a credential; arg is the server. */
const struct receipt *server_receipt(void *arg, const struct id *node, const struct id *credential);

#endif
