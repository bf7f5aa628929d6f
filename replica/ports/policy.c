#include "replica/ports/ports_priv.h"

#include "common/base/limits.h"
#include "common/crypto/cert.h"
#include "common/crypto/secret.h"
#include "common/crypto/sign.h"
#include "common/sys/file.h"

#include <string.h>

struct roots {
	struct cert *certs[LIMIT_CHAIN];
	size_t count;
};

static void
roots_fini(struct roots *r)
{
	for (size_t i = 0; i < r->count; i++)
		cert_unref(r->certs[i]);
}

static int
read_roots(const struct port_config *c, struct roots *out, struct err *err)
{
	AUTO(buf_freep)
	struct buf *pem = buf_new(LIMIT_PEM_FILE);
	int r;

	if (c->client_certificates == TLS_CLIENT_NONE)
		return 0;
	if (c->client_ca == NULL)
		return err_set(
		    err, ERR_INVALID, "client certificates need client-ca, a PEM file of roots");
	r = file_read(c->client_ca, LIMIT_PEM_FILE, pem, err);
	if (r < 0)
		return r;
	r = cert_parse_pem_chain(buf_span(pem), out->certs, &out->count, err);
	return r < 0 ? err_wrap(err, "%s", c->client_ca) : 0;
}

static void
put_text(struct buf *b, const char *text)
{
	/* With its length, so that no two policies have the same bytes. */
	buf_put_be32(b, text != NULL ? (uint32_t)strlen(text) : UINT32_MAX);
	if (text != NULL)
		buf_put_str(b, text);
}

/* Whatever a client was judged by: a ticket of another policy is none. */
static int
hash_policy(
    const struct port_config *c, const struct roots *roots, struct hash *out, struct err *err)
{
	AUTO(buf_freep)
	struct buf *b = buf_new(1024 * 1024);

	put_text(b, "certherd/port/v1");
	buf_put_be32(b, (uint32_t)c->min_tls);
	buf_put_be32(b, (uint32_t)c->client_certificates);
	put_text(b, c->ciphers);
	put_text(b, c->ciphersuites);
	put_text(b, c->groups);
	for (size_t i = 0; i < c->alpn.count; i++)
		put_text(b, c->alpn.items[i]);
	for (size_t i = 0; i < roots->count; i++) {
		struct hash print;

		cert_fingerprint(roots->certs[i], &print);
		buf_put(b, print.bytes, sizeof(print.bytes));
	}
	hash_of(buf_span(b), out);
	return buf_error(b, "the port's policy", err);
}

static size_t
alpn_of(const struct port *port, struct tls_alpn out[static TLS_ALPN_MAX])
{
	const struct port_config *c = port->config;
	size_t count = c->alpn.count < TLS_ALPN_MAX ? c->alpn.count : TLS_ALPN_MAX;

	for (size_t i = 0; i < count; i++)
		out[i] = (struct tls_alpn){
		    c->alpn.items[i], (enum tls_client_cert)c->client_certificates};
	if (count == 0 && port->backend.kind == BACKEND_BUILTIN)
		out[count++] =
		    (struct tls_alpn){"http/1.1", (enum tls_client_cert)c->client_certificates};
	return count;
}

int
port_policy_set(struct port *port, struct err *err)
{
	const struct port_config *c = port->config;
	AUTO(roots_fini)
	struct roots roots = {0};
	struct tls_alpn alpn[TLS_ALPN_MAX];
	enum name_type type;
	int r;

	if (c->fallback != NULL) {
		r = name_normalise(c->fallback, port->fallback, &type, err);
		if (r < 0)
			return err_wrap(err, "fallback");
		port->has_fallback = true;
	}
	r = read_roots(c, &roots, err);
	if (r < 0)
		return r;
	r = hash_policy(c, &roots, &port->policy, err);
	if (r < 0)
		return r;
	return tls_ctx_new(
	    &(struct tls_ctx_params){
		.server = true,
		.min = (enum tls_version)c->min_tls,
		.max = TLS_1_3,
		.ciphers = c->ciphers,
		.ciphersuites = c->ciphersuites,
		.groups = c->groups,
		.alpn = alpn,
		.alpn_count = alpn_of(port, alpn),
		.alpn_ignore_unknown = c->alpn.count == 0,
		.roots = (const struct cert *const *)roots.certs,
		.root_count = roots.count,
		.client_cert = (enum tls_client_cert)c->client_certificates,
		.select = &port_select_ops,
		.send_root = c->send_root,
		.tickets = c->resumption,
		.ticket_scope = SPAN_OF(port->policy.bytes),
	    },
	    &port->ctx, err);
}

int
ports_rotate_tickets(struct ports *p, struct err *err)
{
	struct span old = p->ticket_keys != NULL ? secret_span(p->ticket_keys) : SPAN(NULL, 0);
	size_t kept = old.len > 0 ? TLS_TICKET_KEY_LEN : 0;
	AUTO(secret_freep)
	struct secret *fresh = NULL;
	int r = secret_random(TLS_TICKET_KEY_LEN + kept, &fresh, err);

	if (r < 0)
		return r;
	if (kept > 0)
		memcpy(secret_bytes(fresh) + TLS_TICKET_KEY_LEN, old.data, kept);
	for (size_t i = 0; i < p->port_count; i++) {
		if (p->ports[i].ctx == NULL || !p->ports[i].config->resumption)
			continue;
		r = tls_ctx_set_ticket_keys(p->ports[i].ctx, fresh, err);
		if (r < 0)
			return r;
	}
	secret_free(p->ticket_keys);
	p->ticket_keys = MOVE(fresh);
	return 0;
}
