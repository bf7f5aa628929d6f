#ifndef COMMON_HTTP_HTTP_H
#define COMMON_HTTP_HTTP_H

/*
 * HTTP for the command and for join: one request, one reply, blocking. Never follows a redirect,
 * uses no proxy, no .netrc and nothing of the environment, and trusts exactly what the caller says.
 * Not for a loop. Each call stands alone; call http_init once before threads exist.
 */

#include "common/base/buf.h"

#include <stdatomic.h>

enum http_trust {
	HTTP_TRUST_SYSTEM, /* the certificate authorities of the host */
	HTTP_TRUST_PINNED, /* only the certificate in ca */
	/*
	 * Nothing is verified. Only to fetch what is compared with a pin afterwards; never with a
	 * body, and never with a client's identity (ERR_INVALID).
	 */
	HTTP_TRUST_NOBODY,
};

struct http_params {
	const char *method;         /* NULL: GET, or POST with a body */
	const char *url;            /* "https://host:7443/v1/..." */
	const char *unix_socket;    /* connect here; the URL is then http://localhost/... */
	const char *const *headers; /* "Name: value", ends with NULL; may be NULL */
	struct span body;           /* data NULL: none */
	const char *content_type;   /* NULL: application/json */
	enum http_trust trust;
	struct span ca;                /* HTTP_TRUST_PINNED: one certificate, DER */
	struct span more_roots;        /* HTTP_TRUST_SYSTEM: trusted beside them, PEM; or empty */
	struct span identity_chain;    /* PEM, leaf first; empty: none */
	struct span identity_key;      /* PKCS#8 DER */
	uint32_t connect_ms, total_ms; /* 0: 10 s and 60 s; a stream has no total */
	uint32_t silence_ms;           /* stream: end after so long without a byte; 0: 30 s */
	size_t max_reply;              /* 0: 4 MiB */
	/*
	 * Once the status is known, whatever becomes of the body is no error: too long, too slow,
	 * cut off. For peers of whom nothing but the status matters.
	 */
	bool status_only;
	const atomic_bool *stop; /* set by another thread: ERR_CANCELED within a second; or NULL */
};

struct http_reply {
	int status;
	struct buf body;       /* begin with a zeroed struct http_reply */
	struct buf peer_chain; /* HTTP_TRUST_NOBODY: what the server showed, PEM, leaf first */
};

void http_reply_fini(struct http_reply *reply);
#define AUTO_HTTP_REPLY AUTO(http_reply_fini)

NODISCARD int http_init(struct err *err);
void http_fini(void);

/*
 * A reply of any status is success. ERR_UNAVAIL: nobody there; ERR_TIMEOUT; ERR_CRYPTO: the peer's
 * certificate is not trusted; ERR_LIMIT: the reply is longer than max_reply; ERR_PROTO: not HTTP;
 * ERR_DENIED: the UNIX socket may not be opened by this user;
 * ERR_CANCELED: stop was set.
 */
NODISCARD int http_request(
    const struct http_params *params, struct http_reply *reply, struct err *err);

/*
 * Calls on_line for each line of the body (no line end, empty ones left out) while it arrives, if
 * the status is 200; with any other, the body is in reply as usual. The stream ends with the
 * server, or when on_line returns other than 0: ERR_CANCELED then.
 */
typedef int http_line_cb(struct span line, void *arg);
NODISCARD int http_stream(const struct http_params *params, http_line_cb *on_line, void *arg,
    struct http_reply *reply, struct err *err);

/* Appends text percent-encoded as one segment of a path or one value of a query. */
void http_put_escaped(struct buf *out, const char *text);

#endif
