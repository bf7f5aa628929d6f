#ifndef COMMON_TLS_STREAM_H
#define COMMON_TLS_STREAM_H

/*
 * One end of a TLS connection over a nonblocking descriptor on a loop. The stream owns the
 * descriptor; its owner is told what happens, reads and writes until ERR_AGAIN, and closes it. No
 * callback comes after tls_stream_close; it may be called from each of the callbacks here. Loop
 * thread only.
 */

#include "common/loop/loop.h"
#include "common/tls/address.h"
#include "common/tls/tls_ctx.h"

struct tls_stream_events {
	/* The handshake is done. On a client the server may still refuse our certificate. */
	void (*on_ready)(void *arg);
	/* What tls_stream_want asked for is possible (LOOP_READ, LOOP_WRITE). */
	void (*on_event)(void *arg, unsigned events);
	/*
	 * The handshake failed or was too slow (ERR_TIMEOUT, ERR_DENIED and whatever the accept
	 * callback gave, ERR_CRYPTO, ERR_PROTO, ERR_IO), or the connection was reset. Close it.
	 */
	void (*on_failed)(void *arg, const struct err *err);
};

struct tls_stream_params {
	struct loop *loop;
	struct tls_ctx *ctx;     /* referenced */
	int fd;                  /* taken, also when tls_stream_new fails */
	bool connecting;         /* client: connect() is under way */
	const char *server_name; /* client: SNI, NULL for none */
	uint64_t handshake_ms;   /* from now to on_ready, connecting and waiting included */
	const struct tls_stream_events *events;
	void *arg;
};

NODISCARD int tls_stream_new(
    const struct tls_stream_params *p, struct tls_stream **out, struct err *err);

/* A new owner: what the stream tells goes there from now on. */
void tls_stream_set_owner(struct tls_stream *s, const struct tls_stream_events *events, void *arg);

/* The answer to TLS_SELECT_PENDING: goes on with the handshake, on a later turn. */
void tls_stream_resume(struct tls_stream *s);

/* Level-triggered, nothing at first. Bytes that OpenSSL holds already count as readable. */
void tls_stream_want(struct tls_stream *s, unsigned mask);

/*
 * 0 with *len bytes, of which 0 is the peer's orderly end; ERR_AGAIN; ERR_IO, ERR_PROTO: over.
 * Bytes that were cut off without an orderly end give ERR_IO.
 */
NODISCARD int tls_stream_read(
    struct tls_stream *s, void *out, size_t max, size_t *len, struct err *err);
/* 0 with *taken bytes of data, at least one; ERR_AGAIN; ERR_IO, ERR_PROTO: over. */
NODISCARD int tls_stream_write(
    struct tls_stream *s, struct span data, size_t *taken, struct err *err);
/* Says that we are done writing. ERR_AGAIN: call again when writable. */
NODISCARD int tls_stream_finish(struct tls_stream *s, struct err *err);

/* Ends it at once; what was written and not yet sent by the kernel still goes out. NULL is fine. */
void tls_stream_close(struct tls_stream *s);

/* After on_ready. Borrowed; NULL when there is none. */
const struct cert *tls_stream_peer(const struct tls_stream *s);
bool tls_stream_peer_expired(const struct tls_stream *s);
const char *tls_stream_alpn(const struct tls_stream *s);
const char *tls_stream_server_name(const struct tls_stream *s);
const char *tls_stream_version(const struct tls_stream *s);
bool tls_stream_resumed(const struct tls_stream *s);

#endif
