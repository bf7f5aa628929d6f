/* Who knows keys without having access: what follows from memberships and nodes that are gone. */

#include "common/base/runtime.h"
#include "common/wire/public_wire.h"
#include "common/wire/record_wire.h"
#include "server/index/index_priv.h"

#include <stdio.h>
#include <string.h>

#define BATCH_BYTES (1024 * 1024)

/* Keys of superseded generations that count as well: those that can be served again. */
#define OTHERS_COUNTED 3

static bool
names(struct ids access, const struct id *id)
{
	for (size_t i = 0; i < access.count; i++)
		if (id_equal(&access.items[i], id))
			return true;
	return false;
}

struct exposing {
	const struct index_record *credential;
	const struct id *via;
	struct exposure who;
	struct exposure_list *list;
	unsigned others;
};

static bool
on_generation(void *arg, const struct index_record *r)
{
	struct exposing *x = arg;
	const struct credential_public *c = x->credential->credential;
	bool active = c->has_active && id_equal(&r->id, &c->active);
	bool pending = c->has_pending && id_equal(&r->id, &c->pending);

	if (!active && !pending && x->others++ >= OTHERS_COUNTED)
		return true;
	/* The seal of the one in force may have been made anew already. */
	if (x->via != NULL && !names(r->access, x->via) &&
	    !(active && names(x->credential->access, x->via)))
		return true;
	x->who.key = r->generation->key;
	exposure_note(x->list, &x->who);
	return true;
}

void
index_expose(const struct index *ix, const struct index_record *credential, const struct id *via,
    const struct exposure *who, struct exposure_list *list)
{
	struct exposing x = {
	    .credential = credential, .via = via, .who = *who, .list = list, .others = 0};

	x.who.since = runtime_wall_s(ix->rt);
	index_generations(ix, &credential->id, on_generation, &x);
}

static bool
is_member(const struct index *ix, const struct id *group, const struct id *node)
{
	struct id membership = wire_membership_id(group, node);

	return index_get(ix, &membership) != NULL;
}

void
index_expose_reader(const struct index *ix, const struct index_record *credential,
    const struct exposure *who, struct exposure_list *list)
{
	const struct index_record *managers = index_managers(ix);

	if (managers != NULL && is_member(ix, &managers->id, &who->node)) {
		index_expose(ix, credential, NULL, who, list);
		return;
	}
	for (size_t i = 0; i < credential->access.count; i++) {
		const struct id *via = &credential->access.items[i];

		if (id_equal(via, &who->node) || is_member(ix, via, &who->node))
			index_expose(ix, credential, via, who, list);
	}
}

const char *
index_gone_name(const struct index *ix, const struct id *id)
{
	const struct tomb *t = map_get(ix->tombs, id->bytes, ID_LEN);

	return t != NULL && t->kind == KIND_NODE ? t->name : NULL;
}

bool
index_was_node(const struct index *ix, const char *name)
{
	size_t at = 0;
	void *value;

	while (map_next(ix->tombs, &at, NULL, &value)) {
		const struct tomb *t = value;

		if (t->name != NULL && strcmp(t->name, name) == 0)
			return true;
	}
	return false;
}

struct gone_members {
	const struct index *ix;
	const struct index_record *credential;
	const struct id *via;
	struct exposure_list *list;
};

static void
expose_gone(const struct gone_members *g, const struct id *node)
{
	const char *name = index_gone_name(g->ix, node);
	const struct exposure who = {.node = *node,
	    .name = name != NULL ? name : "",
	    .why = EXPOSED_REMOVED,
	    .replace = true};

	index_expose(g->ix, g->credential, g->via, &who, g->list);
}

static bool
on_member(void *arg, const struct index_record *m)
{
	const struct gone_members *g = arg;

	if (index_of_kind(g->ix, KIND_NODE, &m->membership->node) == NULL)
		expose_gone(g, &m->membership->node);
	return true;
}

void
index_expose_gone(
    const struct index *ix, const struct index_record *credential, struct exposure_list *list)
{
	const struct index_record *managers = index_managers(ix);
	struct gone_members g = {.ix = ix, .credential = credential, .list = list};

	for (size_t i = 0; i < credential->access.count; i++) {
		const struct id *id = &credential->access.items[i];
		const struct index_record *r = index_get(ix, id);

		g.via = id;
		if (r == NULL)
			expose_gone(&g, id);
		else if (r->kind == KIND_GROUP)
			index_members(ix, id, on_member, &g);
	}
	g.via = NULL;
	if (managers != NULL)
		index_members(ix, &managers->id, on_member, &g);
}

