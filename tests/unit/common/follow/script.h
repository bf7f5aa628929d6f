#ifndef TESTS_UNIT_COMMON_FOLLOW_SCRIPT_H
#define TESTS_UNIT_COMMON_FOLLOW_SCRIPT_H

/*
 * A manager whose every message a test can bend: a log of signed records, heads, designations; and
 * a link client that hands each request to the test and waits for the reply that the test gives.
 */

#include "common/follow/follow.h"
#include "common/link/link_client.h"
#include "common/store/digest.h"
#include "common/store/store.h"
#include "common/wire/record_wire.h"
#include "common/wire/trust.h"
#include "tests/support/vfs_fault.h"
#include "tests/support/virtual_time.h"

#define SCRIPT_RECORDS 4096

struct script_record {
	struct id id;
	uint32_t kind;
	struct position at;
	uint64_t mutation, version;
	struct buf *body, *signature;
};

struct script {
	struct domain_id domain;
	struct pkey *root_key, *term_keys[4];
	struct cert *root;
	uint64_t term;
	struct id manager;
	struct buf *designation_bodies[4], *designation_signatures[4];
	struct signed_designation designations[4];
	size_t designation_count;
	struct script_record records[SCRIPT_RECORDS];
	size_t count;
	uint64_t seq, beat;
	struct position floor;
	struct digest *digest;

	/* the link */
	struct link_client link;
	struct virtual_time time;
	struct link_call call;
	struct buf *request;
	bool asked, canceled;
	struct timer cancel_timer;

	/* the follower under test */
	struct vfs_fault *disk;
	struct store *store;
	struct follow *follow;
	struct id node;
	unsigned applied, changes, terms, refusals, troubles;
	struct err trouble; /* the last one that was told */
	bool complete, closed;
	enum freshness freshness;
};

struct script *script_new(void);
void script_free(struct script *s);

/* Opens the store (on a fresh disk with wipe) and starts the follower; closes both. */
void script_start(struct script *s, bool wipe);
void script_stop(struct script *s);

/* Adds a version of a record (id chosen by number) to the log; a new mutation unless joined. */
struct script_record *script_put(struct script *s, unsigned number, bool removed, bool joined);
/* A designation by the root key for the next epoch; later records are of that term. */
void script_designate(struct script *s);

/* Waits for the next request; NULL when none comes in a minute. */
bool script_wait_request(struct script *s);
/* Its Pull, decoded; request_fini by the caller. */
void script_pull(struct script *s, struct request *out);

/* A reply in the making; everything may be bent before it is sent. */
struct script_reply {
	struct signed_bytes records[SCRIPT_RECORDS];
	struct reply reply;
	struct head head;
	struct buf *head_body, *head_signature;
};
/* What an honest manager answers to the pull, at most max records. */
struct script_reply *script_answer(struct script *s, size_t max);
/* Signs r->head again, by the key of that index. */
void script_sign_head(struct script *s, struct script_reply *r, size_t key);
void script_send(struct script *s, struct script_reply *r);
/* Bytes as they are, or the end of the call by an error. */
void script_send_bytes(struct script *s, struct span bytes);
void script_send_error(struct script *s, int code);
/* The store holds what the log says. */
void script_assert_state(struct script *s);
/* Answers honestly until the follower is fresh at the log's end. */
void script_settle(struct script *s);

int run_fault_tests(void);

#endif
