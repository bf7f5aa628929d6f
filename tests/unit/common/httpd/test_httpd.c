#include "test_httpd.h"

#include "common/base/str.h"
#include "common/httpd/httpd.h"
#include "common/loop/loop.h"
#include "common/sys/unix.h"
#include "tests/support/wait.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* The server of the tests, and what its handlers remember. */
struct fixture {
	struct loop *loop;
	struct httpd *httpd;
	struct httpd_request *waiting, *stream;
	struct timer later;
	unsigned gone, released, handled;
	char seen[256];
};

static struct fixture f;

struct client {
	int fd;
	struct buf in;
	bool ended;
	const char *wanted; /* wait until this has come */
};

static void
on_gone(void *arg)
{
	(void)arg;
	f.gone++;
	f.waiting = NULL;
	f.stream = NULL;
}

static void
handle_echo(struct httpd_request *req, void *arg)
{
	assert_ptr_equal(arg, &f);
	f.handled++;
	snprintf(f.seen, sizeof(f.seen), "%s %s q=%s h=%s kind=%d", httpd_method(req),
	    httpd_path(req), httpd_query(req, "q") != NULL ? httpd_query(req, "q") : "-",
	    httpd_header(req, "x-test") != NULL ? httpd_header(req, "x-test") : "-",
	    (int)httpd_peer(req)->kind);
	httpd_reply(req, 200, "application/json", httpd_body(req));
}

static void
handle_item(struct httpd_request *req, void *arg)
{
	struct err err;

	(void)arg;
	if (str_equal(httpd_param(req, "id"), "none")) {
		err_set(&err, ERR_NOTFOUND, "there is no item '%s'", httpd_param(req, "id"));
		httpd_fail(req, &err);
		return;
	}
	httpd_reply(req, 200, "text/plain", span_str(httpd_param(req, "id")));
}

static void
handle_wait(struct httpd_request *req, void *arg)
{
	(void)arg;
	f.waiting = req;
	httpd_defer(req, on_gone, NULL);
}

static void
handle_watch(struct httpd_request *req, void *arg)
{
	(void)arg;
	f.stream = req;
	httpd_stream_begin(req, "application/jsonl", on_gone, NULL);
}

static int
admit(const struct httpd_request *req, const struct httpd_route *route, void *arg, struct err *err)
{
	(void)arg;
	if (route->access == 1 && httpd_peer(req)->kind != HTTPD_PEER_UNIX)
		return err_set(err, ERR_DENIED, "only on this host");
	return 0;
}

static const struct httpd_route routes[] = {
    {"POST", "/v1/echo", handle_echo, 0},
    {"GET", "/v1/echo", handle_echo, 0},
    {"GET", "/v1/items/{id}", handle_item, 0},
    {"POST", "/v1/local", handle_echo, 1},
    {"GET", "/v1/wait", handle_wait, 0},
    {"GET", "/v1/watch", handle_watch, 0},
};

static void
start(struct httpd_params params)
{
	struct err err;

	memset(&f, 0, sizeof(f));
	assert_int_equal(loop_new(&f.loop, &err), 0);
	params.loop = f.loop;
	params.routes = routes;
	params.route_count = ARRAY_LEN(routes);
	params.arg = &f;
	params.admit = admit;
	assert_int_equal(httpd_new(&params, &f.httpd, &err), 0);
}

static void
finish(void)
{
	httpd_free(f.httpd);
	loop_free(f.loop);
}

static void
on_release(void *owner)
{
	assert_ptr_equal(owner, &f);
	f.released++;
}

