#include "server/health/health_priv.h"

#include <stdio.h>
#include <string.h>

/* Of the reports that are made at one turn, by the servers that they ask for. */
#define WORK_COST 4096
#define WORK_EVERY_MS 100
#define SWEEP_EVERY_MS 5000

static const char *const conditions[] = {
    [CONDITION_EXPIRING] = "expiring",
    [CONDITION_EXPIRED] = "expired",
    [CONDITION_CHAIN] = "chain",
    [CONDITION_NOT_SERVED] = "not-served",
    [CONDITION_CHECK] = "check",
};
_Static_assert(ARRAY_LEN(conditions) == CONDITION__COUNT, "every condition has a name");

const char *
health_condition_name(enum health_condition condition)
{
	CHECK(condition < CONDITION__COUNT);
	return conditions[condition];
}

/* CONDITION__COUNT: nobody is told of that. */
static enum health_condition
condition_of(const char *code)
{
	static const struct {
		const char *code;
		enum health_condition condition;
	} rules[] = {
	    {"expiring", CONDITION_EXPIRING},
	    {"expired", CONDITION_EXPIRED},
	    {"not-served", CONDITION_NOT_SERVED},
	    {"older-served", CONDITION_NOT_SERVED},
	};

	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		if (str_equal(rules[i].code, code))
			return rules[i].condition;
	if (str_starts(code, "check-"))
		return CONDITION_CHECK;
	for (enum chain_code c = 0; c < CHAIN_CODE__COUNT; c++)
		if (str_equal(chain_code_name(c), code))
			return CONDITION_CHAIN;
	return CONDITION__COUNT;
}

/* --- items --- */

struct item *
health_item(const struct health *h, const struct id *credential)
{
	return map_get(h->items, credential->bytes, ID_LEN);
}

static void
queue_add(struct queue *q, struct item *it)
{
	it->next = NULL;
	*q->end = it;
	q->end = &it->next;
	q->count++;
}

static struct item *
queue_take(struct queue *q)
{
	struct item *it = q->first;

	if (it == NULL)
		return NULL;
	q->first = it->next;
	if (q->first == NULL)
		q->end = &q->first;
	q->count--;
	return it;
}

static void
queue_del(struct queue *q, struct item *it)
{
	struct item **at = &q->first;

	while (*at != it)
		at = &(*at)->next;
	*at = it->next;
	if (it->next == NULL)
		q->end = at;
	q->count--;
}

void
health_touch(struct health *h, struct item *it)
{
	if (it->queued)
		return;
	if (h->queue.first == NULL)
		runtime_timer_start(h->p.runtime, &h->work_timer, WORK_EVERY_MS);
	it->queued = true;
	queue_add(&h->queue, it);
}

void
item_free_places(struct item *it)
{
	for (size_t i = 0; i < it->place_count; i++)
		mem_free(it->places[i].address);
	mem_free(MOVE(it->places));
	it->place_count = 0;
}

static void
item_free(struct item *it)
{
	item_free_places(it);
	mem_free(it->chain);
	mem_free(it);
}

static void
item_remove(struct health *h, const struct id *credential)
{
	struct item *it = map_del(h->items, credential->bytes, ID_LEN);

	if (it == NULL)
		return;
	if (it->queued)
		queue_del(&h->queue, it);
	chains_forget(h, it);
	item_free(it);
}

/* The record is new, or has changed. */
static void
item_refresh(struct health *h, const struct id *credential)
{
	const struct index_record *c = index_of_kind(h->p.index, KIND_CREDENTIAL, credential);
	struct item *it = health_item(h, credential);
	bool is_new = it == NULL;

	if (c == NULL) {
		item_remove(h, credential);
		return;
	}
	if (is_new) {
		it = mem_zalloc(sizeof(*it));
		it->credential = *credential;
		map_put(h->items, credential->bytes, ID_LEN, it);
	}
	if (c->credential->has_active && !id_equal(&it->active, &c->credential->active)) {
		it->active = c->credential->active;
		mem_free(MOVE(it->chain));
		it->judged = false;
		chains_queue(h, it);
		if (!is_new)
			looks_soon(h, it);
	}
	looks_refresh(h, it, c);
	health_touch(h, it);
}

/* --- one report, and who is told of it --- */

