#include "server/main/server.h"

#include "common/base/map.h"
#include "common/link/link_nng.h"
#include "common/log/log.h"
#include "common/sys/process.h"
#include "common/tls/tls_ctx.h"

#include <stdio.h>
#include <string.h>

/* A member's connection: the terminator's end and the link's. */
struct passage {
	struct server *server;
	struct terminator_conn *conn;
	struct link_peer *peer;
	struct id node;
};

/* Chains to the root already: is it of this domain, and its key that of a live NODE record? */
static int
accept_member(void *arg, const struct cert *peer, bool expired, struct err *err)
{
	struct server *s = arg;
	AUTO(pkey_unrefp)
	struct pkey *key = NULL;
	struct domain_id domain;
	struct id node;
	char hex[ID_HEX_MAX];
	int r;

	(void)expired; /* it may still renew its identity, and nothing else: see may_pull */
	if ((r = cert_identity(peer, &domain, &node, err)) < 0 ||
	    (r = cert_key(peer, &key, err)) < 0)
		return r;
	if (memcmp(domain.bytes, s->member.domain.bytes, HASH_LEN) != 0)
		return err_set(err, ERR_DENIED, "the certificate is of another domain");
	if (!nodes_is_live(s->nodes, &node, key))
		return err_set(err, ERR_DENIED,
		    "node %s is no member with this key (removed, or renewed elsewhere)",
		    id_hex(&node, hex));
	return 0;
}

static void
note_expired(struct server *s, const struct id *node, bool expired)
{
	if (expired)
		(void)map_put(s->expired, node->bytes, ID_LEN, s);
	else
		(void)map_del(s->expired, node->bytes, ID_LEN);
}

static int
on_member(void *arg, struct terminator_conn *conn, const struct cert *peer, bool expired, int *fd,
    void **user, struct err *err)
{
	struct server *s = arg;
	struct passage *p;
	struct domain_id domain;
	struct id node;
	int r = cert_identity(peer, &domain, &node, err);

	if (r < 0)
		return r;
	p = mem_zalloc(sizeof(*p));
	p->server = s;
	p->conn = conn;
	p->node = node;
	note_expired(s, &node, expired);
	/* The node's connection before this one, if any, is dropped from inside. */
	r = link_nng_attach(s->link, &node, p, &p->peer, fd, err);
	if (r < 0) {
		mem_free(p);
		return r;
	}
	*user = p;
	if (s->api != NULL)
		api_on_node(s->api, &node, true);
	return 0;
}

static void
on_member_end(void *arg, void *user)
{
	struct server *s = arg;
	struct passage *p = user;

	link_nng_detach(p->peer);
	if (s->api != NULL)
		api_on_node(s->api, &p->node, false);
	mem_free(p);
}

/* nng meets only bytes that it can take: see docs/internals/link.md. */
static int
check_member(void *arg, void *user, struct span bytes, struct err *err)
{
	struct passage *p = user;

	(void)arg;
	return link_nng_check(p->peer, bytes, err);
}

static void
on_drop(void *arg, void *conn, enum link_drop why)
{
	struct passage *p = conn;
	char hex[ID_HEX_MAX];

	(void)arg;
	if (why == LINK_DROP_MISUSE || why == LINK_DROP_DEAD)
		log_warning(
		    "link", "node=%s dropped: %s", id_hex(&p->node, hex), link_drop_name(why));
	else
		log_debug(
		    "link", "node=%s dropped: %s", id_hex(&p->node, hex), link_drop_name(why));
	terminator_conn_close(p->conn);
}

static void
on_http(void *arg, int fd, const struct cert *peer, const char *address)
{
	struct server *s = arg;

	api_add_public(s->api, fd, peer, address);
}

static void
on_refused(void *arg, const char *address, const struct err *err)
{
	(void)arg;
	log_info("port", "refused=%s %s", address, err->text);
}

/* For each connection of the link nng keeps up to two contexts: one that answers, one that waits.
 */
static unsigned
contexts_for(const struct server *s)
{
	struct err ignored;
	size_t fds = 0;

	if (s->config->connections > 0)
		return (unsigned)s->config->connections * 2 + 16;
	if (process_raise_fds(SIZE_MAX, &fds, &ignored) < 0)
		fds = 1024;
	return (unsigned)(fds / 4 * 2 + 16);
}

int
server_open_link(struct server *s, struct err *err)
{
	struct link_nng_server_params p = {
	    .loop = s->loop,
	    .request_max = LIMIT_REQUEST,
	    .contexts_max = contexts_for(s),
	    .on_drop = on_drop,
	    .arg = s,
	};

	return link_nng_server_new(&p, &s->link, err);
}

struct names {
	struct server *server;
	unsigned port;
};

static void
add_endpoint(struct server *s, char *text)
{
	if (s->endpoint_count < SERVER_ENDPOINTS_MAX)
		s->endpoints[s->endpoint_count++] = text;
	else
		mem_free(text);
}

static void
add_name(void *arg, const char *name)
{
	struct names *n = arg;
	bool v6 = strchr(name, ':') != NULL;

	add_endpoint(n->server, mem_printf(v6 ? "[%s]:%u" : "%s:%u", name, n->port));
}

static int
find_endpoints(struct server *s, struct err *err)
{
	char address[ADDRESS_TEXT_MAX], host[ADDRESS_HOST_MAX];
	struct names names = {s, 0};
	uint16_t port;
	int r;

	for (size_t i = 0; i < s->config->advertise.count; i++)
		add_endpoint(s, mem_strdup(s->config->advertise.items[i]));
	if (s->endpoint_count > 0)
		return 0;
	r = address_split(terminator_address(s->terminator, 0, address), host, &port, err);
	if (r < 0)
		return r;
	names.port = port;
	(void)cert_each_name(s->member.chain[0], add_name, &names);
	if (s->endpoint_count == 0)
		return err_set(err, ERR_INVALID,
		    "this server's certificate has no address; say with 'advertise' where others "
		    "reach it");
	return 0;
}

int
server_open_port(struct server *s, struct err *err)
{
	AUTO(tls_identity_unrefp)
	struct tls_identity *identity = NULL;
	struct terminator_params p = {
	    .loop = s->loop,
	    .listen = (const char *const *)s->config->listen.items,
	    .listen_count = s->config->listen.count,
	    .root = s->member.root,
	    .limits =
		{
		    .pending = (unsigned)s->config->pending,
		    .pending_per_address = (unsigned)s->config->pending_per_address,
		    .tries_per_second = (unsigned)s->config->tries_per_second,
		    .connections = (unsigned)s->config->connections,
		},
	    .handlers =
		{
		    .accept = accept_member,
		    .on_member = on_member,
		    .on_member_end = on_member_end,
		    .check_member = check_member,
		    .on_http = on_http,
		    .on_refused = on_refused,
		    .arg = s,
		},
	};
	int r = tls_identity_new((const struct cert *const *)s->member.chain, s->member.chain_count,
	    s->member.identity_key, &identity, err);

	if (r < 0)
		return r;
	p.identity = identity;
	if ((r = terminator_new(&p, &s->terminator, err)) < 0)
		return r;
	return find_endpoints(s, err);
}
