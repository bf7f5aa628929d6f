#include "replica/cache/cache_priv.h"

#include "common/keyring/keyring.h"
#include "common/log/log.h"
#include "common/tls/tls_ctx.h"
#include "common/wire/trust.h"

#include <string.h>

/*
 * From facts to what is served. A look at a credential finds what should be served and compares it
 * with what is. The difference is prepared in batches; each batch ends in one swap.
 */

struct prepared {
	struct opening opening;
	struct batch *batch;
	struct served *next;
	uint64_t serial;
};

struct batch {
	struct cache *cache;
	struct prepared *items;
	size_t count, pending;
	uint64_t begun_ms;
};

static const struct generation_fact *
desired_of(struct cache *c, const struct credential_fact *credential)
{
	const struct generation_fact *g = facts_active(&c->facts, credential);

	if (g == NULL || !keyring_has_access(c->p.keyring, g->access, g->access_count))
		return NULL;
	return g;
}

struct served *
cache_make_served(
    const struct credential_fact *credential, const struct generation_fact *generation)
{
	struct texts names = {(const char *const *)generation->names, generation->name_count};
	struct served *s =
	    served_new(&credential->id, &generation->id, names, generation->key_type);

	s->activated_at_ms = generation->activated_at_ms;
	s->not_before = generation->not_before;
	s->not_after = generation->not_after;
	s->fingerprint = generation->fingerprint;
	s->chain_mark = generation->chain_mark;
	return s;
}

static bool
same(const struct served *s, const struct generation_fact *g)
{
	if (!id_equal(&s->generation, &g->id) || s->name_count != g->name_count ||
	    !hash_equal(&s->fingerprint, &g->fingerprint) || s->chain_mark != g->chain_mark ||
	    s->activated_at_ms != g->activated_at_ms)
		return false;
	for (size_t i = 0; i < s->name_count; i++)
		if (strcmp(s->names[i], g->names[i]) != 0)
			return false;
	return true;
}

void
cache_receipt(
    struct cache *c, const struct served *s, const struct id *credential, const struct err *err)
{
	struct credential_fact *fact = facts_credential(&c->facts, credential);
	struct receipt r = {
	    .credential = *credential,
	    .has_generation = s != NULL,
	    .has_fingerprint = s != NULL,
	    .error = err != NULL ? err->text : "",
	    .since_ms = runtime_wall_ms(c->p.runtime),
	};

	if (s != NULL) {
		r.generation = s->generation;
		r.fingerprint = s->fingerprint;
	}
	if (fact != NULL)
		fact->told_error = err != NULL;
	if (c->p.events.on_receipt != NULL)
		c->p.events.on_receipt(c->p.events.arg, &r);
}

/* Still what should be served, and not looked at again meanwhile? */
static bool
is_current(struct cache *c, const struct prepared *p)
{
	const struct credential_fact *fact = facts_credential(&c->facts, &p->next->credential);

	return fact != NULL && fact->serial == p->serial;
}

static void
batch_swap(struct batch *b)
{
	struct cache *c = b->cache;
	struct serving_change *changes = mem_array(b->count, sizeof(*changes));
	size_t count = 0;

	for (size_t i = 0; i < b->count; i++) {
		struct prepared *p = &b->items[i];

		if (p->opening.status < 0 || !is_current(c, p))
			continue;
		p->next->identity = MOVE(p->opening.identity);
		changes[count++] =
		    (struct serving_change){p->next->credential, served_ref(p->next)};
	}
	if (count > 0) {
		serving_swap(c->serving, changes, count);
		c->stats.last_swap_us = (runtime_mono_ms(c->p.runtime) - b->begun_ms) * 1000;
	}
	mem_free(changes);
}

/* What takes the place of another may fail; the other stays, unless it had to leave anyway. */
static bool
may_stay(struct cache *c, const struct served *s)
{
	const struct generation_fact *g = facts_generation(&c->facts, &s->generation);

	return g != NULL && !g->withdrawn && id_equal(&g->credential, &s->credential) &&
	    keyring_has_access(c->p.keyring, g->access, g->access_count);
}

static void
batch_report(struct batch *b, const struct prepared *p)
{
	struct cache *c = b->cache;
	AUTO(served_unrefp)
	struct served *old = NULL;
	char hex[ID_HEX_MAX];

	if (!is_current(c, p))
		return;
	if (p->opening.status == 0) {
		c->stats.opened++;
		backoff_reset(&c->again_backoff);
		cache_receipt(c, p->next, &p->next->credential, NULL);
		return;
	}
	c->stats.failed++;
	log_error("cache", "credential=%s not swapped in: %s", id_hex(&p->next->credential, hex),
	    p->opening.err.text);
	old = serving_of_credential(c->serving, &p->next->credential);
	if (old != NULL && !may_stay(c, old)) {
		serving_swap(c->serving, &(struct serving_change){old->credential, NULL}, 1);
		served_unref(MOVE(old));
	} else if (old != NULL && serving_is_broken(c->serving, old)) {
		served_unref(MOVE(old));
	}
	cache_receipt(c, old, &p->next->credential, &p->opening.err);
	cache_again(c, &p->next->credential, p->opening.status);
	cache_damaged(c, p->opening.damaged);
}

