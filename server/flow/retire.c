/*
 * Certificates of keys that were replaced, to be revoked by themselves: as compromised as soon as
 * another generation is in force, as superseded when every node with access serves that one. What
 * is to be done stands in the CREDENTIAL, so that a crash loses nothing and the next manager goes
 * on; here is only which credentials have something to be done.
 */

#include "common/log/log.h"
#include "common/model/pki.h"
#include "common/wire/link_messages.h"
#include "server/flow/revoke.h"

#define LOOK_MS 500            /* receipts come by themselves; they are looked at so often */
#define AFTER_FAILURE_MS 30000 /* the list is full, the disk is */

struct retire {
	struct flow *flow;
	struct map *credentials; /* those that have something on their lists: struct retiring */
	struct timer timer;
};

struct retiring {
	struct retire *all;
	struct id credential;
	bool running;
	uint64_t not_before; /* monotonic, ms */
};

/* --- what is on the lists --- */

static bool
has_key(const struct index *ix, struct ids list, const struct hash *key)
{
	for (size_t i = 0; i < list.count; i++) {
		const struct index_record *g = index_of_kind(ix, KIND_GENERATION, &list.items[i]);

		if (g != NULL && hash_equal(&g->generation->key, key))
			return true;
	}
	return false;
}

/* Of whatever credential: a key can be imported under several names. */
bool
retire_is_lost(
    const struct index *ix, const struct index_record *credential, const struct hash *key)
{
	const struct hash no_certificate = {{0}};

	return has_key(ix, credential->credential->compromised, key) ||
	    index_disowned(ix, key, &no_certificate) != NULL;
}

bool
retire_is_listed(
    const struct index *ix, const struct index_record *credential, const struct hash *key)
{
	return has_key(ix, credential->credential->retiring, key) ||
	    retire_is_lost(ix, credential, key);
}

static bool
has_id(struct ids list, const struct id *id)
{
	for (size_t i = 0; i < list.count; i++)
		if (id_equal(&list.items[i], id))
			return true;
	return false;
}

bool
flow_is_retiring(const struct index *ix, const struct index_record *credential,
    const struct id *generation, bool *at_once)
{
	(void)ix;
	*at_once = has_id(credential->credential->compromised, generation);
	return *at_once || has_id(credential->credential->retiring, generation);
}

/* --- what is ready --- */

/* Every replica that may open it says that it serves the generation in force. */
static bool
is_served(const struct flow *f, const struct index_record *credential)
{
	const struct index_record *active = index_active(f->index, credential);
	struct access_lookup lookup = index_access_lookup(f->index);
	struct access_list readers = {NULL, 0, 0};
	bool served = true;

	if (credential->credential->archived ||
	    !generation_serves(active->generation->profile, credential->credential))
		return true;
	access_expand(&lookup, active->access, NULL, &readers);
	for (size_t i = 0; i < readers.count && served; i++) {
		const struct receipt *r;

		if (readers.items[i].node.role != ROLE_REPLICA)
			continue;
		r = f->receipt != NULL
		    ? f->receipt(f->receipt_arg, &readers.items[i].node.id, &credential->id)
		    : NULL;
		served = r != NULL && r->has_generation && id_equal(&r->generation, &active->id);
	}
	access_list_fini(&readers);
	return served;
}

enum readiness {
	RETIRE_DONE,  /* gone, revoked, or run out: nothing has to be done about it */
	RETIRE_READY, /* to be revoked now */
	RETIRE_WAITS, /* in force still */
	RETIRE_LOOKS, /* some node has not shown the new one so far */
};

