#include "tests/sim/sim.h"

#include "common/crypto/sign.h"

#include <stdio.h>
#include <string.h>

#define STORE_PATH "store.db"
#define PULL_WAIT_MS 15000

void
follower_init(struct sim *s, struct sim_follower *f, unsigned number)
{
	struct err err;
	char vfs[32];

	memset(f, 0, sizeof(*f));
	f->sim = s;
	f->used = true;
	snprintf(f->name, sizeof(f->name), "node%u", number);
	id_random(&f->node);
	CHECK(pkey_generate(KEY_EC_P256, &f->identity, &err) == 0);
	CHECK(pkey_generate(KEY_EC_P256, &f->sealing, &err) == 0);
	snprintf(vfs, sizeof(vfs), "sim-%s", f->name);
	f->disk = vfs_fault_new(vfs, sim_draw(&s->chance));
	sim_runtime_init(&f->rt, &s->clock, sim_draw(&s->chance));
	f->mirror = digest_new();
}

void
follower_fini(struct sim_follower *f)
{
	if (!f->used)
		return;
	CHECK(f->state == SIM_DOWN);
	sim_runtime_fini(&f->rt);
	vfs_fault_free(f->disk);
	digest_free(f->mirror);
	pkey_unref(f->identity);
	pkey_unref(f->sealing);
}

/* --- what it takes in ----------------------------------------------------------------------------
 */

static void
on_receipt(void *arg, const struct receipt *receipt)
{
	struct sim_follower *f = arg;

	if (f->follow != NULL)
		follow_set_receipt(f->follow, receipt);
}

static void
on_receipt_gone(void *arg, const struct id *credential)
{
	struct sim_follower *f = arg;

	if (f->follow != NULL)
		follow_drop_receipt(f->follow, credential);
}

static void
on_settled(void *arg)
{
	struct sim_follower *f = arg;

	if (f->state != SIM_UP || f->follow == NULL)
		return;
	/* Once for each state: looking at what is served opens it, and so settles again. */
	if (f->unchecked && check_settled(f))
		f->unchecked = false;
	follow_receipts_done(f->follow);
}

static void
on_loaded(void *arg, int status, const struct err *err)
{
	struct sim_follower *f = arg;

	if (status < 0)
		sim_trace(f->sim, "%s cannot load its cache: %s", f->name, err->text);
	f->load_failed = status < 0;
	f->unchecked = true;
}

static void
on_applied(void *arg, const struct change *changes, size_t count, bool complete, struct position at)
{
	struct sim_follower *f = arg;
	struct err err;

	f->applied++;
	f->unchecked = true;
	sim_trace(f->sim, "%s applied %zu%s to seq %llu", f->name, count,
	    complete ? "" : " (all anew)", (unsigned long long)at.seq);
	check_applied(f, at);
	if (complete && !f->load_failed)
		cache_apply(f->cache, follow_trust(f->follow), changes, count);
	else if (cache_load(f->cache, follow_trust(f->follow), on_loaded, f, &err) < 0)
		sim_fail(f->sim, "%s: %s", f->name, err.text);
}

static void
on_freshness(void *arg, enum freshness freshness)
{
	struct sim_follower *f = arg;

	sim_trace(f->sim, "%s is %s", f->name, freshness_name(freshness));
}

static void
on_term(void *arg, uint64_t term)
{
	struct sim_follower *f = arg;

	if (term < f->high_term)
		sim_fail(f->sim, "%s goes back to a lower term", f->name);
	f->high_term = term;
}

static void
on_refused(void *arg, int code, const char *text)
{
	struct sim_follower *f = arg;

	sim_trace(f->sim, "%s is refused: %s: %s", f->name, err_name(code), text);
	if (!f->removed && f->joined && !f->tampered)
		sim_fail(f->sim, "%s is refused, and is a member", f->name);
	f->refused = true;
}

/* --- start and stop ------------------------------------------------------------------------------
 */

static int
open_store(struct sim_follower *f, struct err *err)
{
	struct store_params p = {.path = STORE_PATH, .check = STORE_CHECK_QUICK};

	vfs_fault_use(f->disk, &p);
	return store_open(&p, &f->store, err);
}

