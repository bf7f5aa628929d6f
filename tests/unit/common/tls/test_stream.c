/* Both ends of a connection are ours: rules of ALPN and certificates, garbage, deadlines. */

#include "tests/unit/common/tls/test_tls.h"

#include "common/tls/terminator.h"

#include <sys/socket.h>
#include <unistd.h>

struct rule {
	const char *title;
	const char *alpn;          /* that the client offers */
	struct tls_identity **who; /* the client */
	bool other_root;           /* the client's pin */
	int refused;               /* what accept gives */
	bool allow_expired;
	/* what comes of it, on the server's side */
	bool ready;
	int code;
	const char *agreed;
};

static struct pki other;

static int
accept_peer(void *arg, const struct cert *peer, bool is_expired, struct err *err)
{
	const struct rule *rule = arg;
	struct domain_id domain;
	struct id id;

	assert_int_equal(cert_identity(peer, &domain, &id, err), 0);
	assert_memory_equal(&domain, &pki.domain, sizeof(domain));
	if (rule->refused != 0)
		return err_set(err, rule->refused, "the node was removed");
	if (is_expired && !rule->allow_expired)
		return err_set(err, ERR_DENIED, "the certificate has run out");
	return 0;
}

static struct tls_ctx *
server_ctx(const struct rule *rule)
{
	static const struct tls_alpn alpn[] = {
	    {TERMINATOR_ALPN_LINK, TLS_CLIENT_REQUIRE},
	    {TERMINATOR_ALPN_HTTP, TLS_CLIENT_NONE},
	};
	const struct tls_ctx_params p = {
	    .server = true,
	    .min = TLS_1_3,
	    .max = TLS_1_3,
	    .alpn = alpn,
	    .alpn_count = ARRAY_LEN(alpn),
	    .pinned = pki.root,
	    .accept = accept_peer,
	    .accept_arg = (void *)(uintptr_t)rule,
	    .identity = server,
	};
	struct tls_ctx *c = NULL;

	assert_int_equal(tls_ctx_new(&p, &c, NULL), 0);
	return c;
}

static struct tls_ctx *
client_ctx(const struct rule *rule)
{
	const struct tls_alpn alpn[] = {{rule->alpn, TLS_CLIENT_NONE}};
	const struct tls_ctx_params p = {
	    .min = TLS_1_2,
	    .max = TLS_1_3,
	    .alpn = alpn,
	    .alpn_count = rule->alpn != NULL ? 1 : 0,
	    .pinned = rule->other_root ? other.root : pki.root,
	    .identity = rule->who != NULL ? *rule->who : NULL,
	};
	struct tls_ctx *c = NULL;

	assert_int_equal(tls_ctx_new(&p, &c, NULL), 0);
	return c;
}

static bool
is_over(void *arg)
{
	struct end *e = arg;

	return e->ready || e->failed;
}

static struct tls_stream *
stream_of(struct loop *l, struct tls_ctx *c, int fd, struct end *e, uint64_t ms)
{
	const struct tls_stream_params p = {
	    .loop = l, .ctx = c, .fd = fd, .handshake_ms = ms, .events = &end_events, .arg = e};

	assert_int_equal(tls_stream_new(&p, &e->stream, NULL), 0);
	return e->stream;
}

static struct tls_identity *strange, *micro;

static const struct rule rules[] = {
    {.title = "member", .alpn = "certherd/1", .who = &node, .ready = true, .agreed = "certherd/1"},
    {.title = "no certificate", .alpn = "certherd/1", .code = ERR_PROTO},
    {.title = "http needs none", .alpn = "http/1.1", .ready = true, .agreed = "http/1.1"},
    {.title = "http asks for none",
	.alpn = "http/1.1",
	.who = &node,
	.ready = true,
	.agreed = "http/1.1"},
    {.title = "no ALPN", .ready = true},
    {.title = "unknown ALPN", .alpn = "h2", .code = ERR_PROTO},
    {.title = "other root", .alpn = "certherd/1", .who = &strange, .code = ERR_CRYPTO},
    {.title = "of a Micro CA", .alpn = "certherd/1", .who = &micro, .code = ERR_CRYPTO},
    {.title = "removed",
	.alpn = "certherd/1",
	.who = &node,
	.refused = ERR_DENIED,
	.code = ERR_DENIED},
    {.title = "expired", .alpn = "certherd/1", .who = &expired, .code = ERR_DENIED},
    {.title = "expired, for renewal",
	.alpn = "certherd/1",
	.who = &expired,
	.allow_expired = true,
	.ready = true,
	.agreed = "certherd/1"},
    {.title = "client pins another root",
	.alpn = "certherd/1",
	.who = &node,
	.other_root = true,
	.code = ERR_PROTO},
};

