/* TLS ports with a real cache behind them, seen by a client that is plain OpenSSL. */

#include "tests/unit/replica/ports/test_ports.h"

#include "common/base/str.h"
#include "common/crypto/cert.h"
#include "common/crypto/secret.h"
#include "common/tls/address.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

struct tls_client
site_client(const struct site *s, const char *name)
{
	return (struct tls_client){.port = site_port(s),
	    .name = name,
	    .request = span_str("GET /status HTTP/1.1\r\nHost: x\r\n\r\n")};
}

bool
client_got(const struct tls_client *c, const struct test_credential *want)
{
	return c->done && hash_equal(&c->leaf, &want->print);
}

static void
test_page(void **state)
{
	static const struct {
		const char *request, *begins, *holds;
	} cases[] = {
	    {"GET /status HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 ", "\r\n\r\n{\"a\":\"<b>\"}"},
	    {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 ", "{\"a\":\"&lt;b>\"}"},
	    {"HEAD /status HTTP/1.1\r\n\r\n", "HTTP/1.1 200 ", "Content-Length: 11\r\n"},
	    {"GET /other HTTP/1.1\r\n\r\n", "HTTP/1.1 404 ", ""},
	    {"POST / HTTP/1.1\r\n\r\n", "HTTP/1.1 405 ", "Allow: GET, HEAD"},
	    {"nonsense\r\n\r\n", "HTTP/1.1 400 ", ""},
	};
	struct site *s = *state;
	struct test_credential c;

	test_node_add(&s->node, &c, "www.example.org", KEY_EC_P256);
	site_open(s);
	ports_set_status(s->ports, span_str("{\"a\":\"<b>\"}"));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct tls_client client = site_client(s, "www.example.org");

		client.request = span_str(cases[i].request);
		tls_client_run(s->loop, &client);
		assert_true(client_got(&client, &c));
		if (!str_starts(buf_str(&client.reply), cases[i].begins) ||
		    strstr(buf_str(&client.reply), cases[i].holds) == NULL)
			fail_msg("case %zu: %s", i, buf_str(&client.reply));
		tls_client_clear(&client);
	}
	assert_int_equal(site_counts(s).handshakes, ARRAY_LEN(cases));
	test_credential_fini(&c);
}

/* Names and types of the cache, the fallback, and the alert for names that nobody serves. */
static void
test_choice(void **state)
{
	struct site *s = *state;
	struct test_credential ec, rsa, wild;
	const struct {
		const char *name, *sigalgs;
		int version;
		const char *fallback;
		const struct test_credential *want;
		int alert;
	} cases[] = {
	    {"www.example.org", NULL, 0, NULL, &ec, 0},
	    {"WWW.example.org", NULL, 0, NULL, &ec, 0},
	    {"www.example.org", "rsa_pss_rsae_sha256", 0x304, NULL, &rsa, 0},
	    {"www.example.org", "RSA+SHA256", 0x303, NULL, &rsa, 0},
	    {"www.example.org", "ed25519", 0x304, NULL, NULL, 40},
	    {"a.example.org", NULL, 0, NULL, &wild, 0},
	    {"example.com", NULL, 0, NULL, NULL, 112},
	    {NULL, NULL, 0, NULL, NULL, 112},
	    {"example.com", NULL, 0, "www.example.org", &ec, 0},
	    {NULL, NULL, 0x303, "www.example.org", &ec, 0},
	    {NULL, NULL, 0, "nobody.example.com", NULL, 112},
	    {"a b", NULL, 0, "www.example.org", &ec, 0},
	};

	test_node_add(&s->node, &rsa, "www.example.org", KEY_RSA_2048);
	test_node_add(&s->node, &ec, "www.example.org", KEY_EC_P256);
	test_node_add(&s->node, &wild, "*.example.org", KEY_EC_P256);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct tls_client client;

		s->config.fallback = (char *)(uintptr_t)cases[i].fallback;
		site_open(s);
		client = site_client(s, cases[i].name);
		client.sigalgs = cases[i].sigalgs;
		client.min_version = client.max_version = cases[i].version;
		tls_client_run(s->loop, &client);
		if (cases[i].want != NULL ? !client_got(&client, cases[i].want)
					  : client.done || client.alert != cases[i].alert)
			fail_msg("case %zu: done %d alert %d", i, client.done, client.alert);
		tls_client_clear(&client);
	}
	test_credential_fini(&ec);
	test_credential_fini(&rsa);
	test_credential_fini(&wild);
}

