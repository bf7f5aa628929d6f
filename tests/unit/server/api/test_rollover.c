/* Keys and certificates that follow each other, as the API asks for them. */

#include "api_tests.h"

#include "common/base/err.h"

/* Of what there is: keys and certificates that follow each other. */
static void
test_rollover(void **state)
{
	static const char done[] = CHANGED;
	static const struct change_case cases[] = {
	    {"POST", "/v1/certs/x/change",
		"{\"add_names\":[\"a.org\"],\"remove_names\":[\"b.org\"],\"key_type\":\"rsa-2048\","
		"\"issuer\":\"manual\",\"subject\":[\"O=A\"],\"profile\":\"both\",\"lifetime\":"
		"\"1d\","
		"\"renew_percent\":50,\"new_key\":true,\"stale_after\":\"1h\"}",
		"change x add=a.org remove=b.org key=rsa-2048 ca=- issuer=11 subject=1O=A "
		"profile=both life=86400 percent=50 new=11 stale=1 3600",
		done},
	    {"POST", "/v1/certs/x/change",
		"{\"ca\":\"Inner\",\"subject\":[],\"stale_after\":\"0s\"}",
		"change x add= remove= key=- ca=Inner issuer=00 subject=1 profile=- life=0 "
		"percent=0 "
		"new=00 stale=1 0",
		done},
	    {"POST", "/v1/certs/x/rekey", "", "rekey x 0", done},
	    {"POST", "/v1/certs/x/rekey", "{\"reason\":\"revoke\"}", "rekey x 1", done},
	    {"POST", "/v1/certs/x/rekey", "{\"reason\":\"compromised\"}", "rekey x 2", done},
	    {"GET", "/v1/certs/www.example.org/generations", "", "rekey x 2",
		"\"retires\":\"when-replaced\""},
	    {"POST", "/v1/certs/x/generations/3/activate", "", "activate x 3", done},
	    {"POST", "/v1/certs/x/generations/3/archive", "", "archive alone x 3", done},
	};

	(void)state;
	ask_all(cases, ARRAY_LEN(cases));
}

int
rollover_run(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_rollover),
	};

	return cmocka_run_group_tests_name("rollover", tests, NULL, NULL);
}
