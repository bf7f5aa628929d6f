#include "replica/cache/cache_priv.h"

#include "common/keyring/keyring.h"
#include "common/log/log.h"
#include "common/tls/tls_ctx.h"
#include "common/wire/public_wire.h"
#include "common/wire/trust.h"

#include <string.h>

#define AGAIN_FIRST_MS 500
#define AGAIN_MOST_MS 60000

static void on_asked(struct posted *post);
static void on_again(void *arg);

int
cache_new(const struct cache_params *params, struct cache **out, struct err *err)
{
	struct cache *c = mem_zalloc(sizeof(*c));

	(void)err;
	c->p = *params;
	if (c->p.opened_max == 0)
		c->p.opened_max = CACHE_OPENED_DEFAULT;
	c->serving = serving_new(c->p.opened_max);
	facts_init(&c->facts);
	c->published = published_new();
	c->issuers = issuers_new();
	CHECK(pthread_mutex_init(&c->ask_lock, NULL) == 0);
	c->ask_post.cb = on_asked;
	c->again = map_new();
	c->again_timer = (struct timer){.cb = on_again, .arg = c};
	c->fresh = true;
	c->stale_timer = (struct timer){.cb = cache_on_stale, .arg = c};
	c->again_backoff = (struct backoff){AGAIN_FIRST_MS, AGAIN_MOST_MS, 0};
	*out = c;
	return 0;
}

static void
cache_end(struct cache *c)
{
	void (*closed)(void *arg) = c->closed;
	void *arg = c->closed_arg;

	serving_free(c->serving);
	facts_fini(&c->facts);
	published_free(c->published);
	issuers_free(c->issuers);
	trust_free(c->trust);
	mem_free(c->asked);
	mem_free(c->warm);
	map_free(c->again);
	CHECK(pthread_mutex_destroy(&c->ask_lock) == 0);
	mem_free(c);
	closed(arg);
}

void
cache_idle(struct cache *c)
{
	CHECK(c->busy > 0);
	if (--c->busy > 0)
		return;
	if (c->closing)
		cache_end(c);
	else if (c->p.events.on_settled != NULL)
		c->p.events.on_settled(c->p.events.arg);
}

void
cache_close(struct cache *c, void (*closed)(void *arg), void *arg)
{
	c->closing = true;
	c->closed = closed;
	c->closed_arg = arg;
	c->warm_count = 0;
	runtime_timer_stop(c->p.runtime, &c->again_timer);
	runtime_timer_stop(c->p.runtime, &c->stale_timer);
	c->busy++;
	cache_idle(c);
}

static void
set_trust(struct cache *c, const struct trust *trust)
{
	trust_free(c->trust);
	c->trust = trust_clone(trust);
}

/* --- applied deltas ----------------------------------------------------------------------------
 */

struct touched {
	struct id *ids;
	size_t count;
	struct map *seen;
};

static void
touch(struct touched *t, const struct id *credential)
{
	if (map_put(t->seen, credential->bytes, ID_LEN, t) != NULL)
		return;
	t->ids = mem_grow(t->ids, t->count + 1, sizeof(struct id));
	t->ids[t->count++] = *credential;
}

static void
touch_all(struct cache *c, struct touched *t)
{
	size_t at = 0;
	void *value;

	while (map_next(c->facts.credentials, &at, NULL, &value))
		touch(t, &((struct credential_fact *)value)->id);
}

int
cache_learn_membership(struct cache *c, const struct record *record)
{
	struct err err;
	char hex[ID_HEX_MAX];
	int r = keyring_learn(c->p.keyring, record, &err);

	if (r < 0)
		log_error(
		    "cache", "membership=%s not usable: %s", id_hex(&record->id, hex), err.text);
	if (cache_may_pass(r))
		cache_load_again(c);
	return r;
}

/* What Micro CAs publish changes at once; what cannot be read is given out no more. */
static void
publish(struct cache *c, const struct change *change)
{
	char hex[ID_HEX_MAX];
	struct err err;

	if (change->gone)
		published_forget(c->published, &change->record->id);
	else if (published_learn(c->published, change->record, &err) < 0)
		log_error("cache", "record=%s not usable: %s", id_hex(&change->record->id, hex),
		    err.text);
}

