/*
 * Before somebody leaves a group, each credential whose keys the group can open gets a note of who
 * knows them then: afterwards nothing says any more who was in it.
 */

#include "server/nodes/group_task.h"

/* The notes of one credential; false: there are no new ones. */
static bool
note(void *arg, const struct index_record *c, struct exposure_list *list)
{
	const struct group_task *g = arg;
	const struct index *ix = g->t.nodes->p.index;
	const struct exposure who = {
	    .node = g->leaving, .name = g->node, .why = EXPOSED_GROUP, .replace = !g->keep_keys};

	if (g->change == GROUP_REPAIR)
		index_expose_gone(ix, c, list);
	else if (!index_reads(ix, c->access, &g->leaving, &g->id))
		index_expose(ix, c, &g->id, &who, list);
	return list->changed;
}

static struct exposed_batch
batch_of(struct group_task *g)
{
	return (struct exposed_batch){
	    .via = &g->id, .note = note, .arg = g, .attempts = g->t.attempts};
}

bool
expose_is_due(struct group_task *g)
{
	const struct exposed_batch b = batch_of(g);

	return index_exposed_due(g->t.nodes->p.index, &b);
}

int
expose_mutation(struct group_task *g, struct mutation *m, struct err *err)
{
	const struct exposed_batch b = batch_of(g);

	return index_draft_exposed_batch(g->t.nodes->p.index, &b, m, err);
}

int
expose_check(void *arg, const struct mutation *m, struct err *err)
{
	struct group_task *g = arg;

	(void)m;
	if (expose_is_due(g))
		return err_set(err, ERR_CONFLICT,
		    "a credential has been given to the group '%s' meanwhile", g->group);
	return 0;
}
