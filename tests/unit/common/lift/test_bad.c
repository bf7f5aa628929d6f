#include "tests/unit/common/lift/lift_tests.h"

#include "common/crypto/ber.h"
#include "common/crypto/pem.h"

/* Files that are damaged, hostile, or of another kind: each answer says what and where. */

static void
test_texts(void **state)
{
	static const struct {
		const char *name, *text;
		enum lift_why why;
		const char *says;
	} cases[] = {
	    {"empty", "", LIFT_NOTHING, "'empty': an empty file"},
	    {"note.txt", "see attachment", LIFT_NOTHING, "a text without a PEM block"},
	    {"a", "x\n-----BEGIN CERTIFICATE-----\nMIIB", LIFT_DAMAGED,
		"'a', block 1 at line 2 (CERTIFICATE): its end line is missing"},
	    {"a", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END PRIVATE KEY-----\n", LIFT_DAMAGED,
		"its end line is missing, or is one of another kind"},
	    {"a", "-----BEGIN CERTIFICATE-----\nM!IB\n-----END CERTIFICATE-----\n", LIFT_DAMAGED,
		"base64"},
	    {"a", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", LIFT_DAMAGED,
		"an empty block"},
	    {"a", "-----BEGIN CERTIFICATE-----\nMIIBAAAA\n-----END CERTIFICATE-----\n",
		LIFT_DAMAGED, "cut short: it has 6 of 260 bytes"},
	    {"a", "-----BEGIN CERTIFICATE-----\nMAMCAQU=\n-----END CERTIFICATE-----\n",
		LIFT_DAMAGED, "5 bytes of DER that are no certificate"},
	    {"a", "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n",
		LIFT_NOTHING, "nothing of use"},
	    {"k", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
		LIFT_FOREIGN, "ssh-keygen -p -m PKCS8"},
	    {"k.ppk", "PuTTY-User-Key-File-3: ssh-rsa\n", LIFT_FOREIGN, "puttygen"},
	    {"k", "-----BEGIN PGP MESSAGE-----\nAAAA\n-----END PGP MESSAGE-----\n", LIFT_FOREIGN,
		"gpg --decrypt"},
	    {"old.kyr", "\x01\x02\x03 key ring", LIFT_FOREIGN, "kyrtool show keys"},
	    {"OLD.STH", "\xf5\xf5\x01", LIFT_FOREIGN, "certmgr -importkyr"},
	    {"x.jks", "\xfe\xed\xfe\xed", LIFT_FOREIGN, "keytool -importkeystore"},
	    {"x.jceks", "\xce\xce\xce\xce", LIFT_FOREIGN, "-srcstoretype JCEKS"},
	    {"x.kdb", "\x02\x01", LIFT_FOREIGN, "gskcapicmd"},
	    {"x.zip", "PK\x03\x04", LIFT_FOREIGN, "Unpack"},
	    {"x.bin", "\x02\x01\x7f", LIFT_NOTHING, "a format that is not known here"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct lift *l = lift_with(NULL, NULL);

		add_text(l, cases[i].name, cases[i].text);
		if (problem_of(l)->why != cases[i].why ||
		    strstr(problem_of(l)->text, cases[i].says) == NULL)
			fail_msg("case %zu: %s: %s", i, lift_why_name(problem_of(l)->why),
			    problem_of(l)->text);
		assert_true(lift_check(l, NULL) < 0);
		lift_free(l);
	}
}

/* A key ring by name is read when it is PEM or DER after all. */
static void
test_name_is_not_all(void **state)
{
	struct lift *l = lift_with(NULL, NULL);

	(void)state;
	lift_add(l, "renamed.kyr", buf_span(&cert_pem));
	assert_string_equal(kinds_of(l), "c");
	lift_free(l);
}

static void
test_every_cut(void **state)
{
	struct cert *chain[LIMIT_CHAIN];
	size_t count;

	(void)state;
	assert_int_equal(cert_parse_pem_chain(buf_span(&cert_pem), chain, &count, NULL), 0);
	for (size_t n = 0; n < cert_der(chain[0]).len; n++) {
		struct lift *l = lift_with(NULL, NULL);
		uint8_t *cut = mem_dup(cert_der(chain[0]).data, n);

		lift_add(l, "cut.der", SPAN(cut, n));
		assert_string_equal(kinds_of(l), "!");
		lift_free(l);
		mem_free(cut);
	}
	cert_unref(chain[0]);
}

static void
test_counts(void **state)
{
	struct lift *l = lift_with(NULL, NULL);
	struct buf text = BUF_INIT(LIMIT_IMPORT_FILE);
	struct err err;

	(void)state;
	for (size_t i = 0; i < LIMIT_IMPORT_ITEMS + 10; i++)
		buf_put_str(&text, "-----BEGIN X-----\n");
	lift_add(l, "many", buf_span(&text));
	assert_int_equal(lift_count(l), LIMIT_IMPORT_ITEMS + 1);
	lift_add(l, "more", buf_span(&cert_pem));
	assert_int_equal(lift_count_of(l, LIFT_CERT), 0);
	lift_free(l);

	l = lift_with(NULL, NULL);
	for (size_t i = 0; i <= LIMIT_IMPORT_KEYS; i++) {
		struct pkey *key = NULL;
		struct secret *der = NULL;

		assert_int_equal(pkey_generate(KEY_EC_P256, &key, NULL), 0);
		assert_int_equal(pkey_to_pkcs8(key, &der, NULL), 0);
		lift_add(l, "key", secret_span(der));
		secret_free(der);
		pkey_unref(key);
	}
	assert_int_equal(lift_count_of(l, LIFT_KEY), LIMIT_IMPORT_KEYS);
	assert_int_equal(lift_check(l, &err), ERR_LIMIT);
	lift_free(l);

	l = lift_with(NULL, NULL);
	buf_clear(&text);
	while (text.len < LIMIT_IMPORT_FILE)
		buf_put_str(&text, "x\n");
	buf_fini(&text);
	text = BUF_INIT(2 * LIMIT_IMPORT_FILE);
	assert_non_null(buf_reserve(&text, LIMIT_IMPORT_FILE + 1));
	memset(text.data, ' ', LIMIT_IMPORT_FILE + 1);
	lift_add(l, "big", SPAN(text.data, LIMIT_IMPORT_FILE + 1));
	assert_int_equal(problem_of(l)->why, LIFT_TOO_MUCH);
	buf_fini(&text);
	lift_free(l);
}

/* EncryptedPrivateKeyInfo with PBES2 and PBKDF2 of so many rounds, and 32 bytes of nonsense. */
static void
put_locked(struct buf *out, uint64_t rounds)
{
	static const uint8_t pbes2[] = {
	    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0d};
	static const uint8_t pbkdf2[] = {
	    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0c};
	static const uint8_t aes[] = {
	    0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2a};
	static const uint8_t nothing[32];
	uint8_t count[8];
	struct der d = DER_INIT(out);

	for (unsigned i = 0; i < sizeof(count); i++)
		count[i] = (uint8_t)(rounds >> (8 * (7 - i)));
	der_begin(&d, DER_SEQUENCE);
	der_begin(&d, DER_SEQUENCE);
	der_put_raw(&d, SPAN_OF(pbes2));
	der_begin(&d, DER_SEQUENCE);
	der_begin(&d, DER_SEQUENCE);
	der_put_raw(&d, SPAN_OF(pbkdf2));
	der_begin(&d, DER_SEQUENCE);
	der_put(&d, DER_OCTET_STRING, SPAN("saltsalt", 8));
	der_put_uint(&d, SPAN_OF(count));
	der_end(&d);
	der_end(&d);
	der_begin(&d, DER_SEQUENCE);
	der_put_raw(&d, SPAN_OF(aes));
	der_put(&d, DER_OCTET_STRING, SPAN(nothing, 16));
	der_end(&d);
	der_end(&d);
	der_end(&d);
	der_put(&d, DER_OCTET_STRING, SPAN_OF(nothing));
	der_end(&d);
}

static void
test_password_work(void **state)
{
	static const struct {
		uint64_t rounds;
		struct pbe_budget budget;
		enum lift_why why;
		uint64_t left;
	} cases[] = {
	    {1000, {LIMIT_PBE_ROUNDS, INT64_C(5000000000)}, LIFT_PASSWORD_WRONG,
		LIMIT_PBE_ROUNDS - 1000},
	    {LIMIT_PBE_ROUNDS + 1, {LIMIT_PBE_ROUNDS, INT64_C(5000000000)}, LIFT_TOO_MUCH,
		LIMIT_PBE_ROUNDS},
	    {UINT64_MAX, {LIMIT_PBE_ROUNDS, INT64_C(5000000000)}, LIFT_TOO_MUCH, LIMIT_PBE_ROUNDS},
	    {0, {LIMIT_PBE_ROUNDS, INT64_C(5000000000)}, LIFT_DAMAGED, LIMIT_PBE_ROUNDS},
	    /* Ten million rounds take longer than a millisecond, whatever the machine. */
	    {LIMIT_PBE_ROUNDS, {LIMIT_PBE_ROUNDS, 1000000}, LIFT_TOO_MUCH, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pbe_budget budget = cases[i].budget;
		struct lift *l = lift_with("x", &budget);
		struct buf der = BUF_INIT(1024);

		put_locked(&der, cases[i].rounds);
		lift_add(l, "locked", buf_span(&der));
		if (problem_of(l)->why != cases[i].why)
			fail_msg("case %zu: %s", i, problem_of(l)->text);
		assert_int_equal(budget.rounds, cases[i].left);
		buf_fini(&der);
		lift_free(l);
	}
}

static void
test_ber(void **state)
{
	static const struct {
		const char *in;
		size_t len;
		int code; /* or the length of the result */
		const char *says;
	} cases[] = {
	    {"\x30\x80\x24\x80\x04\x01\x02\x04\x01\x03\x00\x00\x02\x01\x05\x00\x00", 17, 9, ""},
	    {"\x30\x84\x00\x00\x00\x03\x02\x01\x05", 9, 5, ""},
	    {"\x30\x03\x02\x01\x05\xff", 6, ERR_PARSE, "offset 5: more follows"},
	    {"\x30\x80\x02\x01\x05", 5, ERR_PARSE, "offset 5: it ends inside"},
	    {"\x30\x03\x02\x04\x05", 5, ERR_PARSE, "offset 2: an element is longer"},
	    {"\x04\x80\x00\x00", 4, ERR_PARSE, "offset 0: a length is missing"},
	    {"\x24\x03\x0c\x01\x41", 5, ERR_PARSE, "offset 2: a string with a piece"},
	    {"\x1f\x81\x00", 3, ERR_PARSE, "offset 0: a tag that no"},
	    {"", 0, ERR_PARSE, "offset 0"},
	};
	struct buf deep = BUF_INIT(4096), out = BUF_INIT(4096);
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int r;

		buf_clear(&out);
		r = ber_to_der(SPAN(cases[i].in, cases[i].len), &out, &err);
		assert_int_equal(r == 0 ? (int)out.len : r, cases[i].code);
		if (r < 0 && strstr(err.text, cases[i].says) == NULL)
			fail_msg("%s", err.text);
	}
	for (int i = 0; i < 17; i++)
		buf_put(&deep, "\x30\x80", 2);
	buf_clear(&out);
	assert_int_equal(ber_to_der(buf_span(&deep), &out, &err), ERR_LIMIT);
	buf_fini(&deep);
	buf_fini(&out);
}

int
run_bad_tests(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_texts),
	    TEST(test_name_is_not_all),
	    TEST(test_every_cut),
	    TEST(test_counts),
	    TEST(test_password_work),
	    TEST(test_ber),
	};

	return cmocka_run_group_tests_name("bad", tests, NULL, NULL);
}
