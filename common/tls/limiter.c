#include "common/tls/limiter.h"

#include "common/base/map.h"

struct bucket {
	uint64_t milli; /* thousandths of a try */
	uint64_t at_ms;
};

/* Two generations: what was not used while the younger one filled is dropped with the older. */
struct limiter {
	struct map *young, *old;
	uint64_t rate, turned_ms;
};

struct limiter *
limiter_new(unsigned rate)
{
	struct limiter *l = mem_zalloc(sizeof(*l));

	CHECK(rate > 0);
	l->rate = rate;
	l->young = map_new();
	l->old = map_new();
	return l;
}

static void
free_buckets(struct map *m)
{
	struct span key;
	size_t at = 0;
	void *bucket;

	while (map_next(m, &at, &key, &bucket))
		mem_free(bucket);
	map_free(m);
}

void
limiter_free(struct limiter *l)
{
	if (l == NULL)
		return;
	free_buckets(l->young);
	free_buckets(l->old);
	mem_free(l);
}

static struct bucket *
bucket_of(struct limiter *l, const struct address_key *who, uint64_t now_ms)
{
	struct bucket *b;

	if (now_ms - l->turned_ms >= LIMITER_KEEP_MS ||
	    map_count(l->young) >= LIMITER_ADDRESSES_MAX) {
		free_buckets(l->old);
		l->old = l->young;
		l->young = map_new();
		l->turned_ms = now_ms;
	}
	b = map_get(l->young, who->bytes, sizeof(who->bytes));
	if (b != NULL)
		return b;
	b = map_del(l->old, who->bytes, sizeof(who->bytes));
	if (b == NULL) {
		b = mem_zalloc(sizeof(*b));
		b->milli = l->rate * 1000;
		b->at_ms = now_ms;
	}
	map_put(l->young, who->bytes, sizeof(who->bytes), b);
	return b;
}

static void
refill(struct limiter *l, struct bucket *b, uint64_t now_ms)
{
	b->milli += (now_ms - b->at_ms) * l->rate;
	if (b->milli > l->rate * 1000)
		b->milli = l->rate * 1000;
	b->at_ms = now_ms;
}

bool
limiter_take(struct limiter *l, const struct address_key *who, uint64_t now_ms)
{
	struct bucket *b = bucket_of(l, who, now_ms);

	refill(l, b, now_ms);
	if (b->milli < 1000)
		return false;
	b->milli -= 1000;
	return true;
}

void
limiter_refund(struct limiter *l, const struct address_key *who, uint64_t now_ms)
{
	struct bucket *b = bucket_of(l, who, now_ms);

	b->milli += 1000;
	refill(l, b, now_ms);
}
