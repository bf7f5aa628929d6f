/*
 * Before somebody leaves a group, each credential whose keys the group can open gets a note of who
 * knows them then: afterwards nothing says any more who was in it.
 */

#include "server/nodes/group_task.h"

/* Of one mutation; several that change meanwhile make it smaller. */
#define BATCH_RECORDS 256
#define BATCH_BYTES (1024 * 1024)

/* The notes of one credential; false: there are no new ones. */
static bool
note(const struct group_task *g, const struct index_record *c, struct exposure_list *list)
{
	const struct index *ix = g->t.nodes->p.index;
	const struct exposure who = {
	    .node = g->leaving, .name = g->node, .why = EXPOSED_GROUP, .replace = !g->keep_keys};

	exposure_list_init(list, c->credential->exposed);
	if (g->change == GROUP_REPAIR)
		index_expose_gone(ix, c, list);
	else if (!index_reads(ix, c->access, &g->leaving, &g->id))
		index_expose(ix, c, &g->id, &who, list);
	return list->changed;
}

struct batch {
	struct group_task *g;
	struct exposure_list *list;
	struct mutation *m; /* NULL: only ask whether there is anything */
	size_t most, bytes;
	bool found;
	int status;
	struct err *err;
};

static bool
on_credential(void *arg, const struct index_record *c)
{
	struct batch *b = arg;

	if (!note(b->g, c, b->list))
		return true;
	b->found = true;
	if (b->m == NULL)
		return false;
	b->status = index_draft_exposed(c, b->list, b->m, b->err);
	if (b->status < 0)
		return false;
	b->bytes += b->m->drafts[b->m->count - 1].public_part->len;
	return b->m->count < b->most && b->bytes < BATCH_BYTES;
}

static void
walk(struct batch *b)
{
	b->list = mem_zalloc(sizeof(*b->list));
	index_readable_via(b->g->t.nodes->p.index, &b->g->id, on_credential, b);
	mem_free(b->list);
	b->list = NULL;
}

bool
expose_is_due(struct group_task *g)
{
	struct batch b = {.g = g};

	walk(&b);
	return b.found;
}

int
expose_mutation(struct group_task *g, struct mutation *m, struct err *err)
{
	struct batch b = {.g = g, .m = m, .most = BATCH_RECORDS >> g->t.attempts, .err = err};

	walk(&b);
	if (b.status == 0 && m->count == 0)
		return err_set(err, ERR_CONFLICT, "all of them have been noted meanwhile");
	return b.status;
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
