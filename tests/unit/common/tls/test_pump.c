/* Bytes between TLS and a plain socket: amounts, slow readers, ends, limits. */

#include "tests/unit/common/tls/test_tls.h"

#include "common/tls/pump.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

/* client stream <-TLS-> pump <-socket pair-> far */
struct path {
	struct loop *loop;
	struct tls_ctx *sc, *cc;
	struct end client, server;
	struct pump *pump;
	int far;
	bool ended, with_error;
	struct pump_stats stats;
};

static void
on_end(void *arg, const struct pump_stats *stats, const struct err *err)
{
	struct path *p = arg;

	p->pump = NULL;
	p->ended = true;
	p->with_error = err != NULL;
	p->stats = *stats;
}

static struct tls_ctx *
ctx_of(bool is_server)
{
	const struct tls_ctx_params p = {
	    .server = is_server,
	    .min = TLS_1_3,
	    .max = TLS_1_3,
	    .pinned = pki.root,
	    .identity = is_server ? server : NULL,
	};
	struct tls_ctx *c = NULL;

	assert_int_equal(tls_ctx_new(&p, &c, NULL), 0);
	return c;
}

static void
path_open(struct path *p, struct loop *l, const struct pump_params *base)
{
	struct pump_params params = *base;
	int fds[2], pair[2];

	*p = (struct path){.loop = l, .sc = ctx_of(true), .cc = ctx_of(false)};
	tcp_pair(fds);
	for (int i = 0; i < 2; i++) {
		struct end *e = i == 0 ? &p->client : &p->server;
		const struct tls_stream_params s = {.loop = l,
		    .ctx = i == 0 ? p->cc : p->sc,
		    .fd = fds[i],
		    .handshake_ms = 10000,
		    .events = &end_events,
		    .arg = e};

		assert_int_equal(tls_stream_new(&s, &e->stream, NULL), 0);
	}
	assert_true(wait_until(l, wait_flag, &p->client.ready));
	assert_true(wait_until(l, wait_flag, &p->server.ready));
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	p->far = pair[1];
	params.loop = l;
	params.stream = MOVE(p->server.stream);
	params.fd = pair[0];
	params.on_end = on_end;
	params.arg = p;
	assert_int_equal(pump_new(&params, &p->pump, NULL), 0);
}

static void
path_close(struct path *p)
{
	tls_stream_close(p->client.stream);
	pump_close(p->pump);
	if (p->far >= 0)
		close(p->far);
	tls_ctx_unref(p->sc);
	tls_ctx_unref(p->cc);
}

static uint8_t
byte_at(size_t i)
{
	return (uint8_t)(i * 31 + (i >> 8));
}

/* Both sides write `total` bytes as fast as they can, and check what they read. */
struct side {
	size_t sent, got;
};

static bool
send_side(struct path *p, bool client, struct side *s, size_t total)
{
	uint8_t bytes[10000];
	size_t n = total - s->sent < sizeof(bytes) ? total - s->sent : sizeof(bytes), taken = 0;
	ssize_t r;

	if (n == 0)
		return false;
	for (size_t i = 0; i < n; i++)
		bytes[i] = byte_at(s->sent + i);
	if (client) {
		if (tls_stream_write(p->client.stream, SPAN(bytes, n), &taken, NULL) < 0)
			return false;
	} else {
		r = send(p->far, bytes, n, MSG_NOSIGNAL);
		if (r < 0)
			return false;
		taken = (size_t)r;
	}
	s->sent += taken;
	return true;
}

static bool
take_side(struct path *p, bool client, struct side *s)
{
	uint8_t bytes[20000];
	size_t len = 0;

	if (client) {
		if (tls_stream_read(p->client.stream, bytes, sizeof(bytes), &len, NULL) < 0)
			return false;
	} else {
		ssize_t r = recv(p->far, bytes, sizeof(bytes), 0);

		if (r < 0)
			return false;
		len = (size_t)r;
	}
	for (size_t i = 0; i < len; i++)
		assert_int_equal(bytes[i], byte_at(s->got + i));
	s->got += len;
	return len > 0;
}

static void
test_four_mebibytes_both_ways(void **state)
{
	const size_t total = 4 << 20;
	struct side client = {0}, far = {0};
	struct path p;

	path_open(&p, *state, &(struct pump_params){.half_close = true});
	while (client.got < total || far.got < total) {
		send_side(&p, true, &client, total);
		send_side(&p, false, &far, total);
		take_side(&p, true, &client);
		take_side(&p, false, &far);
		loop_turn(*state, false);
	}
	assert_true(pump_stats(p.pump).in == total && pump_stats(p.pump).out == total);
	path_close(&p);
}

