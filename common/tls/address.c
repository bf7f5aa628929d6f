#include "common/tls/address.h"

#include "common/base/num.h"
#include "common/base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int
address_split(const char *text, char host[static ADDRESS_HOST_MAX], uint16_t *port, struct err *err)
{
	const char *colon = strrchr(text, ':'), *begin = text, *end = colon;
	uint64_t number;
	struct err inner;

	if (colon == NULL)
		return err_set(err, ERR_INVALID, "'%s' has no port: write HOST:PORT", text);
	if (text[0] == '[') {
		begin = text + 1;
		end = colon - 1;
		if (end <= begin || *end != ']')
			return err_set(err, ERR_INVALID,
			    "'%s' is no address: write [IPv6 ADDRESS]:PORT", text);
	} else if (memchr(text, ':', (size_t)(colon - text)) != NULL) {
		return err_set(err, ERR_INVALID,
		    "'%s': an IPv6 address stands in brackets, as [::1]:7443", text);
	}
	if (end == begin || (size_t)(end - begin) >= ADDRESS_HOST_MAX)
		return err_set(err, ERR_INVALID, "'%s' has no usable host before its port", text);
	if (num_parse_u64(colon + 1, 0, 65535, &number, &inner) < 0)
		return err_set(err, ERR_INVALID, "'%s': a port is a number up to 65535", text);
	memcpy(host, begin, (size_t)(end - begin));
	host[end - begin] = '\0';
	*port = (uint16_t)number;
	return 0;
}

int
address_check(const char *text, struct err *err)
{
	char host[ADDRESS_HOST_MAX];
	uint16_t port;

	return address_split(text, host, &port, err);
}

int
address_numeric(const char *host, uint16_t port, struct address *out, struct err *err)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	*out = (struct address){0};
	if (inet_pton(AF_INET, host, &in.sin_addr) == 1) {
		memcpy(&out->sa, &in, sizeof(in));
		out->len = sizeof(in);
		return 0;
	}
	if (str_equal(host, "*") || inet_pton(AF_INET6, host, &in6.sin6_addr) == 1) {
		memcpy(&out->sa, &in6, sizeof(in6));
		out->len = sizeof(in6);
		return 0;
	}
	return err_set(err, ERR_NOTFOUND, "'%s' is not a numeric address", host);
}

const char *
address_text(const struct address *a, char out[static ADDRESS_TEXT_MAX])
{
	char host[INET6_ADDRSTRLEN];

	if (a->sa.ss_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, &a->sa, sizeof(in));
		inet_ntop(AF_INET, &in.sin_addr, host, sizeof(host));
		snprintf(out, ADDRESS_TEXT_MAX, "%s:%u", host, ntohs(in.sin_port));
	} else if (a->sa.ss_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, &a->sa, sizeof(in6));
		inet_ntop(AF_INET6, &in6.sin6_addr, host, sizeof(host));
		snprintf(out, ADDRESS_TEXT_MAX, "[%s]:%u", host, ntohs(in6.sin6_port));
	} else {
		snprintf(out, ADDRESS_TEXT_MAX, "unknown");
	}
	return out;
}

uint16_t
address_port(const struct address *a)
{
	struct sockaddr_in in;

	/* The port stands at the same place in both families. */
	_Static_assert(
	    offsetof(struct sockaddr_in, sin_port) == offsetof(struct sockaddr_in6, sin6_port),
	    "ports of both families lie at one offset");
	memcpy(&in, &a->sa, sizeof(in));
	return ntohs(in.sin_port);
}

struct address_key
address_key(const struct address *a)
{
	struct address_key key = {0};
	struct sockaddr_in6 in6;

	if (a->sa.ss_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, &a->sa, sizeof(in));
		key.bytes[0] = 4;
		memcpy(key.bytes + 1, &in.sin_addr, 4);
		return key;
	}
	memcpy(&in6, &a->sa, sizeof(in6));
	if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) {
		key.bytes[0] = 4;
		memcpy(key.bytes + 1, in6.sin6_addr.s6_addr + 12, 4);
	} else {
		key.bytes[0] = 6;
		memcpy(key.bytes + 1, in6.sin6_addr.s6_addr, 8);
	}
	return key;
}

