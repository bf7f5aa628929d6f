#ifndef COMMON_BASE_MAP_H
#define COMMON_BASE_MAP_H

/*
 * A hash map from byte strings to pointers: SipHash with a seed of this process, so that nobody who
 * chooses keys can make it slow; linear probing; keys are copied. It does not own its values.
 * Not thread-safe.
 */

#include "common/base/buf.h"

struct map;

struct map *map_new(void);
void map_free(struct map *m);
DEFINE_FREEP(struct map, map_free)

size_t map_count(const struct map *m);
void *map_get(const struct map *m, const void *key, size_t len);
/* Sets the value (not NULL) and returns the one that was there before, or NULL. */
void *map_put(struct map *m, const void *key, size_t len, void *value);
/* Removes the key and returns its value, or NULL. */
void *map_del(struct map *m, const void *key, size_t len);

/*
 * For the simulator, which has to walk the same way twice: the seed of all maps made from now on.
 * There may be no other map meanwhile.
 */
void map_set_seed(uint64_t first, uint64_t second);

/* Walks in no order; the map must not change meanwhile. Start with at = 0; false at the end. */
bool map_next(const struct map *m, size_t *at, struct span *key, void **value);

#endif
