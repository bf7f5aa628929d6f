#include "sample.h"

#include "common/base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int
parse(const char *text, struct sample_conf *c, struct err *err)
{
	return conf_parse(&sample_schema, "c.conf", span_str(text), c, err);
}

static const struct sample_port *
port(const struct sample_conf *c, size_t i)
{
	assert_true(i < c->ports.count);
	return (const struct sample_port *)c->ports.items + i;
}

static void
test_defaults(void **state)
{
	struct sample_conf c;

	(void)state;
	conf_init(&sample_schema, &c);
	assert_null(c.data);
	assert_string_equal(c.label, "a \"b\" \\c");
	assert_int_equal(c.level, 1);
	assert_int_equal(c.workers, 2);
	assert_int_equal(c.memory, 8 << 20);
	assert_int_equal(c.timeout, 45);
	assert_false(c.verbose);
	assert_int_equal(c.peers.count, 2);
	assert_string_equal(c.peers.items[1], "b:2");
	conf_fini(&sample_schema, &c);
	assert_null(c.label);
}

static void
test_a_whole_file(void **state)
{
	static const char text[] = "# comment ${HOME} \"\n"
				   "data = /var/lib/x // end\n"
				   "label = 'it\\'s /* no */'\n"
				   "/* two\n lines ' */ log-level = debug workers = 64\n"
				   "memory = 1g\ntimeout = \"1h\"\nverbose = Yes\n"
				   "peer = {\"[::1]:1\", x:2,\n y:3}\n"
				   "port \"www\" {\n listen = {0.0.0.0:443}\n default = on\n}\n"
				   "port plain {\n listen = {a:80, b:80}\n kind = http\n}\n";
	struct sample_conf c;
	struct err err = {0, ""};

	(void)state;
	conf_init(&sample_schema, &c);
	if (parse(text, &c, &err) != 0)
		fail_msg("%s", err.text);
	assert_int_equal(conf_complete(&sample_schema, &c, &err), 0);
	assert_string_equal(c.data, "/var/lib/x");
	assert_string_equal(c.label, "it's /* no */");
	assert_int_equal(c.level, 2);
	assert_int_equal(c.workers, 64);
	assert_int_equal(c.memory, 1 << 30);
	assert_int_equal(c.timeout, 3600);
	assert_true(c.verbose);
	assert_int_equal(c.peers.count, 3);
	assert_string_equal(c.peers.items[0], "[::1]:1");
	assert_int_equal(c.ports.count, 2);
	assert_string_equal(port(&c, 0)->name, "www");
	assert_int_equal(port(&c, 0)->kind, 0);
	assert_true(port(&c, 0)->is_default);
	assert_string_equal(port(&c, 1)->name, "plain");
	assert_int_equal(port(&c, 1)->listen.count, 2);
	assert_int_equal(port(&c, 1)->kind, 1);
	conf_fini(&sample_schema, &c);
}

