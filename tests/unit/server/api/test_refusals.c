/* Requests that make no sense, that others refuse, and about what is not there. */

#include "fakes.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/server/api/api_tests.h"

static void
test_bad_requests(void **state)
{
	static const struct {
		const char *method, *path, *body, *answer;
	} cases[] = {
	    {"POST", "/v1/certs", "{", "not valid JSON"},
	    {"POST", "/v1/certs", "{}", "member 'names' is missing"},
	    {"POST", "/v1/certs", "{\"names\":[]}", "'names'"},
	    {"POST", "/v1/certs", "{\"names\":[\"a\"],\"nmae\":\"x\"}", "unknown member 'nmae'"},
	    {"POST", "/v1/certs", "{\"names\":[\"a\"],\"issuer\":\"acme\"}", "one of: micro"},
	    {"POST", "/v1/certs", "{\"names\":[\"a\"],\"profile\":\"mail\"}", "smime"},
	    {"POST", "/v1/certs/x/paste", "", "member 'certificates' is missing"},
	    {"POST", "/v1/certs/x/paste", "{\"certificates\":[]}", "'certificates'"},
	    {"POST", "/v1/certs/x/paste", "{\"certificates\":[\"bGVhZg==\",\"?\"]}",
		"certificate 2: "},
	    {"POST", "/v1/imports", "{\"imports\":[]}", "'imports'"},
	    {"POST", "/v1/imports", "{\"imports\":[{\"sealed\":\"\"}]}", "item 1 of 'imports'"},
	    {"GET", "/v1/certs/www.example.org/csr", "", "needs no CSR"},
	    {"POST", "/v1/certs", "{\"names\":[\"a\"],\"lifetime\":\"1s\"}", "'lifetime'"},
	    {"PUT", "/v1/certs/x/access", "{}", "names anybody"},
	    {"PUT", "/v1/certs/x/checks", "{}", "neither 'add' nor 'remove'"},
	    {"PUT", "/v1/certs/x/checks", "{\"add\":[\"gopher://a\"]}", "stands tls, smtp"},
	    {"POST", "/v1/certs/www.example.org/check", "{\"addresses\":3}", "'addresses'"},
	    {"POST", "/v1/certs/x/rekey", "{\"reason\":\"lost\"}", "reason"},
	    {"POST", "/v1/certs/x/change", "{}", "nothing is said of what"},
	    {"POST", "/v1/certs/x/change", "{\"add_names\":[]}", "nothing is said of what"},
	    {"POST", "/v1/certs/x/change", "{\"issuer\":\"imported\"}", "issuer"},
	    {"POST", "/v1/certs/x/change", "{\"stale_after\":\"59s\"}", "a minute at least"},
	    {"POST", "/v1/certs/x/generations/0/activate", "", "no number of a generation"},
	    {"POST", "/v1/certs/x/generations/one/archive", "", "no number of a generation"},
	    {"POST", "/v1/certs/x/renew", "{\"export\":{}}", "'generation'"},
	    {"POST", "/v1/certs/x/renew",
		"{\"export\":{\"generation\":\"zz000000000000000000000000000000\","
		"\"password\":\"c2VhbA==\"}}",
		"member 'export'"},
	    {"POST", "/v1/certs/x/submit",
		"{\"export\":{\"generation\":\"00000000000000000000000000000001\","
		"\"password\":\"\"}}",
		"export"},
	    {"POST", "/v1/certs/x/export", "{\"password\":\"c2VhbA==\"}", "export_key"},
	    {"POST", "/v1/certs/x/export",
		"{\"export_key\":\"00000000000000000000000000000001\","
		"\"nonce\":\"00000000000000000000000000000001\",\"password\":\"?\"}",
		"base64"},
	    {"POST", "/v1/tokens", "{\"name\":\"a\",\"ttl\":\"1y\"}", "'ttl'"},
	    {"POST", "/v1/groups", "{\"members\":[]}", "'name' is missing"},
	    {"PUT", "/v1/settings/default-access", "{}", "'access' is missing"},
	    {"PUT", "/v1/settings/lifetime", "{}", "'value' is missing"},
	    {"POST", "/v1/trust", "{}", "'certificates' is missing"},
	    {"POST", "/v1/trust", "{\"certificates\":[\"?\"]}", "certificate 1: "},
	    {"POST", "/v1/trust", "{\"certificates\":[\"Y2E=\"],\"categories\":[\"all\"]}",
		"one of completion"},
	    {"GET", "/v1/trust?category=all", "", "one of completion"},
	    {"GET", "/v1/explain", "", "'name' is missing"},
	    {"GET", "/v1/explain?name=a..b", "", "\"code\":\"invalid\""},
	    {"GET", "/v1/who-can-read", "", "'cert' is missing"},
	    {"GET", "/v1/why-not?cert=x", "", "'node' is missing"},
	    {"GET", "/v1/certs?limit=0", "", "between 1 and 1000"},
	    {"GET", "/v1/certs?limit=x", "", "is not a number"},
	    {"POST", "/v1/join", "{\"token\":\"x\"}", "'token'"},
	};

	(void)state;
	connect_local();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *answer = ask(cases[i].method, cases[i].path, cases[i].body);

		if (strstr(answer, "HTTP/1.1 400 ") == NULL ||
		    strstr(answer, cases[i].answer) == NULL)
			fail_msg("%s %s: %s", cases[i].method, cases[i].path, answer);
		assert_string_equal(fakes.called, "");
	}
}

