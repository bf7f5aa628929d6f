#include "replica/ports/ports_priv.h"

#include "common/log/log.h"
#include "common/tls/pump.h"

#include <string.h>
#include <unistd.h>

#define PROXY_HEADER_MAX 1024

/*
 *   handshake (may wait for a key) --> page                  builtin
 *                                  \-> connecting --> pump   tcp, unix
 */
struct tls_conn {
	struct port_conn conn;
	struct port_policy *policy; /* of the port when the client came */
	struct address peer, local;
	struct tls_stream *stream; /* until a page or a pump has it */
	struct serving_wait wait;
	bool waiting; /* for a key to be opened, until on_wake */
	struct posted wake;
	atomic_bool woken; /* wake is posted */
	bool ended;        /* and only that post keeps the memory */
	struct backend_try *connecting;
	struct pump *pump;
	struct page *page;
};

static struct tls_conn *
of_conn(struct port_conn *c)
{
	return CONTAINER_OF(c, struct tls_conn, conn);
}

static void
conn_free(struct tls_conn *c)
{
	port_policy_unref(c->policy);
	mem_free(c);
}

static void
tls_conn_end(struct port_conn *base)
{
	struct tls_conn *c = of_conn(base);

	if (c->waiting)
		cache_wait_cancel(base->port->ports->p.cache, &c->wait);
	tls_stream_close(c->stream);
	backend_cancel(c->connecting);
	pump_close(c->pump);
	page_close(c->page);
	port_conn_leave(base);
	/* After the cancel nobody posts any more; a post that is on its way is still awaited. */
	c->ended = true;
	if (!atomic_load(&c->woken))
		conn_free(c);
}

/* ------------------------------------------------------------------------- the choice */

/* On whatever thread has opened the key, under the index's lock. */
static void
on_opened(struct serving_wait *w)
{
	struct tls_conn *c = CONTAINER_OF(w, struct tls_conn, wait);

	atomic_store(&c->woken, true);
	loop_post(c->conn.on->loop, &c->wake);
}

static void
on_wake(struct posted *p)
{
	struct tls_conn *c = CONTAINER_OF(p, struct tls_conn, wake);

	atomic_store(&c->woken, false);
	c->waiting = false;
	if (c->ended)
		conn_free(c);
	else
		tls_stream_resume(c->stream);
}

static const char *
fallback_of(const struct port *port)
{
	return port->has_fallback ? port->fallback : NULL;
}

/* The name that a client asks for in normal form, or NULL for none that could be served. */
static const char *
normal(const char *name, char out[static NAME_TEXT_MAX])
{
	return name != NULL && name_from_sni(name, strlen(name), out) ? out : NULL;
}

static bool
knows(void *arg, const char *name)
{
	const struct tls_conn *c = arg;
	const struct port *port = c->conn.port;
	struct cache *cache = port->ports->p.cache;
	char text[NAME_TEXT_MAX];

	name = normal(name, text);
	if (name != NULL && cache_knows(cache, name))
		return true;
	return port->has_fallback && cache_knows(cache, port->fallback);
}

static enum tls_select
choose(void *arg, struct tls_stream *s, const struct tls_hello *hello,
    struct tls_identity **identity, uint8_t ticket[static TLS_TICKET_LEN])
{
	struct tls_conn *c = arg;
	struct port *port = c->conn.port;
	struct cache_found found = {0};
	char text[NAME_TEXT_MAX];

	(void)s;
	switch (cache_find(port->ports->p.cache, normal(hello->name, text), fallback_of(port),
	    hello->can, &c->wait, &found)) {
	case CACHE_WAIT:
		c->waiting = true;
		return TLS_SELECT_PENDING;
	case CACHE_NONE:
		return TLS_SELECT_NONE;
	case CACHE_READY:
		break;
	}
	_Static_assert(TLS_TICKET_LEN == 3 * ID_LEN, "credential, generation, half a policy hash");
	memcpy(ticket, found.credential.bytes, ID_LEN);
	memcpy(ticket + ID_LEN, found.generation.bytes, ID_LEN);
	memcpy(ticket + 2 * ID_LEN, c->policy->hash.bytes, ID_LEN);
	*identity = found.identity;
	return TLS_SELECT_OK;
}

/* A ticket is worth what a full handshake would give now, and nothing else. */
static bool
may_resume(void *arg, const char *name, const uint8_t ticket[static TLS_TICKET_LEN])
{
	const struct tls_conn *c = arg;
	const struct port *port = c->conn.port;
	struct cache *cache = port->ports->p.cache;
	char text[NAME_TEXT_MAX];
	struct id credential, generation;

	if (memcmp(ticket + 2 * ID_LEN, c->policy->hash.bytes, ID_LEN) != 0)
		return false;
	memcpy(credential.bytes, ticket, ID_LEN);
	memcpy(generation.bytes, ticket + ID_LEN, ID_LEN);
	name = normal(name, text);
	if (name != NULL && cache_knows(cache, name))
		return cache_serves(cache, name, &credential, &generation);
	return port->has_fallback && cache_serves(cache, port->fallback, &credential, &generation);
}

