#include "domain.h"

#include "common/base/str.h"
#include "common/crypto/cert.h"
#include "common/crypto/sign.h"
#include "common/join/answer.h"
#include "common/json/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct domain ours, other;

static int
setup(void **state)
{
	(void)state;
	domain_make(&ours);
	domain_make(&other);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	domain_fini(&ours);
	domain_fini(&other);
	return 0;
}

static void
test_root(void **state)
{
	struct buf body = BUF_INIT(65536);
	struct json_writer w = JSON_WRITER(&body);
	struct cert *cert = NULL;
	struct hash fingerprint;
	struct err err = {0, ""};

	(void)state;
	json_put_object(&w, NULL);
	json_put_text(&w, "domain", "example.org");
	json_put_text(&w, "domain_id", "00");
	json_put_text(&w, "fingerprint", "00");
	json_put_base64(&w, "certificate", cert_der(ours.root));
	json_put_end(&w);
	cert_fingerprint(ours.root, &fingerprint);
	assert_int_equal(join_answer_root(buf_span(&body), &fingerprint, &cert, &err), 0);
	assert_true(span_equal(cert_der(cert), cert_der(ours.root)));
	cert_unref(cert);
	cert = NULL;
	cert_fingerprint(other.root, &fingerprint);
	assert_int_equal(join_answer_root(buf_span(&body), &fingerprint, &cert, &err), ERR_CRYPTO);
	assert_null(cert);
	assert_int_equal(join_answer_root(span_str("{}"), &fingerprint, &cert, &err), ERR_INVALID);
	buf_fini(&body);
}

/* One answer of a server, each part from where the case says. */
struct answer {
	const struct cert *leaf, *manager;
	const struct id *node;
	const char *name;
	int64_t term;
};

static int
read_answer(const struct answer *a, const struct pkey *key, struct member *out, struct err *err)
{
	struct join_expected expected = {
	    .root = ours.root, .domain = &ours.id, .identity_key = key, .now = NOW};
	struct buf body = BUF_INIT(65536);
	struct json_writer w = JSON_WRITER(&body);
	char hex[ID_HEX_MAX];
	int r;

	json_put_object(&w, NULL);
	json_put_text(&w, "node", id_hex(a->node, hex));
	json_put_text(&w, "name", a->name);
	json_put_text(&w, "domain", "example.org");
	json_put_base64(&w, "certificate", cert_der(a->leaf));
	json_put_base64(&w, "manager_certificate", cert_der(a->manager));
	json_put_array(&w, "endpoints");
	json_put_text(&w, NULL, "127.0.0.1:7443");
	json_put_end(&w);
	json_put_int(&w, "term", a->term);
	json_put_end(&w);
	r = join_answer_identity(buf_span(&body), &expected, out, err);
	buf_fini(&body);
	return r;
}

static void
test_identity(void **state)
{
	struct answer good = {ours.leaf, ours.manager, &ours.node, "web1", INT64_C(1) << 32};
	struct member m = {0};
	struct err err = {0, ""};

	(void)state;
	if (read_answer(&good, ours.node_key, &m, &err) != 0)
		fail_msg("%s", err.text);
	assert_string_equal(m.name, "web1");
	assert_int_equal(m.chain_count, 2);
	assert_int_equal(m.endpoint_count, 1);
	assert_string_equal(m.endpoints[0], "127.0.0.1:7443");
	assert_true(m.high_term == UINT64_C(1) << 32);
	assert_true(id_equal(&m.node, &ours.node));
	member_fini(&m);
}

static void
test_identity_refusals(void **state)
{
	const struct {
		struct answer answer;
		const struct pkey *key;
		int code;
	} cases[] = {
	    /* another domain's chain, in whole and in part */
	    {{other.leaf, other.manager, &other.node, "web1", 1}, other.node_key, ERR_CRYPTO},
	    {{other.leaf, ours.manager, &other.node, "web1", 1}, other.node_key, ERR_CRYPTO},
	    {{ours.leaf, other.manager, &ours.node, "web1", 1}, ours.node_key, ERR_CRYPTO},
	    /* a CA where an identity should be */
	    {{ours.manager, ours.manager, &ours.node, "web1", 1}, ours.manager_key, ERR_CRYPTO},
	    /* the identity of somebody else */
	    {{ours.leaf, ours.manager, &ours.node, "web1", 1}, other.node_key, ERR_CRYPTO},
	    {{ours.leaf, ours.manager, &other.node, "web1", 1}, ours.node_key, ERR_CRYPTO},
	    {{ours.leaf, ours.manager, &ours.node, "Web 1", 1}, ours.node_key, ERR_INVALID},
	    {{ours.leaf, ours.manager, &ours.node, "web1", 0}, ours.node_key, ERR_LIMIT},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct member m = {0};
		struct err err = {0, ""};
		int r = read_answer(&cases[i].answer, cases[i].key, &m, &err);

		if (r != cases[i].code)
			fail_msg("case %zu: %d '%s'", i, r, err.text);
		assert_null(m.root);
	}
}

static void
test_errors_of_a_server(void **state)
{
	static const struct {
		int status;
		const char *body;
		int code;
		const char *text;
	} cases[] = {
	    {403, "{\"error\":{\"code\":\"denied\",\"text\":\"used\"}}", ERR_DENIED,
		"server 'a:1': used"},
	    {409, "{\"error\":{\"code\":\"exists\",\"text\":\"taken\\u001b[2J\"}}", ERR_EXISTS,
		"taken\\x1b[2J"},
	    {503, "busy", ERR_UNAVAIL, "does not explain"},
	    {404, "<html>", ERR_PROTO, "does not explain"},
	    {404, "{\"error\":{\"code\":\"ok\",\"text\":\"x\"}}", ERR_PROTO, "x"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = {0, ""};

		assert_int_equal(
		    join_answer_error(cases[i].status, span_str(cases[i].body), "a:1", &err),
		    cases[i].code);
		assert_non_null(strstr(err.text, cases[i].text));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_root),
	    cmocka_unit_test(test_identity),
	    cmocka_unit_test(test_identity_refusals),
	    cmocka_unit_test(test_errors_of_a_server),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
