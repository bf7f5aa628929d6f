/* Setting up, http ports, limits, closing; TLS ports are in test_tls_port.c. */

#include "tests/unit/replica/ports/test_ports.h"
#include "common/wire/public_wire.h"

#include "common/crypto/secret.h"
#include "common/tls/address.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

int
site_setup(void **state)
{
	struct site *s = mem_zalloc(sizeof(*s));

	assert_int_equal(loop_new(&s->loop, NULL), 0);
	test_node_init(&s->node, s->loop, 64);
	s->config = (struct port_config){.name = mem_strdup("www"),
	    .listen = mem_strdup("127.0.0.1:0"),
	    .kind = PORT_TLS,
	    .backend = mem_strdup("builtin"),
	    .resumption = true,
	    .https_port = 8443};
	*state = s;
	return 0;
}

int
site_teardown(void **state)
{
	struct site *s = *state;

	site_close(s);
	mem_free(s->config.name);
	mem_free(s->config.listen);
	mem_free(s->config.backend);
	test_node_fini(&s->node);
	loop_free(s->loop);
	mem_free(s);
	return 0;
}

static void
on_closed(void *arg)
{
	*(bool *)arg = true;
}

void
site_close(struct site *s)
{
	if (s->ports == NULL)
		return;
	s->closed = false;
	ports_close(s->ports, on_closed, &s->closed);
	s->ports = NULL;
	assert_true(wait_until(s->loop, wait_flag, &s->closed));
}

void
site_open(struct site *s)
{
	const struct ports_params p = {
	    .loop = s->loop,
	    .cache = s->node.cache,
	    .configs = &s->config,
	    .count = 1,
	    .threads = 2,
	};
	struct err err;

	site_close(s);
	if (ports_new(&p, &s->ports, &err) < 0)
		fail_msg("%s", err.text);
}

uint16_t
site_port(const struct site *s)
{
	char host[ADDRESS_HOST_MAX];
	uint16_t port;

	assert_int_equal(address_split(ports_address(s->ports, 0), host, &port, NULL), 0);
	return port;
}

struct port_counts
site_counts(const struct site *s)
{
	struct port_counts n;

	ports_counts(s->ports, 0, &n);
	return n;
}

/* ------------------------------------------------------------------------- set-up errors */

