#include "domain.h"

#include "common/base/str.h"
#include "common/crypto/sign.h"
#include "common/http/http.h"
#include "common/httpd/httpd.h"
#include "common/join/join.h"
#include "common/json/json.h"
#include "common/loop/loop.h"
#include "common/member/member.h"
#include "common/sys/file.h"
#include "common/tls/terminator.h"
#include "common/wire/link_messages.h"

#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/*
 * A server as a joining machine sees it: the real public port and HTTP engine, and behind them the
 * two addresses of the protocol. The machine runs in a thread of its own, since it blocks.
 */
struct site {
	struct loop *loop;
	struct httpd *httpd;
	struct terminator *terminator;
	struct tls_identity *identity;
	struct domain *domain;      /* whose certificate it has, and which root it shows */
	const struct domain *shown; /* which root it shows, if it is another one */
	char endpoint[ADDRESS_TEXT_MAX];
	unsigned roots, posts;
	int refuse;       /* the answer to a join is this error */
	bool lose;        /* the identity is made, and its answer lost */
	struct hash keys; /* of the join before */
	bool same_keys;
};

static struct site site;
static struct domain ours, other;
static char dir[64];

static void
handle_root(struct httpd_request *req, void *arg)
{
	struct buf body = BUF_INIT(65536);
	struct json_writer w = JSON_WRITER(&body);

	(void)arg;
	site.roots++;
	json_put_object(&w, NULL);
	json_put_text(&w, "domain", "example.org");
	json_put_text(&w, "domain_id", "00");
	json_put_text(&w, "fingerprint", "00");
	json_put_base64(&w, "certificate", cert_der(site.shown->root));
	json_put_end(&w);
	httpd_reply(req, 200, "application/json", buf_span(&body));
	buf_fini(&body);
}

static struct buf
bytes_of(const struct json *body, const char *name)
{
	struct buf out = BUF_INIT(LIMIT_CERT);
	struct err err;

	assert_int_equal(base64_decode(span_str(json_text(body, name)), &out, &err), 0);
	return out;
}

/* What a server checks of the two keys. */
static struct pkey *
check_proofs(const struct json *body)
{
	struct buf csr = bytes_of(body, "csr"), spki = bytes_of(body, "sealing_key");
	struct buf proof = bytes_of(body, "sealing_proof");
	AUTO(pkey_unrefp)
	struct pkey *sealing = NULL;
	struct pkey *identity = NULL;
	struct hash hash, keys;
	struct err err;

	assert_int_equal(csr_key(buf_span(&csr), &identity, &err), 0);
	assert_int_equal(pkey_from_spki(buf_span(&spki), &sealing, &err), 0);
	hash_of(buf_span(&csr), &hash);
	assert_int_equal(sign_verify(sealing, SIGN_JOIN, &site.domain->id, SPAN_OF(hash.bytes),
			     buf_span(&proof), &err),
	    0);
	hash_of_parts((struct span[]){pkey_spki(identity), pkey_spki(sealing)}, 2, &keys);
	site.same_keys = hash_equal(&keys, &site.keys);
	site.keys = keys;
	buf_fini(&csr);
	buf_fini(&spki);
	buf_fini(&proof);
	return identity;
}

static void
answer(struct httpd_request *req, const struct json *asked, const struct pkey *identity)
{
	struct buf body = BUF_INIT(65536);
	struct json_writer w = JSON_WRITER(&body);
	char hex[ID_HEX_MAX];
	struct cert *leaf = domain_issue(site.domain, identity, &site.domain->node, "web1",
	    (struct texts){NULL, 0}, (int64_t)time(NULL) - 60);

	assert_string_equal(json_text(asked, "name"), "web1");
	assert_string_equal(json_text(asked, "secret"), "000102030405060708090a0b0c0d0e0f");
	json_put_object(&w, NULL);
	json_put_text(&w, "node", id_hex(&site.domain->node, hex));
	json_put_text(&w, "name", "web1");
	json_put_text(&w, "domain", "example.org");
	json_put_base64(&w, "certificate", cert_der(leaf));
	json_put_base64(&w, "manager_certificate", cert_der(site.domain->manager));
	json_put_array(&w, "endpoints");
	json_put_text(&w, NULL, site.endpoint);
	json_put_end(&w);
	json_put_uint(&w, "term", UINT64_C(7) << 32);
	json_put_end(&w);
	if (site.lose)
		httpd_reply(req, 200, "application/json", SPAN("{", 1));
	else
		httpd_reply(req, 200, "application/json", buf_span(&body));
	cert_unref(leaf);
	buf_fini(&body);
}

