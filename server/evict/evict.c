#include "server/evict/evict.h"

#include "common/log/log.h"
#include "common/model/renewal.h"
#include "server/evict/evict_priv.h"

#include <stdio.h>
#include <string.h>

#define IN_FLIGHT 16
#define LOOKS_A_TURN 64
#define KEYS_AT_ONCE 16
/* At everything, for what no event tells: a node that has caught up; more seldom with many. */
#define LOOK_EVERY_MS 1000
#define LOOK_EACH_MS 10 /* for 100 credentials */

static uint64_t
now_ms(const struct evict *e)
{
	return runtime_mono_ms(e->p.runtime);
}

/* Not later than delay_ms from now. */
static void
wake(struct evict *e, uint64_t delay_ms)
{
	uint64_t at = now_ms(e) + delay_ms;

	if (e->stopped || (timer_is_armed(&e->timer) && e->timer_at <= at))
		return;
	e->timer_at = at;
	runtime_timer_start(e->p.runtime, &e->timer, delay_ms);
}

/* --- what is to be looked at --- */

static void
queue(struct evict *e, struct evict_item *item)
{
	if (item->queued)
		return;
	item->queued = true;
	item->next = NULL;
	*e->ready_end = item;
	e->ready_end = &item->next;
}

static struct evict_item *
pop(struct evict *e)
{
	struct evict_item *item = e->ready;

	e->ready = item->next;
	if (e->ready == NULL)
		e->ready_end = &e->ready;
	item->queued = false;
	return item;
}

static bool
add(void *arg, const struct index_record *c)
{
	struct evict *e = arg;
	struct evict_item *item = map_get(e->items, c->id.bytes, ID_LEN);

	if (item == NULL && c->credential->exposed.count == 0)
		return true;
	if (item == NULL) {
		item = mem_zalloc(sizeof(*item));
		item->credential = c->id;
		(void)map_put(e->items, item->credential.bytes, ID_LEN, item);
	}
	queue(e, item);
	wake(e, 0);
	return true;
}

static void
add_all(struct evict *e)
{
	size_t at = 0;
	void *value;

	while (map_next(e->items, &at, NULL, &value))
		queue(e, value);
	e->next_look = now_ms(e) + LOOK_EVERY_MS + map_count(e->items) * LOOK_EACH_MS / 100;
	wake(e, 0);
}

/* --- work --- */

struct working {
	struct evict *e;
	struct id credential;
	bool proves;
};

static void
put_off(struct evict *e, struct evict_item *item, const struct err *err)
{
	char hex[ID_HEX_MAX];

	log_warning("evict", "credential=%s keeps a key that others know for now: %s",
	    id_hex(&item->credential, hex), err->text);
	snprintf(item->trouble, sizeof(item->trouble), "%s", err->text);
	item->not_before = now_ms(e) + renewal_retry_soon_ms(++item->failures);
}

static void
on_done(void *arg, int status, const struct flow_result *result, const struct err *err)
{
	struct working *w = arg;
	struct evict *e = w->e;
	struct evict_item *item = map_get(e->items, w->credential.bytes, ID_LEN);
	bool proves = w->proves;

	mem_free(w);
	e->running--;
	item->running = false;
	if (status == 0) {
		e->trouble.failures = 0;
		item->failures = 0;
		item->trouble[0] = '\0';
		log_info("evict", "name=%s %s", result->name,
		    proves ? "nobody serves a key that others know any more"
			   : "has a new key, or a CSR with one");
	} else if (trouble_is_everybodys(status)) {
		trouble_hold(&e->trouble, now_ms(e));
	} else {
		put_off(e, item, err);
	}
	queue(e, item);
	wake(e, 0);
}

static void
begin(struct evict *e, struct evict_item *item, const struct index_record *c,
    const struct hash *keys, size_t count)
{
	struct working *w = mem_zalloc(sizeof(*w));
	struct err err;
	int rc;

	w->e = e;
	w->credential = item->credential;
	w->proves = keys != NULL;
	rc = keys != NULL
	    ? flow_proven(e->p.flow, &c->id, keys, count, on_done, w, &err)
	    : flow_credential_renew(e->p.flow, c->name, true, "evict", on_done, w, &err);
	if (rc < 0) {
		/* The flow is closing: so is this. */
		mem_free(w);
		return;
	}
	item->running = true;
	e->running++;
}

struct findings {
	struct hash proven[KEYS_AT_ONCE];
	size_t count;
	bool waits, ends;
};