static void
test_errors(void **state)
{
	struct site *s = *state;
	static const struct {
		const char *listen, *backend, *ciphers, *fallback, *client_ca;
		int rule, code;
		const char *says;
	} cases[] = {
	    {"nowhere:0", "builtin", NULL, NULL, NULL, 0, ERR_INVALID, "nowhere"},
	    {"127.0.0.1:0", "ftp:x", NULL, NULL, NULL, 0, ERR_INVALID, "ftp:x"},
	    {"127.0.0.1:0", "tcp:host", NULL, NULL, NULL, 0, ERR_INVALID, "HOST:PORT"},
	    {"127.0.0.1:0", "builtin", "NONE-SUCH", NULL, NULL, 0, ERR_INVALID, "NONE-SUCH"},
	    {"127.0.0.1:0", "builtin", NULL, "a b", NULL, 0, ERR_INVALID, "fallback"},
	    {"127.0.0.1:0", "builtin", NULL, NULL, "/nonexistent/ca.pem", TLS_CLIENT_REQUIRE,
		ERR_NOTFOUND, "/nonexistent/ca.pem"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct port_config config = {
		    .name = (char[]){"www"},
		    .listen = (char *)(uintptr_t)cases[i].listen,
		    .backend = (char *)(uintptr_t)cases[i].backend,
		    .ciphers = (char *)(uintptr_t)cases[i].ciphers,
		    .fallback = (char *)(uintptr_t)cases[i].fallback,
		    .client_ca = (char *)(uintptr_t)cases[i].client_ca,
		    .client_certificates = cases[i].rule,
		};
		const struct ports_params p = {
		    .loop = s->loop, .cache = s->node.cache, .configs = &config, .count = 1};
		struct ports *ports = NULL;
		struct err err;
		int r = ports_new(&p, &ports, &err);

		if (r != cases[i].code || strstr(err.text, cases[i].says) == NULL ||
		    strstr(err.text, "port 'www'") == NULL)
			fail_msg("case %zu: %d %s", i, r, r < 0 ? err.text : "");
		assert_null(ports);
	}
}

/* SO_REUSEPORT is for our own threads: a port that somebody else has is an error. */
static void
test_taken_port(void **state)
{
	struct site *s = *state;
	struct port_config config = s->config;
	const struct ports_params p = {
	    .loop = s->loop, .cache = s->node.cache, .configs = &config, .count = 1};
	struct ports *ports = NULL;
	struct err err;

	site_open(s);
	config.listen = (char *)(uintptr_t)ports_address(s->ports, 0);
	assert_int_equal(ports_new(&p, &ports, &err), ERR_BUSY);
	assert_non_null(strstr(err.text, config.listen));
}

/* ------------------------------------------------------------------------- http ports */

struct plain {
	uint16_t port;
	const char *send;
	bool abandon;
	char reply[2048]; /* as much as fits */
	size_t total;
	struct job job;
	bool finished;
};

static void
run_plain(struct job *job)
{
	struct plain *p = CONTAINER_OF(job, struct plain, job);
	struct timeval limit = {.tv_sec = 20};
	struct address a;
	char rest[4096];
	size_t len = 0;
	ssize_t n;
	int fd;

	CHECK(address_numeric("127.0.0.1", p->port, &a, NULL) == 0);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	CHECK(connect(fd, (struct sockaddr *)&a.sa, a.len) == 0);
	CHECK(send(fd, p->send, strlen(p->send), MSG_NOSIGNAL) >= 0);
	while (!p->abandon && len < sizeof(p->reply) - 1 &&
	    (n = recv(fd, p->reply + len, sizeof(p->reply) - 1 - len, 0)) > 0)
		len += (size_t)n;
	p->reply[len] = '\0';
	p->total = len;
	while (!p->abandon && (n = recv(fd, rest, sizeof(rest), 0)) > 0)
		p->total += (size_t)n;
	close(fd);
}

static void
plain_done(struct job *job)
{
	CONTAINER_OF(job, struct plain, job)->finished = true;
}

static void
ask_plain(struct site *s, struct plain *p)
{
	p->port = site_port(s);
	p->finished = false;
	p->job = (struct job){run_plain, plain_done, NULL};
	loop_background(s->loop, &p->job);
	assert_true(wait_until(s->loop, wait_flag, &p->finished));
}

static void
test_redirects(void **state)
{
	static const struct {
		const char *send, *begins, *location;
	} cases[] = {
	    {"GET /a?b HTTP/1.1\r\nHost: www.example.org:80\r\n\r\n", "HTTP/1.1 308 ",
		"\r\nLocation: https://www.example.org:8443/a?b\r\n"},
	    {"POST / HTTP/1.1\r\nHost: [::1]\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 308 ",
		"\r\nLocation: https://[::1]:8443/\r\n"},
	    {"GET /.well-known/acme-challenge/x HTTP/1.1\r\nHost: a.org\r\n\r\n", "HTTP/1.1 404 ",
		NULL},
	    {"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 ", NULL},
	    {"GET / HTTP/1.1\r\nHost: a\"b\r\n\r\n", "HTTP/1.1 400 ", NULL},
	    {"\x16\x03\x01\x02\r\n\r\n", "HTTP/1.1 400 ", NULL},
	};
	struct site *s = *state;

	s->config.kind = PORT_HTTP;
	site_open(s);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct plain p = {.send = cases[i].send};

		ask_plain(s, &p);
		if (strncmp(p.reply, cases[i].begins, strlen(cases[i].begins)) != 0 ||
		    (cases[i].location != NULL) != (strstr(p.reply, "\r\nLocation: ") != NULL) ||
		    (cases[i].location != NULL && strstr(p.reply, cases[i].location) == NULL))
			fail_msg("case %zu: %s", i, p.reply);
	}
	s->config.https_port = 443;
	site_open(s);
	{
		struct plain p = {.send = "GET / HTTP/1.1\r\nHost: a.org\r\n\r\n"};

		ask_plain(s, &p);
		assert_non_null(strstr(p.reply, "\r\nLocation: https://a.org/\r\n"));
	}
}

