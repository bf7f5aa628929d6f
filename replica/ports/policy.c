#include "replica/ports/ports_priv.h"

#include "common/base/limits.h"
#include "common/crypto/cert.h"
#include "common/crypto/secret.h"
#include "common/crypto/sign.h"
#include "common/sys/file.h"

#include <string.h>

/* Of a file, or the caller's. */
struct roots {
	struct cert *own[LIMIT_CHAIN];
	size_t own_count;
	const struct cert *const *certs;
	size_t count;
};

static void
roots_fini(struct roots *r)
{
	for (size_t i = 0; i < r->own_count; i++)
		cert_unref(r->own[i]);
}

bool
port_config_wants_roots(const struct port_config *c)
{
	return c->kind == PORT_TLS && c->client_certificates != TLS_CLIENT_NONE &&
	    c->client_ca == NULL;
}

/* Fills in out->own; what is given stays when the port has no file. */
static int
read_roots(const struct port_config *c, struct roots *out, struct err *err)
{
	AUTO(buf_freep)
	struct buf *pem = buf_new(LIMIT_PEM_FILE);
	int r;

	if (c->client_ca == NULL || c->client_certificates == TLS_CLIENT_NONE)
		return 0;
	r = file_read(c->client_ca, LIMIT_PEM_FILE, pem, err);
	if (r < 0)
		return r;
	r = cert_parse_pem_chain(buf_span(pem), out->own, &out->own_count, err);
	if (r < 0)
		return err_wrap(err, "%s", c->client_ca);
	out->certs = (const struct cert *const *)out->own;
	out->count = out->own_count;
	return 0;
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

static int
make_ctx(
    const struct port *port, const struct roots *roots, struct port_policy *policy, struct err *err)
{
	const struct port_config *c = port->config;
	struct tls_alpn alpn[TLS_ALPN_MAX];
	int r = hash_policy(c, roots, &policy->hash, err);

	if (r < 0)
		return r;
	r = tls_ctx_new(
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
		.roots = roots->certs,
		.root_count = roots->count,
		.client_cert = (enum tls_client_cert)c->client_certificates,
		.select = &port_select_ops,
		.send_root = c->send_root,
		.tickets = c->resumption,
		.ticket_scope = SPAN_OF(policy->hash.bytes),
	    },
	    &policy->ctx, err);
	/* Before the first rotation the ports have none. */
	if (r == 0 && c->resumption && port->ports->ticket_keys != NULL)
		r = tls_ctx_set_ticket_keys(policy->ctx, port->ports->ticket_keys, err);
	return r;
}

int
port_policy_new(const struct port *port, const struct cert *const *certs, size_t count,
    struct port_policy **out, struct err *err)
{
	AUTO(roots_fini)
	struct roots roots = {.count = 0};
	AUTO(port_policy_unrefp)
	struct port_policy *policy = mem_zalloc(sizeof(*policy));
	int r;

	atomic_init(&policy->refs, 1);
	if (port_config_wants_roots(port->config)) {
		roots.certs = certs;
		roots.count = count;
	}
	r = read_roots(port->config, &roots, err);
	if (r == 0)
		r = make_ctx(port, &roots, policy, err);
	if (r == 0)
		*out = MOVE(policy);
	return r;
}

struct port_policy *
port_policy_get(struct port *port)
{
	struct port_policy *policy;

	CHECK(pthread_mutex_lock(&port->ports->lock) == 0);
	policy = port->policy;
	atomic_fetch_add(&policy->refs, 1);
	CHECK(pthread_mutex_unlock(&port->ports->lock) == 0);
	return policy;
}

void
port_policy_unref(struct port_policy *policy)
{
	if (policy == NULL || atomic_fetch_sub(&policy->refs, 1) != 1)
		return;
	tls_ctx_unref(policy->ctx);
	mem_free(policy);
}

/* All are made before the first is swapped. */
int
ports_set_roots(struct ports *p, const struct cert *const *roots, size_t count, struct err *err)
{
	struct port_policy **fresh = mem_array(p->port_count + 1, sizeof(*fresh));
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->port_count; i++) {
		if (!port_config_wants_roots(p->ports[i].config))
			continue;
		r = port_policy_new(&p->ports[i], roots, count, &fresh[i], err);
		if (r < 0)
			(void)!err_wrap(err, "port '%.60s'", p->ports[i].config->name);
	}
	for (size_t i = 0; i < p->port_count; i++) {
		struct port_policy *old = fresh[i];

		if (r == 0 && fresh[i] != NULL) {
			CHECK(pthread_mutex_lock(&p->lock) == 0);
			old = p->ports[i].policy;
			p->ports[i].policy = fresh[i];
			CHECK(pthread_mutex_unlock(&p->lock) == 0);
		}
		port_policy_unref(old);
	}
	mem_free(fresh);
	return r;
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
		if (p->ports[i].policy == NULL || !p->ports[i].config->resumption)
			continue;
		r = tls_ctx_set_ticket_keys(p->ports[i].policy->ctx, fresh, err);
		if (r < 0)
			return r;
	}
	secret_free(p->ticket_keys);
	p->ticket_keys = MOVE(fresh);
	return 0;
}
