/* Ports that judge clients by the domain's roots: swapped while they serve. */

#include "tests/unit/replica/ports/test_ports.h"

#include "common/base/limits.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

struct guests {
	struct pki other;
	struct test_credential c;
	struct buf own, stranger; /* identities */
	const struct cert *own_roots[2], *other_roots[2];
};

static void
guests_init(struct site *s, struct guests *g)
{
	*g = (struct guests){.own = BUF_INIT(8192), .stranger = BUF_INIT(8192)};
	pki_init(&g->other);
	site_put_identity(&s->node.pki, &g->own);
	site_put_identity(&g->other, &g->stranger);
	g->own_roots[0] = s->node.pki.root;
	g->own_roots[1] = s->node.pki.manager;
	g->other_roots[0] = g->other.root;
	g->other_roots[1] = g->other.manager;
	test_node_add(&s->node, &g->c, "www.example.org", KEY_EC_P256);
	s->config.client_certificates = TLS_CLIENT_REQUIRE;
	site_open(s);
}

static void
guests_fini(struct guests *g)
{
	buf_fini(&g->own);
	buf_fini(&g->stranger);
	pki_fini(&g->other);
	test_credential_fini(&g->c);
}

static struct tls_client
guest(struct site *s, const struct buf *identity, int version)
{
	struct tls_client client = site_client(s, "www.example.org");

	client.min_version = client.max_version = version;
	client.identity_pem = identity != NULL ? buf_str(identity) : NULL;
	return client;
}

/* In TLS 1.3 only the reply says whether the server took the certificate. */
static bool
is_welcome(struct site *s, const struct buf *identity, int version)
{
	struct tls_client client = guest(s, identity, version);
	bool welcome;

	tls_client_run(s->loop, &client);
	welcome = client.done && client.reply.len > 0;
	tls_client_clear(&client);
	return welcome;
}

static void
set_roots(struct site *s, const struct cert *const *roots, size_t count)
{
	struct err err;

	if (ports_set_roots(s->ports, roots, count, &err) < 0)
		fail_msg("%s", err.text);
}

static void
test_swapped(void **state)
{
	static const int versions[] = {0x303, 0x304};
	struct site *s = *state;
	struct guests g;

	guests_init(s, &g);
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		int v = versions[i];

		set_roots(s, NULL, 0);
		assert_false(is_welcome(s, &g.own, v));
		set_roots(s, g.own_roots, 2);
		assert_true(is_welcome(s, &g.own, v));
		assert_false(is_welcome(s, &g.stranger, v));
		assert_false(is_welcome(s, NULL, v));
		set_roots(s, g.other_roots, 2);
		assert_false(is_welcome(s, &g.own, v));
		assert_true(is_welcome(s, &g.stranger, v));
	}
	guests_fini(&g);
}

/* With its ticket a client would come in without a certificate: the roots are not asked again. */
static void
check_tickets(struct site *s, struct guests *g, int version)
{
	const struct cert *both[] = {g->own_roots[0], g->own_roots[1], g->other_roots[0]};
	struct tls_client first, again;

	set_roots(s, g->own_roots, 2);
	first = guest(s, &g->own, version);
	tls_client_run(s->loop, &first);
	assert_true(first.reply.len > 0);
	/* The same roots again are no change. */
	set_roots(s, g->own_roots, 2);
	for (unsigned changed = 0; changed < 2; changed++) {
		if (changed == 1)
			set_roots(s, both, 3);
		again = guest(s, &g->own, version);
		again.session = first.new_session;
		tls_client_run(s->loop, &again);
		assert_true(again.reply.len > 0);
		assert_int_equal(again.resumed, changed == 0);
		tls_client_clear(&again);
	}
	set_roots(s, g->other_roots, 2);
	again = guest(s, NULL, version);
	again.session = first.new_session;
	tls_client_run(s->loop, &again);
	assert_int_equal(again.reply.len, 0);
	tls_client_clear(&again);
	tls_client_clear(&first);
}

static void
test_tickets_end(void **state)
{
	struct site *s = *state;
	struct guests g;

	guests_init(s, &g);
	check_tickets(s, &g, 0x303);
	check_tickets(s, &g, 0x304);
	/* Fresh keys of tickets reach the policies that were swapped in. */
	site_open(s);
	check_tickets(s, &g, 0x304);
	guests_fini(&g);
}

/* Who was there before the change is judged by what was then. */
static void
test_under_way(void **state)
{
	struct site *s = *state;
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct tls_client client;
	struct guests g;
	int fd;

	guests_init(s, &g);
	set_roots(s, g.own_roots, 2);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	in.sin_port = htons(site_port(s));
	assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	/* Open, and with a policy, which one that is accepted may not have yet. */
	while (site_counts(s).open == 0)
		loop_turn(s->loop, false);
	set_roots(s, g.other_roots, 2);
	client = guest(s, &g.own, 0x304);
	client.fd = fd;
	tls_client_run(s->loop, &client);
	assert_true(client.reply.len > 0);
	tls_client_clear(&client);
	assert_false(is_welcome(s, &g.own, 0x304));
	guests_fini(&g);
}

/* More names of roots than a handshake has room for: the client is told none, and gets in. */
static void
test_many(void **state)
{
	struct site *s = *state;
	const struct cert *roots[LIMIT_TRUSTED_ROOTS];
	struct cert *made[LIMIT_TRUSTED_ROOTS - 2];
	struct guests g;

	guests_init(s, &g);
	for (size_t i = 0; i < ARRAY_LEN(made); i++) {
		char name[64];

		snprintf(name, sizeof(name),
		    "A root with a name that takes so much room in a handshake, %zu", i);
		assert_int_equal(cert_issue_ca(s->node.pki.ca_key, name, s->node.pki.now - 60,
				     s->node.pki.now + 3600, &made[i], NULL),
		    0);
		roots[i] = made[i];
	}
	roots[ARRAY_LEN(made)] = g.own_roots[0];
	roots[ARRAY_LEN(made) + 1] = g.own_roots[1];
	set_roots(s, roots, ARRAY_LEN(roots));
	assert_true(is_welcome(s, &g.own, 0x303));
	assert_true(is_welcome(s, &g.own, 0x304));
	assert_false(is_welcome(s, &g.stranger, 0x304));
	for (size_t i = 0; i < ARRAY_LEN(made); i++)
		cert_unref(made[i]);
	guests_fini(&g);
}

int
run_roots_tests(void)
{
	const struct CMUnitTest roots_tests[] = {
	    SITE_TEST(test_swapped),
	    SITE_TEST(test_tickets_end),
	    SITE_TEST(test_under_way),
	    SITE_TEST(test_many),
	};

	return cmocka_run_group_tests(roots_tests, NULL, NULL);
}