static void
learn_change(struct cache *c, const struct change *change, struct touched *t, struct map *records)
{
	const struct record *record = change->record;
	struct id credential;
	struct err err;
	char hex[ID_HEX_MAX];
	int r;

	if (record->kind == KIND_MEMBERSHIP) {
		struct record ended = *record;

		ended.removed = record->removed || change->gone;
		if (cache_learn_membership(c, &ended) != 0)
			touch_all(c, t);
		return;
	}
	if (record->kind == KIND_CA || record->kind == KIND_CRL) {
		publish(c, change);
		return;
	}
	if (change->gone)
		r = facts_forget(&c->facts, record->kind, &record->id, &credential);
	else
		r = facts_learn(&c->facts, record, &credential, &err);
	if (r == ERR_NOTFOUND)
		return;
	if (r < 0)
		log_error("cache", "record=%s not usable: %s", id_hex(&record->id, hex), err.text);
	touch(t, &credential);
	if (record->kind == KIND_GENERATION && !record->removed && !change->gone)
		(void)map_put(
		    records, record->id.bytes, ID_LEN, (void *)(uintptr_t)(const void *)record);
}

void
cache_apply(struct cache *c, const struct trust *trust, const struct change *changes, size_t count)
{
	struct touched t = {.seen = map_new()};
	AUTO(map_freep)
	struct map *records = map_new();

	set_trust(c, trust);
	c->busy++; /* so that on_settled comes once, also when nothing is prepared */
	for (size_t i = 0; i < count; i++)
		learn_change(c, &changes[i], &t, records);
	cache_settle(c, t.ids, t.count, records, false);
	map_free(t.seen);
	mem_free(t.ids);
	c->stats.known = map_count(c->facts.credentials);
	cache_stale_arm(c);
	cache_idle(c);
}

void
cache_damaged(struct cache *c, bool damaged)
{
	if (damaged && c->p.events.on_damaged != NULL)
		c->p.events.on_damaged(c->p.events.arg);
}

/* --- what may work later ------------------------------------------------------------------------
 */

bool
cache_may_pass(int code)
{
	return code == ERR_NOMEM || code == ERR_IO || code == ERR_BUSY || code == ERR_UNAVAIL;
}

static void
arm_again(struct cache *c)
{
	if (!timer_is_armed(&c->again_timer))
		runtime_timer_start(
		    c->p.runtime, &c->again_timer, backoff_next(&c->again_backoff, c->p.runtime));
}

void
cache_again(struct cache *c, const struct id *credential, int code)
{
	if (!cache_may_pass(code) || c->closing)
		return;
	(void)map_put(c->again, credential->bytes, ID_LEN, c);
	arm_again(c);
}

void
cache_load_again(struct cache *c)
{
	if (c->closing)
		return;
	c->load_again = true;
	arm_again(c);
}

static void
on_again(void *arg)
{
	struct cache *c = arg;
	struct id *ids = mem_array(map_count(c->again), sizeof(*ids));
	size_t at = 0, count = 0;
	struct span key;
	void *value;

	while (map_next(c->again, &at, &key, &value))
		memcpy(ids[count++].bytes, key.data, ID_LEN);
	map_free(c->again);
	c->again = map_new();
	cache_settle(c, ids, count, NULL, false);
	mem_free(ids);
	if (c->load_again)
		cache_load_start(c, NULL, NULL);
}

/* --- openings for handshakes and the warm-up -----------------------------------------------------
 */

struct single {
	struct opening opening;
	struct cache *cache;
	struct served *served;
};

static void
single_done(struct opening *o)
{
	struct single *s = o->arg;
	struct cache *c = s->cache;
	AUTO(served_unrefp)
	struct served *now = serving_of_credential(c->serving, &s->served->credential);
	char hex[ID_HEX_MAX];

	/* What has been replaced meanwhile says nothing about the credential any more. */
	if (o->status < 0 && now == s->served) {
		c->stats.failed++;
		log_error("cache", "credential=%s cannot be served: %s",
		    id_hex(&s->served->credential, hex), o->err.text);
		cache_receipt(c, NULL, &s->served->credential, &o->err);
		cache_again(c, &s->served->credential, o->status);
		cache_damaged(c, o->damaged);
	} else if (o->status == 0) {
		c->stats.opened++;
		backoff_reset(&c->again_backoff);
	}
	serving_opened(c->serving, s->served, MOVE(o->identity));
	opening_fini(o);
	served_unref(s->served);
	mem_free(s);
	if (!c->closing)
		cache_warm_up(c);
	cache_idle(c);
}

