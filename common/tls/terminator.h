#ifndef COMMON_TLS_TERMINATOR_H
#define COMMON_TLS_TERMINATOR_H

/*
 * The one public port of a server: accepts TCP, ends TLS 1.3, and hands on plain bytes by ALPN.
 * "certherd/1" needs the certificate of a member and becomes a connection of the link, once the
 * peer's SP header has come; "http/1.1" or no ALPN becomes one end of a socket pair for the HTTP
 * engine, once its first byte has come. Until then a connection is pending: bounded in number (all
 * together and for each address) and in time, and the first to go when others need its place.
 * Nobody who has proven nothing can hold more than that. Loop thread only.
 */

#include "common/loop/loop.h"
#include "common/tls/address.h"
#include "common/tls/tls_ctx.h"

#define TERMINATOR_ALPN_LINK "certherd/1"
#define TERMINATOR_ALPN_HTTP "http/1.1"
#define TERMINATOR_LISTENERS_MAX 8

struct terminator;
struct terminator_conn;

/* 0 stands for the value of limits.h, or what is said here. */
struct terminator_limits {
	unsigned pending;             /* LIMIT_PENDING_HANDSHAKES */
	unsigned pending_per_address; /* LIMIT_PENDING_PER_ADDRESS */
	unsigned tries_per_second;    /* of one address; LIMIT_TRIES_PER_SECOND */
	unsigned connections;         /* a sixth of the descriptors that the process may have */
	unsigned http;                /* connections of the HTTP engine; LIMIT_HTTP_CONNECTIONS */
	uint64_t handshake_ms;        /* and again for the first bytes; LIMIT_HANDSHAKE_MS */
	uint64_t evict_ms;            /* how long a pending one is safe from eviction; 500 */
};

struct terminator_handlers {
	/* Is this certificate, which chains to the root, that of a live member? */
	tls_accept_cb *accept;
	/*
	 * A member's connection: give a connected socket (nonblocking or not) that takes its bytes,
	 * from the SP header on; the terminator owns it then. *user comes back in on_member_end,
	 * which comes once for each success here. A failure drops the connection. conn stays valid
	 * until on_member_end; other connections may be dropped from inside, not this one.
	 */
	int (*on_member)(void *arg, struct terminator_conn *conn, const struct cert *peer,
	    bool expired, int *fd, void **user, struct err *err);
	/* Both of its ends are closed. */
	void (*on_member_end)(void *arg, void *user);
	/* May be NULL. Sees all bytes of a member before its socket does; an error ends it. */
	int (*check_member)(void *arg, void *user, struct span bytes, struct err *err);
	/* A socket for the HTTP engine, taken; peer is NULL without a certificate, else borrowed.
	 */
	void (*on_http)(void *arg, int fd, const struct cert *peer, const char *address);
	/* May be NULL. Why a connection was refused or failed; for a log with a rate limit. */
	void (*on_refused)(void *arg, const char *address, const struct err *err);
	void *arg;
};

struct terminator_params {
	struct loop *loop;
	const char *const *listen; /* "host:port" */
	size_t listen_count;
	struct tls_identity *identity;
	const struct cert *root;
	struct terminator_limits limits;
	struct terminator_handlers handlers;
};

/* ERR_BUSY, ERR_DENIED, ERR_INVALID for a listener that cannot be, named in the text. */
NODISCARD int terminator_new(
    const struct terminator_params *p, struct terminator **out, struct err *err);
/* Ends everything at once; on_member_end is called for each member inside. NULL is fine. */
void terminator_close(struct terminator *t);

/* The address of the i-th listener, with its real port. */
const char *terminator_address(
    const struct terminator *t, size_t i, char out[static ADDRESS_TEXT_MAX]);
/* Our certificate for new handshakes. */
void terminator_set_identity(struct terminator *t, struct tls_identity *id);

/* Closes both ends; on_member_end is called inside. */
void terminator_conn_close(struct terminator_conn *conn);
/*
 * Puts the certificate of each open connection to handlers.accept again and drops those that are
 * refused now: after a member was removed. Returns how many.
 */
size_t terminator_recheck(struct terminator *t);

struct terminator_stats {
	unsigned connections, pending, members, http; /* now */
	uint64_t accepted, handshakes;
	uint64_t over_connections, over_pending, over_rate; /* refused by a limit */
	uint64_t evicted, timeouts, failed, refused_peers;
};
void terminator_stats(const struct terminator *t, struct terminator_stats *out);

#endif
