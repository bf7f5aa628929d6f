#include "common/link/memory_priv.h"

#include <string.h>

/* ------------------------------------------------------------------------- server: requests */

static struct mem_request *
request_of(struct link_request *base)
{
	struct mem_request *r = CONTAINER_OF(base, struct mem_request, base);

	CHECK(r->magic == MEMORY_REQUEST_MAGIC && r->peer->open == r);
	return r;
}

static void
request_free(struct mem_request *r)
{
	r->peer->open = NULL;
	r->magic = 0;
	buf_fini(&r->body);
	mem_free(r);
}

static void
request_forget(struct link_request *base)
{
	request_free(request_of(base));
}

static void
request_reply(struct link_request *base, struct span body)
{
	struct mem_request *r = request_of(base);
	struct mem_server *s = r->server;
	struct message m = {.kind = MESSAGE_REPLY,
	    .from = s->node,
	    .to = r->peer->node,
	    .connection = r->peer->connection,
	    .number = r->number};

	net_send(s->net, &m, body);
	request_free(r);
}

static const struct link_request_ops request_ops = {
    .reply = request_reply,
    .forget = request_forget,
};

/* ------------------------------------------------------------------------- server: connections */

static struct mem_peer **
peer_slot(struct mem_server *s, const struct id *node)
{
	struct mem_peer **p = &s->peers;

	while (*p != NULL && !id_equal(&(*p)->node, node))
		p = &(*p)->next;
	return p;
}

static void
gone(struct mem_server *s, struct mem_request *r)
{
	if (s->base.handlers.on_gone != NULL)
		s->base.handlers.on_gone(s->base.handlers.arg, &r->base);
	request_free(r);
}

void
server_end(struct mem_server *s, const struct id *node, bool tell)
{
	struct mem_peer **slot = peer_slot(s, node), *peer = *slot;

	if (peer == NULL)
		return;
	*slot = peer->next;
	if (peer->open != NULL)
		gone(s, peer->open);
	if (tell) {
		struct message m = {.kind = MESSAGE_END_TO_CLIENT,
		    .from = s->node,
		    .to = peer->node,
		    .connection = peer->connection};

		net_send(s->net, &m, SPAN(NULL, 0));
	}
	mem_free(peer);
}

uint64_t
server_connect(struct mem_server *s, const struct id *node)
{
	struct mem_peer *peer;

	server_end(s, node, true);
	peer = mem_zalloc(sizeof(*peer));
	peer->node = *node;
	peer->connection = ++s->net->connections;
	peer->next = s->peers;
	s->peers = peer;
	return peer->connection;
}

static void
server_request(struct mem_server *s, struct mem_peer *peer, struct message *m)
{
	struct mem_request *r;

	/* nng never gives out the second copy of an open request: TCP delivers once. A copy that
	 * comes later stands for a request that was answered into nothing. */
	if (peer->open != NULL && m->again)
		return;
	if (peer->open != NULL && peer->open->again)
		gone(s, peer->open);
	if (peer->open != NULL || m->body.len > s->request_max) {
		server_end(s, &m->from, true);
		return;
	}
	r = mem_zalloc(sizeof(*r));
	r->magic = MEMORY_REQUEST_MAGIC;
	r->server = s;
	r->peer = peer;
	r->number = m->number;
	r->again = m->again;
	r->body = m->body;
	m->body = BUF_INIT(SIZE_MAX);
	r->base = (struct link_request){&request_ops, peer->node, buf_span(&r->body), NULL};
	peer->open = r;
	s->base.handlers.on_request(s->base.handlers.arg, &r->base);
}

void
server_take(struct mem_server *s, struct message *m)
{
	struct mem_peer *peer = *peer_slot(s, &m->from);

	if (peer == NULL || peer->connection != m->connection)
		return;
	if (m->kind == MESSAGE_END_TO_SERVER)
		server_end(s, &m->from, false);
	else if (s->base.handlers.on_request != NULL)
		server_request(s, peer, m);
}

/* ------------------------------------------------------------------------- server: life */

static struct mem_server *
server_of(struct link_server *base)
{
	struct mem_server *s = CONTAINER_OF(base, struct mem_server, base);

	CHECK(s->magic == MEMORY_SERVER_MAGIC);
	return s;
}

static int
server_serve(struct link_server *base, struct err *err)
{
	(void)base;
	(void)err;
	return 0;
}

static void
server_drop(struct link_server *base, const struct id *node)
{
	server_end(server_of(base), node, true);
}

static void
server_free(struct mem_server *s)
{
	struct mem_server **p = &s->net->servers;

	while (*p != s)
		p = &(*p)->next;
	*p = s->next;
	s->magic = 0;
	mem_free(s);
}

