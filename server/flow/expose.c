/* Who knows the keys of a credential without having access to it any more, and what becomes of
 * that. */

#include "common/model/names.h"
#include "server/flow/flow_exposed.h"
#include "server/flow/flow_priv.h"

#include <stdio.h>
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

/* --- everything that a node could open --- */

/* One batch after the other, until each credential has been looked at. */
struct exposing {
	struct flow *flow;
	struct expose_spec spec;
	char node[LIMIT_LABEL + 1], author[LIMIT_AUTHOR + 1];
	struct id id;
	/*
	 * Those that are noted, and those of this batch: a new key that somebody has made meanwhile
	 * is none of those that were meant.
	 */
	struct map *noted;
	struct id batch[EXPOSED_BATCH_MOST];
	size_t batch_count;
	uint64_t total;
	struct commit_result commit;
	flow_done_cb *done;
	void *arg;
};

static const struct id *
node_of(const struct flow_op *op)
{
	return id_is_zero(&op->in.record) ? NULL : &op->in.record;
}

static bool
note(void *arg, const struct index_record *c, struct exposure_list *list)
{
	struct flow_op *op = arg;
	const struct exposure who = {.node = op->in.record,
	    .name = op->in.name,
	    .why = op->in.why,
	    .replace = !op->in.keep_key};
	struct exposing *x = op->in.exposing;

	if (map_get(x->noted, c->id.bytes, ID_LEN) != NULL)
		return false;
	if (node_of(op) != NULL)
		index_expose_reader(op->flow->index, c, &who, list);
	if (!op->in.keep_key)
		exposure_want(list, node_of(op), op->in.name);
	return list->changed;
}

static bool
on_readable(void *arg, const struct index_record *c)
{
	(void)c;
	++*(size_t *)arg;
	return true;
}

static void
warn_reader(struct flow_op *op)
{
	size_t count = 0;

	if (node_of(op) == NULL || op->in.keep_key)
		return;
	index_readable_by(op->flow->index, node_of(op), on_readable, &count);
	if (count > 0)
		flow_op_warn(op,
		    "'%s' has access to %zu credentials and gets their new keys as well; "
		    "'certherd node remove %s' ends that",
		    op->in.name, count, op->in.name);
}

static struct exposed_batch
batch_of(struct flow_op *op)
{
	return (struct exposed_batch){.note = note, .arg = op, .attempts = op->attempts};
}

static int
look_expose(struct flow_op *op, struct err *err)
{
	const struct exposed_batch b = batch_of(op);

	(void)err;
	op->unchanged = !index_exposed_due(op->flow->index, &b);
	op->number = 0;
	warn_reader(op);
	return 0;
}

static int
mutation_expose(struct flow_op *op, struct mutation *m, struct err *err)
{
	const struct exposed_batch b = batch_of(op);
	struct exposing *x = op->in.exposing;
	int rc = index_draft_exposed_batch(op->flow->index, &b, m, err);

	op->number = m->count;
	x->batch_count = m->count;
	for (size_t i = 0; i < m->count; i++)
		x->batch[i] = m->drafts[i].id;
	return rc;
}

const struct flow_op_type flow_op_expose = {"cert.exposed", look_expose, NULL, mutation_expose};

static void next_batch(struct exposing *x);

static void
on_batch(void *arg, int status, const struct flow_result *result, const struct err *err)
{
	struct exposing *x = arg;
	struct flow_result whole;

	if (status == 0 && !result->unchanged && !x->flow->closing) {
		x->total += result->generation;
		x->commit = result->commit;
		for (size_t i = 0; i < x->batch_count; i++)
			(void)map_put(x->noted, x->batch[i].bytes, ID_LEN, x);
		next_batch(x);
		return;
	}
	if (status == 0) {
		whole = *result;
		whole.generation = x->total;
		whole.commit = x->commit;
		result = &whole;
	}
	x->done(x->arg, status, result, err);
	map_free(x->noted);
	mem_free(x);
}

static void
next_batch(struct exposing *x)
{
	struct flow_op *op = flow_op_new(x->flow, &flow_op_expose, on_batch, x);

	op->in.name = flow_op_text(op, x->node);
	op->in.author = flow_op_text(op, x->author);
	op->in.record = x->id;
	op->in.why = x->spec.why;
	op->in.exposing = x;
	op->in.keep_key = x->spec.keep_keys;
	flow_op_start(op);
}

struct name_search {
	const char *name;
	bool found;
};

static bool
on_named(void *arg, const struct index_record *c)
{
	struct name_search *s = arg;
	struct exposures e = c->credential->exposed;

	for (size_t i = 0; i < e.count && !s->found; i++)
		s->found = strcmp(e.items[i].name, s->name) == 0;
	return !s->found;
}

static int
find_node(struct flow *f, const char *name, struct id *out, struct err *err)
{
	const struct index_record *r = index_named(f->index, KIND_NODE, name);
	struct name_search s = {name, false};

	*out = (struct id){{0}};
	if (r != NULL) {
		*out = r->id;
		return 0;
	}
	index_each(f->index, KIND_CREDENTIAL, on_named, &s);
	if (!s.found && !index_was_node(f->index, name))
		return err_set(err, ERR_NOTFOUND,
		    "there is no node '%.100s', nor is it known that there was one; "
		    "'certherd node list' and 'certherd exposed' show them",
		    name);
	return 0;
}

