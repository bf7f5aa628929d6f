/*
 * From an acknowledged renewal to the ports that serve it:
 * bench_fanout_probe API CREDENTIAL NAME ROUNDS PORT...
 *
 * Renews through the API's UNIX socket, takes the time when the answer has come, and makes one
 * handshake after another, with each port in turn that still serves the old certificate, until all
 * have shown the new one. A time is taken when the handshake that showed it has ended, so with many
 * ports it is too long by up to one turn of handshakes. Prints a line of JSON.
 */

#include "tests/bench/bench.h"

#include "common/base/num.h"

#include <fcntl.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORTS_MAX 64
#define FINGERPRINT 32
#define FIRST_NS UINT64_C(60000000000)

struct port {
	char target[32];
	uint8_t seen[FINGERPRINT];
	bool done;
};

static SSL_CTX *ctx;
static const char *server_name;

static void
make_blocking(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	CHECK(fd >= 0 && poll(&p, 1, 5000) == 1);
	CHECK(fcntl(fd, F_SETFL, 0) == 0);
}

static bool
look(const struct port *p, uint8_t out[static FINGERPRINT])
{
	int fd = bench_connect(p->target);
	SSL *ssl = SSL_new(ctx);
	X509 *leaf;
	unsigned len;
	bool ok;

	make_blocking(fd);
	CHECK(ssl != NULL && SSL_set_fd(ssl, fd) == 1);
	CHECK(SSL_set_tlsext_host_name(ssl, server_name) == 1);
	ok = SSL_connect(ssl) == 1;
	leaf = ok ? SSL_get1_peer_certificate(ssl) : NULL;
	ok = leaf != NULL && X509_digest(leaf, EVP_sha256(), out, &len) == 1;
	X509_free(leaf);
	SSL_free(ssl);
	bench_drop(fd);
	return ok;
}

/* The credential is new: each port must have got it once. */
static void
wait_for_first(struct port *ports, size_t count)
{
	uint64_t until = bench_now_ns() + FIRST_NS;

	for (size_t i = 0; i < count; i++)
		while (!look(&ports[i], ports[i].seen)) {
			CHECK(bench_now_ns() < until);
			bench_pause_us(1000);
		}
}

/* Sends the request and waits for the whole answer, which is short; its time. */
static uint64_t
renew(int api, const char *credential)
{
	char text[4096];
	size_t len = 0;
	int n = snprintf(text, sizeof(text),
	    "POST /v1/certs/%s/renew HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
	    "application/json\r\nContent-Length: 2\r\n\r\n{}",
	    credential);
	const char *end, *length;

	CHECK(send(api, text, (size_t)n, MSG_NOSIGNAL) == n);
	for (;;) {
		ssize_t got = recv(api, text + len, sizeof(text) - 1 - len, 0);

		CHECK(got > 0);
		len += (size_t)got;
		text[len] = '\0';
		end = strstr(text, "\r\n\r\n");
		length = strcasestr(text, "\r\ncontent-length:");
		if (end != NULL && length != NULL &&
		    len >= (size_t)(end + 4 - text) + strtoull(length + 17, NULL, 10))
			break;
	}
	if (strncmp(text, "HTTP/1.1 200", 12) != 0) {
		fprintf(stderr, "renew: %s\n", text);
		exit(1);
	}
	return bench_now_ns();
}

struct times {
	/* From the answer to each port, and to the last; from the request to each; the answer. */
	struct latencies each, last, whole, request;
};

static void
measure(int api, const char *credential, struct port *ports, size_t count, struct times *t)
{
	uint64_t began, acknowledged, ended = 0;
	size_t left = count;

	for (size_t i = 0; i < count; i++) {
		CHECK(look(&ports[i], ports[i].seen));
		ports[i].done = false;
	}
	began = bench_now_ns();
	acknowledged = renew(api, credential);
	latencies_add(&t->request, acknowledged - began);
	while (left > 0) {
		for (size_t i = 0; i < count; i++) {
			uint8_t now[FINGERPRINT];

			if (ports[i].done)
				continue;
			CHECK(look(&ports[i], now));
			if (memcmp(now, ports[i].seen, FINGERPRINT) == 0)
				continue;
			ended = bench_now_ns();
			latencies_add(&t->each, ended - acknowledged);
			latencies_add(&t->whole, ended - began);
			ports[i].done = true;
			left--;
		}
	}
	latencies_add(&t->last, ended - acknowledged);
}

int
main(int argc, char **argv)
{
	struct port ports[PORTS_MAX];
	struct times t = {0};
	size_t count = argc > 5 ? (size_t)argc - 5 : 0;
	uint64_t rounds;
	int api;

	if (count == 0 || count > PORTS_MAX) {
		fprintf(stderr, "usage: bench_fanout_probe API CREDENTIAL NAME ROUNDS PORT...\n");
		return 2;
	}
	server_name = argv[3];
	rounds = bench_number(argv[4]);
	for (size_t i = 0; i < count; i++)
		snprintf(ports[i].target, sizeof(ports[i].target), "127.0.0.1:%llu",
		    (unsigned long long)bench_number(argv[5 + i]));
	ctx = SSL_CTX_new(TLS_client_method());
	CHECK(ctx != NULL);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	CHECK(SSL_CTX_set1_groups_list(ctx, "X25519:P-256") == 1);
	api = bench_connect(argv[1]);
	make_blocking(api);
	wait_for_first(ports, count);
	for (uint64_t i = 0; i < rounds; i++)
		measure(api, argv[2], ports, count, &t);
	printf("{\"count\": %zu, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"last_p50_ms\": %.3f, "
	       "\"last_p99_ms\": %.3f, \"request_p50_ms\": %.3f, \"whole_p50_ms\": %.3f, "
	       "\"whole_p99_ms\": %.3f}\n",
	    t.each.count, latencies_at(&t.each, 500), latencies_at(&t.each, 990),
	    latencies_at(&t.last, 500), latencies_at(&t.last, 990), latencies_at(&t.request, 500),
	    latencies_at(&t.whole, 500), latencies_at(&t.whole, 990));
	return 0;
}
