#include "common/model/exposure.h"

#include <string.h>

void
exposure_list_init(struct exposure_list *l, struct exposures from)
{
	CHECK(from.count <= LIMIT_EXPOSED);
	l->count = from.count;
	l->changed = false;
	if (from.count > 0)
		memcpy(l->items, from.items, from.count * sizeof(l->items[0]));
}

struct exposures
exposure_list_items(const struct exposure_list *l)
{
	return (struct exposures){l->items, l->count};
}

static struct exposure *
find(struct exposure_list *l, const struct id *node, const struct hash *key)
{
	for (size_t i = 0; i < l->count; i++)
		if (id_equal(&l->items[i].node, node) && hash_equal(&l->items[i].key, key))
			return &l->items[i];
	return NULL;
}

static void
put(struct exposure_list *l, const struct exposure *e)
{
	CHECK(l->count < LIMIT_EXPOSED);
	l->items[l->count++] = *e;
	l->changed = true;
}

/* In place of a server; the key that has been known for longest gives way when there are many. */
static void
put_others(struct exposure_list *l, const struct exposure *e)
{
	struct exposure others = *e, *oldest = NULL;

	others.node = (struct id){{0}};
	others.name = "";
	if (find(l, &others.node, &e->key) != NULL)
		return;
	if (l->count < LIMIT_EXPOSED) {
		put(l, &others);
		return;
	}
	for (size_t i = 0; i < l->count; i++)
		if (id_is_zero(&l->items[i].node) &&
		    (oldest == NULL || l->items[i].since < oldest->since))
			oldest = &l->items[i];
	CHECK(oldest != NULL);
	*oldest = others;
	l->changed = true;
}

void
exposure_note(struct exposure_list *l, const struct exposure *e)
{
	size_t named = 0;

	if (find(l, &e->node, &e->key) != NULL)
		return;
	for (size_t i = 0; i < l->count; i++)
		named += !id_is_zero(&l->items[i].node);
	if (named < EXPOSED_NAMED && l->count < LIMIT_EXPOSED)
		put(l, e);
	else
		put_others(l, e);
}

bool
exposure_is_of(const struct exposure *e, const struct id *node, const char *name)
{
	if (id_is_zero(&e->node))
		return true;
	return (node != NULL && id_equal(&e->node, node)) || strcmp(e->name, name) == 0;
}

void
exposure_want(struct exposure_list *l, const struct id *node, const char *name)
{
	for (size_t i = 0; i < l->count; i++) {
		struct exposure *e = &l->items[i];

		if (!exposure_is_of(e, node, name) ||
		    (e->replace && (e->why == EXPOSED_ASKED || e->why == EXPOSED_REMOVED)))
			continue;
		e->replace = true;
		/* Whether it has access again does not matter then. */
		if (e->why != EXPOSED_REMOVED)
			e->why = EXPOSED_ASKED;
		l->changed = true;
	}
}

void
exposure_end(struct exposure_list *l, exposure_ends_cb *ends, void *arg)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->count; i++) {
		if (ends(arg, &l->items[i]))
			l->changed = true;
		else
			l->items[kept++] = l->items[i];
	}
	l->count = kept;
}
