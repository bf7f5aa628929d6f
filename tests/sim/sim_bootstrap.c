#include "tests/sim/sim_op.h"

#include "common/base/str.h"
#include "common/crypto/sign.h"

#include <stdio.h>
#include <string.h>

/* The nodes of the first mutation, in the order of the steps that make them members. */
static void
node_of(const struct sim_op *op, bool recovery, struct node_public *out)
{
	const struct sim_manager *m = &op->sim->manager;

	*out = (struct node_public){
	    .role = recovery ? ROLE_RECOVERY : ROLE_MANAGER,
	    .sealing_key = pkey_spki(recovery ? m->recovery : m->sealing),
	    .joined_at = SIM_START_WALL_MS / 1000,
	    .software = "sim",
	    .endpoint = "",
	};
	if (recovery)
		return;
	out->identity_key = pkey_spki(m->identity);
	out->manager_certificate = cert_der(m->manager_certificate);
}

static bool
ask_managers(struct sim_op *op, struct signer_request *request)
{
	request->make_group = (struct signer_make_group){
	    .group = {op->target, 1},
	    .built_in = true,
	};
	return true;
}

static void
take_managers(struct sim_op *op, const struct signer_done *done)
{
	struct draft *d = sim_op_draft(op, &op->target, KIND_GROUP, GROUP_MANAGERS);

	buf_put_span(d->public_part, done->public_part);
	op->group_public = buf_new(LIMIT_PUBLIC);
	op->group_sealed = buf_new(LIMIT_SEALED);
	buf_put_span(op->group_public, done->public_part);
	buf_put_span(op->group_sealed, done->sealed);
	if (done->sealed.len > 0) {
		d->sealed = buf_new(LIMIT_SEALED);
		buf_put_span(d->sealed, done->sealed);
	}
}

static bool
ask_member(struct sim_op *op, struct signer_request *request)
{
	const struct id *node = &op->nodes[op->step];
	struct node_public p;

	node_of(op, op->step == 2, &p);
	buf_free(op->node_public);
	op->node_public = buf_new(LIMIT_PUBLIC);
	CHECK(wire_node_public_encode(&p, op->node_public, NULL) == 0);
	request->make_membership = (struct signer_make_membership){
	    .membership = {wire_membership_id(&op->target, node), 1},
	    .group = op->target,
	    .node = *node,
	    .group_public = buf_span(op->group_public),
	    .group_sealed = buf_span(op->group_sealed),
	    .group_version = 1,
	    .node_public = buf_span(op->node_public),
	};
	return true;
}

static void
take_member(struct sim_op *op, const struct signer_done *done)
{
	const struct id *node = &op->nodes[op->step];
	struct id id = wire_membership_id(&op->target, node);
	char hex[ID_HEX_MAX];
	struct draft *d = sim_op_draft(op, node, KIND_NODE, op->step == 2 ? "recovery" : "manager");

	buf_put_span(d->public_part, buf_span(op->node_public));
	d = sim_op_draft(op, &id, KIND_MEMBERSHIP, id_hex(&id, hex));
	buf_put_span(d->public_part, done->public_part);
	d->sealed = buf_new(LIMIT_SEALED);
	buf_put_span(d->sealed, done->sealed);
	d->access[0] = *node;
	d->access_count = 1;
}

static void
put_statements(struct sim_op *op)
{
	const struct sim_manager *m = &op->sim->manager;
	struct root_public root = {
	    .statement = {buf_span(m->statement_body), buf_span(m->statement_signature)}};
	struct signed_designation first[SIM_TERMS];
	struct designation_public designation = {.designation = term_list(m, first).items[0]};
	char name[DESIGNATION_NAME_MAX];
	struct id id;

	id_random(&id);
	CHECK(wire_root_public_encode(
		  &root, sim_op_draft(op, &id, KIND_ROOT, "root")->public_part, NULL) == 0);
	id_random(&id);
	wire_designation_name(term_now(m)->term, name);
	CHECK(wire_designation_public_encode(&designation,
		  sim_op_draft(op, &id, KIND_DESIGNATION, name)->public_part, NULL) == 0);
}

static void
on_done(struct sim_op *op)
{
	op->sim->manager.bootstrapped = true;
}

void
bootstrap_domain(struct sim *s)
{
	struct sim_op *op = sim_op_new(s, "init", GROUP_MANAGERS);

	op->alone = true;
	op->on_done = on_done;
	id_random(&op->target);
	sim_op_step(op, SIGNER_MAKE_GROUP, ask_managers, take_managers);
	op->nodes[1] = s->manager.node;
	sim_op_step(op, SIGNER_MAKE_MEMBERSHIP, ask_member, take_member);
	id_random(&op->nodes[2]);
	sim_op_step(op, SIGNER_MAKE_MEMBERSHIP, ask_member, take_member);
	put_statements(op);
	sim_op_start(op);
}
