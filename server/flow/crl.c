/*
 * Revocation lists and the renewal of CAs: what is due follows from the records, so that nothing is
 * lost and the next manager comes to the same. A CA that has an address, or has revoked something,
 * has a list; it is signed anew when something is missing in it, and at half of its lifetime. What
 * many revoke at a time comes into one list.
 */

#include "common/log/log.h"
#include "common/model/pki.h"
#include "common/model/renewal.h"
#include "common/wire/public_wire.h"
#include "server/flow/revoke.h"

#include <stdio.h>
#include <string.h>

#define CRL_BACKDATE_MOST 300     /* clocks of others may be behind */
#define SLEEP_MOST_MS (60 * 1000) /* the wall clock may be set meanwhile */
#define LOOK_CA_MS (3600 * 1000)  /* at when a CA is due: all credentials are asked */
#define LISTED_WAIT_MS 10000

/* What is known of a CA between two looks. */
struct crl_ca {
	struct id id;
	bool running;
	unsigned failures;
	uint64_t not_before; /* monotonic, ms: not tried again before */
	uint64_t look_at;    /* the same: whether the CA itself is due */
	bool ca_due;
};

/* Somebody who waits until a list has a certificate. */
struct crl_waiter {
	struct crl_job *job;
	struct id generation;
	crl_listed_cb *cb;
	void *arg;
	struct timer timer;
	struct crl_waiter *next, **prev;
};

struct crl_job {
	struct flow *flow;
	struct map *cas; /* id: struct crl_ca */
	struct timer timer;
	struct crl_waiter *waiters;
};

/* --- signing one --- */

static int
look_crl(struct flow_op *op, struct err *err)
{
	const struct index *ix = op->flow->index;
	const struct index_record *ca = index_of_kind(ix, KIND_CA, &op->in.record), *crl;
	int64_t lifetime = index_setting_number(ix, SETTING_CRL_LIFETIME), early;

	if (ca == NULL)
		return err_set(err, ERR_NOTFOUND, "the CA is not there any more");
	crl = index_crl_of(ix, ca);
	op->in.name = flow_op_text(op, ca->name);
	op->ca = ca->id;
	op->credential_version = crl != NULL ? crl->version : 0;
	if (crl != NULL)
		op->credential = crl->id;
	else
		new_id(op->flow, &op->credential);
	/* Of short ones a tenth only, or they would be due as soon as they are there. */
	early = lifetime / 10 < CRL_BACKDATE_MOST ? lifetime / 10 : CRL_BACKDATE_MOST;
	op->not_before = runtime_wall_s(op->flow->rt) - early;
	op->not_after = runtime_wall_s(op->flow->rt) + lifetime;
	op->calls = 1;
	return 0;
}

struct collected {
	const struct index_record *crl;
	struct revoked_certificate *items;
	size_t count, room;
	int64_t now;
};

static bool
on_revoked(void *arg, const struct index_record *r)
{
	struct collected *c = arg;
	const struct index_generation *g = r->generation;

	if (g->not_after < c->now || g->serial.len == 0 || index_is_listed(c->crl, r))
		return true;
	if (c->count == c->room)
		return false;
	c->items[c->count++] =
	    (struct revoked_certificate){.serial = SPAN(g->serial.bytes, g->serial.len),
		.revoked_at = g->revoked_at,
		.reason = g->reason,
		.not_after = g->not_after};
	return true;
}

static int
request_crl(struct flow_op *op, unsigned call, struct buf *out, struct err *err)
{
	const struct index *ix = op->flow->index;
	const struct index_record *ca = index_of_kind(ix, KIND_CA, &op->ca), *crl;
	struct signer_request r = {.op = SIGNER_SIGN_CRL};
	struct collected c = {.now = runtime_wall_s(op->flow->rt)};
	int rc;

	if (ca == NULL)
		return err_set(err, ERR_CONFLICT, "the CA has been removed meanwhile");
	crl = c.crl = index_crl_of(ix, ca);
	c.room = LIMIT_CRL_ENTRIES - (crl != NULL ? crl->crl->list.count : 0);
	c.items = mem_array(c.room + 1, sizeof(*c.items));
	index_revoked(ix, ca, on_revoked, &c);
	op->asked[call] = SIGNER_SIGN_CRL;
	r.sign_crl.ca = ca->signed_record;
	r.sign_crl.has_earlier = crl != NULL;
	if (crl != NULL)
		r.sign_crl.earlier = crl->signed_record;
	r.sign_crl.revoked = (struct revoked_list){c.items, c.count};
	r.sign_crl.this_update = op->not_before;
	r.sign_crl.next_update = op->not_after;
	rc = wire_signer_request_encode(&r, out, err);
	mem_free(c.items);
	return rc;
}

static int
mutation_crl(struct flow_op *op, struct mutation *m, struct err *err)
{
	struct draft *d = mutation_add(m);
	char hex[ID_HEX_MAX];

	d->id = op->credential;
	d->kind = KIND_CRL;
	d->expect_version = op->credential_version;
	snprintf(d->name, sizeof(d->name), "%s", id_hex(&op->ca, hex));
	buf_put_span(d->public_part, op->replies[0].public_part);
	return buf_error(d->public_part, "public part of a revocation list", err);
}

