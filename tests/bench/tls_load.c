/*
 * TLS clients: bench_tls_load TARGET MODE NAMES CONNECTIONS SECONDS PID
 *
 * warm: one full handshake for each name, in order. full: handshakes for random names, without
 * resumption. resumed: first as many full ones as there are sessions to keep, then only resumed
 * ones. probe: tries until a handshake for the last name succeeds, and prints when that was. A
 * handshake has ended when the first ticket has come, so that the server has seen the client's last
 * message. Prints one line of JSON; PID is the server's, for its processor time, or 0.
 */

#include "tests/bench/bench.h"

#include "common/base/str.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#define SESSIONS_MAX 1000

struct slot {
	int fd;
	SSL *ssl;
	uint64_t name, began_ns;
	bool ticket;
};

struct load {
	const char *target;
	SSL_CTX *ctx;
	SSL_SESSION **sessions; /* by number of the name; NULL: none are kept */
	uint64_t names, next;
	bool in_order;
	int poll;
	struct slot *slots;
	size_t slot_count, open;
	/* of the present window */
	uint64_t done, resumed, failed, begun, begin_max;
	struct latencies times;
};

static int
on_session(SSL *ssl, SSL_SESSION *session)
{
	struct slot *s = SSL_get_app_data(ssl);
	struct load *l = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	s->ticket = true;
	if (l->sessions == NULL)
		return 0;
	SSL_SESSION_free(l->sessions[s->name]);
	l->sessions[s->name] = session;
	return 1;
}

static void
slot_watch(struct load *l, struct slot *s, int op, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.ptr = s};

	CHECK(epoll_ctl(l->poll, op, s->fd, &e) == 0);
}

static bool
slot_open(struct load *l, struct slot *s)
{
	char name[BENCH_NAME_MAX];

	s->ticket = false;
	s->name = l->in_order ? l->next++ % l->names : bench_random() % l->names;
	s->began_ns = bench_now_ns();
	s->fd = bench_connect(l->target);
	if (s->fd < 0)
		return false;
	s->ssl = SSL_new(l->ctx);
	CHECK(s->ssl != NULL && SSL_set_fd(s->ssl, s->fd) == 1);
	SSL_set_app_data(s->ssl, s);
	SSL_set_connect_state(s->ssl);
	CHECK(SSL_set_tlsext_host_name(s->ssl, bench_name(s->name, name)) == 1);
	if (l->sessions != NULL && l->sessions[s->name] != NULL)
		CHECK(SSL_set_session(s->ssl, l->sessions[s->name]) == 1);
	slot_watch(l, s, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT | EPOLLET);
	l->open++;
	l->begun++;
	return true;
}