/* What Micro CAs publish, as large as it may be, new and gone by records. */

struct asked {
	struct site *s;
	struct id ca;
};

static size_t
ask_file(
    struct asked *a, const char *method, const char *prefix, const char *suffix, const char *begins)
{
	char hex[ID_HEX_MAX], send[256];
	struct plain p = {.send = send};
	const char *end;

	snprintf(send, sizeof(send), "%s %s%s%s HTTP/1.0\r\n\r\n", method, prefix,
	    id_hex(&a->ca, hex), suffix);
	ask_plain(a->s, &p);
	end = strstr(p.reply, "\r\n\r\n");
	if (strncmp(p.reply, begins, strlen(begins)) != 0 || end == NULL)
		fail_msg("%s: %s", send, p.reply);
	return p.total - (size_t)(end + 4 - p.reply);
}

static void
put_list(struct site *s, const struct id *record, const struct id *ca, uint64_t version, size_t len)
{
	struct buf public = BUF_INIT(LIMIT_PUBLIC_CRL);
	uint8_t *der = mem_zalloc(len);
	const struct crl_public p = {.ca = *ca,
	    .der = SPAN(der, len),
	    .number = version,
	    .this_update = 1,
	    .next_update = 2};

	CHECK(wire_crl_public_encode(&p, &public, NULL) == 0);
	test_node_put_public(&s->node, KIND_CRL, record, version, buf_span(&public));
	test_node_apply(&s->node);
	buf_fini(&public);
	mem_free(der);
}

static void
test_published(void **state)
{
	struct site *s = *state;
	struct asked a = {.s = s, .ca = {{7}}};
	const struct id list = {{8}};
	const struct span chain[] = {cert_der(s->node.pki.ca)};
	const struct ca_public ca = {
	    .key_type = "ec-p256", .key = SPAN("key", 3), .chain = {chain, 1}};
	struct buf public = BUF_INIT(LIMIT_PUBLIC);

	s->config.kind = PORT_HTTP;
	site_open(s);
	assert_true(ask_file(&a, "GET", "/crl/", ".crl", "HTTP/1.1 404 ") > 0);
	put_list(s, &list, &a.ca, 1, 1000);
	assert_int_equal(ask_file(&a, "GET", "/crl/", ".crl", "HTTP/1.1 200 "), 1000);
	assert_int_equal(ask_file(&a, "HEAD", "/crl/", ".crl", "HTTP/1.1 200 "), 0);
	assert_true(ask_file(&a, "POST", "/crl/", ".crl", "HTTP/1.1 405 ") > 0);
	assert_true(ask_file(&a, "GET", "/ca/", ".crt", "HTTP/1.1 404 ") > 0);
	assert_int_equal(wire_ca_public_encode(&ca, &public, NULL), 0);
	test_node_put_public(&s->node, KIND_CA, &a.ca, 1, buf_span(&public));
	put_list(s, &list, &a.ca, 2, LIMIT_CRL);
	assert_int_equal(ask_file(&a, "GET", "/ca/", ".crt", "HTTP/1.1 200 "), chain[0].len);
	assert_int_equal(ask_file(&a, "GET", "/crl/", ".crl", "HTTP/1.1 200 "), LIMIT_CRL);
	/* The same from the disk. */
	test_node_load(&s->node);
	assert_int_equal(ask_file(&a, "GET", "/crl/", ".crl", "HTTP/1.1 200 "), LIMIT_CRL);
	test_node_put_public(&s->node, KIND_CRL, &list, 3, SPAN(NULL, 0));
	test_node_apply(&s->node);
	assert_true(ask_file(&a, "GET", "/crl/", ".crl", "HTTP/1.1 404 ") > 0);
	assert_int_equal(ask_file(&a, "GET", "/ca/", ".crt", "HTTP/1.1 200 "), chain[0].len);
	buf_fini(&public);
}

