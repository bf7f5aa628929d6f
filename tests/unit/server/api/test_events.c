/* Events that were told, as the API asks for them. */

#include "api_tests.h"

#include "common/base/err.h"

#include <string.h>

static void
test_events(void **state)
{
	static const struct change_case cases[] = {
	    {"GET", "/v1/events", "", "events above=100 max=100",
		"{\"last\":200,\"events\":[{\"number\":199}],\"receivers\":[{\"name\":\"mail\","
		"\"kind\":\"command\",\"done\":198,\"behind\":2,"},
	    {"GET", "/v1/events?limit=1000", "", "events above=0 max=1000",
		"\"trouble\":\"exit status 1\",\"since\":\"2023-11-14T22:13:20Z\""},
	    {"GET", "/v1/events?above=7&limit=3", "", "events above=7 max=3", "\"number\":199"},
	    {"POST", "/v1/events/test", "", "raise events.test", "{\"above\":200}"},
	};
	static const char *const bad[] = {
	    "/v1/events?limit=0", "/v1/events?limit=1001", "/v1/events?above=x"};

	(void)state;
	ask_all(cases, ARRAY_LEN(cases));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (strstr(ask("GET", bad[i], ""), "HTTP/1.1 400 ") == NULL)
			fail_msg("%s", bad[i]);
	assert_non_null(strstr(ask("GET", "/v1/status", ""),
	    "\"events do not reach 'mail' since 2023-11-14T22:13:20Z: exit status 1\""));
}

int
events_run(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_events),
	};

	return cmocka_run_group_tests_name("events", tests, NULL, NULL);
}
