#include "server/main/server.h"

#include "common/link/link_server.h"
#include "common/log/log.h"
#include "common/sys/file.h"
#include "common/sys/process.h"
#include "server/signer/process.h"

/*
 * The end, in reverse order of the start: each step closes one part, if it was built at all, and
 * its callback leads to the next.
 */

static void
end_signer(void *arg)
{
	struct server *s = arg;

	s->signer = NULL;
	process_block_group_signals(); /* a second one must not cut the rest short */
	for (size_t i = 0; i < ARRAY_LEN(s->signals); i++) {
		loop_signal_close(s->signals[i]);
		s->signals[i] = NULL;
	}
	loop_stop(s->loop);
}

static void
end_events(void *arg)
{
	struct server *s = arg;

	s->events = NULL;
	if (s->signer != NULL)
		signer_process_close(s->signer, end_signer, s);
	else
		end_signer(s);
}

static void
end_commit(void *arg)
{
	struct server *s = arg;

	s->commit = NULL;
	if (s->events != NULL)
		events_close(s->events, end_events, s);
	else
		end_events(s);
}

static void
end_nodes(void *arg)
{
	struct server *s = arg;

	s->nodes = NULL;
	if (s->commit != NULL)
		commit_close(s->commit, end_commit, s);
	else
		end_commit(s);
}

static void
end_flow(void *arg)
{
	struct server *s = arg;

	s->flow = NULL;
	evict_free(s->evict);
	s->evict = NULL;
	if (s->nodes != NULL)
		nodes_close(s->nodes, end_nodes, s);
	else
		end_nodes(s);
}

static void
end_publish(void *arg)
{
	struct server *s = arg;

	s->publish = NULL;
	evict_stop(s->evict);
	sched_free(s->sched);
	s->sched = NULL;
	if (s->flow != NULL)
		flow_close(s->flow, end_flow, s);
	else
		end_flow(s);
}

static void
end_link(void *arg)
{
	struct server *s = arg;

	s->link = NULL;
	if (s->publish != NULL)
		publish_close(s->publish, end_publish, s);
	else
		end_publish(s);
}

void
server_stop(struct server *s)
{
	struct err ignored;

	if (s->stopping)
		return;
	s->stopping = true;
	service_notify("STOPPING=1");
	if (s->runtime != NULL)
		runtime_timer_stop(s->runtime, &s->renew_timer);
	if (s->commit != NULL && s->api != NULL)
		commit_unobserve(s->commit, api_observe, s->api);
	if (s->events != NULL)
		events_look_away(s->events);
	api_free(MOVE(s->api));
	health_free(MOVE(s->health));
	(void)!file_remove(s->socket_path, &ignored);
	terminator_close(MOVE(s->terminator));
	if (s->link != NULL)
		link_server_close(s->link, end_link, s);
	else
		end_link(s);
}