const struct tls_select_ops port_select_ops = {knows, choose, may_resume};

/* ------------------------------------------------------------------------- the backend */

static void
on_pump_end(void *arg, const struct pump_stats *stats, const struct err *err)
{
	struct tls_conn *c = arg;

	(void)stats;
	(void)err;
	c->pump = NULL;
	tls_conn_end(&c->conn);
}

static void
on_connected(void *arg, int fd, const struct err *err)
{
	struct tls_conn *c = arg;
	const struct port_config *config = c->conn.port->config;
	struct buf first = BUF_INIT(PROXY_HEADER_MAX);
	struct pump_params p = {
	    .loop = c->conn.on->loop,
	    .fd = fd,
	    .half_close = true,
	    .linger_ms = PORT_LINGER_MS,
	    .on_end = on_pump_end,
	    .arg = c,
	};
	struct err failure;
	int r;

	c->connecting = NULL;
	if (fd < 0) {
		log_warning(
		    "ports", "port=%s backend=%s: %s", config->name, config->backend, err->text);
		atomic_fetch_add(&c->conn.port->failed, 1);
		tls_conn_end(&c->conn);
		return;
	}
	if (config->proxy_protocol)
		proxy_header_put(&first, &c->peer, &c->local, c->stream);
	p.first = buf_span(&first);
	p.stream = MOVE(c->stream);
	r = pump_new(&p, &c->pump, &failure);
	buf_fini(&first);
	if (r < 0)
		tls_conn_end(&c->conn);
}

static void
on_page_heard(void *arg)
{
	port_conn_settle(arg);
}

static void
on_page_end(void *arg)
{
	struct tls_conn *c = of_conn(arg);

	c->page = NULL;
	tls_conn_end(&c->conn);
}

/* ------------------------------------------------------------------------- the handshake */

static void
on_ready(void *arg)
{
	struct tls_conn *c = arg;
	struct port *port = c->conn.port;
	struct loop *loop = c->conn.on->loop;

	atomic_fetch_add(&port->handshakes, 1);
	if (tls_stream_resumed(c->stream))
		atomic_fetch_add(&port->resumed, 1);
	if (port->backend.kind == BACKEND_BUILTIN) {
		c->page = page_start(
		    port->ports, loop, MOVE(c->stream), on_page_heard, on_page_end, &c->conn);
		return;
	}
	port_conn_settle(&c->conn);
	c->connecting = backend_connect(&port->backend, loop, PORT_BACKEND_MS, on_connected, c);
}

static void
on_failed(void *arg, const struct err *err)
{
	struct tls_conn *c = arg;
	char peer[ADDRESS_TEXT_MAX];

	atomic_fetch_add(&c->conn.port->failed, 1);
	log_debug("ports", "port=%s peer=%s handshake failed: %s", c->conn.port->config->name,
	    address_text(&c->peer, peer), err->text);
	tls_conn_end(&c->conn);
}

/* Nothing is asked for before the stream has another owner. */
static void
on_event(void *arg, unsigned events)
{
	(void)arg;
	(void)events;
}

static const struct tls_stream_events stream_events = {on_ready, on_event, on_failed};

void
tls_conn_start(struct port_loop *on, struct port *port, int fd, const struct address *peer)
{
	struct tls_conn *c = mem_zalloc(sizeof(*c));
	struct port_policy *policy = port_policy_get(port);
	const struct tls_stream_params p = {
	    .loop = on->loop,
	    .ctx = policy->ctx,
	    .fd = fd,
	    .handshake_ms = PORT_HANDSHAKE_MS,
	    .events = &stream_events,
	    .arg = c,
	};
	struct err err;

	c->policy = policy;
	c->peer = *peer;
	c->local.len = sizeof(c->local.sa);
	if (port->config->proxy_protocol)
		(void)getsockname(fd, (struct sockaddr *)&c->local.sa, &c->local.len);
	c->wait.cb = on_opened;
	c->wake.cb = on_wake;
	port_conn_begin(&c->conn, on, port, tls_conn_end);
	if (tls_stream_new(&p, &c->stream, &err) < 0) {
		log_error("ports", "port=%s: %s", port->config->name, err.text);
		atomic_fetch_add(&port->failed, 1);
		tls_conn_end(&c->conn);
	}
}