const struct flow_op_type flow_op_crl = {"ca.crl", look_crl, request_crl, mutation_crl};

/* --- what is due --- */

static void
wake(struct crl_job *j, uint64_t delay_ms)
{
	if (!j->flow->closing)
		runtime_timer_start(j->flow->rt, &j->timer, delay_ms);
}

static struct crl_ca *
item_of(struct crl_job *j, const struct id *ca)
{
	struct crl_ca *item = map_get(j->cas, ca->bytes, ID_LEN);

	if (item == NULL) {
		item = mem_zalloc(sizeof(*item));
		item->id = *ca;
		map_put(j->cas, ca->bytes, ID_LEN, item);
	}
	return item;
}

/* Wall clock seconds at which the list of a CA is due; INT64_MAX: it needs none. */
static int64_t
crl_due(struct crl_job *j, const struct index_record *ca, int64_t now)
{
	const struct index *ix = j->flow->index;
	const struct index_record *crl = index_crl_of(ix, ca);

	if (!index_wants_crl(ix, ca, now))
		return INT64_MAX;
	/* One from the future is believed by nobody: the clock was wrong when it was signed. */
	if (crl == NULL || index_unlisted(ix, ca, now) > 0 || crl->crl->this_update > now)
		return now;
	return crl_due_at(crl->crl->this_update, crl->crl->next_update);
}

struct running {
	struct crl_job *job;
	struct id ca;
	bool renews;
};

/*
 * Nothing was gained: a CA whose parent ends with it, a list that is full. What was revoked while a
 * list was signed is no reason to wait.
 */
static bool
is_as_before(struct crl_job *j, const struct running *run)
{
	const struct index *ix = j->flow->index;
	const struct index_record *ca = index_of_kind(ix, KIND_CA, &run->ca), *crl;
	int64_t now = runtime_wall_s(j->flow->rt);

	if (ca == NULL)
		return false;
	if (run->renews)
		return index_ca_due_at(ix, ca) <= now;
	crl = index_crl_of(ix, ca);
	return crl == NULL || crl->crl->list.count == LIMIT_CRL_ENTRIES;
}

static void
on_done(void *arg, int status, const struct flow_result *result, const struct err *err)
{
	struct running *run = arg;
	struct crl_job *j = run->job;
	struct crl_ca *item = item_of(j, &run->ca);
	char hex[ID_HEX_MAX];

	(void)result;
	item->running = false;
	item->ca_due = false;
	if (status == 0 && !is_as_before(j, run)) {
		item->failures = 0;
		item->look_at = 0;
	} else {
		if (status < 0 && status != ERR_CANCELED)
			log_warning(
			    "flow", "ca=%s: %s; trying again", id_hex(&run->ca, hex), err->text);
		item->not_before =
		    runtime_mono_ms(j->flow->rt) + renewal_retry_soon_ms(++item->failures);
		if (run->renews)
			item->look_at = runtime_mono_ms(j->flow->rt) + LOOK_CA_MS;
	}
	mem_free(run);
	wake(j, 0);
}

static void
start(struct crl_job *j, struct crl_ca *item, const struct index_record *ca, bool renews)
{
	struct running *run = mem_zalloc(sizeof(*run));
	struct flow_op *op =
	    flow_op_new(j->flow, renews ? &flow_op_ca_renew : &flow_op_crl, on_done, run);

	*run = (struct running){j, ca->id, renews};
	item->running = true;
	op->in.record = ca->id;
	op->in.author = renews ? "renewal" : "certherd";
	op->in.name = flow_op_text(op, ca->name);
	flow_op_start(op);
}

struct look {
	struct crl_job *job;
	int64_t now;
	uint64_t mono, wait;
};

static void
sooner(struct look *l, uint64_t wait)
{
	if (wait < l->wait)
		l->wait = wait;
}

static bool
on_ca(void *arg, const struct index_record *ca)
{
	struct look *l = arg;
	struct crl_job *j = l->job;
	struct crl_ca *item = item_of(j, &ca->id);
	int64_t due;

	if (item->running)
		return true;
	if (item->not_before > l->mono) {
		sooner(l, item->not_before - l->mono);
		return true;
	}
	due = crl_due(j, ca, l->now);
	if (due <= l->now) {
		start(j, item, ca, false);
		return true;
	}
	if (due < INT64_MAX)
		sooner(l, (uint64_t)(due - l->now) * 1000);
	if (item->look_at <= l->mono) {
		int64_t ca_due = index_ca_due_at(j->flow->index, ca);

		item->look_at = l->mono + LOOK_CA_MS;
		if (ca_due > 0 && ca_due <= l->now)
			start(j, item, ca, true);
		else if (ca_due > l->now && (uint64_t)(ca_due - l->now) * 1000 < LOOK_CA_MS)
			item->look_at = l->mono + (uint64_t)(ca_due - l->now) * 1000;
	}
	if (!item->running)
		sooner(l, item->look_at - l->mono);
	return true;
}

