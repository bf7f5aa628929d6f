#ifndef COMMON_MODEL_ACCESS_H
#define COMMON_MODEL_ACCESS_H

/*
 * Who can open what: access ids expanded to servers, over an interface of look-ups, so that the
 * manager's index, the replica's store and a test answer by the same rule. Pure functions.
 */

#include "common/model/public.h"

struct access_node {
	struct id id;
	char name[LIMIT_NAME + 1];
	uint32_t role; /* enum node_role */
};

/* A look-up is called with arg. It knows live records only, never tombstones. */
struct access_lookup {
	void *arg;
	/* Kind of the live record with that id (KIND_NODE, KIND_GROUP, ...), KIND_UNKNOWN: none. */
	uint32_t (*kind)(void *arg, const struct id *id);
	bool (*node)(void *arg, const struct id *id, struct access_node *out);
	/* Calls cb for the node of each live membership of the group. */
	void (*members)(void *arg, const struct id *group,
	    void (*cb)(void *cb_arg, const struct id *node), void *cb_arg);
};

struct access_reader {
	struct access_node node;
	bool by_group; /* false: named itself */
	struct id group;
};

/* Each server once, sorted by name; one that is named itself and in a group counts as named. */
struct access_list {
	struct access_reader *items;
	size_t count;
	size_t unknown; /* ids that no live record stands behind */
};

void access_list_fini(struct access_list *l);

/*
 * All servers that can open something sealed to these ids. managers is the id of the built-in
 * group, which every secret is sealed to besides; NULL leaves it out.
 */
void access_expand(const struct access_lookup *lookup, struct ids access, const struct id *managers,
    struct access_list *out);

/* Whether one node can; group is set when it can by one. Cheaper than expanding. */
enum access_answer {
	ACCESS_NO,
	ACCESS_BY_NAME,
	ACCESS_BY_GROUP,
};
enum access_answer access_check(
    const struct access_lookup *lookup, struct ids access, const struct id *node, struct id *group);

/* Why a node does not serve a credential: the first reason that stands in the way. */
enum why_not {
	WHY_NOT_NOTHING, /* nothing does: it should serve it */
	WHY_NOT_NO_NODE,
	WHY_NOT_NO_CREDENTIAL,
	WHY_NOT_ARCHIVED,
	WHY_NOT_REVOKED,
	WHY_NOT_PROFILE,
	WHY_NOT_NO_GENERATION,
	WHY_NOT_NO_ACCESS,
	WHY_NOT_WITHDRAWN,
	WHY_NOT_NOT_YET,
	WHY_NOT_EXPIRED,
	WHY_NOT_NAME, /* only of a name: it is not in the certificate in force */
	WHY_NOT__COUNT,
};

struct why_facts {
	const struct credential_public *credential; /* NULL: there is none */
	const struct generation_public *generation; /* the active one; NULL: there is none */
	struct ids access;                          /* of the generation's record */
	int64_t now;
};

enum why_not access_why_not(
    const struct access_lookup *lookup, const struct why_facts *facts, const struct id *node);
/* One sentence for people, without names: "it is not among the servers with access". */
const char *why_not_text(enum why_not why);

#endif
