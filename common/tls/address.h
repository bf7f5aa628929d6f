#ifndef COMMON_TLS_ADDRESS_H
#define COMMON_TLS_ADDRESS_H

/*
 * TCP addresses: "host:port" taken apart, numeric addresses without asking anyone, listeners and
 * connections that never block. Names are resolved by resolve.h. Pure, or one system call.
 */

#include "common/base/buf.h"

#include <sys/socket.h>

#define ADDRESS_TEXT_MAX 64 /* "[2001:db8::1]:65535" */
#define ADDRESS_HOST_MAX 254

struct address {
	struct sockaddr_storage sa;
	socklen_t len;
};

/*
 * "192.0.2.1:7443", "[2001:db8::1]:7443", "node.example.org:7443"; the port is needed, and "*"
 * stands for all addresses of a listener. ERR_INVALID.
 */
NODISCARD int address_split(
    const char *text, char host[static ADDRESS_HOST_MAX], uint16_t *port, struct err *err);
/* Only whether it is one: a check of a configuration's key. */
NODISCARD int address_check(const char *text, struct err *err);
/* ERR_NOTFOUND when host is a name and no number: it has to be resolved. "*" is the IPv6 "any". */
NODISCARD int address_numeric(
    const char *host, uint16_t port, struct address *out, struct err *err);
/* With port and brackets where they belong; "unknown" for other families. */
const char *address_text(const struct address *a, char out[static ADDRESS_TEXT_MAX]);
uint16_t address_port(const struct address *a);
/* What counts as one peer in limits: an IPv4 address, or the /64 of an IPv6 one. */
struct address_key {
	uint8_t bytes[9];
};
struct address_key address_key(const struct address *a);

/*
 * A nonblocking listener; *out has the port that was given when 0 was asked for. share: several
 * listeners on one port (SO_REUSEPORT). "*" takes IPv4 too. What is accepted is tuned. ERR_BUSY
 * when the port is taken, ERR_DENIED when it may not be, ERR_INVALID for an address that is not
 * ours.
 */
NODISCARD int address_listen(
    const char *text, bool share, int *fd, struct address *out, struct err *err);

/* Starts to connect, TCP_NODELAY and keepalive set. ERR_UNAVAIL when it fails at once. */
NODISCARD int address_connect(const struct address *a, int *fd, struct err *err);
/* What became of it, once the descriptor is writable. ERR_UNAVAIL with the reason. */
NODISCARD int address_connected(int fd, struct err *err);
/* TCP_NODELAY, and keepalive that finds a dead peer within a minute; done by the two above. */
void address_tune(int fd);

#endif
