#include "tests/sim/sim_op.h"

#include "common/base/str.h"
#include "common/crypto/cert.h"
#include "common/crypto/sign.h"

#include <stdio.h>
#include <string.h>

#define GROUP_KEYS_ENOUGH 12 /* below LIMIT_GROUP_KEYS: the simulator retires none */
#define REMOVALS_MAX 2

/* --- groups --------------------------------------------------------------------------------------
 */

static bool
is_member(const struct sim *s, const struct id *group, const struct id *node)
{
	struct id id = wire_membership_id(group, node);
	const struct sim_entry *e = shelf_get(&s->manager.shelf, &id);

	return e != NULL && !e->record->removed;
}

static bool
ask_group(struct sim_op *op, struct signer_request *request)
{
	const struct id *group = &op->groups[op->step];
	const struct sim_entry *e = shelf_get(&op->sim->manager.shelf, group);

	op->group_version = e != NULL ? e->record->version + 1 : 1;
	request->make_group = (struct signer_make_group){
	    .group = {*group, op->group_version},
	    .new_key = e != NULL,
	    .has_current = e != NULL,
	};
	if (e != NULL)
		request->make_group.current = entry_signed(e);
	return true;
}

static void
take_group(struct sim_op *op, const struct signer_done *done)
{
	const struct id *group = &op->groups[op->step];
	const struct sim_entry *e = shelf_get(&op->sim->manager.shelf, group);
	struct draft *d =
	    sim_op_draft(op, group, KIND_GROUP, e != NULL ? e->record->name : op->name);

	buf_put_span(d->public_part, done->public_part);
	d->sealed = buf_new(LIMIT_SEALED);
	buf_put_span(d->sealed, done->sealed);
	/* Those of the group before, if this mutation has rekeyed one already, are done with. */
	buf_free(op->group_public);
	buf_free(op->group_sealed);
	op->group_public = buf_new(LIMIT_PUBLIC);
	op->group_sealed = buf_new(LIMIT_SEALED);
	buf_put_span(op->group_public, done->public_part);
	buf_put_span(op->group_sealed, done->sealed);
}

static bool
ask_membership(struct sim_op *op, struct signer_request *request)
{
	const struct id *group = &op->groups[op->step], *node = &op->nodes[op->step];
	struct id id = wire_membership_id(group, node);
	const struct sim_entry *e = shelf_get(&op->sim->manager.shelf, &id);
	const struct sim_entry *g = shelf_get(&op->sim->manager.shelf, group);

	request->make_membership = (struct signer_make_membership){
	    .membership = {id, e != NULL ? e->record->version + 1 : 1},
	    .group = *group,
	    .node = *node,
	    .has_group_record = op->group_public == NULL,
	    .group_version = op->group_version,
	};
	if (op->group_public == NULL) {
		if (g == NULL || g->record->removed)
			return false;
		request->make_membership.group_record = entry_signed(g);
		request->make_membership.group_version = g->record->version;
	} else {
		request->make_membership.group_public = buf_span(op->group_public);
		request->make_membership.group_sealed = buf_span(op->group_sealed);
	}
	return true;
}

static void
take_membership(struct sim_op *op, const struct signer_done *done)
{
	struct id id = wire_membership_id(&op->groups[op->step], &op->nodes[op->step]);
	char hex[ID_HEX_MAX];
	struct draft *d = sim_op_draft(op, &id, KIND_MEMBERSHIP, id_hex(&id, hex));

	buf_put_span(d->public_part, done->public_part);
	d->sealed = buf_new(LIMIT_SEALED);
	buf_put_span(d->sealed, done->sealed);
	d->access[0] = op->nodes[op->step];
	d->access_count = 1;
}

static void
step_membership(struct sim_op *op, const struct id *group, const struct id *node)
{
	op->groups[op->step_count] = *group;
	op->nodes[op->step_count] = *node;
	sim_op_step(op, SIGNER_MAKE_MEMBERSHIP, ask_membership, take_membership);
}

/* A key for the group (the first, or a new one), and again to each of its members but one. */
static void
step_rekey(struct sim_op *op, const struct id *group, const struct id *without)
{
	struct sim *s = op->sim;

	op->groups[op->step_count] = *group;
	sim_op_step(op, SIGNER_MAKE_GROUP, ask_group, take_group);
	for (size_t i = 0; i < SIM_FOLLOWERS; i++) {
		const struct id *node = &s->followers[i].node;
		if (is_member(s, group, node) && !id_equal(node, without))
			step_membership(op, group, node);
	}
}

static void
remove_membership(struct sim_op *op, const struct id *group, const struct id *node)
{
	struct id id = wire_membership_id(group, node);

	sim_op_remove(op, &id);
}

static bool
can_rekey(const struct sim_entry *group)
{
	struct group_public p;
	bool can;

	CHECK(wire_group_public_decode(group->record->public_part, &p, NULL) == 0);
	can = !p.built_in && p.live_keys.count < GROUP_KEYS_ENOUGH;
	group_public_fini(&p);
	return can;
}

