#include "tests/unit/common/link/nng_world.h"

#include <dirent.h>

static void
nothing(void *arg)
{
	(void)arg;
}

static void
on_closed(void *arg, unsigned node)
{
	struct world *w = arg;

	if (w->hooks[node].client != NULL)
		link_nng_client_closed(w->hooks[node].client);
}

static void
set_up(struct fixture *f)
{
	struct world *w = mem_zalloc(sizeof(*w));

	assert_int_equal(loop_new(&w->loop, NULL), 0);
	pump_init(&w->pump, w->loop);
	w->pump.on_closed = on_closed;
	w->pump.arg = w;
	w->tick.cb = nothing;
	f->world = w;
}

static void
tear_down(struct fixture *f)
{
	struct world *w = f->world;

	pump_fini(&w->pump);
	loop_free(w->loop);
	mem_free(w);
}

static struct link_server *
server_new(struct fixture *f)
{
	struct world *w = f->world;
	struct link_nng_server_params p = {
	    .loop = w->loop,
	    .request_max = FIXTURE_REQUEST_MAX,
	    .contexts_max = CONTEXTS_MAX,
	    .attach_ms = w->attach_ms,
	    .grave_ms = w->grave_ms,
	    .on_drop = pump_on_drop,
	    .arg = &w->pump,
	};
	struct err err;

	if (link_nng_server_new(&p, &w->pump.server, &err) != 0)
		fail_msg("%s", err.text);
	return w->pump.server;
}

static void
hang_up(void *arg)
{
	struct hook *h = arg;

	pump_cut(h->pump, h->node);
}

static struct link_client *
client_new(struct fixture *f, unsigned node)
{
	struct world *w = f->world;
	char url[PUMP_URL_MAX];
	struct link_nng_client_params p = {.loop = w->loop,
	    .url = url,
	    .request_max = LIMIT_REQUEST,
	    .reply_max = LIMIT_DELTA,
	    .hang_up = hang_up,
	    .arg = &w->hooks[node]};
	struct link_client *c;
	struct err err;

	w->hooks[node] = (struct hook){&w->pump, node, NULL};
	pump_open(&w->pump, node, url);
	if (link_nng_client_new(&p, &c, &err) != 0)
		fail_msg("%s", err.text);
	w->hooks[node].client = c;
	return c;
}

static void
client_closes(struct fixture *f, struct link_client *c)
{
	struct world *w = f->world;

	for (unsigned i = 0; i < PUMP_PORTS; i++) {
		if (w->hooks[i].client != c)
			continue;
		pump_shut(&w->pump, i);
		w->hooks[i].client = NULL;
	}
}

static void
server_closes(struct fixture *f)
{
	((struct world *)f->world)->pump.server = NULL;
}

static bool
turn(struct fixture *f)
{
	struct world *w = f->world;

	runtime_timer_start(loop_runtime(w->loop), &w->tick, 50);
	loop_turn(w->loop, true);
	runtime_timer_stop(loop_runtime(w->loop), &w->tick);
	return true;
}

static uint64_t
now(struct fixture *f)
{
	return runtime_mono_ms(loop_runtime(((struct world *)f->world)->loop));
}

const struct fixture_ops nng_fixture = {
    .set_up = set_up,
    .tear_down = tear_down,
    .server_new = server_new,
    .server_closes = server_closes,
    .client_closes = client_closes,
    .client_new = client_new,
    .turn = turn,
    .now = now,
};

struct link_nng_stats
nng_stats(struct fixture *f)
{
	struct link_nng_stats s;

	link_nng_server_stats(f->server, &s);
	return s;
}

unsigned
nng_open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n - 3; /* ".", ".." and the directory itself */
}

bool
nng_fds_are_back(void *arg)
{
	return nng_open_fds() <= *(unsigned *)arg;
}

bool
nng_no_graves(void *arg)
{
	struct link_nng_stats s = nng_stats(arg);

	return s.graves == 0 && s.peers == 0;
}
