#ifndef TESTS_UNIT_COMMON_LINK_PUMP_H
#define TESTS_UNIT_COMMON_LINK_PUMP_H

/*
 * Originator and terminator without TLS, for tests: a local address for each node, on which its nng
 * client dials; the first bytes of a connection attach it to the server as that node.
 */

#include "common/link/link_nng.h"
#include "common/loop/loop.h"

#define PUMP_PORTS 600
#define PUMP_URL_MAX 64

struct pump_conn;

struct pump {
	struct loop *loop;
	struct link_server *server; /* NULL: connections end after their first bytes */
	bool unchecked;             /* nng sees what comes */
	bool rude;                  /* connections are closed unread */
	struct pump_conn *conns;
	struct loop_fd *listeners[PUMP_PORTS];
	int fds[PUMP_PORTS];
	bool stalled[PUMP_PORTS];                    /* nothing is passed on to this node */
	void (*on_closed)(void *arg, unsigned node); /* may be NULL */
	void *arg;
	unsigned count, attached, drops[LINK_DROP__COUNT];
	uint64_t to_server, to_client;
};

void pump_init(struct pump *p, struct loop *loop);
void pump_fini(struct pump *p);
/* Opens the address of a node, and writes it down. */
void pump_open(struct pump *p, unsigned node, char url[static PUMP_URL_MAX]);
/* A plain descriptor connected to the address of a node. */
int pump_dial(struct pump *p, unsigned node);
void pump_stall(struct pump *p, unsigned node, bool stalled);
void pump_cut(struct pump *p, unsigned node);
/* As pump_cut, and nobody is there any more. */
void pump_shut(struct pump *p, unsigned node);

void pump_on_drop(void *arg, void *conn, enum link_drop why);

#endif
