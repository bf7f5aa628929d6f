/* Rules of Micro CAs. */

#include "common/model/pki.h"

#include "tests/unit/common/model/model_tests.h"

#include <string.h>

static void
test_addresses(void **state)
{
	static const struct {
		const char *typed, *normal; /* NULL: refused */
	} cases[] = {
	    {"http://pki.example.org", "http://pki.example.org"},
	    {"http://pki.example.org/", "http://pki.example.org"},
	    {"http://pki.example.org:8080", "http://pki.example.org:8080"},
	    {"http://pki.example.org/certs//", "http://pki.example.org/certs"},
	    {"http://192.0.2.1:80", "http://192.0.2.1:80"},
	    {"http://[2001:db8::1]:8080/x", "http://[2001:db8::1]:8080/x"},
	    {"http://[2001:db8::1]", "http://[2001:db8::1]"},
	    {"https://pki.example.org", NULL},
	    {"ldap://pki.example.org", NULL},
	    {"pki.example.org", NULL},
	    {"", NULL},
	    {"http://", NULL},
	    {"http:///x", NULL},
	    {"http://*.example.org", NULL},
	    {"http://pki.example.org:", NULL},
	    {"http://pki.example.org:123456", NULL},
	    {"http://pki.example.org:8a", NULL},
	    {"http://user@pki.example.org", NULL},
	    {"http://pki.example.org/a b", NULL},
	    {"http://pki.example.org/?x", NULL},
	    {"http://pki.example.org/#x", NULL},
	    {"http://[2001:db8::1", NULL},
	    {"http://[2001:db8::1]x", NULL},
	    {"http://PKI.example.org", NULL},
	};
	char out[LIMIT_CA_ADDRESS + 1];
	char longest[LIMIT_CA_ADDRESS + 2];
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int r = ca_address_check(cases[i].typed, out, &err);

		if (cases[i].normal == NULL && r != ERR_INVALID)
			fail_msg("'%s' was taken", cases[i].typed);
		else if (cases[i].normal != NULL && (r < 0 || strcmp(out, cases[i].normal) != 0))
			fail_msg("'%s': %s", cases[i].typed, r < 0 ? err.text : out);
	}
	memset(longest, 'a', sizeof(longest));
	memcpy(longest, "http://a/", 9);
	longest[LIMIT_CA_ADDRESS] = '\0';
	assert_int_equal(ca_address_check(longest, out, &err), 0);
	memset(longest + 9, 'a', sizeof(longest) - 9);
	longest[LIMIT_CA_ADDRESS + 1] = '\0';
	assert_int_equal(ca_address_check(longest, out, &err), ERR_INVALID);
}

static void
test_targets(void **state)
{
	static const char *const others[] = {"/crl/", "/ca/", "/crl/00.crl", "/",
	    "/crl/000102030405060708090a0b0c0d0e0f.crt", "/ca/000102030405060708090a0b0c0d0e0f.crl",
	    "/crl/000102030405060708090a0b0c0d0e0f.crl/",
	    "/crl/000102030405060708090a0b0c0d0e0g.crl",
	    "/x/crl/000102030405060708090a0b0c0d0e0f.crl"};
	struct id id, found;
	char url[CA_URL_MAX];
	enum pki_file file;

	(void)state;
	for (uint8_t i = 0; i < ID_LEN; i++)
		id.bytes[i] = i;
	assert_string_equal(ca_crl_url("http://pki", &id, url),
	    "http://pki/crl/000102030405060708090a0b0c0d0e0f.crl");
	assert_true(pki_target(url + strlen("http://pki"), &file, &found));
	assert_true(file == PKI_CRL && id_equal(&id, &found));
	assert_string_equal(ca_certificate_url("http://pki", &id, url),
	    "http://pki/ca/000102030405060708090a0b0c0d0e0f.crt");
	assert_true(pki_target(url + strlen("http://pki"), &file, &found));
	assert_true(file == PKI_CA && id_equal(&id, &found));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(pki_target(others[i], &file, &found));
}

static void
test_reasons(void **state)
{
	uint32_t reason;
	struct err err;

	(void)state;
	assert_int_equal(revocation_reason_parse("key-compromise", &reason, &err), 0);
	assert_int_equal(reason, REVOKED_KEY_COMPROMISE);
	assert_int_equal(revocation_reason_parse("", &reason, &err), 0);
	assert_int_equal(reason, REVOKED_UNSPECIFIED);
	assert_string_equal(
	    revocation_reason_name(REVOKED_PRIVILEGE_WITHDRAWN), "privilege-withdrawn");
	assert_string_equal(revocation_reason_name(7), "unknown");
	assert_int_equal(revocation_reason_parse("hold", &reason, &err), ERR_INVALID);
	assert_non_null(strstr(err.text, "cessation-of-operation"));
}

static void
test_times(void **state)
{
	(void)state;
	/* Twice the longest leaf before its end. */
	assert_int_equal(ca_due_at(0, 1000, 100), 800);
	/* Leaves as long as the CA: at half of its life, and not at each of them. */
	assert_int_equal(ca_due_at(0, 1000, 1000), 500);
	assert_int_equal(ca_due_at(0, 1000, 0), 1000);
	assert_int_equal(crl_due_at(100, 200), 150);
}

int
run_pki_tests(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_addresses),
	    cmocka_unit_test(test_targets),
	    cmocka_unit_test(test_reasons),
	    cmocka_unit_test(test_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
