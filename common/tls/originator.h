#ifndef COMMON_TLS_ORIGINATOR_H
#define COMMON_TLS_ORIGINATOR_H

/*
 * A follower's end of the link: an abstract UNIX socket that only this process may use, on which
 * nng dials; each connection there becomes one TLS connection with ALPN "certherd/1" to the server,
 * with our identity, a pinned root and the caller's judgement about whom we have reached. It does
 * not try again by itself: nng re-dials with back-off. Only a server that refuses us after its
 * handshake is asked again ever more slowly, up to half a minute. Loop thread only.
 */

#include "common/loop/loop.h"
#include "common/tls/tls_ctx.h"

struct originator;

struct originator_params {
	struct loop *loop;
	const char *target; /* "host:port", copied */
	struct tls_identity *identity;
	const struct cert *root;
	tls_accept_cb *accept; /* is this certificate, which chains to the root, the server's? */
	/*
	 * May be NULL. ERR_* with the reason when a connection could not be made or has ended, 0
	 * when the server has accepted us and sent its first bytes. For the status, and for a log.
	 */
	void (*on_state)(void *arg, int status, const struct err *err);
	/* Our end of a connection of nng has been closed; link_nng_client_closed is for that. */
	void (*on_closed)(void *arg);
	void *arg;
	uint64_t connect_ms; /* resolving, connecting and handshake; 0: LIMIT_HANDSHAKE_MS */
};

NODISCARD int originator_new(
    const struct originator_params *p, struct originator **out, struct err *err);
void originator_close(struct originator *o); /* NULL is fine */

/* For nng: "abstract://certherd-<random>". Borrowed. */
const char *originator_url(const struct originator *o);
/* For the connections from now on; the present one goes on. ERR_INVALID. */
NODISCARD int originator_set_target(struct originator *o, const char *target, struct err *err);
void originator_set_identity(struct originator *o, struct tls_identity *id);
/* Ends the present connection; nng makes the next one. */
void originator_drop(struct originator *o);

#endif