static void
handle_join(struct httpd_request *req, void *arg)
{
	AUTO(json_freep)
	struct json *body = NULL;
	AUTO(pkey_unrefp)
	struct pkey *identity = NULL;
	struct err err;

	(void)arg;
	site.posts++;
	assert_int_equal(json_parse(httpd_body(req), 65536, &body, &err), 0);
	if (site.refuse != 0) {
		err_set(&err, (enum err_code)site.refuse, "the token is not good");
		httpd_fail(req, &err);
		return;
	}
	identity = check_proofs(body);
	answer(req, body, identity);
}

static const struct httpd_route routes[] = {
    {"GET", "/v1/root", handle_root, 0},
    {"POST", "/v1/join", handle_join, 0},
};

static void
on_http(void *arg, int fd, const struct cert *peer, const char *address)
{
	struct httpd_peer who = {.kind = HTTPD_PEER_TLS};
	struct err err;

	(void)arg;
	assert_null(peer);
	snprintf(who.address, sizeof(who.address), "%s", address);
	assert_int_equal(httpd_add(site.httpd, fd, &who, &err), 0);
}

/* Nobody speaks the link here. */
static int
on_member(void *arg, struct terminator_conn *conn, const struct cert *peer, bool expired, int *fd,
    void **user, struct err *err)
{
	(void)arg;
	(void)conn;
	(void)peer;
	(void)expired;
	(void)fd;
	(void)user;
	return err_set(err, ERR_DENIED, "no members here");
}

static void
on_member_end(void *arg, void *user)
{
	(void)arg;
	(void)user;
}

static int
accept_nobody(void *arg, const struct cert *peer, bool expired, struct err *err)
{
	(void)arg;
	(void)peer;
	(void)expired;
	return err_set(err, ERR_DENIED, "no members here");
}

/* address: the name in the server's certificate. */
static void
site_open(struct domain *domain, const struct domain *shown, const char *address)
{
	static const char *const listen[] = {"127.0.0.1:0"};
	struct cert *leaf = domain_issue(domain, domain->node_key, &domain->node, "manager",
	    (struct texts){&address, 1}, (int64_t)time(NULL) - 60);
	const struct cert *chain[] = {leaf, domain->manager};
	struct httpd_params h = {.routes = routes, .route_count = ARRAY_LEN(routes)};
	struct terminator_params t = {.listen = listen,
	    .listen_count = 1,
	    .root = domain->root,
	    .limits = {.tries_per_second = 10000},
	    .handlers = {.accept = accept_nobody,
		.on_member = on_member,
		.on_member_end = on_member_end,
		.on_http = on_http}};
	struct err err = {0, ""};

	memset(&site, 0, sizeof(site));
	site.domain = domain;
	site.shown = shown;
	assert_int_equal(loop_new(&site.loop, &err), 0);
	h.loop = t.loop = site.loop;
	assert_int_equal(httpd_new(&h, &site.httpd, &err), 0);
	assert_int_equal(tls_identity_new(chain, 2, domain->node_key, &site.identity, &err), 0);
	t.identity = site.identity;
	if (terminator_new(&t, &site.terminator, &err) < 0)
		fail_msg("%s", err.text);
	terminator_address(site.terminator, 0, site.endpoint);
	cert_unref(leaf);
}

static void
site_close(void)
{
	terminator_close(site.terminator);
	httpd_free(site.httpd);
	tls_identity_unref(site.identity);
	loop_free(site.loop);
}

/* ------------------------------------------------------------------------- the machine */

struct machine {
	const struct domain *of; /* whose root the token names */
	const char *first;       /* an address before the site's, or NULL */
	int status;
	struct join_result result;
	struct err err;
	pthread_t thread;
};

static struct secret *
make_token(const struct machine *m)
{
	const char *endpoints[2] = {m->first, site.endpoint};
	struct join_token t = {.token_id = {0xcc},
	    .domain = m->of->id,
	    .term = UINT64_C(1) << 32,
	    .name = "web1",
	    .expires_at = (int64_t)time(NULL) + 900,
	    .endpoints = {endpoints + (m->first == NULL), m->first == NULL ? 1 : 2}};
	uint8_t bytes[JOIN_TOKEN_SECRET_LEN];
	struct secret *text = NULL;
	struct err err;

	for (uint8_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = i;
	cert_fingerprint(m->of->root, &t.root_fingerprint);
	assert_int_equal(secret_take(bytes, sizeof(bytes), &t.secret, &err), 0);
	assert_int_equal(join_token_format(&t, &text, &err), 0);
	secret_free(t.secret);
	return text;
}

static void *
run(void *arg)
{
	struct machine *m = arg;
	static const char *const addresses[] = {"192.0.2.7"};
	AUTO(secret_freep)
	struct secret *token = make_token(m);
	struct join_params p = {.token = token,
	    .dir = dir,
	    .addresses = {addresses, 1},
	    .software = "test",
	    .now = (int64_t)time(NULL)};

	m->status = join_run(&p, &m->result, &m->err);
	loop_stop(site.loop);
	return NULL;
}

static int
join(struct machine *m)
{
	assert_int_equal(pthread_create(&m->thread, NULL, run, m), 0);
	loop_run(site.loop);
	pthread_join(m->thread, NULL);
	return m->status;
}

/* ------------------------------------------------------------------------- tests */

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(path);
}

