/*
 * Seals that are not what they should be: a node was removed, a group or a node got a new key. The
 * index knows whom each record is sealed to, and the access and the present keys say whom it should
 * be; where they differ the record is sealed anew. There is no queue to be lost: after a start
 * everything is looked at once. A record that cannot be sealed anew, or is as wrong as before when
 * it has been, waits longer each time and keeps no other one back.
 */

#include "common/crypto/sign.h"
#include "common/log/log.h"
#include "common/model/renewal.h"
#include "server/flow/flow_priv.h"

#include <stdlib.h>
#include <string.h>

#define LOOKS_A_TURN 512

struct reseal_item {
	struct id id;
	bool running, waits;
	unsigned failures;
	uint64_t not_before;
	struct reseal_item *next; /* of those that are ready, or that wait */
};

/* --- who it should be --- */

struct recipients {
	const struct index *ix;
	struct key_id ids[LIMIT_RECIPIENTS + 1];
	size_t count;
};

static void
add_key(struct recipients *r, struct span spki)
{
	struct key_id id;

	if (r->count == ARRAY_LEN(r->ids))
		return;
	spki_key_id(spki, &id);
	for (size_t i = 0; i < r->count; i++)
		if (memcmp(&r->ids[i], &id, sizeof(id)) == 0)
			return;
	r->ids[r->count++] = id;
}

static int
compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, KEY_ID_LEN);
}

/* SHA-256 of the sorted key identifiers, as the index keeps it of seals. */
static void
expected(const struct index *ix, const struct index_record *record, struct hash *out)
{
	const struct index_record *managers = index_managers(ix);
	struct recipients r = {.ix = ix};
	struct id audience[LIMIT_ACCESS];
	size_t count = index_audience(ix, record, audience);

	if (managers != NULL)
		add_key(&r, managers->group->key);
	for (size_t i = 0; i < count; i++) {
		const struct index_record *a = index_get(ix, &audience[i]);

		add_key(&r, a->kind == KIND_NODE ? a->node->sealing_key : a->group->key);
	}
	qsort(r.ids, r.count, sizeof(r.ids[0]), compare_ids);
	hash_of(SPAN(r.ids, r.count * sizeof(r.ids[0])), out);
}

/*
 * Of one that names somebody who has gone, or who may not open it any more: its record is wrong
 * even if its seal is not.
 */
static bool
names_others(const struct index *ix, const struct index_record *r)
{
	struct id audience[LIMIT_ACCESS];

	return index_audience(ix, r, audience) < r->access.count;
}

static bool
is_due(const struct index *ix, const struct index_record *r)
{
	struct hash want;

	if (r->kind == KIND_CREDENTIAL)
		return names_others(ix, r);
	if (r->recipient_count == 0 ||
	    (r->kind != KIND_GENERATION && r->kind != KIND_EXPORT_KEY && r->kind != KIND_CA &&
		r->kind != KIND_GROUP))
		return false;
	if (names_others(ix, r))
		return true;
	expected(ix, r, &want);
	return !hash_equal(&want, &r->recipients);
}

/* --- one record --- */

static int
look_reseal(struct flow_op *op, struct err *err)
{
	const struct index_record *r = index_get(op->flow->index, &op->in.record);

	if (r == NULL || !is_due(op->flow->index, r))
		return err_set(err, ERR_EXISTS, "it is sealed as it should be");
	op->credential = r->id;
	op->credential_version = r->version;
	op->access_count = index_audience(op->flow->index, r, op->access);
	if (r->kind == KIND_CREDENTIAL)
		return 0;
	op->fetches = true;
	op->fetch = r->id;
	op->calls = 1;
	return 0;
}

/* Whom the seal of a generation leaves out because it has gone is noted in its credential. */
static int
draft_gone(struct flow_op *op, struct mutation *m, struct err *err)
{
	const struct index *ix = op->flow->index;
	const struct index_record *g = index_of_kind(ix, KIND_GENERATION, &op->credential);
	const struct index_record *c =
	    g != NULL ? index_of_kind(ix, KIND_CREDENTIAL, &g->generation->credential) : NULL;
	struct exposure_list *list;
	int rc = 0;

	if (c == NULL)
		return 0;
	list = mem_zalloc(sizeof(*list));
	exposure_list_init(list, c->credential->exposed);
	index_expose_gone(ix, c, list);
	if (list->changed)
		rc = index_draft_exposed(c, list, m, err);
	mem_free(list);
	return rc;
}

static int
mutation_reseal(struct flow_op *op, struct mutation *m, struct err *err)
{
	const struct index_record *c;
	int rc;

	if (op->calls > 0) {
		rc = draft_resealed(op, m, 0, err);
		return rc < 0 ? rc : draft_gone(op, m, err);
	}
	rc = draft_current(op, &c, err);
	return rc < 0 ? rc : draft_credential(op, m, c->name, c->credential, err);
}

