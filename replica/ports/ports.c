#include "replica/ports/ports_priv.h"

#include "common/base/str.h"
#include "common/crypto/secret.h"
#include "common/log/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ACCEPTS_PER_TURN 16
#define ACCEPT_PAUSE_MS 100
#define TICKET_ROTATION_MS (24ULL * 3600 * 1000)
#define THREADS_MAX 256

/* ------------------------------------------------------------------------- connections */

static struct conn_list *
list_of(struct port_conn *c)
{
	return c->settled ? &c->on->settled : &c->on->pending;
}

static void
list_put(struct port_conn *c)
{
	struct conn_list *l = list_of(c);

	c->next = NULL;
	c->prev = l->tail;
	if (l->tail != NULL)
		l->tail->next = c;
	else
		l->head = c;
	l->tail = c;
}

static void
list_del(struct port_conn *c)
{
	struct conn_list *l = list_of(c);

	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		l->head = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	else
		l->tail = c->prev;
}

void
port_conn_begin(
    struct port_conn *c, struct port_loop *on, struct port *port, void (*end)(struct port_conn *c))
{
	c->on = on;
	c->port = port;
	c->end = end;
	c->since_ms = runtime_mono_ms(loop_runtime(on->loop));
	list_put(c);
	atomic_fetch_add(&port->open, 1);
}

void
port_conn_settle(struct port_conn *c)
{
	if (c->settled)
		return;
	list_del(c);
	c->settled = true;
	list_put(c);
}

void
port_conn_leave(struct port_conn *c)
{
	list_del(c);
	atomic_fetch_sub(&c->port->open, 1);
}

/* At the limit the oldest connection that has said nothing goes, if it had its time. */
static bool
make_room(struct port_loop *on, struct port *port)
{
	struct port_conn *c = on->pending.head;

	if (atomic_load(&port->open) < port->connections_max)
		return true;
	while (c != NULL && c->port != port)
		c = c->next;
	if (c == NULL || runtime_mono_ms(loop_runtime(on->loop)) - c->since_ms < PORT_EVICT_MS)
		return false;
	c->end(c);
	return true;
}

/* ------------------------------------------------------------------------- accepting */

static void
watch_listeners(struct port_loop *on, unsigned mask)
{
	for (size_t i = 0; i < on->listener_count; i++)
		loop_fd_watch(on->listeners[i].watch, mask);
}

static void
on_pause_over(void *arg)
{
	watch_listeners(arg, LOOP_READ);
}

static void
begin(struct port_listener *l, int fd, const struct address *peer)
{
	struct port *port = l->port;

	atomic_fetch_add(&port->accepted, 1);
	if (!make_room(l->on, port)) {
		atomic_fetch_add(&port->refused, 1);
		close(fd);
	} else if (port->config->kind == PORT_TLS) {
		tls_conn_start(l->on, port, fd, peer);
	} else {
		redirect_start(l->on, port, fd);
	}
}

static void
on_listener(void *arg, unsigned events)
{
	struct port_listener *l = arg;

	(void)events;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		struct address peer = {.len = sizeof(peer.sa)};
		int fd = accept4(
		    l->fd, (struct sockaddr *)&peer.sa, &peer.len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			begin(l, fd, &peer);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			log_warning("ports", "no descriptors for another connection; waiting");
			watch_listeners(l->on, 0);
			runtime_timer_start(
			    loop_runtime(l->on->loop), &l->on->pause, ACCEPT_PAUSE_MS);
		}
		if (errno != ECONNABORTED && errno != EINTR)
			return;
	}
}

/* ------------------------------------------------------------------------- closing */

static void
close_listeners(struct port_loop *on)
{
	for (size_t i = 0; i < on->listener_count; i++) {
		loop_fd_close(on->listeners[i].watch);
		close(on->listeners[i].fd);
	}
	on->listener_count = 0;
	mem_free(MOVE(on->listeners));
}

static void
end_all(struct conn_list *l)
{
	while (l->head != NULL)
		l->head->end(l->head);
}

/* On the port's own loop. */
static void
on_close(struct posted *post)
{
	struct port_loop *on = CONTAINER_OF(post, struct port_loop, close);

	runtime_timer_stop(loop_runtime(on->loop), &on->pause);
	close_listeners(on);
	end_all(&on->pending);
	end_all(&on->settled);
	loop_post(on->ports->p.loop, &on->closed);
	loop_stop(on->loop);
}

