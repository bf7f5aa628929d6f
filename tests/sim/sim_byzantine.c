#include "tests/sim/sim_byzantine.h"

#include <stdlib.h>
#include <string.h>

#define LIE_PPM 400000

void
replay_fini(struct replay *r)
{
	for (size_t i = 0; i < REPLAY_MAX; i++)
		buf_free(r->bodies[i]);
	buf_free(r->snapshot);
}

static int
by_position(const void *a, const void *b)
{
	const struct sim_entry *const *x = a, *const *y = b;

	return position_compare(record_position((*x)->record), record_position((*y)->record));
}

static bool
is_purged(const struct record *r, struct position floor)
{
	return r->removed && r->kind != KIND_NODE && r->kind != KIND_DESIGNATION &&
	    position_compare(record_position(r), floor) <= 0;
}

void
replay_begin(struct sim *s, struct replay *r)
{
	const struct sim_shelf *shelf = &s->manager.shelf;
	struct reply reply = {.answer = ANSWER_DELTA, .delta = {.has_head = true}};
	const struct sim_entry **all = NULL, *e;
	const struct head *head;
	struct signed_bytes *items;
	size_t at = 0, count = 0;

	if (s->manager.state != SIM_UP ||
	    (head = commit_head(s->manager.commit, &reply.delta.head)) == NULL)
		return;
	while ((e = shelf_next(shelf, &at)) != NULL) {
		if (is_purged(e->record, head->floor))
			continue;
		all = mem_grow(all, count + 1, sizeof(*all));
		all[count++] = e;
	}
	if (count > 0)
		qsort(all, count, sizeof(*all), by_position);
	items = mem_array(count + 1, sizeof(*items));
	for (size_t i = 0; i < count; i++)
		items[i] = entry_signed(all[i]);
	reply.delta.records = (struct signed_list){items, count};
	buf_free(r->snapshot);
	r->snapshot = buf_new(LIMIT_DELTA);
	CHECK(wire_reply_encode(&reply, r->snapshot, NULL) == 0);
	mem_free(items);
	mem_free(all);
}

static void
keep(struct replay *r, const struct buf *body)
{
	size_t n = r->count++;
	struct buf **slot;

	if (n >= REPLAY_MAX)
		n = REPLAY_FIRST + n % (REPLAY_MAX - REPLAY_FIRST);
	slot = &r->bodies[n];
	buf_free(*slot);
	*slot = buf_new(LIMIT_DELTA);
	buf_put_span(*slot, buf_span(body));
	r->newest = *slot;
}

static const struct buf *
any_kept(struct sim *s, const struct replay *r)
{
	size_t held = r->count < REPLAY_MAX ? r->count : REPLAY_MAX;

	return held > 0 ? r->bodies[sim_below(&s->chance, held)] : NULL;
}

static void
put(struct buf *body, struct span with)
{
	struct buf copy = BUF_INIT(LIMIT_DELTA);

	buf_put_span(&copy, with);
	buf_clear(body);
	buf_put_span(body, buf_span(&copy));
	buf_fini(&copy);
}

static void
damage(struct sim *s, struct buf *body)
{
	if (body->len > 0)
		body->data[sim_below(&s->chance, body->len)] ^=
		    (uint8_t)(1U << sim_below(&s->chance, 8));
}

static void
shorten(struct sim *s, struct buf *body)
{
	struct buf copy = BUF_INIT(LIMIT_DELTA);

	buf_put(&copy, body->data, (size_t)sim_below(&s->chance, body->len));
	put(body, buf_span(&copy));
	buf_fini(&copy);
}

/* Leaves records out at the end or somewhere, or changes two of them. */
static void
edit_records(struct sim *s, struct reply *reply)
{
	size_t count = reply->delta.records.count, at, other;
	struct signed_bytes *items;

	if (reply->answer != ANSWER_DELTA || count == 0)
		return;
	items = mem_dup(reply->delta.records.items, count * sizeof(*items));
	at = (size_t)sim_below(&s->chance, count);
	other = (size_t)sim_below(&s->chance, count);
	switch (sim_below(&s->chance, 3)) {
	case 0:
		count = at;
		break;
	case 1:
		memmove(items + at, items + at + 1, (count - at - 1) * sizeof(*items));
		count--;
		break;
	default: {
		struct signed_bytes swap = items[at];
		items[at] = items[other];
		items[other] = swap;
	}
	}
	reply->delta.records = (struct signed_list){items, count};
}

