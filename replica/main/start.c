#include "replica/main/replica.h"

#include "common/keyring/keyring.h"
#include "common/link/link_nng.h"
#include "common/log/log.h"
#include "common/member/member_trust.h"
#include "common/store/store.h"
#include "common/sys/file.h"
#include "common/sys/process.h"
#include "common/tls/originator.h"
#include "common/tls/tls_ctx.h"
#include "common/wire/trust.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define FDS_WANTED 65536

/* What may be locked, if the configuration does not say. */
static int
start_memory(const struct replica_config *config, struct err *err)
{
	size_t size = (size_t)config->secure_memory;
	int r = size > 0 ? 0 : process_heap_size(PROCESS_HEAP_MOST, &size, err);

	return r < 0 ? r : secret_heap_init(size, err);
}

/*
 * A damaged database holds nothing that the manager cannot give again: it is put aside, not
 * deleted, so that somebody can look at it, and everything is fetched anew.
 */
static int
open_store(struct replica *r, struct err *err)
{
	AUTO(mem_freep)
	char *path = mem_printf("%s/store.db", r->config->data);
	AUTO(mem_freep)
	char *aside = mem_printf("%s/store.db.damaged", r->config->data);
	AUTO(mem_freep)
	char *wal = mem_printf("%s/store.db-wal", r->config->data);
	struct store_params p = {.path = path, .check = STORE_CHECK_QUICK};
	int code = store_open(&p, &r->store, err);

	if (code != ERR_PARSE)
		return code;
	log_error("replica", "%s; kept as '%s', fetching everything anew", err->text, aside);
	if ((code = file_rename_durable(path, aside, err)) < 0 ||
	    (code = file_remove(wal, err)) < 0)
		return code;
	return store_open(&p, &r->store, err);
}

static int
start_files(struct replica *r, struct err *err)
{
	int code;

	if ((code = member_load(r->config->data, &r->member, err)) < 0 ||
	    (code = dir_lock(r->config->data, &r->lock, err)) < 0 ||
	    (code = member_load_key(r->config->data, "sealing", &r->sealing, err)) < 0)
		return code;
	if (r->member.endpoint_count == 0)
		return err_set(err, ERR_INVALID, "'%s/domain.json' names no server to follow",
		    r->config->data);
	return open_store(r, err);
}

static void
hang_up(void *arg)
{
	struct replica *r = arg;

	if (r->originator != NULL)
		originator_drop(r->originator);
}

static void
on_closed(void *arg)
{
	struct replica *r = arg;

	if (r->link != NULL)
		link_nng_client_closed(r->link);
}

static int
start_link(struct replica *r, struct err *err)
{
	AUTO(tls_identity_unrefp)
	struct tls_identity *identity = NULL;
	struct originator_params o = {
	    .loop = r->loop,
	    .target = r->member.endpoints[0],
	    .root = r->member.root,
	    .accept = replica_accept_server,
	    .on_state = replica_on_link_state,
	    .on_closed = on_closed,
	    .arg = r,
	};
	struct link_nng_client_params l = {
	    .loop = r->loop,
	    .request_max = LIMIT_REQUEST,
	    .reply_max = LIMIT_DELTA,
	    .hang_up = hang_up,
	    .arg = r,
	};
	int code = tls_identity_new((const struct cert *const *)r->member.chain,
	    r->member.chain_count, r->member.identity_key, &identity, err);

	if (code < 0)
		return code;
	o.identity = identity;
	if ((code = originator_new(&o, &r->originator, err)) < 0)
		return code;
	l.url = originator_url(r->originator);
	return link_nng_client_new(&l, &r->link, err);
}

static int
start_following(struct replica *r, struct err *err)
{
	struct cache_params c = {
	    .runtime = r->runtime,
	    .loop = r->loop,
	    .store = r->store,
	    .keyring = r->keyring,
	    .opened_max = (size_t)r->config->opened_keys,
	    .events = replica_cache_events(r),
	};
	struct follow_params f = {
	    .runtime = r->runtime,
	    .link = r->link,
	    .store = r->store,
	    .high_term = r->member.high_term,
	    .node = r->member.node,
	    .software = "certherd " CERTHERD_VERSION,
	    .events = replica_follow_events(r),
	};
	struct trust *trust = NULL;
	size_t skipped = 0;
	int code = member_trust(&r->member, r->store, &trust, &skipped, err);

	if (code < 0)
		return code;
	if (skipped > 0)
		log_warning("replica", "%zu designations on disk do not verify", skipped);
	if ((code = cache_new(&c, &r->cache, err)) < 0) {
		trust_free(trust);
		return code;
	}
	f.trust = trust;
	return follow_new(&f, &r->follow, err);
}

static void
on_signal(void *arg, int signum)
{
	struct replica *r = arg;

	if (signum == SIGHUP) {
		log_notice("replica", "SIGHUP: configuration is read at start only");
		return;
	}
	log_notice("replica", "signal %d, stopping", signum);
	replica_stop(r);
}

static int
start_signals(struct replica *r, struct err *err)
{
	static const int signals[ARRAY_LEN(r->signals)] = {SIGTERM, SIGINT, SIGHUP};

	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		int code = loop_signal_open(r->loop, signals[i], on_signal, r, &r->signals[i], err);

		if (code < 0)
			return code;
	}
	return 0;
}