/* A list may be written without braces when it has one item, be emptied, and grow. */
static void
test_lists(void **state)
{
	static const struct {
		const char *text;
		size_t count;
		const char *last;
	} cases[] = {
	    {"", 2, "b:2"},
	    {"peer = {}", 0, ""},
	    {"peer = x:1", 1, "x:1"},
	    {"peer = {x:1}", 1, "x:1"},
	    {"peer = {x:1}\npeer += {y:1, z:1}", 3, "z:1"},
	    {"peer = x:1\npeer += y:1", 2, "y:1"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct sample_conf c;
		struct err err = {0, ""};

		conf_init(&sample_schema, &c);
		if (parse(cases[i].text, &c, &err) != 0)
			fail_msg("%s", err.text);
		assert_int_equal(c.peers.count, cases[i].count);
		if (c.peers.count > 0)
			assert_string_equal(c.peers.items[c.peers.count - 1], cases[i].last);
		conf_fini(&sample_schema, &c);
	}
}

static void
test_nothing_of_the_environment(void **state)
{
	struct sample_conf c;
	struct err err = {0, ""};

	(void)state;
	setenv("CONF_TEST", "leaked", 1);
	conf_init(&sample_schema, &c);
	assert_int_equal(parse("data = \"/a/${CONF_TEST}\"\nlabel='${CONF_TEST:-}'\n"
			       "port \"${CONF_TEST}\" { listen = {\"${CONF_TEST}:1\"} }",
			     &c, &err),
	    0);
	assert_string_equal(c.data, "/a/${CONF_TEST}");
	assert_string_equal(c.label, "${CONF_TEST:-}");
	assert_string_equal(port(&c, 0)->name, "${CONF_TEST}");
	assert_string_equal(port(&c, 0)->listen.items[0], "${CONF_TEST}:1");
	/* Without quotes the brace is what it is everywhere. */
	assert_int_equal(parse("data = /a/${CONF_TEST}", &c, &err), ERR_PARSE);
	assert_null(strstr(err.text, "leaked"));
	conf_fini(&sample_schema, &c);
}

static void
test_refusals(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
	    {"dta = x", "c.conf:1: unknown key 'dta'; did you mean 'data'?"},
	    {"\n\nfrobnicate = x", "c.conf:3: unknown key 'frobnicate'"},
	    {"/* a\n */ /* b */\nwrkers = 3", "c.conf:3: unknown key 'wrkers'"},
	    {"port a {\n lisen = x\n}",
		"c.conf:2: unknown key 'lisen' in a section 'port'; did you mean 'listen'?"},
	    {"data = a\ndata = b", "c.conf:2: 'data' is given twice"},
	    {"peer = {a:1}\npeer = {b:1}", "c.conf:2: 'peer' is given twice"},
	    {"peer = a:1\npeer = b:1", "c.conf:2: 'peer' is given twice"},
	    {"peer = {a:1, b:1}\npeer = {b:1}", "c.conf:2: 'peer' is given twice"},
	    {"port a { kind = tls kind = tls }", "c.conf:1: 'kind' is given twice"},
	    {"port a { listen = {a:1} }\nport a { listen = {b:1} }", "c.conf:2: "},
	    {"workers = 65", "c.conf:1: workers: '65' is not between 1 and 64"},
	    {"workers = -1", "c.conf:1: workers: '-1' is not a number"},
	    {"\nworkers = two", "c.conf:2: workers: 'two' is not a number"},
	    {"memory = 1k", "c.conf:1: memory: '1k' is not between"},
	    {"memory = 18446744073709551615g", "c.conf:1: memory: "},
	    {"memory = 1q", "c.conf:1: memory: '1q' is not a size"},
	    {"timeout = 5", "c.conf:1: timeout: '5' is not a duration"},
	    {"timeout = 2h", "c.conf:1: timeout: "},
	    {"verbose = maybe", "c.conf:1: verbose: 'maybe' is neither"},
	    {"log-level = loud", "log-level: 'loud' is not one of: error, info, debug"},
	    {"label = 123456789012345678901", "c.conf:1: label: has 21 characters"},
	    {"data = \"\"", "c.conf:1: data: is empty"},
	    {"peer = {a:1, b}", "c.conf:1: peer: 'b' is not ADDRESS:PORT"},
	    {"peer = {a:1,b:1,c:1,d:1}", "c.conf: peer: has 4 items"},
	    {"port a {\n listen = {x}\n}", "c.conf:2: listen: 'x' is not"},
	    {"port a { listen = {a:1,b:1,c:1,d:1} }", "port \"a\": listen: has 4 items"},
	    {"port { }", "c.conf:1: "},
	    {"port a { listen = {a:1}", "c.conf:1: this brace is never closed"},
	    {"data = x\npeer = {a:1", "c.conf:2: this brace is never closed"},
	    {"data = ", "c.conf:"},
	    {"data = \"a", "c.conf:1: this text has no closing quote"},
	    {"\ndata = \"a\nb\"", "c.conf:2: this text has no closing quote"},
	    {"data = 'a\\n'", "c.conf:1: in a quoted text, a backslash"},
	    {"data = \"\\x41\"", "c.conf:1: in a quoted text, a backslash"},
	    {"data = a\\b", "c.conf:1: unexpected character"},
	    {"include(/etc/passwd)", "c.conf:1: unexpected character"},
	    {"/* never", "c.conf:1: this comment has no end"},
	    {"data = a\r\n", "c.conf:1: control character"},
	    {"data = \"a\x01\"", "c.conf:1: control character"},
	    {"data", "c.conf:"},
	    {"= b", "c.conf:1: "},
	    {"}", "c.conf:1: "},
	};
	struct sample_conf c;

	(void)state;
	conf_init(&sample_schema, &c);
	assert_int_equal(conf_set(&sample_schema, &c, "data", "/kept", NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = {0, ""};

		if (parse(cases[i].text, &c, &err) != ERR_PARSE ||
		    strstr(err.text, cases[i].error) == NULL)
			fail_msg("%s: %d '%s'", cases[i].text, err.code, err.text);
		assert_string_equal(c.data, "/kept");
	}
	conf_fini(&sample_schema, &c);
}

static void
test_size_limit(void **state)
{
	AUTO(buf_freep)
	struct buf *text = buf_new(LIMIT_CONFIG + 1);
	struct sample_conf c;
	struct err err;

	(void)state;
	conf_init(&sample_schema, &c);
	while (text->len < LIMIT_CONFIG)
		buf_put_str(text, "\n");
	assert_int_equal(conf_parse(&sample_schema, "x", buf_span(text), &c, &err), 0);
	buf_put_str(text, "\n");
	assert_int_equal(conf_parse(&sample_schema, "x", buf_span(text), &c, &err), ERR_LIMIT);
	conf_fini(&sample_schema, &c);
}

static void
test_what_is_missing(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
	    {"", "data is missing; give --data or set it"},
	    {"data = x port a { }", "port \"a\": listen is missing"},
	    {"data = x port a { listen={a:1} } port b { listen={a:1} } port c { listen={a:1} }",
		"port: there are 3 sections, not 0 to 2"},
	};
	struct sample_conf c;

	(void)state;
	conf_init(&sample_schema, &c);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = {0, ""};

		assert_int_equal(parse(cases[i].text, &c, &err), 0);
		assert_int_equal(conf_complete(&sample_schema, &c, &err), ERR_INVALID);
		if (strstr(err.text, cases[i].error) == NULL)
			fail_msg("%s: '%s'", cases[i].text, err.text);
	}
	conf_fini(&sample_schema, &c);
}

