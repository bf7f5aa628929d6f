/* What a change of a group means for its memberships. */

#include "common/crypto/pkey.h"
#include "common/wire/record_wire.h"
#include "server/nodes/group_task.h"

#include <string.h>

void
plan_clear(struct group_task *g)
{
	for (size_t i = 0; i < g->count; i++) {
		buf_free(g->plans[i].public_part);
		buf_free(g->plans[i].sealed);
	}
	mem_free(g->plans);
	mem_free(g->drop);
	buf_free(g->public_part);
	buf_free(g->sealed);
	g->plans = NULL;
	g->drop = NULL;
	g->public_part = NULL;
	g->sealed = NULL;
	g->count = 0;
	g->cap = 0;
	g->drop_count = 0;
	g->makes_key = false;
}

static int
plan_member(struct group_task *g, const struct id *node, struct err *err)
{
	const struct index *ix = g->t.nodes->p.index;
	struct membership_plan *p;
	bool removed;

	for (size_t i = 0; i < g->count; i++)
		if (id_equal(&g->plans[i].node, node))
			return 0;
	if (g->count >= LIMIT_MEMBERS)
		return err_set(err, ERR_LIMIT, "a group has at most %d members", LIMIT_MEMBERS);
	if (g->count == g->cap) {
		g->cap = g->cap > 0 ? 2 * g->cap : 16;
		g->plans = mem_grow(g->plans, g->cap, sizeof(*g->plans));
	}
	p = &g->plans[g->count++];
	memset(p, 0, sizeof(*p));
	p->node = *node;
	p->id = wire_membership_id(&g->id, node);
	p->version = index_version(ix, &p->id, &removed);
	return 0;
}

static void
plan_drop(struct group_task *g, const struct id *membership)
{
	g->drop = mem_grow(g->drop, g->drop_count + 1, sizeof(*g->drop));
	g->drop[g->drop_count++] = *membership;
}

static int
find_node(
    const struct group_task *g, const char *name, const struct index_record **out, struct err *err)
{
	const struct index_record *r = index_named(g->t.nodes->p.index, KIND_NODE, name);

	if (r == NULL)
		return err_set(err, ERR_NOTFOUND,
		    "there is no node '%s'; 'certherd node list' shows them", name);
	*out = r;
	return 0;
}

