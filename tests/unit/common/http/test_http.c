#include "common/http/http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/*
 * A server for one connection: takes a request and says what the test has prepared. It ends by
 * closing; what it was asked is kept.
 */
struct canned {
	int listener;
	const char *reply;
	bool hold; /* do not close until told to */
	int release[2];
	pthread_t thread;
	char asked[8192];
	size_t asked_len;
};

static bool
request_is_whole(const struct canned *s)
{
	const char *head = strstr(s->asked, "\r\n\r\n");
	const char *length = strstr(s->asked, "Content-Length: ");
	uint64_t n = length != NULL ? strtoull(length + strlen("Content-Length: "), NULL, 10) : 0;

	return head != NULL && s->asked_len >= (size_t)(head + 4 - s->asked) + n;
}

static void *
serve(void *arg)
{
	struct canned *s = arg;
	int fd = accept(s->listener, NULL, NULL);
	ssize_t n = 1;
	char c;

	while (fd >= 0 && n > 0 && !request_is_whole(s)) {
		n = read(fd, s->asked + s->asked_len, sizeof(s->asked) - 1 - s->asked_len);
		if (n > 0)
			s->asked_len += (size_t)n;
	}
	if (fd >= 0)
		(void)!send(fd, s->reply, strlen(s->reply), MSG_NOSIGNAL);
	if (s->hold)
		(void)!read(s->release[0], &c, 1);
	if (fd >= 0)
		close(fd);
	return NULL;
}

static void
start(struct canned *s, int family, char *where, size_t size, const char *reply, bool hold)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	socklen_t len = sizeof(in);

	memset(s, 0, sizeof(*s));
	s->reply = reply;
	s->hold = hold;
	assert_int_equal(pipe(s->release), 0);
	s->listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(s->listener >= 0);
	if (family == AF_INET) {
		assert_int_equal(bind(s->listener, (struct sockaddr *)&in, sizeof(in)), 0);
		assert_int_equal(getsockname(s->listener, (struct sockaddr *)&in, &len), 0);
		snprintf(where, size, "http://127.0.0.1:%d", ntohs(in.sin_port));
	} else {
		snprintf(un.sun_path, sizeof(un.sun_path), "%s", where);
		assert_int_equal(bind(s->listener, (struct sockaddr *)&un, sizeof(un)), 0);
	}
	assert_int_equal(listen(s->listener, 1), 0);
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void
stop(struct canned *s)
{
	close(s->release[1]);
	/* Nobody may have come. */
	shutdown(s->listener, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->release[0]);
	close(s->listener);
}

static void
test_a_request_and_its_reply(void **state)
{
	static const char *const headers[] = {"X-Test: yes", NULL};
	AUTO_HTTP_REPLY struct http_reply reply = {0};
	struct canned s;
	struct err err = {0, ""};
	char url[64], path[128];

	(void)state;
	start(&s, AF_INET, url, sizeof(url), "HTTP/1.1 418 Short\r\nContent-Length: 5\r\n\r\nhello",
	    false);
	snprintf(path, sizeof(path), "%s/v1/x?y=z", url);
	assert_int_equal(http_request(&(struct http_params){.url = path,
					  .method = "PUT",
					  .headers = headers,
					  .body = span_str("{\"a\":1}")},
			     &reply, &err),
	    0);
	stop(&s);
	assert_int_equal(reply.status, 418);
	assert_string_equal(buf_str(&reply.body), "hello");
	assert_non_null(strstr(s.asked, "PUT /v1/x?y=z HTTP/1.1\r\n"));
	assert_non_null(strstr(s.asked, "\r\nX-Test: yes\r\n"));
	assert_non_null(strstr(s.asked, "\r\nContent-Type: application/json\r\n"));
	assert_non_null(strstr(s.asked, "\r\n\r\n{\"a\":1}"));
	assert_null(strstr(s.asked, "Expect"));
}

