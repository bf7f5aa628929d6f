#ifndef REPLICA_PORTS_HTTP_HEAD_H
#define REPLICA_PORTS_HTTP_HEAD_H

/*
 * The head of an HTTP/1.x request, for the two places in a replica that answer HTTP themselves: the
 * built-in page and the redirect to TLS. Strict: what is not exactly a head of RFC 9112 is refused.
 * Pure.
 */

#include "common/base/buf.h"

#define HTTP_HEAD_MAX 8192
#define HTTP_TARGET_MAX 2048
#define HTTP_HOST_MAX 262 /* a DNS name or an address, and a port */

struct http_head {
	char method[16];
	char target[HTTP_TARGET_MAX]; /* begins with '/'; visible ASCII */
	char host[HTTP_HOST_MAX];     /* as sent, "" without */
};

/* ERR_AGAIN: the head is not whole yet. ERR_PARSE; ERR_LIMIT when it is longer than allowed. */
NODISCARD int http_head_parse(struct span bytes, struct http_head *out);

/*
 * The host of a Host header without its port, in normal form: a DNS name, or an address (IPv6 in
 * brackets). False for everything else.
 */
bool http_host_of(const char *header, char out[static HTTP_HOST_MAX]);

#endif