static void
test_documents(void **state)
{
	AUTO(buf_freep)
	struct buf *out = buf_new(65536);
	struct sample_conf c;
	struct err err = {0, ""};

	(void)state;
	conf_put_help(&sample_schema, out);
	assert_non_null(strstr(buf_str(out), "--data DIR "));
	assert_non_null(strstr(buf_str(out), "--[no-]verbose"));
	assert_non_null(strstr(buf_str(out), "Threads. Default 2; 1 to 64."));
	assert_non_null(strstr(buf_str(out), "Default 8m; 1m to 1g."));
	assert_non_null(strstr(buf_str(out), "Default info; one of error, info, debug."));
	assert_null(strstr(buf_str(out), "--port"));
	/* Nothing runs out of a terminal; what is cut goes on below itself. */
	for (const char *line = buf_str(out); *line != '\0'; line += strcspn(line, "\n") + 1)
		assert_in_range(strcspn(line, "\n"), 0, 100);
	assert_non_null(strstr(buf_str(out), "\n                              "));
	buf_clear(out);
	conf_put_markdown(&sample_schema, out);
	assert_non_null(
	    strstr(buf_str(out), "| `timeout` | DURATION | `45s` | 1s to 1h | Patience. |"));
	assert_non_null(strstr(buf_str(out), "A label \\| a text."));
	assert_non_null(strstr(buf_str(out), "`port \"NAME\" { ... }`: A listener."));
	buf_clear(out);
	conf_put_mdoc(&sample_schema, out);
	assert_non_null(
	    strstr(buf_str(out), ".It Ic data No = Ar DIR\nThe data directory.\nRequired.\n"));
	assert_non_null(strstr(buf_str(out), "a \"b\" \\ec"));

	/* The example says what the defaults are, in a form that is read. */
	buf_clear(out);
	conf_put_example(&sample_schema, out);
	conf_init(&sample_schema, &c);
	if (conf_parse(&sample_schema, "example", buf_span(out), &c, &err) != 0)
		fail_msg("%s\n%s", err.text, buf_str(out));
	assert_null(c.data);
	assert_string_equal(c.label, "a \"b\" \\c");
	assert_int_equal(c.peers.count, 2);
	assert_int_equal(c.ports.count, 0);
	conf_fini(&sample_schema, &c);
}

/* With the comment signs of its lines taken away, the example is a file with everything. */
static void
test_example_uncommented(void **state)
{
	AUTO(buf_freep)
	struct buf *out = buf_new(65536);
	AUTO(buf_freep)
	struct buf *open = buf_new(65536);
	struct sample_conf c;
	struct err err = {0, ""};

	(void)state;
	conf_put_example(&sample_schema, out);
	for (const char *p = buf_str(out); *p != '\0'; p += strcspn(p, "\n") + 1) {
		bool prose = p[0] == '#' && p[1] == ' ';
		const char *from = p[0] == '#' && !prose ? p + 1 : p;

		buf_put(open, from, strcspn(from, "\n") + 1);
	}
	conf_init(&sample_schema, &c);
	if (conf_parse(&sample_schema, "example", buf_span(open), &c, &err) != 0)
		fail_msg("%s\n%s", err.text, buf_str(open));
	assert_string_equal(c.data, "DIR");
	assert_string_equal(port(&c, 0)->listen.items[0], "ADDRESS:PORT");
	conf_fini(&sample_schema, &c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_defaults),
	    cmocka_unit_test(test_a_whole_file),
	    cmocka_unit_test(test_lists),
	    cmocka_unit_test(test_nothing_of_the_environment),
	    cmocka_unit_test(test_refusals),
	    cmocka_unit_test(test_size_limit),
	    cmocka_unit_test(test_what_is_missing),
	    cmocka_unit_test(test_documents),
	    cmocka_unit_test(test_example_uncommented),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
