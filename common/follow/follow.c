#include "common/follow/follow_priv.h"

#include "common/link/link_client.h"
#include "common/log/log.h"

#include <inttypes.h>
#include <string.h>

#define WAIT_DEFAULT_MS 15000
#define HOLD_MS 20 /* for the receipts of what was just applied */
#define BACKOFF_FIRST_MS 200
#define BACKOFF_MOST_MS 10000

#define CLOSES SM_TO(FOLLOW_CLOSING)
const struct sm_state follow_states[FOLLOW__COUNT] = {
    [FOLLOW_LOADING] = {"loading", SM_TO(FOLLOW_PULLING) | SM_TO(FOLLOW_WAITING) | CLOSES},
    [FOLLOW_PULLING] = {"pulling", SM_TO(FOLLOW_TAKING) | SM_TO(FOLLOW_WAITING) | CLOSES},
    [FOLLOW_TAKING] = {"taking",
	SM_TO(FOLLOW_APPLYING) | SM_TO(FOLLOW_HOLDING) | SM_TO(FOLLOW_WAITING) | CLOSES},
    [FOLLOW_APPLYING] = {"applying", SM_TO(FOLLOW_HOLDING) | SM_TO(FOLLOW_WAITING) | CLOSES},
    [FOLLOW_HOLDING] = {"holding", SM_TO(FOLLOW_PULLING) | CLOSES},
    [FOLLOW_WAITING] = {"waiting", SM_TO(FOLLOW_PULLING) | SM_TO(FOLLOW_LOADING) | CLOSES},
    [FOLLOW_CLOSING] = {"closing", 0},
};

static const char *const freshness_names[] = {
    [FRESH_UNKNOWN] = "unknown",
    [FRESH] = "fresh",
    [FRESH_STALE] = "stale",
};

const char *
freshness_name(enum freshness f)
{
	return freshness_names[f];
}

bool
follow_is_closing(const struct follow *f)
{
	return f->sm.state == FOLLOW_CLOSING;
}

/* --- freshness -----------------------------------------------------------------------------------
 */

static void
set_freshness(struct follow *f, enum freshness to)
{
	if (f->freshness == to)
		return;
	f->freshness = to;
	if (f->p.events.on_freshness != NULL)
		f->p.events.on_freshness(f->p.events.arg, to);
}

static void
on_stale(void *arg)
{
	struct follow *f = arg;

	set_freshness(f, FRESH_STALE);
}

/* --- syncs ---------------------------------------------------------------------------------------
 */

static void
drop_sync(struct follow *f)
{
	if (f->noted)
		digest_rollback(f->digest);
	f->noted = false;
	f->staging = false;
	digest_free(f->fetched);
	f->fetched = NULL;
}

void
follow_begin(struct follow *f, enum sync sync)
{
	drop_sync(f);
	f->sync = sync;
	if (sync == SYNC_REFETCH)
		f->fetched = digest_new();
	f->cursor = sync == SYNC_REFETCH ? (struct position){0, 0} : f->place.at;
}

static void
wait_and_try_again(struct follow *f)
{
	sm_move(&f->sm, FOLLOW_WAITING);
	runtime_timer_start(f->p.runtime, &f->timer, backoff_next(&f->backoff, f->p.runtime));
}

static void
tell_trouble(struct follow *f, const struct err *err)
{
	f->status.last_error = *err;
	if (f->p.events.on_trouble != NULL)
		f->p.events.on_trouble(f->p.events.arg, err);
}

static void
start_over(struct follow *f)
{
	take_fini(&f->take);
	follow_begin(f, f->sync);
	if (store_has_failed(f->p.store)) {
		/* It must be written anew, and may then hold what failed or what was before. */
		f->load_status = ERR_IO;
		f->retell = true;
	}
	wait_and_try_again(f);
}

void
follow_trouble(struct follow *f, const struct err *err)
{
	tell_trouble(f, err); /* first: the error may be the take's own */
	start_over(f);
}

void
follow_pause(struct follow *f, const struct err *err)
{
	f->status.last_error = *err;
	wait_and_try_again(f);
}

static void
on_timer(void *arg)
{
	struct follow *f = arg;

	if (follow_is_closing(f)) {
		follow_end(f);
	} else if (f->load_status < 0) {
		sm_move(&f->sm, FOLLOW_LOADING);
		follow_load(f);
	} else {
		follow_pull(f);
	}
}

static void
hold(struct follow *f, uint64_t ms)
{
	sm_move(&f->sm, FOLLOW_HOLDING);
	runtime_timer_start(f->p.runtime, &f->timer, ms);
}

