#include "common/store/digest.h"

#include "common/crypto/sign.h"

#include <string.h>

/*
 * A bucket is its entries in one sorted array, laid out as they are hashed. tree[1] is the root,
 * tree[n]'s children are tree[2n] and tree[2n + 1], the buckets' own hashes are the last 4,096.
 */
struct entry {
	struct id id;
	struct hash body;
};
_Static_assert(sizeof(struct entry) == ID_LEN + HASH_LEN, "an entry is hashed as it lies");

struct bucket {
	struct entry *entries;
	uint32_t count, cap;
};

/* How an entry was before a change under the mark. */
struct undo {
	struct entry entry;
	bool was_there;
};

struct digest {
	struct bucket buckets[DIGEST_BUCKETS];
	struct hash tree[2 * DIGEST_BUCKETS];
	bool stale[2 * DIGEST_BUCKETS]; /* a stale node's parent is stale */
	size_t count;
	bool marked;
	struct undo *undos;
	size_t undo_count, undo_cap;
};

struct digest *
digest_new(void)
{
	struct digest *d = mem_zalloc(sizeof(*d));

	/* Empty buckets are zeroes already; what lies above them is not. */
	for (size_t i = 1; i < DIGEST_BUCKETS; i++)
		d->stale[i] = true;
	return d;
}

void
digest_free(struct digest *d)
{
	if (d == NULL)
		return;
	for (size_t i = 0; i < DIGEST_BUCKETS; i++)
		mem_free(d->buckets[i].entries);
	mem_free(d->undos);
	mem_free(d);
}

void
digest_clear(struct digest *d)
{
	CHECK(!d->marked);
	for (size_t i = 0; i < DIGEST_BUCKETS; i++)
		mem_free(d->buckets[i].entries);
	mem_free(d->undos);
	memset(d, 0, sizeof(*d));
	for (size_t i = 1; i < DIGEST_BUCKETS; i++)
		d->stale[i] = true;
}

size_t
digest_count(const struct digest *d)
{
	return d->count;
}

static unsigned
bucket_of(const struct id *id)
{
	return (unsigned)id->bytes[0] << 4 | id->bytes[1] >> 4;
}

/* Where the id is, or would be. */
static uint32_t
find(const struct bucket *b, const struct id *id, bool *found)
{
	uint32_t low = 0, high = b->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int c = id_compare(&b->entries[middle].id, id);

		if (c == 0) {
			*found = true;
			return middle;
		}
		if (c < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*found = false;
	return low;
}

const struct hash *
digest_get(const struct digest *d, const struct id *id)
{
	const struct bucket *b = &d->buckets[bucket_of(id)];
	bool found;
	uint32_t at = find(b, id, &found);

	return found ? &b->entries[at].body : NULL;
}

static void
touch(struct digest *d, unsigned bucket)
{
	for (size_t n = DIGEST_BUCKETS + bucket; n > 0 && !d->stale[n]; n /= 2)
		d->stale[n] = true;
}

static void
remember(struct digest *d, const struct id *id, const struct hash *was)
{
	struct undo *undo;

	if (!d->marked)
		return;
	if (d->undo_count == d->undo_cap) {
		d->undo_cap = d->undo_cap > 0 ? 2 * d->undo_cap : 16;
		d->undos = mem_grow(d->undos, d->undo_cap, sizeof(*d->undos));
	}
	undo = &d->undos[d->undo_count++];
	*undo = (struct undo){.entry.id = *id, .was_there = was != NULL};
	if (was != NULL)
		undo->entry.body = *was;
}

static void
insert(struct bucket *b, uint32_t at, const struct id *id, const struct hash *body)
{
	if (b->count == b->cap) {
		b->cap = b->cap > 0 ? 2 * b->cap : 4;
		b->entries = mem_grow(b->entries, b->cap, sizeof(*b->entries));
	}
	memmove(b->entries + at + 1, b->entries + at, (b->count - at) * sizeof(*b->entries));
	b->entries[at] = (struct entry){*id, *body};
	b->count++;
}

void
digest_set(struct digest *d, const struct id *id, const struct hash *body)
{
	struct bucket *b = &d->buckets[bucket_of(id)];
	bool found;
	uint32_t at = find(b, id, &found);

	if (found && hash_equal(&b->entries[at].body, body))
		return;
	remember(d, id, found ? &b->entries[at].body : NULL);
	if (found) {
		b->entries[at].body = *body;
	} else {
		insert(b, at, id, body);
		d->count++;
	}
	touch(d, bucket_of(id));
}

bool
digest_remove(struct digest *d, const struct id *id)
{
	struct bucket *b = &d->buckets[bucket_of(id)];
	bool found;
	uint32_t at = find(b, id, &found);

	if (!found)
		return false;
	remember(d, id, &b->entries[at].body);
	b->count--;
	memmove(b->entries + at, b->entries + at + 1, (b->count - at) * sizeof(*b->entries));
	d->count--;
	touch(d, bucket_of(id));
	return true;
}

static void
refresh_bucket(struct digest *d, unsigned bucket)
{
	const struct bucket *b = &d->buckets[bucket];
	size_t n = DIGEST_BUCKETS + bucket;

	if (!d->stale[n])
		return;
	if (b->count == 0)
		d->tree[n] = (struct hash){{0}};
	else
		hash_of(SPAN(b->entries, b->count * sizeof(*b->entries)), &d->tree[n]);
	d->stale[n] = false;
}

void
digest_root(struct digest *d, struct hash *out)
{
	if (d->stale[1]) {
		for (unsigned i = 0; i < DIGEST_BUCKETS; i++)
			refresh_bucket(d, i);
		/* From the lowest level up; two children lie side by side. */
		for (size_t n = DIGEST_BUCKETS - 1; n > 0; n--) {
			if (!d->stale[n])
				continue;
			hash_of(SPAN(&d->tree[2 * n], 2 * sizeof(d->tree[0])), &d->tree[n]);
			d->stale[n] = false;
		}
	}
	*out = d->tree[1];
}

void
digest_bucket(struct digest *d, unsigned bucket, struct hash *out)
{
	struct hash root;

	CHECK(bucket < DIGEST_BUCKETS);
	digest_root(d, &root);
	*out = d->tree[DIGEST_BUCKETS + bucket];
}

void
digest_mark(struct digest *d)
{
	CHECK(!d->marked);
	d->marked = true;
	d->undo_count = 0;
}

void
digest_keep(struct digest *d)
{
	CHECK(d->marked);
	d->marked = false;
	d->undo_count = 0;
}

void
digest_rollback(struct digest *d)
{
	CHECK(d->marked);
	d->marked = false;
	while (d->undo_count > 0) {
		const struct undo *undo = &d->undos[--d->undo_count];

		if (undo->was_there)
			digest_set(d, &undo->entry.id, &undo->entry.body);
		else
			digest_remove(d, &undo->entry.id);
	}
}
