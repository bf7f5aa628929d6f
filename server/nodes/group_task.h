#ifndef SERVER_NODES_GROUP_TASK_H
#define SERVER_NODES_GROUP_TASK_H

/*
 * One change of a group: perhaps a key (the first, or a new one), memberships sealed for some
 * nodes, memberships that go. What is to be done is decided by each look anew.
 */

#include "server/nodes/nodes_priv.h"

enum group_change {
	GROUP_CREATE,
	GROUP_ADD,    /* seal for one node; also when its key has changed */
	GROUP_REMOVE, /* a new key without one node */
	GROUP_REPAIR, /* a new key without nodes that are gone, or fresh memberships */
};

struct membership_plan {
	struct id node, id;
	uint64_t version; /* of the membership that is there; 0: none */
	struct buf *public_part, *sealed;
};

struct group_task {
	struct task t;
	enum group_change change;
	const char *group; /* name */
	const char *node;  /* name */
	struct texts members;
	bool keep_keys; /* of GROUP_REMOVE: nobody is to make new ones because of it */

	/* from look */
	struct id id;
	uint64_t version; /* of the group; 0: new */
	bool makes_key;
	bool exposes;                     /* first it is noted who knows which keys */
	struct id leaving;                /* of GROUP_REMOVE */
	struct buf *public_part, *sealed; /* of the group, when a key is made */
	struct membership_plan *plans;
	size_t count, cap;
	struct id *drop; /* membership records that go */
	size_t drop_count;
};

typedef void repair_done_cb(struct nodes *n, int status, const struct err *err);

/* done: a nodes_done_cb, or of a repair a repair_done_cb. */
struct group_task *group_task_new(struct nodes *n, enum group_change change, const char *group,
    const char *author, void (*done)(void), void *arg);

/* group_plan.c: which memberships, by the index. */
NODISCARD int plan_create(struct group_task *g, struct err *err);
NODISCARD int plan_add(struct group_task *g, const struct index_record *group, struct err *err);
NODISCARD int plan_remove(struct group_task *g, const struct index_record *group, struct err *err);
/* ERR_EXISTS: there is nothing to be repaired. */
NODISCARD int plan_repair(struct group_task *g, const struct index_record *group, struct err *err);
void plan_clear(struct group_task *g);
/* Whether something about a group is not as membership asks for. */
bool plan_is_due(const struct index *ix, const struct index_record *group);
/* Whether a membership is as its group and its node ask for; true for one without group. */
bool plan_is_sound(const struct index *ix, const struct id *membership);

/* Whether the group has a member that is gone. */
bool plan_has_gone(const struct index *ix, const struct index_record *group);

/* group_expose.c: notes in credentials of whoever leaves the group, a batch at a time. */
bool expose_is_due(struct group_task *g);
NODISCARD int expose_mutation(struct group_task *g, struct mutation *m, struct err *err);
/* A mutation_check_cb: nothing is due. arg: the group_task. */
int expose_check(void *arg, const struct mutation *m, struct err *err);

#endif