void
follow_receipts_done(struct follow *f)
{
	if (f->sm.state == FOLLOW_HOLDING)
		runtime_timer_start(f->p.runtime, &f->timer, 0);
}

/* --- answers -------------------------------------------------------------------------------------
 */

/* A head that fits the state here; one of a beat that was not seen before says: still now. */
static void
confirm(struct follow *f, const struct head *head, bool news)
{
	f->place.beat = head->beat;
	f->status.last_error.code = 0;
	backoff_reset(&f->backoff);
	if (!news && f->freshness != FRESH_UNKNOWN)
		return;
	f->beat_seen_ms = runtime_mono_ms(f->p.runtime);
	runtime_timer_start(f->p.runtime, &f->stale, FOLLOW_STALE_MS);
	set_freshness(f, FRESH);
}

void
follow_applied(struct follow *f, bool news)
{
	confirm(f, &f->take.head, news);
	f->cursor = f->place.at;
	if (f->take.reply.delta.want_receipts)
		receipts_want_all(f);
	take_fini(&f->take);
	hold(f, HOLD_MS);
}

static void
on_beat(struct follow *f)
{
	const struct head *head = &f->take.head;

	if (f->noted)
		digest_keep(f->digest);
	f->noted = false;
	confirm(f, head, head->term != f->place.at.term || head->beat > f->place.beat);
	if (f->take.reply.delta.want_receipts)
		receipts_want_all(f);
	take_fini(&f->take);
	hold(f, 0);
}

static void
on_page(struct follow *f)
{
	f->cursor = record_position(&f->take.records[f->take.count - 1]);
	take_fini(&f->take);
	hold(f, 0);
}

static void
on_mismatch(struct follow *f)
{
	struct err err;

	err_set(&err, ERR_CRYPTO, "the state behind seq %" PRIu64 " is not that of the head%s",
	    f->take.head.seq, f->sync == SYNC_REFETCH ? ", fetched anew as it is" : "");
	f->status.refetched++;
	if (f->sync == SYNC_REFETCH) {
		follow_trouble(f, &err);
		return;
	}
	tell_trouble(f, &err);
	log_debug("follow", "fetching everything");
	take_fini(&f->take);
	follow_begin(f, SYNC_REFETCH);
	hold(f, 0);
}

static void
end_identity(
    struct follow *f, int status, const struct identity_reply *reply, const struct err *err)
{
	struct follow_identity_call call = f->identity;

	f->identity = (struct follow_identity_call){0};
	f->identity_sent = false;
	buf_free(call.request);
	call.done(call.arg, status, reply, err);
}

static void
on_refused(struct follow *f)
{
	struct err err = f->take.err;
	bool identity = f->identity_sent;

	f->status.refused++;
	f->status.last_error = err;
	if (identity)
		end_identity(f, err.code, NULL, &err);
	else if (err.code != ERR_DENIED)
		tell_trouble(f, &err);
	else if (f->p.events.on_refused != NULL)
		f->p.events.on_refused(f->p.events.arg, err.code, err.text);
	start_over(f);
}

/* Designations are believed on their own: a higher term holds even if the rest is refused. */
static void
take_over_trust(struct follow *f, struct take *t)
{
	uint64_t term = trust_current_term(t->trust);

	if (term > trust_current_term(f->p.trust) && f->p.events.on_term != NULL)
		f->p.events.on_term(f->p.events.arg, term);
	if (term > f->p.high_term)
		f->p.high_term = term;
	trust_free(f->p.trust);
	f->p.trust = MOVE(t->trust);
}

static void
take_done(struct job *job)
{
	struct take *t = CONTAINER_OF(job, struct take, job);
	struct follow *f = t->f;

	f->working = false;
	if (follow_is_closing(f)) {
		follow_end(f);
		return;
	}
	take_over_trust(f, t);
	if (t->status < 0 && t->taken != TAKEN_REFUSED && !t->applied) {
		f->status.refused++;
		if (f->identity_sent)
			end_identity(f, t->status, NULL, &t->err);
		follow_trouble(f, &t->err);
		return;
	}
	switch (t->taken) {
	case TAKEN_PAGE:
		on_page(f);
		break;
	case TAKEN_STATE:
		sm_move(&f->sm, FOLLOW_APPLYING);
		if (t->applied)
			follow_apply_done(f);
		else
			follow_apply(f);
		break;
	case TAKEN_BEAT:
		on_beat(f);
		break;
	case TAKEN_MISMATCH:
		on_mismatch(f);
		break;
	case TAKEN_REFUSED:
		on_refused(f);
		break;
	case TAKEN_IDENTITY:
		end_identity(f, 0, &t->reply.identity, NULL);
		take_fini(t);
		hold(f, 0);
		break;
	}
}

