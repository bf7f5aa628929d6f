#include "test_httpd.h"

#include "common/httpd/target.h"

void
test_target(void **state)
{
	static const struct {
		const char *uri, *route;
		bool fits;
		const char *param; /* {name} */
	} cases[] = {
	    {"/v1/nodes", "/v1/nodes", true, NULL},
	    {"/v1/nodes/", "/v1/nodes", false, NULL},
	    {"/v1", "/v1/nodes", false, NULL},
	    {"/v1/nodes/web1", "/v1/nodes/{name}", true, "web1"},
	    {"/v1/nodes/", "/v1/nodes/{name}", false, NULL},
	    {"/v1/nodes/web1/x", "/v1/nodes/{name}", false, NULL},
	    {"/v1/certs/%2A.example.org/renew", "/v1/certs/{name}/renew", true, "*.example.org"},
	    {"/v1/nodes/a%2Fb+c", "/v1/nodes/{name}", true, "a/b+c"},
	    {"/v1/%6Eodes", "/v1/nodes", true, NULL},
	    {"//v1/nodes", "/v1/nodes", false, NULL},
	    {"/", "/v1", false, NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct target t;
		struct err err;

		assert_int_equal(target_parse(cases[i].uri, &t, &err), 0);
		if (target_fits(&t, cases[i].route) != cases[i].fits)
			fail_msg("%s", cases[i].uri);
		if (cases[i].param != NULL)
			assert_string_equal(
			    target_param(&t, cases[i].route, "name"), cases[i].param);
		assert_null(target_param(&t, cases[i].route, "other"));
		target_fini(&t);
	}
}

void
test_target_query(void **state)
{
	struct target t;
	struct err err;

	(void)state;
	assert_int_equal(target_parse("/a%20b?x=1&y=a%26b+c&&z&x=2&=v", &t, &err), 0);
	assert_string_equal(t.path, "/a%20b");
	assert_string_equal(t.segments[0], "a b");
	assert_string_equal(target_query(&t, "x"), "1");
	assert_string_equal(target_query(&t, "y"), "a&b c");
	assert_string_equal(target_query(&t, "z"), "");
	assert_null(target_query(&t, "w"));
	target_fini(&t);
}

void
test_target_refusals(void **state)
{
	static const char *const bad[] = {"", "x", "*", "http://h/x", "/%", "/%4", "/%zz", "/%00",
	    "/a%0Ab", "/a?b=%1", "/a?%00=b", "/1/2/3/4/5/6/7/8/9/10/11/12/13",
	    "/?1&2&3&4&5&6&7&8&9&10&11&12&13&14&15&16&17"};
	struct target t;
	struct err err;
	char longest[TARGET_MAX + 2];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_true(target_parse(bad[i], &t, &err) < 0);
	memset(longest, 'x', sizeof(longest));
	longest[0] = '/';
	longest[TARGET_MAX] = '\0';
	assert_int_equal(target_parse(longest, &t, &err), 0);
	target_fini(&t);
	longest[TARGET_MAX] = 'x';
	longest[TARGET_MAX + 1] = '\0';
	assert_int_equal(target_parse(longest, &t, &err), ERR_LIMIT);
}