static void
fail(struct replica *r, const struct err *err)
{
	log_error("replica", "%s", err->text);
	r->failed = err->code;
	replica_stop(r);
}

/* Ports open only now, so that no client meets a cache that is still empty. */
static void
open_ports(void *arg, int status, const struct err *roots_err)
{
	struct replica *r = arg;
	struct ports_params p = {
	    .loop = r->loop,
	    .cache = r->cache,
	    .configs = r->config->ports.items,
	    .count = r->config->ports.count,
	    .threads = (unsigned)r->config->threads,
	    .roots = (const struct cert *const *)r->roots.certs,
	    .root_count = r->roots.count,
	};
	struct cache_stats stats;
	struct err err;

	if (r->stopping)
		return;
	if (status < 0) {
		fail(r, roots_err);
		return;
	}
	if ((p.count > 0 && ports_new(&p, &r->ports, &err) < 0) ||
	    replica_write_endpoints(r, &err) < 0) {
		fail(r, &err);
		return;
	}
	cache_stats(r->cache, &stats);
	log_notice("replica", "ready: node=%s domain=%s credentials=%zu names=%zu ports=%zu",
	    r->member.name, r->member.domain_name, stats.serving.credentials, stats.serving.names,
	    p.count);
	if (p.count == 0)
		log_notice("replica",
		    "no port is configured: it follows, and nobody can connect; see "
		    "--print-example");
	service_notify("READY=1");
	replica_watch_status(r);
	replica_watch_identity(r);
}

static void
on_first_load(void *arg, int status, const struct err *load_err)
{
	struct replica *r = arg;

	if (r->stopping)
		return;
	if (status < 0)
		fail(r, load_err);
	else if (replica_wants_roots(r))
		replica_look_at_roots(r, open_ports);
	else
		open_ports(r, 0, NULL);
}

/* --- the end, step by step: each closes one part and leads to the next
 * ---------------------------- */

static void
end_cache(void *arg)
{
	struct replica *r = arg;

	r->cache = NULL;
	process_block_group_signals(); /* a second one must not cut the rest short */
	for (size_t i = 0; i < ARRAY_LEN(r->signals); i++) {
		loop_signal_close(r->signals[i]);
		r->signals[i] = NULL;
	}
	loop_stop(r->loop);
}

static void
end_link(void *arg)
{
	struct replica *r = arg;

	r->link = NULL;
	if (r->cache != NULL)
		cache_close(r->cache, end_cache, r);
	else
		end_cache(r);
}

static void
end_follow(void *arg)
{
	struct replica *r = arg;

	r->follow = NULL;
	/* Before the client: nng must not be making a connection while it is closed. */
	originator_close(r->originator);
	r->originator = NULL;
	if (r->link != NULL)
		link_client_close(r->link, end_link, r);
	else
		end_link(r);
}

static void
end_roots(void *arg)
{
	struct replica *r = arg;

	if (r->follow != NULL)
		follow_close(r->follow, end_follow, r);
	else
		end_follow(r);
}

static void
end_ports(void *arg)
{
	struct replica *r = arg;

	r->ports = NULL;
	replica_end_roots(r, end_roots);
}

void
replica_stop(struct replica *r)
{
	if (r->stopping)
		return;
	r->stopping = true;
	service_notify("STOPPING=1");
	runtime_timer_stop(r->runtime, &r->status_timer);
	runtime_timer_stop(r->runtime, &r->renew_timer);
	if (r->ports != NULL)
		ports_close(r->ports, end_ports, r);
	else
		end_ports(r);
}

static void
replica_fini(struct replica *r)
{
	AUTO(mem_freep)
	char *endpoints = mem_printf("%s/endpoints.json", r->config->data);
	struct err ignored;

	loop_free(r->loop);
	replica_roots_fini(r);
	keyring_free(r->keyring);
	store_close(r->store);
	pkey_unref(r->sealing);
	member_fini(&r->member);
	if (r->lock >= 0)
		(void)!file_remove(endpoints, &ignored);
	fd_closep(&r->lock);
}

static int
start(struct replica *r, struct err *err)
{
	int code;

	if ((code = start_files(r, err)) < 0 || (code = loop_new(&r->loop, err)) < 0)
		return code;
	r->runtime = loop_runtime(r->loop);
	if ((code = keyring_new(&r->member.domain, &r->member.node, r->sealing, &r->keyring, err)) <
		0 ||
	    (code = start_signals(r, err)) < 0 || (code = start_link(r, err)) < 0 ||
	    (code = start_following(r, err)) < 0)
		return code;
	replica_start_freshness(r);
	return cache_load(r->cache, follow_trust(r->follow), on_first_load, r, err);
}

int
replica_run(const struct replica_config *config, struct err *err)
{
	struct replica r = {.config = config, .lock = -1};
	size_t fds;
	int code;

	if ((code = process_harden(err)) < 0 ||
	    (code = process_raise_fds(FDS_WANTED, &fds, err)) < 0 ||
	    (code = start_memory(config, err)) < 0)
		return code;
	code = start(&r, err);
	if (r.loop != NULL) {
		if (code < 0)
			replica_stop(&r);
		loop_run(r.loop);
	}
	if (code == 0 && r.failed < 0)
		code = err_set(err, (enum err_code)r.failed, "stopped because of the error above");
	replica_fini(&r);
	return code;
}