static void
test_head_too_long(void **state)
{
	struct site *s = *state;
	struct buf head = BUF_INIT(16384);
	struct plain p = {0};

	s->config.kind = PORT_HTTP;
	site_open(s);
	buf_put_str(&head, "GET / HTTP/1.1\r\nA: ");
	while (head.len < 8300)
		buf_put_u8(&head, 'a');
	p.send = buf_str(&head);
	ask_plain(s, &p);
	assert_non_null(strstr(p.reply, "431"));
	buf_fini(&head);
}

/* ------------------------------------------------------------------------- limits */

static int
connect_silently(const struct site *s)
{
	struct address a;
	int fd;

	assert_int_equal(address_numeric("127.0.0.1", site_port(s), &a, NULL), 0);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a.sa, a.len), 0);
	return fd;
}

struct wanted {
	struct site *site;
	uint64_t accepted, open;
};

static bool
has_counts(void *arg)
{
	const struct wanted *w = arg;
	struct port_counts n = site_counts(w->site);

	return n.accepted == w->accepted && n.open == w->open;
}

/* Counts change on other threads, so nothing wakes this loop: look each millisecond. */
static void
wait_counts(struct site *s, uint64_t accepted, uint64_t open)
{
	struct wanted w = {s, accepted, open};
	struct timer tick = {.cb = wait_nothing};
	uint64_t end = runtime_mono_ms(loop_runtime(s->loop)) + WAIT_MS;

	while (!has_counts(&w) && runtime_mono_ms(loop_runtime(s->loop)) < end) {
		runtime_timer_start(loop_runtime(s->loop), &tick, 1);
		loop_turn(s->loop, true);
	}
	runtime_timer_stop(loop_runtime(s->loop), &tick);
	assert_true(has_counts(&w));
}

static void
test_connection_limit(void **state)
{
	struct site *s = *state;
	struct tls_client c;
	int fds[8];

	s->config.connections = 8;
	site_open(s);
	for (size_t i = 0; i < 8; i++)
		fds[i] = connect_silently(s);
	wait_counts(s, 8, 8);
	c = site_client(s, "www.example.org");
	tls_client_run(s->loop, &c); /* all are young: it finds no place */
	assert_false(c.done);
	tls_client_clear(&c);
	assert_int_equal(site_counts(s).refused, 1);
	for (size_t i = 0; i < 8; i++)
		close(fds[i]);
	wait_counts(s, 9, 0);
}

static void
test_close_with_everything_open(void **state)
{
	struct site *s = *state;
	int fds[16];

	for (int kind = PORT_TLS; kind <= PORT_HTTP; kind++) {
		s->config.kind = kind;
		site_open(s);
		for (size_t i = 0; i < 16; i++)
			fds[i] = connect_silently(s);
		wait_counts(s, 16, 16);
		site_close(s);
		for (size_t i = 0; i < 16; i++) {
			char byte;

			assert_true(recv(fds[i], &byte, 1, 0) <= 0);
			close(fds[i]);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    SITE_TEST(test_errors),
	    SITE_TEST(test_taken_port),
	    SITE_TEST(test_redirects),
	    SITE_TEST(test_published),
	    SITE_TEST(test_head_too_long),
	    SITE_TEST(test_connection_limit),
	    SITE_TEST(test_close_with_everything_open),
	};
	int failures = 0;

	if (secret_heap_init(4 * 1024 * 1024, NULL) < 0)
		return 77;
	failures += run_head_tests();
	failures += cmocka_run_group_tests(tests, NULL, NULL);
	failures += run_tls_port_tests();
	failures += run_roots_tests();
	failures += run_backend_tests();
	return failures;
}