static int
add(struct client *c, enum httpd_peer_kind kind)
{
	struct httpd_peer peer = {
	    .kind = kind, .address = "test", .owner = &f, .release = on_release};
	struct err err;
	int fds[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	*c = (struct client){.fd = fds[0], .in = BUF_INIT(8 * 1024 * 1024)};
	return httpd_add(f.httpd, fds[1], &peer, &err);
}

static void
say(struct client *c, const char *text)
{
	assert_int_equal(send(c->fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void
hang_up(struct client *c)
{
	close(c->fd);
	buf_fini(&c->in);
}

static bool
has_come(void *arg)
{
	struct client *c = arg;
	char part[4096];
	ssize_t n;

	while ((n = recv(c->fd, part, sizeof(part), 0)) > 0)
		buf_put(&c->in, part, (size_t)n);
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		c->ended = true;
	return c->wanted != NULL ? strstr(buf_str(&c->in), c->wanted) != NULL : c->ended;
}

static void
expect(struct client *c, const char *text)
{
	c->wanted = text;
	if (!wait_until(f.loop, has_come, c))
		fail_msg("'%s' has not come, but '%s'", text, buf_str(&c->in));
}

static void
expect_end(struct client *c)
{
	c->wanted = NULL;
	assert_true(wait_until(f.loop, has_come, c));
}

static void
ask(struct client *c, const char *request, const char *answer)
{
	buf_clear(&c->in);
	say(c, request);
	expect(c, answer);
}

static void
test_requests_on_one_connection(void **state)
{
	struct client c;

	(void)state;
	start((struct httpd_params){0});
	assert_int_equal(add(&c, HTTPD_PEER_TLS), 0);
	ask(&c, "GET /v1/echo?q=a%20b HTTP/1.1\r\nHost: x\r\nX-Test: y\r\n\r\n", "\r\n\r\n");
	assert_non_null(strstr(buf_str(&c.in), "HTTP/1.1 200 OK"));
	assert_non_null(strstr(buf_str(&c.in), "Cache-Control: no-store"));
	assert_string_equal(f.seen, "GET /v1/echo q=a b h=y kind=1");
	ask(&c,
	    "POST /v1/echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json; charset=utf-8\r\n"
	    "Content-Length: 7\r\n\r\n{\"a\":1}",
	    "{\"a\":1}");
	ask(&c,
	    "POST /v1/echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n3\r\n{\"b\r\n4\r\n\":2}\r\n0\r\n\r\n",
	    "{\"b\":2}");
	/* Two at once are answered in order. */
	ask(&c,
	    "GET /v1/items/one HTTP/1.1\r\nHost: x\r\n\r\n"
	    "GET /v1/items/tw%2Fo HTTP/1.1\r\nHost: x\r\n\r\n",
	    "tw/o");
	assert_non_null(strstr(buf_str(&c.in), "\r\n\r\noneHTTP/1.1 200"));
	assert_int_equal(httpd_connections(f.httpd), 1);
	hang_up(&c);
	while (httpd_connections(f.httpd) > 0)
		loop_turn(f.loop, true);
	assert_int_equal(f.released, 1);
	finish();
}

static void
test_refusals(void **state)
{
	static const struct {
		const char *request, *status, *text;
		enum httpd_peer_kind peer;
		bool closes;
	} cases[] = {
	    {"GET /v1/none HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 ",
		"{\"error\":{\"code\":\"not-found\",\"text\":\"there is nothing", HTTPD_PEER_TLS,
		false},
	    {"GET /v1/items/none HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 ",
		"there is no item 'none'", HTTPD_PEER_TLS, false},
	    {"PUT /v1/echo HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 405 ",
		"'PUT' is not possible here, only POST, GET", HTTPD_PEER_TLS, false},
	    {"GET /v1/%zz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400 ", "hexadecimal",
		HTTPD_PEER_TLS, false},
	    {"POST /v1/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", "HTTP/1.1 415 ",
		"must be application/json", HTTPD_PEER_TLS, false},
	    {"POST /v1/echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/jsonp\r\n"
	     "Content-Length: 2\r\n\r\n{}",
		"HTTP/1.1 415 ", "must be", HTTPD_PEER_TLS, false},
	    {"POST /v1/local HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", "HTTP/1.1 403 ",
		"{\"error\":{\"code\":\"denied\",\"text\":\"only on this host\"}}", HTTPD_PEER_TLS,
		false},
	    {"POST /v1/local HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 ", "", HTTPD_PEER_UNIX,
		false},
	    {"POST /v1/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 17\r\n\r\n", "HTTP/1.1 413 ",
		"too long", HTTPD_PEER_TLS, true},
	    {"POST /v1/echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
	     "11\r\n12345678901234567\r\n0\r\n\r\n",
		"HTTP/1.1 413 ", "too long", HTTPD_PEER_TLS, false},
	    {"GARBAGE\r\n\r\n", "", "", HTTPD_PEER_TLS, true},
	    {"GET /v1/echo HTTP/1.1\r\n\r\n", "HTTP/1.1 400 ", "", HTTPD_PEER_TLS, true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct client c;

		start((struct httpd_params){.max_body = 16});
		assert_int_equal(add(&c, cases[i].peer), 0);
		say(&c, cases[i].request);
		if (cases[i].closes)
			expect_end(&c);
		else
			expect(&c, "\r\n\r\n");
		if (strstr(buf_str(&c.in), cases[i].status) == NULL ||
		    strstr(buf_str(&c.in), cases[i].text) == NULL)
			fail_msg("%s: %s", cases[i].request, buf_str(&c.in));
		if (strstr(cases[i].status, "405") != NULL)
			assert_non_null(strstr(buf_str(&c.in), "\r\nAllow: POST, GET\r\n"));
		/* A refusal that read its request leaves the connection in use. */
		if (!cases[i].closes)
			ask(&c, "GET /v1/items/ok HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\nok");
		hang_up(&c);
		finish();
	}
}

/* A body without end costs neither memory nor time. */
static void
test_endless_body(void **state)
{
	struct client c;
	char chunk[1024];
	ssize_t sent = 1;

	(void)state;
	start((struct httpd_params){.max_body = 1024});
	assert_int_equal(add(&c, HTTPD_PEER_TLS), 0);
	say(&c, "POST /v1/echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
	memset(chunk, 'x', sizeof(chunk));
	c.wanted = NULL;
	for (int i = 0; i < 100000 && !c.ended; i++) {
		(void)!send(c.fd, "400\r\n", 5, MSG_NOSIGNAL);
		sent = send(c.fd, chunk, sizeof(chunk), MSG_NOSIGNAL);
		(void)!send(c.fd, "\r\n", 2, MSG_NOSIGNAL);
		loop_turn(f.loop, false);
		has_come(&c);
	}
	assert_true(c.ended);
	(void)sent;
	assert_int_equal(f.handled, 0);
	hang_up(&c);
	finish();
}

static void
test_header_limit(void **state)
{
	for (int over = 0; over < 2; over++) {
		struct buf text = BUF_INIT(4 * LIMIT_HTTP_HEADERS);
		struct client c;

		(void)state;
		start((struct httpd_params){0});
		assert_int_equal(add(&c, HTTPD_PEER_TLS), 0);
		buf_put_str(&text, "GET /v1/items/ok HTTP/1.1\r\nHost: x\r\nX-Long: ");
		while (text.len + 4 < LIMIT_HTTP_HEADERS + (size_t)over)
			buf_put_str(&text, "y");
		buf_put_str(&text, "\r\n\r\n");
		ask(&c, buf_str(&text), "\r\n\r\n");
		assert_non_null(strstr(buf_str(&c.in), over ? "HTTP/1.1 431 " : "HTTP/1.1 200 "));
		hang_up(&c);
		/* And one that does not even fit the engine's memory. */
		assert_int_equal(add(&c, HTTPD_PEER_TLS), 0);
		buf_clear(&text);
		buf_put_str(&text, "GET / HTTP/1.1\r\nHost: x\r\nX-Long: ");
		while (text.len < 3 * LIMIT_HTTP_HEADERS)
			buf_put_str(&text, "y");
		say(&c, buf_str(&text));
		expect_end(&c);
		hang_up(&c);
		buf_fini(&text);
		finish();
	}
}

static void
test_later_answer(void **state)
{
	struct client c;

	(void)state;
	start((struct httpd_params){0});
	assert_int_equal(add(&c, HTTPD_PEER_TLS), 0);
	for (int i = 0; i < 3; i++) {
		buf_clear(&c.in);
		say(&c, "GET /v1/wait HTTP/1.1\r\nHost: x\r\n\r\n");
		while (f.waiting == NULL)
			loop_turn(f.loop, true);
		loop_turn(f.loop, false);
		assert_false(has_come(&c) || c.in.len > 0);
		httpd_reply(MOVE(f.waiting), 202, "text/plain", span_str("later"));
		expect(&c, "\r\n\r\nlater");
		assert_non_null(strstr(buf_str(&c.in), "HTTP/1.1 202 "));
	}
	assert_int_equal(f.gone, 0);
	hang_up(&c);
	finish();
}

static void
test_answer_after_the_client_left(void **state)
{
	struct client c;

	(void)state;
	start((struct httpd_params){0});
	assert_int_equal(add(&c, HTTPD_PEER_TLS), 0);
	say(&c, "GET /v1/wait HTTP/1.1\r\nHost: x\r\n\r\n");
	while (f.waiting == NULL)
		loop_turn(f.loop, true);
	hang_up(&c);
	loop_turn(f.loop, false);
	httpd_reply(MOVE(f.waiting), 200, "text/plain", span_str("to nobody"));
	while (httpd_connections(f.httpd) > 0)
		loop_turn(f.loop, true);
	assert_int_equal(f.gone, 0);
	assert_int_equal(f.released, 1);
	finish();
}

static void
test_stream(void **state)
{
	struct client c;

	(void)state;
	start((struct httpd_params){0});
	assert_int_equal(add(&c, HTTPD_PEER_UNIX), 0);
	say(&c, "GET /v1/watch HTTP/1.1\r\nHost: x\r\n\r\n");
	expect(&c, "\r\n\r\n");
	assert_non_null(strstr(buf_str(&c.in), "Content-Type: application/jsonl"));
	httpd_stream_line(f.stream, span_str("{\"n\":1}"));
	expect(&c, "{\"n\":1}\n");
	httpd_stream_line(f.stream, span_str("{\"n\":2}"));
	httpd_stream_line(f.stream, span_str("{\"n\":3}"));
	expect(&c, "{\"n\":2}\n{\"n\":3}\n");
	httpd_stream_end(MOVE(f.stream));
	expect(&c, "\r\n0\r\n\r\n");
	assert_int_equal(f.gone, 0);
	/* The connection goes on. */
	ask(&c, "GET /v1/items/ok HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\nok");
	hang_up(&c);
	finish();
}

static void
test_keep_alive_finds_who_left(void **state)
{
	struct client c;

	(void)state;
	start((struct httpd_params){.keep_alive_ms = 1});
	assert_int_equal(add(&c, HTTPD_PEER_UNIX), 0);
	say(&c, "GET /v1/watch HTTP/1.1\r\nHost: x\r\n\r\n");
	expect(&c, "\r\n\r\n1\r\n\n\r\n1\r\n\n\r\n");
	assert_int_equal(f.gone, 0);
	hang_up(&c);
	while (httpd_connections(f.httpd) > 0)
		loop_turn(f.loop, true);
	assert_int_equal(f.gone, 1);
	finish();
}

/* One that does not read is dropped, and holds no memory meanwhile. */
static void
test_slow_reader(void **state)
{
	struct client c;
	char line[1024];

	(void)state;
	start((struct httpd_params){.idle_ms = 1000, .keep_alive_ms = 60000});
	assert_int_equal(add(&c, HTTPD_PEER_UNIX), 0);
	say(&c, "GET /v1/watch HTTP/1.1\r\nHost: x\r\n\r\n");
	expect(&c, "\r\n\r\n");
	memset(line, 'x', sizeof(line));
	for (int i = 0; i < 10000 && f.stream != NULL; i++)
		httpd_stream_line(f.stream, SPAN(line, sizeof(line)));
	while (httpd_connections(f.httpd) > 0)
		loop_turn(f.loop, true);
	assert_int_equal(f.gone, 1);
	expect_end(&c);
	assert_true(c.in.len < 1000000);
	hang_up(&c);
	finish();
}

static void
test_shutdown_with_everything_open(void **state)
{
	struct client waiting, stream, idle, half;

	(void)state;
	start((struct httpd_params){0});
	assert_int_equal(add(&waiting, HTTPD_PEER_TLS), 0);
	assert_int_equal(add(&stream, HTTPD_PEER_TLS), 0);
	assert_int_equal(add(&idle, HTTPD_PEER_TLS), 0);
	assert_int_equal(add(&half, HTTPD_PEER_TLS), 0);
	say(&waiting, "GET /v1/wait HTTP/1.1\r\nHost: x\r\n\r\n");
	say(&stream, "GET /v1/watch HTTP/1.1\r\nHost: x\r\n\r\n");
	say(&half, "POST /v1/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12");
	expect(&stream, "\r\n\r\n");
	while (f.waiting == NULL)
		loop_turn(f.loop, true);
	httpd_free(f.httpd);
	assert_int_equal(f.gone, 2);
	assert_int_equal(f.released, 4);
	expect_end(&waiting);
	assert_non_null(strstr(buf_str(&waiting.in), "HTTP/1.1 503 "));
	assert_non_null(strstr(buf_str(&waiting.in), "the server is going down"));
	expect_end(&stream);
	expect_end(&idle);
	expect_end(&half);
	hang_up(&waiting);
	hang_up(&stream);
	hang_up(&idle);
	hang_up(&half);
	loop_free(f.loop);
}

static void
test_connection_limit_is_per_kind(void **state)
{
	struct client c[4];

	(void)state;
	start((struct httpd_params){.max_connections = 2});
	assert_int_equal(add(&c[0], HTTPD_PEER_TLS), 0);
	assert_int_equal(add(&c[1], HTTPD_PEER_TLS), 0);
	assert_int_equal(add(&c[2], HTTPD_PEER_TLS), ERR_LIMIT);
	assert_int_equal(f.released, 1);
	assert_int_equal(add(&c[3], HTTPD_PEER_UNIX), 0);
	ask(&c[3], "GET /v1/items/ok HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\nok");
	expect_end(&c[2]);
	for (size_t i = 0; i < ARRAY_LEN(c); i++)
		hang_up(&c[i]);
	while (httpd_connections(f.httpd) > 0)
		loop_turn(f.loop, true);
	finish();
	assert_int_equal(f.released, 4);
}

static void
test_idle_connection_is_closed(void **state)
{
	struct client c;

	(void)state;
	start((struct httpd_params){.idle_ms = 1000});
	assert_int_equal(add(&c, HTTPD_PEER_TLS), 0);
	say(&c, "GET /v1/ec");
	expect_end(&c);
	assert_int_equal(httpd_connections(f.httpd), 0);
	hang_up(&c);
	finish();
}

static void
test_unix_listener(void **state)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	char dir[] = "/tmp/certherd-httpd-XXXXXX";
	struct client c[3];
	struct err err;
	int fd;

	(void)state;
	start((struct httpd_params){.max_connections = 2});
	assert_non_null(mkdtemp(dir));
	snprintf(un.sun_path, sizeof(un.sun_path), "%s/s", dir);
	assert_int_equal(sys_unix_listen(un.sun_path, 0660, SYS_NO_GROUP, &fd, &err), 0);
	assert_int_equal(httpd_listen(f.httpd, fd, &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		c[i] = (struct client){
		    .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), .in = BUF_INIT(65536)};
		assert_int_equal(connect(c[i].fd, (struct sockaddr *)&un, sizeof(un)), 0);
		assert_int_equal(setsockopt(c[i].fd, SOL_SOCKET, SO_RCVTIMEO,
				     &(struct timeval){.tv_usec = 1}, sizeof(struct timeval)),
		    0);
		say(&c[i], "POST /v1/local HTTP/1.1\r\nHost: x\r\n\r\n");
	}
	expect(&c[0], "HTTP/1.1 200 ");
	expect(&c[1], "HTTP/1.1 200 ");
	/* The third waits until there is room. */
	loop_turn(f.loop, false);
	assert_false(has_come(&c[2]) || c[2].in.len > 0);
	hang_up(&c[0]);
	expect(&c[2], "HTTP/1.1 200 ");
	hang_up(&c[1]);
	hang_up(&c[2]);
	finish();
	unlink(un.sun_path);
	rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_target),
	    cmocka_unit_test(test_target_query),
	    cmocka_unit_test(test_target_refusals),
	    cmocka_unit_test(test_requests_on_one_connection),
	    cmocka_unit_test(test_refusals),
	    cmocka_unit_test(test_endless_body),
	    cmocka_unit_test(test_header_limit),
	    cmocka_unit_test(test_later_answer),
	    cmocka_unit_test(test_answer_after_the_client_left),
	    cmocka_unit_test(test_stream),
	    cmocka_unit_test(test_keep_alive_finds_who_left),
	    cmocka_unit_test(test_slow_reader),
	    cmocka_unit_test(test_shutdown_with_everything_open),
	    cmocka_unit_test(test_connection_limit_is_per_kind),
	    cmocka_unit_test(test_idle_connection_is_closed),
	    cmocka_unit_test(test_unix_listener),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