static void
on_server_end(void *arg)
{
	struct mem_server *s = OBJ_CAST(struct mem_server, arg, MEMORY_SERVER_MAGIC);
	link_closed_cb *cb = s->closed_cb;
	void *cb_arg = s->closed_arg;

	server_free(s);
	cb(cb_arg);
}

static void
server_close(struct link_server *base, link_closed_cb *cb, void *arg)
{
	struct mem_server *s = server_of(base);

	CHECK(!s->closing);
	s->closing = true;
	s->closed_cb = cb;
	s->closed_arg = arg;
	while (s->peers != NULL) {
		struct id node = s->peers->node;

		server_end(s, &node, true);
	}
	runtime_timer_start(s->net->rt, &s->end, 0);
}

void
link_memory_server_kill(struct link_server *base)
{
	struct mem_server *s = server_of(base);

	s->base.handlers = (struct link_handlers){0};
	while (s->peers != NULL) {
		struct id node = s->peers->node;

		server_end(s, &node, true);
	}
	runtime_timer_stop(s->net->rt, &s->end);
	server_free(s);
}

static const struct link_server_ops server_ops = {
    .drop = server_drop,
    .close = server_close,
    .serve = server_serve,
};

int
link_memory_server_new(struct link_net *net, const struct id *node, size_t request_max,
    struct link_server **out, struct err *err)
{
	struct mem_server *s;
	char hex[ID_HEX_MAX];

	if (net_server(net, node) != NULL)
		return err_set(err, ERR_EXISTS, "node %s serves already", id_hex(node, hex));
	s = mem_zalloc(sizeof(*s));
	s->base.ops = &server_ops;
	s->magic = MEMORY_SERVER_MAGIC;
	s->net = net;
	s->node = *node;
	s->request_max = request_max;
	s->end = (struct timer){.cb = on_server_end, .arg = s};
	s->next = net->servers;
	net->servers = s;
	*out = &s->base;
	return 0;
}

/* ------------------------------------------------------------------------- client */

static void
client_done(struct mem_client *c, int status, struct span reply, const struct err *err)
{
	struct link_call call = c->call;
	struct runtime *rt = c->net->rt;

	runtime_timer_stop(rt, &c->deadline);
	runtime_timer_stop(rt, &c->retry);
	runtime_timer_stop(rt, &c->stop);
	buf_fini(&c->request);
	c->active = c->sent = false;
	c->stopped = 0;
	call.cb(call.arg, status, reply, err);
	if (c->closing && !c->active)
		runtime_timer_start(rt, &c->end, 0);
}

static void
client_failed(struct mem_client *c, enum err_code code, const char *text)
{
	struct err err;

	err_set(&err, code, "%s", text);
	client_done(c, code, SPAN(NULL, 0), &err);
}

static void
client_disconnect(struct mem_client *c)
{
	struct message m = {.kind = MESSAGE_END_TO_SERVER,
	    .from = c->node,
	    .to = c->server,
	    .connection = c->connection};

	if (c->connection != 0)
		net_send(c->net, &m, SPAN(NULL, 0));
	c->connection = 0;
}

static void
client_send(struct mem_client *c)
{
	struct message m = {.kind = MESSAGE_REQUEST,
	    .from = c->node,
	    .to = c->server,
	    .connection = c->connection,
	    .number = c->number};

	c->sent = true;
	net_send(c->net, &m, buf_span(&c->request));
}

/* A connection needs both directions; a handshake lost on the way is tried again a little later. */
static void
on_retry(void *arg)
{
	struct mem_client *c = OBJ_CAST(struct mem_client, arg, MEMORY_CLIENT_MAGIC);
	struct link_net *net = c->net;
	struct mem_server *s = net_server(net, &c->server);

	if (c->connection == 0 && s != NULL && s->base.handlers.on_request != NULL &&
	    !net_is_cut(net, &c->node, &c->server) && !net_is_cut(net, &c->server, &c->node)) {
		c->connection = server_connect(s, &c->node);
		backoff_reset(&c->backoff);
	}
	if (c->connection != 0)
		client_send(c);
	else
		runtime_timer_start(net->rt, &c->retry, backoff_next(&c->backoff, net->rt));
}

void
client_take(struct mem_client *c, struct message *m)
{
	if (m->connection != c->connection)
		return;
	if (m->kind == MESSAGE_END_TO_CLIENT) {
		c->connection = 0;
		if (c->active && c->sent)
			client_failed(c, ERR_UNAVAIL, "the connection to the manager was lost");
		return;
	}
	if (!c->active || m->number != c->number)
		return;
	if (m->body.len > c->reply_max) {
		client_disconnect(c);
		client_failed(c, ERR_UNAVAIL, "the connection to the manager was lost");
	} else if (m->body.len > c->call.reply_max) {
		client_failed(c, ERR_LIMIT, "the manager's answer is too long");
	} else {
		client_done(c, 0, buf_span(&m->body), NULL);
	}
}

