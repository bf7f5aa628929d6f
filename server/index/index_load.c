/* What the index reads from the store: everything at start, single records later. */

#include "common/base/runtime.h"
#include "common/store/store.h"
#include "common/wire/record_wire.h"
#include "server/index/index_priv.h"

#include <string.h>

struct load {
	struct job job;
	struct index *ix;
	index_loaded_cb *loaded;
	void *arg;
	int status;
	struct err err;
};

static int
on_stored(const struct stored_record *s, void *arg, struct err *err)
{
	struct load *load = arg;
	char id[ID_HEX_MAX];
	struct record r;
	int rc = wire_record_decode(s->body, &r, err);

	if (rc == 0)
		rc = index_apply(load->ix, &r, (struct signed_bytes){s->body, s->signature}, err);
	return rc < 0 ? err_wrap(err, "record %s", id_hex(&s->id, id)) : 0;
}

/* On the worker; nobody looks at the index before on_loaded. */
static void
run_load(struct job *job)
{
	struct load *load = CONTAINER_OF(job, struct load, job);

	load->status =
	    store_each(load->ix->store, STORE_ALL_KINDS, true, on_stored, load, &load->err);
}

static void
on_loaded(struct job *job)
{
	struct load *load = CONTAINER_OF(job, struct load, job);

	load->loaded(load->arg, load->status, &load->err);
	mem_free(load);
}

void
index_load(struct index *ix, index_loaded_cb *loaded, void *arg)
{
	struct load *load = mem_zalloc(sizeof(*load));

	load->job = (struct job){.run = run_load, .done = on_loaded};
	load->ix = ix;
	load->loaded = loaded;
	load->arg = arg;
	runtime_work(ix->rt, &load->job);
}

struct fetch {
	struct job job;
	struct index *ix;
	struct id id;
	index_fetch_cb *cb;
	void *arg;
	struct store_records *found;
	int status;
	struct err err;
};

static void
run_fetch(struct job *job)
{
	struct fetch *f = CONTAINER_OF(job, struct fetch, job);

	f->status = store_get(f->ix->store, &f->id, &f->found, &f->err);
}

static void
on_fetched(struct job *job)
{
	struct fetch *f = CONTAINER_OF(job, struct fetch, job);
	struct signed_bytes s = {{NULL, 0}, {NULL, 0}};
	struct record r;

	if (f->status == 0) {
		s = (struct signed_bytes){f->found->items[0].body, f->found->items[0].signature};
		f->status = wire_record_decode(s.body, &r, &f->err);
	}
	f->cb(f->arg, f->status, f->status == 0 ? &r : NULL, s, &f->err);
	store_records_free(f->found);
	mem_free(f);
}

void
index_fetch(struct index *ix, const struct id *id, index_fetch_cb *cb, void *arg)
{
	struct fetch *f = mem_zalloc(sizeof(*f));

	f->job = (struct job){.run = run_fetch, .done = on_fetched};
	f->ix = ix;
	f->id = *id;
	f->cb = cb;
	f->arg = arg;
	runtime_work(ix->rt, &f->job);
}
