#include "replica/cache/cache_priv.h"

#include "common/keyring/keyring.h"
#include "common/log/log.h"
#include "common/store/store.h"
#include "common/wire/record_wire.h"
#include "common/wire/trust.h"

#define WARM_AT_ONCE 2

/*
 * A look at the whole store: a job reads and decodes, then the loop thread takes the new facts and
 * settles every credential that is in them or is served.
 */
struct load {
	struct job job;
	struct cache *cache;
	struct trust *trust;
	struct facts facts;
	struct published *published;
	bool damaged;
	struct record **memberships;
	size_t membership_count;
	cache_loaded_cb *loaded;
	void *arg;
	int status;
	struct err err;
};

/*
 * Those of this node, of the many. What came by a fetch of everything was believed by its digest
 * alone, and a secret is opened only of what is signed.
 */
static int
load_membership(struct load *l, const struct record *record, const struct stored_record *stored,
    struct err *err)
{
	int r;

	if (!keyring_is_own(l->cache->p.keyring, record))
		return 0;
	r = trust_verify_record(l->trust, record, stored->body, stored->signature, err);
	l->damaged = l->damaged || r == ERR_CRYPTO;
	if (r < 0)
		return r;
	l->memberships = mem_grow(l->memberships, l->membership_count + 1, sizeof(struct record *));
	l->memberships[l->membership_count++] = record_dup(record);
	return 0;
}

/* Others will believe it in the name of the domain. */
static int
load_published(struct load *l, const struct record *record, const struct stored_record *stored,
    struct err *err)
{
	int r = trust_verify_record(l->trust, record, stored->body, stored->signature, err);

	l->damaged = l->damaged || r == ERR_CRYPTO;
	return r < 0 ? r : published_learn(l->published, record, err);
}

static int
load_record(const struct stored_record *stored, void *arg, struct err *err)
{
	struct load *l = arg;
	struct record *record = mem_zalloc(sizeof(*record));
	struct id credential;
	int r = wire_record_decode(stored->body, record, err);

	l->damaged = l->damaged || r < 0;
	if (r == 0 && record->kind == KIND_MEMBERSHIP) {
		r = load_membership(l, record, stored, err);
	} else if (r == 0 && (record->kind == KIND_CA || record->kind == KIND_CRL)) {
		r = load_published(l, record, stored, err);
	} else if (r == 0) {
		r = facts_learn(&l->facts, record, &credential, err);
	}
	mem_free(record);
	if (r < 0 && r != ERR_NOTFOUND)
		log_warning("cache", "passing over a record of '%s': %s", stored->name, err->text);
	return 0; /* one bad record must not keep the others from being served */
}

static void
load_run(struct job *job)
{
	static const uint32_t kinds[] = {
	    KIND_MEMBERSHIP, KIND_CA, KIND_CRL, KIND_CREDENTIAL, KIND_GENERATION};
	struct load *l = CONTAINER_OF(job, struct load, job);

	for (size_t i = 0; i < ARRAY_LEN(kinds) && l->status == 0; i++)
		l->status = store_each(l->cache->p.store, kinds[i], true, load_record, l, &l->err);
}

static void
learn_memberships(struct load *l)
{
	struct id *ids = mem_array(l->membership_count + 1, sizeof(*ids));

	for (size_t i = 0; i < l->membership_count; i++) {
		ids[i] = l->memberships[i]->id;
		(void)cache_learn_membership(l->cache, l->memberships[i]);
		record_free(l->memberships[i]);
	}
	/* One that was ended and purged while nobody told this node is simply not there. */
	if (l->status == 0)
		(void)keyring_keep(l->cache->p.keyring, ids, l->membership_count);
	mem_free(ids);
	mem_free(l->memberships);
}

static void
settle_all(struct cache *c)
{
	struct id *served, *all;
	size_t count = serving_credentials(c->serving, &served), n = 0, at = 0;
	void *value;

	all = mem_array(count + map_count(c->facts.credentials), sizeof(struct id));
	for (size_t i = 0; i < count; i++)
		if (facts_credential(&c->facts, &served[i]) == NULL)
			all[n++] = served[i];
	while (map_next(c->facts.credentials, &at, NULL, &value))
		all[n++] = ((struct credential_fact *)value)->id;
	cache_settle(c, all, n, NULL, true);
	mem_free(served);
	mem_free(all);
}

/* Their serials are new: preparations that were begun on the old facts are void. */
static void
keep_what_was_told(struct facts *old, struct facts *new)
{
	size_t at = 0;
	void *value;

	while (map_next(new->credentials, &at, NULL, &value)) {
		struct credential_fact *c = value;
		const struct credential_fact *was = facts_credential(old, &c->id);

		c->told_error = was != NULL && was->told_error;
	}
}

static void
load_done(struct job *job)
{
	struct load *l = CONTAINER_OF(job, struct load, job);
	struct cache *c = l->cache;

	c->load_again = false;
	if (l->status < 0) {
		learn_memberships(l);
		facts_fini(&l->facts);
		/* What it would have shown comes in no delta. */
		cache_load_again(c);
	} else {
		keep_what_was_told(&c->facts, &l->facts);
		facts_fini(&c->facts);
		c->facts = l->facts;
		published_replace(c->published, l->published);
		learn_memberships(l);
		if (!c->load_again)
			backoff_reset(&c->again_backoff);
		settle_all(c);
		cache_stale_arm(c);
		c->stats.known = map_count(c->facts.credentials);
		mem_free(c->warm);
		c->warm_count = serving_credentials(c->serving, &c->warm);
		if (c->warm_count > CACHE_WARM_MAX)
			c->warm_count = CACHE_WARM_MAX;
		if (c->warm_count > c->p.opened_max)
			c->warm_count = c->p.opened_max;
		for (int i = 0; i < WARM_AT_ONCE && !c->closing; i++)
			cache_warm_up(c);
	}
	if (l->loaded != NULL)
		l->loaded(l->arg, l->status, l->status < 0 ? &l->err : NULL);
	cache_damaged(c, l->damaged);
	trust_free(l->trust);
	published_free(l->published);
	mem_free(l);
	cache_idle(c);
}

void
cache_load_start(struct cache *c, cache_loaded_cb *loaded, void *arg)
{
	struct load *l = mem_zalloc(sizeof(*l));

	l->cache = c;
	l->trust = trust_clone(c->trust);
	l->loaded = loaded;
	l->arg = arg;
	facts_init(&l->facts);
	l->published = published_new();
	l->job = (struct job){load_run, load_done, NULL};
	c->busy++;
	runtime_work(c->p.runtime, &l->job);
}

int
cache_load(
    struct cache *c, const struct trust *trust, cache_loaded_cb *loaded, void *arg, struct err *err)
{
	(void)err;
	trust_free(c->trust);
	c->trust = trust_clone(trust);
	cache_load_start(c, loaded, arg);
	return 0;
}

/* One more; each that ends calls this again, so few are under way at any time. */
void
cache_warm_up(struct cache *c)
{
	while (c->warm_count > 0) {
		AUTO(served_unrefp)
		struct served *s = serving_of_credential(c->serving, &c->warm[--c->warm_count]);

		if (s == NULL || !serving_begin_opening(c->serving, s))
			continue;
		cache_open_served(c, s);
		return;
	}
}
