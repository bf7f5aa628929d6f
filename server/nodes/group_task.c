/* The calls and records of a change of a group. */

#include "server/nodes/group_task.h"

#include <stdio.h>
#include <string.h>

#define GROUP_OF(task) CONTAINER_OF(task, struct group_task, t)

/* Somebody leaves. */
static bool
may_expose(const struct group_task *g, const struct index_record *group)
{
	return g->change == GROUP_REMOVE ||
	    (g->change == GROUP_REPAIR && plan_has_gone(g->t.nodes->p.index, group));
}

static int
look_group(struct task *t, struct err *err)
{
	struct group_task *g = GROUP_OF(t);
	const struct index_record *group = NULL;
	int rc;

	if (g->change == GROUP_CREATE) {
		rc = plan_create(g, err);
	} else {
		group = index_named(t->nodes->p.index, KIND_GROUP, g->group);
		if (group == NULL)
			return err_set(err, ERR_NOTFOUND,
			    "there is no group '%s'; 'certherd group list' shows them", g->group);
		g->id = group->id;
		g->version = group->version;
		if (g->change == GROUP_ADD)
			rc = plan_add(g, group, err);
		else if (g->change == GROUP_REMOVE)
			rc = plan_remove(g, group, err);
		else
			rc = plan_repair(g, group, err);
	}
	t->calls = (unsigned)g->count + (g->makes_key ? 1 : 0);
	if (rc < 0)
		return rc;
	g->exposes = may_expose(g, group) && expose_is_due(g);
	if (g->exposes) {
		t->calls = 0;
		t->again = true;
	}
	return 0;
}

/* The group as it was when this task looked. */
static int
current_group(struct group_task *g, const struct index_record **out, struct err *err)
{
	const struct index_record *r = index_of_kind(g->t.nodes->p.index, KIND_GROUP, &g->id);

	if (r == NULL || r->version != g->version)
		return err_set(
		    err, ERR_CONFLICT, "the group '%s' has been changed meanwhile", g->group);
	*out = r;
	return 0;
}

static int
request_key(struct group_task *g, struct signer_request *r, struct err *err)
{
	const struct index_record *group = NULL;
	int rc;

	r->op = SIGNER_MAKE_GROUP;
	r->make_group.group = (struct record_ref){g->id, g->version + 1};
	if (g->change == GROUP_CREATE)
		return 0;
	rc = current_group(g, &group, err);
	if (rc < 0)
		return rc;
	r->make_group.new_key = true;
	r->make_group.has_current = true;
	r->make_group.current = group->signed_record;
	r->make_group.built_in = group->group->built_in;
	return 0;
}

static int
request_membership(struct group_task *g, const struct membership_plan *p, struct signer_request *r,
    struct err *err)
{
	const struct index_record *group = NULL;
	int rc;

	r->op = SIGNER_MAKE_MEMBERSHIP;
	r->make_membership.membership = (struct record_ref){p->id, p->version + 1};
	r->make_membership.group = g->id;
	r->make_membership.node = p->node;
	if (g->makes_key) {
		r->make_membership.group_public = buf_span(g->public_part);
		r->make_membership.group_sealed = buf_span(g->sealed);
		r->make_membership.group_version = g->version + 1;
		return 0;
	}
	rc = current_group(g, &group, err);
	if (rc < 0)
		return rc;
	r->make_membership.has_group_record = true;
	r->make_membership.group_record = group->signed_record;
	return 0;
}

static int
request_group(struct task *t, unsigned call, struct signer_request *r, struct err *err)
{
	struct group_task *g = GROUP_OF(t);

	if (g->makes_key && call == 0)
		return request_key(g, r, err);
	return request_membership(g, &g->plans[call - (g->makes_key ? 1 : 0)], r, err);
}

static struct buf *
copy(struct span s, size_t max)
{
	struct buf *b = buf_new(max);

	buf_put_span(b, s);
	return b;
}

static int
reply_group(struct task *t, unsigned call, const struct signer_done *done, struct err *err)
{
	struct group_task *g = GROUP_OF(t);
	struct buf *public_part = copy(done->public_part, LIMIT_PUBLIC);
	struct buf *sealed = copy(done->sealed, LIMIT_SEALED);

	if (g->makes_key && call == 0) {
		g->public_part = public_part;
		g->sealed = sealed;
	} else {
		struct membership_plan *p = &g->plans[call - (g->makes_key ? 1 : 0)];

		p->public_part = public_part;
		p->sealed = sealed;
	}
	return buf_error(sealed, "seal of a group", err);
}