static void
check_rule(struct loop *l, const struct rule *rule)
{
	AUTO(tls_ctx_unrefp)
	struct tls_ctx *sc = server_ctx(rule);
	AUTO(tls_ctx_unrefp)
	struct tls_ctx *cc = client_ctx(rule);
	struct end s = {0}, c = {0};
	int fds[2];

	tcp_pair(fds);
	stream_of(l, cc, fds[0], &c, 10000);
	stream_of(l, sc, fds[1], &s, 10000);
	assert_true(wait_until(l, is_over, &s));
	if (s.ready != rule->ready || (!s.ready && s.err.code != rule->code))
		fail_msg("%s: ready %d, %s", rule->title, s.ready, s.err.text);
	if (s.ready) {
		const char *alpn = tls_stream_alpn(s.stream);

		assert_true((alpn == NULL) == (rule->agreed == NULL));
		if (alpn != NULL)
			assert_string_equal(alpn, rule->agreed);
		assert_true((tls_stream_peer(s.stream) != NULL) ==
		    (alpn != NULL && strcmp(alpn, "certherd/1") == 0));
		assert_int_equal(tls_stream_peer_expired(s.stream), rule->allow_expired);
		assert_string_equal(tls_stream_version(s.stream), "TLSv1.3");
	}
	assert_true(wait_until(l, is_over, &c));
	if (rule->other_root)
		assert_int_equal(c.err.code, ERR_CRYPTO);
	tls_stream_close(s.stream);
	tls_stream_close(c.stream);
}

static void
test_rules(void **state)
{
	pki_init(&other);
	strange = pki_node(&other, &node_id, false);
	micro = pki_server(&pki, "www.example.org", KEY_EC_P256);
	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		check_rule(*state, &rules[i]);
	tls_identity_unref(strange);
	tls_identity_unref(micro);
	pki_fini(&other);
}

/* In TLS 1.3 the client's handshake ends before it was judged: the reason comes with a read. */
static void
test_refused_client_is_told(void **state)
{
	static const struct rule rule = {.alpn = "certherd/1", .who = &node, .refused = ERR_DENIED};
	AUTO(tls_ctx_unrefp)
	struct tls_ctx *sc = server_ctx(&rule);
	AUTO(tls_ctx_unrefp)
	struct tls_ctx *cc = client_ctx(&rule);
	struct end s = {0}, c = {0};
	struct err err;
	uint8_t byte;
	size_t len;
	int fds[2];

	tcp_pair(fds);
	stream_of(*state, cc, fds[0], &c, 10000);
	stream_of(*state, sc, fds[1], &s, 10000);
	assert_true(wait_until(*state, wait_flag, &c.ready));
	assert_true(wait_until(*state, wait_flag, &s.failed));
	tls_stream_close(s.stream);
	tls_stream_want(c.stream, LOOP_READ);
	while ((c.events & LOOP_READ) == 0)
		loop_turn(*state, true);
	assert_int_equal(tls_stream_read(c.stream, &byte, 1, &len, &err), ERR_DENIED);
	assert_non_null(strstr(err.text, "refuses our certificate"));
	tls_stream_close(c.stream);
}

/* ------------------------------------------------------------------------- a full socket */

/*
 * Two socket pairs with the test between them, which decides what passes and when. Not of TCP,
 * which goes on moving bytes when the socket is full.
 */
struct wire {
	int client, server; /* our ends */
	int server_end;     /* the server's own, for stuffing */
	size_t stuffed;
};

/* Fills what the server writes to, as a client does that reads nothing. */
static void
stuff(struct wire *w)
{
	uint8_t bytes[4096] = {0};
	ssize_t n;

	while ((n = send(w->server_end, bytes, sizeof(bytes), MSG_NOSIGNAL)) > 0)
		w->stuffed += (size_t)n;
}

static void
pass(int from, int to)
{
	uint8_t bytes[65536];
	ssize_t n = recv(from, bytes, sizeof(bytes), 0);

	if (n > 0)
		assert_int_equal(send(to, bytes, (size_t)n, MSG_NOSIGNAL), n);
}

