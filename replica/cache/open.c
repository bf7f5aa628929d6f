#include "replica/cache/open.h"

#include "common/crypto/cert.h"
#include "common/keyring/keyring.h"
#include "common/loop/loop.h"
#include "common/store/store.h"
#include "common/tls/tls_ctx.h"
#include "common/wire/public_wire.h"
#include "common/wire/record_wire.h"
#include "common/wire/trust.h"
#include "replica/cache/issuers.h"

static int
make_identity(
    struct opening *o, const struct generation_public *p, const struct pkey *key, struct err *err)
{
	struct cert *chain[LIMIT_CHAIN];
	size_t count = 0;
	int r = 0;

	if (p->chain.count > LIMIT_CHAIN)
		return err_set(err, ERR_LIMIT, "chain of %zu certificates", p->chain.count);
	while (r == 0 && count < p->chain.count) {
		r = count == 0
		    ? cert_parse_of(p->chain.items[0], key, &chain[0], err)
		    : issuers_parse(o->issuers, p->chain.items[count], &chain[count], err);
		count += r == 0;
	}
	if (r == 0)
		r = tls_identity_new(
		    (const struct cert *const *)chain, count, key, &o->identity, err);
	for (size_t i = 0; i < count; i++)
		cert_unref(chain[i]);
	return r;
}

static int
open_record(struct opening *o, const struct record *record, struct err *err)
{
	AUTO(pkey_unrefp)
	struct pkey *key = NULL;
	struct generation_public p;
	int r = wire_generation_public_decode(record->public_part, &p, err);

	if (r < 0)
		return r;
	if (!id_equal(&p.credential, &o->credential))
		r = err_set(err, ERR_CRYPTO, "it belongs to another credential");
	if (r == 0)
		r = keyring_open_key(o->keyring, record, p.key, &key, err);
	if (r == 0)
		r = make_identity(o, &p, key, err);
	generation_public_fini(&p);
	return r;
}

static int
open_fetched(struct opening *o, struct err *err)
{
	const struct stored_record *stored = &o->fetched->items[0];
	struct record *record = mem_zalloc(sizeof(*record));
	int r = wire_record_decode(stored->body, record, err);

	o->damaged = r < 0;
	if (r == 0 && (!id_equal(&record->id, &o->generation) || record->removed))
		r = err_set(err, ERR_NOTFOUND, "the record is gone");
	if (r == 0) {
		r = trust_verify_record(o->trust, record, stored->body, stored->signature, err);
		o->damaged = r == ERR_CRYPTO;
	}
	if (r == 0)
		r = open_record(o, record, err);
	mem_free(record); /* its spans lie in the stored body */
	return r;
}

static void
open_run(struct job *job)
{
	struct opening *o = CONTAINER_OF(job, struct opening, job);
	char hex[ID_HEX_MAX];

	o->status =
	    o->record != NULL ? open_record(o, o->record, &o->err) : open_fetched(o, &o->err);
	if (o->status < 0)
		o->status = err_wrap(&o->err, "generation %s", id_hex(&o->generation, hex));
}

static void
open_done(struct job *job)
{
	struct opening *o = CONTAINER_OF(job, struct opening, job);

	o->done(o);
}

static void
open_begin(struct opening *o)
{
	o->job = (struct job){open_run, open_done, NULL};
	if (o->loop != NULL)
		loop_background(o->loop, &o->job);
	else
		runtime_work(o->runtime, &o->job);
}

static void
fetch_run(struct job *job)
{
	struct opening *o = CONTAINER_OF(job, struct opening, job);

	o->status = store_get(o->store, &o->generation, &o->fetched, &o->err);
}

static void
fetch_done(struct job *job)
{
	struct opening *o = CONTAINER_OF(job, struct opening, job);

	if (o->status < 0) {
		o->done(o);
		return;
	}
	/* Not before: a term may have begun since, and the record may be of it. */
	o->trust = trust_clone(*o->trusted);
	open_begin(o);
}

void
opening_start(struct opening *o)
{
	if (o->record != NULL) {
		open_begin(o);
		return;
	}
	o->job = (struct job){fetch_run, fetch_done, NULL};
	runtime_work(o->runtime, &o->job);
}

void
opening_fini(struct opening *o)
{
	trust_free(o->trust);
	record_free(o->record);
	store_records_free(o->fetched);
	tls_identity_unref(o->identity);
	o->trust = NULL;
	o->record = NULL;
	o->fetched = NULL;
	o->identity = NULL;
}