static void
on_timer(void *arg)
{
	struct crl_job *j = arg;
	struct look l = {
	    j, runtime_wall_s(j->flow->rt), runtime_mono_ms(j->flow->rt), SLEEP_MOST_MS};

	index_each(j->flow->index, KIND_CA, on_ca, &l);
	wake(j, l.wait);
}

/* --- who waits for a list --- */

static void
waiter_end(struct crl_waiter *w, const char *trouble)
{
	struct flow *f = w->job->flow;

	runtime_timer_stop(f->rt, &w->timer);
	*w->prev = w->next;
	if (w->next != NULL)
		w->next->prev = w->prev;
	w->cb(w->arg, trouble);
	mem_free(w);
	flow_check_closed(f);
}

/* Whether nothing has to be waited for: the list has it, or never will. */
static bool
is_listed(const struct flow *f, const struct index_record *g)
{
	return g->generation->serial.len == 0 ||
	    !index_awaits_list(f->index, g, runtime_wall_s(f->rt));
}

struct unsettled {
	const struct flow *flow;
	const struct index_record *first;
	bool found;
};

/* What has the same compromised key, and is on its way. */
static bool
on_same_key(void *arg, const struct index_record *g)
{
	struct unsettled *u = arg;
	bool counts = !g->generation->waits &&
	    g->generation->not_after >= runtime_wall_s(u->flow->rt) &&
	    hash_equal(&g->generation->key, &u->first->generation->key);

	u->found = counts && (!g->generation->revoked || !is_listed(u->flow, g));
	return !u->found;
}

static bool
is_settled(const struct flow *f, const struct id *generation)
{
	const struct index_record *g = index_of_kind(f->index, KIND_GENERATION, generation);
	struct unsettled u = {f, g, false};

	if (g == NULL)
		return true;
	if (g->generation->withdrawn)
		index_generations(f->index, &g->generation->credential, on_same_key, &u);
	return !u.found && is_listed(f, g);
}

static void
on_waiter(void *arg)
{
	struct crl_waiter *w = arg;

	waiter_end(w,
	    is_settled(w->job->flow, &w->generation)
		? NULL
		: "the revocation list is not signed yet; that is tried again by itself");
}

void
crl_when_listed(struct flow *f, const struct id *generation, crl_listed_cb *cb, void *arg)
{
	struct crl_job *j = f->crl;
	struct crl_waiter *w = mem_zalloc(sizeof(*w));

	*w = (struct crl_waiter){.job = j, .generation = *generation, .cb = cb, .arg = arg};
	w->timer = (struct timer){.cb = on_waiter, .arg = w};
	w->next = j->waiters;
	w->prev = &j->waiters;
	if (w->next != NULL)
		w->next->prev = &w->next;
	j->waiters = w;
	runtime_timer_start(
	    f->rt, &w->timer, is_settled(f, generation) || f->closing ? 0 : LISTED_WAIT_MS);
}

static void
tell_waiters(struct crl_job *j)
{
	struct crl_waiter *next;

	for (struct crl_waiter *w = j->waiters; w != NULL; w = next) {
		next = w->next;
		if (is_settled(j->flow, &w->generation))
			runtime_timer_start(j->flow->rt, &w->timer, 0);
	}
}

/* --- start and end --- */

static void
observe(void *arg, const struct committed *records, size_t count, const struct head *head,
    struct signed_bytes signed_head)
{
	struct crl_job *j = arg;
	bool looks = false, lists = false;

	(void)head;
	(void)signed_head;
	for (size_t i = 0; i < count; i++) {
		const struct record *r = records[i].record;
		const struct index_record *now = index_get(j->flow->index, &r->id);

		lists = lists || r->kind == KIND_CRL;
		if (r->kind == KIND_CA || r->kind == KIND_SETTING)
			looks = true;
		if (r->kind == KIND_CA)
			item_of(j, &r->id)->look_at = 0;
		if (r->kind == KIND_GENERATION && now != NULL && now->generation->revoked)
			looks = lists = true;
	}
	if (lists)
		tell_waiters(j);
	if (looks)
		wake(j, 0);
}

void
crl_start(struct flow *f)
{
	struct crl_job *j = mem_zalloc(sizeof(*j));

	j->flow = f;
	j->cas = map_new();
	j->timer = (struct timer){.cb = on_timer, .arg = j};
	f->crl = j;
	commit_observe(f->commit, observe, j);
	wake(j, 0);
}

void
crl_close(struct flow *f)
{
	struct crl_job *j = f->crl;
	struct crl_waiter *next;

	commit_unobserve(f->commit, observe, j);
	runtime_timer_stop(f->rt, &j->timer);
	for (struct crl_waiter *w = j->waiters; w != NULL; w = next) {
		next = w->next;
		runtime_timer_start(f->rt, &w->timer, 0);
	}
}

bool
crl_is_waited_for(const struct flow *f)
{
	return f->crl->waiters != NULL;
}

void
crl_stop(struct flow *f)
{
	size_t at = 0;
	void *value;

	while (map_next(f->crl->cas, &at, NULL, &value))
		mem_free(value);
	map_free(f->crl->cas);
	mem_free(f->crl);
}
