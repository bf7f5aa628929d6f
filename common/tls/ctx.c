#include "common/tls/tls_priv.h"

#include "common/crypto/cert_priv.h"

#include <openssl/err.h>
#include <string.h>

#define DEFAULT_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"
#define ROOT_NAMES_MAX (16 * 1024) /* RFC 8446, 4.2.4 has room for 65535 bytes */
#define DEFAULT_GROUPS "X25519:P-256:P-384"

static int
protocol_of(enum tls_version v)
{
	return v == TLS_1_2 ? TLS1_2_VERSION : TLS1_3_VERSION;
}

static int
set_algorithms(SSL_CTX *ssl, const struct tls_ctx_params *p, struct err *err)
{
	const char *groups = p->groups != NULL ? p->groups : DEFAULT_GROUPS;
	const char *ciphers = p->ciphers != NULL ? p->ciphers : DEFAULT_CIPHERS;

	if (SSL_CTX_set_min_proto_version(ssl, protocol_of(p->min)) != 1 ||
	    SSL_CTX_set_max_proto_version(ssl, protocol_of(p->max)) != 1)
		return crypto_err(err, ERR_INVALID, "cannot set the TLS versions");
	if (SSL_CTX_set_cipher_list(ssl, ciphers) != 1)
		return crypto_err(err, ERR_INVALID, "cannot use the ciphers '%s'", ciphers);
	if (p->ciphersuites != NULL && SSL_CTX_set_ciphersuites(ssl, p->ciphersuites) != 1)
		return crypto_err(
		    err, ERR_INVALID, "cannot use the TLS 1.3 ciphers '%s'", p->ciphersuites);
	if (SSL_CTX_set1_groups_list(ssl, groups) != 1)
		return crypto_err(err, ERR_INVALID, "cannot use the groups '%s'", groups);
	return 0;
}

static void
set_options(SSL_CTX *ssl, const struct tls_ctx_params *p)
{
	uint64_t options = SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION;

	if (p->server)
		options |= SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA;
	if (!p->tickets)
		options |= SSL_OP_NO_TICKET;
	SSL_CTX_set_options(ssl, options);
	SSL_CTX_set_mode(ssl,
	    SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
		SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	/* One recv for a record instead of two; what is read ahead is found by SSL_has_pending. */
	SSL_CTX_set_read_ahead(ssl, 1);
	if (!p->tickets)
		SSL_CTX_set_num_tickets(ssl, 0);
}

/*
 * Clients choose by the names of the roots that they are told. So many that they fill a handshake
 * are not told: then a client sends what it has.
 */
static bool
tells_names(const struct tls_ctx_params *p)
{
	size_t len = 0;

	for (size_t i = 0; i < p->root_count; i++)
		len +=
		    (size_t)i2d_X509_NAME(X509_get_subject_name(cert_x509(p->roots[i])), NULL) + 2;
	return p->server && len <= ROOT_NAMES_MAX;
}

static int
set_roots(SSL_CTX *ssl, const struct tls_ctx_params *p, struct err *err)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ssl);
	bool tells = tells_names(p);

	for (size_t i = 0; i < p->root_count; i++) {
		X509 *x509 = cert_x509(p->roots[i]);

		if (X509_STORE_add_cert(store, x509) != 1)
			return crypto_err(err, ERR_CRYPTO, "cannot use a trusted root");
		if (tells && SSL_CTX_add_client_CA(ssl, x509) != 1)
			return crypto_err(err, ERR_CRYPTO, "cannot name a trusted root");
	}
	return 0;
}

static int
set_alpn(struct tls_ctx *c, const struct tls_ctx_params *p, struct err *err)
{
	uint8_t wire[TLS_ALPN_MAX * TLS_ALPN_NAME_MAX];
	unsigned len = 0;

	CHECK(p->alpn_count <= TLS_ALPN_MAX);
	for (size_t i = 0; i < p->alpn_count; i++) {
		size_t n = strlen(p->alpn[i].name);

		if (n == 0 || n >= TLS_ALPN_NAME_MAX)
			return err_set(err, ERR_INVALID, "the ALPN name '%s' is too long or empty",
			    p->alpn[i].name);
		memcpy(c->alpn_names[i], p->alpn[i].name, n + 1);
		c->alpn[i] = (struct tls_alpn){c->alpn_names[i], p->alpn[i].client_cert};
		wire[len++] = (uint8_t)n;
		memcpy(wire + len, p->alpn[i].name, n);
		len += (unsigned)n;
	}
	c->alpn_count = p->alpn_count;
	/* Unlike the others, this function returns 0 when all is well. */
	if (!p->server && len > 0 && SSL_CTX_set_alpn_protos(c->ssl, wire, len) != 0)
		return crypto_err(err, ERR_NOMEM, "cannot set the ALPN names");
	return 0;
}