static void
ports_free(struct ports *p)
{
	runtime_timer_stop(loop_runtime(p->p.loop), &p->rotate);
	for (size_t i = 0; i < p->loop_count; i++) {
		close_listeners(&p->loops[i]);
		loop_free(p->loops[i].loop);
	}
	for (size_t i = 0; i < p->port_count; i++)
		port_policy_unref(p->ports[i].policy);
	secret_free(p->ticket_keys);
	page_text_unref(p->status);
	CHECK(pthread_mutex_destroy(&p->lock) == 0);
	mem_free(p->loops);
	mem_free(p->ports);
	mem_free(p);
}

/* On the main loop, once for each port loop. */
static void
on_closed(struct posted *post)
{
	struct port_loop *on = CONTAINER_OF(post, struct port_loop, closed);
	struct ports *p = on->ports;
	void (*closed)(void *arg) = p->closed;
	void *arg = p->closed_arg;

	loop_thread_join(MOVE(on->thread));
	if (++p->loops_closed < p->loop_count)
		return;
	ports_free(p);
	closed(arg);
}

void
ports_close(struct ports *p, void (*closed)(void *arg), void *arg)
{
	CHECK(p->closed == NULL && closed != NULL);
	p->closed = closed;
	p->closed_arg = arg;
	runtime_timer_stop(loop_runtime(p->p.loop), &p->rotate);
	for (size_t i = 0; i < p->loop_count; i++)
		loop_post(p->loops[i].loop, &p->loops[i].close);
}

/* ------------------------------------------------------------------------- setting up */

static int
set_fallback(struct port *port, struct err *err)
{
	enum name_type type;
	int r;

	if (port->config->fallback == NULL)
		return 0;
	r = name_normalise(port->config->fallback, port->fallback, &type, err);
	port->has_fallback = r == 0;
	return r < 0 ? err_wrap(err, "fallback") : 0;
}

static int
set_up_port(struct port *port, struct ports *p, const struct port_config *config, struct err *err)
{
	int r;

	port->config = config;
	port->ports = p;
	port->connections_max =
	    config->connections > 0 ? (uint64_t)config->connections : PORT_CONNECTIONS_DEFAULT;
	snprintf(port->address, sizeof(port->address), "%s", config->listen);
	if (config->kind != PORT_TLS)
		return 0;
	r = backend_parse(
	    config->backend != NULL ? config->backend : "builtin", &port->backend, err);
	if (r == 0)
		r = set_fallback(port, err);
	return r < 0 ? r : port_policy_new(port, p->p.roots, p->p.root_count, &port->policy, err);
}

int
port_config_check(const struct port_config *config, struct err *err)
{
	struct ports none = {.port_count = 0};
	struct port port = {.ports = &none};
	int r = set_up_port(&port, &none, config, err);

	port_policy_unref(port.policy);
	return r;
}

static int
listen_on(struct port_loop *on, struct port *port, struct err *err)
{
	struct port_listener *l = &on->listeners[on->listener_count];
	struct address real;
	int r;

	if (strlen(port->config->listen) >= sizeof(port->address))
		return err_set(err, ERR_INVALID, "'%s' is too long", port->config->listen);
	l->on = on;
	l->port = port;
	/* The first loop finds the number of a port 0; the others then share it. */
	r = address_listen(port->address, true, &l->fd, &real, err);
	if (r < 0)
		return r;
	r = loop_fd_open(on->loop, l->fd, on_listener, l, &l->watch, err);
	if (r < 0) {
		close(l->fd);
		return r;
	}
	on->listener_count++;
	address_text(&real, port->address);
	return 0;
}

/*
 * SO_REUSEPORT would let a second program of the same user share the port without a word, so the
 * address is tried without it first.
 */
static int
probe(const struct port *port, struct err *err)
{
	struct address real;
	int fd, r = address_listen(port->address, false, &fd, &real, err);

	if (r == 0)
		close(fd);
	return r;
}

static int
set_up_loop(struct port_loop *on, struct ports *p, struct err *err)
{
	int r = loop_new(&on->loop, err);

	if (r < 0)
		return r;
	p->loop_count++;
	on->ports = p;
	on->pause.cb = on_pause_over;
	on->pause.arg = on;
	on->close.cb = on_close;
	on->closed.cb = on_closed;
	on->listeners = mem_array(p->port_count, sizeof(*on->listeners));
	for (size_t i = 0; i < p->port_count; i++) {
		r = listen_on(on, &p->ports[i], err);
		if (r < 0)
			return err_wrap(err, "port '%s'", p->ports[i].config->name);
	}
	watch_listeners(on, LOOP_READ);
	return 0;
}

