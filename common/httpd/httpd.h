#ifndef COMMON_HTTPD_HTTPD_H
#define COMMON_HTTPD_HTTPD_H

/*
 * HTTP/1.1 for local and authenticated peers, on the loop thread. It has no TCP listener: the
 * caller adds connections, each with what it knows of the peer. A request is routed by a const
 * table, admitted before its body is read, and handled once, when it is complete; the handler
 * answers at once, later, or with a stream of lines. A struct httpd_request belongs to httpd and
 * lives until it was answered, or until its on_gone was called. One thread: the loop's.
 */

#include "common/base/buf.h"
#include "common/base/limits.h"

#include <sys/types.h>

struct loop;
struct httpd;
struct httpd_request;

enum httpd_peer_kind {
	HTTPD_PEER_UNIX, /* uid and gid are of the process that connected */
	HTTPD_PEER_TLS,  /* through the terminator; owner says whether there was a certificate */
};

struct httpd_peer {
	enum httpd_peer_kind kind;
	uid_t uid;
	gid_t gid;
	pid_t pid;
	char address[64]; /* for logs: "192.0.2.1:4711" or "unix" */
	void *owner;      /* the caller's, e.g. the proven identity; NULL: none */
	/* Called once with owner when the connection is gone (also when adding it fails). */
	void (*release)(void *owner);
};

typedef void httpd_handler(struct httpd_request *req, void *arg);

struct httpd_route {
	const char *method; /* "GET" */
	const char *path;   /* "/v1/nodes/{id}": a segment in braces is a parameter */
	httpd_handler *handle;
	unsigned access; /* for admit; httpd gives it no meaning */
};

struct httpd_params {
	struct loop *loop;
	const struct httpd_route *routes;
	size_t route_count;
	void *arg; /* of admit and of the handlers */
	/*
	 * May this peer use this route? Before the body is read. 0, or a negative code: the error
	 * is the answer. NULL: everyone may.
	 */
	int (*admit)(const struct httpd_request *req, const struct httpd_route *route, void *arg,
	    struct err *err);
	/*
	 * 0 for each: LIMIT_HTTP_CONNECTIONS of each kind of peer, so that strangers cannot keep
	 * the host's administrator out; LIMIT_HTTP_BODY; LIMIT_IDLE_HTTP_MS; 10 s.
	 */
	unsigned max_connections;
	size_t max_body;
	unsigned idle_ms;
	unsigned keep_alive_ms; /* an empty line on a silent stream */
};

NODISCARD int httpd_new(const struct httpd_params *params, struct httpd **out, struct err *err);

/*
 * Takes a connected stream socket, always (it is closed on failure). ERR_LIMIT when there are too
 * many connections.
 */
NODISCARD int httpd_add(struct httpd *h, int fd, const struct httpd_peer *peer, struct err *err);

/* Accepts peers on a listening UNIX socket; takes fd. At most four listeners. */
NODISCARD int httpd_listen(struct httpd *h, int fd, struct err *err);

unsigned httpd_connections(const struct httpd *h);

/*
 * Ends everything at once: on_gone is called for what is not answered, which gets 503, and streams
 * are cut. NULL is fine. Not from inside a handler.
 */
void httpd_free(struct httpd *h);
DEFINE_FREEP(struct httpd, httpd_free)

/* What the request says; all borrowed from it. */
const struct httpd_peer *httpd_peer(const struct httpd_request *req);
const char *httpd_method(const struct httpd_request *req);
const char *httpd_path(const struct httpd_request *req);                     /* decoded */
const char *httpd_param(const struct httpd_request *req, const char *name);  /* never NULL */
const char *httpd_query(const struct httpd_request *req, const char *name);  /* NULL: not there */
const char *httpd_header(const struct httpd_request *req, const char *name); /* NULL: not there */
struct span httpd_body(const struct httpd_request *req);

/*
 * Answers, once for each request, from the handler or later on the loop; req is gone for the
 * caller with this call. The body is copied.
 */
void httpd_reply(
    struct httpd_request *req, unsigned status, const char *content_type, struct span body);
/* {"error":{"code":"not-found","text":"..."}} with the status that fits err->code. */
void httpd_fail(struct httpd_request *req, const struct err *err);
unsigned httpd_status_of(int code);

/*
 * A handler that returns without having answered must have called this. on_gone is called instead
 * of the possibility to answer: when the client has left, or httpd closes. req must not be used
 * after it.
 */
void httpd_defer(struct httpd_request *req, void (*on_gone)(void *arg), void *arg);

/*
 * A reply without end: begins with 200 and content_type; then lines, each with a line end added,
 * until httpd_stream_end. on_gone as above (not after httpd_stream_end). A client that does not
 * read LIMIT_STREAM_BACKLOG bytes is dropped, with on_gone.
 */
#define LIMIT_STREAM_BACKLOG (256 * 1024)
void httpd_stream_begin(
    struct httpd_request *req, const char *content_type, void (*on_gone)(void *arg), void *arg);
void httpd_stream_line(struct httpd_request *req, struct span line);
void httpd_stream_end(struct httpd_request *req);

#endif
