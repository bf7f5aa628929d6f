/* The public port: routes, what is refused, limits, and what happens to those who say nothing. */

#include "tests/unit/common/tls/test_tls.h"

#include "common/tls/terminator.h"
#include "tests/support/tls_client.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static const uint8_t sp_header[] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};

struct site {
	struct loop *loop;
	struct terminator *t;
	struct address address;
	struct terminator_conn *conn;
	int far, before; /* of the newest member or HTTP connection, and of the one before */
	unsigned members, ends, https, refusals;
	int refuse_with, member_fails;
	bool with_cert;
	struct err why;
};

static int
accept_peer(void *arg, const struct cert *peer, bool is_expired, struct err *err)
{
	struct site *s = arg;

	assert_non_null(peer);
	if (s->refuse_with != 0)
		return err_set(err, s->refuse_with, "the node was removed");
	return is_expired ? err_set(err, ERR_DENIED, "expired") : 0;
}

static void
keep_far(struct site *s, int fd)
{
	if (s->before >= 0)
		close(s->before);
	s->before = s->far;
	s->far = fd;
}

static int
on_member(void *arg, struct terminator_conn *conn, const struct cert *peer, bool is_expired,
    int *fd, void **user, struct err *err)
{
	struct site *s = arg;
	struct domain_id domain;
	struct id id;
	int pair[2];

	assert_false(is_expired);
	assert_int_equal(cert_identity(peer, &domain, &id, NULL), 0);
	assert_true(id_equal(&id, &node_id));
	if (s->member_fails != 0)
		return err_set(err, s->member_fails, "the link is closing");
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	keep_far(s, pair[1]);
	*fd = pair[0];
	*user = s;
	s->conn = conn;
	s->members++;
	return 0;
}

static void
on_member_end(void *arg, void *user)
{
	assert_ptr_equal(user, arg);
	((struct site *)user)->ends++;
}

static void
on_http(void *arg, int fd, const struct cert *peer, const char *address)
{
	struct site *s = arg;

	assert_true(strncmp(address, "127.0.0.1:", 10) == 0 || strncmp(address, "[::1]:", 6) == 0);
	keep_far(s, fd);
	s->with_cert = peer != NULL;
	s->https++;
}

static void
on_refused(void *arg, const char *address, const struct err *err)
{
	struct site *s = arg;

	assert_non_null(address);
	s->refusals++;
	s->why = *err;
}

static const struct terminator_limits wide = {
    .tries_per_second = 100000, .pending = 1000, .pending_per_address = 1000};

static void
site_open(
    struct site *s, struct loop *l, const char *listen, const struct terminator_limits *limits)
{
	const struct terminator_params p = {
	    .loop = l,
	    .listen = &listen,
	    .listen_count = 1,
	    .identity = server,
	    .root = pki.root,
	    .limits = *limits,
	    .handlers = {accept_peer, on_member, on_member_end, NULL, on_http, on_refused, s},
	};
	char text[ADDRESS_TEXT_MAX], host[ADDRESS_HOST_MAX];
	uint16_t port;

	*s = (struct site){.loop = l, .far = -1, .before = -1};
	assert_int_equal(terminator_new(&p, &s->t, NULL), 0);
	assert_int_equal(address_split(terminator_address(s->t, 0, text), host, &port, NULL), 0);
	assert_int_equal(address_numeric(host, port, &s->address, NULL), 0);
}

static void
site_close(struct site *s)
{
	terminator_close(s->t);
	assert_int_equal(s->members, s->ends);
	keep_far(s, -1);
	keep_far(s, -1);
}

static struct terminator_stats
stats_of(const struct site *s)
{
	struct terminator_stats stats;

	terminator_stats(s->t, &stats);
	return stats;
}
static struct tls_ctx *
client_ctx(const char *alpn_name)
{
	const struct tls_alpn alpn[] = {{alpn_name, TLS_CLIENT_NONE}};
	const struct tls_ctx_params p = {
	    .min = TLS_1_3,
	    .max = TLS_1_3,
	    .alpn = alpn,
	    .alpn_count = alpn_name != NULL ? 1 : 0,
	    .pinned = pki.root,
	    .identity = node,
	};
	struct tls_ctx *c = NULL;

	assert_int_equal(tls_ctx_new(&p, &c, NULL), 0);
	return c;
}

/* A client that has shaken hands, or a bare TCP connection. */
static int
tcp_to(struct site *s)
{
	int fd;

	assert_int_equal(address_connect(&s->address, &fd, NULL), 0);
	return fd;
}

