#include "common/base/arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_FIRST 512
#define CHUNK_MOST (256 * 1024)

struct chunk {
	struct chunk *next;
	size_t size, used;
	alignas(max_align_t) uint8_t bytes[];
};

struct arena {
	struct chunk *chunks; /* the newest first */
	size_t budget, used, next_size;
};

struct arena *
arena_new(size_t budget)
{
	struct arena *a = mem_zalloc(sizeof(*a));

	a->budget = budget;
	a->next_size = CHUNK_FIRST;
	return a;
}

void
arena_free(struct arena *a)
{
	if (a == NULL)
		return;
	for (struct chunk *c = a->chunks, *next; c != NULL; c = next) {
		next = c->next;
		explicit_bzero(c->bytes, c->used);
		mem_free(c);
	}
	mem_free(a);
}

static struct chunk *
chunk_add(struct arena *a, size_t need)
{
	size_t size = need > a->next_size ? need : a->next_size;
	struct chunk *c = malloc(sizeof(*c) + size);

	if (c == NULL)
		return NULL;
	*c = (struct chunk){.next = a->chunks, .size = size};
	a->chunks = c;
	if (a->next_size < CHUNK_MOST)
		a->next_size *= 2;
	return c;
}

void *
arena_array(struct arena *a, size_t count, size_t size)
{
	size_t mask = alignof(max_align_t) - 1, need;
	struct chunk *c = a->chunks;
	uint8_t *out;

	if (count > 0 && size > a->budget / count)
		return NULL;
	need = count * size;
	need = need > 0 ? (need + mask) & ~mask : mask + 1;
	if (need > a->budget - a->used)
		return NULL;
	if (c == NULL || need > c->size - c->used)
		c = chunk_add(a, need);
	if (c == NULL)
		return NULL;
	out = c->bytes + c->used;
	c->used += need;
	a->used += need;
	memset(out, 0, need);
	return out;
}

char *
arena_text(struct arena *a, struct span s)
{
	char *out = s.len < SIZE_MAX ? arena_array(a, s.len + 1, 1) : NULL;

	if (out != NULL && s.len > 0)
		memcpy(out, s.data, s.len);
	return out;
}

struct span
arena_span(struct arena *a, struct span s)
{
	uint8_t *out;

	if (s.len == 0)
		return SPAN(NULL, 0);
	out = arena_array(a, s.len, 1);
	if (out != NULL)
		memcpy(out, s.data, s.len);
	return SPAN(out, s.len);
}
