#ifndef REPLICA_PORTS_PORTS_PRIV_H
#define REPLICA_PORTS_PORTS_PRIV_H

/* The inside of the ports, shared by the files of this folder. */

#include "common/loop/loop.h"
#include "common/model/names.h"
#include "common/tls/stream.h"
#include "replica/cache/cache.h"
#include "replica/ports/backend.h"
#include "replica/ports/ports.h"

#include <pthread.h>
#include <stdatomic.h>

#define PORT_HANDSHAKE_MS 10000
#define PORT_BACKEND_MS 10000
#define PORT_LINGER_MS 5000
#define PORT_EVICT_MS 500 /* how long a connection that has said nothing is safe at the limit */
#define PORT_CONNECTIONS_DEFAULT 10000

/* How a port speaks TLS and whom it believes: immutable, shared by the handshakes that use it. */
struct port_policy {
	atomic_uint refs;
	struct tls_ctx *ctx;
	struct hash hash; /* of everything that a ticket must not outlive */
};

struct port {
	const struct port_config *config;
	struct ports *ports;
	struct backend backend;
	struct port_policy *policy; /* NULL on an http port; swapped under the lock of all ports */
	char fallback[NAME_TEXT_MAX];
	bool has_fallback;
	char address[ADDRESS_TEXT_MAX];
	uint64_t connections_max;
	atomic_uint_fast64_t accepted, handshakes, resumed, failed, refused, open;
};

/*
 * One connection of a port, whatever it speaks. Pending until it has said what it wants; in the
 * list of its loop for pending or settled ones.
 */
struct port_conn {
	struct port_loop *on;
	struct port *port;
	struct port_conn *next, *prev;
	bool settled;
	uint64_t since_ms;
	void (*end)(struct port_conn *c); /* closes and frees it */
};

struct conn_list {
	struct port_conn *head, *tail;
};

struct port_listener {
	struct port_loop *on;
	struct port *port;
	int fd;
	struct loop_fd *watch;
};

/* What one thread has: a loop, a listener for each port, and its connections. */
struct port_loop {
	struct ports *ports;
	struct loop *loop;
	struct loop_thread *thread;
	struct port_listener *listeners;
	size_t listener_count;
	struct conn_list pending, settled;
	struct timer pause;
	struct posted close, closed; /* to this loop, and back to the main one */
};

/* The text of the built-in page: immutable, shared by those who are sending it. */
struct page_text {
	atomic_uint refs;
	struct span json;
};

struct ports {
	struct ports_params p;
	struct port *ports;
	size_t port_count; /* those that are set up */
	struct port_loop *loops;
	size_t loop_count, loops_closed;
	struct timer rotate;
	struct secret *ticket_keys;
	pthread_mutex_t lock; /* of status, and of policies */
	struct page_text *status;
	void (*closed)(void *arg);
	void *closed_arg;
};

/* ports.c */
void port_conn_begin(
    struct port_conn *c, struct port_loop *on, struct port *port, void (*end)(struct port_conn *c));
void port_conn_settle(struct port_conn *c);
/* Takes it out of the lists and the counts; the memory is the caller's. */
void port_conn_leave(struct port_conn *c);
struct page_text *ports_status(struct ports *p);
void page_text_unref(struct page_text *t);

/* policy.c */
NODISCARD int port_policy_new(const struct port *port, const struct cert *const *roots,
    size_t root_count, struct port_policy **out, struct err *err);
/* A new reference to that of this moment. */
struct port_policy *port_policy_get(struct port *port);
void port_policy_unref(struct port_policy *policy);
DEFINE_FREEP(struct port_policy, port_policy_unref)
/* A fresh key for new tickets; the one before still opens old ones. */
NODISCARD int ports_rotate_tickets(struct ports *p, struct err *err);

/* tls_conn.c */
extern const struct tls_select_ops port_select_ops;
void tls_conn_start(struct port_loop *on, struct port *port, int fd, const struct address *peer);

/* redirect.c */
void redirect_start(struct port_loop *on, struct port *port, int fd);

/*
 * page.c: answers one request on a stream, with the page or an error, and closes it. The stream is
 * taken; on_heard comes when a whole request has come, on_end when all is closed and gone.
 */
struct page;
struct page *page_start(struct ports *ports, struct loop *l, struct tls_stream *s,
    void (*on_heard)(void *arg), void (*on_end)(void *arg), void *arg);
/* Ends it without a callback. NULL is fine. */
void page_close(struct page *p);

#endif
