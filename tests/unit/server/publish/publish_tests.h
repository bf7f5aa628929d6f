#ifndef TESTS_UNIT_SERVER_PUBLISH_PUBLISH_TESTS_H
#define TESTS_UNIT_SERVER_PUBLISH_PUBLISH_TESTS_H

/*
 * The parts of test_server_publish, and what they share: a manager in virtual time with a
 * publisher, behind a link that is a list of requests in memory.
 */

#include "common/link/link_server.h"
#include "server/publish/publish_priv.h"
#include "tests/support/manager.h"

#include <setjmp.h>
#include <stdio.h>

#include <cmocka.h>

struct fake_request {
	struct link_request base;
	struct buf *bytes, *body;
	bool answered, forgotten, gone;
	struct reply reply; /* decoded when it is answered */
};

struct fake_link {
	struct link_server base;
	bool serves;
	struct id dropped[8];
	size_t drop_count;
};

struct fixture {
	struct test_manager m;
	struct fake_link link;
	struct publish *publish;
	bool closed;
	struct id dead_node, expired_node;
	/* events */
	uint64_t fenced_term;
	unsigned conflicts, receipt_events;
	struct publish_identity *identity;
};

extern struct fixture fx;

int fx_setup(void **state);
int fx_teardown(void **state);
void fx_start_publish(void);
void fx_stop_publish(void);

/* A pull of this domain from a place, by one who knows the designation; ask fills in the rest. */
struct pull pull_from(struct position cursor, uint64_t beat);
void ask_pull(struct fake_request *r, uint64_t node, const struct pull *pull);
void ask(struct fake_request *r, uint64_t node, const struct request *request);
void request_done(struct fake_request *r);
/* The delta of an answer; fails when there is none. */
const struct delta *delta_of(struct fake_request *r);
int refusal_of(struct fake_request *r);
/* Head and position of a delta's last record, decoded. */
struct head head_of(const struct delta *d);
struct position last_of(const struct delta *d);

int run_ring_tests(void);
int run_request_tests(void);

#endif
