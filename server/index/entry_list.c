#include "server/index/index_priv.h"

#include <stdlib.h>
#include <string.h>

void
entry_list_fini(struct entry_list *l)
{
	mem_free(l->items);
	memset(l, 0, sizeof(*l));
}

void
entry_list_add(struct entry_list *l, struct entry *e)
{
	if (l->count == l->cap) {
		l->cap = l->cap > 0 ? 2 * l->cap : 16;
		l->items = mem_grow(l->items, l->cap, sizeof(*l->items));
	}
	e->slot = l->count;
	l->items[l->count++] = e;
	l->live++;
}

/* Closes the gaps; what was sorted stays so. */
static void
squeeze(struct entry_list *l)
{
	size_t kept = 0, sorted = 0;

	for (size_t i = 0; i < l->count; i++) {
		if (l->items[i] == NULL)
			continue;
		sorted += i < l->sorted;
		l->items[kept] = l->items[i];
		l->items[kept]->slot = kept;
		kept++;
	}
	l->count = kept;
	l->sorted = sorted;
}

void
entry_list_del(struct entry_list *l, struct entry *e)
{
	CHECK(e->slot < l->count && l->items[e->slot] == e);
	l->items[e->slot] = NULL;
	l->live--;
	if (l->count > 64 && l->live < l->count / 2)
		squeeze(l);
}

static int
compare(const struct entry *a, const struct entry *b)
{
	int c = strcmp(a->r.name, b->r.name);

	return c != 0 ? c : id_compare(&a->r.id, &b->r.id);
}

static int
compare_places(const void *a, const void *b)
{
	return compare(*(struct entry *const *)a, *(struct entry *const *)b);
}

/*
 * Only what came since the last time is sorted, then merged in: a list of 100,000 that grows by a
 * few is in order in a millisecond.
 */
void
entry_list_sort(struct entry_list *l)
{
	struct entry **out;
	size_t a = 0, b, n = 0;

	if (l->live != l->count)
		squeeze(l);
	if (l->sorted == l->count)
		return;
	qsort(l->items + l->sorted, l->count - l->sorted, sizeof(struct entry *), compare_places);
	out = mem_array(l->cap, sizeof(struct entry *));
	b = l->sorted;
	while (a < l->sorted || b < l->count) {
		bool first =
		    b == l->count || (a < l->sorted && compare(l->items[a], l->items[b]) < 0);

		out[n] = first ? l->items[a++] : l->items[b++];
		out[n]->slot = n;
		n++;
	}
	mem_free(l->items);
	l->items = out;
	l->sorted = n;
}

size_t
entry_list_above(const struct entry_list *l, const char *name)
{
	size_t low = 0, high = l->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(l->items[mid]->r.name, name) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

void
multi_init(struct multi *m)
{
	m->map = map_new();
}

void
multi_fini(struct multi *m)
{
	size_t at = 0;
	void *value;

	if (m->map == NULL)
		return;
	while (map_next(m->map, &at, NULL, &value)) {
		struct entry_vec *v = value;

		mem_free(v->items);
		mem_free(v);
	}
	map_free(m->map);
	m->map = NULL;
}

void
multi_add(struct multi *m, struct span key, struct entry *e)
{
	struct entry_vec *v = map_get(m->map, key.data, key.len);

	if (v == NULL) {
		v = mem_zalloc(sizeof(*v));
		map_put(m->map, key.data, key.len, v);
	}
	if (v->count == v->cap) {
		v->cap = v->cap > 0 ? 2 * v->cap : 1;
		v->items = mem_grow(v->items, v->cap, sizeof(*v->items));
	}
	v->items[v->count++] = e;
}

void
multi_del(struct multi *m, struct span key, const struct entry *e)
{
	struct entry_vec *v = map_get(m->map, key.data, key.len);
	size_t i = 0;

	if (v == NULL)
		return;
	while (i < v->count && v->items[i] != e)
		i++;
	if (i < v->count)
		v->items[i] = v->items[--v->count];
	if (v->count > 0)
		return;
	map_del(m->map, key.data, key.len);
	mem_free(v->items);
	mem_free(v);
}

const struct entry_vec *
multi_get(const struct multi *m, struct span key)
{
	return map_get(m->map, key.data, key.len);
}
