/* Micro CAs that there are, and what they revoke, as the API asks for it. */

#include "api_tests.h"

#include "common/base/err.h"

static void
test_cas(void **state)
{
	static const char done[] = CHANGED;
	static const struct change_case cases[] = {
	    {"PUT", "/v1/cas/a", "{\"address\":\"\",\"state\":\"disabled\"}",
		"ca a address= state=off default=0", done},
	    {"PUT", "/v1/cas/a", "{\"default\":true}", "ca a address=- state=- default=1", done},
	    {"PUT", "/v1/cas/a", "{\"state\":\"enabled\"}", "ca a address=- state=on default=0",
		done},
	    {"POST", "/v1/cas/a/renew", "{\"new_key\":true,\"lifetime\":\"2d\"}",
		"ca a renew new=1 life=172800", done},
	    {"POST", "/v1/certs/a/revoke", "{\"generation\":3,\"reason\":\"superseded\"}",
		"revoke a 3 reason=superseded", done},
	    {"POST", "/v1/certs/a/revoke", "{}", "revoke a 0 reason=-", done},
	};

	(void)state;
	ask_all(cases, ARRAY_LEN(cases));
}

int
cas_run(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_cas),
	};

	return cmocka_run_group_tests_name("cas", tests, NULL, NULL);
}
