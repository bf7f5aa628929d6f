/* The whole link: nng on both sides, TLS between, as a manager and its followers have it. */

#include "tests/unit/common/tls/test_tls.h"

#include "common/link/link_nng.h"
#include "common/tls/originator.h"
#include "common/tls/terminator.h"

#include <unistd.h>

#define BIG (1024 * 1024)

struct whole {
	struct loop *loop;
	struct link_server *server;
	struct terminator *t;
	struct originator *o;
	struct link_client *client;
	char target[ADDRESS_TEXT_MAX];
	unsigned requests, gone, done;
	int status;
	size_t reply_len;
	bool hold, refuse, closed;
	struct link_request *held;
};

static int
accept_any(void *arg, const struct cert *peer, bool is_expired, struct err *err)
{
	struct whole *w = arg;

	(void)peer;
	(void)is_expired;
	return w->refuse ? err_set(err, ERR_DENIED, "the node was removed") : 0;
}

static int
on_member(void *arg, struct terminator_conn *conn, const struct cert *peer, bool is_expired,
    int *fd, void **user, struct err *err)
{
	struct whole *w = arg;
	struct domain_id domain;
	struct link_peer *link_peer;
	struct id id;
	int r = cert_identity(peer, &domain, &id, err);

	(void)is_expired;
	if (r == 0)
		r = link_nng_attach(w->server, &id, conn, &link_peer, fd, err);
	if (r == 0)
		*user = link_peer;
	return r;
}

static void
on_member_end(void *arg, void *user)
{
	(void)arg;
	link_nng_detach(user);
}

static int
check_member(void *arg, void *user, struct span bytes, struct err *err)
{
	(void)arg;
	return link_nng_check(user, bytes, err);
}

static void
hang_up(void *arg)
{
	struct whole *w = arg;

	if (w->o != NULL)
		originator_drop(w->o);
}

static void
on_http(void *arg, int fd, const struct cert *peer, const char *address)
{
	(void)arg;
	(void)peer;
	(void)address;
	close(fd);
}

static void
on_drop(void *arg, void *conn, enum link_drop why)
{
	(void)arg;
	(void)why;
	terminator_conn_close(conn);
}

static void
on_request(void *arg, struct link_request *r)
{
	struct whole *w = arg;

	assert_true(id_equal(link_request_node(r), &node_id));
	w->requests++;
	if (w->hold) {
		w->held = r;
		return;
	}
	link_reply(r, link_request_bytes(r));
}

static void
on_gone(void *arg, struct link_request *r)
{
	struct whole *w = arg;

	assert_ptr_equal(r, w->held);
	w->held = NULL;
	w->gone++;
}

static void
on_originator_closed(void *arg)
{
	link_nng_client_closed(((struct whole *)arg)->client);
}

static void
on_closed(void *arg)
{
	*(bool *)arg = true;
}

static void
whole_open(struct whole *w, struct loop *l)
{
	static const char *const listen[] = {"127.0.0.1:0"};
	const struct link_nng_server_params server_params = {.loop = l,
	    .request_max = LIMIT_REQUEST,
	    .contexts_max = 32,
	    .on_drop = on_drop,
	    .arg = w};
	const struct terminator_params t = {.loop = l,
	    .listen = listen,
	    .listen_count = 1,
	    .identity = server,
	    .root = pki.root,
	    .handlers = {.accept = accept_any,
		.on_member = on_member,
		.on_member_end = on_member_end,
		.check_member = check_member,
		.on_http = on_http,
		.arg = w}};
	struct originator_params o = {.loop = l,
	    .identity = node,
	    .root = pki.root,
	    .on_closed = on_originator_closed,
	    .arg = w};
	struct link_nng_client_params c = {.loop = l,
	    .request_max = LIMIT_REQUEST,
	    .reply_max = LIMIT_DELTA,
	    .hang_up = hang_up,
	    .arg = w};
	const struct link_handlers handlers = {on_request, on_gone, w};

	*w = (struct whole){.loop = l};
	assert_int_equal(link_nng_server_new(&server_params, &w->server, NULL), 0);
	assert_int_equal(link_server_serve(w->server, &handlers, NULL), 0);
	assert_int_equal(terminator_new(&t, &w->t, NULL), 0);
	o.target = terminator_address(w->t, 0, w->target);
	assert_int_equal(originator_new(&o, &w->o, NULL), 0);
	c.url = originator_url(w->o);
	assert_int_equal(link_nng_client_new(&c, &w->client, NULL), 0);
}

