#include "common/link/memory_priv.h"

#include <string.h>

#define PPM 1000000

struct edge_key {
	struct id from, to;
};

static const struct link_faults no_faults = {.delay_min_ms = 1, .delay_max_ms = 3};

struct link_net *
link_net_new(struct runtime *rt)
{
	struct link_net *net = mem_zalloc(sizeof(*net));

	net->rt = rt;
	net->usual = no_faults;
	net->edges = map_new();
	return net;
}

static void
message_free(struct message *m)
{
	struct link_net *net = m->net;

	runtime_timer_stop(net->rt, &m->timer);
	if (m->prev != NULL)
		m->prev->next = m->next;
	else
		net->messages = m->next;
	if (m->next != NULL)
		m->next->prev = m->prev;
	buf_fini(&m->body);
	mem_free(m);
}

static void
edges_clear(struct link_net *net)
{
	size_t at = 0;
	struct span key;
	void *value;

	while (map_next(net->edges, &at, &key, &value))
		mem_free(value);
	map_free(net->edges);
	net->edges = NULL;
}

void
link_net_free(struct link_net *net)
{
	if (net == NULL)
		return;
	CHECK(net->servers == NULL && net->clients == NULL);
	while (net->messages != NULL)
		message_free(net->messages);
	edges_clear(net);
	mem_free(net);
}

/* ------------------------------------------------------------------------- edges */

static const struct link_faults *
edge(struct link_net *net, const struct id *from, const struct id *to)
{
	struct edge_key key = {*from, *to};
	const struct link_faults *f = map_get(net->edges, &key, sizeof(key));

	return f != NULL ? f : &net->usual;
}

static struct link_faults *
own_edge(struct link_net *net, const struct id *from, const struct id *to)
{
	struct edge_key key = {*from, *to};
	struct link_faults *f = map_get(net->edges, &key, sizeof(key));

	if (f == NULL) {
		f = mem_dup(&net->usual, sizeof(net->usual));
		map_put(net->edges, &key, sizeof(key), f);
	}
	return f;
}

void
link_net_set_faults(struct link_net *net, const struct id *from, const struct id *to,
    const struct link_faults *faults)
{
	CHECK((from == NULL) == (to == NULL));
	CHECK(faults->delay_min_ms <= faults->delay_max_ms);
	if (from != NULL) {
		*own_edge(net, from, to) = *faults;
		return;
	}
	edges_clear(net);
	net->edges = map_new();
	net->usual = *faults;
}

void
link_net_partition(struct link_net *net, const struct id *a, const struct id *b, bool cut)
{
	own_edge(net, a, b)->cut = cut;
	own_edge(net, b, a)->cut = cut;
}

bool
net_is_cut(struct link_net *net, const struct id *from, const struct id *to)
{
	return edge(net, from, to)->cut;
}

void
link_net_set_tap(struct link_net *net, link_tap *tap, void *arg)
{
	net->tap = tap;
	net->tap_arg = arg;
}

/* ------------------------------------------------------------------------- messages */

struct mem_server *
net_server(struct link_net *net, const struct id *node)
{
	for (struct mem_server *s = net->servers; s != NULL; s = s->next)
		if (id_equal(&s->node, node) && !s->closing)
			return s;
	return NULL;
}

struct mem_client *
net_client(struct link_net *net, const struct id *node, const struct id *server)
{
	for (struct mem_client *c = net->clients; c != NULL; c = c->next)
		if (id_equal(&c->node, node) && id_equal(&c->server, server) && !c->closing)
			return c;
	return NULL;
}

/* A cut takes what is under way too: it is looked at when the message would arrive. */
static void
arrive(void *arg)
{
	struct message *m = arg;
	struct link_net *net = m->net;
	bool is_reply = m->kind == MESSAGE_REPLY, passes = !net_is_cut(net, &m->from, &m->to);
	struct mem_server *s;
	struct mem_client *c;

	if (passes && net->tap != NULL && (is_reply || m->kind == MESSAGE_REQUEST))
		passes = net->tap(net->tap_arg, &m->from, &m->to, is_reply, &m->body);
	if (passes && (m->kind == MESSAGE_REQUEST || m->kind == MESSAGE_END_TO_SERVER)) {
		s = net_server(net, &m->to);
		if (s != NULL)
			server_take(s, m);
	} else if (passes) {
		c = net_client(net, &m->to, &m->from);
		if (c != NULL)
			client_take(c, m);
	}
	message_free(m);
}

static uint32_t
draw(struct link_net *net, uint32_t below)
{
	uint32_t r;

	runtime_random(net->rt, &r, sizeof(r));
	return below > 0 ? r % below : 0;
}

static void
post(struct link_net *net, const struct message *pattern, struct span body, uint64_t delay)
{
	struct message *m = mem_dup(pattern, sizeof(*pattern));

	m->net = net;
	m->body = BUF_INIT(SIZE_MAX);
	buf_put_span(&m->body, body);
	m->timer = (struct timer){.cb = arrive, .arg = m};
	m->prev = NULL;
	m->next = net->messages;
	if (m->next != NULL)
		m->next->prev = m;
	net->messages = m;
	runtime_timer_start(net->rt, &m->timer, delay);
}

void
net_send(struct link_net *net, const struct message *m, struct span body)
{
	const struct link_faults *f = edge(net, &m->from, &m->to);
	uint32_t span = f->delay_max_ms - f->delay_min_ms + 1;
	/* All chances are drawn always, so that one fault does not shift the others of a seed. */
	uint64_t delay = f->delay_min_ms + draw(net, span);
	uint64_t later = delay + f->delay_min_ms + draw(net, span);
	bool lost = draw(net, PPM) < f->loss_ppm, twice = draw(net, PPM) < f->duplicate_ppm;
	struct message copy = *m;

	if (!lost)
		post(net, m, body, delay);
	if (twice && m->kind == MESSAGE_REQUEST) {
		copy.again = true;
		post(net, &copy, body, later);
	}
}

void
link_net_drop(struct link_net *net, const struct id *client, const struct id *server)
{
	struct mem_server *s = net_server(net, server);

	if (s != NULL)
		server_end(s, client, true);
}
