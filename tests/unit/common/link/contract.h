#ifndef TESTS_UNIT_COMMON_LINK_CONTRACT_H
#define TESTS_UNIT_COMMON_LINK_CONTRACT_H

/*
 * What every implementation of the link must do. A fixture makes one world with a server and
 * clients named by small numbers; the cases know nothing else of it.
 */

#include "common/base/limits.h"
#include "common/link/link_client.h"
#include "common/link/link_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define FIXTURE_REQUEST_MAX 4096 /* of the server; clients may send LIMIT_REQUEST */
#define FIXTURE_HELD_MAX 512

struct fixture;

struct fixture_ops {
	void (*set_up)(struct fixture *f);
	void (*tear_down)(struct fixture *f);
	struct link_server *(*server_new)(struct fixture *f);
	void (*server_closes)(struct fixture *f);                        /* may be NULL */
	void (*client_closes)(struct fixture *f, struct link_client *c); /* may be NULL */
	struct link_client *(*client_new)(struct fixture *f, unsigned node);
	/* False when nothing can happen any more. */
	bool (*turn)(struct fixture *f);
	uint64_t (*now)(struct fixture *f);
};

struct fixture {
	const struct fixture_ops *ops;
	void *world;
	struct link_server *server;
	bool server_closed;

	/* how the server behaves, and what it saw */
	enum { SERVE_ECHO, SERVE_HOLD, SERVE_FORGET } behaviour;
	struct link_request *held[FIXTURE_HELD_MAX];
	unsigned held_count, requests, gone;
	struct id last_node;
	size_t reply_len; /* of an echo; 0: as long as the request */
};

/* One call and what became of it. */
struct asked {
	struct fixture *f;
	bool done;
	unsigned calls;
	int status;
	struct buf reply;
	struct link_client *again; /* started once more from inside the callback */
};

struct id fixture_node(unsigned n);
void fixture_open(struct fixture *f, const struct fixture_ops *ops);
void fixture_close(struct fixture *f);
void fixture_serve(struct fixture *f);
void fixture_stop(struct fixture *f);
void fixture_until(struct fixture *f, bool (*holds)(void *), void *arg);
void fixture_until_flag(struct fixture *f, bool *flag);
void fixture_until_count(struct fixture *f, unsigned *count, unsigned wanted);
void fixture_reply_all(struct fixture *f, struct span body);
void client_close_wait(struct fixture *f, struct link_client *c);

void asked_fini(struct asked *a);
void ask(
    struct fixture *f, struct link_client *c, struct asked *a, struct span body, uint64_t timeout);
void ask_wait(struct fixture *f, struct link_client *c, struct asked *a, const char *text);

int contract_run(const char *name, const struct fixture_ops *ops);

extern const struct fixture_ops nng_fixture, memory_fixture;
int nng_run(void);
int memory_run(void);

#endif
