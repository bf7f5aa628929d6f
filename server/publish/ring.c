#include "server/publish/publish_priv.h"

#include "common/wire/record_wire.h"

#include <string.h>

void
ring_init(struct ring *r, size_t max_bytes)
{
	*r = (struct ring){.max_bytes = max_bytes, .latest = map_new()};
}

static struct ring_entry *
at(const struct ring *r, size_t index)
{
	return &r->entries[(r->first + index) % r->cap];
}

static void
bury(struct ring *r, struct ring_entry *e)
{
	if (e->dead)
		return;
	e->dead = true;
	r->bytes -= e->body_len + e->signature_len;
	mem_free(e->bytes);
	e->bytes = NULL;
}

static void
drop_first(struct ring *r)
{
	struct ring_entry *e = at(r, 0);

	if (!e->dead) {
		(void)map_del(r->latest, e->id.bytes, ID_LEN);
		bury(r, e);
	}
	r->from = e->at;
	r->first = (r->first + 1) % r->cap;
	r->count--;
	r->dropped++;
}

void
ring_begin(struct ring *r, struct position from)
{
	while (r->count > 0)
		drop_first(r);
	r->from = from;
}

void
ring_fini(struct ring *r)
{
	ring_begin(r, r->from);
	map_free(r->latest);
	mem_free(r->entries);
}

static void
grow(struct ring *r)
{
	size_t cap = r->cap > 0 ? 2 * r->cap : 64;
	struct ring_entry *entries = mem_array(cap, sizeof(*entries));

	for (size_t i = 0; i < r->count; i++)
		entries[i] = *at(r, i);
	mem_free(r->entries);
	r->entries = entries;
	r->first = 0;
	r->cap = cap;
}

static struct ring_entry *
latest(const struct ring *r, const struct id *id)
{
	size_t number = (size_t)(uintptr_t)map_get(r->latest, id->bytes, ID_LEN);

	return number != 0 ? at(r, number - 1 - r->dropped) : NULL;
}

void
ring_add(struct ring *r, const struct committed *c)
{
	struct span body = c->signed_record.body, signature = c->signed_record.signature;
	struct ring_entry *old = latest(r, &c->record->id), *e;

	if (old != NULL)
		bury(r, old);
	if (r->count == r->cap)
		grow(r);
	e = at(r, r->count);
	*e = (struct ring_entry){
	    .id = c->record->id,
	    .kind = c->record->kind,
	    .at = record_position(c->record),
	    .mutation = c->record->mutation,
	    .removed = c->record->removed,
	    .bytes = mem_array(body.len + signature.len, 1),
	    .body_len = body.len,
	    .signature_len = signature.len,
	};
	memcpy(e->bytes, body.data, body.len);
	memcpy(e->bytes + body.len, signature.data, signature.len);
	r->bytes += body.len + signature.len;
	r->count++;
	(void)map_put(r->latest, e->id.bytes, ID_LEN, (void *)(uintptr_t)(r->dropped + r->count));
	/* Dead ones cost little, but may be many. */
	while (r->bytes > r->max_bytes || r->count > RING_ENTRIES)
		drop_first(r);
}

void
ring_purge(struct ring *r, struct position floor)
{
	for (size_t i = 0; i < r->count; i++) {
		struct ring_entry *e = at(r, i);

		if (position_compare(e->at, floor) > 0)
			return;
		if (e->dead || !e->removed || e->kind == KIND_NODE || e->kind == KIND_DESIGNATION)
			continue;
		(void)map_del(r->latest, e->id.bytes, ID_LEN);
		bury(r, e);
	}
}

/* Index of the first entry behind the position. */
static size_t
first_behind(const struct ring *r, struct position cursor)
{
	size_t low = 0, high = r->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (position_compare(at(r, middle)->at, cursor) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool
ring_collect(const struct ring *r, struct position cursor, size_t max_bytes,
    struct signed_bytes **list, size_t *count, bool *more)
{
	size_t start = first_behind(r, cursor), bytes = 0, n = 0, whole = 0;
	struct signed_bytes *out;
	uint64_t term = 0, mutation = 0;

	if (position_compare(cursor, r->from) < 0)
		return false;
	out = mem_array(r->count - start, sizeof(*out));
	*more = false;
	for (size_t i = start; i < r->count; i++) {
		const struct ring_entry *e = at(r, i);

		if (e->dead)
			continue;
		if (n == 0 || e->at.term != term || e->mutation != mutation)
			whole = n; /* here a mutation begins */
		term = e->at.term;
		mutation = e->mutation;
		out[n] = (struct signed_bytes){
		    SPAN(e->bytes, e->body_len), SPAN(e->bytes + e->body_len, e->signature_len)};
		bytes += wire_signed_size(&out[n++]);
		if (bytes > max_bytes && whole > 0) {
			n = whole;
			*more = true;
			break;
		}
	}
	*list = out;
	*count = n;
	return true;
}
