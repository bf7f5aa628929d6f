/*
 * Chains of the generations in force, judged one after another: the record is fetched from the
 * store, and what is wrong with its chain is kept. They are judged when they are new, when what is
 * trusted has changed, and once a day.
 */

#include "common/wire/public_wire.h"
#include "server/health/health_priv.h"

#include <string.h>

#define JUDGE_EVERY_MS 20

/* Outlives health when the store answers after its end. */
struct judging {
	struct health *health;
	struct id credential;
};

static void
arm(struct health *h)
{
	if (h->judging == NULL && h->judge_queue.first != NULL)
		runtime_timer_start(h->p.runtime, &h->judge_timer, JUDGE_EVERY_MS);
}

void
chains_queue(struct health *h, struct item *it)
{
	if (it->judge_queued)
		return;
	it->judge_queued = true;
	it->judge_next = NULL;
	*h->judge_queue.end = it;
	h->judge_queue.end = &it->judge_next;
	arm(h);
}

void
chains_queue_all(struct health *h)
{
	size_t at = 0;
	void *value;

	h->judged_all_ms = runtime_mono_ms(h->p.runtime);
	while (map_next(h->items, &at, NULL, &value))
		chains_queue(h, value);
}

static void
drop_first(struct health *h)
{
	struct item *it = h->judge_queue.first;

	it->judge_queued = false;
	h->judge_queue.first = it->judge_next;
	if (h->judge_queue.first == NULL)
		h->judge_queue.end = &h->judge_queue.first;
}

void
chains_forget(struct health *h, struct item *it)
{
	struct item **at = &h->judge_queue.first;

	if (!it->judge_queued)
		return;
	while (*at != it)
		at = &(*at)->judge_next;
	*at = it->judge_next;
	if (*at == NULL)
		h->judge_queue.end = at;
	it->judge_queued = false;
}

/* --- judging --- */

static void
keep(struct item *it, const struct chain *chain)
{
	struct kept_reasons *kept = NULL;
	size_t count = 0;

	for (size_t i = 0; i < chain->reason_count; i++)
		count += chain_code_grade(chain->reasons[i].code) != CHAIN_GREEN;
	if (count > 0) {
		kept = mem_zalloc(sizeof(*kept) + count * sizeof(kept->items[0]));
		for (size_t i = 0; i < chain->reason_count; i++) {
			const struct chain_reason *r = &chain->reasons[i];
			struct kept_reason *k = &kept->items[kept->count];

			if (chain_code_grade(r->code) == CHAIN_GREEN)
				continue;
			k->code = chain_code_name(r->code);
			k->grade =
			    chain_code_grade(r->code) == CHAIN_RED ? HEALTH_RED : HEALTH_YELLOW;
			memcpy(k->text, r->text, sizeof(k->text));
			kept->count++;
		}
	}
	mem_free(it->chain);
	it->chain = kept;
	it->judged = true;
}

/* The times of the leaf are judged with its lifetime, elsewhere. */
static void
leave_out_times(struct chain *chain)
{
	size_t kept = 0;

	for (size_t i = 0; i < chain->reason_count; i++)
		if (chain->reasons[i].code != CHAIN_LEAF_EXPIRED &&
		    chain->reasons[i].code != CHAIN_NOT_YET_VALID)
			chain->reasons[kept++] = chain->reasons[i];
	chain->reason_count = kept;
}

static void
judge(struct health *h, struct item *it, const struct index_record *c,
    const struct generation_public *g)
{
	const char *profile =
	    g->profile != NULL && g->profile[0] != '\0' ? g->profile : c->credential->profile;
	enum leaf_profile purpose = LEAF_SERVER;
	struct cert *certs[LIMIT_CHAIN];
	AUTO(pkey_unrefp)
	struct pkey *key = NULL;
	size_t count = 0;
	struct chain chain = {.count = 0};

	while (count < g->chain.count && count < LIMIT_CHAIN &&
	    cert_parse(g->chain.items[count], &certs[count], NULL) == 0)
		count++;
	if (profile != NULL)
		(void)!leaf_profile_parse(profile, &purpose, NULL);
	(void)!pkey_from_spki(g->key, &key, NULL);
	if (count > 0) {
		flow_chain_of(h->p.flow, (struct certs){(const struct cert *const *)certs, count},
		    purpose, key, c->credential->preferred_root, &chain);
		leave_out_times(&chain);
		keep(it, &chain);
		chain_fini(&chain);
	}
	while (count > 0)
		cert_unref(certs[--count]);
}

static void
on_fetched(void *arg, int status, const struct record *record, struct signed_bytes signed_record,
    const struct err *err)
{
	struct judging *j = arg;
	struct health *h = j->health;
	struct item *it = h != NULL ? health_item(h, &j->credential) : NULL;
	const struct index_record *c =
	    h != NULL ? index_of_kind(h->p.index, KIND_CREDENTIAL, &j->credential) : NULL;
	struct generation_public g = {0};

	(void)signed_record;
	(void)err;
	mem_free(j);
	if (h == NULL)
		return;
	h->judging = NULL;
	/* What has changed meanwhile is in the queue again. */
	if (status == 0 && it != NULL && c != NULL && id_equal(&it->active, &record->id) &&
	    wire_generation_public_decode(record->public_part, &g, NULL) == 0) {
		judge(h, it, c, &g);
		health_touch(h, it);
		generation_public_fini(&g);
	}
	arm(h);
}

static void
on_timer(void *arg)
{
	struct health *h = arg;

	while (h->judging == NULL && h->judge_queue.first != NULL) {
		const struct item *it = h->judge_queue.first;
		const struct index_record *c =
		    index_of_kind(h->p.index, KIND_CREDENTIAL, &it->credential);
		const struct index_record *active = c != NULL ? index_active(h->p.index, c) : NULL;

		drop_first(h);
		if (active == NULL || c->credential->archived)
			continue;
		h->judging = mem_zalloc(sizeof(*h->judging));
		*h->judging = (struct judging){h, it->credential};
		index_fetch(h->p.index, &active->id, on_fetched, h->judging);
	}
}

void
chains_start(struct health *h)
{
	h->judge_timer = (struct timer){.cb = on_timer, .arg = h};
}

void
chains_stop(struct health *h)
{
	runtime_timer_stop(h->p.runtime, &h->judge_timer);
	if (h->judging != NULL)
		h->judging->health = NULL;
}
