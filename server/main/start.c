#include "server/main/server.h"

#include "common/base/map.h"
#include "common/json/json.h"
#include "common/log/log.h"
#include "common/member/member_trust.h"
#include "common/store/store.h"
#include "common/sys/file.h"
#include "common/sys/process.h"
#include "common/sys/unix.h"
#include "common/tls/tls_ctx.h"
#include "server/index/index_local.h"
#include "server/signer/process.h"

#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define FDS_WANTED 65536
#define MAIN_SECURE (256U << 10) /* its own TLS key, and join secrets on their way */

/*
 * The start is a chain: what needs the disk or the signer ends in a callback that begins the next
 * step. A step that fails ends the program in good order.
 */

void
server_fail(struct server *s, const struct err *err)
{
	log_error("server", "%s", err->text);
	s->failed = err->code;
	server_stop(s);
}

static struct texts
endpoints_of(struct server *s)
{
	return (struct texts){(const char *const *)s->endpoints, s->endpoint_count};
}

/* --- files ---------------------------------------------------------------------------------------
 */

static int
open_store(struct server *s, struct err *err)
{
	AUTO(mem_freep)
	char *path = mem_printf("%s/store.db", s->config->data);
	struct store_params p = {.path = path, .full = true, .check = STORE_CHECK_QUICK};
	int r;

	if (!file_exists(path))
		return err_set(err, ERR_NOTFOUND,
		    "database '%s' is missing; put back a copy of it, or begin a new domain with "
		    "'certherd init' in another directory",
		    path);
	r = store_open(&p, &s->store, err);
	if (r == ERR_PARSE)
		return err_wrap(err,
		    "the manager's database is damaged and was not touched; put back a copy of "
		    "it");
	return r;
}

static int
start_files(struct server *s, struct err *err)
{
	size_t skipped = 0;
	int r;

	if ((r = member_load(s->config->data, &s->member, err)) < 0 ||
	    (r = dir_lock(s->config->data, &s->lock, err)) < 0 || (r = open_store(s, err)) < 0 ||
	    (r = member_trust(&s->member, s->store, &s->trust, &skipped, err)) < 0 ||
	    (r = local_open(s->store, err)) < 0)
		return r;
	if (skipped > 0)
		log_warning("server", "%zu designations on disk do not verify", skipped);
	if (trust_manager(s->trust) == NULL || !id_equal(trust_manager(s->trust), &s->member.node))
		return err_set(err, ERR_DENIED,
		    "this server is not the manager of the newest term in '%s'", s->config->data);
	if (trust_current_term(s->trust) < s->member.high_term)
		return err_set(err, ERR_DENIED,
		    "this server has seen a newer term than its database holds: the database is an "
		    "old copy");
	return 0;
}

/* --- the last step: everything runs, so that the doors may open ----------------------------------
 */

static gid_t
group_of(const struct server *s)
{
	const struct group *g = s->config->group != NULL ? getgrnam(s->config->group) : NULL;

	return g != NULL ? g->gr_gid : SYS_NO_GROUP;
}

static int
write_endpoints(struct server *s, struct err *err)
{
	AUTO(mem_freep)
	char *path = mem_printf("%s/endpoints.json", s->config->data);
	AUTO(buf_freep)
	struct buf *text = buf_new(16 * 1024);
	struct json_writer w = JSON_WRITER(text);
	char address[ADDRESS_TEXT_MAX];
	int r;

	json_put_object(&w, NULL);
	json_put_int(&w, "pid", getpid());
	json_put_text(&w, "api", s->socket_path);
	json_put_text(&w, "public", terminator_address(s->terminator, 0, address));
	json_put_array(&w, "endpoints");
	for (size_t i = 0; i < s->endpoint_count; i++)
		json_put_text(&w, NULL, s->endpoints[i]);
	json_put_end(&w);
	json_put_end(&w);
	buf_put_str(text, "\n");
	if ((r = buf_error(text, "endpoints.json", err)) < 0)
		return r;
	return file_write_atomic(path, 0644, buf_span(text), err);
}

static int
open_api(struct server *s, struct err *err)
{
	struct api_params p = {
	    .loop = s->loop,
	    .index = s->index,
	    .nodes = s->nodes,
	    .flow = s->flow,
	    .sched = s->sched,
	    .evict = s->evict,
	    .commit = s->commit,
	    .trust = s->trust,
	    .self = s->member.node,
	    .domain_name = s->member.domain_name,
	    .endpoints = endpoints_of(s),
	    .group = group_of(s),
	    .publish = s->publish,
	    .events = s->events,
	    .health = s->health,
	    .signer_trouble = server_signer_trouble,
	    .signer_arg = s,
	};
	int fd, r;

	if ((r = api_new(&p, &s->api, err)) < 0)
		return r;
	commit_observe(s->commit, api_observe, s->api);
	r = sys_unix_listen(s->socket_path, 0660, p.group, &fd, err);
	return r < 0 ? r : api_listen(s->api, fd, err);
}