/* The records of this answer with the head of another. */
static void
edit_head(struct reply *reply, const struct reply *old)
{
	if (reply->answer == ANSWER_DELTA && old->answer == ANSWER_DELTA && old->delta.has_head) {
		reply->delta.has_head = true;
		reply->delta.head = old->delta.head;
	}
}

/* A bit of the head, which the digest of the state would not show. */
static void
damage_head(struct sim *s, struct reply *reply, struct buf *head)
{
	if (reply->answer != ANSWER_DELTA || !reply->delta.has_head)
		return;
	buf_put_span(head, reply->delta.head.body);
	damage(s, head);
	reply->delta.head.body = buf_span(head);
}

static void
edit(struct sim *s, const struct replay *r, struct buf *body)
{
	const struct buf *old_body = any_kept(s, r);
	struct buf encoded = BUF_INIT(LIMIT_DELTA), head = BUF_INIT(LIMIT_HEAD);
	struct reply reply = {0}, old = {0};
	const struct signed_bytes *decoded;
	struct span copy = SPAN(mem_dup(body->data, body->len), body->len);

	if (wire_reply_decode(copy, &reply, NULL) == 0) {
		decoded = reply.delta.records.items;
		if (sim_chance(&s->chance, 300000))
			edit_records(s, &reply);
		else if (sim_chance(&s->chance, 600000))
			damage_head(s, &reply, &head);
		else if (old_body != NULL && wire_reply_decode(buf_span(old_body), &old, NULL) == 0)
			edit_head(&reply, &old);
		if (wire_reply_encode(&reply, &encoded, NULL) == 0)
			put(body, buf_span(&encoded));
		if (reply.delta.records.items != decoded) {
			void *own = (void *)(uintptr_t)reply.delta.records.items;
			mem_free(own);
			reply.delta.records.items = decoded;
		}
		reply_fini(&old);
		reply_fini(&reply);
	}
	buf_fini(&encoded);
	buf_fini(&head);
	mem_free((void *)(uintptr_t)copy.data);
}

/* The newest head once more, as if nothing had happened since. */
static void
say_again(const struct replay *r, struct buf *body)
{
	struct buf encoded = BUF_INIT(LIMIT_DELTA);
	struct reply reply;

	put(body, buf_span(r->newest));
	if (wire_reply_decode(buf_span(r->newest), &reply, NULL) < 0)
		return;
	if (reply.answer == ANSWER_DELTA && reply.delta.has_head) {
		const struct reply beat = {
		    .answer = ANSWER_DELTA, .delta = {.has_head = true, .head = reply.delta.head}};

		if (wire_reply_encode(&beat, &encoded, NULL) == 0)
			put(body, buf_span(&encoded));
	}
	reply_fini(&reply);
	buf_fini(&encoded);
}

static void
lie(struct sim *s, const struct replay *r, const struct buf *old, struct buf *body)
{
	switch (sim_below(&s->chance, 8)) {
	case 0:
		damage(s, body);
		break;
	case 1:
		shorten(s, body);
		break;
	case 2:
	case 3:
	case 4:
		edit(s, r, body);
		break;
	case 5:
		if (r->snapshot != NULL)
			put(body, buf_span(r->snapshot));
		break;
	default:
		if (old != NULL)
			put(body, buf_span(old));
	}
}

bool
byzantine_reply(
    struct sim *s, struct sim_follower *f, struct replay *r, enum lying how, struct buf *body)
{
	const struct buf *old = any_kept(s, r);

	if (how == HONEST || (how == LIES && !sim_chance(&s->chance, LIE_PPM))) {
		keep(r, body);
		return true;
	}
	if (how == CAPTIVE) {
		if (r->snapshot != NULL && sim_chance(&s->chance, 300000))
			put(body, buf_span(r->snapshot));
		else if (old != NULL && sim_chance(&s->chance, 500000))
			say_again(r, body);
		else if (old != NULL)
			put(body, buf_span(old));
		return old != NULL;
	}
	sim_trace(s, "an answer for %s is not what it was", f->name);
	lie(s, r, old, body);
	return true;
}

void
byzantine_request(struct sim *s, enum lying how, struct buf *body)
{
	if (how == LIES && sim_chance(&s->chance, LIE_PPM / 4))
		damage(s, body);
}