static void
batch_end(struct batch *b)
{
	struct cache *c = b->cache;

	batch_swap(b);
	for (size_t i = 0; i < b->count; i++) {
		batch_report(b, &b->items[i]);
		opening_fini(&b->items[i].opening);
		served_unref(b->items[i].next);
	}
	c->stats.preparing -= b->count;
	mem_free(b->items);
	mem_free(b);
	cache_idle(c);
}

static void
prepared_done(struct opening *o)
{
	struct prepared *p = o->arg;

	if (--p->batch->pending == 0)
		batch_end(p->batch);
}

static struct batch *
batch_new(struct cache *c, size_t most)
{
	struct batch *b = mem_zalloc(sizeof(*b));

	b->cache = c;
	b->items = mem_array(most < BATCH_MAX ? most : BATCH_MAX, sizeof(*b->items));
	b->begun_ms = runtime_mono_ms(c->p.runtime);
	c->busy++;
	return b;
}

static void
batch_add(
    struct batch *b, const struct credential_fact *fact, struct served *next, struct map *records)
{
	struct cache *c = b->cache;
	struct prepared *p = &b->items[b->count++];
	const struct record *at_hand =
	    records != NULL ? map_get(records, next->generation.bytes, ID_LEN) : NULL;

	p->batch = b;
	p->next = next;
	p->serial = fact->serial;
	p->opening = (struct opening){
	    .runtime = c->p.runtime,
	    .loop = c->p.loop,
	    .store = c->p.store,
	    .keyring = c->p.keyring,
	    .issuers = c->issuers,
	    .trusted = &c->trust,
	    .record = at_hand != NULL ? record_dup(at_hand) : NULL,
	    .generation = next->generation,
	    .credential = next->credential,
	    .done = prepared_done,
	    .arg = p,
	};
}

static void
batch_start(struct batch *b)
{
	size_t count = b->count;

	b->cache->stats.preparing += count;
	b->pending = count;
	for (size_t i = 0; i < count; i++)
		opening_start(&b->items[i].opening);
}

/* It may be served, but not without news for so long. */
static void
withhold(struct cache *c, const struct credential_fact *fact, bool was_served)
{
	struct err err;
	char hex[ID_HEX_MAX];

	(void)cache_stale_error(fact, &err);
	if (was_served)
		log_warning("cache", "credential=%s not served any more: %s",
		    id_hex(&fact->id, hex), err.text);
	cache_receipt(c, NULL, &fact->id, &err);
}

struct look {
	struct cache *cache;
	struct map *records;
	bool lazy;
	size_t left;                /* to be looked at, this one counted */
	struct serving_change *now; /* without preparation */
	size_t now_count;
	struct batch *batch;
};

static void
look_at(struct look *l, const struct id *id)
{
	struct cache *c = l->cache;
	struct credential_fact *fact = facts_credential(&c->facts, id);
	const struct generation_fact *g = desired_of(c, fact);
	AUTO(served_unrefp)
	struct served *is = serving_of_credential(c->serving, id);

	if (fact != NULL)
		fact->serial = ++c->looks;
	if (g == NULL) {
		if (is != NULL)
			l->now[l->now_count++] = (struct serving_change){*id, NULL};
		if (c->p.events.on_receipt_gone != NULL)
			c->p.events.on_receipt_gone(c->p.events.arg, id);
	} else if (cache_is_stale(c, fact)) {
		if (is != NULL)
			l->now[l->now_count++] = (struct serving_change){*id, NULL};
		withhold(c, fact, is != NULL);
	} else if (is != NULL && same(is, g) && !serving_is_broken(c->serving, is)) {
		/* What could not take its place is not wanted any more either. */
		if (fact->told_error)
			cache_receipt(c, is, id, NULL);
	} else if (is == NULL && l->lazy) {
		struct served *next = cache_make_served(fact, g);

		l->now[l->now_count++] = (struct serving_change){*id, next};
		cache_receipt(c, next, id, NULL);
	} else {
		if (l->batch == NULL)
			l->batch = batch_new(c, l->left);
		batch_add(l->batch, fact, cache_make_served(fact, g), l->records);
		if (l->batch->count == BATCH_MAX)
			batch_start(MOVE(l->batch));
	}
}

void
cache_settle(
    struct cache *c, const struct id *credentials, size_t count, struct map *records, bool lazy)
{
	struct look l = {.cache = c, .records = records, .lazy = lazy};

	l.now = mem_array(count, sizeof(*l.now));
	for (size_t i = 0; i < count; i++) {
		l.left = count - i;
		look_at(&l, &credentials[i]);
	}
	if (l.now_count > 0)
		serving_swap(c->serving, l.now, l.now_count);
	if (l.batch != NULL)
		batch_start(l.batch);
	mem_free(l.now);
}
