#include "common/follow/follow_priv.h"

#include "common/log/log.h"

#include <inttypes.h>

/* The staged or taken state becomes the state: one transaction, then the callbacks. */

static struct place
next_place(const struct follow *f, const struct take *t)
{
	struct place next = f->place;

	next.at = head_position(&t->head);
	next.beat = t->head.beat;
	if (position_compare(t->head.floor, next.floor) > 0)
		next.floor = t->head.floor;
	if (f->sync == SYNC_REFETCH)
		next.unverified = next.at;
	return next;
}

static bool
has_designation(const struct take *t)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->stored[i].kind == KIND_DESIGNATION)
			return true;
	return false;
}

void
follow_apply_taken(struct take *t)
{
	struct follow *f = t->f;
	AUTO(buf_freep)
	struct buf *text = buf_new(128);
	struct place next = next_place(f, t);
	struct store_meta meta = {.key = PLACE_META};
	struct store_change change = {
	    .deletes = t->purged,
	    .delete_count = t->purged_count,
	    .metas = &meta,
	    .meta_count = 1,
	    /* Which kinds were on the pages before this one is not known any more. */
	    .force_full = f->staging || f->sync == SYNC_REFETCH || has_designation(t),
	};

	place_encode(&next, text);
	meta.value = buf_span(text);
	if (f->staging) {
		t->status = store_stage_finish(f->p.store,
		    f->sync == SYNC_REFETCH ? STORE_STAGE_REPLACE : STORE_STAGE_MERGE, &change,
		    &t->err);
	} else {
		change.records = t->stored;
		change.record_count = t->count;
		t->status = store_apply(f->p.store, &change, &t->err);
	}
	t->applied = true;
}

static void
apply_run(struct job *job)
{
	follow_apply_taken(CONTAINER_OF(job, struct take, job));
}

static void
take_over_digest(struct follow *f)
{
	if (f->sync == SYNC_REFETCH) {
		digest_free(f->digest);
		f->digest = MOVE(f->fetched);
	} else {
		digest_keep(f->digest);
		f->noted = false;
	}
}

static void
tell(struct follow *f, struct take *t, bool complete)
{
	struct change *changes = mem_array(t->count, sizeof(*changes));

	for (size_t i = 0; i < t->count; i++)
		changes[i] = (struct change){&t->records[i], false};
	if (f->p.events.on_applied != NULL)
		f->p.events.on_applied(
		    f->p.events.arg, changes, complete ? t->count : 0, complete, f->place.at);
	mem_free(changes);
}

void
follow_apply_done(struct follow *f)
{
	struct take *t = &f->take;
	bool complete = f->sync == SYNC_DELTA && !f->staging && !f->retell;
	bool news;

	if (t->status < 0) {
		follow_trouble(f, &t->err);
		return;
	}
	/* What was fetched anew may be the state that there was, under the head that it had. */
	news = position_compare(head_position(&t->head), f->place.at) > 0 ||
	    t->head.beat > f->place.beat;
	f->place = next_place(f, t);
	take_over_digest(f);
	f->root = t->root;
	f->has_root = true;
	f->staging = f->retell = false;
	f->sync = SYNC_DELTA;
	f->status.applied++;
	f->status.records = digest_count(f->digest);
	log_debug("follow", "applied=%zu seq=%" PRIu64 " beat=%" PRIu64, t->count, f->place.at.seq,
	    f->place.beat);
	tell(f, t, complete);
	follow_applied(f, news);
}

static void
apply_done(struct job *job)
{
	struct follow *f = CONTAINER_OF(job, struct take, job)->f;

	f->working = false;
	if (follow_is_closing(f))
		follow_end(f);
	else
		follow_apply_done(f);
}

void
follow_apply(struct follow *f)
{
	f->take.job = (struct job){apply_run, apply_done, NULL};
	f->working = true;
	runtime_work(f->p.runtime, &f->take.job);
}
