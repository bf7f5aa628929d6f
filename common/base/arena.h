#ifndef COMMON_BASE_ARENA_H
#define COMMON_BASE_ARENA_H

/*
 * Memory that is taken piece by piece and given back as a whole, for what is decoded from one
 * message. An arena has a budget, so that a message cannot take more than its reader allows, and
 * wipes what it held. Not thread-safe; one owner.
 */

#include "common/base/buf.h"

struct arena;

/* No memory is taken before the first piece. */
struct arena *arena_new(size_t budget);
void arena_free(struct arena *a);
DEFINE_FREEP(struct arena, arena_free)

/*
 * Zeroed memory for count elements of a size, aligned for anything; NULL when that would go over
 * the budget, or when there is no memory. A count of 0 gives a pointer that is not NULL.
 */
void *arena_array(struct arena *a, size_t count, size_t size);
/* A copy with a NUL behind it. NULL as above. */
char *arena_text(struct arena *a, struct span s);
/* A copy; data is NULL when s was not empty and it did not fit. */
struct span arena_span(struct arena *a, struct span s);

#endif