static void
tell(struct health *h, struct item *it, const struct index_record *c,
    enum health_condition condition, const struct health_reason *reason)
{
	struct health_change change = {
	    .condition = condition,
	    .grade = reason != NULL ? reason->grade : HEALTH_GREEN,
	    .credential = c,
	    .code = reason != NULL ? reason->code : "",
	    .text = reason != NULL ? reason->text : "",
	};
	char hex[ID_HEX_MAX], key[ID_HEX_MAX + 64];

	if (change.grade == it->told[condition])
		return;
	it->told[condition] = change.grade;
	snprintf(key, sizeof(key), "%s:%s:%s", health_condition_name(condition),
	    id_hex(&it->active, hex), health_grade_name(change.grade));
	change.key = key;
	if (h->listener != NULL)
		h->listener(h->listener_arg, &change);
}

static void
tell_all(struct health *h, struct item *it, const struct index_record *c,
    const struct health_report *report)
{
	const struct health_reason *worst[CONDITION__COUNT] = {NULL};

	for (size_t i = 0; i < report->count; i++) {
		const struct health_reason *r = &report->reasons[i];
		enum health_condition at = condition_of(r->code);

		if (at < CONDITION__COUNT && (worst[at] == NULL || r->grade > worst[at]->grade))
			worst[at] = r;
	}
	for (enum health_condition at = 0; at < CONDITION__COUNT; at++)
		tell(h, it, c, at, worst[at]);
}

/* Returns what it cost. */
static size_t
look_at(struct health *h, struct item *it)
{
	const struct index_record *c = index_of_kind(h->p.index, KIND_CREDENTIAL, &it->credential);
	struct health_report report;
	size_t cost;

	if (c == NULL)
		return 1;
	cost = gather(h, it, c, &report, &it->again_at);
	it->grade = report.grade;
	it->seen = true;
	tell_all(h, it, c, &report);
	return cost;
}

static void
on_work(void *arg)
{
	struct health *h = arg;
	struct item *it;

	for (size_t cost = 0; cost < WORK_COST && (it = queue_take(&h->queue)) != NULL;) {
		it->queued = false;
		cost += look_at(h, it);
	}
	if (h->queue.first != NULL)
		runtime_timer_start(h->p.runtime, &h->work_timer, WORK_EVERY_MS);
}

/* What changes by the clock alone. */
static void
on_sweep(void *arg)
{
	struct health *h = arg;
	int64_t now = runtime_wall_s(h->p.runtime);
	size_t at = 0;
	void *value;

	while (map_next(h->items, &at, NULL, &value)) {
		struct item *it = value;

		if (h->touch_all || (it->again_at != 0 && it->again_at <= now))
			health_touch(h, it);
	}
	h->touch_all = false;
	looks_sweep(h);
	/* Issuers run out as well. */
	if (runtime_mono_ms(h->p.runtime) - h->judged_all_ms > (uint64_t)HEALTH_LOOK_S * 1000) {
		chains_queue_all(h);
		anchors_load(h);
	}
	runtime_timer_start(h->p.runtime, &h->sweep_timer, SWEEP_EVERY_MS);
}

void
health_of(const struct health *h, const struct index_record *credential, struct health_report *out)
{
	int64_t again_at;

	(void)gather(h, health_item(h, &credential->id), credential, out, &again_at);
}

/* --- all of them --- */

void
health_summary(const struct health *h, struct health_summary *out)
{
	size_t at = 0;
	void *value;

	memset(out, 0, sizeof(*out));
	while (map_next(h->items, &at, NULL, &value)) {
		const struct item *it = value;
		const struct index_record *c =
		    index_of_kind(h->p.index, KIND_CREDENTIAL, &it->credential);

		if (c == NULL || c->credential->archived)
			continue;
		if (!it->seen) {
			out->unseen++;
			continue;
		}
		out->grades[it->grade]++;
		out->chains_unseen += c->credential->has_active && !it->judged;
		out->addresses += it->place_count;
		for (size_t i = 0; i < it->place_count; i++) {
			out->addresses_unseen += it->places[i].result.at == 0;
			out->addresses_bad += it->places[i].result.findings != 0;
		}
	}
}

struct worst {
	const struct health *health;
	const struct index_record **out;
	enum health_grade grades[HEALTH_WORST];
	size_t count;
};

static bool
is_before(const struct index_record *a, enum health_grade ga, const struct index_record *b,
    enum health_grade gb)
{
	return ga != gb ? ga > gb : strcmp(a->name, b->name) < 0;
}

