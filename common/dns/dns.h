#ifndef COMMON_DNS_DNS_H
#define COMMON_DNS_DNS_H

/*
 * Names to addresses on a loop, without a thread: /etc/hosts first, then the servers of
 * /etc/resolv.conf, for both families. Each look-up reads these files anew, so that a change of
 * them is taken up by itself. Loop thread only.
 */

#include "common/loop/loop.h"

#include <sys/socket.h>

#define DNS_ADDRESSES_MAX 8
#define DNS_DEADLINE_MS 10000

struct dns_address {
	struct sockaddr_storage sa;
	socklen_t len;
};

struct dns_params {
	struct loop *loop;
	const char *host;
	uint16_t port;
	uint64_t deadline_ms; /* 0: DNS_DEADLINE_MS */
	const char *servers;  /* "127.0.0.1:5353,...", for tests; NULL: those of this host */
};

/*
 * status 0 and 1 to DNS_ADDRESSES_MAX addresses in order of preference (RFC 6724), or ERR_UNAVAIL
 * with a text that names the host.
 */
typedef void dns_cb(
    void *arg, int status, const struct dns_address *list, size_t count, const struct err *err);

struct dns_lookup;

/* The callback comes once, later, on the loop. Nothing of params is needed after the call. */
struct dns_lookup *dns_start(const struct dns_params *params, dns_cb *cb, void *arg);
/* No callback any more, no socket is left. NULL is fine; not after the callback. */
void dns_cancel(struct dns_lookup *d);

#endif
