#ifndef TESTS_SUPPORT_OFFICE_H
#define TESTS_SUPPORT_OFFICE_H

/*
 * A manager at work in virtual time, with everything but network and processes: a domain as `init`
 * makes it, a store on the disk in memory, the real signer's core, committer, index, nodes, flow
 * and sched. Nodes that join keep their keys here, so that a test can open what they could open.
 * Aborts when something fails that a test has not asked for.
 */

#include "common/keyring/keyring.h"
#include "common/wire/link_messages.h"
#include "server/flow/flow.h"
#include "server/index/index.h"
#include "server/index/index_local.h"
#include "server/nodes/nodes.h"
#include "server/sched/sched.h"
#include "server/signer/local.h"
#include "tests/support/signer_world.h"
#include "tests/support/vfs_fault.h"
#include "tests/support/virtual_time.h"

#define OFFICE_NODES 16

struct office_node {
	char name[64];
	struct id id;
	struct pkey *identity, *sealing;
};

struct office {
	struct signer_world world;
	struct virtual_time time;
	struct vfs_fault *disk;
	struct store *store;
	struct trust *trust;
	struct index *index;
	struct signer *signer;
	struct commit *commit;
	struct nodes *nodes;
	struct flow *flow;
	struct sched *sched;
	bool with_sched;
	struct office_node members[OFFICE_NODES];
	size_t member_count;
	size_t thrown_out;
	enum record_kind spoilt; /* see office_spoil */
	/* Who writes beside commits: set before office_restart. */
	struct commit_beside (*beside)(void *arg);
	void (*beside_end)(void *arg); /* the committer is gone, the store is there still */
	void *beside_arg;
	bool serves; /* every node says that it serves what is in force */
	struct receipt receipt;

	/* The end of the last operation. */
	bool called;
	int status;
	struct err err;
	struct flow_result result;
	struct nodes_result node_result;
	char name[256], warning[4096]; /* all warnings of a flow, with "; " between */
	struct secret *token;
	struct id token_id;
	struct join_answer answer;
	struct buf certificate;
};

void office_init(struct office *o, uint64_t seed);
void office_fini(struct office *o);
/* For cmocka: an office in *state. */
int office_setup(void **state);
int office_teardown(void **state);
/* Ends everything and starts it again from the disk. */
void office_restart(struct office *o);

/* Callbacks for operations; office_wait returns the status, after its time has passed. */
void office_on_flow(void *arg, int status, const struct flow_result *result, const struct err *err);
void office_on_nodes(
    void *arg, int status, const struct nodes_result *result, const struct err *err);
/* started: what the operation's start returned. */
int office_wait(struct office *o, int started);
/* Until nothing is left to be done, but at most a minute. */
void office_settle(struct office *o);
/* Nothing happens for that long, as if the server had been asleep; then a minute passes. */
void office_sleep(struct office *o, int64_t seconds);

/* A token for a name, in o->token and o->token_id. */
int office_token(struct office *o, const char *name);
/* Joins with o->token and the given keys, as that name. */
int office_join_with(
    struct office *o, const char *name, const struct pkey *identity, const struct pkey *sealing);
/* Token and join with fresh keys, kept in members. */
struct office_node *office_add_node(struct office *o, const char *name);

/* A credential of that name and access ("web1", "@mail", NULL at the end). */
int office_add_credential(struct office *o, const char *name, const char *const *access);
struct texts office_texts(const char *const *items);

/* The CREDENTIAL of that name, and its GENERATION in force; the test fails when there is none. */
const struct index_record *office_credential(struct office *o, const char *name);
const struct index_record *office_active(struct office *o, const char *name);
/*
 * From now on makes every seal of records of that kind look, in the index, as if it were made for
 * others, as soon as it is committed; KIND_UNKNOWN: no longer.
 */
void office_spoil(struct office *o, enum record_kind kind);

/* The Micro CA of that name; the test fails when there is none. */
const struct index_record *office_ca(struct office *o, const char *name);
/* Adds a credential of a Micro CA (NULL: the default one), for nobody; as office_wait. */
int office_add_of(struct office *o, const char *name, const char *ca);
/* Revokes a generation; as office_wait. */
int office_revoke(struct office *o, const char *name, uint64_t number, const char *reason);
/* Whether a generation, which must be revoked, stands in the list of its CA. */
bool office_is_listed(struct office *o, const struct id *generation);

/* The test fails, with both, when text does not say what. */
void office_check_text(const char *text, const char *what);

/* Whether a node can open the active generation's key, by the records as they are now. */
bool office_can_open(struct office *o, const struct office_node *n, const char *credential);
/* The same of any generation. */
bool office_can_open_generation(
    struct office *o, const struct office_node *n, const struct id *generation);
/* The record of that id, whole; end it with record_free. */
struct record *office_fetch(struct office *o, const struct id *id);

#endif
