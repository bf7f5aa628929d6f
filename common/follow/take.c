#include "common/follow/follow_priv.h"

#include "common/crypto/sign.h"

#include <inttypes.h>
#include <string.h>

/*
 * One reply, from bytes to a judgement, on the worker. Nothing of the state changes here but the
 * stage of the store and the noted changes of the digest, which are undone when anything is wrong.
 */

void
take_fini(struct take *t)
{
	if (t->decoded)
		reply_fini(&t->reply);
	buf_free(t->bytes);
	trust_free(t->trust);
	mem_free(t->records);
	mem_free(t->stored);
	mem_free(t->purged);
	*t = (struct take){.f = t->f};
}

static int
take_designations(struct take *t, const struct designation_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		int r = trust_add_designation(t->trust, &list->items[i], &t->err);

		if (r < 0)
			return err_wrap(&t->err, "designation");
	}
	return 0;
}

static int
check_head(struct take *t)
{
	const struct follow *f = t->f;
	const struct head *h = &t->head;
	int r = trust_verify_head(t->trust, &t->reply.delta.head, &t->head, &t->err);

	if (r < 0)
		return err_wrap(&t->err, "head");
	if (h->term < f->p.high_term)
		return err_set(&t->err, ERR_DENIED,
		    "head of term %" PRIx64 ", while term %" PRIx64 " has been seen", h->term,
		    f->p.high_term);
	if (position_compare(head_position(h), f->place.at) < 0)
		return err_set(&t->err, ERR_PROTO,
		    "head at %" PRIu64 ", behind the state here at %" PRIu64, h->seq,
		    f->place.at.seq);
	if (h->term == f->place.at.term && h->beat < f->place.beat)
		return err_set(&t->err, ERR_PROTO,
		    "head of beat %" PRIu64 ", older than beat %" PRIu64, h->beat, f->place.beat);
	t->has_head = true;
	return 0;
}

/* In order, behind the cursor and not beyond the head; signed, unless everything is fetched. */
static int
check_record(
    struct take *t, const struct record *r, const struct signed_bytes *s, struct position before)
{
	struct position at = record_position(r);

	if (position_compare(at, before) <= 0)
		return err_set(&t->err, ERR_PROTO, "seq %" PRIu64 " is not behind %" PRIu64, at.seq,
		    before.seq);
	if (position_compare(at, head_position(&t->head)) > 0)
		return err_set(&t->err, ERR_PROTO, "seq %" PRIu64 " is beyond the head at %" PRIu64,
		    at.seq, t->head.seq);
	if (t->f->sync == SYNC_REFETCH)
		return trust_check_position(t->trust, at, &t->err);
	return trust_verify_record(t->trust, r, s->body, s->signature, &t->err);
}

static void
store_form(struct take *t, size_t i, const struct signed_bytes *s)
{
	const struct record *r = &t->records[i];

	t->stored[i] = (struct stored_record){
	    .id = r->id,
	    .kind = r->kind,
	    .name = r->name,
	    .at = record_position(r),
	    .mutation = r->mutation,
	    .version = r->version,
	    .committed_at_ms = r->committed_at_ms,
	    .removed = r->removed,
	    .body = s->body,
	    .signature = s->signature,
	};
	hash_of(s->body, &t->stored[i].hash);
}

static int
take_records(struct take *t)
{
	const struct signed_list *list = &t->reply.delta.records;
	struct position before = t->f->cursor;
	char hex[ID_HEX_MAX];

	t->records = mem_array(list->count, sizeof(*t->records));
	t->stored = mem_array(list->count, sizeof(*t->stored));
	for (size_t i = 0; i < list->count; i++) {
		struct record *r = &t->records[i];
		int code = wire_record_decode(list->items[i].body, r, &t->err);

		if (code < 0)
			return err_wrap(&t->err, "record %zu of %zu", i + 1, list->count);
		code = check_record(t, r, &list->items[i], before);
		if (code < 0)
			return err_wrap(&t->err, "record %s", id_hex(&r->id, hex));
		store_form(t, i, &list->items[i]);
		before = record_position(r);
		t->count++;
	}
	if (t->reply.delta.more && list->count == 0)
		return err_set(&t->err, ERR_PROTO, "an empty page that is not the last");
	return 0;
}

static void
note_in_digest(struct take *t)
{
	struct follow *f = t->f;
	struct digest *d = f->sync == SYNC_REFETCH ? f->fetched : f->digest;

	for (size_t i = 0; i < t->count; i++)
		digest_set(d, &t->stored[i].id, &t->stored[i].hash);
}