static enum readiness
readiness_of(struct flow *f, const struct index_record *c, const struct id *id, bool compromised)
{
	const struct index_record *g = index_of_kind(f->index, KIND_GENERATION, id);

	if (g == NULL || g->generation->revoked)
		return RETIRE_DONE;
	/* By a clock that was set ahead nothing is forgotten. */
	if (g->generation->not_after < runtime_wall_s(f->rt))
		return purge_may(f) ? RETIRE_DONE : RETIRE_LOOKS;
	if (!c->credential->has_active || id_equal(&c->credential->active, id) ||
	    index_active(f->index, c) == NULL)
		return RETIRE_WAITS;
	return compromised || is_served(f, c) ? RETIRE_READY : RETIRE_LOOKS;
}

/* The first that something is to be done about; otherwise what the rest waits for. */
static enum readiness
first_ready(struct flow *f, const struct index_record *c, struct id *out, bool *compromised)
{
	const struct ids lists[] = {c->credential->compromised, c->credential->retiring};
	enum readiness all = RETIRE_WAITS;

	for (size_t n = 0; n < ARRAY_LEN(lists); n++) {
		for (size_t i = 0; i < lists[n].count; i++) {
			enum readiness r = readiness_of(f, c, &lists[n].items[i], n == 0);

			if (r == RETIRE_DONE || r == RETIRE_READY) {
				*out = lists[n].items[i];
				*compromised = n == 0;
				return r;
			}
			if (r == RETIRE_LOOKS)
				all = r;
		}
	}
	return all;
}

/* --- one of them --- */

static int
look_retire(struct flow_op *op, struct err *err)
{
	const struct index_record *c;
	struct id generation;
	bool compromised = false;
	enum readiness ready;
	int rc = look_credential(op, &c, err);

	if (rc < 0)
		return rc;
	ready = first_ready(op->flow, c, &generation, &compromised);
	op->unchanged = ready != RETIRE_DONE && ready != RETIRE_READY;
	if (op->unchanged)
		return 0;
	op->in.name = flow_op_text(op, c->name);
	op->in.reason = compromised ? REVOKED_KEY_COMPROMISE : REVOKED_SUPERSEDED;
	op->generation = generation;
	look_access(op, c->access);
	if (ready == RETIRE_DONE)
		return 0;
	op->fetches = true;
	op->fetch = generation;
	op->calls = 1;
	return look_revocation(
	    op, c, index_of_kind(op->flow->index, KIND_GENERATION, &generation), err);
}

static int
request_retire(struct flow_op *op, unsigned call, struct buf *out, struct err *err)
{
	return request_revocation(op, call, op->in.reason, out, err);
}

static struct ids
without(struct ids list, const struct id *id, struct id out[static LIMIT_RETIRING])
{
	size_t count = 0;

	for (size_t i = 0; i < list.count && i < LIMIT_RETIRING; i++)
		if (!id_equal(&list.items[i], id))
			out[count++] = list.items[i];
	return (struct ids){out, count};
}

static int
mutation_retire(struct flow_op *op, struct mutation *m, struct err *err)
{
	struct id retiring[LIMIT_RETIRING], compromised[LIMIT_RETIRING];
	const struct index_record *c;
	struct credential_public p;
	int rc = draft_current(op, &c, err);

	if (rc < 0)
		return rc;
	p = *c->credential;
	p.retiring = without(p.retiring, &op->generation, retiring);
	p.compromised = without(p.compromised, &op->generation, compromised);
	rc = draft_credential(op, m, c->name, &p, err);
	return rc < 0 || op->calls == 0 ? rc : draft_revocation(op, m, 0, err);
}

const struct flow_op_type flow_op_retire = {
    "cert.revoke", look_retire, request_retire, mutation_retire};

/* --- all of them --- */

static void
wake(struct retire *all, uint64_t delay_ms)
{
	struct flow *f = all->flow;

	if (!f->closing)
		runtime_timer_start(f->rt, &all->timer, delay_ms);
}