#define ID32(start) start "000000000000000000000000000000"

/* The password is passed on as it is sealed; without one it is about the chain alone. */
static void
test_exports(void **state)
{
	static const char wish[] = "{\"export\":{\"credential\":\"" ID32(
	    "0a") "\",\"generation\":\"" ID32("0b") "\",\"password\":\"c2VhbA==\"}}";
	static const char question[] = "{\"export_key\":\"" ID32("0c") "\",\"nonce\":\"" ID32(
	    "0d") "\",\"password\":\"c2VhbA==\"}";
	static const struct {
		const char *path, *body, *called, *answer;
	} cases[] = {
	    {"/v1/certs/x/renew", wish, "renew exportable x 0a 0b seal", "\"generation\":2"},
	    {"/v1/certs/x/submit", wish, "submit exportable x 0a 0b seal", "\"generation\":2"},
	    {"/v1/certs/x/export", "", "export x 00 00 ", "HTTP/1.1 403 "},
	    {"/v1/certs/x/export", question, "export x 0c 0d seal", "password is wrong"},
	};

	(void)state;
	connect_local();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *answer = ask("POST", cases[i].path, cases[i].body);

		assert_string_equal(fakes.called, cases[i].called);
		if (strstr(answer, cases[i].answer) == NULL)
			fail_msg("%s: %s", cases[i].path, answer);
	}
}

/* What the other parts say becomes a status, a code, a text and a hint. */
static void
test_errors_of_others(void **state)
{
	static const struct {
		int code;
		const char *status, *part, *text;
	} cases[] = {
	    {ERR_NOTFOUND, "HTTP/1.1 404 ",
		"{\"error\":{\"code\":\"not-found\",\"text\":\"why\",\"hint\":\"'certherd cert "
		"list' shows",
		NULL},
	    {ERR_EXISTS, "HTTP/1.1 409 ", "'certherd cert renew'", NULL},
	    {ERR_DENIED, "HTTP/1.1 403 ", "\"text\":\"why\"}", NULL},
	    {ERR_NOSPACE, "HTTP/1.1 507 ", "make room", NULL},
	    {ERR_UNAVAIL, "HTTP/1.1 503 ", "nothing was changed", NULL},
	    {ERR_CONFLICT, "HTTP/1.1 409 ", "\"text\":\"why\"}", NULL},
	    {ERR_CONFLICT, "HTTP/1.1 409 ", "look again and repeat", "it is gone meanwhile"},
	};

	(void)state;
	connect_local();
	for (size_t i = 0; i < 2 * ARRAY_LEN(cases); i++) {
		const char *answer;

		/* At once, and later. */
		fakes.text = cases[i / 2].text != NULL ? cases[i / 2].text : "why";
		fakes.refuse = i % 2 == 0 ? cases[i / 2].code : 0;
		fakes.status = i % 2 == 0 ? 0 : cases[i / 2].code;
		answer = ask("POST", "/v1/certs/x/renew", "");
		if (strstr(answer, cases[i / 2].status) == NULL ||
		    strstr(answer, cases[i / 2].part) == NULL)
			fail_msg("%s", answer);
	}
}

static void
test_not_there(void **state)
{
	static const char *const paths[] = {"/v1/certs/none", "/v1/certs/none/chain",
	    "/v1/nodes/none", "/v1/groups/none", "/v1/cas/none", "/v1/trust/none",
	    "/v1/settings/none", "/v1/who-can-read?cert=none", "/v1/explain?name=a.org&node=none",
	    "/v1/why-not?node=web1&cert=none"};

	(void)state;
	connect_local();
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		const char *answer = ask("GET", paths[i], "");

		if (strstr(answer, "HTTP/1.1 404 ") == NULL || strstr(answer, "'none'") == NULL)
			fail_msg("%s: %s", paths[i], answer);
	}
}

int
refusals_run(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_bad_requests),
	    TEST(test_exports),
	    TEST(test_errors_of_others),
	    TEST(test_not_there),
	};

	return cmocka_run_group_tests_name("refusals", tests, NULL, NULL);
}
