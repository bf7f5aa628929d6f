/* Who knows the keys of a credential without having access to it any more, and what becomes of
 * that. */

#include "server/flow/flow_priv.h"

#include <string.h>

/* --- access that is taken away --- */

struct losing {
	const struct flow_op *op;
	const struct index_record *now;
	const struct id *via;
	struct exposure_list *list;
};

static void
lose(const struct losing *l, const struct id *node)
{
	const struct index *ix = l->op->flow->index;
	const struct index_record *r = index_of_kind(ix, KIND_NODE, node);
	const struct exposure who = {.node = *node,
	    .name = r != NULL ? r->name : "",
	    .why = EXPOSED_ACCESS,
	    .replace = !l->op->in.keep_key};

	/* Those who are gone are noted as such. */
	if (r != NULL &&
	    !index_reads(ix, (struct ids){l->op->access, l->op->access_count}, node, NULL))
		index_expose(ix, l->now, l->via, &who, l->list);
}

static bool
on_member(void *arg, const struct index_record *m)
{
	lose(arg, &m->membership->node);
	return true;
}

void
expose_lost(const struct flow_op *op, const struct index_record *now, struct exposure_list *list)
{
	struct losing l = {.op = op, .now = now, .list = list};

	for (size_t i = 0; i < now->access.count; i++) {
		const struct index_record *r = index_get(op->flow->index, &now->access.items[i]);

		l.via = &now->access.items[i];
		if (r != NULL && r->kind == KIND_NODE)
			lose(&l, &r->id);
		else if (r != NULL && r->kind == KIND_GROUP)
			index_members(op->flow->index, &r->id, on_member, &l);
	}
}
