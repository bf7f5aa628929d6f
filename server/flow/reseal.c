/*
 * Seals that are not what they should be: a node was removed, a group or a node got a new key. The
 * index knows whom each record is sealed to, and the access and the present keys say whom it should
 * be; where they differ the record is sealed anew. There is no queue to be lost: after a start
 * everything is looked at once.
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
	bool running;
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

	if (managers != NULL)
		add_key(&r, managers->group->key);
	for (size_t i = 0; i < record->access.count; i++) {
		const struct index_record *a = index_get(ix, &record->access.items[i]);

		if (a != NULL && a->kind == KIND_NODE)
			add_key(&r, a->node->sealing_key);
		else if (a != NULL && a->kind == KIND_GROUP)
			add_key(&r, a->group->key);
	}
	qsort(r.ids, r.count, sizeof(r.ids[0]), compare_ids);
	hash_of(SPAN(r.ids, r.count * sizeof(r.ids[0])), out);
}

/* Of a generation that names somebody who has gone: its record is wrong even if its seal is not. */
static bool
has_gone(const struct index *ix, const struct index_record *r)
{
	for (size_t i = 0; i < r->access.count; i++)
		if (index_get(ix, &r->access.items[i]) == NULL)
			return true;
	return false;
}

static bool
is_due(const struct index *ix, const struct index_record *r)
{
	struct hash want;

	if (r->kind == KIND_CREDENTIAL)
		return has_gone(ix, r);
	if (r->recipient_count == 0 ||
	    (r->kind != KIND_GENERATION && r->kind != KIND_CA && r->kind != KIND_GROUP))
		return false;
	expected(ix, r, &want);
	return !hash_equal(&want, &r->recipients) || has_gone(ix, r);
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
	look_access(op, r->access);
	if (r->kind == KIND_CREDENTIAL)
		return 0;
	op->fetches = true;
	op->fetch = r->id;
	op->calls = 1;
	return 0;
}

static int
request_reseal(struct flow_op *op, unsigned call, struct buf *out, struct err *err)
{
	struct signer_request r = {.op = SIGNER_RESEAL};

	op->asked[call] = SIGNER_RESEAL;
	r.reseal.record =
	    (struct signed_bytes){buf_span(op->fetched_body), buf_span(op->fetched_signature)};
	r.reseal.to = (struct record_ref){op->fetched->id, op->fetched->version + 1};
	r.reseal.public_part = op->fetched->public_part;
	r.reseal.access = (struct ids){op->access, op->access_count};
	return wire_signer_request_encode(&r, out, err);
}

static int
mutation_reseal(struct flow_op *op, struct mutation *m, struct err *err)
{
	const struct index_record *c;
	int rc;

	if (op->calls > 0) {
		op->flow->stats.resealed++;
		return draft_resealed(op, m, 0, err);
	}
	rc = draft_current(op, &c, err);
	return rc < 0 ? rc : draft_credential(op, m, c->name, c->credential, err);
}

const struct flow_op_type flow_op_reseal = {"reseal", look_reseal, request_reseal, mutation_reseal};

/* --- all of them --- */

static void
add_item(struct flow *f, const struct index_record *r)
{
	struct reseal_item *item;

	if (map_get(f->reseal, r->id.bytes, ID_LEN) != NULL)
		return;
	item = mem_zalloc(sizeof(*item));
	item->id = r->id;
	map_put(f->reseal, item->id.bytes, ID_LEN, item);
}

static bool
on_record(void *arg, const struct index_record *r)
{
	add_item(arg, r);
	return true;
}

static void
wake(struct flow *f, uint64_t delay_ms)
{
	if (!f->closing && !timer_is_armed(&f->reseal_timer))
		runtime_timer_start(f->rt, &f->reseal_timer, delay_ms);
}

static void
add_everything(struct flow *f)
{
	static const uint32_t kinds[] = {KIND_GENERATION, KIND_CA, KIND_GROUP, KIND_CREDENTIAL};

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		index_each(f->index, kinds[i], on_record, f);
	wake(f, 0);
}

struct resealing {
	struct flow *flow;
	struct id id;
};

static void
on_resealed(void *arg, int status, const struct flow_result *result, const struct err *err)
{
	struct resealing *r = arg;
	struct flow *f = r->flow;
	struct reseal_item *item = map_get(f->reseal, r->id.bytes, ID_LEN);

	char hex[ID_HEX_MAX];

	(void)result;
	f->reseal_running--;
	if (status == 0 || status == ERR_EXISTS || status == ERR_NOTFOUND) {
		f->reseal_failures = 0;
		map_del(f->reseal, r->id.bytes, ID_LEN);
		mem_free(item);
		wake(f, 0);
	} else {
		/* The signer is away, or the disk is full: all of it waits. */
		item->running = false;
		if (f->reseal_failures++ == 0)
			log_warning("flow", "record=%s not sealed anew: %s; trying again",
			    id_hex(&r->id, hex), err->text);
		wake(f, (uint64_t)renewal_retry_after(f->reseal_failures, 0) * 100);
	}
	mem_free(r);
}

static void
start_one(struct flow *f, struct reseal_item *item)
{
	struct resealing *r = mem_zalloc(sizeof(*r));
	struct flow_op *op = flow_op_new(f, &flow_op_reseal, on_resealed, r);

	r->flow = f;
	r->id = item->id;
	item->running = true;
	f->reseal_running++;
	op->in.record = item->id;
	flow_op_start(op);
}

/* A bounded number of looks each turn, so that 100,000 records do not hold up the loop. */
static void
on_reseal_timer(void *arg)
{
	struct flow *f = arg;
	struct reseal_item *ready[LOOKS_A_TURN];
	size_t at = 0, n = 0;
	void *value;

	while (n < LOOKS_A_TURN && map_next(f->reseal, &at, NULL, &value)) {
		struct reseal_item *item = value;

		if (!item->running)
			ready[n++] = item;
	}
	for (size_t i = 0; i < n && f->reseal_running < RESEAL_IN_FLIGHT; i++) {
		const struct index_record *r = index_get(f->index, &ready[i]->id);

		if (r != NULL && is_due(f->index, r)) {
			start_one(f, ready[i]);
			continue;
		}
		map_del(f->reseal, ready[i]->id.bytes, ID_LEN);
		mem_free(ready[i]);
	}
	/* What is running wakes this again when it ends. */
	if (n > 0 && f->reseal_running < RESEAL_IN_FLIGHT)
		wake(f, 0);
}

void
reseal_start(struct flow *f)
{
	f->reseal = map_new();
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
