#ifndef REPLICA_PORTS_BACKEND_H
#define REPLICA_PORTS_BACKEND_H

/*
 * Where the plain bytes of a TLS port go: "builtin", "tcp:HOST:PORT", "unix:/PATH"; connecting to
 * it, and telling it who is there by PROXY protocol version 2.
 */

#include "common/loop/loop.h"
#include "common/tls/address.h"
#include "common/tls/stream.h"

enum backend_kind {
	BACKEND_BUILTIN,
	BACKEND_TCP,
	BACKEND_UNIX,
};

struct backend {
	enum backend_kind kind;
	char host[ADDRESS_HOST_MAX];
	uint16_t port;
	const char *path; /* in the configuration's text */
};

NODISCARD int backend_parse(const char *text, struct backend *out, struct err *err);
/* Only whether it is one: a check of a configuration's key. */
NODISCARD int backend_check(const char *text, struct err *err);

/* One try, with a deadline; the result comes once, later: a connected descriptor, or an error. */
struct backend_try;
typedef void backend_done_cb(void *arg, int fd, const struct err *err);
struct backend_try *backend_connect(
    const struct backend *b, struct loop *l, uint64_t timeout_ms, backend_done_cb *cb, void *arg);
/* No callback any more. NULL is fine. */
void backend_cancel(struct backend_try *t);

/* Appends the header for a client's stream; peer and local are of its TCP connection. */
void proxy_header_put(struct buf *out, const struct address *peer, const struct address *local,
    const struct tls_stream *s);

#endif
