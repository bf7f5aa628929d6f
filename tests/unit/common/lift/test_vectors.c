#include "tests/unit/common/lift/lift_tests.h"

#include <stdlib.h>

/* Files that others made; tests/data/lift/ORIGIN says who. */

void
add_vector(struct lift *l, const char *name)
{
	char path[512];
	uint8_t *bytes = malloc(LIMIT_IMPORT_FILE);
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "%s/%s", LIFT_VECTORS, name);
	f = fopen(path, "rb");
	assert_non_null(f);
	assert_non_null(bytes);
	n = fread(bytes, 1, LIMIT_IMPORT_FILE, f);
	fclose(f);
	lift_add(l, name, SPAN(bytes, n));
	free(bytes);
	lift_match(l);
}

static void
test_vectors(void **state)
{
	static const struct {
		const char *file, *password, *kinds;
		bool paired; /* the first key or certificate has its other half */
		int why;     /* of the first problem; -1 for none */
	} cases[] = {
	    {"cert-rc2-key-3des.p12", "cryptography", "ck", true, -1},
	    {"cert-key-aes256cbc.p12", "cryptography", "ck", true, -1},
	    {"cert-none-key-none.p12", "cryptography", "ck", true, -1},
	    {"cert-rc2-key-3des.p12", "cryptographY", "!", false, LIFT_PASSWORD_WRONG},
	    {"cert-rc2-key-3des.p12", NULL, "!", false, LIFT_PASSWORD_NEEDED},
	    {"no-password.p12", NULL, "ck", true, -1},
	    {"no-password.p12", "surplus", "ck", true, -1},
	    {"name-unicode-pwd.p12", "password", "ccck", true, -1},
	    {"isrg.pem", NULL, "c", false, -1},
	    {"amazon-roots.p7b", NULL, "cc", false, -1},
	    {"amazon-roots.der", NULL, "cc", false, -1},
	    {"enveloped.pem", NULL, "!", false, LIFT_UNSUPPORTED},
	    {"ec_private_key_encrypted.pem", "123456", "k", false, -1},
	    {"ec_private_key_encrypted.der", "123456", "k", false, -1},
	    {"ec_private_key_encrypted.der", "1234567", "!", false, LIFT_PASSWORD_WRONG},
	    {"ec_private_key_encrypted.der", NULL, "!", false, LIFT_PASSWORD_NEEDED},
	    {"ecc_private_with_rfc5915_ext.pem", NULL, "k", false, -1},
	    {"ec_private_key.der", NULL, "k", false, -1},
	    /* RSA of 1024 and 512 bits, which is seen only when the password is right */
	    {"pkcs12_s2k_pem-X_9607.pem", "123456", "!", false, LIFT_NOT_TAKEN},
	    {"pkcs12_s2k_pem-X_9607.pem", "12345", "!", false, LIFT_PASSWORD_WRONG},
	    {"pkcs12_s2k_pem-X_9925.pem", "123456", "!", false, LIFT_NOT_TAKEN},
	    {"testrsa-encrypted.pem", "password", "!", false, LIFT_NOT_TAKEN},
	    {"testrsa-encrypted.pem", "passwort", "!", false, LIFT_PASSWORD_WRONG},
	    {"testrsa-encrypted.pem", NULL, "!", false, LIFT_PASSWORD_NEEDED},
	    {"testrsa.der", NULL, "!", false, LIFT_NOT_TAKEN},
	    {"bad-encryption-oid.pem", "asdf", "!", false, LIFT_UNSUPPORTED},
	    {"rsa_pss_2048.pem", NULL, "!", false, LIFT_NOT_TAKEN},
	    {"dsa_private_key.pem", "123456", "!", false, LIFT_NOT_TAKEN},
	    {"ed25519-nopsw.key", NULL, "!", false, LIFT_FOREIGN},
	    {"crl_empty.pem", NULL, "l", false, -1},
	    {"rsa_sha256.der", NULL, "r", false, -1},
	    {"server-ed25519-cert.pem", NULL, "c", false, -1},
	    {"jks", NULL, "!", false, LIFT_FOREIGN},
	    {"text-quoted-mail", NULL, "c", false, -1},
	    {"text-json", NULL, "c", false, -1},
	    {"text-dashes", NULL, "c", false, -1},
	    {"text-utf16", NULL, "c", false, -1},
	    {"text-s-client", NULL, "c", false, -1},
	    {"text-no-end", NULL, "!", false, LIFT_DAMAGED},
	};

	const bool legacy = pbe_load_legacy(NULL) == 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct lift *l = lift_with(cases[i].password, NULL);
		struct err err = {0};

		add_vector(l, cases[i].file);
		if (!legacy && lift_count_of(l, LIFT_PROBLEM) > 0 &&
		    problem_of(l)->why == LIFT_UNSUPPORTED && cases[i].why != LIFT_UNSUPPORTED) {
			print_message("SKIP: %s\n", problem_of(l)->text);
			lift_free(l);
			continue;
		}
		if (strcmp(kinds_of(l), cases[i].kinds) != 0)
			fail_msg("%s with %s: %s (%s)", cases[i].file, cases[i].password,
			    kinds_of(l), lift_check(l, &err) < 0 ? err.text : "");
		assert_int_equal(lift_at(l, 0)->pair != LIFT_NO_PAIR, cases[i].paired);
		if (cases[i].why >= 0)
			assert_int_equal(problem_of(l)->why, cases[i].why);
		assert_int_equal(lift_check(l, &err) < 0, cases[i].why >= 0);
		lift_free(l);
	}
}

static void
test_names_and_places(void **state)
{
	struct lift *l = lift_with("password", NULL);

	(void)state;
	add_vector(l, "name-unicode-pwd.p12");
	assert_string_equal(lift_at(l, 0)->place, "PKCS#12 part 1, bag 1");
	assert_string_equal(lift_at(l, 0)->label, "\\xe2\\x98\\xba");
	assert_string_equal(lift_at(l, 3)->place, "PKCS#12 part 2, bag 1");
	assert_true(lift_at(l, 3)->was_locked);
	lift_free(l);
	l = lift_with(NULL, NULL);
	add_vector(l, "amazon-roots.p7b");
	assert_string_equal(lift_at(l, 1)->place, "certificate 2 of PKCS#7");
	add_vector(l, "isrg.pem");
	assert_string_equal(
	    lift_at(l, 2)->place, "block 1 at line 1 (PKCS7), certificate 1 of PKCS#7");
	lift_free(l);
}

static void
test_old_roots_are_issuers(void **state)
{
	struct lift *l = lift_with(NULL, NULL);

	(void)state;
	add_vector(l, "verisign_md2_root.pem");
	assert_string_equal(kinds_of(l), "c");
	assert_false(lift_at(l, 0)->is_leaf);
	lift_free(l);
}

int
run_vector_tests(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_vectors),
	    TEST(test_names_and_places),
	    TEST(test_old_roots_are_issuers),
	};

	return cmocka_run_group_tests_name("vectors", tests, NULL, NULL);
}