static void
client_open(struct site *s, struct end *e, const char *alpn)
{
	struct tls_ctx *c = client_ctx(alpn);
	const struct tls_stream_params p = {.loop = s->loop,
	    .ctx = c,
	    .fd = tcp_to(s),
	    .connecting = true,
	    .handshake_ms = 10000,
	    .events = &end_events,
	    .arg = e};

	*e = (struct end){0};
	assert_int_equal(tls_stream_new(&p, &e->stream, NULL), 0);
	tls_ctx_unref(c);
	assert_true(wait_until(s->loop, wait_flag, &e->ready));
}

static void
client_send(struct end *e, struct span data)
{
	size_t taken = 0;

	assert_int_equal(tls_stream_write(e->stream, data, &taken, NULL), 0);
	assert_int_equal(taken, data.len);
}

/* What the client gets: bytes, or the code of the end. */
static int
client_read(struct site *s, struct end *e, char *out, size_t max)
{
	size_t len = 0;
	int r;

	while ((r = tls_stream_read(e->stream, out, max - 1, &len, NULL)) == ERR_AGAIN) {
		e->events = 0;
		tls_stream_want(e->stream, LOOP_READ);
		while (e->events == 0)
			loop_turn(s->loop, true);
	}
	out[len] = '\0';
	return r < 0 ? r : (int)len;
}

static size_t
far_read(struct site *s, char *out, size_t len)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n = recv(s->far, out + got, len - got, 0);

		if (n == 0)
			break;
		if (n > 0)
			got += (size_t)n;
		else
			loop_turn(s->loop, true);
	}
	return got;
}

static void
wait_refusal(struct site *s)
{
	while (s->refusals == 0)
		loop_turn(s->loop, true);
}

static bool
has_member(void *arg)
{
	return ((struct site *)arg)->members > 0;
}

static bool
has_http(void *arg)
{
	return ((struct site *)arg)->https > 0;
}

/* ------------------------------------------------------------------------- routes */

static void
test_member(void **state)
{
	struct site s;
	struct end e;
	char text[32];

	site_open(&s, *state, "127.0.0.1:0", &wide);
	client_open(&s, &e, "certherd/1");
	/* The header in two parts: nothing happens before it is whole. */
	client_send(&e, SPAN(sp_header, 3));
	for (int i = 0; i < 20; i++)
		loop_turn(*state, false);
	assert_int_equal(s.members, 0);
	client_send(&e, SPAN(sp_header + 3, 5));
	client_send(&e, span_str("request"));
	assert_true(wait_until(*state, has_member, &s));
	assert_int_equal(far_read(&s, text, 15), 15);
	assert_memory_equal(text, sp_header, 8);
	assert_memory_equal(text + 8, "request", 7);
	assert_int_equal(send(s.far, "reply", 5, 0), 5);
	assert_int_equal(client_read(&s, &e, text, sizeof(text)), 5);
	assert_string_equal(text, "reply");
	assert_int_equal(stats_of(&s).members, 1);
	tls_stream_close(e.stream);
	while (s.ends == 0)
		loop_turn(*state, true);
	assert_int_equal(far_read(&s, text, 1), 0);
	assert_int_equal(stats_of(&s).connections, 0);
	site_close(&s);
}

static void
test_http(void **state)
{
	static const char *const alpns[] = {"http/1.1", NULL};
	static const char *const places[] = {"127.0.0.1:0", "[::1]:0"};
	char text[64];

	for (size_t i = 0; i < 2; i++) {
		struct site s;
		struct end e;

		site_open(&s, *state, places[i], &wide);
		client_open(&s, &e, alpns[i]);
		client_send(&e, span_str("GET / HTTP/1.1\r\n"));
		assert_true(wait_until(*state, has_http, &s));
		assert_false(s.with_cert);
		assert_int_equal(far_read(&s, text, 16), 16);
		assert_memory_equal(text, "GET / HTTP/1.1\r\n", 16);
		assert_int_equal(send(s.far, "HTTP/1.1 200 OK", 15, 0), 15);
		shutdown(s.far, SHUT_WR);
		assert_int_equal(client_read(&s, &e, text, sizeof(text)), 15);
		assert_int_equal(client_read(&s, &e, text, sizeof(text)), 0);
		tls_stream_close(e.stream);
		site_close(&s);
	}
}