static int
open_doors(struct server *s, struct err *err)
{
	struct publish_params p = {
	    .runtime = s->runtime,
	    .commit = s->commit,
	    .store = s->store,
	    .trust = s->trust,
	    .events = server_publish_events(s),
	};
	int r;

	if ((r = server_open_link(s, err)) < 0)
		return r;
	p.link = s->link;
	if ((r = publish_new(&p, &s->publish, err)) < 0 || (r = server_open_port(s, err)) < 0)
		return r;
	nodes_set_endpoints(s->nodes, endpoints_of(s));
	server_open_health(s);
	if ((r = open_api(s, err)) < 0 || (r = write_endpoints(s, err)) < 0)
		return r;
	log_notice("server", "ready: domain=%s node=%s public=%s api=%s", s->member.domain_name,
	    s->member.name, s->endpoints[0], s->socket_path);
	service_notify("READY=1");
	events_start(s->events, s->commit, s->publish, s->health);
	server_watch_identity(s);
	return 0;
}

static void
on_nodes(void *arg, int status, const struct err *why)
{
	struct server *s = arg;
	struct sched_params p = {
	    .runtime = s->runtime,
	    .index = s->index,
	    .commit = s->commit,
	    .start = server_start_renewal,
	    .arg = s,
	};
	struct flow_params f = {
	    .runtime = s->runtime,
	    .index = s->index,
	    .commit = s->commit,
	    .signer = s->signer,
	    .domain_name = s->member.domain_name,
	    .receipt = server_receipt,
	    .arg = s,
	};
	struct err err;

	if (s->stopping)
		return;
	if (status < 0) {
		server_fail(s, why);
		return;
	}
	if (flow_new(&f, &s->flow, &err) < 0 || sched_new(&p, &s->sched, &err) < 0) {
		server_fail(s, &err);
		return;
	}
	server_start_evict(s);
	if (open_doors(s, &err) < 0)
		server_fail(s, &err);
}

static void
on_commit(void *arg, int status, const struct err *why)
{
	struct server *s = arg;
	struct nodes_params p = {
	    .runtime = s->runtime,
	    .store = s->store,
	    .index = s->index,
	    .commit = s->commit,
	    .signer = s->signer,
	    .trust = s->trust,
	    .self = s->member.node,
	    .on_removed = server_on_removed,
	    .arg = s,
	};
	struct err err;

	if (s->stopping)
		return;
	if (status < 0)
		server_fail(s, why);
	else if (nodes_new(&p, on_nodes, s, &s->nodes, &err) < 0)
		server_fail(s, &err);
}

static void
start_commit(struct server *s)
{
	struct commit_params p = {
	    .runtime = s->runtime,
	    .store = s->store,
	    .signer = s->signer,
	    .domain = s->member.domain,
	    .term = trust_current_term(s->trust),
	    .lookup = index_commit_lookup(s->index),
	    .audit = local_audit_append,
	    .beside = events_beside(s->events),
	};
	struct err err;

	if (commit_new(&p, on_commit, s, &s->commit, &err) < 0) {
		server_fail(s, &err);
		return;
	}
	/* First the index, so that the others see what it sees. */
	commit_observe(s->commit, index_observe, s->index);
	commit_observe(s->commit, server_tell_members, s);
}

static void
on_signer_ready(void *arg, struct span done)
{
	struct server *s = arg;

	(void)done;
	s->signer_trouble[0] = '\0';
	if (s->stopping)
		return;
	server_tell_signer(s, true);
	if (s->started) {
		log_notice("server", "the signer is back");
		return;
	}
	s->started = true;
	start_commit(s);
}

static void
on_signer_lost(void *arg, const struct err *err)
{
	struct server *s = arg;

	/* Only for status: how it ended and when the next starts is in the signer's own log line.
	 */
	snprintf(s->signer_trouble, sizeof(s->signer_trouble), "%s", err->text);
	if (!s->stopping)
		server_tell_signer(s, false);
}

static int
start_signer(struct server *s, struct err *err)
{
	struct signer_process_params p = {
	    .loop = s->loop,
	    .path = s->path,
	    .argv = s->signer_argv,
	    .key_path = s->key_path,
	    .introduce = server_introduce,
	    .ready = on_signer_ready,
	    .lost = on_signer_lost,
	    .arg = s,
	};

	return signer_process_new(&p, &s->signer, err);
}