static void
set_judgement(struct tls_ctx *c, const struct tls_ctx_params *p)
{
	int mode = p->server ? tls_verify_mode(p->client_cert) : SSL_VERIFY_PEER;

	CHECK(p->server || p->pinned != NULL || p->root_count > 0);
	SSL_CTX_set_verify(c->ssl, mode, NULL);
	if (p->pinned == NULL)
		return;
	c->pinned = cert_ref(p->pinned);
	c->accept = p->accept;
	c->accept_arg = p->accept_arg;
	SSL_CTX_set_cert_verify_callback(c->ssl, tls_verify_pinned, NULL);
}

static int
set_tickets(struct tls_ctx *c, const struct tls_ctx_params *p, struct err *err)
{
	AUTO(secret_freep)
	struct secret *keys = NULL;
	int r;

	/* Also without tickets: OpenSSL refuses client certificates without a scope. */
	CHECK(p->ticket_scope.len <= SSL_MAX_SID_CTX_LENGTH);
	if (SSL_CTX_set_session_id_context(
		c->ssl, p->ticket_scope.data, (unsigned)p->ticket_scope.len) != 1)
		return crypto_err(err, ERR_BUG, "cannot set the scope of tickets");
	if (!p->tickets)
		return 0;
	r = secret_random(TLS_TICKET_KEY_LEN, &keys, err);
	if (r < 0)
		return r;
	tls_ticket_install(c);
	return tls_ctx_set_ticket_keys(c, keys, err);
}

static int
fill(struct tls_ctx *c, const struct tls_ctx_params *p, struct err *err)
{
	int r;

	if (c->ssl == NULL)
		return crypto_err(err, ERR_NOMEM, "cannot make a TLS context");
	set_options(c->ssl, p);
	r = set_algorithms(c->ssl, p, err);
	if (r < 0)
		return r;
	r = set_alpn(c, p, err);
	if (r < 0)
		return r;
	r = set_roots(c->ssl, p, err);
	if (r < 0)
		return r;
	set_judgement(c, p);
	if (!p->server)
		return 0;
	tls_select_install(c);
	return set_tickets(c, p, err);
}

int
tls_ctx_new(const struct tls_ctx_params *p, struct tls_ctx **out, struct err *err)
{
	struct tls_ctx *c = mem_zalloc(sizeof(*c));
	int r;

	ERR_clear_error();
	atomic_init(&c->refs, 1);
	pthread_mutex_init(&c->lock, NULL);
	c->ssl = SSL_CTX_new(p->server ? TLS_server_method() : TLS_client_method());
	c->server = p->server;
	c->tickets = p->tickets;
	c->alpn_ignore_unknown = p->alpn_ignore_unknown;
	c->send_root = p->send_root;
	c->client_cert = p->client_cert;
	c->select = p->select;
	if (p->identity != NULL)
		c->identity = tls_identity_ref(p->identity);
	r = fill(c, p, err);
	if (r < 0) {
		tls_ctx_unref(c);
		return r;
	}
	*out = c;
	return 0;
}

struct tls_ctx *
tls_ctx_ref(struct tls_ctx *c)
{
	atomic_fetch_add(&c->refs, 1);
	return c;
}

void
tls_ctx_unref(struct tls_ctx *c)
{
	if (c == NULL || atomic_fetch_sub(&c->refs, 1) != 1)
		return;
	SSL_CTX_free(c->ssl);
	cert_unref(c->pinned);
	tls_identity_unref(c->identity);
	ticket_key_set_unref(c->ticket_keys);
	pthread_mutex_destroy(&c->lock);
	mem_free(c);
}

void
tls_ctx_set_identity(struct tls_ctx *c, struct tls_identity *id)
{
	struct tls_identity *old;

	pthread_mutex_lock(&c->lock);
	old = c->identity;
	c->identity = id != NULL ? tls_identity_ref(id) : NULL;
	pthread_mutex_unlock(&c->lock);
	tls_identity_unref(old);
}

struct tls_identity *
tls_ctx_identity(struct tls_ctx *c)
{
	struct tls_identity *id = NULL;

	pthread_mutex_lock(&c->lock);
	if (c->identity != NULL)
		id = tls_identity_ref(c->identity);
	pthread_mutex_unlock(&c->lock);
	return id;
}