static void
whole_close(struct whole *w)
{
	originator_close(MOVE(w->o));
	link_client_close(w->client, on_closed, &w->closed);
	assert_true(wait_until(w->loop, wait_flag, &w->closed));
	terminator_close(w->t);
	w->closed = false;
	link_server_close(w->server, on_closed, &w->closed);
	assert_true(wait_until(w->loop, wait_flag, &w->closed));
	assert_null(w->held);
}

static void
on_done(void *arg, int status, struct span reply, const struct err *err)
{
	struct whole *w = arg;

	(void)err;
	w->done++;
	w->status = status;
	w->reply_len = reply.len;
}

static bool
is_done(void *arg)
{
	return ((struct whole *)arg)->done > 0;
}

static bool
is_held(void *arg)
{
	return ((struct whole *)arg)->held != NULL;
}

static void
ask(struct whole *w, size_t len)
{
	uint8_t *bytes = mem_zalloc(len);
	const struct link_call call = {.request = SPAN(bytes, len),
	    .reply_max = LIMIT_DELTA,
	    .timeout_ms = 15000,
	    .cb = on_done,
	    .arg = w};

	w->done = 0;
	assert_int_equal(link_client_start(w->client, &call, NULL), 0);
	mem_free(bytes);
}

static void
test_requests(void **state)
{
	struct whole w;

	whole_open(&w, *state);
	for (unsigned i = 0; i < 20; i++) {
		ask(&w, 1000 + i);
		assert_true(wait_until(*state, is_done, &w));
		assert_int_equal(w.status, 0);
		assert_int_equal(w.reply_len, 1000 + i);
	}
	assert_int_equal(w.requests, 20);
	whole_close(&w);
}

static void
test_big_reply(void **state)
{
	struct whole w;
	uint8_t *bytes = mem_zalloc(BIG);

	whole_open(&w, *state);
	w.hold = true;
	ask(&w, 10);
	assert_true(wait_until(*state, is_held, &w));
	link_reply(MOVE(w.held), SPAN(bytes, BIG));
	assert_true(wait_until(*state, is_done, &w));
	assert_int_equal(w.status, 0);
	assert_int_equal(w.reply_len, BIG);
	whole_close(&w);
	mem_free(bytes);
}

/* A node is thrown out while its request is held: both sides are told, and it comes back. */
static void
test_thrown_out(void **state)
{
	struct whole w;

	whole_open(&w, *state);
	w.hold = true;
	ask(&w, 10);
	assert_true(wait_until(*state, is_held, &w));
	w.refuse = true;
	assert_int_equal(terminator_recheck(w.t), 1);
	assert_true(wait_until(*state, is_done, &w));
	assert_int_equal(w.status, ERR_UNAVAIL);
	assert_int_equal(w.gone, 1);
	w.hold = w.refuse = false;
	ask(&w, 10);
	assert_true(wait_until(*state, is_done, &w));
	assert_int_equal(w.status, 0);
	whole_close(&w);
}

int
run_nng_tests(void)
{
	const struct CMUnitTest nng_tests[] = {
	    LOOP_TEST(test_requests),
	    LOOP_TEST(test_big_reply),
	    LOOP_TEST(test_thrown_out),
	};

	return cmocka_run_group_tests(nng_tests, NULL, NULL);
}