struct visitor {
	struct tls_client client;
	pthread_t thread;
	atomic_bool finished;
};

static void *
visit(void *arg)
{
	struct visitor *v = arg;

	tls_client_once(&v->client);
	atomic_store(&v->finished, true);
	return NULL;
}

static bool
has_finished(void *arg)
{
	return atomic_load(&((struct visitor *)arg)->finished);
}

/*
 * Keys that are not open yet: the handshakes wait for them, all of them are answered. The clients
 * have threads of their own, since the loop's open the keys.
 */
static void
test_waiting_for_keys(void **state)
{
	enum { MANY = 20 };
	struct site *s = *state;
	static struct test_credential c[MANY];
	static struct visitor v[2 * MANY];
	static char names[MANY][32];

	for (size_t i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof(names[i]), "h%zu.example.org", i);
		c[i] = (struct test_credential){.names = {names[i]}, .type = KEY_EC_P256};
		test_node_issue(&s->node, &c[i]);
		test_node_put(&s->node, &c[i]);
	}
	test_node_store(&s->node);
	test_node_load(&s->node);
	site_open(s);
	for (size_t i = 0; i < 2 * MANY; i++) {
		v[i].client = site_client(s, names[i % MANY]);
		assert_int_equal(pthread_create(&v[i].thread, NULL, visit, &v[i]), 0);
	}
	for (size_t i = 0; i < 2 * MANY; i++) {
		while (!has_finished(&v[i]))
			loop_turn(s->loop, false);
		pthread_join(v[i].thread, NULL);
		assert_true(client_got(&v[i].client, &c[i % MANY]));
		tls_client_clear(&v[i].client);
	}
	for (size_t i = 0; i < MANY; i++)
		test_credential_fini(&c[i]);
}

/* ------------------------------------------------------------------------- tickets */

static bool
resumes(struct site *s, void *session, int version, const char *name)
{
	struct tls_client client = site_client(s, name);
	bool resumed;

	client.session = session;
	client.min_version = client.max_version = version;
	tls_client_run(s->loop, &client);
	resumed = client.resumed;
	tls_client_clear(&client);
	return resumed;
}

static void
check_tickets(struct site *s, int version)
{
	struct test_credential c;
	struct tls_client first;

	test_node_add(&s->node, &c, "www.example.org", KEY_EC_P256);
	site_open(s);
	first = site_client(s, "www.example.org");
	first.min_version = first.max_version = version;
	tls_client_run(s->loop, &first);
	assert_true(client_got(&first, &c));
	assert_true(resumes(s, first.new_session, version, "www.example.org"));
	/* Another credential for another name changes nothing. */
	{
		struct test_credential other;

		test_node_add(&s->node, &other, "other.example.org", KEY_EC_P256);
		assert_true(resumes(s, first.new_session, version, "www.example.org"));
		other.removed = true;
		test_node_put(&s->node, &other);
		test_node_apply(&s->node);
		test_credential_fini(&other);
	}
	/* A renewal ends it: a full handshake with the new certificate. */
	test_node_issue(&s->node, &c);
	test_node_put(&s->node, &c);
	test_node_apply(&s->node);
	assert_false(resumes(s, first.new_session, version, "www.example.org"));
	tls_client_clear(&first);
	first = site_client(s, "www.example.org");
	first.min_version = first.max_version = version;
	tls_client_run(s->loop, &first);
	assert_true(client_got(&first, &c));
	/* So does a withdrawal: nobody gets in by a ticket. */
	c.withdrawn = true;
	test_node_put(&s->node, &c);
	test_node_apply(&s->node);
	assert_false(resumes(s, first.new_session, version, "www.example.org"));
	tls_client_clear(&first);
	test_credential_fini(&c);
}

static void
test_tickets(void **state)
{
	check_tickets(*state, 0x303);
	check_tickets(*state, 0x304);
	assert_true(site_counts(*state).resumed >= 2);
}

