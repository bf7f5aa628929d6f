#ifndef COMMON_TLS_PROBE_H
#define COMMON_TLS_PROBE_H

/*
 * Asks a TLS server for its certificates and believes nothing of it: for a person who will compare
 * fingerprints. Nothing is sent behind the handshake. Blocking, for commands; daemons use streams.
 */

#include "common/crypto/cert.h"

struct probe_params {
	const char *target; /* "host:port" */
	const char *name;   /* SNI; NULL: the host, if it is a name */
	uint64_t ms;        /* for all of it; 0: LIMIT_HANDSHAKE_MS */
};

/*
 * The certificates as the server sent them, leaf first; the caller unrefs them. ERR_INVALID for the
 * target, ERR_NOTFOUND for its name, ERR_UNAVAIL, ERR_TIMEOUT, ERR_PROTO when that is no TLS,
 * ERR_PARSE for certificates that cannot be read.
 */
NODISCARD int probe_chain(const struct probe_params *p, struct cert *out[static LIMIT_CHAIN],
    size_t *count, struct err *err);

#endif
