/*
 * The least that a TLS server can do: bench_tls_bare PORT NAMES PEMDIR. One thread, one SSL_CTX,
 * certificates read before it listens and set in the certificate callback by the number in the
 * name, no backend: bytes of clients are read and dropped.
 */

#include "tests/bench/bench.h"

#include "common/base/str.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct served {
	X509 *leaf;
	EVP_PKEY *key;
};

static struct served *served;
static uint64_t names;

static void
read_one(const char *dir, uint64_t number)
{
	char name[BENCH_NAME_MAX], path[512];
	BIO *file;

	snprintf(path, sizeof(path), "%s/%s.pem", dir, bench_name(number, name));
	file = BIO_new_file(path, "r");
	CHECK(file != NULL);
	served[number].leaf = PEM_read_bio_X509(file, NULL, NULL, NULL);
	served[number].key = PEM_read_bio_PrivateKey(file, NULL, NULL, NULL);
	CHECK(served[number].leaf != NULL && served[number].key != NULL);
	BIO_free(file);
}

static int
on_certificate(SSL *ssl, void *arg)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	uint64_t number;

	(void)arg;
	if (name == NULL || name[0] != 'h' || (number = strtoull(name + 1, NULL, 10)) >= names)
		return 0;
	return SSL_use_certificate(ssl, served[number].leaf) == 1 &&
	    SSL_use_PrivateKey(ssl, served[number].key) == 1;
}

static int
listen_on(uint16_t port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0);
	CHECK(bind(fd, (const struct sockaddr *)&in, sizeof(in)) == 0 && listen(fd, 511) == 0);
	return fd;
}

static void
accept_all(SSL_CTX *ctx, int listener, int poll)
{
	int fd, on = 1;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct epoll_event e = {.events = EPOLLIN};
		SSL *ssl = SSL_new(ctx);

		CHECK(ssl != NULL && SSL_set_fd(ssl, fd) == 1);
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		SSL_set_accept_state(ssl);
		e.data.ptr = ssl;
		CHECK(epoll_ctl(poll, EPOLL_CTL_ADD, fd, &e) == 0);
	}
}

static void
go_on(SSL *ssl)
{
	char bytes[4096];
	int r = SSL_read(ssl, bytes, sizeof(bytes)), fd = SSL_get_fd(ssl);

	if (r > 0 || SSL_get_error(ssl, r) == SSL_ERROR_WANT_READ)
		return;
	SSL_free(ssl);
	(void)close(fd);
}

static void
serve(SSL_CTX *ctx, int listener)
{
	int poll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event events[256], e = {.events = EPOLLIN};

	CHECK(poll >= 0 && epoll_ctl(poll, EPOLL_CTL_ADD, listener, &e) == 0);
	for (;;) {
		int n = epoll_wait(poll, events, ARRAY_LEN(events), -1);

		CHECK(n >= 0 || errno == EINTR);
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == NULL)
				accept_all(ctx, listener, poll);
			else
				go_on(events[i].data.ptr);
		}
	}
}

int
main(int argc, char **argv)
{
	static const unsigned char context[] = "bench";
	SSL_CTX *ctx;

	if (argc != 4) {
		fprintf(stderr, "usage: bench_tls_bare PORT NAMES PEMDIR\n");
		return 2;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	names = bench_number(argv[2]);
	served = mem_array(names, sizeof(*served));
	for (uint64_t i = 0; i < names; i++)
		read_one(argv[3], i);
	ctx = SSL_CTX_new(TLS_server_method());
	CHECK(ctx != NULL);
	SSL_CTX_set_cert_cb(ctx, on_certificate, NULL);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	CHECK(SSL_CTX_set_session_id_context(ctx, context, sizeof(context)) == 1);
	serve(ctx, listen_on((uint16_t)bench_number(argv[1])));
}
