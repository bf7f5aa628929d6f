#include "common/store/store_priv.h"

#include "common/base/arena.h"
#include "common/base/limits.h"

#include <string.h>

/* What a record takes in a page besides body and signature: tags and lengths on the wire. */
#define RECORD_OVERHEAD 16

void
store_records_free(struct store_records *list)
{
	if (list == NULL)
		return;
	arena_free(list->memory);
	mem_free(list->items);
	mem_free(list);
}

static struct store_records *
records_new(void)
{
	struct store_records *list = mem_zalloc(sizeof(*list));

	/* Its callers bound it: one mutation, or max_bytes. */
	list->memory = arena_new(SIZE_MAX);
	return list;
}

static struct span
column_span(sqlite3_stmt *st, int at)
{
	/* The pointer first: the length is that of the form it asked for. */
	const void *data = sqlite3_column_blob(st, at);

	return SPAN(data, (size_t)sqlite3_column_bytes(st, at));
}

static uint64_t
column_u64(sqlite3_stmt *st, int at)
{
	return (uint64_t)sqlite3_column_int64(st, at);
}

int
store_row(sqlite3_stmt *st, bool body, struct stored_record *out, struct err *err)
{
	struct span id = column_span(st, 0), hash = column_span(st, 8);
	struct stored_record r = {
	    .kind = (uint32_t)column_u64(st, 1),
	    .at = {.term = column_u64(st, 2), .seq = column_u64(st, 3)},
	    .mutation = column_u64(st, 4),
	    .version = column_u64(st, 5),
	    .committed_at_ms = sqlite3_column_int64(st, 6),
	    .removed = sqlite3_column_int64(st, 7) != 0,
	    .name = (const char *)sqlite3_column_text(st, 9),
	};

	if (id.len != ID_LEN || hash.len != HASH_LEN || r.name == NULL)
		return err_set(err, ERR_PARSE, "a row of the records is damaged");
	memcpy(r.id.bytes, id.data, ID_LEN);
	memcpy(r.hash.bytes, hash.data, HASH_LEN);
	if (body) {
		r.signature = column_span(st, 10);
		r.body = column_span(st, 11);
		if (r.body.len > LIMIT_RECORD)
			return err_set(err, ERR_PARSE, "a row of the records is too long");
	}
	*out = r;
	return 0;
}

static int
append_copy(struct store_records *list, const struct stored_record *r, struct err *err)
{
	struct stored_record copy = *r;

	copy.name = arena_text(list->memory, span_str(r->name));
	copy.signature = arena_span(list->memory, r->signature);
	copy.body = arena_span(list->memory, r->body);
	if (copy.name == NULL || (copy.body.data == NULL && r->body.len > 0) ||
	    (copy.signature.data == NULL && r->signature.len > 0))
		return err_set(err, ERR_NOMEM, "no memory for a page of records");
	/* Room grows at each power of two. */
	if ((list->count & (list->count - 1)) == 0)
		list->items = mem_grow(
		    list->items, list->count > 0 ? 2 * list->count : 1, sizeof(*list->items));
	list->items[list->count++] = copy;
	list->bytes += r->body.len + r->signature.len + RECORD_OVERHEAD;
	return 0;
}

int
store_get(struct store *s, const struct id *id, struct store_records **out, struct err *err)
{
	AUTO(store_records_freep)
	struct store_records *list = NULL;
	AUTO(store_releasep)
	sqlite3_stmt *st = NULL;
	struct stored_record record;
	char hex[ID_HEX_MAX];
	int r = store_ready(s, err);

	if (r < 0)
		return r;
	st = store_take(s, STMT_GET);
	store_bind_span(st, 1, SPAN_OF(id->bytes));
	r = store_step(s, st, err);
	if (r < 0)
		return r;
	if (r == 0)
		return err_set(err, ERR_NOTFOUND, "there is no record %s", id_hex(id, hex));
	r = store_row(st, true, &record, err);
	if (r < 0)
		return r;
	list = records_new();
	r = append_copy(list, &record, err);
	if (r < 0)
		return r;
	*out = MOVE(list);
	return 0;
}

/* Where the mutation that is being read began in the list. */
struct page {
	struct store_records *list;
	size_t start, start_bytes;
	size_t max_bytes, max_count;
};

/* 1 when the record and its mutation so far do not fit any more and were taken back. */
static int
page_add(struct page *p, const struct stored_record *r, struct err *err)
{
	struct store_records *list = p->list;
	const struct stored_record *last = list->count > 0 ? &list->items[list->count - 1] : NULL;
	int result;

	if (last == NULL || last->at.term != r->at.term || last->mutation != r->mutation) {
		p->start = list->count;
		p->start_bytes = list->bytes;
	}
	result = append_copy(list, r, err);
	if (result < 0)
		return result;
	if (p->start == 0 || (list->bytes <= p->max_bytes && list->count <= p->max_count))
		return 0;
	list->count = p->start;
	list->bytes = p->start_bytes;
	return 1;
}

int
store_page(struct store *s, struct position after, size_t max_bytes, size_t max_count,
    struct store_records **out, bool *more, struct err *err)
{
	AUTO(store_records_freep)
	struct store_records *list = NULL;
	AUTO(store_releasep)
	sqlite3_stmt *st = NULL;
	struct page page;
	int r = store_ready(s, err), full = 0;