void
follow_on_reply(void *arg, int status, struct span reply, const struct err *err)
{
	struct follow *f = arg;

	f->calling = false;
	if (follow_is_closing(f)) {
		follow_end(f);
		return;
	}
	if (!f->identity_sent)
		receipts_sent(f, status == 0);
	if (status < 0) {
		if (f->identity_sent)
			end_identity(f, status, NULL, err);
		follow_pause(f, err);
		return;
	}
	sm_move(&f->sm, FOLLOW_TAKING);
	f->take.bytes = buf_new(LIMIT_DELTA);
	buf_put_span(f->take.bytes, reply);
	f->take.trust = trust_clone(f->p.trust);
	f->take.job = (struct job){take_run, take_done, NULL};
	f->working = true;
	runtime_work(f->p.runtime, &f->take.job);
}

/* --- life ----------------------------------------------------------------------------------------
 */

int
follow_new(const struct follow_params *params, struct follow **out, struct err *err)
{
	struct follow *f = mem_zalloc(sizeof(*f));

	(void)err;
	f->p = *params;
	if (f->p.wait_ms == 0)
		f->p.wait_ms = WAIT_DEFAULT_MS;
	if (f->p.max_bytes == 0)
		f->p.max_bytes = LIMIT_DELTA_PAGE;
	sm_init(&f->sm, follow_states, FOLLOW__COUNT, FOLLOW_LOADING);
	f->take.f = f;
	f->digest = digest_new();
	f->receipts = map_new();
	f->backoff = (struct backoff){BACKOFF_FIRST_MS, BACKOFF_MOST_MS, 0};
	f->timer.cb = on_timer;
	f->timer.arg = f;
	f->stale.cb = on_stale;
	f->stale.arg = f;
	*out = f;
	follow_load(f);
	return 0;
}

void
follow_end(struct follow *f)
{
	void (*closed)(void *arg) = f->closed;
	void *arg = f->closed_arg;
	struct err err;

	if (f->identity.request != NULL) {
		err_set(&err, ERR_CANCELED, "the follower has ended");
		end_identity(f, ERR_CANCELED, NULL, &err);
	}
	take_fini(&f->take);
	drop_sync(f);
	digest_free(f->digest);
	receipts_free(f);
	trust_free(f->p.trust);
	mem_free(f);
	closed(arg);
}

void
follow_close(struct follow *f, void (*closed)(void *arg), void *arg)
{
	f->closed = closed;
	f->closed_arg = arg;
	sm_move(&f->sm, FOLLOW_CLOSING);
	runtime_timer_stop(f->p.runtime, &f->timer);
	runtime_timer_stop(f->p.runtime, &f->stale);
	if (f->calling)
		link_client_cancel(f->p.link);
	else if (!f->working)
		runtime_timer_start(f->p.runtime, &f->timer, 0);
}

int
follow_identity(struct follow *f, const struct identity_request *request, follow_identity_cb *done,
    void *arg, struct err *err)
{
	struct request r = {.protocol = LINK_PROTOCOL, .ask = ASK_IDENTITY, .identity = *request};
	AUTO(buf_freep)
	struct buf *text = buf_new(LIMIT_REQUEST);
	int code;

	if (f->identity.request != NULL || follow_is_closing(f))
		return err_set(err, ERR_BUSY, "an identity is being asked for already");
	if ((code = wire_request_encode(&r, text, err)) < 0)
		return code;
	f->identity = (struct follow_identity_call){MOVE(text), done, arg};
	return 0;
}

void
follow_refetch(struct follow *f)
{
	f->want_refetch = true;
}

const struct trust *
follow_trust(const struct follow *f)
{
	return f->p.trust;
}

bool
follow_is_verified(const struct follow *f, struct position at)
{
	return position_compare(at, f->place.unverified) > 0;
}

void
follow_status(const struct follow *f, struct follow_status *out)
{
	*out = f->status;
	out->at = f->place.at;
	out->beat = f->place.beat;
	out->freshness = f->freshness;
	out->since_beat_ms =
	    f->freshness == FRESH_UNKNOWN ? 0 : runtime_mono_ms(f->p.runtime) - f->beat_seen_ms;
	out->state = sm_name(&f->sm);
}