const struct flow_op_type flow_op_reseal = {"reseal", look_reseal, request_reseal, mutation_reseal};

/* --- all of them --- */

static uint64_t
now_ms(const struct flow *f)
{
	return runtime_mono_ms(f->rt);
}

/* Not later than delay_ms from now. */
static void
wake(struct flow *f, uint64_t delay_ms)
{
	uint64_t at = now_ms(f) + delay_ms;

	if (f->closing || (timer_is_armed(&f->reseal_timer) && f->reseal_at <= at))
		return;
	f->reseal_at = at;
	runtime_timer_start(f->rt, &f->reseal_timer, delay_ms);
}

static void
make_ready(struct flow *f, struct reseal_item *item)
{
	item->waits = false;
	item->next = NULL;
	*f->reseal_ready_end = item;
	f->reseal_ready_end = &item->next;
}

static void
make_wait(struct flow *f, struct reseal_item *item)
{
	uint64_t wait = renewal_retry_soon_ms(++item->failures);

	item->waits = true;
	item->not_before = now_ms(f) + wait;
	if (f->reseal_waiting == NULL || item->not_before < f->reseal_next)
		f->reseal_next = item->not_before;
	item->next = f->reseal_waiting;
	f->reseal_waiting = item;
	wake(f, wait);
}

static void
add_item(struct flow *f, const struct index_record *r)
{
	struct reseal_item *item = map_get(f->reseal, r->id.bytes, ID_LEN);

	if (item == NULL) {
		item = mem_zalloc(sizeof(*item));
		item->id = r->id;
		map_put(f->reseal, item->id.bytes, ID_LEN, item);
		make_ready(f, item);
	} else {
		/* Its recipients have changed, so it may go well now. */
		item->failures = 0;
		item->not_before = 0;
		if (item->waits)
			f->reseal_next = 0;
	}
}

static void
end_item(struct flow *f, struct reseal_item *item)
{
	map_del(f->reseal, item->id.bytes, ID_LEN);
	mem_free(item);
}

static bool
on_record(void *arg, const struct index_record *r)
{
	add_item(arg, r);
	return true;
}

static void
add_everything(struct flow *f)
{
	static const uint32_t kinds[] = {
	    KIND_GENERATION, KIND_EXPORT_KEY, KIND_CA, KIND_GROUP, KIND_CREDENTIAL};

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		index_each(f->index, kinds[i], on_record, f);
	wake(f, 0);
}

struct resealing {
	struct flow *flow;
	struct id id;
	bool seal; /* else only a list of access */
};

static void
sealed(struct flow *f, struct reseal_item *item)
{
	const struct index_record *r = index_get(f->index, &item->id);
	char hex[ID_HEX_MAX];

	f->reseal_trouble = (struct trouble){0};
	if (r == NULL || !is_due(f->index, r)) {
		end_item(f, item);
	} else if (item->failures == 0) {
		item->failures++; /* what it should be has changed meanwhile, most likely */
		make_ready(f, item);
	} else {
		log_error("flow", "record=%s was sealed anew and is as wrong as before",
		    id_hex(&item->id, hex));
		make_wait(f, item);
	}
	wake(f, 0);
}

static void
on_resealed(void *arg, int status, const struct flow_result *result, const struct err *err)
{
	struct resealing *r = arg;
	struct flow *f = r->flow;
	struct reseal_item *item = map_get(f->reseal, r->id.bytes, ID_LEN);
	uint64_t now = now_ms(f);
	char hex[ID_HEX_MAX];

	(void)result;
	f->stats.resealed += r->seal && status == 0;
	mem_free(r);
	f->reseal_running--;
	item->running = false;
	if (status == 0 || status == ERR_EXISTS || status == ERR_NOTFOUND) {
		sealed(f, item);
	} else if (trouble_is_everybodys(status)) {
		if (f->reseal_trouble.failures == 0)
			log_warning("flow", "record=%s not sealed anew: %s; trying again",
			    id_hex(&item->id, hex), err->text);
		make_ready(f, item);
		trouble_hold(&f->reseal_trouble, now);
		wake(f, f->reseal_trouble.until - now);
	} else {
		log_warning("flow", "record=%s cannot be sealed anew: %s", id_hex(&item->id, hex),
		    err->text);
		make_wait(f, item);
		wake(f, 0);
	}
}