static int
start_cache(struct sim_follower *f, struct trust **trust, struct err *err)
{
	const struct sim_manager *m = &f->sim->manager;
	struct member member = {.root = m->root, .root_fingerprint = m->root_fingerprint};
	struct cache_params p = {
	    .runtime = &f->rt.rt,
	    .store = f->store,
	    .opened_max = 8,
	    .events = {f, on_receipt, on_receipt_gone, on_settled},
	};
	size_t skipped;
	int r;

	r = keyring_new(&m->domain, &f->node, f->sealing, &f->keyring, err);
	if (r < 0 || (r = member_trust(&member, f->store, trust, &skipped, err)) < 0)
		return r;
	p.keyring = f->keyring;
	r = cache_new(&p, &f->cache, err);
	return r < 0 ? r : cache_load(f->cache, *trust, on_loaded, f, err);
}

void
follower_start(struct sim_follower *f)
{
	struct sim *s = f->sim;
	struct sim_manager *m = &s->manager;
	struct follow_params p = {
	    .runtime = &f->rt.rt,
	    .high_term = f->high_term,
	    .node = f->node,
	    .software = "sim",
	    .wait_ms = PULL_WAIT_MS,
	    .max_bytes = 4096 << sim_below(&s->chance, 8),
	    .events = {f, on_applied, on_freshness, on_term, on_refused, NULL},
	};
	struct trust *trust = NULL;
	struct err err = {0};

	CHECK(f->state == SIM_DOWN);
	f->state = SIM_UP;
	f->dying = false;
	f->load_failed = false;
	f->shown = (struct position){0, 0};
	f->shown_beat = 0;
	f->heard_ms = s->clock.now_ms;
	vfs_fault_heal(f->disk);
	if (open_store(f, &err) < 0) {
		sim_fail(s, "%s cannot open its store: %s", f->name, err.text);
		f->state = SIM_DOWN;
		return;
	}
	if (start_cache(f, &trust, &err) < 0)
		sim_fail(s, "%s cannot serve: %s", f->name, err.text);
	CHECK(link_memory_client_new(
		  s->net, &f->node, &m->node, LIMIT_REQUEST, LIMIT_DELTA, &f->client, &err) == 0);
	p.link = f->client;
	p.store = f->store;
	p.trust = trust;
	if (follow_new(&p, &f->follow, &err) < 0)
		sim_fail(s, "%s cannot follow: %s", f->name, err.text);
	fault_apply(f);
	sim_trace(s, "%s is up", f->name);
}

static void
on_client_closed(void *arg)
{
	struct sim_follower *f = arg;

	f->client = NULL;
	keyring_free(f->keyring);
	f->keyring = NULL;
	store_close(f->store);
	f->store = NULL;
	f->state = SIM_DOWN;
	sim_trace(f->sim, "%s is down", f->name);
	if (f->restart_after_stop)
		follower_start(f);
}

static void
on_cache_closed(void *arg)
{
	struct sim_follower *f = arg;

	f->cache = NULL;
	link_client_close(f->client, on_client_closed, f);
}

static void
on_follow_closed(void *arg)
{
	struct sim_follower *f = arg;

	f->follow = NULL;
	cache_close(f->cache, on_cache_closed, f);
}

void
follower_stop(struct sim_follower *f, bool power, bool restart)
{
	if (f->state != SIM_UP)
		return;
	sim_trace(f->sim, "%s %s", f->name, power ? "loses power" : "is killed");
	f->kept = power ? f->sure : f->shown;
	f->state = SIM_STOPPING;
	f->power = power;
	f->restart_after_stop = restart;
	/* From here on nothing leaves the node, and nothing gets to its disk after a power cut. */
	link_net_partition(f->sim->net, &f->node, &f->sim->manager.node, true);
	if (power)
		vfs_fault_crash(f->disk);
	else
		vfs_fault_fail(f->disk, VFS_WRITE, 1, VFS_EIO, true);
	follow_close(f->follow, on_follow_closed, f);
}
