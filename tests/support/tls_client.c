#include "tests/support/tls_client.h"

#include "tests/support/wait.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REPLY_MAX (16 * 1024 * 1024)

static int
connect_to(uint16_t port)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
	    .sin_port = htons(port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval limit = {.tv_sec = 20};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&in, sizeof(in)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void
use_identity(SSL_CTX *ctx, const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	EVP_PKEY *key;

	BIO_free(bio);
	bio = BIO_new_mem_buf(pem, -1);
	key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	BIO_free(bio);
	CHECK(SSL_CTX_use_certificate(ctx, x509) == 1 && SSL_CTX_use_PrivateKey(ctx, key) == 1);
	X509_free(x509);
	EVP_PKEY_free(key);
}

static void
trust(SSL_CTX *ctx, const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	BIO_free(bio);
	CHECK(X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), x509) == 1);
	X509_free(x509);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
}

static SSL_CTX *
make_ctx(const struct tls_client *c)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	CHECK(ctx != NULL);
	SSL_CTX_set_min_proto_version(ctx, c->min_version);
	SSL_CTX_set_max_proto_version(ctx, c->max_version);
	/* A session in the cache of a context would end with it. */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	if (c->sigalgs != NULL)
		CHECK(SSL_CTX_set1_sigalgs_list(ctx, c->sigalgs) == 1);
	if (c->groups != NULL)
		CHECK(SSL_CTX_set1_groups_list(ctx, c->groups) == 1);
	if (c->ciphers != NULL)
		CHECK(SSL_CTX_set_cipher_list(ctx, c->ciphers) == 1);
	if (c->alpn != NULL) {
		uint8_t wire[64];
		size_t n = strlen(c->alpn);

		wire[0] = (uint8_t)n;
		memcpy(wire + 1, c->alpn, n);
		CHECK(SSL_CTX_set_alpn_protos(ctx, wire, (unsigned)n + 1) == 0);
	}
	if (c->ca_pem != NULL)
		trust(ctx, c->ca_pem);
	if (c->identity_pem != NULL)
		use_identity(ctx, c->identity_pem);
	return ctx;
}

/* Alerts are told by OpenSSL as reasons above 1000. */
static void
note_alert(struct tls_client *c)
{
	unsigned long e;

	while ((e = ERR_get_error()) != 0)
		if (ERR_GET_LIB(e) == ERR_LIB_SSL && ERR_GET_REASON(e) > SSL_AD_REASON_OFFSET &&
		    c->alert == 0)
			c->alert = ERR_GET_REASON(e) - SSL_AD_REASON_OFFSET;
}

static void
note_handshake(struct tls_client *c, SSL *ssl)
{
	X509 *x509 = SSL_get0_peer_certificate(ssl);
	const unsigned char *alpn;
	unsigned alpn_len, n = HASH_LEN;

	c->done = true;
	c->resumed = SSL_session_reused(ssl) == 1;
	c->version = SSL_version(ssl);
	if (x509 != NULL)
		X509_digest(x509, EVP_sha256(), c->leaf.bytes, &n);
	snprintf(c->cipher, sizeof(c->cipher), "%s", SSL_get_cipher_name(ssl));
	SSL_get0_alpn_selected(ssl, &alpn, &alpn_len);
	snprintf(c->protocol, sizeof(c->protocol), "%.*s", (int)alpn_len, alpn);
}

static void
talk(struct tls_client *c, SSL *ssl)
{
	uint8_t bytes[16384];

	if (c->request.len > 0 && SSL_write(ssl, c->request.data, (int)c->request.len) <= 0)
		return;
	while (c->read_max == 0 || c->reply.len < c->read_max) {
		int n = SSL_read(ssl, bytes, sizeof(bytes));

		if (n <= 0)
			break;
		buf_put(&c->reply, bytes, (size_t)n);
	}
}

void
tls_client_once(struct tls_client *c)
{
	SSL_CTX *ctx = make_ctx(c);
	SSL *ssl = SSL_new(ctx);
	int fd = c->fd > 0 ? c->fd : connect_to(c->port);

	c->reply = BUF_INIT(REPLY_MAX);
	c->connected = fd >= 0;
	if (fd >= 0) {
		SSL_set_fd(ssl, fd);
		if (c->name != NULL)
			SSL_set_tlsext_host_name(ssl, c->name);
		if (c->session != NULL)
			SSL_set_session(ssl, c->session);
		ERR_clear_error();
		if (SSL_connect(ssl) == 1) {
			note_handshake(c, ssl);
			talk(c, ssl);
			c->new_session = SSL_get1_session(ssl);
			SSL_shutdown(ssl);
		}
		note_alert(c);
		close(fd);
	}
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	ERR_clear_error();
}

static void
run(struct job *job)
{
	tls_client_once(CONTAINER_OF(job, struct tls_client, job));
}

static void
done(struct job *job)
{
	CONTAINER_OF(job, struct tls_client, job)->finished = true;
}

void
tls_client_start(struct loop *l, struct tls_client *c)
{
	c->finished = false;
	c->job = (struct job){.run = run, .done = done};
	loop_background(l, &c->job);
}

void
tls_client_run(struct loop *l, struct tls_client *c)
{
	tls_client_start(l, c);
	CHECK(wait_until(l, wait_flag, &c->finished));
}

void
tls_client_clear(struct tls_client *c)
{
	buf_fini(&c->reply);
	SSL_SESSION_free(c->new_session);
	c->new_session = NULL;
	c->done = c->connected = c->resumed = c->finished = false;
	c->alert = c->version = 0;
	c->leaf = (struct hash){0};
}