static size_t
threads_of(const struct ports_params *params)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	size_t n = params->threads > 0 ? params->threads : cores > 0 ? (size_t)cores : 1;

	return n < THREADS_MAX ? n : THREADS_MAX;
}

static int
set_up(struct ports *p, struct err *err)
{
	size_t threads = threads_of(&p->p);
	int r = 0;

	p->ports = mem_array(p->p.count, sizeof(*p->ports));
	p->loops = mem_array(threads, sizeof(*p->loops));
	for (size_t i = 0; i < p->p.count; i++) {
		p->port_count++;
		r = set_up_port(&p->ports[i], p, &p->p.configs[i], err);
		if (r == 0)
			r = probe(&p->ports[i], err);
		if (r < 0)
			return err_wrap(err, "port '%s'", p->p.configs[i].name);
	}
	r = ports_rotate_tickets(p, err);
	for (size_t i = 0; r == 0 && i < threads; i++)
		r = set_up_loop(&p->loops[i], p, err);
	return r;
}

/* Only when all is set up, so that a failure before needs no thread to be stopped. */
static void
start_threads(struct ports *p)
{
	for (size_t i = 0; i < p->loop_count; i++) {
		char name[16];
		struct err err;

		snprintf(name, sizeof(name), "port%zu", i);
		CHECK(loop_thread_start(p->loops[i].loop, name, &p->loops[i].thread, &err) == 0);
	}
	for (size_t i = 0; i < p->port_count; i++)
		log_notice("ports", "port=%s kind=%s address=%s", p->ports[i].config->name,
		    p->ports[i].config->kind == PORT_TLS ? "tls" : "http", p->ports[i].address);
}

static void
on_rotate(void *arg)
{
	struct ports *p = arg;
	struct err err;

	if (ports_rotate_tickets(p, &err) < 0)
		log_error("ports", "keeping the old ticket keys: %s", err.text);
	runtime_timer_start(loop_runtime(p->p.loop), &p->rotate, TICKET_ROTATION_MS);
}

int
ports_new(const struct ports_params *params, struct ports **out, struct err *err)
{
	struct ports *p = mem_zalloc(sizeof(*p));
	int r;

	p->p = *params;
	CHECK(pthread_mutex_init(&p->lock, NULL) == 0);
	p->rotate.cb = on_rotate;
	p->rotate.arg = p;
	ports_set_status(p, span_str("{}"));
	r = set_up(p, err);
	if (r < 0) {
		ports_free(p);
		return r;
	}
	p->p.roots = NULL; /* the caller's */
	p->p.root_count = 0;
	runtime_timer_start(loop_runtime(p->p.loop), &p->rotate, TICKET_ROTATION_MS);
	start_threads(p);
	*out = p;
	return 0;
}

/* ------------------------------------------------------------------------- questions */

const char *
ports_address(const struct ports *p, size_t i)
{
	CHECK(i < p->port_count);
	return p->ports[i].address;
}

void
ports_set_status(struct ports *p, struct span json)
{
	struct page_text *fresh = mem_zalloc(sizeof(*fresh) + json.len), *old;
	uint8_t *bytes = (uint8_t *)(fresh + 1);

	atomic_init(&fresh->refs, 1);
	memcpy(bytes, json.data, json.len);
	fresh->json = SPAN(bytes, json.len);
	CHECK(pthread_mutex_lock(&p->lock) == 0);
	old = p->status;
	p->status = fresh;
	CHECK(pthread_mutex_unlock(&p->lock) == 0);
	page_text_unref(old);
}

struct page_text *
ports_status(struct ports *p)
{
	struct page_text *t;

	CHECK(pthread_mutex_lock(&p->lock) == 0);
	t = p->status;
	atomic_fetch_add(&t->refs, 1);
	CHECK(pthread_mutex_unlock(&p->lock) == 0);
	return t;
}

void
page_text_unref(struct page_text *t)
{
	if (t != NULL && atomic_fetch_sub(&t->refs, 1) == 1)
		mem_free(t);
}

void
ports_counts(const struct ports *p, size_t i, struct port_counts *out)
{
	const struct port *port = &p->ports[i];

	CHECK(i < p->port_count);
	*out = (struct port_counts){
	    .accepted = atomic_load(&port->accepted),
	    .handshakes = atomic_load(&port->handshakes),
	    .resumed = atomic_load(&port->resumed),
	    .failed = atomic_load(&port->failed),
	    .refused = atomic_load(&port->refused),
	    .open = atomic_load(&port->open),
	};
}
