/*
 * Credentials that are served only while the node hears from its manager: one whose stale_after has
 * passed without news leaves, and comes back with the news.
 */

#include "replica/cache/cache_priv.h"

#include "common/base/str.h"

#include <string.h>

static int64_t
now_ms(const struct cache *c)
{
	return (int64_t)runtime_mono_ms(c->p.runtime);
}

/* Monotonic; only for one that has a stale_after. */
static int64_t
stale_at(const struct cache *c, const struct credential_fact *credential)
{
	int64_t at;

	/* A number of whoever signed the record: what is too large is never. */
	if (__builtin_mul_overflow(credential->stale_after, INT64_C(1000), &at) ||
	    __builtin_add_overflow(at, c->fresh_ms, &at))
		return INT64_MAX;
	return at;
}

bool
cache_is_stale(const struct cache *c, const struct credential_fact *credential)
{
	return !c->fresh && credential->stale_after > 0 && stale_at(c, credential) <= now_ms(c);
}

int
cache_stale_error(const struct credential_fact *credential, struct err *err)
{
	char text[DURATION_TEXT_MAX];

	return err_set(err, ERR_UNAVAIL,
	    "no news from the manager for more than %s, and it is to be served no longer then "
	    "(stale_after)",
	    duration_text(credential->stale_after, text));
}

void
cache_stale_arm(struct cache *c)
{
	int64_t now = now_ms(c), next = INT64_MAX;
	size_t at = 0;
	void *value;

	runtime_timer_stop(c->p.runtime, &c->stale_timer);
	if (c->fresh || c->closing || c->facts.with_stale_after == 0)
		return;
	while (map_next(c->facts.credentials, &at, NULL, &value)) {
		const struct credential_fact *f = value;

		if (f->stale_after > 0 && stale_at(c, f) > now && stale_at(c, f) < next)
			next = stale_at(c, f);
	}
	if (next < INT64_MAX)
		runtime_timer_start(c->p.runtime, &c->stale_timer, (uint64_t)(next - now));
}

/* All that have a stale_after are looked at; of those for which nothing has changed, nothing comes.
 */
static void
look_anew(struct cache *c)
{
	struct id *ids;
	size_t at = 0, count = 0;
	void *value;

	if (c->closing || c->facts.with_stale_after == 0)
		return;
	ids = mem_array(c->facts.with_stale_after, sizeof(*ids));
	while (map_next(c->facts.credentials, &at, NULL, &value)) {
		const struct credential_fact *f = value;

		if (f->stale_after > 0)
			ids[count++] = f->id;
	}
	c->busy++; /* so that on_settled comes, also when nothing is prepared */
	cache_settle(c, ids, count, NULL, false);
	mem_free(ids);
	cache_idle(c);
	cache_stale_arm(c);
}

void
cache_on_stale(void *arg)
{
	look_anew(arg);
}

void
cache_set_fresh(struct cache *c, bool fresh, int64_t last_ms)
{
	c->fresh = fresh;
	c->fresh_ms = last_ms;
	look_anew(c);
}
