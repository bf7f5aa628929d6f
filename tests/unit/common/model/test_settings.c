/* The table of settings: what can be set to what. */

#include "common/model/public.h"
#include "common/model/settings.h"
#include "tests/unit/common/model/model_tests.h"

#include <string.h>

static void
test_values(void **state)
{
	static const struct {
		const char *name, *value;
		int64_t number;
		const char *says; /* NULL: good */
	} cases[] = {
	    {"key-type", "ec-p256", 0, NULL},
	    {"key-type", "ed25519", 6, NULL},
	    {"key-type", "rsa-1024", 0, "setting key-type: 'rsa-1024' is not possible here"},
	    {"issuer", "manual", 1, NULL},
	    {"issuer", "acme", 0, "one of micro, manual"},
	    {"lifetime", "90d", 90 * 86400, NULL},
	    {"lifetime", "1m", 60, NULL},
	    {"lifetime", "59s", 0, "setting lifetime"},
	    {"lifetime", "11y", 0, "setting lifetime"},
	    {"lifetime", "90", 0, "setting lifetime"},
	    {"ca-lifetime", "30y", 30 * INT64_C(31536000), NULL},
	    {"ca-lifetime", "23h", 0, "setting ca-lifetime"},
	    {"renew-percent", "1", 1, NULL},
	    {"renew-percent", "90", 90, NULL},
	    {"renew-percent", "0", 0, "setting renew-percent"},
	    {"renew-percent", "91", 0, "setting renew-percent"},
	    {"renew-percent", "33 %", 0, "setting renew-percent"},
	    {"new-key", "yes", 1, NULL},
	    {"new-key", "", 0, "one of no, yes"},
	    {"default-access", "web1", 0, "nodes and @groups"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		enum setting s = SETTING__COUNT;
		int64_t number = -1;
		struct err err;
		int rc;

		assert_int_equal(setting_find(cases[i].name, &s, &err), 0);
		rc = setting_parse(s, cases[i].value, &number, &err);
		if (cases[i].says == NULL) {
			assert_int_equal(rc, 0);
			assert_int_equal(number, cases[i].number);
		} else if (rc != ERR_INVALID || err.code != rc || number != -1 ||
		    strstr(err.text, cases[i].says) == NULL) {
			fail_msg("%s '%s': %d %s", cases[i].name, cases[i].value, rc, err.text);
		}
	}
}

static void
test_table(void **state)
{
	enum setting found;
	struct err err;

	(void)state;
	for (int i = 0; i < SETTING__COUNT; i++) {
		const struct setting_rule *rule = setting_rule((enum setting)i);
		int64_t number;

		assert_int_equal(setting_find(rule->name, &found, &err), 0);
		assert_int_equal(found, i);
		/* What counts otherwise is a good value itself. */
		assert_int_equal(setting_parse(found, rule->otherwise, &number, &err),
		    i == SETTING_ACCESS ? ERR_INVALID : 0);
		assert_int_equal(rule->help[strlen(rule->help) - 1], '.');
	}
	assert_int_equal(setting_find("colour", &found, &err), ERR_NOTFOUND);
}

int
run_settings_tests(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_values),
	    cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