static void
test_refusals(void **state)
{
	static const struct {
		const char *title, *alpn, *send;
		int accept, attach, code;
	} cases[] = {
	    {"wrong protocol", "certherd/1", "GET / HTTP/1.1", 0, 0, ERR_PROTO},
	    {"removed", "certherd/1", "\0SP\0\0\x30\0\0", ERR_DENIED, 0, ERR_DENIED},
	    {"link closing", "certherd/1", "\0SP\0\0\x30\0\0", 0, ERR_BUSY, ERR_BUSY},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct site s;
		struct end e;
		char text[8];

		site_open(&s, *state, "127.0.0.1:0", &wide);
		s.refuse_with = cases[i].accept;
		s.member_fails = cases[i].attach;
		client_open(&s, &e, cases[i].alpn);
		client_send(&e, SPAN(cases[i].send, 8));
		wait_refusal(&s);
		if (s.why.code != cases[i].code)
			fail_msg("%s: %s", cases[i].title, s.why.text);
		assert_true(client_read(&s, &e, text, sizeof(text)) <= 0);
		assert_int_equal(s.members, 0);
		tls_stream_close(e.stream);
		site_close(&s);
	}
}

static void
test_dropped_by_us(void **state)
{
	struct site s;
	struct end e;
	char text[8];

	site_open(&s, *state, "127.0.0.1:0", &wide);
	for (unsigned i = 0; i < 2; i++) {
		client_open(&s, &e, "certherd/1");
		client_send(&e, SPAN_OF(sp_header));
		while (s.members == i)
			loop_turn(*state, true);
		if (i == 0) {
			terminator_conn_close(s.conn);
		} else {
			assert_int_equal(terminator_recheck(s.t), 0);
			s.refuse_with = ERR_DENIED;
			assert_int_equal(terminator_recheck(s.t), 1);
		}
		assert_int_equal(s.ends, i + 1);
		assert_int_equal(client_read(&s, &e, text, sizeof(text)), 0);
		tls_stream_close(e.stream);
	}
	site_close(&s);
}

/* ------------------------------------------------------------------------- silence and limits */

static void
test_silence(void **state)
{
	struct terminator_limits limits = wide;
	struct site s;
	struct end member, http;
	int fd;

	limits.handshake_ms = 300;
	site_open(&s, *state, "127.0.0.1:0", &limits);
	fd = tcp_to(&s);
	client_open(&s, &member, "certherd/1");
	client_send(&member, SPAN(sp_header, 7));
	client_open(&s, &http, "http/1.1");
	while (s.refusals < 3)
		loop_turn(*state, true);
	assert_int_equal(stats_of(&s).timeouts, 3);
	assert_int_equal(stats_of(&s).connections, 0);
	tls_stream_close(member.stream);
	tls_stream_close(http.stream);
	close(fd);
	site_close(&s);
}

static bool
is_closed(void *arg)
{
	char byte;
	ssize_t n = recv(*(int *)arg, &byte, 1, 0);

	return n == 0 || (n < 0 && errno != EAGAIN);
}

/* More of one address than may be pending: refused while the others are young, else they go. */
static void
test_pending_limit(void **state)
{
	struct terminator_limits limits = wide;
	struct site s;
	int fds[4];

	limits.pending_per_address = 3;
	limits.evict_ms = 60000;
	site_open(&s, *state, "127.0.0.1:0", &limits);
	for (size_t i = 0; i < 4; i++) {
		fds[i] = tcp_to(&s);
		while (stats_of(&s).accepted <= i)
			loop_turn(*state, true);
	}
	assert_true(wait_until(*state, is_closed, &fds[3]));
	assert_int_equal(stats_of(&s).pending, 3);
	assert_int_equal(stats_of(&s).over_pending, 1);
	for (size_t i = 0; i < 4; i++)
		close(fds[i]);
	site_close(&s);

	limits.evict_ms = 1;
	site_open(&s, *state, "127.0.0.1:0", &limits);
	for (size_t i = 0; i < 4; i++) {
		uint64_t now = runtime_mono_ms(loop_runtime(*state));

		fds[i] = tcp_to(&s);
		while (
		    stats_of(&s).accepted <= i || runtime_mono_ms(loop_runtime(*state)) < now + 2)
			loop_turn(*state, false);
	}
	assert_true(wait_until(*state, is_closed, &fds[0]));
	assert_int_equal(stats_of(&s).evicted, 1);
	assert_int_equal(stats_of(&s).pending, 3);
	for (size_t i = 0; i < 4; i++)
		close(fds[i]);
	site_close(&s);
}