/* What has come back in this very answer is no tombstone any more. */
static void
leave_returned(struct take *t)
{
	AUTO(map_freep)
	struct map *back = map_new();
	size_t kept = 0;

	for (size_t i = 0; i < t->count; i++)
		(void)map_put(back, t->stored[i].id.bytes, ID_LEN, t);
	for (size_t i = 0; i < t->purged_count; i++)
		if (map_get(back, t->purged[i].bytes, ID_LEN) == NULL)
			t->purged[kept++] = t->purged[i];
	t->purged_count = kept;
}

/* Tombstones up to the head's floor leave the state on both sides before it is compared. */
static int
purge(struct take *t)
{
	struct follow *f = t->f;
	int r;

	if (f->sync == SYNC_REFETCH || position_compare(t->head.floor, f->place.floor) <= 0)
		return 0;
	r = store_tombstones(f->p.store, t->head.floor, &t->purged, &t->purged_count, &t->err);
	if (r == 0 && t->purged_count > 0)
		leave_returned(t);
	for (size_t i = 0; r == 0 && i < t->purged_count; i++)
		(void)digest_remove(f->digest, &t->purged[i]);
	return r;
}

/* A mutation that was cut shows here too: half of it has another digest than any head. */
static void
compare(struct take *t)
{
	struct follow *f = t->f;

	digest_root(f->sync == SYNC_REFETCH ? f->fetched : f->digest, &t->root);
	if (!hash_equal(&t->root, &t->head.digest)) {
		t->taken = TAKEN_MISMATCH;
		return;
	}
	t->taken = t->count > 0 || t->purged_count > 0 || f->staging || f->sync == SYNC_REFETCH ||
		f->retell || position_compare(head_position(&t->head), f->place.at) != 0
	    ? TAKEN_STATE
	    : TAKEN_BEAT;
}

static int
stage_page(struct take *t)
{
	struct follow *f = t->f;
	int r = 0;

	if (!f->staging)
		r = store_stage_begin(f->p.store, &t->err);
	if (r == 0)
		r = store_stage_put(f->p.store, t->stored, t->count, &t->err);
	if (r == 0)
		f->staging = true;
	return r;
}

static int
take_delta(struct take *t)
{
	struct follow *f = t->f;
	int r;

	if (!t->reply.delta.has_head)
		return err_set(&t->err, ERR_PROTO, "a delta without head");
	if ((r = take_designations(t, &t->reply.delta.designations)) < 0 ||
	    (r = check_head(t)) < 0 || (r = take_records(t)) < 0)
		return r;
	if (f->sync == SYNC_DELTA && !f->noted) {
		digest_mark(f->digest);
		f->noted = true;
	}
	note_in_digest(t);
	t->taken = TAKEN_PAGE;
	if (!t->reply.delta.more) {
		if ((r = purge(t)) < 0)
			return r;
		compare(t);
	}
	/* One page that is the whole delta is applied from memory. */
	if (t->taken == TAKEN_PAGE || (t->taken == TAKEN_STATE && f->staging) ||
	    (t->taken == TAKEN_STATE && f->sync == SYNC_REFETCH))
		r = stage_page(t);
	return r;
}

static int
take_refusal(struct take *t)
{
	t->taken = TAKEN_REFUSED;
	(void)take_designations(t, &t->reply.refusal.proof);
	return err_set(&t->err, (enum err_code)t->reply.refusal.code, "%s", t->reply.refusal.text);
}

/* Then somebody has to be told before anything of it is applied. */
static bool
has_new_term(const struct take *t)
{
	return trust_current_term(t->trust) > trust_current_term(t->f->p.trust);
}

/* A refusal answers everything. */
static bool
was_asked(const struct take *t)
{
	return t->reply.answer == ANSWER_REFUSAL ||
	    t->reply.answer == (t->f->identity_sent ? ANSWER_IDENTITY : ANSWER_DELTA);
}

void
take_run(struct job *job)
{
	struct take *t = CONTAINER_OF(job, struct take, job);

	t->status = wire_reply_decode(buf_span(t->bytes), &t->reply, &t->err);
	if (t->status < 0)
		return;
	t->decoded = true;
	if (!was_asked(t)) {
		t->status = err_set(&t->err, ERR_PROTO, "an answer that was not asked for");
		return;
	}
	switch (t->reply.answer) {
	case ANSWER_DELTA:
		t->status = take_delta(t);
		if (t->status == 0 && t->taken == TAKEN_STATE && !has_new_term(t))
			follow_apply_taken(t);
		break;
	case ANSWER_IDENTITY:
		t->taken = TAKEN_IDENTITY;
		break;
	case ANSWER_REFUSAL:
		t->status = take_refusal(t);
		break;
	case ANSWER_NOTHING:
	case ANSWER_BUCKETS:
		break; /* nobody asks for them */
	}
}