bool
index_reads(const struct index *ix, struct ids access, const struct id *node,
    const struct id *without_group)
{
	const struct index_record *managers = index_managers(ix);
	struct access_lookup lookup = index_access_lookup(ix);
	struct id left[LIMIT_ACCESS + 1];
	size_t count = 0;

	for (size_t i = 0; i < access.count && count < LIMIT_ACCESS; i++)
		if (without_group == NULL || !id_equal(&access.items[i], without_group))
			left[count++] = access.items[i];
	if (managers != NULL && (without_group == NULL || !id_equal(&managers->id, without_group)))
		left[count++] = managers->id;
	return access_check(&lookup, (struct ids){left, count}, node, NULL) != ACCESS_NO;
}

struct readable {
	const struct index *ix;
	struct map *seen;
	index_each_cb *cb;
	void *arg;
	bool ended;
};

static bool
on_readable(void *arg, const struct index_record *r)
{
	struct readable *x = arg;
	const struct id *id = r->kind == KIND_GENERATION ? &r->generation->credential : &r->id;
	const struct index_record *c = index_of_kind(x->ix, KIND_CREDENTIAL, id);

	if (c == NULL || map_put(x->seen, id->bytes, ID_LEN, x) != NULL)
		return true;
	x->ended = !x->cb(x->arg, c);
	return !x->ended;
}

static void
readable_via(struct readable *x, const struct id *id)
{
	const struct index_record *managers = index_managers(x->ix);

	/* Whoever may open everything is in no list of access. */
	if (managers != NULL && id_equal(&managers->id, id))
		index_each(x->ix, KIND_CREDENTIAL, on_readable, x);
	else
		index_with_access(x->ix, id, on_readable, x);
}

void
index_readable_via(const struct index *ix, const struct id *id, index_each_cb *cb, void *arg)
{
	struct readable x = {.ix = ix, .seen = map_new(), .cb = cb, .arg = arg};

	readable_via(&x, id);
	map_free(x.seen);
}

static bool
on_group_of(void *arg, const struct index_record *m)
{
	struct readable *x = arg;

	readable_via(x, &m->membership->group);
	return !x->ended;
}

void
index_readable_by(const struct index *ix, const struct id *node, index_each_cb *cb, void *arg)
{
	struct readable x = {.ix = ix, .seen = map_new(), .cb = cb, .arg = arg};

	readable_via(&x, node);
	if (!x.ended)
		index_memberships(ix, node, on_group_of, &x);
	map_free(x.seen);
}

int
index_draft_exposed(const struct index_record *credential, const struct exposure_list *list,
    struct mutation *m, struct err *err)
{
	struct credential_public p = *credential->credential;
	struct draft *d = mutation_add(m);

	d->id = credential->id;
	d->kind = KIND_CREDENTIAL;
	d->expect_version = credential->version;
	snprintf(d->name, sizeof(d->name), "%s", credential->name);
	for (size_t i = 0; i < credential->access.count; i++)
		d->access[d->access_count++] = credential->access.items[i];
	p.exposed = exposure_list_items(list);
	return wire_credential_public_encode(&p, d->public_part, err);
}

/* --- many of them --- */

struct batch_walk {
	const struct exposed_batch *batch;
	struct exposure_list *list;
	struct mutation *m; /* NULL: only ask whether there is anything */
	size_t bytes;
	bool found;
	int status;
	struct err *err;
};

static bool
on_batch(void *arg, const struct index_record *c)
{
	struct batch_walk *w = arg;

	exposure_list_init(w->list, c->credential->exposed);
	if (!w->batch->note(w->batch->arg, c, w->list))
		return true;
	w->found = true;
	if (w->m == NULL)
		return false;
	w->status = index_draft_exposed(c, w->list, w->m, w->err);
	if (w->status < 0)
		return false;
	w->bytes += w->m->drafts[w->m->count - 1].public_part->len;
	return w->m->count < (EXPOSED_BATCH_MOST >> w->batch->attempts) && w->bytes < BATCH_BYTES;
}

static void
walk_batch(const struct index *ix, struct batch_walk *w)
{
	w->list = mem_zalloc(sizeof(*w->list));
	if (w->batch->via != NULL)
		index_readable_via(ix, w->batch->via, on_batch, w);
	else
		index_each(ix, KIND_CREDENTIAL, on_batch, w);
	mem_free(w->list);
}

bool
index_exposed_due(const struct index *ix, const struct exposed_batch *b)
{
	struct batch_walk w = {.batch = b};

	walk_batch(ix, &w);
	return w.found;
}

int
index_draft_exposed_batch(
    const struct index *ix, const struct exposed_batch *b, struct mutation *m, struct err *err)
{
	struct batch_walk w = {.batch = b, .m = m, .err = err};

	walk_batch(ix, &w);
	if (w.status == 0 && m->count == 0)
		return err_set(err, ERR_CONFLICT, "all of them have been noted meanwhile");
	return w.status;
}