	if (r < 0)
		return r;
	if (after.term > INT64_MAX || after.seq > INT64_MAX)
		return err_set(err, ERR_INVALID, "a position of 2^63 or more");
	list = records_new();
	page = (struct page){.list = list, .max_bytes = max_bytes, .max_count = max_count};
	st = store_take(s, STMT_PAGE);
	store_bind_u64(st, 1, after.term);
	store_bind_u64(st, 2, after.seq);
	while (full == 0 && (r = store_step(s, st, err)) == 1) {
		struct stored_record record;

		r = store_row(st, true, &record, err);
		if (r == 0)
			full = page_add(&page, &record, err);
		if (r < 0 || full < 0)
			return r < 0 ? r : full;
	}
	if (r < 0)
		return r;
	*more = full == 1;
	*out = MOVE(list);
	return 0;
}

int
store_each(
    struct store *s, uint32_t kind, bool bodies, store_each_cb *cb, void *arg, struct err *err)
{
	bool all = kind == STORE_ALL_KINDS;
	enum store_stmt which = bodies ? (all ? STMT_EACH : STMT_EACH_OF)
				       : (all ? STMT_EACH_BRIEF : STMT_EACH_OF_BRIEF);
	AUTO(store_releasep)
	sqlite3_stmt *st = NULL;
	int r = store_ready(s, err);

	if (r < 0)
		return r;
	st = store_take(s, which);
	if (!all)
		store_bind_u64(st, 1, kind);
	while ((r = store_step(s, st, err)) == 1) {
		struct stored_record record;

		r = store_row(st, bodies, &record, err);
		if (r == 0)
			r = cb(&record, arg, err);
		if (r < 0)
			return r;
	}
	return r;
}

/* The position in the first two columns of a statement's only row; untouched without a row. */
static int
read_position(struct store *s, sqlite3_stmt *st, struct position *out, struct err *err)
{
	int r = store_step(s, st, err);

	if (r == 1)
		*out = (struct position){column_u64(st, 0), column_u64(st, 1)};
	return r;
}

int
store_extent(struct store *s, struct position *newest, uint64_t *count, struct err *err)
{
	struct position found = {0, 0};
	AUTO(store_releasep)
	sqlite3_stmt *st = NULL;
	AUTO(store_releasep)
	sqlite3_stmt *counting = NULL;
	int r = store_ready(s, err);

	if (r < 0)
		return r;
	st = store_take(s, STMT_NEWEST);
	r = read_position(s, st, &found, err);
	if (r < 0)
		return r;
	counting = store_take(s, STMT_COUNT);
	r = store_step(s, counting, err);
	if (r < 0)
		return r;
	*count = column_u64(counting, 0);
	*newest = found;
	return 0;
}

int
store_floor(struct store *s, int64_t before_ms, struct position *out, struct err *err)
{
	struct position young = {INT64_MAX, INT64_MAX}, old = {0, 0};
	AUTO(store_releasep)
	sqlite3_stmt *st_young = NULL;
	AUTO(store_releasep)
	sqlite3_stmt *st_old = NULL;
	int r = store_ready(s, err);

	if (r < 0)
		return r;
	st_young = store_take(s, STMT_FLOOR_YOUNG);
	CHECK(sqlite3_bind_int64(st_young, 1, before_ms) == SQLITE_OK);
	r = read_position(s, st_young, &young, err);
	if (r < 0)
		return r;
	st_old = store_take(s, STMT_FLOOR_OLD);
	store_bind_u64(st_old, 1, young.term);
	store_bind_u64(st_old, 2, young.seq);
	r = read_position(s, st_old, &old, err);
	if (r < 0)
		return r;
	*out = old;
	return 0;
}

int
store_tombstones(
    struct store *s, struct position floor, struct id **ids, size_t *count, struct err *err)
{
	AUTO(store_releasep)
	sqlite3_stmt *st = NULL;
	struct id *list = NULL;
	size_t n = 0;
	int r = store_ready(s, err);

	if (r < 0)
		return r;
	st = store_take(s, STMT_TOMBSTONES);
	store_bind_u64(st, 1, floor.term);
	store_bind_u64(st, 2, floor.seq);
	while ((r = store_step(s, st, err)) == 1) {
		struct id id;

		r = id_from_span(column_span(st, 0), &id, err);
		if (r < 0)
			break;
		if ((n & (n - 1)) == 0)
			list = mem_grow(list, n > 0 ? 2 * n : 1, sizeof(*list));
		list[n++] = id;
	}
	if (r < 0) {
		mem_free(list);
		return r;
	}
	*ids = list;
	*count = n;
	return 0;
}

int
store_meta_get(struct store *s, const char *key, struct buf *out, struct err *err)
{
	AUTO(store_releasep)
	sqlite3_stmt *st = NULL;
	int r = store_ready(s, err);

	if (r < 0)
		return r;
	st = store_take(s, STMT_META_GET);
	store_bind_text(st, 1, key);
	r = store_step(s, st, err);
	if (r < 0)
		return r;
	if (r == 0)
		return err_set(err, ERR_NOTFOUND, "the store has no '%s'", key);
	buf_put_span(out, column_span(st, 0));
	return buf_error(out, key, err);
}