static void
slot_close(struct load *l, struct slot *s)
{
	/* Otherwise the library takes the end for a failure, and its session is not used again. */
	SSL_set_shutdown(s->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(s->ssl);
	bench_drop(s->fd);
	s->ssl = NULL;
	l->open--;
}

/* 1: the handshake has ended. 0: it goes on. -1: it failed. */
static int
slot_go_on(struct slot *s)
{
	char byte;
	int r;

	if (!SSL_is_init_finished(s->ssl) && (r = SSL_do_handshake(s->ssl)) != 1) {
		r = SSL_get_error(s->ssl, r);
		return r == SSL_ERROR_WANT_READ || r == SSL_ERROR_WANT_WRITE ? 0 : -1;
	}
	if (s->ticket)
		return 1;
	r = SSL_read(s->ssl, &byte, 1);
	if (s->ticket)
		return 1;
	return r <= 0 && SSL_get_error(s->ssl, r) == SSL_ERROR_WANT_READ ? 0 : -1;
}

static void
slot_step(struct load *l, struct slot *s)
{
	int r = slot_go_on(s);

	if (r == 0)
		return;
	if (r > 0) {
		l->done++;
		l->resumed += SSL_session_reused(s->ssl) == 1;
		latencies_add(&l->times, bench_now_ns() - s->began_ns);
	} else {
		l->failed++;
	}
	slot_close(l, s);
	if (l->begun < l->begin_max)
		(void)slot_open(l, s);
}

/* Until the number of handshakes or the time is reached. */
static double
run(struct load *l, uint64_t handshakes, double seconds)
{
	uint64_t began = bench_now_ns(), until = began + (uint64_t)(seconds * 1e9);
	struct epoll_event events[256];

	l->done = l->resumed = l->failed = l->begun = 0;
	l->begin_max = handshakes;
	l->times.count = 0;
	for (size_t i = 0; i < l->slot_count && l->begun < handshakes; i++)
		CHECK(slot_open(l, &l->slots[i]));
	while (l->open > 0 && bench_now_ns() < until) {
		int n = epoll_wait(l->poll, events, ARRAY_LEN(events), 1000);

		CHECK(n >= 0 || errno == EINTR);
		for (int i = 0; i < n; i++)
			if (((struct slot *)events[i].data.ptr)->ssl != NULL)
				slot_step(l, events[i].data.ptr);
	}
	seconds = (double)(bench_now_ns() - began) / 1e9;
	l->begin_max = 0;
	for (size_t i = 0; i < l->slot_count; i++)
		if (l->slots[i].ssl != NULL)
			slot_close(l, &l->slots[i]);
	return seconds;
}

/* Names in order, each until it has a session. */
static void
collect_sessions(struct load *l)
{
	l->in_order = true;
	if (l->names > SESSIONS_MAX)
		l->names = SESSIONS_MAX;
	l->sessions = mem_array(l->names, sizeof(SSL_SESSION *));
	run(l, l->names, 300);
	for (uint64_t i = 0; i < l->names; i++)
		CHECK(l->sessions[i] != NULL);
	/* Still in order: a session that two connections use at once resumes only one of them. */
}

static int
probe(struct load *l, uint64_t seconds)
{
	uint64_t attempts = 0, last = l->names - 1;
	uint64_t until = bench_now_ns() + seconds * UINT64_C(1000000000);

	l->in_order = true;
	l->slot_count = 1;
	for (l->done = 0; l->done == 0; attempts++) {
		int fd = bench_connect(l->target);

		if (bench_now_ns() > until)
			return 1;
		if (fd < 0) { /* nobody listens yet */
			bench_pause_us(500);
			continue;
		}
		(void)close(fd);
		l->next = last;
		run(l, 1, 10);
		if (l->done == 0)
			bench_pause_us(500);
	}
	printf("{\"at_ns\": %llu, \"attempts\": %llu}\n", (unsigned long long)bench_now_ns(),
	    (unsigned long long)attempts);
	return 0;
}

static double
own_cpu(void)
{
	struct rusage u;

	CHECK(getrusage(RUSAGE_SELF, &u) == 0);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	    (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void
init(struct load *l, char **argv)
{
	l->target = argv[1];
	l->names = bench_number(argv[3]);
	l->slot_count = (size_t)bench_number(argv[4]);
	l->slots = mem_array(l->slot_count, sizeof(*l->slots));
	l->poll = epoll_create1(EPOLL_CLOEXEC);
	l->ctx = SSL_CTX_new(TLS_client_method());
	CHECK(l->poll >= 0 && l->ctx != NULL && l->names > 0);
	SSL_CTX_set_app_data(l->ctx, l);
	SSL_CTX_set_verify(l->ctx, SSL_VERIFY_NONE, NULL);
	CHECK(SSL_CTX_set_min_proto_version(l->ctx, TLS1_3_VERSION) == 1);
	/* One key share that everybody takes: no server asks for a second hello. */
	CHECK(SSL_CTX_set1_groups_list(l->ctx, "X25519:P-256") == 1);
	SSL_CTX_set_session_cache_mode(l->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(l->ctx, on_session);
}

int
main(int argc, char **argv)
{
	struct load l = {0};
	double seconds, cpu, client;
	unsigned pid;

	if (argc != 7) {
		fprintf(stderr,
		    "usage: bench_tls_load TARGET warm|full|resumed|probe NAMES "
		    "CONNECTIONS SECONDS PID\n");
		return 2;
	}
	init(&l, argv);
	pid = (unsigned)bench_number(argv[6]);
	if (str_equal(argv[2], "probe"))
		return probe(&l, bench_number(argv[5]));
	if (str_equal(argv[2], "resumed"))
		collect_sessions(&l);
	if (str_equal(argv[2], "warm"))
		l.in_order = true;
	cpu = bench_cpu_of(pid);
	client = own_cpu();
	seconds = run(
	    &l, str_equal(argv[2], "warm") ? l.names : UINT64_MAX, (double)bench_number(argv[5]));
	cpu = bench_cpu_of(pid) - cpu;
	client = own_cpu() - client;
	printf("{\"handshakes\": %llu, \"seconds\": %.3f, \"resumed\": %llu, \"failed\": %llu, "
	       "\"server_cpu_s\": %.3f, \"client_cpu_s\": %.3f, \"p50_ms\": %.3f, "
	       "\"p99_ms\": %.3f}\n",
	    (unsigned long long)l.done, seconds, (unsigned long long)l.resumed,
	    (unsigned long long)l.failed, cpu, client, latencies_at(&l.times, 500),
	    latencies_at(&l.times, 990));
	return 0;
}
