#include "common/follow/follow_priv.h"

#include "common/log/log.h"

#include <string.h>

#define PLACE_LEN (7 * 8)

void
place_encode(const struct place *p, struct buf *out)
{
	const uint64_t fields[] = {p->at.term, p->at.seq, p->beat, p->floor.term, p->floor.seq,
	    p->unverified.term, p->unverified.seq};

	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		buf_put_be64(out, fields[i]);
}

static int
place_decode(struct span in, struct place *out, struct err *err)
{
	struct cursor c = {in, false};
	uint64_t fields[7];

	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		fields[i] = cursor_be64(&c);
	if (c.failed || in.len != PLACE_LEN)
		return err_set(err, ERR_PARSE, "the follower's place in the database is damaged");
	*out = (struct place){
	    {fields[0], fields[1]}, fields[2], {fields[3], fields[4]}, {fields[5], fields[6]}};
	return 0;
}

static int
load_record(const struct stored_record *record, void *arg, struct err *err)
{
	struct follow *f = arg;

	(void)err;
	digest_set(f->digest, &record->id, &record->hash);
	return 0;
}

static void
load_run(struct job *job)
{
	struct follow *f = CONTAINER_OF(job, struct follow, load);
	AUTO(buf_freep)
	struct buf *place = buf_new(PLACE_LEN);
	struct err *err = &f->load_err;

	digest_clear(f->digest);
	if (store_has_failed(f->p.store) &&
	    (f->load_status = store_rebuild(f->p.store, NULL, err)) < 0)
		return;
	f->load_status = store_meta_get(f->p.store, PLACE_META, place, err);
	if (f->load_status == 0)
		f->load_status = place_decode(buf_span(place), &f->load_place, err);
	if (f->load_status == ERR_NOTFOUND || f->load_status == ERR_PARSE) {
		/* New, never synced, or damaged: whatever records there are, all are fetched anew.
		 */
		f->load_place = (struct place){0};
		f->load_status = 0;
	}
	if (f->load_status == 0)
		f->load_status =
		    store_each(f->p.store, STORE_ALL_KINDS, false, load_record, f, err);
	if (f->load_status == 0)
		digest_root(f->digest, &f->root);
}

static void
load_done(struct job *job)
{
	struct follow *f = CONTAINER_OF(job, struct follow, load);

	f->working = false;
	if (follow_is_closing(f)) {
		follow_end(f);
		return;
	}
	if (f->load_status < 0) {
		f->status.last_error = f->load_err;
		log_debug("follow", "load: %s", f->load_err.text);
		sm_move(&f->sm, FOLLOW_WAITING);
		runtime_timer_start(
		    f->p.runtime, &f->timer, backoff_next(&f->backoff, f->p.runtime));
		return;
	}
	f->place = f->load_place;
	f->status.last_error.code = 0;
	f->status.records = digest_count(f->digest);
	f->has_root = f->place.at.term > 0;
	follow_begin(f, f->has_root ? SYNC_DELTA : SYNC_REFETCH);
	follow_pull(f);
}

void
follow_load(struct follow *f)
{
	f->load = (struct job){load_run, load_done, NULL};
	f->working = true;
	runtime_work(f->p.runtime, &f->load);
}
