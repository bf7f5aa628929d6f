#include "common/tls/tls_priv.h"

#include <openssl/err.h>
#include <openssl/x509.h>

int
tls_verify_mode(enum tls_client_cert rule)
{
	switch (rule) {
	case TLS_CLIENT_REQUEST:
		return SSL_VERIFY_PEER;
	case TLS_CLIENT_REQUIRE:
		return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	case TLS_CLIENT_NONE:
		break;
	}
	return SSL_VERIFY_NONE;
}

static void
free_der(uint8_t **der)
{
	OPENSSL_free(*der);
}

int
tls_cert_of(X509 *x509, struct cert **out, struct err *err)
{
	AUTO(free_der)
	uint8_t *der = NULL;
	int len = i2d_X509(x509, &der);

	if (len < 0)
		return crypto_err(err, ERR_PARSE, "cannot read the peer's certificate");
	return cert_parse(SPAN(der, (size_t)len), out, err);
}

struct chain {
	struct cert *certs[LIMIT_CHAIN];
	size_t count;
};

static void
chain_fini(struct chain *c)
{
	for (size_t i = 0; i < c->count; i++)
		cert_unref(c->certs[i]);
}

/* What the peer has sent: untrusted holds the leaf as well. */
static int
read_chain(X509_STORE_CTX *store, const struct cert *leaf, struct chain *out, struct err *err)
{
	STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(store);

	for (int i = 0; i < sk_X509_num(sent); i++) {
		AUTO(cert_unrefp)
		struct cert *c = NULL;
		int r;

		if (out->count == LIMIT_CHAIN)
			return err_set(err, ERR_LIMIT,
			    "the peer sent a chain of more than %d certificates", LIMIT_CHAIN);
		r = tls_cert_of(sk_X509_value(sent, i), &c, err);
		if (r < 0)
			return r;
		if (!span_equal(cert_der(c), cert_der(leaf)))
			out->certs[out->count++] = MOVE(c);
	}
	return 0;
}

static int
judge(struct tls_stream *s, X509_STORE_CTX *store, int *verdict, struct err *err)
{
	const struct tls_ctx *ctx = s->ctx;
	int64_t now = runtime_wall_s(loop_runtime(s->loop));
	AUTO(chain_fini)
	struct chain chain = {0};
	AUTO(cert_unrefp)
	struct cert *leaf = NULL;
	bool expired;
	int r;

	*verdict = X509_V_ERR_CERT_REJECTED;
	r = tls_cert_of(X509_STORE_CTX_get0_cert(store), &leaf, err);
	if (r < 0)
		return r;
	r = read_chain(store, leaf, &chain, err);
	if (r < 0)
		return r;
	expired = now > cert_not_after(leaf);
	*verdict = X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY;
	r = cert_verify_identity(leaf, (const struct cert *const *)chain.certs, chain.count,
	    ctx->pinned, now, expired, err);
	if (r < 0)
		return r;
	*verdict = X509_V_ERR_CERT_REJECTED;
	r = ctx->accept != NULL ? ctx->accept(ctx->accept_arg, leaf, expired, err) : 0;
	if (r == 0 && expired && ctx->accept == NULL)
		r = err_set(err, ERR_DENIED, "the certificate has run out");
	if (r < 0) {
		/* The removed node is told so by the alert that stands for it. */
		if (r == ERR_DENIED)
			*verdict = X509_V_ERR_CERT_REVOKED;
		return r;
	}
	s->peer = MOVE(leaf);
	s->peer_expired = expired;
	return 0;
}

/*
 * In the place of OpenSSL's whole verification: a domain has one root, its own profile of chains,
 * and an expired certificate of a live member may still ask for its renewal.
 */
int
tls_verify_pinned(X509_STORE_CTX *store, void *arg)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_stream *s = STREAM_OF(ssl);
	int verdict;

	(void)arg;
	cert_unref(MOVE(s->peer));
	s->refusal.code = 0;
	if (judge(s, store, &verdict, &s->refusal) < 0) {
		crypto_err_forget();
		X509_STORE_CTX_set_error(store, verdict);
		return 0;
	}
	X509_STORE_CTX_set_error(store, X509_V_OK);
	return 1;
}
