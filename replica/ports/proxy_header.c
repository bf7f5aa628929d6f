#include "replica/ports/backend.h"

#include <netinet/in.h>
#include <string.h>

/* PROXY protocol, version 2: https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt */

static const uint8_t signature[12] = {
    0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

#define COMMAND_PROXY 0x21
#define FAMILY_UNSPEC 0x00
#define FAMILY_TCP4 0x11
#define FAMILY_TCP6 0x21

#define TLV_ALPN 0x01
#define TLV_AUTHORITY 0x02
#define TLV_SSL 0x20
#define TLV_SSL_VERSION 0x21
#define CLIENT_SSL 0x01
#define CLIENT_CERT_CONN 0x02 /* it gave a certificate on this connection */
#define CLIENT_CERT_SESS 0x04 /* or on one before, of the session that this one resumes */

/* Both ends in one family; what came over an IPv6 socket from IPv4 is told as IPv4. */
struct ends {
	uint8_t family;
	uint8_t bytes[36];
	size_t len;
};

static bool
as_ipv4(const struct address *a, struct in_addr *out)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	if (a->sa.ss_family == AF_INET) {
		memcpy(&in, &a->sa, sizeof(in));
		*out = in.sin_addr;
		return true;
	}
	memcpy(&in6, &a->sa, sizeof(in6));
	if (a->sa.ss_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr))
		return false;
	memcpy(out, in6.sin6_addr.s6_addr + 12, sizeof(*out));
	return true;
}

static void
put_port(struct ends *e, const struct address *a)
{
	uint16_t port = address_port(a);

	e->bytes[e->len++] = (uint8_t)(port >> 8);
	e->bytes[e->len++] = (uint8_t)port;
}

static struct ends
ends_of(const struct address *peer, const struct address *local)
{
	struct ends e = {.family = FAMILY_UNSPEC};
	struct in_addr from, to;
	struct sockaddr_in6 from6, to6;

	if (as_ipv4(peer, &from) && as_ipv4(local, &to)) {
		e.family = FAMILY_TCP4;
		memcpy(e.bytes, &from, 4);
		memcpy(e.bytes + 4, &to, 4);
		e.len = 8;
	} else if (peer->sa.ss_family == AF_INET6 && local->sa.ss_family == AF_INET6) {
		e.family = FAMILY_TCP6;
		memcpy(&from6, &peer->sa, sizeof(from6));
		memcpy(&to6, &local->sa, sizeof(to6));
		memcpy(e.bytes, &from6.sin6_addr, 16);
		memcpy(e.bytes + 16, &to6.sin6_addr, 16);
		e.len = 32;
	} else {
		return e;
	}
	put_port(&e, peer);
	put_port(&e, local);
	return e;
}

static void
put_tlv(struct buf *out, uint8_t type, struct span value)
{
	buf_put_u8(out, type);
	buf_put_be16(out, (uint16_t)value.len);
	buf_put_span(out, value);
}

static void
put_ssl(struct buf *out, const struct tls_stream *s)
{
	struct buf value = BUF_INIT(64);
	bool cert = tls_stream_peer(s) != NULL;
	uint8_t flags = CLIENT_SSL;

	if (cert)
		flags |=
		    tls_stream_resumed(s) ? CLIENT_CERT_SESS : CLIENT_CERT_SESS | CLIENT_CERT_CONN;
	buf_put_u8(&value, flags);
	buf_put_be32(&value, cert ? 0 : 1); /* 0: a certificate was given and verified */
	put_tlv(&value, TLV_SSL_VERSION, span_str(tls_stream_version(s)));
	put_tlv(out, TLV_SSL, buf_span(&value));
	buf_fini(&value);
}

void
proxy_header_put(struct buf *out, const struct address *peer, const struct address *local,
    const struct tls_stream *s)
{
	struct buf tlvs = BUF_INIT(1024);
	struct ends ends = ends_of(peer, local);
	const char *alpn = tls_stream_alpn(s), *name = tls_stream_server_name(s);

	if (alpn != NULL)
		put_tlv(&tlvs, TLV_ALPN, span_str(alpn));
	if (name != NULL)
		put_tlv(&tlvs, TLV_AUTHORITY, span_str(name));
	put_ssl(&tlvs, s);
	buf_put(out, signature, sizeof(signature));
	buf_put_u8(out, COMMAND_PROXY);
	buf_put_u8(out, ends.family);
	buf_put_be16(out, (uint16_t)(ends.len + tlvs.len));
	buf_put(out, ends.bytes, ends.len);
	buf_put_span(out, buf_span(&tlvs));
	buf_fini(&tlvs);
}