void
cache_open_served(struct cache *c, struct served *s)
{
	struct single *one = mem_zalloc(sizeof(*one));

	one->cache = c;
	one->served = served_ref(s);
	one->opening = (struct opening){
	    .runtime = c->p.runtime,
	    .loop = c->p.loop,
	    .store = c->p.store,
	    .keyring = c->p.keyring,
	    .issuers = c->issuers,
	    .trusted = &c->trust,
	    .generation = s->generation,
	    .credential = s->credential,
	    .done = single_done,
	    .arg = one,
	};
	c->busy++;
	opening_start(&one->opening);
}

static void
on_asked(struct posted *post)
{
	struct cache *c = CONTAINER_OF(post, struct cache, ask_post);
	struct served **asked;
	size_t count;

	CHECK(pthread_mutex_lock(&c->ask_lock) == 0);
	asked = MOVE(c->asked);
	count = c->asked_count;
	c->asked_count = 0;
	c->asked_cap = 0;
	c->ask_posted = false;
	CHECK(pthread_mutex_unlock(&c->ask_lock) == 0);
	for (size_t i = 0; i < count; i++) {
		cache_open_served(c, asked[i]);
		served_unref(asked[i]);
	}
	mem_free(asked);
}

static void
ask_to_open(struct cache *c, struct served *s)
{
	bool post;

	if (c->p.loop == NULL) {
		cache_open_served(c, s);
		return;
	}
	CHECK(pthread_mutex_lock(&c->ask_lock) == 0);
	if (c->asked_count == c->asked_cap) {
		c->asked_cap = c->asked_cap > 0 ? 2 * c->asked_cap : 16;
		c->asked = mem_grow(c->asked, c->asked_cap, sizeof(struct served *));
	}
	c->asked[c->asked_count++] = served_ref(s);
	post = !c->ask_posted;
	c->ask_posted = true;
	CHECK(pthread_mutex_unlock(&c->ask_lock) == 0);
	if (post)
		loop_post(c->p.loop, &c->ask_post);
}

/* --- look-ups, on any thread ---------------------------------------------------------------------
 */

bool
cache_knows(struct cache *c, const char *name)
{
	return serving_knows(c->serving, name);
}

static enum cache_answer
find_one(struct cache *c, const char *name, unsigned can, struct serving_wait *w,
    struct cache_found *out)
{
	/* One that turns out to be broken is not found again, so this ends. */
	for (;;) {
		AUTO(served_unrefp)
		struct served *s = serving_find(c->serving, name, can);
		enum serving_answer answer;
		bool must_open;

		if (s == NULL)
			return CACHE_NONE;
		answer = serving_open(c->serving, s, w, &out->identity, &must_open);
		if (must_open)
			ask_to_open(c, s);
		if (answer == SERVING_WAIT)
			return CACHE_WAIT;
		if (answer == SERVING_BROKEN)
			continue;
		out->credential = s->credential;
		out->generation = s->generation;
		return CACHE_READY;
	}
}

enum cache_answer
cache_find(struct cache *c, const char *name, const char *fallback, unsigned can,
    struct serving_wait *w, struct cache_found *out)
{
	enum cache_answer answer = CACHE_NONE;

	if (name != NULL)
		answer = find_one(c, name, can, w, out);
	if (answer == CACHE_NONE && fallback != NULL)
		answer = find_one(c, fallback, can, w, out);
	return answer;
}

void
cache_wait_cancel(struct cache *c, struct serving_wait *w)
{
	serving_wait_cancel(c->serving, w);
}

bool
cache_serves(
    struct cache *c, const char *name, const struct id *credential, const struct id *generation)
{
	return serving_serves(c->serving, name, credential, generation);
}

void
cache_stats(struct cache *c, struct cache_stats *out)
{
	*out = c->stats;
	out->with_stale_after = c->facts.with_stale_after;
	serving_counts(c->serving, &out->serving);
}

struct published_file *
cache_published(struct cache *c, enum pki_file file, const struct id *ca)
{
	return published_find(c->published, file, ca);
}
