#include "common/json/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct inner {
	int64_t count;
	char *word;
};

struct sample {
	char *name;
	bool enabled;
	bool enabled_given;
	int64_t number;
	int64_t life;
	struct json_texts names;
	int choice;
	struct inner inner;
	struct json_list list;
};

static const char *const choices[] = {"ec-p256", "rsa-2048", NULL};

static const struct json_field inner_fields[] = {
    {.name = "count", .kind = JSON_INT, .offset = offsetof(struct inner, count), .max = 10},
    {.name = "word", .kind = JSON_TEXT, .offset = offsetof(struct inner, word)},
};

static const struct json_field fields[] = {
    {.name = "name",
	.kind = JSON_TEXT,
	.flags = JSON_REQUIRED,
	.offset = offsetof(struct sample, name),
	.min = 1,
	.max = 8},
    {.name = "enabled",
	.kind = JSON_BOOL,
	.offset = offsetof(struct sample, enabled),
	.given = offsetof(struct sample, enabled_given)},
    {.name = "number",
	.kind = JSON_INT,
	.offset = offsetof(struct sample, number),
	.min = -5,
	.max = 5},
    {.name = "life",
	.kind = JSON_DURATION,
	.offset = offsetof(struct sample, life),
	.min = 3600,
	.max = 86400},
    {.name = "names",
	.kind = JSON_TEXTS,
	.offset = offsetof(struct sample, names),
	.min = 1,
	.max = 3},
    {.name = "key",
	.kind = JSON_CHOICE,
	.offset = offsetof(struct sample, choice),
	.choices = choices},
    {.name = "inner",
	.kind = JSON_MEMBERS,
	.offset = offsetof(struct sample, inner),
	.fields = inner_fields,
	.field_count = ARRAY_LEN(inner_fields)},
    {.name = "list",
	.kind = JSON_OBJECTS,
	.offset = offsetof(struct sample, list),
	.max = 2,
	.fields = inner_fields,
	.field_count = ARRAY_LEN(inner_fields),
	.size = sizeof(struct inner)},
};

static int
decode(const char *text, struct sample *out, struct err *err)
{
	AUTO(json_freep)
	struct json *root = NULL;
	int r = json_parse(span_str(text), 4096, &root, err);

	memset(out, 0, sizeof(*out));
	if (r < 0)
		return r;
	return json_decode(root, fields, ARRAY_LEN(fields), out, err);
}

static void
test_decode_takes_every_kind(void **state)
{
	struct sample s;
	struct err err;

	(void)state;
	assert_int_equal(decode("{\"name\":\"a\\u00e4\",\"enabled\":false,\"number\":-5,"
				"\"life\":\"2h\",\"names\":[\"x\",\"y\"],\"key\":\"rsa-2048\","
				"\"inner\":{\"count\":10,\"word\":null},"
				"\"list\":[{\"count\":3},{\"word\":\"w\"}]}",
			     &s, &err),
	    0);
	assert_string_equal(s.name, "a\xc3\xa4");
	assert_false(s.enabled);
	assert_true(s.enabled_given);
	assert_int_equal(s.number, -5);
	assert_int_equal(s.life, 7200);
	assert_int_equal(s.names.count, 2);
	assert_string_equal(s.names.items[1], "y");
	assert_int_equal(s.choice, 1);
	assert_int_equal(s.inner.count, 10);
	assert_null(s.inner.word);
	assert_int_equal(s.list.count, 2);
	assert_int_equal(((struct inner *)s.list.items)[0].count, 3);
	assert_string_equal(((struct inner *)s.list.items)[1].word, "w");
	json_release(fields, ARRAY_LEN(fields), &s);
	assert_null(s.name);
	assert_int_equal(s.names.count, 0);
	assert_int_equal(s.list.count, 0);
}