static void
test_unix_socket(void **state)
{
	AUTO_HTTP_REPLY struct http_reply reply = {0};
	struct canned s;
	struct err err = {0, ""};
	char dir[] = "/tmp/certherd-http-XXXXXX", path[64];
	struct http_params params = {.url = "http://localhost/", .unix_socket = path};

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	assert_int_equal(http_request(&params, &reply, &err), ERR_UNAVAIL);
	assert_non_null(strstr(err.text, path));
	start(&s, AF_UNIX, path, sizeof(path), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
	    false);
	assert_int_equal(http_request(&params, &reply, &err), 0);
	stop(&s);
	assert_string_equal(buf_str(&reply.body), "ok");
	assert_non_null(strstr(s.asked, "GET / HTTP/1.1\r\n"));
	unlink(path);
	rmdir(dir);
}

/* Neither a redirect nor the environment leads anywhere else. */
static void
test_goes_nowhere_else(void **state)
{
	AUTO_HTTP_REPLY struct http_reply reply = {0};
	struct canned s;
	struct err err = {0, ""};
	char url[64];

	(void)state;
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
	start(&s, AF_INET, url, sizeof(url),
	    "HTTP/1.1 302 Away\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
	    false);
	assert_int_equal(http_request(&(struct http_params){.url = url}, &reply, &err), 0);
	stop(&s);
	unsetenv("http_proxy");
	unsetenv("ALL_PROXY");
	assert_int_equal(reply.status, 302);
	assert_int_equal(reply.body.len, 0);
}