static struct draft *
draft_new(struct mutation *m, uint32_t kind, const struct id *id, uint64_t expect)
{
	struct draft *d = mutation_add(m);

	d->id = *id;
	d->kind = kind;
	d->expect_version = expect;
	return d;
}

static void
fill(struct draft *d, const struct buf *public_part, const struct buf *sealed)
{
	buf_put_span(d->public_part, buf_span(public_part));
	if (sealed->len > 0)
		d->sealed = copy(buf_span(sealed), LIMIT_SEALED);
}

/* Its group and its node are as they were when it was sealed. */
static int
expect_node(struct group_task *g, struct mutation *m, const struct id *node, struct err *err)
{
	bool removed;
	uint64_t version = index_version(g->t.nodes->p.index, node, &removed);

	if (removed)
		return err_set(err, ERR_CONFLICT, "a node has been removed meanwhile");
	mutation_expect(m, node, version);
	return 0;
}

static int
mutation_group(struct task *t, struct mutation *m, struct err *err)
{
	struct group_task *g = GROUP_OF(t);
	const struct index_record *group = NULL;
	int rc = g->change == GROUP_CREATE ? 0 : current_group(g, &group, err);

	if (rc < 0)
		return rc;
	if (g->exposes)
		return expose_mutation(g, m, err);
	if (may_expose(g, group)) {
		m->check = expose_check;
		m->check_arg = g;
	}
	if (!g->makes_key)
		mutation_expect(m, &g->id, g->version);
	for (size_t i = 0; rc == 0 && i < g->count; i++)
		rc = expect_node(g, m, &g->plans[i].node, err);
	if (rc < 0)
		return rc;
	if (g->makes_key) {
		struct draft *d = draft_new(m, KIND_GROUP, &g->id, g->version);

		snprintf(d->name, sizeof(d->name), "%s", g->group);
		fill(d, g->public_part, g->sealed);
	}
	for (size_t i = 0; i < g->count; i++) {
		struct membership_plan *p = &g->plans[i];

		fill(draft_new(m, KIND_MEMBERSHIP, &p->id, p->version), p->public_part, p->sealed);
	}
	for (size_t i = 0; i < g->drop_count; i++) {
		bool removed;
		uint64_t version = index_version(t->nodes->p.index, &g->drop[i], &removed);

		draft_new(m, KIND_MEMBERSHIP, &g->drop[i], version)->removed = true;
	}
	return 0;
}

static void
forget_group(struct task *t)
{
	plan_clear(GROUP_OF(t));
}

static void
finish_plain(struct task *t, int status, const struct commit_result *commit, const struct err *err)
{
	struct group_task *g = GROUP_OF(t);

	if (g->change == GROUP_REMOVE && g->keep_keys)
		t->warning = "keys that it could open stay known to it: 'certherd cert rekey "
			     "--exposed-to NODE' replaces them";
	task_finish_plain(t, &g->id, status, commit, err);
}

static void
finish_repair(struct task *t, int status, const struct commit_result *commit, const struct err *err)
{
	repair_done_cb *done = (repair_done_cb *)t->done;

	(void)commit;
	done(t->nodes, status, err);
}

#define GROUP_TYPE(name, end)                                                                      \
	{                                                                                          \
		.action = (name), .size = sizeof(struct group_task), .look = look_group,           \
		.request = request_group, .reply = reply_group, .mutation = mutation_group,        \
		.finish = (end), .forget = forget_group                                            \
	}

static const struct task_type types[] = {
    [GROUP_CREATE] = GROUP_TYPE("group.create", finish_plain),
    [GROUP_ADD] = GROUP_TYPE("group.add", finish_plain),
    [GROUP_REMOVE] = GROUP_TYPE("group.remove", finish_plain),
    [GROUP_REPAIR] = GROUP_TYPE("group.new-key", finish_repair),
};

struct group_task *
group_task_new(struct nodes *n, enum group_change change, const char *group, const char *author,
    void (*done)(void), void *arg)
{
	struct group_task *g = GROUP_OF(task_new(n, &types[change], author, group, done, arg));

	g->change = change;
	g->group = g->t.object;
	return g;
}
