#ifndef COMMON_JOIN_JOIN_H
#define COMMON_JOIN_JOIN_H

/*
 * How a machine becomes a member of a domain, seen from that machine: with a token it fetches the
 * root certificate, compares it with the fingerprint in the token, and only then, over TLS verified
 * by that root, proves its new keys and is given an identity (docs/protocol/join.md). Blocking; for
 * a program's start. The keys are on disk before they are sent anywhere, so that a join whose
 * answer was lost is simply made again.
 */

#include "common/base/limits.h"
#include "common/model/public.h"

struct secret;

struct join_params {
	const struct secret *token; /* as the administrator was given it */
	const char *dir;            /* data directory; made if need be, but not its parents */
	const char *name;           /* NULL: the one that the token is for */
	struct texts addresses;     /* DNS names and IP addresses of this machine */
	const char *software;       /* "certherd 0.1.0" */
	int64_t now;
};

struct join_result {
	struct id node;
	char name[LIMIT_NAME + 1];
	char domain[LIMIT_NAME + 1];
	char server[LIMIT_ENDPOINT + 1]; /* the one that answered */
};

/*
 * Afterwards dir is a member's (common/member). ERR_EXISTS: dir is one already. ERR_PARSE: this is
 * no token. ERR_CRYPTO: a server showed another root than the token names, or answered with what
 * does not fit. ERR_DENIED and ERR_EXISTS as the server said. ERR_UNAVAIL: no server of the token
 * answers. http_init has been called.
 */
NODISCARD int join_run(
    const struct join_params *params, struct join_result *result, struct err *err);

#endif