static void
test_bad_servers(void **state)
{
	static const struct {
		const char *reply;
		bool hold;
		int code;
	} cases[] = {
	    {"", false, ERR_UNAVAIL},
	    {"", true, ERR_TIMEOUT},
	    {"garbage without end\n\n", false, ERR_PROTO},
	    {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", false, ERR_UNAVAIL},
	    {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123456789", false, ERR_LIMIT},
	    {"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n12345678", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_HTTP_REPLY struct http_reply reply = {0};
		struct canned s;
		struct err err = {0, ""};
		char url[64];
		int r;

		start(&s, AF_INET, url, sizeof(url), cases[i].reply, cases[i].hold);
		r = http_request(
		    &(struct http_params){
			.url = url, .max_reply = 8, .total_ms = cases[i].hold ? 50 : 0},
		    &reply, &err);
		stop(&s);
		if (r != cases[i].code)
			fail_msg("case %zu: %d '%s'", i, r, err.text);
		assert_true(r == 0 || reply.body.len == 0);
	}
}

/* Who needs nothing but the status has it, whatever becomes of the body. */
static void
test_status_only(void **state)
{
	static const char *const replies[] = {
	    "HTTP/1.1 200 OK\r\n\r\n",
	    "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\ncut off",
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense",
	    "HTTP/1.1 200 OK\r\n\r\nlonger than it may be",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(replies); i++) {
		AUTO_HTTP_REPLY struct http_reply reply = {0};
		struct http_params p = {.status_only = true, .max_reply = 4, .total_ms = 500};
		struct canned s;
		struct err err = {0, ""};
		char url[64];

		/* The last two neither end nor close: the time is over. */
		start(&s, AF_INET, url, sizeof(url), replies[i], i >= 2);
		p.url = url;
		if (http_request(&p, &reply, &err) < 0)
			fail_msg("%zu: %s", i, err.text);
		assert_int_equal(reply.status, 200);
		stop(&s);
	}
}

static void
test_stopped(void **state)
{
	AUTO_HTTP_REPLY struct http_reply reply = {0};
	atomic_bool told = true;
	struct http_params p = {.stop = &told, .total_ms = 60000};
	struct canned s;
	struct err err = {0, ""};
	char url[64];

	(void)state;
	start(&s, AF_INET, url, sizeof(url), "", true);
	p.url = url;
	assert_int_equal(http_request(&p, &reply, &err), ERR_CANCELED);
	stop(&s);
}

static void
test_refused_before_anything_is_sent(void **state)
{
	static const struct http_params cases[] = {
	    {.url = "file:///etc/passwd"},
	    {.url = "ftp://127.0.0.1/"},
	    {.url = "http://127.0.0.1:1/", .trust = HTTP_TRUST_NOBODY},
	    {.url = "http://127.0.0.1:1/",
		.trust = HTTP_TRUST_PINNED,
		.ca = {(const uint8_t *)"x", 1}},
	    {.url = "https://127.0.0.1:1/", .trust = HTTP_TRUST_PINNED},
	    {.url = "https://127.0.0.1:1/",
		.trust = HTTP_TRUST_NOBODY,
		.body = {(const uint8_t *)"x", 1}},
	    {.url = "https://127.0.0.1:1/",
		.trust = HTTP_TRUST_NOBODY,
		.identity_chain = {(const uint8_t *)"x", 1}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_HTTP_REPLY struct http_reply reply = {0};
		struct err err = {0, ""};

		assert_int_equal(http_request(&cases[i], &reply, &err), ERR_INVALID);
	}
}

struct lines {
	char text[256];
	unsigned count, stop_at;
};

static int
on_line(struct span line, void *arg)
{
	struct lines *l = arg;
	size_t n = strlen(l->text);

	snprintf(l->text + n, sizeof(l->text) - n, "%.*s|", (int)line.len, (const char *)line.data);
	return ++l->count == l->stop_at;
}

static void
test_stream(void **state)
{
	static const struct {
		const char *reply;
		unsigned stop_at;
		bool hold;
		int code;
		const char *lines;
	} cases[] = {
	    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	     "4\r\na\nb\n\r\n2\r\n\n\n\r\n3\r\nc\r\n\r\n1\r\nd\r\n2\r\ne\n\r\n0\r\n\r\n",
		0, false, 0, "a|b|c|de|"},
	    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\na\nb\n\r\n", 2, true,
		ERR_CANCELED, "a|b|"},
	    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\na\n\r\n", 0, true,
		ERR_TIMEOUT, "a|"},
	    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\na\n\r\n", 0, false,
		ERR_UNAVAIL, "a|"},
	    {"HTTP/1.1 403 No\r\nContent-Length: 4\r\n\r\na\nb\n", 0, false, 0, ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_HTTP_REPLY struct http_reply reply = {0};
		struct lines lines = {.stop_at = cases[i].stop_at};
		struct canned s;
		struct err err = {0, ""};
		char url[64];
		int r;

		start(&s, AF_INET, url, sizeof(url), cases[i].reply, cases[i].hold);
		/* Long enough for a slow machine to see what comes before the silence. */
		r = http_stream(&(struct http_params){.url = url,
				    .silence_ms = cases[i].code == ERR_TIMEOUT ? 1000 : 60000},
		    on_line, &lines, &reply, &err);
		stop(&s);
		if (r != cases[i].code)
			fail_msg("case %zu: %d '%s'", i, r, err.text);
		assert_string_equal(lines.text, cases[i].lines);
		if (i == ARRAY_LEN(cases) - 1) {
			assert_int_equal(reply.status, 403);
			assert_string_equal(buf_str(&reply.body), "a\nb\n");
		}
	}
}

static void
test_escaping(void **state)
{
	struct buf out = BUF_INIT(64);

	(void)state;
	http_put_escaped(&out, "*.a-b_c~/ ?\xc3\xa4");
	assert_string_equal(buf_str(&out), "%2A.a-b_c~%2F%20%3F%C3%A4");
	buf_fini(&out);
}

static int
setup(void **state)
{
	struct err err;

	(void)state;
	return http_init(&err);
}

static int
teardown(void **state)
{
	(void)state;
	http_fini();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_request_and_its_reply),
	    cmocka_unit_test(test_unix_socket),
	    cmocka_unit_test(test_goes_nowhere_else),
	    cmocka_unit_test(test_bad_servers),
	    cmocka_unit_test(test_refused_before_anything_is_sent),
	    cmocka_unit_test(test_stream),
	    cmocka_unit_test(test_status_only),
	    cmocka_unit_test(test_stopped),
	    cmocka_unit_test(test_escaping),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