static void
test_no_tickets(void **state)
{
	static const int versions[] = {0x303, 0x304};
	struct site *s = *state;
	struct test_credential c;

	test_node_add(&s->node, &c, "www.example.org", KEY_EC_P256);
	s->config.resumption = false;
	site_open(s);
	for (size_t i = 0; i < 2; i++) {
		struct tls_client first = site_client(s, "www.example.org");

		first.min_version = first.max_version = versions[i];
		tls_client_run(s->loop, &first);
		assert_true(first.done);
		assert_false(resumes(s, first.new_session, versions[i], "www.example.org"));
		tls_client_clear(&first);
	}
	test_credential_fini(&c);
}

/* ------------------------------------------------------------------------- policy */

static void
test_policy(void **state)
{
	struct site *s = *state;
	char *alpn_items[] = {(char[]){"h2"}, (char[]){"http/1.1"}};
	struct test_credential c;
	struct tls_client client;

	test_node_add(&s->node, &c, "www.example.org", KEY_EC_P256);
	s->config.min_tls = TLS_1_3;
	s->config.alpn = (struct conf_list){alpn_items, 2};
	site_open(s);
	client = site_client(s, "www.example.org");
	client.max_version = 0x303;
	tls_client_run(s->loop, &client);
	assert_false(client.done);
	assert_int_equal(client.alert, 70); /* protocol_version */
	tls_client_clear(&client);
	client = site_client(s, "www.example.org");
	client.alpn = "h2";
	tls_client_run(s->loop, &client);
	assert_string_equal(client.protocol, "h2");
	tls_client_clear(&client);
	client = site_client(s, "www.example.org");
	client.alpn = "smtp";
	tls_client_run(s->loop, &client);
	assert_false(client.done);
	assert_int_equal(client.alert, 120); /* no_application_protocol */
	tls_client_clear(&client);
	test_credential_fini(&c);
}

void
site_put_identity(struct pki *p, struct buf *pem)
{
	struct id node = {{7}};
	struct pkey *key = NULL;
	struct cert *leaf;
	struct secret *pkcs8 = NULL;

	CHECK(pkey_generate(KEY_EC_P256, &key, NULL) == 0);
	CHECK(pkey_to_pkcs8(key, &pkcs8, NULL) == 0);
	leaf = pki_node_leaf(p, &node, key, false);
	cert_put_pem(cert_der(leaf), pem);
	buf_put_str(pem, "-----BEGIN PRIVATE KEY-----\n");
	base64_put(pem, secret_span(pkcs8));
	buf_put_str(pem, "\n-----END PRIVATE KEY-----\n");
	cert_unref(leaf);
	secret_free(pkcs8);
	pkey_unref(key);
}

struct guest {
	int rule;
	const struct buf *identity; /* NULL: none */
	bool welcome;
};

static void
check_guest(struct site *s, const struct guest *g, int version)
{
	struct tls_client client;

	s->config.client_certificates = g->rule;
	site_open(s);
	client = site_client(s, "www.example.org");
	client.min_version = client.max_version = version;
	client.identity_pem = g->identity != NULL ? buf_str(g->identity) : NULL;
	tls_client_run(s->loop, &client);
	/* In TLS 1.3 only the reply says whether the server took the certificate. */
	if ((client.done && client.reply.len > 0) != g->welcome)
		fail_msg("rule %d, version %x: done %d, reply %zu", g->rule, (unsigned)version,
		    client.done, client.reply.len);
	tls_client_clear(&client);
}

static void
test_client_certificates(void **state)
{
	struct site *s = *state;
	char path[] = "/tmp/certherd-test-ca-XXXXXX";
	struct buf ca = BUF_INIT(8192), good = BUF_INIT(8192), strange = BUF_INIT(8192);
	const struct guest guests[] = {
	    {TLS_CLIENT_REQUEST, NULL, true},
	    {TLS_CLIENT_REQUEST, &good, true},
	    {TLS_CLIENT_REQUEST, &strange, false},
	    {TLS_CLIENT_REQUIRE, NULL, false},
	    {TLS_CLIENT_REQUIRE, &good, true},
	    {TLS_CLIENT_REQUIRE, &strange, false},
	};
	int fd = mkstemp(path);
	struct test_credential c;
	struct pki other;

	pki_init(&other);
	site_put_identity(&s->node.pki, &good);
	site_put_identity(&other, &strange);
	cert_put_pem(cert_der(s->node.pki.root), &ca);
	cert_put_pem(cert_der(s->node.pki.manager), &ca);
	assert_int_equal(write(fd, ca.data, ca.len), ca.len);
	close(fd);
	test_node_add(&s->node, &c, "www.example.org", KEY_EC_P256);
	s->config.client_ca = path;
	for (size_t i = 0; i < ARRAY_LEN(guests); i++) {
		check_guest(s, &guests[i], 0x303);
		check_guest(s, &guests[i], 0x304);
	}
	s->config.client_ca = NULL;
	unlink(path);
	buf_fini(&ca);
	buf_fini(&good);
	buf_fini(&strange);
	pki_fini(&other);
	test_credential_fini(&c);
}