/* Nobody reads at the far end: what is taken from the client is bounded, then all arrives. */
static void
slow_reader(struct loop *l, bool client_sends)
{
	struct side writer = {0}, reader = {0};
	const size_t total = 16 << 20;
	struct path p;
	int idle = 0;

	path_open(&p, l, &(struct pump_params){.half_close = true});
	while (idle < 200) {
		idle = send_side(&p, client_sends, &writer, total) ? 0 : idle + 1;
		loop_turn(l, false);
	}
	assert_true(writer.sent < total); /* the kernel's buffers and ours are full */
	while (reader.got < writer.sent) {
		take_side(&p, !client_sends, &reader);
		loop_turn(l, false);
	}
	send_side(&p, client_sends, &writer, writer.sent + 100);
	while (reader.got < writer.sent) {
		take_side(&p, !client_sends, &reader);
		loop_turn(l, false);
	}
	path_close(&p);
}

static void
test_slow_reader(void **state)
{
	slow_reader(*state, true);
	slow_reader(*state, false);
}

static bool
far_has_bytes(void *arg)
{
	struct path *p = arg;
	uint8_t byte;

	return recv(p->far, &byte, 1, MSG_PEEK) == 1;
}

static void
test_first_bytes_go_first(void **state)
{
	struct path p;
	char text[16] = "";
	size_t taken;

	path_open(
	    &p, *state, &(struct pump_params){.first = span_str("PROXY "), .half_close = true});
	assert_int_equal(tls_stream_write(p.client.stream, span_str("hello"), &taken, NULL), 0);
	assert_true(wait_until(*state, far_has_bytes, &p));
	while (strlen(text) < 11) {
		ssize_t n = recv(p.far, text + strlen(text), sizeof(text) - 1 - strlen(text), 0);

		(void)n;
		loop_turn(*state, false);
	}
	assert_string_equal(text, "PROXY hello");
	path_close(&p);
}

static bool
far_at_end(void *arg)
{
	struct path *p = arg;
	uint8_t byte;

	return recv(p->far, &byte, 1, 0) == 0;
}

/* The client ends, the far side still answers, then both are done in good order. */
static void
test_half_close(void **state)
{
	struct path p;
	char text[8] = "";
	size_t len = 0;

	path_open(&p, *state, &(struct pump_params){.half_close = true, .linger_ms = 5000});
	assert_int_equal(tls_stream_finish(p.client.stream, NULL), 0);
	assert_true(wait_until(*state, far_at_end, &p));
	assert_false(p.ended);
	assert_int_equal(send(p.far, "late", 4, 0), 4);
	assert_int_equal(shutdown(p.far, SHUT_WR), 0);
	assert_true(wait_until(*state, wait_flag, &p.ended));
	assert_false(p.with_error);
	while (tls_stream_read(p.client.stream, text, sizeof(text), &len, NULL) == ERR_AGAIN)
		loop_turn(*state, false);
	assert_string_equal(text, "late");
	assert_int_equal(tls_stream_read(p.client.stream, text, sizeof(text), &len, NULL), 0);
	assert_int_equal(len, 0);
	path_close(&p);
}

/* The far side ends and the client does not: it is given linger_ms. */
static void
test_linger(void **state)
{
	struct path p;

	path_open(&p, *state, &(struct pump_params){.half_close = true, .linger_ms = 20});
	close(p.far);
	p.far = -1;
	assert_true(wait_until(*state, wait_flag, &p.ended));
	assert_false(p.with_error);
	path_close(&p);
}

static void
test_end_of_one_ends_all(void **state)
{
	struct path p;
	uint8_t byte;

	for (int i = 0; i < 3; i++) {
		path_open(&p, *state, &(struct pump_params){.half_close = false});
		if (i == 0)
			tls_stream_close(MOVE(p.client.stream));
		else if (i == 1)
			assert_int_equal(shutdown(p.far, SHUT_WR), 0);
		else {
			close(p.far);
			p.far = -1;
		}
		assert_true(wait_until(*state, wait_flag, &p.ended));
		if (p.far >= 0)
			assert_int_equal(recv(p.far, &byte, 1, 0), 0);
		path_close(&p);
	}
}

static void
test_idle(void **state)
{
	struct path p;

	path_open(&p, *state, &(struct pump_params){.half_close = true, .idle_ms = 20});
	assert_true(wait_until(*state, wait_flag, &p.ended));
	assert_true(p.with_error);
	path_close(&p);
}

int
run_pump_tests(void)
{
	const struct CMUnitTest pump_tests[] = {
	    LOOP_TEST(test_four_mebibytes_both_ways),
	    LOOP_TEST(test_slow_reader),
	    LOOP_TEST(test_first_bytes_go_first),
	    LOOP_TEST(test_half_close),
	    LOOP_TEST(test_linger),
	    LOOP_TEST(test_end_of_one_ends_all),
	    LOOP_TEST(test_idle),
	};

	return cmocka_run_group_tests(pump_tests, NULL, NULL);
}