static void
test_refusals(void **state)
{
	static const struct {
		const char *text;
		int code;
		const char *part; /* of the error's text */
	} cases[] = {
	    {"", ERR_PARSE, "nothing"},
	    {"{", ERR_PARSE, "line 1"},
	    {"{\"name\":\"a\"} x", ERR_PARSE, "line 1"},
	    {"\"text\"", ERR_PARSE, "line 1"},
	    {"[]", ERR_INVALID, "object is expected"},
	    {"{\"name\":\"a\",\"name\":\"b\"}", ERR_PARSE, "duplicate"},
	    {"{\"name\":\"a\\u0000b\"}", ERR_PARSE, "line 1"},
	    {"{\"name\":\"\xff\"}", ERR_PARSE, "line 1"},
	    {"{}", ERR_INVALID, "'name' is missing"},
	    {"{\"name\":null}", ERR_INVALID, "'name' is missing"},
	    {"{\"name\":7}", ERR_INVALID, "'name' must be a text"},
	    {"{\"name\":\"\"}", ERR_LIMIT, "'name'"},
	    {"{\"name\":\"123456789\"}", ERR_LIMIT, "between 1 and 8"},
	    {"{\"name\":\"a\",\"nmae\":\"a\"}", ERR_INVALID, "unknown member 'nmae'"},
	    {"{\"name\":\"a\",\"\\u001b\":1}", ERR_INVALID, "unknown member '\\x1b'"},
	    {"{\"name\":\"a\",\"enabled\":1}", ERR_INVALID, "'enabled' must be true or false"},
	    {"{\"name\":\"a\",\"number\":6}", ERR_LIMIT, "between -5 and 5"},
	    {"{\"name\":\"a\",\"number\":1.0}", ERR_INVALID, "whole number"},
	    {"{\"name\":\"a\",\"number\":99999999999999999999}", ERR_PARSE, "line 1"},
	    {"{\"name\":\"a\",\"life\":90}", ERR_INVALID, "duration"},
	    {"{\"name\":\"a\",\"life\":\"1s\"}", ERR_LIMIT, "'life'"},
	    {"{\"name\":\"a\",\"life\":\"soon\"}", ERR_PARSE, "'life'"},
	    {"{\"name\":\"a\",\"names\":[]}", ERR_LIMIT, "'names'"},
	    {"{\"name\":\"a\",\"names\":[\"1\",\"2\",\"3\",\"4\"]}", ERR_LIMIT, "'names'"},
	    {"{\"name\":\"a\",\"names\":[\"1\",2]}", ERR_INVALID, "'names'"},
	    {"{\"name\":\"a\",\"names\":\"1\"}", ERR_INVALID, "array"},
	    {"{\"name\":\"a\",\"key\":\"dsa\"}", ERR_INVALID, "ec-p256, rsa-2048"},
	    {"{\"name\":\"a\",\"inner\":{\"count\":11}}", ERR_LIMIT, "in 'inner': member 'count'"},
	    {"{\"name\":\"a\",\"inner\":{\"word\":\"w\",\"other\":1}}", ERR_INVALID, "'other'"},
	    {"{\"name\":\"a\",\"list\":{}}", ERR_INVALID, "'list' must be an array"},
	    {"{\"name\":\"a\",\"list\":[{},{},{}]}", ERR_LIMIT, "'list'"},
	    {"{\"name\":\"a\",\"list\":[{\"word\":\"w\"},{\"count\":11}]}", ERR_LIMIT,
		"item 2 of 'list': member 'count'"},
	    {"{\"name\":\"a\",\"list\":[7]}", ERR_INVALID, "item 1 of 'list'"},
	    {"{\"name\":\"a\",\"inner\":[]}", ERR_INVALID, "'inner' must be an object"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct sample s;
		struct err err = {0, ""};

		if (decode(cases[i].text, &s, &err) != cases[i].code ||
		    strstr(err.text, cases[i].part) == NULL)
			fail_msg("%s: %d '%s'", cases[i].text, err.code, err.text);
		/* What was decoded before the error is gone again. */
		assert_null(s.name);
		assert_null(s.inner.word);
		assert_int_equal(s.names.count, 0);
	}
}

static void
test_depth_and_size_at_their_limits(void **state)
{
	for (int over = 0; over < 2; over++) {
		AUTO(json_freep)
		struct json *root = NULL;
		struct buf text = BUF_INIT(1024);
		struct err err;

		(void)state;
		for (int i = 0; i < LIMIT_JSON_DEPTH + over; i++)
			buf_put_str(&text, "[");
		buf_put_str(&text, "\"[{\\\"[\"");
		for (int i = 0; i < LIMIT_JSON_DEPTH + over; i++)
			buf_put_str(&text, "]");
		assert_int_equal(
		    json_parse(buf_span(&text), 1024, &root, &err), over ? ERR_LIMIT : 0);
		json_free(root);
		root = NULL;
		buf_clear(&text);
		buf_put_str(&text, "[1,2]");
		assert_int_equal(json_parse(buf_span(&text), text.len - (size_t)over, &root, &err),
		    over ? ERR_LIMIT : 0);
		buf_fini(&text);
	}
}

static void
test_reading_a_reply(void **state)
{
	static const char text[] = "{\"items\":[{\"n\":7,\"ok\":true,\"t\":\"x\"}],\"o\":{}}";
	AUTO(json_freep)
	struct json *root = NULL;
	struct buf again = BUF_INIT(256);
	const struct json *items, *item;
	struct err err;

	(void)state;
	assert_int_equal(json_parse(span_str(text), 256, &root, &err), 0);
	items = json_member(root, "items");
	assert_int_equal(json_count(items), 1);
	item = json_item(items, 0);
	assert_int_equal(json_number(item, "n"), 7);
	assert_true(json_flag(item, "ok"));
	assert_string_equal(json_text(item, "t"), "x");
	assert_true(json_is_list(items));
	assert_true(json_is_map(item));
	assert_true(json_is_text(json_member(item, "t")));
	/* What is not there is found to be nothing, however deep. */
	assert_null(json_item(items, 1));
	assert_int_equal(json_count(json_member(NULL, "x")), 0);
	assert_string_equal(json_text(json_item(NULL, 3), "t"), "");
	assert_false(json_flag(NULL, "ok"));
	assert_int_equal(json_number(root, "items"), 0);
	json_put_tree(&again, root, 0);
	assert_string_equal(buf_str(&again), text);
	buf_fini(&again);
}

static void
test_writer(void **state)
{
	struct buf out = BUF_INIT(1024);
	struct json_writer w = JSON_WRITER(&out);

	(void)state;
	json_put_object(&w, NULL);
	json_put_text(&w, "a", "x");
	json_put_array(&w, "b");
	json_put_int(&w, NULL, -1);
	json_put_uint(&w, NULL, UINT64_MAX);
	json_put_object(&w, NULL);
	json_put_end(&w);
	json_put_array(&w, NULL);
	json_put_end(&w);
	json_put_end(&w);
	json_put_bool(&w, "c", true);
	json_put_text(&w, "d", NULL);
	json_put_time(&w, "e", 1);
	json_put_time(&w, "f", 0);
	json_put_textf(&w, "g", "%d/%s", 7, "\"");
	json_put_base64(&w, "h", SPAN("\xff\xef", 2));
	json_put_end(&w);
	assert_int_equal(w.depth, 0);
	assert_string_equal(buf_str(&out),
	    "{\"a\":\"x\",\"b\":[-1,18446744073709551615,{},[]],\"c\":true,\"d\":null,"
	    "\"e\":\"1970-01-01T00:00:01Z\",\"f\":null,\"g\":\"7/\\\"\",\"h\":\"/+8=\"}");
	buf_fini(&out);
}

static void
test_quoting(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
	    {"", "\"\""}, {"plain / text", "\"plain / text\""},
	    {"\"\\\b\t\n\f\r\x01\x7f", "\"\\\"\\\\\\b\\t\\n\\f\\r\\u0001\\u007f\""},
	    {"a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80z",
		"\"a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80z\""},
	    {"\xff", "\"\\ufffd\""},                                  /* no such byte */
	    {"\xc0\x80", "\"\\ufffd\\ufffd\""},                       /* overlong NUL */
	    {"\xe0\x80\x80", "\"\\ufffd\\ufffd\\ufffd\""},            /* overlong */
	    {"\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\""},            /* surrogate */
	    {"\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\""}, /* above U+10FFFF */
	    {"a\xe2\x82", "\"a\\ufffd\\ufffd\""},                     /* cut off */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out = BUF_INIT(256);

		json_put_quoted(&out, span_str(cases[i].in));
		assert_string_equal(buf_str(&out), cases[i].out);
		buf_fini(&out);
	}
}