static void
unstuff(struct wire *w)
{
	uint8_t bytes[4096];

	while (w->stuffed > 0) {
		ssize_t n = recv(
		    w->server, bytes, w->stuffed < sizeof(bytes) ? w->stuffed : sizeof(bytes), 0);

		assert_true(n > 0);
		w->stuffed -= (size_t)n;
	}
}

static void
turns(struct loop *l, struct wire *w, bool both_ways)
{
	for (int i = 0; i < 20; i++) {
		pass(w->client, w->server);
		loop_turn(l, false);
		if (both_ways)
			pass(w->server, w->client);
		loop_turn(l, false);
	}
}

/* What a server says in a handshake waits for room, its tickets too, and nothing is lost. */
static void
test_full_socket(void **state)
{
	static const struct rule rule = {.alpn = "http/1.1"};
	const struct tls_ctx_params p = {.server = true,
	    .min = TLS_1_3,
	    .max = TLS_1_3,
	    .tickets = true,
	    .client_cert = TLS_CLIENT_NONE,
	    .identity = server};
	AUTO(tls_ctx_unrefp)
	struct tls_ctx *sc = NULL;
	AUTO(tls_ctx_unrefp)
	struct tls_ctx *cc = client_ctx(&rule);
	struct end s = {0}, c = {0};
	struct wire w = {0};
	uint8_t byte = 0;
	size_t len = 0;
	int to_client[2], to_server[2];

	assert_int_equal(tls_ctx_new(&p, &sc, NULL), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, to_client), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, to_server), 0);
	w.client = to_client[1];
	w.server = to_server[1];
	w.server_end = to_server[0];
	stuff(&w);
	stream_of(*state, cc, to_client[0], &c, 10000);
	stream_of(*state, sc, to_server[0], &s, 10000);
	turns(*state, &w, false); /* the hello arrives, the flight does not leave */
	unstuff(&w);
	assert_int_equal(recv(w.server, &byte, 1, MSG_PEEK | MSG_DONTWAIT), -1);
	for (int i = 0; i < 100 && !c.ready; i++) {
		loop_turn(*state, false);
		pass(w.server, w.client);
	}
	assert_true(c.ready && !s.ready);
	stuff(&w);
	turns(*state, &w, false); /* the client's end of it arrives, the tickets do not leave */
	assert_true(s.ready);
	assert_int_equal(tls_stream_write(s.stream, span_str("x"), &len, NULL), ERR_AGAIN);
	unstuff(&w);
	turns(*state, &w, true);
	assert_int_equal(tls_stream_write(s.stream, span_str("x"), &len, NULL), 0);
	turns(*state, &w, true);
	assert_int_equal(tls_stream_read(c.stream, &byte, 1, &len, NULL), 0);
	assert_int_equal(byte, 'x');
	tls_stream_close(s.stream);
	tls_stream_close(c.stream);
	close(w.client);
	close(w.server);
}

/* ------------------------------------------------------------------------- bad peers */

struct garbage {
	const char *title;
	struct span bytes;
	bool hang_up, reset;
	int code;
};

static const uint8_t half_record[] = {0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00};
static const uint8_t huge_record[] = {0x16, 0x03, 0x01, 0xff, 0xff, 0x01};

static void
test_garbage(void **state)
{
	const struct garbage cases[] = {
	    {"text", span_str("GET / HTTP/1.1\r\n\r\n"), false, false, ERR_PROTO},
	    {"nothing, then gone", SPAN(NULL, 0), true, false, ERR_IO},
	    {"nothing, then reset", SPAN(NULL, 0), true, true, ERR_IO},
	    {"half a record, then gone", SPAN_OF(half_record), true, false, ERR_IO},
	    {"half a record, then silence", SPAN_OF(half_record), false, false, ERR_TIMEOUT},
	    {"record of 65535 bytes", SPAN_OF(huge_record), false, false, ERR_PROTO},
	    {"silence", SPAN(NULL, 0), false, false, ERR_TIMEOUT},
	};
	static const struct rule rule = {.alpn = "http/1.1"};
	AUTO(tls_ctx_unrefp)
	struct tls_ctx *sc = server_ctx(&rule);

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct linger linger = {cases[i].reset, 0};
		struct end s = {0};
		int fds[2];

		tcp_pair(fds);
		stream_of(*state, sc, fds[1], &s, cases[i].code == ERR_TIMEOUT ? 30 : 10000);
		if (cases[i].bytes.len > 0)
			assert_int_equal(send(fds[0], cases[i].bytes.data, cases[i].bytes.len, 0),
			    cases[i].bytes.len);
		setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
		if (cases[i].hang_up)
			close(fds[0]);
		assert_true(wait_until(*state, wait_flag, &s.failed));
		if (s.err.code != cases[i].code)
			fail_msg("%s: %d %s", cases[i].title, s.err.code, s.err.text);
		tls_stream_close(s.stream);
		if (!cases[i].hang_up)
			close(fds[0]);
	}
}