static void
on_index(void *arg, int status, const struct err *why)
{
	struct server *s = arg;
	struct err err;

	if (s->stopping)
		return;
	if (status < 0)
		server_fail(s, why);
	else if (start_signer(s, &err) < 0)
		server_fail(s, &err);
}

/* --- begin and end
 * --------------------------------------------------------------------------------- */

static void
on_signal(void *arg, int signum)
{
	struct server *s = arg;

	if (signum == SIGHUP) {
		log_notice("server", "SIGHUP: configuration is read at start only");
		return;
	}
	log_notice("server", "signal %d, stopping", signum);
	server_stop(s);
}

static int
open_events(struct server *s, struct err *err)
{
	const struct events_params p = {
	    .runtime = s->runtime,
	    .loop = s->loop,
	    .store = s->store,
	    .index = s->index,
	    .domain_name = s->member.domain_name,
	    .self = s->member.node,
	    .stale_after = s->config->node_stale_after,
	    .receivers = s->receivers,
	    .receiver_count = s->config->events.count,
	    .told = server_on_event,
	    .arg = s,
	};
	const struct events_config *items = s->config->events.items;

	for (size_t i = 0; i < p.receiver_count; i++)
		s->receivers[i] = config_receiver(&items[i]);
	return events_new(&p, &s->events, err);
}

static int
start(struct server *s, struct err *err)
{
	static const int signals[ARRAY_LEN(s->signals)] = {SIGTERM, SIGINT, SIGHUP};
	int r;

	if ((r = start_files(s, err)) < 0 || (r = loop_new(&s->loop, err)) < 0)
		return r;
	s->runtime = loop_runtime(s->loop);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		r = loop_signal_open(s->loop, signals[i], on_signal, s, &s->signals[i], err);
		if (r < 0)
			return r;
	}
	s->index = index_new(s->runtime, s->store);
	if ((r = open_events(s, err)) < 0)
		return r;
	index_load(s->index, on_index, s);
	return 0;
}

static void
prepare(struct server *s)
{
	size_t n = 0;

	s->key_path = mem_printf("%s/keys/signer.keys", s->config->data);
	s->socket_path = s->config->socket != NULL ? mem_strdup(s->config->socket)
						   : mem_printf("%s/api.sock", s->config->data);
	s->signer_argv[n++] = "certherd-server";
	s->signer_argv[n++] = "--signer";
	s->signer_argv[n++] = "--log-level";
	s->signer_argv[n++] = log_level_name((enum log_level)s->config->log_level);
	if (s->config->signer_memory > 0) {
		snprintf(s->signer_heap, sizeof(s->signer_heap), "%lld",
		    (long long)s->config->signer_memory);
		s->signer_argv[n++] = "--heap";
		s->signer_argv[n++] = s->signer_heap;
	}
	if (s->config->log_json)
		s->signer_argv[n++] = "--log-json";
	s->expired = map_new();
}

static void
server_fini(struct server *s)
{
	AUTO(mem_freep)
	char *endpoints = mem_printf("%s/endpoints.json", s->config->data);
	struct err ignored;

	loop_free(s->loop);
	index_free(s->index);
	trust_free(s->trust);
	store_close(s->store);
	member_fini(&s->member);
	if (s->lock >= 0)
		(void)!file_remove(endpoints, &ignored);
	for (size_t i = 0; i < s->endpoint_count; i++)
		mem_free(s->endpoints[i]);
	map_free(s->expired);
	mem_free(s->key_path);
	mem_free(s->socket_path);
	mem_free(s->path);
	fd_closep(&s->lock);
}

int
server_run(const struct server_config *config, const char *program, struct err *err)
{
	struct server *s = mem_zalloc(sizeof(*s));
	size_t fds;
	int r;

	s->config = config;
	s->lock = -1;
	s->path = mem_strdup(program);
	prepare(s);
	if ((r = process_harden(err)) == 0 && (r = process_raise_fds(FDS_WANTED, &fds, err)) == 0 &&
	    (r = secret_heap_init(MAIN_SECURE, err)) == 0)
		r = start(s, err);
	if (s->loop != NULL) {
		if (r < 0)
			server_stop(s);
		loop_run(s->loop);
	}
	if (r == 0 && s->failed < 0)
		r = err_set(err, (enum err_code)s->failed, "stopped because of the error above");
	server_fini(s);
	mem_free(s);
	return r;
}