void
action_group(struct sim *s)
{
	char name[16];
	struct sim_op *op;

	for (unsigned i = 0; i < SIM_GROUPS; i++) {
		snprintf(name, sizeof(name), "g%u", i);
		if (shelf_by_name(&s->manager.shelf, KIND_GROUP, name) != NULL)
			continue;
		op = sim_op_new(s, "group.create", name);
		op->alone = true;
		id_random(&op->target);
		op->groups[0] = op->target;
		sim_op_step(op, SIGNER_MAKE_GROUP, ask_group, take_group);
		for (size_t f = 0; f < SIM_FOLLOWERS; f++)
			if (s->followers[f].joined && !s->followers[f].removed &&
			    sim_chance(&s->chance, 500000))
				step_membership(op, &op->target, &s->followers[f].node);
		sim_op_start(op);
		return;
	}
}

void
action_member(struct sim *s)
{
	const struct sim_entry *group = shelf_any(&s->manager.shelf, KIND_GROUP, &s->chance);
	struct sim_follower *f = &s->followers[sim_below(&s->chance, SIM_FOLLOWERS)];
	struct sim_op *op;

	if (group == NULL || !f->joined || f->removed || !can_rekey(group))
		return;
	op = sim_op_new(s, "group.member", group->record->name);
	op->alone = true;
	if (is_member(s, &group->record->id, &f->node)) {
		step_rekey(op, &group->record->id, &f->node);
		remove_membership(op, &group->record->id, &f->node);
	} else {
		step_membership(op, &group->record->id, &f->node);
	}
	sim_op_start(op);
}

/* --- nodes ---------------------------------------------------------------------------------------
 */

static bool
ask_identity(struct sim_op *op, struct signer_request *request)
{
	struct sim_manager *m = &op->sim->manager;
	int64_t now = runtime_wall_s(&m->rt.rt);

	/* The buffer of a group's part is free in a mutation that makes none. */
	op->group_public = buf_new(LIMIT_PUBLIC);
	CHECK(csr_make(op->follower->identity, op->follower->name, op->group_public, NULL) == 0);
	request->issue_identity = (struct signer_issue_identity){
	    .csr = buf_span(op->group_public),
	    .node = op->follower->node,
	    .name = op->follower->name,
	    .not_before = now,
	    .not_after = now + 365 * 86400,
	    .manager_certificate = cert_der(m->manager_certificate),
	};
	return true;
}

static void
take_identity(struct sim_op *op, const struct signer_done *done)
{
	struct sim_follower *f = op->follower;
	struct draft *d = sim_op_draft(op, &f->node, KIND_NODE, f->name);
	struct node_public p = {
	    .role = ROLE_REPLICA,
	    .identity_key = pkey_spki(f->identity),
	    .sealing_key = pkey_spki(f->sealing),
	    .certificate = done->certificate,
	    .joined_at = runtime_wall_s(&op->sim->manager.rt.rt),
	    .software = "sim",
	    .endpoint = "",
	};

	CHECK(wire_node_public_encode(&p, d->public_part, NULL) == 0);
}

static void
on_joined(struct sim_op *op)
{
	op->follower->joined = true;
	if (op->follower->state == SIM_DOWN)
		follower_start(op->follower);
}

void
action_join(struct sim *s)
{
	for (size_t i = 0; i < SIM_FOLLOWERS; i++) {
		struct sim_follower *f = &s->followers[i];
		struct sim_op *op;

		if (f->joined)
			continue;
		op = sim_op_new(s, "node.join", f->name);
		op->alone = true;
		op->follower = f;
		op->on_done = on_joined;
		sim_op_step(op, SIGNER_ISSUE_IDENTITY, ask_identity, take_identity);
		sim_op_start(op);
		return;
	}
}

static void
on_removed(struct sim_op *op)
{
	op->follower->removed = true;
	sim_trace(op->sim, "%s is no member any more", op->follower->name);
}

void
action_remove_node(struct sim *s)
{
	const struct sim_entry *groups[SIM_GROUPS + 1];
	struct sim_follower *f = &s->followers[sim_below(&s->chance, SIM_FOLLOWERS)];
	size_t count = shelf_of_kind(&s->manager.shelf, KIND_GROUP, groups, ARRAY_LEN(groups));
	unsigned removed = 0;
	struct sim_op *op;

	for (size_t i = 0; i < SIM_FOLLOWERS; i++)
		removed += s->followers[i].removed ? 1 : 0;
	if (!f->joined || f->removed || removed >= REMOVALS_MAX)
		return;
	for (size_t i = 0; i < count; i++)
		if (is_member(s, &groups[i]->record->id, &f->node) && !can_rekey(groups[i]))
			return;
	op = sim_op_new(s, "node.remove", f->name);
	op->alone = true;
	op->follower = f;
	op->on_done = on_removed;
	sim_op_remove(op, &f->node);
	for (size_t i = 0; i < count; i++) {
		if (!is_member(s, &groups[i]->record->id, &f->node))
			continue;
		step_rekey(op, &groups[i]->record->id, &f->node);
		remove_membership(op, &groups[i]->record->id, &f->node);
	}
	sim_op_start(op);
}