static bool
on_credential(void *arg, const struct index_record *c)
{
	struct worst *w = arg;
	const struct item *it = health_item(w->health, &c->id);
	size_t at = w->count;

	if (it == NULL || !it->seen || it->grade == HEALTH_GREEN)
		return true;
	if (at == HEALTH_WORST && !is_before(c, it->grade, w->out[at - 1], w->grades[at - 1]))
		return true;
	if (at == HEALTH_WORST)
		at--;
	for (; at > 0 && is_before(c, it->grade, w->out[at - 1], w->grades[at - 1]); at--) {
		w->out[at] = w->out[at - 1];
		w->grades[at] = w->grades[at - 1];
	}
	w->out[at] = c;
	w->grades[at] = it->grade;
	w->count += w->count < HEALTH_WORST;
	return true;
}

size_t
health_worst_ones(const struct health *h, const struct index_record *out[static HEALTH_WORST])
{
	struct worst w = {.health = h, .out = out};

	index_each(h->p.index, KIND_CREDENTIAL, on_credential, &w);
	return w.count;
}

/* --- what it is told --- */

void
health_on_receipt(struct health *h, const struct id *node, const struct id *credential)
{
	struct item *it = credential != NULL ? health_item(h, credential) : NULL;

	(void)node;
	if (it != NULL)
		health_touch(h, it);
	/* A thousand nodes that come back tell everything: that is one walk, at the next sweep. */
	else if (credential == NULL)
		h->touch_all = true;
}

static void
on_generation(struct health *h, const struct id *generation)
{
	const struct index_record *g = index_of_kind(h->p.index, KIND_GENERATION, generation);
	struct item *it = g != NULL ? health_item(h, &g->generation->credential) : NULL;

	if (it == NULL)
		return;
	/* A new version of it may have another chain. */
	if (id_equal(&it->active, generation))
		chains_queue(h, it);
	health_touch(h, it);
}

static void
on_observed(void *arg, const struct committed *records, size_t count, const struct head *head,
    struct signed_bytes signed_head)
{
	struct health *h = arg;
	bool trust = false;

	(void)head;
	(void)signed_head;
	for (size_t i = 0; i < count; i++) {
		const struct record *r = records[i].record;

		if (r->kind == KIND_CREDENTIAL)
			item_refresh(h, &r->id);
		else if (r->kind == KIND_GENERATION)
			on_generation(h, &r->id);
		else if (r->kind == KIND_NODE)
			runway_on_node(h, &r->id);
		trust = trust || r->kind == KIND_TRUSTED_ROOT || r->kind == KIND_CA;
	}
	if (trust)
		chains_queue_all(h);
}

/* --- life --- */

static bool
on_first(void *arg, const struct index_record *r)
{
	item_refresh(arg, &r->id);
	return true;
}

struct health *
health_new(const struct health_params *params)
{
	struct health *h = mem_zalloc(sizeof(*h));

	h->p = *params;
	h->items = map_new();
	h->queue.end = &h->queue.first;
	h->judge_queue.end = &h->judge_queue.first;
	h->started_ms = h->judged_all_ms = runtime_mono_ms(h->p.runtime);
	h->work_timer = (struct timer){.cb = on_work, .arg = h};
	h->sweep_timer = (struct timer){.cb = on_sweep, .arg = h};
	chains_start(h);
	anchors_load(h);
	runway_start(h);
	index_each(h->p.index, KIND_CREDENTIAL, on_first, h);
	commit_observe(h->p.commit, on_observed, h);
	runtime_timer_start(h->p.runtime, &h->sweep_timer, SWEEP_EVERY_MS);
	return h;
}

void
health_free(struct health *h)
{
	size_t at = 0;
	void *value;

	if (h == NULL)
		return;
	commit_unobserve(h->p.commit, on_observed, h);
	runtime_timer_stop(h->p.runtime, &h->work_timer);
	runtime_timer_stop(h->p.runtime, &h->sweep_timer);
	looks_stop(h);
	chains_stop(h);
	anchors_stop(h);
	runway_stop(h);
	while (map_next(h->items, &at, NULL, &value))
		item_free(value);
	map_free(h->items);
	mem_free(h);
}

void
health_listen(struct health *h, health_change_cb *cb, void *arg)
{
	h->listener = cb;
	h->listener_arg = arg;
}
