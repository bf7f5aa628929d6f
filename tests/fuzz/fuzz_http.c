#include "common/httpd/httpd.h"
#include "common/loop/loop.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * Any bytes through a socket pair into the server, in one or two pieces. The handlers touch
 * everything that a request says; the server must be able to end at once after it.
 */

static void
handle(struct httpd_request *req, void *arg)
{
	struct buf out = BUF_INIT(2 * LIMIT_HTTP_BODY);

	(void)arg;
	buf_put_str(&out, httpd_param(req, "name"));
	buf_put_str(&out, httpd_path(req));
	buf_put_str(&out, httpd_method(req));
	if (httpd_query(req, "q") != NULL)
		buf_put_str(&out, httpd_query(req, "q"));
	if (httpd_header(req, "Host") != NULL)
		buf_put_str(&out, httpd_header(req, "Host"));
	buf_put_span(&out, httpd_body(req));
	httpd_reply(req, 200, "text/plain", buf_span(&out));
	buf_fini(&out);
}

static void
handle_later(struct httpd_request *req, void *arg)
{
	(void)arg;
	httpd_defer(req, NULL, NULL);
}

static void
handle_stream(struct httpd_request *req, void *arg)
{
	(void)arg;
	httpd_stream_begin(req, "text/plain", NULL, NULL);
	httpd_stream_line(req, span_str("line"));
	if (httpd_query(req, "end") != NULL)
		httpd_stream_end(req);
}

static const struct httpd_route routes[] = {
    {"GET", "/a/{name}", handle, 0},
    {"POST", "/a/{name}", handle, 0},
    {"GET", "/l", handle_later, 0},
    {"GET", "/s", handle_stream, 0},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct httpd_peer peer = {.kind = HTTPD_PEER_TLS, .address = "fuzz"};
	struct httpd_params params = {
	    .routes = routes, .route_count = ARRAY_LEN(routes), .max_body = 64};
	struct httpd *httpd = NULL;
	size_t first = size > 0 ? data[0] % size : 0;
	int fds[2];
	struct err err;

	CHECK(loop_new(&params.loop, &err) == 0);
	CHECK(httpd_new(&params, &httpd, &err) == 0);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
	CHECK(httpd_add(httpd, fds[1], &peer, &err) == 0);
	(void)!send(fds[0], data, first, MSG_NOSIGNAL);
	loop_turn(params.loop, false);
	loop_turn(params.loop, false);
	(void)!send(fds[0], data + first, size - first, MSG_NOSIGNAL);
	for (int i = 0; i < 4; i++)
		loop_turn(params.loop, false);
	httpd_free(httpd);
	close(fds[0]);
	loop_free(params.loop);
	return 0;
}
