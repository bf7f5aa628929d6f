#ifndef SERVER_NODES_NODES_PRIV_H
#define SERVER_NODES_NODES_PRIV_H

/*
 * Inside of server/nodes. Each operation is a task that walks through the same states (task.c), led
 * by the functions of its type: look decides from the index, a job keeps something on disk,
 * requests go to the signer one after another, a mutation is committed. When the records have
 * changed meanwhile it looks again.
 */

#include "common/base/arena.h"
#include "common/base/map.h"
#include "common/base/runtime.h"
#include "common/base/sm.h"
#include "common/crypto/sign.h"
#include "common/wire/signer_messages.h"
#include "server/index/index_local.h"
#include "server/nodes/nodes.h"
#include "server/signer/signer.h"

#define TASK_ATTEMPTS 20
#define LIMIT_TOKENS 1000      /* that somebody can still join with */
#define LIMIT_TOKENS_PAST 4000 /* used or void, kept so that a repeated join gets its answer */

struct task;

struct task_type {
	const char *action; /* of the audit log */
	size_t size;        /* of the struct that begins with struct task */
	/* Sets calls, uses_job, answered. */
	int (*look)(struct task *t, struct err *err);
	int (*run)(struct task *t, struct err *err); /* on the worker, with what the task holds */
	int (*request)(struct task *t, unsigned call, struct signer_request *r, struct err *err);
	/* done is borrowed. */
	int (*reply)(
	    struct task *t, unsigned call, const struct signer_done *done, struct err *err);
	int (*mutation)(struct task *t, struct mutation *m, struct err *err);
	/* Calls back whoever asked. commit is zeroed when nothing was committed. */
	void (*finish)(
	    struct task *t, int status, const struct commit_result *commit, const struct err *err);
	void (*forget)(struct task *t); /* what a look found, before the next; NULL: nothing */
};

enum task_state {
	TASK_START,
	TASK_JOB,
	TASK_SIGN,
	TASK_COMMIT,
	TASK_WAIT, /* removal: until the groups have new keys */
	TASK_DONE,
	TASK__COUNT,
};

struct task {
	struct nodes *nodes;
	const struct task_type *type;
	struct sm sm;
	struct task *next, **prev;
	struct timer timer;
	struct arena *memory; /* of inputs */
	unsigned attempts;
	const char *author, *object;
	void (*done)(void); /* the caller's callback, cast back by finish */
	void *arg;

	/* from look */
	bool uses_job;
	bool answered; /* there is nothing to be changed */
	bool waits;    /* TASK_WAIT follows the commit */
	bool again;    /* the commit is a step on the way: look again */
	unsigned calls;

	struct job job;
	int job_status;
	struct err job_err;
	struct signer_call call;
	unsigned at_call;
	enum signer_op asked;
	struct commit_result commit;
	const char *warning;
};

struct token {
	struct local_token row;
	bool busy; /* a join with it is under way */
};

struct nodes {
	struct nodes_params p;
	struct arena *endpoint_memory;
	struct texts endpoints;
	struct task *tasks;
	size_t pending; /* learns and jobs beside the tasks */
	bool closing;
	void (*closed)(void *arg);
	void *closed_arg;
	struct timer close_timer;
	struct map *tokens; /* id: struct token */
	uint64_t join_window_ms;
	unsigned join_failures;
	/* groups.c: what membership asks for and is not so yet */
	struct timer repair_timer;
	bool repairing;
	struct id repair_group;
	struct map *repair_troubles; /* by id of a group */
};

/* task.c */
struct task *task_new(struct nodes *n, const struct task_type *type, const char *author,
    const char *object, void (*done)(void), void *arg);
void task_start(struct task *t);
void task_drop(struct task *t); /* of one that was not started */
const char *task_text(struct task *t, const char *s);
struct span task_span(struct task *t, struct span s);
struct texts task_texts(struct task *t, struct texts texts);
/* Ends a task in TASK_WAIT. */
void task_resume(struct task *t);
void nodes_check_closed(struct nodes *n);
NODISCARD int nodes_check_open(const struct nodes *n, struct err *err);
/* Finish of types whose caller gave a nodes_done_cb. */
void task_finish_plain(struct task *t, const struct id *id, int status,
    const struct commit_result *commit, const struct err *err);

/* groups.c */
void repair_observe(struct nodes *n, const struct record *r);
void repair_start(struct nodes *n);
void repair_run(void *nodes); /* of repair_timer */
void repair_free(struct nodes *n);
/* Whether a node that was removed is still in a group. */
bool repair_is_pending(const struct nodes *n, const struct id *node);

/* identity.c: what a node says about itself, checked. */
struct identity_facts {
	struct buf *identity_key; /* SubjectPublicKeyInfo */
	struct span sealing_key;  /* as given; empty: none */
	struct texts addresses;   /* in normal form */
};
NODISCARD int identity_check(struct task *t, struct span csr, struct span sealing_key,
    struct span sealing_proof, struct texts addresses, struct identity_facts *out, struct err *err);
/* Request of an IssueIdentity for a year from now. */
NODISCARD int identity_request(struct task *t, struct span csr, const struct id *node,
    const char *name, struct texts addresses, struct signer_request *r, struct err *err);

/* tokens.c */
void tokens_free(struct nodes *n);
/*
 * Takes the tokens out of memory that somebody could still join with, for that name or with that id
 * (NULL: none): nobody can from then on. Returns how many; *out is the caller's (mem_free).
 */
size_t tokens_take_out(struct nodes *n, const char *name, const struct id *id, struct id **out);
/* On the worker: from the disk as well. */
NODISCARD int tokens_delete(struct nodes *n, const struct id *ids, size_t count, struct err *err);
void nodes_new_id(struct nodes *n, struct id *out);

#endif
