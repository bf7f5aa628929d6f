/* How far one exposure is, by the records and by what nodes say. */

#include "server/evict/evict_priv.h"

#include <string.h>

static const char *const state_names[] = {
    [EVICT_KEPT] = "kept",
    [EVICT_LEAVING] = "leaving",
    [EVICT_WAITING] = "waiting",
    [EVICT_CSR] = "csr",
    [EVICT_IMPORT] = "import",
    [EVICT_RESTING] = "resting",
    [EVICT_REPLACED] = "replaced",
    [EVICT_PROVEN] = "proven",
    [EVICT_MOOT] = "moot",
};
_Static_assert(ARRAY_LEN(state_names) == EVICT__COUNT, "every state has a name");

const char *
evict_state_name(enum evict_state state)
{
	return (size_t)state < ARRAY_LEN(state_names) ? state_names[state] : "unknown";
}

static bool
has_key(const struct index_record *generation, const struct hash *key)
{
	return generation != NULL && hash_equal(&generation->generation->key, key);
}

/* The key is in force, or would be after the CSR that waits. */
static enum evict_state
judge_in_force(const struct index_record *c, const struct exposure *x,
    const struct index_record *active, const struct index_record *pending)
{
	const struct credential_public *p = c->credential;

	if (p->archived || p->state == CREDENTIAL_REVOKED ||
	    (active != NULL && active->generation->revoked))
		return EVICT_RESTING;
	if (!x->replace)
		return EVICT_KEPT;
	if (p->issuer == ISSUER_IMPORTED)
		return EVICT_IMPORT;
	return pending != NULL && !has_key(pending, &x->key) ? EVICT_CSR : EVICT_WAITING;
}

struct proof {
	const struct evict *e;
	const struct index_record *credential;
	const struct exposure *exposure;
	struct position at; /* of the generation in force */
	struct map *seen;   /* nodes that have a receipt */
	evict_still_cb *on_still;
	void *arg;
	bool still, silent;
};

static void
tell(struct proof *p, const struct id *node, bool silent)
{
	p->still = true;
	p->silent = p->silent || silent;
	if (p->on_still != NULL)
		p->on_still(p->arg, node, silent);
}

static void
on_receipt(void *arg, const struct id *node, const struct receipt *receipt)
{
	struct proof *p = arg;
	const struct index *ix = p->e->p.index;
	const struct index_record *g;

	if (index_of_kind(ix, KIND_NODE, node) == NULL || !receipt->has_generation)
		return;
	/* One that is not there any more is an old one. */
	g = index_of_kind(ix, KIND_GENERATION, &receipt->generation);
	if (g != NULL && !has_key(g, &p->exposure->key))
		return;
	(void)map_put(p->seen, node->bytes, ID_LEN, p);
	tell(p, node, false);
}

/* Of a node that may have had the key. */
static void
check_told(struct proof *p, const struct id *node)
{
	const struct index_record *r = index_of_kind(p->e->p.index, KIND_NODE, node);

	/* Managers and the recovery key serve nothing. */
	if (r == NULL || r->node->role != ROLE_REPLICA ||
	    map_put(p->seen, node->bytes, ID_LEN, p) != NULL)
		return;
	if (!p->e->p.has_told(p->e->p.arg, node, p->at))
		tell(p, node, true);
}

static bool
on_node(void *arg, const struct index_record *r)
{
	check_told(arg, &r->id);
	return true;
}

static void
check_readers(struct proof *p, struct ids access)
{
	struct access_lookup lookup = index_access_lookup(p->e->p.index);
	struct access_list readers = {NULL, 0, 0};

	access_expand(&lookup, access, NULL, &readers);
	for (size_t i = 0; i < readers.count; i++)
		check_told(p, &readers.items[i].node.id);
	access_list_fini(&readers);
}

/*
 * Whoever had access to the key has it still, or is noted: each of them has said what it serves,
 * and it is not this key.
 */
static void
prove(struct proof *p)
{
	struct exposures all = p->credential->credential->exposed;

	p->seen = map_new();
	p->e->p.receipts(p->e->p.arg, &p->credential->id, on_receipt, p);
	check_readers(p, p->credential->access);
	for (size_t i = 0; i < all.count; i++) {
		if (!hash_equal(&all.items[i].key, &p->exposure->key))
			continue;
		if (id_is_zero(&all.items[i].node))
			index_each(p->e->p.index, KIND_NODE, on_node, p);
		else
			check_told(p, &all.items[i].node);
	}
	map_free(p->seen);
}

struct evict_view
evict_judge(const struct evict *e, const struct index_record *credential,
    const struct exposure *exposure, evict_still_cb *on_still, void *arg)
{
	const struct index *ix = e->p.index;
	const struct index_record *active = index_active(ix, credential), *pending = NULL;
	const struct evict_item *item = map_get(e->items, credential->id.bytes, ID_LEN);
	struct proof p = {.e = e,
	    .credential = credential,
	    .exposure = exposure,
	    .on_still = on_still,
	    .arg = arg};
	struct evict_view v = {EVICT_MOOT, NULL, false};
	int64_t now = runtime_wall_s(e->p.runtime);

	v.state = EVICT_LEAVING;
	if (flow_is_leaving(ix, credential, exposure, now))
		return v;
	v.state = EVICT_MOOT;
	if (flow_is_moot(ix, credential, exposure, now))
		return v;
	if (credential->credential->has_pending)
		pending = index_of_kind(ix, KIND_GENERATION, &credential->credential->pending);
	if (has_key(active, &exposure->key) || has_key(pending, &exposure->key)) {
		v.state = judge_in_force(credential, exposure, active, pending);
		if (v.state == EVICT_WAITING && item != NULL && item->trouble[0] != '\0')
			v.trouble = item->trouble;
		return v;
	}
	p.at = active != NULL ? active->at : credential->at;
	prove(&p);
	v.state = p.still ? EVICT_REPLACED : EVICT_PROVEN;
	v.silent = p.silent;
	return v;
}