static void
start_one(struct flow *f, struct reseal_item *item)
{
	struct resealing *r = mem_zalloc(sizeof(*r));
	struct flow_op *op = flow_op_new(f, &flow_op_reseal, on_resealed, r);

	r->flow = f;
	r->id = item->id;
	r->seal = index_get(f->index, &item->id)->kind != KIND_CREDENTIAL;
	item->running = true;
	f->reseal_running++;
	op->in.record = item->id;
	flow_op_start(op);
}

static void
take_waiting(struct flow *f)
{
	struct reseal_item *all = f->reseal_waiting, *next;
	uint64_t now = now_ms(f);

	if (all == NULL || now < f->reseal_next)
		return;
	f->reseal_waiting = NULL;
	f->reseal_next = UINT64_MAX;
	for (struct reseal_item *item = all; item != NULL; item = next) {
		next = item->next;
		if (item->not_before <= now) {
			make_ready(f, item);
			continue;
		}
		item->next = f->reseal_waiting;
		f->reseal_waiting = item;
		if (item->not_before < f->reseal_next)
			f->reseal_next = item->not_before;
	}
}

static struct reseal_item *
pop_ready(struct flow *f)
{
	struct reseal_item *item = f->reseal_ready;

	f->reseal_ready = item->next;
	if (f->reseal_ready == NULL)
		f->reseal_ready_end = &f->reseal_ready;
	return item;
}

/* A bounded number of looks each turn, so that 100,000 records do not hold up the loop. */
static void
on_reseal_timer(void *arg)
{
	struct flow *f = arg;
	uint64_t now = now_ms(f);

	if (now < f->reseal_trouble.until) {
		wake(f, f->reseal_trouble.until - now);
		return;
	}
	take_waiting(f);
	for (unsigned looks = 0; looks < LOOKS_A_TURN && f->reseal_ready != NULL &&
	     f->reseal_running < RESEAL_IN_FLIGHT;
	     looks++) {
		struct reseal_item *item = pop_ready(f);
		const struct index_record *r = index_get(f->index, &item->id);

		if (r != NULL && is_due(f->index, r))
			start_one(f, item);
		else
			end_item(f, item);
	}
	/* What is running wakes this again when it ends. */
	if (f->reseal_ready != NULL && f->reseal_running < RESEAL_IN_FLIGHT)
		wake(f, 0);
	else if (f->reseal_waiting != NULL)
		wake(f, f->reseal_next > now ? f->reseal_next - now : 0);
}

void
reseal_start(struct flow *f)
{
	f->reseal = map_new();
	f->reseal_ready_end = &f->reseal_ready;
	f->reseal_timer = (struct timer){.cb = on_reseal_timer, .arg = f};
	add_everything(f);
}

void
reseal_stop(struct flow *f)
{
	size_t at = 0;
	void *value;

	while (map_next(f->reseal, &at, NULL, &value))
		mem_free(value);
	map_free(f->reseal);
}

/*
 * What was sealed while a recipient was removed, and committed after that: its access names
 * somebody who had gone before anybody could find it.
 */
static void
observe_sealed(struct flow *f, const struct record *r)
{
	const struct index_record *now = index_get(f->index, &r->id);

	if (now == NULL || !is_due(f->index, now))
		return;
	if (map_get(f->reseal, r->id.bytes, ID_LEN) == NULL)
		add_item(f, now);
	wake(f, 0);
}

static bool
on_older(void *arg, const struct index_record *r)
{
	struct flow *f = arg;

	/* Whether the seal itself is right is asked when it is looked at. */
	if (names_others(f->index, r) && map_get(f->reseal, r->id.bytes, ID_LEN) == NULL) {
		add_item(f, r);
		wake(f, 0);
	}
	return true;
}

/* The index has taken them in already: it observes first. */
void
reseal_observe(void *arg, const struct committed *records, size_t count, const struct head *head,
    struct signed_bytes signed_head)
{
	struct flow *f = arg;

	(void)head;
	(void)signed_head;
	if (f->closing)
		return;
	for (size_t i = 0; i < count; i++) {
		const struct record *r = records[i].record;

		if (r->kind == KIND_CREDENTIAL || r->kind == KIND_GENERATION)
			observe_sealed(f, r);
		/* Who has lost access may not open what was in force before, either. */
		if (r->kind == KIND_CREDENTIAL)
			index_generations(f->index, &r->id, on_older, f);
		/* A new one is in no seal yet. */
		if ((r->kind != KIND_NODE && r->kind != KIND_GROUP) ||
		    (records[i].replaced_version == 0 && !r->removed))
			continue;
		if (r->kind == KIND_GROUP && strcmp(r->name, GROUP_MANAGERS) == 0)
			add_everything(f);
		else
			index_with_access(f->index, &r->id, on_record, f);
		wake(f, 0);
	}
}
