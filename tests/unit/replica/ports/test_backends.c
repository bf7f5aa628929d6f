/* Where the plain bytes go, and what is told about who sent them. */

#include "tests/unit/replica/ports/test_ports.h"

#include "common/base/str.h"
#include "common/crypto/cert.h"
#include "common/tls/address.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void
set_text(char **where, const char *text)
{
	mem_free(*where);
	*where = mem_strdup(text);
}

struct backend_server {
	int listener;
	pthread_t thread;
	char got[4096];
	size_t len, want;
};

/* Takes one connection, reads what it wants, answers "pong", and closes. */
static void *
serve_one(void *arg)
{
	struct backend_server *b = arg;
	int fd = accept(b->listener, NULL, NULL);

	while (b->len < b->want) {
		ssize_t n = recv(fd, b->got + b->len, sizeof(b->got) - b->len, 0);

		if (n <= 0)
			break;
		b->len += (size_t)n;
	}
	CHECK(send(fd, "pong", 4, MSG_NOSIGNAL) == 4);
	close(fd);
	return NULL;
}

static void
visit(struct site *s, struct backend_server *b, struct tls_client *client, size_t header)
{
	b->len = 0;
	b->want = header + 4;
	assert_int_equal(pthread_create(&b->thread, NULL, serve_one, b), 0);
	client->request = span_str("ping");
	tls_client_run(s->loop, client);
	pthread_join(b->thread, NULL);
	assert_true(client->done);
	assert_string_equal(buf_str(&client->reply), "pong");
	assert_memory_equal(b->got + header, "ping", 4);
}

static void
check_backend(struct site *s, struct backend_server *b, const char *spec, size_t header)
{
	struct tls_client client;

	set_text(&s->config.backend, spec);
	site_open(s);
	client = site_client(s, "www.example.org");
	visit(s, b, &client, header);
	tls_client_clear(&client);
}

static void
test_backends(void **state)
{
	static const uint8_t proxy[] = {
	    0x0d, 0x0a, 0x0d, 0x0a, 0, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a, 0x21, 0x11, 0};
	struct site *s = *state;
	struct backend_server b = {0};
	struct test_credential c;
	struct address a;
	char text[ADDRESS_TEXT_MAX], spec[128];
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	size_t tlvs;

	test_node_add(&s->node, &c, "www.example.org", KEY_EC_P256);
	assert_int_equal(address_listen("127.0.0.1:0", false, &b.listener, &a, NULL), 0);
	fcntl(b.listener, F_SETFL, 0);
	snprintf(spec, sizeof(spec), "tcp:%s", address_text(&a, text));
	check_backend(s, &b, spec, 0);
	snprintf(spec, sizeof(spec), "tcp:localhost:%u", address_port(&a));
	check_backend(s, &b, spec, 0);
	/* 16 bytes, addresses, then what TLS knows: the name and the version. */
	s->config.proxy_protocol = true;
	tlvs = (3 + strlen("www.example.org")) + (3 + 5 + 3 + strlen("TLSv1.3"));
	check_backend(s, &b, spec, 16 + 12 + tlvs);
	assert_memory_equal(b.got, proxy, sizeof(proxy));
	assert_int_equal(b.got[15], 12 + tlvs);
	assert_memory_equal(b.got + 16, "\x7f\0\0\1\x7f\0\0\1", 8);
	assert_int_equal((uint8_t)b.got[26] << 8 | (uint8_t)b.got[27], site_port(s));
	assert_non_null(memmem(b.got + 28, tlvs, "\2\0\17www.example.org", 18));
	s->config.proxy_protocol = false;
	close(b.listener);
	/* Nobody there: the handshake is good, then the connection ends. */
	{
		struct tls_client client;

		site_open(s);
		client = site_client(s, "www.example.org");
		tls_client_run(s->loop, &client);
		assert_true(client.done);
		assert_int_equal(client.reply.len, 0);
		tls_client_clear(&client);
		assert_int_equal(site_counts(s).failed, 1);
	}
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/backend", s->node.dir);
	b.listener = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(b.listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(b.listener, 4), 0);
	snprintf(spec, sizeof(spec), "unix:%s", sa.sun_path);
	check_backend(s, &b, spec, 0);
	close(b.listener);
	unlink(sa.sun_path);
	test_credential_fini(&c);
}

/* A backend is told apart: a certificate of this connection, and one of the session it resumes. */
static void
test_told_of_certificates(void **state)
{
	static const char before_flags[] = "\x20\0\x0f";
	const size_t header =
	    28 + (3 + strlen("www.example.org")) + (3 + 5 + 3 + strlen("TLSv1.2"));
	struct site *s = *state;
	char path[] = "/tmp/certherd-test-ca-XXXXXX", text[ADDRESS_TEXT_MAX], spec[128];
	struct buf ca = BUF_INIT(8192), identity = BUF_INIT(8192);
	struct backend_server b = {0};
	struct test_credential c;
	struct tls_client first, second;
	struct address a;
	int fd = mkstemp(path);

	site_put_identity(&s->node.pki, &identity);
	cert_put_pem(cert_der(s->node.pki.root), &ca);
	cert_put_pem(cert_der(s->node.pki.manager), &ca);
	assert_int_equal(write(fd, ca.data, ca.len), ca.len);
	close(fd);
	test_node_add(&s->node, &c, "www.example.org", KEY_EC_P256);
	assert_int_equal(address_listen("127.0.0.1:0", false, &b.listener, &a, NULL), 0);
	fcntl(b.listener, F_SETFL, 0);
	snprintf(spec, sizeof(spec), "tcp:%s", address_text(&a, text));
	set_text(&s->config.backend, spec);
	s->config.proxy_protocol = true;
	s->config.client_ca = path;
	s->config.client_certificates = TLS_CLIENT_REQUIRE;
	site_open(s);
	first = site_client(s, "www.example.org");
	first.identity_pem = buf_str(&identity);
	first.min_version = first.max_version = 0x303;
	second = first;
	visit(s, &b, &first, header);
	assert_memory_equal(b.got + 46, before_flags, 3);
	assert_int_equal(b.got[49], 1 | 2 | 4);
	second.session = first.new_session;
	visit(s, &b, &second, header);
	assert_true(second.resumed);
	assert_int_equal(b.got[49], 1 | 4);
	assert_memory_equal(b.got + 50, "\0\0\0\0", 4);
	tls_client_clear(&first);
	tls_client_clear(&second);
	s->config.client_ca = NULL;
	close(b.listener);
	unlink(path);
	buf_fini(&ca);
	buf_fini(&identity);
	test_credential_fini(&c);
}

int
run_backend_tests(void)
{
	const struct CMUnitTest tests[] = {
	    SITE_TEST(test_backends),
	    SITE_TEST(test_told_of_certificates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
