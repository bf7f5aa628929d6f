/*
 * Watchers of one key of etcd: bench_etcd_watch TARGET CAFILE COUNT KEY, KEY in base64. Each has a
 * TLS connection of its own, verifies the server, and watches through the JSON gateway. Prints, as
 * bench_followers does, "fresh N 0 AT" when a watch stands and "serving N REVISION AT" for each
 * event. Ends with its input.
 */

#include "tests/bench/bench.h"

#include "common/base/buf.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define TEXT_MAX (4U << 20)

struct watcher {
	size_t number;
	SSL *ssl;
	bool asked;
	struct buf *in;
};

static SSL_CTX *ctx;
static const char *key;

static void
ask(struct watcher *w)
{
	char text[512], body[256];
	int n = snprintf(body, sizeof(body), "{\"create_request\": {\"key\": \"%s\"}}", key);

	n = snprintf(text, sizeof(text),
	    "POST /v3/watch HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", n, body);
	CHECK(SSL_write(w->ssl, text, n) == n);
	w->asked = true;
}

/* Answers are lines of JSON, one a chunk. */
static void
take_lines(struct watcher *w)
{
	const char *end, *revision;

	while ((end = memchr(buf_str(w->in), '\n', w->in->len)) != NULL) {
		const char *line = buf_str(w->in);
		size_t len = (size_t)(end - line) + 1;
		uint64_t now = bench_now_ns();

		if (memmem(line, len, "\"created\":true", 14) != NULL) {
			printf("fresh %zu 0 %llu\n", w->number, (unsigned long long)now);
		} else if (memmem(line, len, "\"events\"", 8) != NULL &&
		    (revision = memmem(line, len, "\"mod_revision\":\"", 16)) != NULL) {
			printf("serving %zu %llu %llu\n", w->number,
			    strtoull(revision + 16, NULL, 10), (unsigned long long)now);
		}
		buf_consume(w->in, len);
	}
}

static void
go_on(struct watcher *w)
{
	int r;

	if (!SSL_is_init_finished(w->ssl)) {
		r = SSL_do_handshake(w->ssl);
		if (r != 1) {
			r = SSL_get_error(w->ssl, r);
			CHECK(r == SSL_ERROR_WANT_READ || r == SSL_ERROR_WANT_WRITE);
			return;
		}
	}
	if (!w->asked)
		ask(w);
	for (;;) {
		uint8_t *room = buf_reserve(w->in, 16384);

		CHECK(room != NULL);
		r = SSL_read(w->ssl, room, 16384);
		if (r <= 0)
			break;
		buf_advance(w->in, (size_t)r);
		take_lines(w);
	}
	if (SSL_get_error(w->ssl, r) != SSL_ERROR_WANT_READ) {
		fprintf(stderr, "bench_etcd_watch: etcd ended a watch\n");
		exit(1);
	}
}

static void
start(struct watcher *w, const char *target, int poll)
{
	struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = w};
	int fd = bench_connect(target);

	CHECK(fd >= 0);
	w->in = buf_new(TEXT_MAX);
	w->ssl = SSL_new(ctx);
	CHECK(w->ssl != NULL && SSL_set_fd(w->ssl, fd) == 1);
	SSL_set_connect_state(w->ssl);
	CHECK(epoll_ctl(poll, EPOLL_CTL_ADD, fd, &e) == 0);
}

int
main(int argc, char **argv)
{
	struct epoll_event events[256], e = {.events = EPOLLIN};
	int poll = epoll_create1(EPOLL_CLOEXEC);
	struct watcher *watchers;
	uint64_t count;

	if (argc != 5) {
		fprintf(stderr, "usage: bench_etcd_watch TARGET CAFILE COUNT KEY\n");
		return 2;
	}
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	count = bench_number(argv[3]);
	key = argv[4];
	watchers = mem_array(count, sizeof(*watchers));
	ctx = SSL_CTX_new(TLS_client_method());
	CHECK(ctx != NULL && SSL_CTX_load_verify_file(ctx, argv[2]) == 1);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	CHECK(epoll_ctl(poll, EPOLL_CTL_ADD, STDIN_FILENO, &e) == 0);
	for (uint64_t i = 0; i < count; i++) {
		watchers[i].number = i;
		start(&watchers[i], argv[1], poll);
	}
	for (;;) {
		int n = epoll_wait(poll, events, ARRAY_LEN(events), -1);

		CHECK(n >= 0 || errno == EINTR);
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == NULL)
				return 0;
			go_on(events[i].data.ptr);
		}
	}
}
