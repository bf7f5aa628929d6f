#ifndef TESTS_UNIT_SERVER_SIGNER_STAGE_H
#define TESTS_UNIT_SERVER_SIGNER_STAGE_H

/* A signer's process at work, for the tests of its life. */

#include "server/signer/process.h"
#include "tests/support/wait.h"
#include "tests/unit/server/signer/signer_tests.h"

/* A world, its key file, and a process that works for it. */
struct stage {
	struct signer_world w;
	struct world_record *ca;
	char dir[40], keys[64];
	struct loop *loop;
	struct signer *signer;
	bool ready, closed, wrong_start;
	const struct buf *more; /* a request that each new process is told, too, */
	size_t more_count;      /* so often */
	unsigned lost;
	struct err lost_err;
};

extern const char *const stage_program[];
/* What each new process is told: all records of the world so far. arg: the stage. */
void stage_introduce(void *arg, signer_add_cb *add, void *add_arg);

/* A world and its key file; then the process, which works for it; then the end of both. */
void stage_prepare(struct stage *s);
void stage_start(struct stage *s);
void stage_fini(struct stage *s);

/* One call and its end. */
struct ask {
	struct signer_call call;
	bool called;
	int status;
	struct buf done;
	struct err err;
};

/* Callback of a call whose arg is a struct ask. */
void stage_answered(struct signer_call *call, int status, struct span done, const struct err *err);
void stage_submit(struct stage *s, struct ask *a, const struct signer_request *r);
/* Submits and waits; the status. */
int stage_ask(struct stage *s, const struct signer_request *r);
int stage_ask_head(struct stage *s, uint64_t beat);
/* A certificate for a new credential that the manager's node may open. */
struct signer_request stage_issue_request(struct stage *s, const char *key_type);

#endif
