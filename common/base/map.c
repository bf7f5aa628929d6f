#include "common/base/map.h"

#include <string.h>
#include <sys/random.h>

struct entry {
	uint8_t *key;
	size_t len;
	uint64_t hash;
	void *value; /* NULL: free */
};

struct map {
	struct entry *slots;
	size_t cap; /* a power of two */
	size_t count;
};

#define MAP_FIRST 16

static uint64_t seed[2];

__attribute__((constructor)) static void
seed_init(void)
{
	/* A constructor: before any thread. Without entropy an unseeded map is still correct. */
	if (getrandom(seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		seed[0] = (uint64_t)(uintptr_t)&seed;
}

void
map_set_seed(uint64_t first, uint64_t second)
{
	seed[0] = first;
	seed[1] = second;
}

static uint64_t
rotl(uint64_t x, int b)
{
	return x << b | x >> (64 - b);
}

static void
sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] = rotl(v[0], 32) + v[3];
	v[2] += v[1];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] = rotl(v[2], 32);
}

/* SipHash-1-3 (Aumasson, Bernstein), 64 bits. */
static uint64_t
sip(const uint8_t *p, size_t len)
{
	uint64_t v[4] = {seed[0] ^ 0x736f6d6570736575U, seed[1] ^ 0x646f72616e646f6dU,
	    seed[0] ^ 0x6c7967656e657261U, seed[1] ^ 0x7465646279746573U};
	uint64_t m;
	size_t i;

	for (i = 0; i + 8 <= len; i += 8) {
		memcpy(&m, p + i, 8);
		v[3] ^= m;
		sip_round(v);
		v[0] ^= m;
	}
	m = (uint64_t)len << 56;
	for (size_t k = 0; i + k < len; k++)
		m |= (uint64_t)p[i + k] << (8 * k);
	v[3] ^= m;
	sip_round(v);
	v[0] ^= m;
	v[2] ^= 0xff;
	for (int k = 0; k < 3; k++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

struct map *
map_new(void)
{
	struct map *m = mem_zalloc(sizeof(*m));

	m->cap = MAP_FIRST;
	m->slots = mem_array(m->cap, sizeof(*m->slots));
	return m;
}

void
map_free(struct map *m)
{
	if (m == NULL)
		return;
	for (size_t i = 0; i < m->cap; i++)
		mem_free(m->slots[i].key);
	mem_free(m->slots);
	mem_free(m);
}

size_t
map_count(const struct map *m)
{
	return m->count;
}

static size_t
find(const struct map *m, const void *key, size_t len, uint64_t hash)
{
	size_t i = hash & (m->cap - 1);

	while (m->slots[i].value != NULL) {
		const struct entry *e = &m->slots[i];

		if (e->hash == hash && e->len == len && (len == 0 || memcmp(e->key, key, len) == 0))
			break;
		i = (i + 1) & (m->cap - 1);
	}
	return i;
}

static void
grow(struct map *m)
{
	struct entry *old = m->slots;
	size_t cap = m->cap;

	m->cap *= 2;
	m->slots = mem_array(m->cap, sizeof(*m->slots));
	for (size_t i = 0; i < cap; i++)
		if (old[i].value != NULL)
			m->slots[find(m, old[i].key, old[i].len, old[i].hash)] = old[i];
	mem_free(old);
}

void *
map_get(const struct map *m, const void *key, size_t len)
{
	return m->slots[find(m, key, len, sip(key, len))].value;
}

void *
map_put(struct map *m, const void *key, size_t len, void *value)
{
	uint64_t hash = sip(key, len);
	struct entry *e;
	void *old;

	CHECK(value != NULL);
	if (4 * (m->count + 1) > 3 * m->cap)
		grow(m);
	e = &m->slots[find(m, key, len, hash)];
	old = e->value;
	if (old == NULL) {
		*e = (struct entry){mem_dup(key, len), len, hash, value};
		m->count++;
	} else {
		e->value = value;
	}
	return old;
}

void *
map_del(struct map *m, const void *key, size_t len)
{
	size_t hole = find(m, key, len, sip(key, len));
	void *old = m->slots[hole].value;

	if (old == NULL)
		return NULL;
	mem_free(m->slots[hole].key);
	m->count--;
	/* Close the gap: later entries of the run that may stand at the hole move there. */
	for (size_t i = (hole + 1) & (m->cap - 1); m->slots[i].value != NULL;
	     i = (i + 1) & (m->cap - 1)) {
		size_t home = m->slots[i].hash & (m->cap - 1);

		if (((i - home) & (m->cap - 1)) >= ((i - hole) & (m->cap - 1))) {
			m->slots[hole] = m->slots[i];
			hole = i;
		}
	}
	m->slots[hole] = (struct entry){NULL, 0, 0, NULL};
	return old;
}

bool
map_next(const struct map *m, size_t *at, struct span *key, void **value)
{
	for (; *at < m->cap; ++*at) {
		const struct entry *e = &m->slots[*at];

		if (e->value == NULL)
			continue;
		if (key != NULL)
			*key = SPAN(e->key, e->len);
		*value = e->value;
		++*at;
		return true;
	}
	return false;
}