/* Idle connections of one address fill what there is, and a request still gets through. */
static void
test_idle_crowd(void **state)
{
	enum { CROWD = 200 };
	struct terminator_limits limits = {.tries_per_second = 100000, .evict_ms = 1};
	struct tls_client c = {.alpn = "http/1.1", .request = span_str("GET /"), .read_max = 1};
	struct site s;
	int fds[CROWD];

	site_open(&s, *state, "127.0.0.1:0", &limits);
	for (size_t i = 0; i < CROWD; i++) {
		fds[i] = tcp_to(&s);
		while (stats_of(&s).accepted <= i)
			loop_turn(*state, true);
	}
	assert_true(stats_of(&s).pending <= LIMIT_PENDING_PER_ADDRESS);
	c.port = address_port(&s.address);
	tls_client_start(*state, &c);
	assert_true(wait_until(*state, has_http, &s));
	assert_int_equal(send(s.far, "x", 1, 0), 1);
	assert_true(wait_until(*state, wait_flag, &c.finished));
	assert_string_equal(buf_str(&c.reply), "x");
	tls_client_clear(&c);
	for (size_t i = 0; i < CROWD; i++)
		close(fds[i]);
	site_close(&s);
}

static void
test_rate_and_refund(void **state)
{
	struct terminator_limits limits = wide;
	struct site s;
	struct end e;
	int fds[4];

	limits.tries_per_second = 3;
	site_open(&s, *state, "127.0.0.1:0", &limits);
	client_open(&s, &e, "certherd/1");
	client_send(&e, SPAN_OF(sp_header));
	assert_true(wait_until(*state, has_member, &s)); /* it gets its try back */
	for (size_t i = 0; i < 3; i++)
		fds[i] = tcp_to(&s);
	while (stats_of(&s).accepted < 4)
		loop_turn(*state, true);
	assert_int_equal(stats_of(&s).over_rate, 0);
	fds[3] = tcp_to(&s);
	wait_refusal(&s);
	assert_int_equal(s.why.code, ERR_LIMIT);
	assert_int_equal(stats_of(&s).over_rate, 1);
	for (size_t i = 0; i < 4; i++)
		close(fds[i]);
	tls_stream_close(e.stream);
	site_close(&s);
}

static void
test_connection_cap_spares_members(void **state)
{
	struct terminator_limits limits = wide;
	struct site s;
	struct end members[2], late;
	int fd;

	limits.connections = 2;
	limits.evict_ms = 60000;
	site_open(&s, *state, "127.0.0.1:0", &limits);
	for (unsigned i = 0; i < 2; i++) {
		client_open(&s, &members[i], "certherd/1");
		client_send(&members[i], SPAN_OF(sp_header));
		while (s.members == i)
			loop_turn(*state, true);
	}
	fd = tcp_to(&s);
	while (stats_of(&s).over_connections == 0)
		loop_turn(*state, true);
	assert_true(is_closed(&fd));
	tls_stream_close(members[1].stream);
	while (s.ends == 0)
		loop_turn(*state, true);
	client_open(&s, &late, "http/1.1");
	tls_stream_close(late.stream);
	tls_stream_close(members[0].stream);
	close(fd);
	site_close(&s);
}

/* Without descriptors the port waits and does not spin; with some again it goes on. */
static void
test_no_descriptors(void **state)
{
	struct rlimit before, low;
	struct site s;
	struct end e;
	int fd;

	site_open(&s, *state, "127.0.0.1:0", &wide);
	client_open(&s, &e, "http/1.1"); /* epoll and all else is open */
	fd = tcp_to(&s);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	low = before;
	low.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	for (int i = 0; i < 50; i++)
		loop_turn(*state, false);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(stats_of(&s).accepted, 1);
	while (stats_of(&s).accepted < 2)
		loop_turn(*state, true);
	tls_stream_close(e.stream);
	close(fd);
	site_close(&s);
}

static void
test_listener_errors(void **state)
{
	static const char *const places[] = {"127.0.0.1:0", "nowhere:0"};
	const struct terminator_params p = {
	    .loop = *state,
	    .listen = places,
	    .listen_count = 2,
	    .identity = server,
	    .root = pki.root,
	    .handlers = {accept_peer, on_member, on_member_end, NULL, on_http, NULL, NULL},
	};
	struct terminator *t = NULL;
	struct err err;

	assert_int_equal(terminator_new(&p, &t, &err), ERR_INVALID);
	assert_null(t);
	assert_non_null(strstr(err.text, "nowhere:0"));
}

int
run_terminator_tests(void)
{
	const struct CMUnitTest terminator_tests[] = {
	    LOOP_TEST(test_member),
	    LOOP_TEST(test_http),
	    LOOP_TEST(test_refusals),
	    LOOP_TEST(test_dropped_by_us),
	    LOOP_TEST(test_silence),
	    LOOP_TEST(test_pending_limit),
	    LOOP_TEST(test_idle_crowd),
	    LOOP_TEST(test_rate_and_refund),
	    LOOP_TEST(test_connection_cap_spares_members),
	    LOOP_TEST(test_no_descriptors),
	    LOOP_TEST(test_listener_errors),
	};

	return cmocka_run_group_tests(terminator_tests, NULL, NULL);
}
