#ifndef COMMON_TLS_PUMP_H
#define COMMON_TLS_PUMP_H

/*
 * Copies bytes between a TLS stream whose handshake is done and a plain stream socket, both ways,
 * until both are at their end. What one side has not taken yet is kept up to PUMP_BUFFER bytes a
 * direction, and nothing is read meanwhile: a slow reader slows down the writer, nobody else. Loop
 * thread only.
 */

#include "common/tls/stream.h"

#define PUMP_BUFFER (32 * 1024)

struct pump;

struct pump_stats {
	uint64_t in, out; /* bytes from the TLS side, bytes to it */
};

struct pump_params {
	struct loop *loop;
	struct tls_stream *stream; /* taken */
	int fd;                    /* taken; nonblocking or not yet */
	struct span first;         /* goes to fd before everything else; copied */
	/*
	 * May be NULL. Sees all bytes for fd, in order, before they are passed on; an error ends
	 * both sides without that.
	 */
	int (*check)(void *arg, struct span bytes, struct err *err);
	/*
	 * With it, the end of one direction is passed on and the other goes on; when fd has ended
	 * and everything was sent, the peer has linger_ms to end too. Without it, the end of one
	 * side is the end of all.
	 */
	bool half_close;
	uint64_t linger_ms;
	uint64_t idle_ms; /* ends it when nothing has moved that long; 0: never */
	/* Everything is closed already; the pump is gone after it. err is NULL at an orderly end.
	 */
	void (*on_end)(void *arg, const struct pump_stats *stats, const struct err *err);
	void *arg;
};

/* On failure both ends are closed too, and on_end never comes. */
NODISCARD int pump_new(const struct pump_params *p, struct pump **out, struct err *err);
/* Ends both sides at once, without on_end. NULL is fine. */
void pump_close(struct pump *p);
struct pump_stats pump_stats(const struct pump *p);
/* Monotonic time of the last byte. */
uint64_t pump_last_ms(const struct pump *p);

#endif
