#ifndef COMMON_TLS_TERMINATOR_PRIV_H
#define COMMON_TLS_TERMINATOR_PRIV_H

/* The inside of the terminator: listeners and limits here, the way of one connection there. */

#include "common/tls/limiter.h"
#include "common/tls/pump.h"
#include "common/tls/terminator.h"

/*
 *   HANDSHAKE --> FIRST --> MEMBER      a pump to the link
 *       |           |  \--> HTTP        a pump to the HTTP engine
 *       v           v
 *     gone        gone                  refused, failed, too slow, or evicted
 *
 * HANDSHAKE and FIRST are pending.
 */
enum conn_state {
	CONN_HANDSHAKE,
	CONN_FIRST,
	CONN_MEMBER,
	CONN_HTTP,
	CONN__COUNT,
};

#define SP_HEADER_LEN 8
#define FIRST_MAX 512

struct terminator_conn {
	struct terminator *t;
	struct terminator_conn *next, *prev; /* in the list of its state, the oldest first */
	enum conn_state state;
	struct address peer;
	struct address_key key;
	uint64_t since_ms;
	struct tls_stream *stream; /* until the pump has it */
	struct pump *pump;
	struct timer deadline; /* of the first bytes */
	uint8_t first[FIRST_MAX];
	size_t first_len;
	struct cert *cert;
	bool expired, is_link;
	bool attached; /* on_member has succeeded */
	void *user;
};

struct conn_list {
	struct terminator_conn *head, *tail;
	unsigned count;
};

struct listener {
	struct terminator *t;
	int fd;
	struct loop_fd *watch;
	struct address address;
};

struct terminator {
	struct loop *loop;
	struct tls_ctx *ctx;
	struct terminator_limits limits;
	struct terminator_handlers handlers;
	struct limiter *limiter;
	struct listener listeners[TERMINATOR_LISTENERS_MAX];
	size_t listener_count;
	struct timer pause; /* after accept has run out of descriptors */
	struct conn_list lists[CONN__COUNT];
	struct terminator_stats stats;
};

/* Begins with an accepted socket, which it takes. */
void conn_start(struct terminator *t, int fd, const struct address *peer);
/* Ends it; on_member_end is called inside. */
void conn_end(struct terminator_conn *c);
/* Room for one more of that state? Evicts if it must. */
bool terminator_make_room(struct terminator *t, enum conn_state state);
void conn_refused(struct terminator *t, const struct address *peer, const struct err *err);

#endif