static void
on_retired(void *arg, int status, const struct flow_result *result, const struct err *err)
{
	struct retiring *r = arg;
	struct flow *f = r->all->flow;
	char hex[ID_HEX_MAX];

	(void)result;
	r->running = false;
	if (status < 0 && status != ERR_CANCELED && status != ERR_NOTFOUND) {
		log_warning("flow",
		    "credential=%s: a key that was replaced is not revoked: %s; "
		    "trying again",
		    id_hex(&r->credential, hex), err->text);
		r->not_before = runtime_mono_ms(f->rt) + AFTER_FAILURE_MS;
	}
	wake(r->all, 0);
}

static void
start_one(struct retiring *r)
{
	struct flow_op *op = flow_op_new(r->all->flow, &flow_op_retire, on_retired, r);

	r->running = true;
	op->in.record = r->credential;
	op->in.author = "rekey";
	flow_op_start(op);
}

/* Looks at one; true: it is to be looked at again though nothing is committed. */
static bool
look_at(struct retiring *r, bool *over)
{
	struct flow *f = r->all->flow;
	const struct index_record *c = index_of_kind(f->index, KIND_CREDENTIAL, &r->credential);
	struct id generation;
	bool compromised;
	enum readiness ready;

	*over = c == NULL || c->credential->retiring.count + c->credential->compromised.count == 0;
	if (*over || r->running)
		return false;
	ready = first_ready(f, c, &generation, &compromised);
	if (ready != RETIRE_DONE && ready != RETIRE_READY)
		return ready == RETIRE_LOOKS;
	if (r->not_before > runtime_mono_ms(f->rt))
		return true;
	start_one(r);
	return false;
}

static void
on_timer(void *arg)
{
	struct retire *all = arg;
	struct retiring *gone = NULL;
	size_t at = 0;
	void *value;
	bool again = false;

	while (map_next(all->credentials, &at, NULL, &value)) {
		struct retiring *r = value;
		bool over;

		again = look_at(r, &over) || again;
		if (over && !r->running)
			gone = r;
	}
	/* One a turn, so that the map does not change under the walk. */
	if (gone != NULL) {
		mem_free(map_del(all->credentials, gone->credential.bytes, ID_LEN));
		wake(all, 0);
	} else if (again) {
		wake(all, LOOK_MS);
	}
}

static bool
on_credential(void *arg, const struct index_record *c)
{
	struct retire *all = arg;
	struct retiring *r;

	if (c->credential->retiring.count + c->credential->compromised.count == 0)
		return true;
	r = map_get(all->credentials, c->id.bytes, ID_LEN);
	if (r == NULL) {
		r = mem_zalloc(sizeof(*r));
		r->all = all;
		r->credential = c->id;
		map_put(all->credentials, r->credential.bytes, ID_LEN, r);
	}
	wake(all, 0);
	return true;
}

static void
on_observed(void *arg, const struct committed *records, size_t count, const struct head *head,
    struct signed_bytes signed_head)
{
	struct retire *all = arg;

	(void)head;
	(void)signed_head;
	for (size_t i = 0; i < count; i++) {
		const struct index_record *c = records[i].record->kind == KIND_CREDENTIAL
		    ? index_of_kind(all->flow->index, KIND_CREDENTIAL, &records[i].record->id)
		    : NULL;

		if (c != NULL)
			(void)on_credential(all, c);
	}
}

void
retire_start(struct flow *f)
{
	f->retire = mem_zalloc(sizeof(*f->retire));
	f->retire->flow = f;
	f->retire->credentials = map_new();
	f->retire->timer = (struct timer){.cb = on_timer, .arg = f->retire};
	commit_observe(f->commit, on_observed, f->retire);
	index_each(f->index, KIND_CREDENTIAL, on_credential, f->retire);
}

void
retire_stop(struct flow *f)
{
	commit_unobserve(f->commit, on_observed, f->retire);
	runtime_timer_stop(f->rt, &f->retire->timer);
}

void
retire_end(struct flow *f)
{
	size_t at = 0;
	void *value;

	while (map_next(f->retire->credentials, &at, NULL, &value))
		mem_free(value);
	map_free(f->retire->credentials);
	mem_free(f->retire);
}