/* Whatever bytes are written as a text can be read again as JSON. */
static void
test_what_is_written_is_read(void **state)
{
	(void)state;
	for (unsigned c = 1; c < 256; c++) {
		AUTO(json_freep)
		struct json *root = NULL;
		char text[] = {'a', (char)c, 'b', '\0'};
		struct buf out = BUF_INIT(256);
		struct json_writer w = JSON_WRITER(&out);
		struct err err;

		json_put_object(&w, NULL);
		json_put_text(&w, text, text);
		json_put_end(&w);
		assert_int_equal(json_parse(buf_span(&out), 256, &root, &err), 0);
		if (c < 0x80)
			assert_string_equal(json_text(root, text), text);
		buf_fini(&out);
	}
}

static void
test_writer_keeps_the_limit(void **state)
{
	struct buf out = BUF_INIT(4);
	struct json_writer w = JSON_WRITER(&out);
	struct err err;

	(void)state;
	json_put_object(&w, NULL);
	json_put_text(&w, "name", "value");
	json_put_end(&w);
	assert_int_equal(buf_error(&out, "reply", &err), ERR_LIMIT);
	buf_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_decode_takes_every_kind),
	    cmocka_unit_test(test_refusals),
	    cmocka_unit_test(test_depth_and_size_at_their_limits),
	    cmocka_unit_test(test_reading_a_reply),
	    cmocka_unit_test(test_writer),
	    cmocka_unit_test(test_quoting),
	    cmocka_unit_test(test_what_is_written_is_read),
	    cmocka_unit_test(test_writer_keeps_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