static bool
is_found(const struct findings *f, const struct hash *key)
{
	for (size_t i = 0; i < f->count; i++)
		if (hash_equal(&f->proven[i], key))
			return true;
	return false;
}

static void
find(const struct evict *e, const struct index_record *c, struct findings *f)
{
	struct exposures all = c->credential->exposed;

	for (size_t i = 0; i < all.count; i++) {
		struct evict_view v;

		/* One key, one proof. */
		if (is_found(f, &all.items[i].key))
			continue;
		v = evict_judge(e, c, &all.items[i], NULL, NULL);
		f->waits = f->waits || v.state == EVICT_WAITING;
		f->ends = f->ends || v.state == EVICT_MOOT || v.state == EVICT_PROVEN;
		if (v.state == EVICT_PROVEN && f->count < KEYS_AT_ONCE)
			f->proven[f->count++] = all.items[i].key;
	}
}

static void
look(struct evict *e, struct evict_item *item)
{
	const struct index_record *c =
	    index_of_kind(e->p.index, KIND_CREDENTIAL, &item->credential);
	struct findings f = {.count = 0};

	if (item->running)
		return;
	if (c == NULL || c->credential->exposed.count == 0) {
		mem_free(map_del(e->items, item->credential.bytes, ID_LEN));
		return;
	}
	find(e, c, &f);
	if (item->not_before > now_ms(e))
		return;
	if (f.waits)
		begin(e, item, c, NULL, 0);
	else if (f.ends)
		begin(e, item, c, f.proven, f.count);
}

static void
on_timer(void *arg)
{
	struct evict *e = arg;
	uint64_t now = now_ms(e);

	if (now < e->trouble.until) {
		wake(e, e->trouble.until - now);
		return;
	}
	if (now >= e->next_look)
		add_all(e);
	for (unsigned looks = 0; looks < LOOKS_A_TURN && e->ready != NULL && e->running < IN_FLIGHT;
	     looks++)
		look(e, pop(e));
	/* What is running wakes this again when it ends. */
	if (e->ready != NULL && e->running < IN_FLIGHT)
		wake(e, 0);
	else if (map_count(e->items) > 0)
		wake(e, e->next_look > now ? e->next_look - now : 0);
}

/* --- what happens --- */

/* The index has taken them in already: it observes first. */
static void
on_commit(void *arg, const struct committed *records, size_t count, const struct head *head,
    struct signed_bytes signed_head)
{
	struct evict *e = arg;
	bool all = false;

	(void)head;
	(void)signed_head;
	for (size_t i = 0; i < count; i++) {
		const struct record *r = records[i].record;
		const struct index_record *now = index_of_kind(e->p.index, KIND_CREDENTIAL, &r->id);

		if (now != NULL)
			add(e, now);
		/* Whoever is gone serves nothing that counts; a group may be without it now. */
		all = all || r->kind == KIND_NODE || r->kind == KIND_GROUP;
	}
	if (all && map_count(e->items) > 0)
		add_all(e);
}

void
evict_on_receipt(struct evict *e, const struct id *node, const struct id *credential)
{
	struct evict_item *item;

	(void)node;
	if (e->stopped || map_count(e->items) == 0)
		return;
	if (credential == NULL) {
		add_all(e);
		return;
	}
	item = map_get(e->items, credential->bytes, ID_LEN);
	if (item == NULL)
		return;
	queue(e, item);
	wake(e, 0);
}

struct evict *
evict_new(const struct evict_params *params)
{
	struct evict *e = mem_zalloc(sizeof(*e));

	e->p = *params;
	e->items = map_new();
	e->ready_end = &e->ready;
	e->timer = (struct timer){.cb = on_timer, .arg = e};
	commit_observe(e->p.commit, on_commit, e);
	index_each(e->p.index, KIND_CREDENTIAL, add, e);
	return e;
}

void
evict_stop(struct evict *e)
{
	if (e == NULL || e->stopped)
		return;
	e->stopped = true;
	commit_unobserve(e->p.commit, on_commit, e);
	runtime_timer_stop(e->p.runtime, &e->timer);
}

void
evict_free(struct evict *e)
{
	size_t at = 0;
	void *value;

	if (e == NULL)
		return;
	evict_stop(e);
	CHECK(e->running == 0);
	while (map_next(e->items, &at, NULL, &value))
		mem_free(value);
	map_free(e->items);
	mem_free(e);
}