/* ------------------------------------------------------------------------- swaps */

struct storm {
	struct tls_client client; /* the pattern */
	pthread_t thread;
	atomic_bool stop;
	atomic_uint handshakes, failures;
};

static void *
shake_hands(void *arg)
{
	struct storm *s = arg;

	while (!atomic_load(&s->stop)) {
		struct tls_client c = s->client;

		tls_client_once(&c);
		atomic_fetch_add(c.done ? &s->handshakes : &s->failures, 1);
		tls_client_clear(&c);
	}
	return NULL;
}

/* Handshakes never stop and never fail while what they are served changes all the time. */
static void
test_swaps_under_load(void **state)
{
	enum { SWAPS = 1000 };
	struct site *s = *state;
	struct storm storm = {0};
	struct test_credential c;
	struct cache_stats stats;

	test_node_add(&s->node, &c, "www.example.org", KEY_EC_P256);
	site_open(s);
	storm.client = site_client(s, "www.example.org");
	assert_int_equal(pthread_create(&storm.thread, NULL, shake_hands, &storm), 0);
	while (atomic_load(&storm.handshakes) == 0)
		loop_turn(s->loop, false);
	for (int i = 0; i < SWAPS; i++) {
		test_node_issue(&s->node, &c);
		test_node_put(&s->node, &c);
		test_node_apply(&s->node);
	}
	atomic_store(&storm.stop, true);
	pthread_join(storm.thread, NULL);
	assert_int_equal(atomic_load(&storm.failures), 0);
	assert_true(atomic_load(&storm.handshakes) > 10);
	cache_stats(s->node.cache, &stats);
	assert_true(stats.serving.swaps >= SWAPS);
	test_credential_fini(&c);
}

/* A connection that goes on for long does not keep the key of a credential that has left. */
static void
test_key_is_wiped(void **state)
{
	struct site *s = *state;
	struct visitor v = {0};
	struct test_credential c;
	size_t before, after, size, wiped[2];

	site_open(s);
	for (size_t with_connection = 0; with_connection < 2; with_connection++) {
		test_node_add(&s->node, &c, "www.example.org", KEY_EC_P256);
		c.withdrawn = true;
		test_node_put(&s->node, &c);
		test_credential_fini(&c);
		if (with_connection) {
			v.client = site_client(s, "www.example.org");
			v.client.request = span_str("GET /");
			assert_int_equal(pthread_create(&v.thread, NULL, visit, &v), 0);
			while (site_counts(s).handshakes == 0)
				loop_turn(s->loop, false);
		}
		secret_heap_usage(&before, &size);
		test_node_apply(&s->node);
		secret_heap_usage(&after, &size);
		assert_int_equal(site_counts(s).open, with_connection);
		wiped[with_connection] = before - after;
	}
	assert_true(wiped[0] > 0);
	assert_int_equal(wiped[0], wiped[1]);
	site_close(s);
	pthread_join(v.thread, NULL);
	tls_client_clear(&v.client);
}

int
run_tls_port_tests(void)
{
	const struct CMUnitTest tls_port_tests[] = {
	    SITE_TEST(test_page),
	    SITE_TEST(test_choice),
	    SITE_TEST(test_waiting_for_keys),
	    SITE_TEST(test_tickets),
	    SITE_TEST(test_no_tickets),
	    SITE_TEST(test_policy),
	    SITE_TEST(test_client_certificates),
	    SITE_TEST(test_key_is_wiped),
	    SITE_TEST(test_swaps_under_load),
	};

	return cmocka_run_group_tests(tls_port_tests, NULL, NULL);
}