static void
test_close_at_any_time(void **state)
{
	static const struct rule rule = {.alpn = "http/1.1"};
	AUTO(tls_ctx_unrefp)
	struct tls_ctx *sc = server_ctx(&rule);
	AUTO(tls_ctx_unrefp)
	struct tls_ctx *cc = client_ctx(&rule);

	for (int turns = 0; turns < 8; turns++) {
		struct end s = {0}, c = {0};
		int fds[2];

		tcp_pair(fds);
		stream_of(*state, cc, fds[0], &c, 10000);
		stream_of(*state, sc, fds[1], &s, 10000);
		for (int i = 0; i < turns; i++)
			loop_turn(*state, false);
		tls_stream_close(s.stream);
		tls_stream_close(c.stream);
	}
}

/* An identity that is swapped serves the next handshake, and the context can change hands. */
static void
test_identity_swap(void **state)
{
	static const struct rule rule = {.alpn = "http/1.1"};
	AUTO(tls_ctx_unrefp)
	struct tls_ctx *sc = server_ctx(&rule);
	AUTO(tls_ctx_unrefp)
	struct tls_ctx *cc = client_ctx(&rule);
	AUTO(tls_identity_unrefp)
	struct tls_identity *next = pki_node(&pki, &pki.manager_node, false);

	for (int i = 0; i < 2; i++) {
		const struct tls_identity *want = i == 0 ? server : next;
		struct end s = {0}, c = {0};
		int fds[2];

		if (i == 1)
			tls_ctx_set_identity(sc, next);
		tcp_pair(fds);
		stream_of(*state, cc, fds[0], &c, 10000);
		stream_of(*state, sc, fds[1], &s, 10000);
		assert_true(wait_until(*state, wait_flag, &c.ready));
		assert_true(span_equal(
		    cert_der(tls_stream_peer(c.stream)), cert_der(tls_identity_leaf(want))));
		tls_stream_close(s.stream);
		tls_stream_close(c.stream);
	}
}

static void
test_bad_parameters(void **state)
{
	static const struct {
		struct tls_ctx_params p;
		const char *says;
	} cases[] = {
	    {{.ciphers = "NO-SUCH-CIPHER"}, "NO-SUCH-CIPHER"},
	    {{.ciphersuites = "TLS_NO_SUCH"}, "TLS_NO_SUCH"},
	    {{.groups = "P-999"}, "P-999"},
	};
	struct tls_identity *none = NULL;
	const struct cert *chain[] = {pki.root};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct tls_ctx_params p = cases[i].p;
		struct tls_ctx *c = NULL;
		struct err err;

		p.server = true;
		p.max = TLS_1_3;
		assert_int_equal(tls_ctx_new(&p, &c, &err), ERR_INVALID);
		assert_null(c);
		assert_non_null(strstr(err.text, cases[i].says));
	}
	assert_int_equal(tls_identity_new(chain, 1, pki.ca_key, &none, NULL), ERR_CRYPTO);
	assert_int_equal(tls_identity_new(chain, 0, pki.ca_key, &none, NULL), ERR_INVALID);
	assert_null(none);
}

int
run_stream_tests(void)
{
	const struct CMUnitTest stream_tests[] = {
	    LOOP_TEST(test_rules),
	    LOOP_TEST(test_refused_client_is_told),
	    LOOP_TEST(test_full_socket),
	    LOOP_TEST(test_garbage),
	    LOOP_TEST(test_close_at_any_time),
	    LOOP_TEST(test_identity_swap),
	    cmocka_unit_test(test_bad_parameters),
	};

	return cmocka_run_group_tests(stream_tests, NULL, NULL);
}