static int
setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/certherd-join-XXXXXX");
	assert_non_null(mkdtemp(dir));
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	site_close();
	return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void
check_member(void)
{
	struct member m = {.domain_name = ""};
	struct pkey *sealing = NULL;
	struct err err = {0, ""};

	if (member_load(dir, &m, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(m.name, "web1");
	assert_int_equal(m.endpoint_count, 1);
	assert_string_equal(m.endpoints[0], site.endpoint);
	assert_true(m.high_term == UINT64_C(7) << 32);
	assert_int_equal(member_load_key(dir, "sealing", &sealing, &err), 0);
	pkey_unref(sealing);
	member_fini(&m);
}

static void
test_a_machine_joins(void **state)
{
	struct machine m = {.of = &ours};

	(void)state;
	site_open(&ours, &ours, "127.0.0.1");
	if (join(&m) != 0)
		fail_msg("%s", m.err.text);
	assert_string_equal(m.result.name, "web1");
	assert_string_equal(m.result.server, site.endpoint);
	check_member();
	/* A member does not join again over itself, and asks nobody. */
	assert_int_equal(join(&m), ERR_EXISTS);
	assert_int_equal(site.posts, 1);
	check_member();
}

static void
test_a_lost_answer(void **state)
{
	struct machine m = {.of = &ours};

	(void)state;
	site_open(&ours, &ours, "127.0.0.1");
	site.lose = true;
	assert_int_equal(join(&m), ERR_PARSE);
	assert_false(member_exists(dir));
	site.lose = false;
	assert_int_equal(join(&m), 0);
	assert_true(site.same_keys);
	assert_int_equal(site.posts, 2);
	check_member();
}

static void
test_first_server_is_away(void **state)
{
	struct machine m = {.of = &ours, .first = "127.0.0.1:1"};

	(void)state;
	site_open(&ours, &ours, "127.0.0.1");
	assert_int_equal(join(&m), 0);
	check_member();
}

/* The token's secret goes to nobody but a server of the token's domain, at its own address. */
static void
test_wrong_servers_learn_nothing(void **state)
{
	const struct {
		struct domain *domain, *shown;
		const char *address;
	} cases[] = {
	    {&other, &other, "127.0.0.1"}, /* of another domain */
	    {&other, &ours, "127.0.0.1"},  /* shows our root, and has no certificate of it */
	    {&ours, &other, "127.0.0.1"},  /* shows another root */
	    {&ours, &ours, "192.0.2.99"},  /* a member, under an address that is not its own */
	};

	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct machine m = {.of = &ours};

		if (i > 0)
			site_close();
		site_open(cases[i].domain, cases[i].shown, cases[i].address);
		if (join(&m) != ERR_CRYPTO)
			fail_msg("case %zu: %d '%s'", i, m.status, m.err.text);
		assert_int_equal(site.posts, 0);
		assert_false(member_exists(dir));
	}
}

static void
test_a_refusal_is_final(void **state)
{
	struct machine m = {.of = &ours};

	(void)state;
	site_open(&ours, &ours, "127.0.0.1");
	m.first = site.endpoint;
	site.refuse = ERR_DENIED;
	assert_int_equal(join(&m), ERR_DENIED);
	assert_non_null(strstr(m.err.text, "the token is not good"));
	assert_int_equal(site.posts, 1);
	assert_false(member_exists(dir));
}

static int
setup_all(void **state)
{
	struct err err;

	(void)state;
	domain_make_at(&ours, (int64_t)time(NULL) - 60);
	domain_make_at(&other, (int64_t)time(NULL) - 60);
	return http_init(&err);
}

static int
teardown_all(void **state)
{
	(void)state;
	domain_fini(&ours);
	domain_fini(&other);
	http_fini();
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_a_machine_joins),
	    TEST(test_a_lost_answer),
	    TEST(test_first_server_is_away),
	    TEST(test_wrong_servers_learn_nothing),
	    TEST(test_a_refusal_is_final),
	};

	return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
