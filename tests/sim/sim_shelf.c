#include "tests/sim/sim.h"

#include "common/base/map.h"

#include <string.h>

#define KIND_MAX 256

/* Kind and name as one key. */
static size_t
name_key(uint32_t kind, const char *name, uint8_t out[static LIMIT_NAME + 5])
{
	size_t n = strlen(name);

	memcpy(out, &kind, sizeof(kind));
	memcpy(out + sizeof(kind), name, n);
	return sizeof(kind) + n;
}

static void
entry_free(struct sim_entry *e)
{
	if (e == NULL)
		return;
	record_free(e->record);
	buf_free(e->body);
	buf_free(e->signature);
	mem_free(e);
}

void
shelf_init(struct sim_shelf *x)
{
	x->by_id = map_new();
	x->by_name = map_new();
}

void
shelf_fini(struct sim_shelf *x)
{
	size_t at = 0;
	struct span key;
	void *value;

	while (x->by_id != NULL && map_next(x->by_id, &at, &key, &value))
		entry_free(value);
	map_free(x->by_id);
	map_free(x->by_name);
	memset(x, 0, sizeof(*x));
}

static struct buf *
copy_of(struct span s)
{
	struct buf *b = buf_new(s.len);

	buf_put_span(b, s);
	return b;
}

void
shelf_put(struct sim_shelf *x, const struct record *r, struct signed_bytes s)
{
	struct sim_entry *e = mem_zalloc(sizeof(*e)), *old;
	uint8_t key[LIMIT_NAME + 5];

	e->record = record_dup(r);
	e->body = copy_of(s.body);
	e->signature = copy_of(s.signature);
	old = map_put(x->by_id, &r->id, sizeof(r->id), e);
	if (old != NULL && !old->record->removed)
		map_del(x->by_name, key, name_key(old->record->kind, old->record->name, key));
	entry_free(old);
	if (!r->removed)
		map_put(x->by_name, key, name_key(r->kind, r->name, key), e);
}

static int
load_one(const struct stored_record *stored, void *arg, struct err *err)
{
	struct record r;
	int code = wire_record_decode(stored->body, &r, err);

	if (code == 0)
		shelf_put(arg, &r, (struct signed_bytes){stored->body, stored->signature});
	return code;
}

int
shelf_load(struct sim_shelf *x, struct store *store, struct err *err)
{
	return store_each(store, STORE_ALL_KINDS, true, load_one, x, err);
}

const struct sim_entry *
shelf_get(const struct sim_shelf *x, const struct id *id)
{
	return map_get(x->by_id, id, sizeof(*id));
}

const struct sim_entry *
shelf_by_name(const struct sim_shelf *x, uint32_t kind, const char *name)
{
	uint8_t key[LIMIT_NAME + 5];

	return map_get(x->by_name, key, name_key(kind, name, key));
}

size_t
shelf_of_kind(const struct sim_shelf *x, uint32_t kind, const struct sim_entry **out, size_t max)
{
	size_t at = 0, count = 0;
	struct span key;
	void *value;

	while (count < max && map_next(x->by_id, &at, &key, &value)) {
		const struct sim_entry *e = value;
		if (e->record->kind == kind && !e->record->removed)
			out[count++] = e;
	}
	return count;
}

const struct sim_entry *
shelf_any(const struct sim_shelf *x, uint32_t kind, struct sim_random *chance)
{
	const struct sim_entry *all[KIND_MAX];
	size_t count = shelf_of_kind(x, kind, all, KIND_MAX);

	return count > 0 ? all[sim_below(chance, count)] : NULL;
}

const struct sim_entry *
shelf_next(const struct sim_shelf *x, size_t *at)
{
	struct span key;
	void *value;

	return map_next(x->by_id, at, &key, &value) ? value : NULL;
}

struct signed_bytes
entry_signed(const struct sim_entry *e)
{
	return (struct signed_bytes){buf_span(e->body), buf_span(e->signature)};
}