int
plan_create(struct group_task *g, struct err *err)
{
	if (index_named(g->t.nodes->p.index, KIND_GROUP, g->group) != NULL)
		return err_set(err, ERR_EXISTS, "there is a group '%s' already", g->group);
	nodes_new_id(g->t.nodes, &g->id);
	g->version = 0;
	g->makes_key = true;
	for (size_t i = 0; i < g->members.count; i++) {
		const struct index_record *node = NULL;
		int rc = find_node(g, g->members.items[i], &node, err);

		if (rc == 0)
			rc = plan_member(g, &node->id, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static bool
count_one(void *arg, const struct index_record *r)
{
	(void)r;
	++*(size_t *)arg;
	return true;
}

int
plan_add(struct group_task *g, const struct index_record *group, struct err *err)
{
	const struct index *ix = g->t.nodes->p.index;
	const struct index_record *node = NULL;
	size_t members = 0;
	struct id id;
	int rc = find_node(g, g->node, &node, err);

	if (rc < 0)
		return rc;
	id = wire_membership_id(&group->id, &node->id);
	if (index_get(ix, &id) != NULL)
		return err_set(
		    err, ERR_EXISTS, "'%s' is in the group '%s' already", g->node, g->group);
	index_members(ix, &group->id, count_one, &members);
	if (members >= LIMIT_MEMBERS)
		return err_set(err, ERR_LIMIT, "a group has at most %d members", LIMIT_MEMBERS);
	return plan_member(g, &node->id, err);
}

/* Whoever stays gets the new key; whoever is not there any more, or is to go, is dropped. */
struct rekeying {
	struct group_task *g;
	const struct id *without;
	bool found;
	int status;
	struct err *err;
};

static bool
on_member(void *arg, const struct index_record *r)
{
	struct rekeying *k = arg;
	const struct id *node = &r->membership->node;
	bool goes = k->without != NULL && id_equal(node, k->without);

	k->found = k->found || goes;
	if (goes || index_of_kind(k->g->t.nodes->p.index, KIND_NODE, node) == NULL)
		plan_drop(k->g, &r->id);
	else
		k->status = plan_member(k->g, node, k->err);
	return k->status == 0;
}

int
plan_remove(struct group_task *g, const struct index_record *group, struct err *err)
{
	const struct index_record *node = NULL;
	struct rekeying k = {.g = g, .err = err};
	int rc = find_node(g, g->node, &node, err);

	if (rc < 0)
		return rc;
	g->leaving = node->id;
	k.without = &node->id;
	index_members(g->t.nodes->p.index, &group->id, on_member, &k);
	if (k.status == 0 && !k.found)
		return err_set(
		    err, ERR_NOTFOUND, "'%s' is not in the group '%s'", g->node, g->group);
	g->makes_key = true;
	return k.status;
}

/* --- repair --- */

/* Whether a membership holds the group's key, sealed to the node's present one. */
static bool
is_sound(
    const struct index_record *group, const struct index_record *m, const struct index_record *node)
{
	struct key_id id;
	struct hash want;
	bool holds = false;

	spki_key_id(node->node->sealing_key, &id);
	hash_of(SPAN_OF(id.bytes), &want);
	if (!hash_equal(&want, &m->recipients))
		return false;
	spki_key_id(group->group->key, &id);
	for (size_t i = 0; i < m->membership->key_ids.count && !holds; i++)
		holds = span_equal(m->membership->key_ids.items[i], SPAN_OF(id.bytes));
	return holds;
}

bool
plan_is_sound(const struct index *ix, const struct id *membership)
{
	const struct index_record *m = index_of_kind(ix, KIND_MEMBERSHIP, membership), *group,
				  *node;

	if (m == NULL)
		return true;
	group = index_of_kind(ix, KIND_GROUP, &m->membership->group);
	node = index_of_kind(ix, KIND_NODE, &m->membership->node);
	return group == NULL || (node != NULL && is_sound(group, m, node));
}

struct inspection {
	const struct index *ix;
	const struct index_record *group;
	struct group_task *g; /* NULL: only ask */
	bool gone, stale;
	int status;
	struct err *err;
};

static bool
on_inspect(void *arg, const struct index_record *m)
{
	struct inspection *in = arg;
	const struct index_record *node = index_of_kind(in->ix, KIND_NODE, &m->membership->node);

	if (node == NULL) {
		in->gone = true;
	} else if (!is_sound(in->group, m, node)) {
		in->stale = true;
		if (in->g != NULL)
			in->status = plan_member(in->g, &node->id, in->err);
	}
	return in->status == 0;
}

bool
plan_is_due(const struct index *ix, const struct index_record *group)
{
	struct inspection in = {.ix = ix, .group = group};

	index_members(ix, &group->id, on_inspect, &in);
	return in.gone || in.stale;
}

bool
plan_has_gone(const struct index *ix, const struct index_record *group)
{
	struct inspection in = {.ix = ix, .group = group};

	index_members(ix, &group->id, on_inspect, &in);
	return in.gone;
}

int
plan_repair(struct group_task *g, const struct index_record *group, struct err *err)
{
	const struct index *ix = g->t.nodes->p.index;
	struct inspection in = {.ix = ix, .group = group};
	struct rekeying k = {.g = g, .err = err};

	index_members(ix, &group->id, on_inspect, &in);
	if (!in.gone && !in.stale)
		return err_set(err, ERR_EXISTS, "the group '%s' is as it should be", group->name);
	if (in.gone) {
		index_members(ix, &group->id, on_member, &k);
		g->makes_key = true;
		return k.status;
	}
	in.g = g;
	in.err = err;
	index_members(ix, &group->id, on_inspect, &in);
	return in.status;
}
