#include "common/base/str.h"
#include "tests/unit/common/lift/lift_tests.h"

/* One key and one certificate, in all the shapes in which people paste them. */

/* Each line end replaced, each line begun with something, each dash replaced. */
static void
put_shaped(struct buf *out, const struct buf *pem, const char *line_end, const char *begin,
    const char *dash)
{
	bool at_start = true;

	for (size_t i = 0; i < pem->len; i++) {
		char c = (char)pem->data[i];

		if (at_start)
			buf_put_str(out, begin);
		at_start = c == '\n';
		if (c == '\n')
			buf_put_str(out, line_end);
		else if (c == '-')
			buf_put_str(out, dash);
		else
			buf_put_u8(out, (uint8_t)c);
	}
}

static void
check_pair(struct span text, const char *name)
{
	struct lift *l = lift_with(NULL, NULL);
	struct err err;

	lift_add(l, name, text);
	lift_match(l);
	if (lift_check(l, &err) < 0)
		fail_msg("%s: %s", name, err.text);
	if (strcmp(kinds_of(l), "kc") != 0)
		fail_msg("%s: %s", name, kinds_of(l));
	assert_int_equal(lift_at(l, 0)->pair, 1);
	assert_int_equal(lift_at(l, 1)->pair, 0);
	lift_free(l);
}

static void
test_shapes(void **state)
{
	static const struct {
		const char *name, *before, *line_end, *begin, *dash, *between, *after;
	} cases[] = {
	    {"plain", "", "\n", "", "-", "", ""},
	    {"crlf", "", "\r\n", "", "-", "", ""},
	    {"indented", "", "\n", "    ", "-", "", ""},
	    {"tabs", "", "\n", "\t\t", "-", "", ""},
	    {"no-break spaces", "", "\n", "\xc2\xa0 ", "-", "", ""},
	    {"byte order mark", "\xef\xbb\xbf", "\n", "", "-", "", ""},
	    {"quoted", "On Monday she wrote:\n", "\n", "> ", "-", ">\n", "-- \nJ.\n"},
	    {"quoted twice", "", "\n", ">> ", "-", "", ""},
	    {"json", "{\"a\": \"", "\\n", "", "-", "\", \"b\": \"", "\"}"},
	    {"json crlf", "\"", "\\r\\n", "", "-", "", "\""},
	    {"c source", "const char *p =\n", "\\n\"\n", "    \"", "-", ";\n", ";\n"},
	    {"em dashes", "", "\n", "", "\xe2\x80\x94", "", ""},
	    {"blank lines", "\n\n", "\n\n", "", "-", "\n\n\n", "\n\n"},
	    {"bag attributes", "Bag Attributes\n    friendlyName: a: b\n", "\n", "", "-",
		"subject=CN = x\n\nissuer=CN = y\n", ""},
	    {"kyrtool",
		"Using keyring path 'C:\\d\\keyfile.kyr'\nKey length: 256\nKey 1\n---- key ----\n",
		"\r\n", "", "-", "Certificate #0\n  Subject: CN=x/O=y\nEND of keys\nBEGIN certs\n",
		"SEC_mpfct: end - - -\n"},
	    {"yaml", "tls:\n  key: |\n", "\n", "    ", "-", "  cert: |\n", "..."},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf text = BUF_INIT(LIMIT_IMPORT_FILE);

		buf_put_str(&text, cases[i].before);
		put_shaped(&text, &key_pem, cases[i].line_end, cases[i].begin, cases[i].dash);
		buf_put_str(&text, cases[i].between);
		put_shaped(&text, &cert_pem, cases[i].line_end, cases[i].begin, cases[i].dash);
		buf_put_str(&text, cases[i].after);
		check_pair(buf_span(&text), cases[i].name);
		buf_fini(&text);
	}
}

