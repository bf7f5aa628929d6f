/*
 * Whom the ports believe that ask for certificates of clients and have no file of roots: the
 * domain's trusted roots of category client, from the records, as they are now.
 */

#include "replica/main/replica.h"

#include "common/crypto/sign.h"
#include "common/log/log.h"
#include "common/store/store.h"
#include "common/wire/public_wire.h"
#include "common/wire/record_wire.h"
#include "common/wire/trust.h"

#include <stdlib.h>
#include <string.h>

#define AGAIN_MS 10000

/* One look at the records: what was found goes to the ports, or is dropped. */
struct look {
	struct job job;
	struct replica *replica;
	struct trust *trust;
	struct cert *certs[LIMIT_TRUSTED_ROOTS];
	size_t count;
	bool damaged;
	int status;
	struct err err;
};

static void
drop(struct cert **certs, size_t count)
{
	for (size_t i = 0; i < count; i++)
		cert_unref(certs[i]);
}

/* 1: it is one; what came by a fetch of everything was believed by its digest alone. */
static int
take(struct look *l, const struct record *record, const struct stored_record *stored,
    struct err *err)
{
	struct trusted_root_public p = {.label = NULL};
	struct cert *cert;
	int r = trust_verify_record(l->trust, record, stored->body, stored->signature, err);

	l->damaged |= r == ERR_CRYPTO;
	if (r == 0)
		r = wire_trusted_root_public_decode(record->public_part, &p, err);
	if (r == 0 && (p.categories & TRUST_CLIENT) != 0) {
		r = cert_parse(p.certificate, &cert, err);
		if (r == 0)
			l->certs[l->count++] = cert;
	}
	trusted_root_public_fini(&p);
	return r;
}

static int
on_record(const struct stored_record *stored, void *arg, struct err *err)
{
	struct look *l = arg;
	struct record *record = mem_zalloc(sizeof(*record));
	int r = wire_record_decode(stored->body, record, err);

	if (r == 0 && !record->removed && l->count < LIMIT_TRUSTED_ROOTS)
		r = take(l, record, stored, err);
	mem_free(record);
	if (r < 0)
		log_warning(
		    "roots", "passing over the trusted root '%s': %s", stored->name, err->text);
	return 0;
}

static int
compare(const void *a, const void *b)
{
	struct hash x, y;

	cert_fingerprint(*(struct cert *const *)a, &x);
	cert_fingerprint(*(struct cert *const *)b, &y);
	return memcmp(x.bytes, y.bytes, HASH_LEN);
}

static void
look_run(struct job *job)
{
	struct look *l = CONTAINER_OF(job, struct look, job);

	l->status = store_each(l->replica->store, KIND_TRUSTED_ROOT, true, on_record, l, &l->err);
	/* In one order, so that the same roots are the same policy. */
	if (l->count > 1)
		qsort(l->certs, l->count, sizeof(*l->certs), compare);
}

/* --- on the loop --- */

static bool
is_same(const struct replica_roots *now, const struct look *l)
{
	bool same = now->loaded && now->count == l->count;

	for (size_t i = 0; same && i < l->count; i++)
		same = compare(&now->certs[i], &l->certs[i]) == 0;
	return same;
}

static int
use(struct replica *r, struct look *l, struct err *err)
{
	struct replica_roots *now = &r->roots;
	int code = r->ports == NULL
	    ? 0
	    : ports_set_roots(r->ports, (const struct cert *const *)l->certs, l->count, err);

	if (code < 0)
		return code;
	if (l->count > 0)
		log_notice("roots", "roots of clients: %zu", l->count);
	else
		log_warning("roots",
		    "the domain trusts no root of category client, so no certificate of a client "
		    "is good");
	drop(now->certs, now->count);
	mem_free(now->certs);
	now->certs = mem_array(l->count + 1, sizeof(*now->certs));
	if (l->count > 0)
		memcpy(now->certs, l->certs, l->count * sizeof(*now->certs));
	now->count = l->count;
	l->count = 0;
	now->loaded = true;
	return 0;
}

static void
look_done(struct job *job)
{
	struct look *l = CONTAINER_OF(job, struct look, job);
	struct replica *r = l->replica;
	struct replica_roots *now = &r->roots;
	void (*then)(void *arg, int status, const struct err *err) = now->then;
	int status = l->status;

	now->busy = false;
	if (status == 0 && !now->ended && !is_same(now, l))
		status = use(r, l, &l->err);
	if (status < 0 && !now->ended) {
		log_error("roots", "cannot look at the trusted roots: %s", l->err.text);
		runtime_timer_start(r->runtime, &now->timer, AGAIN_MS);
	}
	if (l->damaged)
		replica_refetch(r);
	now->then = NULL;
	if (then != NULL)
		then(r, status, &l->err);
	if (now->ended)
		now->on_end(r);
	else if (now->again)
		replica_look_at_roots(r, NULL);
	drop(l->certs, l->count);
	trust_free(l->trust);
	mem_free(l);
}

static void
on_again(void *arg)
{
	replica_look_at_roots(arg, NULL);
}

void
replica_look_at_roots(struct replica *r, void (*then)(void *arg, int status, const struct err *err))
{
	struct replica_roots *now = &r->roots;
	struct look *l;

	if (now->ended)
		return;
	now->again = now->busy;
	if (now->busy)
		return;
	now->timer.cb = on_again;
	now->timer.arg = r;
	runtime_timer_stop(r->runtime, &now->timer);
	now->busy = true;
	now->then = then;
	l = mem_zalloc(sizeof(*l));
	l->replica = r;
	l->trust = trust_clone(follow_trust(r->follow));
	l->job = (struct job){look_run, look_done, NULL};
	runtime_work(r->runtime, &l->job);
}

bool
replica_wants_roots(const struct replica *r)
{
	const struct port_config *ports = r->config->ports.items;

	for (size_t i = 0; i < r->config->ports.count; i++)
		if (port_config_wants_roots(&ports[i]))
			return true;
	return false;
}

void
replica_roots_changed(struct replica *r, const struct change *changes, size_t count, bool complete)
{
	bool concerned = !complete;

	for (size_t i = 0; i < count && !concerned; i++)
		concerned = changes[i].record->kind == KIND_TRUSTED_ROOT;
	/* Before the first look there is nothing that could have changed. */
	if (concerned && (r->roots.loaded || r->roots.busy))
		replica_look_at_roots(r, NULL);
}

void
replica_end_roots(struct replica *r, void (*on_end)(void *arg))
{
	r->roots.ended = true;
	r->roots.on_end = on_end;
	if (r->runtime != NULL)
		runtime_timer_stop(r->runtime, &r->roots.timer);
	if (!r->roots.busy)
		on_end(r);
}

void
replica_roots_fini(struct replica *r)
{
	drop(r->roots.certs, r->roots.count);
	mem_free(r->roots.certs);
}