int
flow_expose(
    struct flow *f, const struct expose_spec *spec, flow_done_cb *done, void *arg, struct err *err)
{
	struct exposing *x;
	struct id id;
	int rc = flow_check_open(f, err);

	if (rc == 0)
		rc = label_check("node", spec->node, err);
	if (rc == 0)
		rc = find_node(f, spec->node, &id, err);
	if (rc < 0)
		return rc;
	x = mem_zalloc(sizeof(*x));
	x->flow = f;
	x->spec = *spec;
	x->noted = map_new();
	x->id = id;
	snprintf(x->node, sizeof(x->node), "%s", spec->node);
	snprintf(x->author, sizeof(x->author), "%s", spec->author);
	x->done = done;
	x->arg = arg;
	next_batch(x);
	return 0;
}

/* --- keys that nobody serves any more --- */

/* A node leaves its groups within this time, or its removal from them has failed. */
#define LEAVING_S 300

/* By its own name: whatever group it has left, it has been given access otherwise. */
static bool
is_named(const struct index_record *credential, const struct id *node)
{
	for (size_t i = 0; i < credential->access.count; i++)
		if (id_equal(&credential->access.items[i], node))
			return true;
	return false;
}

/* It was to leave a group, and may be about to. */
static bool
may_leave(const struct index_record *credential, const struct exposure *e, int64_t now)
{
	return e->why == EXPOSED_GROUP && e->since + LEAVING_S >= now &&
	    !is_named(credential, &e->node);
}

bool
flow_is_moot(const struct index *ix, const struct index_record *credential,
    const struct exposure *e, int64_t now)
{
	bool taken = e->why == EXPOSED_ACCESS && !e->replace;
	bool left = e->why == EXPOSED_GROUP && !may_leave(credential, e, now) &&
	    (!e->replace || !is_named(credential, &e->node));

	return (taken || left) && index_of_kind(ix, KIND_NODE, &e->node) != NULL &&
	    index_reads(ix, credential->access, &e->node, NULL);
}

bool
flow_is_leaving(const struct index *ix, const struct index_record *credential,
    const struct exposure *e, int64_t now)
{
	bool gone = e->why == EXPOSED_REMOVED && index_of_kind(ix, KIND_NODE, &e->node) == NULL;

	return (gone || may_leave(credential, e, now)) &&
	    index_reads(ix, credential->access, &e->node, NULL);
}

struct ending {
	const struct flow_op *op;
	const struct index_record *credential, *active, *pending;
};

static bool
has_key(const struct index_record *generation, const struct hash *key)
{
	return generation != NULL && hash_equal(&generation->generation->key, key);
}

static bool
ends(void *arg, const struct exposure *e)
{
	const struct ending *x = arg;

	int64_t now = runtime_wall_s(x->op->flow->rt);

	/* It would be noted again. */
	if (flow_is_leaving(x->op->flow->index, x->credential, e, now))
		return false;
	if (flow_is_moot(x->op->flow->index, x->credential, e, now))
		return true;
	if (has_key(x->active, &e->key) || has_key(x->pending, &e->key))
		return false;
	for (size_t i = 0; i < x->op->in.key_count; i++)
		if (hash_equal(&x->op->in.keys[i], &e->key))
			return true;
	return false;
}

/* false: there is nothing to be taken out. */
static bool
without_proven(struct flow_op *op, const struct index_record *c, struct exposure_list *list)
{
	const struct index *ix = op->flow->index;
	struct ending x = {.op = op, .credential = c, .active = index_active(ix, c)};

	if (c->credential->has_pending)
		x.pending = index_of_kind(ix, KIND_GENERATION, &c->credential->pending);
	exposure_list_init(list, c->credential->exposed);
	exposure_end(list, ends, &x);
	return list->changed;
}

static int
look_proven(struct flow_op *op, struct err *err)
{
	const struct index_record *c;
	struct exposure_list *list;
	int rc = look_credential(op, &c, err);

	if (rc < 0)
		return rc;
	op->in.name = flow_op_text(op, c->name);
	list = mem_zalloc(sizeof(*list));
	if (!without_proven(op, c, list))
		rc = err_set(err, ERR_INVALID, "no note in credential '%.150s' has ended", c->name);
	mem_free(list);
	return rc;
}

static int
mutation_proven(struct flow_op *op, struct mutation *m, struct err *err)
{
	const struct index_record *c;
	struct exposure_list *list;
	int rc = draft_current(op, &c, err);

	if (rc < 0)
		return rc;
	list = mem_zalloc(sizeof(*list));
	(void)without_proven(op, c, list);
	rc = index_draft_exposed(c, list, m, err);
	mem_free(list);
	return rc;
}

const struct flow_op_type flow_op_proven = {"cert.proven", look_proven, NULL, mutation_proven};

int
flow_proven(struct flow *f, const struct id *credential, const struct hash *keys, size_t count,
    flow_done_cb *done, void *arg, struct err *err)
{
	struct flow_op *op;
	struct hash *copy;
	int rc = flow_check_open(f, err);

	if (rc < 0)
		return rc;
	op = flow_op_new(f, &flow_op_proven, done, arg);
	copy = arena_array(op->memory, count, sizeof(*copy));
	if (copy != NULL && count > 0)
		memcpy(copy, keys, count * sizeof(*copy));
	op->in.keys = copy;
	op->in.key_count = copy != NULL ? count : 0;
	op->in.record = *credential;
	op->in.author = "evict";
	flow_op_start(op);
	return 0;
}
