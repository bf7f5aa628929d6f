/* The certificates of a server, asked for and not believed. */

#include "common/tls/probe.h"

#include "common/crypto/ossl.h"
#include "common/tls/tls_priv.h"

#include <errno.h>
#include <netdb.h>
#include <openssl/err.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Waits for the descriptor, until the end. */
static int
wait_for(int fd, short events, uint64_t end, struct err *err)
{
	for (;;) {
		struct pollfd p = {.fd = fd, .events = events};
		uint64_t now = now_ms();
		int n = now < end ? poll(&p, 1, (int)(end - now)) : 0;

		if (n > 0)
			return 0;
		if (n == 0)
			return err_set(err, ERR_TIMEOUT, "it did not answer in time");
		if (errno != EINTR)
			return err_errno(err, errno, "poll");
	}
}

static int
connect_one(const struct addrinfo *info, uint64_t end, int *fd, struct err *err)
{
	struct address a = {.len = info->ai_addrlen};
	int one = -1, r;

	memcpy(&a.sa, info->ai_addr, info->ai_addrlen);
	r = address_connect(&a, &one, err);
	if (r == 0)
		r = wait_for(one, POLLOUT, end, err);
	if (r == 0)
		r = address_connected(one, err);
	if (r < 0) {
		if (one >= 0)
			close(one);
		return r;
	}
	*fd = one;
	return 0;
}

static int
connect_any(const char *host, uint16_t port, uint64_t end, int *fd, struct err *err)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
	struct addrinfo *list = NULL;
	char service[8];
	int r;

	snprintf(service, sizeof(service), "%u", port);
	r = getaddrinfo(host, service, &hints, &list);
	if (r != 0)
		return err_set(err, ERR_NOTFOUND, "the address of '%.100s' is not found: %s", host,
		    gai_strerror(r));
	r = ERR_UNAVAIL;
	for (struct addrinfo *i = list; i != NULL && r < 0 && r != ERR_TIMEOUT; i = i->ai_next)
		r = connect_one(i, end, fd, err);
	freeaddrinfo(list);
	return r;
}

static int
shake_hands(SSL *ssl, int fd, uint64_t end, struct err *err)
{
	for (;;) {
		int n, r, why;

		ERR_clear_error();
		n = SSL_connect(ssl);
		if (n == 1)
			return 0;
		why = SSL_get_error(ssl, n);
		if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
			/* With the certificates at hand it is no matter what else it wants. */
			return SSL_get_peer_cert_chain(ssl) != NULL
			    ? (crypto_err_forget(), 0)
			    : crypto_err(err, ERR_PROTO, "no TLS handshake");
		r = wait_for(fd, why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, end, err);
		if (r < 0)
			return r;
	}
}

int
tls_sent_chain(SSL *ssl, struct cert *out[static LIMIT_CHAIN], size_t *count, struct err *err)
{
	STACK_OF(X509) *sent = SSL_get_peer_cert_chain(ssl);
	int n = sent != NULL ? sk_X509_num(sent) : 0;
	size_t taken = 0;
	int r = 0;

	if (n < 1)
		return err_set(err, ERR_PROTO, "it has sent no certificate");
	for (int i = 0; r == 0 && i < n && taken < LIMIT_CHAIN; i++) {
		r = tls_cert_of(sk_X509_value(sent, i), &out[taken], err);
		taken += r == 0;
	}
	if (r < 0) {
		while (taken > 0)
			cert_unref(out[--taken]);
		return r;
	}
	*count = taken;
	return 0;
}

SSL_CTX *
tls_curious_ctx(struct err *err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (ctx == NULL) {
		crypto_err(err, ERR_CRYPTO, "a TLS context");
		return NULL;
	}
	/* Weak servers too: what they send is looked at, and nothing else is done. */
	SSL_CTX_set_security_level(ctx, 0);
	(void)SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	return ctx;
}

DEFINE_OSSL_FREEP(SSL, SSL_free)

static int
ask(int fd, const char *name, uint64_t end, struct cert *out[static LIMIT_CHAIN], size_t *count,
    struct err *err)
{
	AUTO(SSL_CTX_freep)
	SSL_CTX *ctx = tls_curious_ctx(err);
	AUTO(SSL_freep)
	SSL *ssl = NULL;
	int r;

	if (ctx == NULL)
		return ERR_CRYPTO;
	ssl = SSL_new(ctx);
	if (ssl == NULL || SSL_set_fd(ssl, fd) != 1 ||
	    (name != NULL && SSL_set_tlsext_host_name(ssl, name) != 1))
		return crypto_err(err, ERR_CRYPTO, "a TLS connection");
	r = shake_hands(ssl, fd, end, err);
	return r < 0 ? r : tls_sent_chain(ssl, out, count, err);
}

int
probe_chain(const struct probe_params *p, struct cert *out[static LIMIT_CHAIN], size_t *count,
    struct err *err)
{
	uint64_t end = now_ms() + (p->ms > 0 ? p->ms : LIMIT_HANDSHAKE_MS);
	char host[ADDRESS_HOST_MAX];
	struct address numeric;
	const char *name = p->name;
	uint16_t port;
	int fd = -1, r = address_split(p->target, host, &port, err);

	if (r < 0)
		return r;
	if (name == NULL && address_numeric(host, port, &numeric, NULL) < 0)
		name = host;
	r = connect_any(host, port, end, &fd, err);
	if (r == 0)
		r = ask(fd, name, end, out, count, err);
	if (fd >= 0)
		close(fd);
	return r < 0 ? err_wrap(err, "%.120s", p->target) : 0;
}