static int
listen_error(int errnum, const char *text, struct err *err)
{
	switch (errnum) {
	case EADDRINUSE:
		return err_set(
		    err, ERR_BUSY, "cannot listen on %s: another program uses that port", text);
	case EACCES:
		return err_set(err, ERR_DENIED,
		    "cannot listen on %s: ports below 1024 need CAP_NET_BIND_SERVICE", text);
	case EADDRNOTAVAIL:
		return err_set(err, ERR_INVALID,
		    "cannot listen on %s: the address is not of this machine", text);
	default:
		return err_errno(err, errnum, "cannot listen on %s", text);
	}
}

void
address_tune(int fd)
{
	static const struct {
		int level, name, value;
	} options[] = {
	    {IPPROTO_TCP, TCP_NODELAY, 1},
	    {SOL_SOCKET, SO_KEEPALIVE, 1},
	    {IPPROTO_TCP, TCP_KEEPIDLE, 20},
	    {IPPROTO_TCP, TCP_KEEPINTVL, 10},
	    {IPPROTO_TCP, TCP_KEEPCNT, 4},
	    {IPPROTO_TCP, TCP_USER_TIMEOUT, 60000},
	};

	/* A socket of another family (a test's socket pair) has none of these, and needs none. */
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		(void)setsockopt(fd, options[i].level, options[i].name, &options[i].value,
		    sizeof(options[i].value));
}

static int
open_listener(int fd, const struct address *a, bool share)
{
	int on = 1, off = 0;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	address_tune(fd); /* what it accepts inherits this */
	if (share && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0)
		return -errno;
	if (a->sa.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, (const struct sockaddr *)&a->sa, a->len) < 0 || listen(fd, 1024) < 0)
		return -errno;
	return 0;
}

/* A machine without IPv6 still has all its IPv4 addresses behind "*". */
static int
new_socket(struct address *a, bool any)
{
	int fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 && errno == EAFNOSUPPORT && any) {
		uint16_t port = address_port(a);

		if (address_numeric("0.0.0.0", port, a, NULL) == 0)
			fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	}
	return fd;
}

int
address_listen(const char *text, bool share, int *fd, struct address *out, struct err *err)
{
	char host[ADDRESS_HOST_MAX];
	struct address a;
	uint16_t port;
	int r, s;

	r = address_split(text, host, &port, err);
	if (r < 0)
		return r;
	if (address_numeric(host, port, &a, NULL) < 0)
		return err_set(err, ERR_INVALID,
		    "cannot listen on %s: a listener needs a numeric address, or *", text);
	s = new_socket(&a, str_equal(host, "*"));
	if (s < 0)
		return listen_error(errno, text, err);
	r = open_listener(s, &a, share);
	if (r < 0) {
		close(s);
		return listen_error(-r, text, err);
	}
	a.len = sizeof(a.sa);
	CHECK(getsockname(s, (struct sockaddr *)&a.sa, &a.len) == 0);
	*fd = s;
	*out = a;
	return 0;
}

int
address_connect(const struct address *a, int *fd, struct err *err)
{
	char text[ADDRESS_TEXT_MAX];
	int s = socket(a->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (s < 0)
		return err_errno(err, errno, "cannot make a socket for %s", address_text(a, text));
	address_tune(s);
	if (connect(s, (const struct sockaddr *)&a->sa, a->len) < 0 && errno != EINPROGRESS) {
		int saved = errno;

		close(s);
		return err_set(err, ERR_UNAVAIL, "cannot connect to %s: %s", address_text(a, text),
		    strerrordesc_np(saved));
	}
	*fd = s;
	return 0;
}

int
address_connected(int fd, struct err *err)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error != 0)
		return err_set(err, ERR_UNAVAIL, "cannot connect: %s", strerrordesc_np(error));
	return 0;
}