static void
client_stop(struct mem_client *c, enum err_code code)
{
	if (c->sent)
		client_disconnect(c);
	client_failed(c, code,
	    code == ERR_TIMEOUT ? "no answer from the manager in time"
				: "the request was given up");
}

static void
on_deadline(void *arg)
{
	client_stop(OBJ_CAST(struct mem_client, arg, MEMORY_CLIENT_MAGIC), ERR_TIMEOUT);
}

static void
on_stop(void *arg)
{
	client_stop(OBJ_CAST(struct mem_client, arg, MEMORY_CLIENT_MAGIC), ERR_CANCELED);
}

static struct mem_client *
client_of(struct link_client *base)
{
	struct mem_client *c = CONTAINER_OF(base, struct mem_client, base);

	CHECK(c->magic == MEMORY_CLIENT_MAGIC);
	return c;
}

static int
client_start(struct link_client *base, const struct link_call *call, struct err *err)
{
	struct mem_client *c = client_of(base);

	if (c->active || c->closing)
		return err_set(err, ERR_BUSY, "a request to the manager is under way");
	if (call->request.len > c->request_max)
		return err_set(err, ERR_LIMIT, "the request has %zu bytes, more than %zu",
		    call->request.len, c->request_max);
	c->call = *call;
	c->call.request = SPAN(NULL, 0);
	buf_put_span(&c->request, call->request);
	c->active = true;
	c->number = ++c->net->numbers;
	runtime_timer_start(c->net->rt, &c->deadline, call->timeout_ms);
	if (c->connection != 0)
		client_send(c);
	else
		runtime_timer_start(c->net->rt, &c->retry, 0);
	return 0;
}

static void
client_cancel(struct link_client *base)
{
	struct mem_client *c = client_of(base);

	if (c->active)
		runtime_timer_start(c->net->rt, &c->stop, 0);
}

static void
client_free(struct mem_client *c)
{
	struct mem_client **p = &c->net->clients;
	struct runtime *rt = c->net->rt;

	client_disconnect(c);
	runtime_timer_stop(rt, &c->deadline);
	runtime_timer_stop(rt, &c->retry);
	runtime_timer_stop(rt, &c->stop);
	runtime_timer_stop(rt, &c->end);
	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	buf_fini(&c->request);
	c->magic = 0;
	mem_free(c);
}

static void
on_client_end(void *arg)
{
	struct mem_client *c = OBJ_CAST(struct mem_client, arg, MEMORY_CLIENT_MAGIC);
	link_client_closed_cb *cb = c->closed_cb;
	void *cb_arg = c->closed_arg;

	client_free(c);
	cb(cb_arg);
}

static void
client_close(struct link_client *base, link_client_closed_cb *cb, void *arg)
{
	struct mem_client *c = client_of(base);

	CHECK(!c->closing);
	c->closing = true;
	c->closed_cb = cb;
	c->closed_arg = arg;
	runtime_timer_start(c->net->rt, c->active ? &c->stop : &c->end, 0);
}

void
link_memory_client_kill(struct link_client *base)
{
	client_free(client_of(base));
}

static const struct link_client_ops client_ops = {
    .start = client_start,
    .cancel = client_cancel,
    .close = client_close,
};

int
link_memory_client_new(struct link_net *net, const struct id *node, const struct id *server,
    size_t request_max, size_t reply_max, struct link_client **out, struct err *err)
{
	struct mem_client *c;
	char hex[ID_HEX_MAX];

	if (net_client(net, node, server) != NULL)
		return err_set(err, ERR_EXISTS, "node %s asks already", id_hex(node, hex));
	c = mem_zalloc(sizeof(*c));
	c->base.ops = &client_ops;
	c->magic = MEMORY_CLIENT_MAGIC;
	c->net = net;
	c->node = *node;
	c->server = *server;
	c->request_max = request_max;
	c->reply_max = reply_max;
	c->request = BUF_INIT(SIZE_MAX);
	c->backoff = (struct backoff){LINK_RECONNECT_MIN_MS, LINK_RECONNECT_MAX_MS, 0};
	c->deadline = (struct timer){.cb = on_deadline, .arg = c};
	c->retry = (struct timer){.cb = on_retry, .arg = c};
	c->stop = (struct timer){.cb = on_stop, .arg = c};
	c->end = (struct timer){.cb = on_client_end, .arg = c};
	c->next = net->clients;
	net->clients = c;
	*out = &c->base;
	return 0;
}
