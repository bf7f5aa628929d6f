#ifndef TESTS_SIM_SIM_OP_H
#define TESTS_SIM_SIM_OP_H

/*
 * One change of the domain, as a flow of the server makes it: a mutation that grows by what the
 * signer answers to each step, is submitted after the last, and is noted by the oracle when it is
 * acknowledged. It frees itself at its end, also when the manager dies meanwhile.
 */

#include "tests/sim/sim.h"

struct sim_op;
/* Fills in what the signer is asked next; false when the change has become moot. */
typedef bool sim_ask(struct sim_op *op, struct signer_request *request);
/* Takes the answer into the mutation. */
typedef void sim_take(struct sim_op *op, const struct signer_done *done);

#define SIM_STEPS 16
struct sim_op {
	struct sim *sim;
	unsigned life;
	struct signer_call call;
	struct sim_op_step {
		enum signer_op op;
		sim_ask *ask;
		sim_take *take;
	} steps[SIM_STEPS];
	size_t step_count, step;
	struct mutation *mutation;
	struct promise *promises;
	size_t promise_count;
	bool alone;   /* nothing else may change meanwhile */
	int expected; /* the code that must come back; 0: done, or one that stands for trouble */
	/* Called when it is acknowledged; may be NULL. */
	void (*on_done)(struct sim_op *op);
	/* for the steps */
	struct id target, other;                       /* record ids: what it is about */
	struct id made;                                /* id of a new record */
	struct id groups[SIM_STEPS], nodes[SIM_STEPS]; /* of each step, where it has them */
	uint64_t version, group_version;
	struct buf *group_public, *group_sealed; /* fresh ones of this mutation */
	struct buf *node_public;
	struct sim_follower *follower;
	struct id access[SIM_FOLLOWERS + SIM_GROUPS];
	size_t access_count;
	char name[LIMIT_NAME + 1];
	const char *names[1];
	char action[32];
	uint64_t seen; /* version of other when it was asked about */
	bool flag;
};

/* Whether a change may begin now; one that is alone waits until all others have ended. */
bool sim_op_may_begin(const struct sim *s, bool alone);
struct sim_op *sim_op_new(struct sim *s, const char *action, const char *object);
void sim_op_step(struct sim_op *op, enum signer_op what, sim_ask *ask, sim_take *take);
/* Runs it; op is freed at its end. */
void sim_op_start(struct sim_op *op);
/* A draft that replaces the record that there is, or makes a new one. */
struct draft *sim_op_draft(struct sim_op *op, const struct id *id, uint32_t kind, const char *name);
/* A draft that removes the live record; false when there is none. */
bool sim_op_remove(struct sim_op *op, const struct id *id);

/* --- sim_credentials.c ---------------------------------------------------------------------------
 */

#define MICRO_CA "micro"

void action_make_ca(struct sim *s);
void action_issue(struct sim *s);
void action_renew(struct sim *s);
void action_access(struct sim *s);
void action_archive(struct sim *s);
void action_delete(struct sim *s);
/* A renewal with a key that is not that of the certificate: nobody may ever serve it. */
void action_odd(struct sim *s);

enum odd {
	ODD_NOT,
	ODD_PUBLIC, /* the certificate is not that of the key which the public part names */
	ODD_SEALED, /* the sealed key is not that which the public part names */
};
enum odd odd_of(const struct sim *s, const struct id *generation);

#endif
