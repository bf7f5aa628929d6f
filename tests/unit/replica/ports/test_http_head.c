#include "tests/unit/replica/ports/test_ports.h"

#include "replica/ports/http_head.h"

static void
test_heads(void **state)
{
	static const struct {
		const char *bytes;
		int code;
		const char *method, *target, *host;
	} cases[] = {
	    {"GET / HTTP/1.1\r\nHost: a.example.org\r\n\r\n", 0, "GET", "/", "a.example.org"},
	    {"POST /x?y=z HTTP/1.0\r\n\r\nbody", 0, "POST", "/x?y=z", ""},
	    {"GET / HTTP/1.1\r\nhOsT:\t[::1]:80 \r\nA:b\r\n\r\n", 0, "GET", "/", "[::1]:80"},
	    {"GET / HTTP/1.1\r\nHost: a\r\n", ERR_AGAIN, NULL, NULL, NULL},
	    {"", ERR_AGAIN, NULL, NULL, NULL},
	    {"GET / HTTP/1.1\n\n\r\n\r\n", ERR_PARSE, NULL, NULL, NULL},
	    {"GET / HTTP/2.0\r\n\r\n", ERR_PARSE, NULL, NULL, NULL},
	    {"GET  / HTTP/1.1\r\n\r\n", ERR_PARSE, NULL, NULL, NULL},
	    {"GET http://a/ HTTP/1.1\r\n\r\n", ERR_PARSE, NULL, NULL, NULL},
	    {"GET * HTTP/1.1\r\n\r\n", ERR_PARSE, NULL, NULL, NULL},
	    {"GET /\x01 HTTP/1.1\r\n\r\n", ERR_PARSE, NULL, NULL, NULL},
	    {"GET /\xc3\xa4 HTTP/1.1\r\n\r\n", ERR_PARSE, NULL, NULL, NULL},
	    {"G(T / HTTP/1.1\r\n\r\n", ERR_PARSE, NULL, NULL, NULL},
	    {"/ HTTP/1.1\r\n\r\n", ERR_PARSE, NULL, NULL, NULL},
	    {"\r\n\r\n", ERR_PARSE, NULL, NULL, NULL},
	    {"GET / HTTP/1.1\r\nHost a\r\n\r\n", ERR_PARSE, NULL, NULL, NULL},
	    {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", ERR_PARSE, NULL, NULL, NULL},
	    {"GET / HTTP/1.1\r\n folded\r\n\r\n", ERR_PARSE, NULL, NULL, NULL},
	    {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", ERR_PARSE, NULL, NULL, NULL},
	    {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", ERR_PARSE, NULL, NULL, NULL},
	    {"GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", ERR_PARSE, NULL, NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct http_head head;
		int r = http_head_parse(span_str(cases[i].bytes), &head);

		if (r != cases[i].code)
			fail_msg("case %zu: %d", i, r);
		if (r < 0)
			continue;
		assert_string_equal(head.method, cases[i].method);
		assert_string_equal(head.target, cases[i].target);
		assert_string_equal(head.host, cases[i].host);
	}
}

static void
test_head_limits(void **state)
{
	AUTO(buf_freep)
	struct buf *b = buf_new(3 * HTTP_HEAD_MAX);
	struct http_head head;

	(void)state;
	buf_put_str(b, "GET /");
	while (b->len < 5 + HTTP_TARGET_MAX - 2)
		buf_put_u8(b, 'a');
	buf_put_str(b, " HTTP/1.1\r\n\r\n");
	assert_int_equal(http_head_parse(buf_span(b), &head), 0);
	buf_clear(b);
	buf_put_str(b, "GET /");
	while (b->len < 5 + HTTP_TARGET_MAX)
		buf_put_u8(b, 'a');
	buf_put_str(b, " HTTP/1.1\r\n\r\n");
	assert_int_equal(http_head_parse(buf_span(b), &head), ERR_PARSE);
	buf_clear(b);
	buf_put_str(b, "GET / HTTP/1.1\r\nA: ");
	while (b->len < HTTP_HEAD_MAX - 1)
		buf_put_u8(b, 'a');
	assert_int_equal(http_head_parse(buf_span(b), &head), ERR_AGAIN);
	buf_put_u8(b, 'a');
	assert_int_equal(http_head_parse(buf_span(b), &head), ERR_LIMIT);
}

static void
test_hosts(void **state)
{
	static const struct {
		const char *header, *host; /* NULL: refused */
	} cases[] = {
	    {"WWW.Example.ORG", "www.example.org"},
	    {"www.example.org.:8080", "www.example.org"},
	    {"192.0.2.1:80", "192.0.2.1"},
	    {"[2001:db8::1]:80", "[2001:db8::1]"},
	    {"[2001:db8::1]", "[2001:db8::1]"},
	    {"", NULL},
	    {":80", NULL},
	    {"a:b", NULL},
	    {"*", NULL},
	    {"a/b", NULL},
	    {"a@b", NULL},
	    {"user:pass@a", NULL},
	    {"[a]", NULL},
	    {"[::1", NULL},
	    {"::1", NULL},
	    {"[127.0.0.1]", NULL},
	    {"a\"b", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char host[HTTP_HOST_MAX];
		bool ok = http_host_of(cases[i].header, host);

		if (ok != (cases[i].host != NULL))
			fail_msg("'%s'", cases[i].header);
		if (ok)
			assert_string_equal(host, cases[i].host);
	}
}

int
run_head_tests(void)
{
	const struct CMUnitTest head_tests[] = {
	    cmocka_unit_test(test_heads),
	    cmocka_unit_test(test_head_limits),
	    cmocka_unit_test(test_hosts),
	};

	return cmocka_run_group_tests(head_tests, NULL, NULL);
}