static void
test_utf16(void **state)
{
	struct buf text = BUF_INIT(LIMIT_IMPORT_FILE), both = BUF_INIT(LIMIT_IMPORT_FILE);

	(void)state;
	buf_put_span(&both, buf_span(&key_pem));
	buf_put_span(&both, buf_span(&cert_pem));
	for (int big = 0; big < 2; big++) {
		buf_clear(&text);
		buf_put(&text, big ? "\xfe\xff" : "\xff\xfe", 2);
		for (size_t i = 0; i < both.len; i++) {
			if (big)
				buf_put_u8(&text, 0);
			buf_put_u8(&text, both.data[i]);
			if (!big)
				buf_put_u8(&text, 0);
		}
		check_pair(buf_span(&text), "utf-16");
	}
	buf_fini(&text);
	buf_fini(&both);
}

static void
test_several_files_in_any_order(void **state)
{
	struct lift *l = lift_with(NULL, NULL);

	(void)state;
	lift_add(l, "a.crt", SPAN(cert_pem.data, cert_pem.len - 1)); /* no newline at the end */
	lift_add(l, "a.key", SPAN(key_pem.data, key_pem.len - 1));
	lift_add(l, "again.crt", buf_span(&cert_pem));
	lift_match(l);
	assert_string_equal(kinds_of(l), "ck!");
	assert_int_equal(lift_at(l, 0)->pair, 1);
	assert_string_equal(lift_at(l, 1)->file, "a.key");
	assert_int_equal(lift_at(l, 2)->why, LIFT_IGNORED);
	assert_string_equal(lift_at(l, 2)->text,
	    "'again.crt', block 1 at line 1 (CERTIFICATE): the same certificate once more");
	assert_int_equal(lift_check(l, NULL), 0);
	lift_free(l);
}

/* Base64 without armour, and DER with line ends that a transfer put behind it. */
static void
test_bare(void **state)
{
	struct lift *l = lift_with(NULL, NULL);
	struct buf text = BUF_INIT(LIMIT_IMPORT_FILE);
	const char *body = strchr(buf_str(&cert_pem), '\n') + 1;
	struct cert *chain[LIMIT_CHAIN];
	size_t count;

	(void)state;
	buf_put(&text, body, (size_t)(strstr(body, "-----END") - body));
	lift_add(l, "bare", buf_span(&text));
	assert_string_equal(kinds_of(l), "c");
	assert_int_equal(cert_parse_pem_chain(buf_span(&cert_pem), chain, &count, NULL), 0);
	buf_clear(&text);
	buf_put_span(&text, cert_der(chain[0]));
	buf_put_str(&text, "\r\n");
	lift_add(l, "transfer.der", buf_span(&text));
	assert_string_equal(kinds_of(l), "c!"); /* the same once more */
	cert_unref(chain[0]);
	buf_fini(&text);
	lift_free(l);
}

/* A Kubernetes secret: the values are base64 of PEM. */
static void
test_wrapped(void **state)
{
	struct lift *l = lift_with(NULL, NULL);
	struct buf text = BUF_INIT(LIMIT_IMPORT_FILE);

	(void)state;
	buf_put_str(&text, "apiVersion: v1\ndata:\n  tls.key: ");
	base64_put(&text, buf_span(&key_pem));
	buf_put_str(&text, "\n  tls.crt: \"");
	base64_put(&text, buf_span(&cert_pem));
	buf_put_str(&text, "\"\n  other: LS0tLS1CRUdJTi!\nkind: Secret\n");
	check_pair(buf_span(&text), "secret.yaml");
	lift_add(l, "secret.yaml", buf_span(&text));
	assert_string_equal(lift_at(l, 1)->place, "value 2, block 1 at line 1 (CERTIFICATE)");
	buf_fini(&text);
	lift_free(l);
}

int
run_shape_tests(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_shapes),
	    TEST(test_utf16),
	    TEST(test_several_files_in_any_order),
	    TEST(test_bare),
	    TEST(test_wrapped),
	};

	return cmocka_run_group_tests_name("shapes", tests, NULL, NULL);
}
