#include "tests/unit/common/lift/lift_tests.h"

#include "common/crypto/ber.h"

/* Each limit of an import at its value and one above; counts of items are in test_bad.c. */

static const uint8_t oid_nested[] = {
    0x06, 0x0b, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x0a, 0x01, 0x06};
static const uint8_t oid_secret[] = {
    0x06, 0x0b, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x0a, 0x01, 0x05};
static const uint8_t oid_data[] = {
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01};

/* Wraps what is in b: SEQUENCE { SEQUENCE { oid, [0] b } }. */
static void
wrap_bag(struct buf *b, struct span oid)
{
	struct buf out = BUF_INIT(LIMIT_IMPORT_FILE);
	struct der d = DER_INIT(&out);

	der_begin(&d, DER_SEQUENCE);
	der_begin(&d, DER_SEQUENCE);
	der_put_raw(&d, oid);
	der_put(&d, DER_CONTEXT_CONS(0), buf_span(b));
	der_end(&d);
	der_end(&d);
	buf_fini(b);
	*b = out;
}

/* A PKCS#12 file without integrity code around bags. */
static void
put_p12(struct buf *out, struct span bags)
{
	static const uint8_t version_3[] = {0x02, 0x01, 0x03};
	struct der d = DER_INIT(out);

	der_begin(&d, DER_SEQUENCE);
	der_put_raw(&d, SPAN_OF(version_3));
	for (int i = 0; i < 2; i++) {
		if (i == 1)
			der_begin(&d, DER_SEQUENCE);
		der_begin(&d, DER_SEQUENCE);
		der_put_raw(&d, SPAN_OF(oid_data));
		der_begin(&d, DER_CONTEXT_CONS(0));
		der_begin(&d, DER_OCTET_STRING);
	}
	der_put_raw(&d, bags);
	while (d.depth > 0)
		der_end(&d);
}

static void
test_bags_in_bags(void **state)
{
	(void)state;
	for (unsigned over = 0; over < 2; over++) {
		struct buf bags = BUF_INIT(LIMIT_IMPORT_FILE), file = BUF_INIT(LIMIT_IMPORT_FILE);
		struct lift *l = lift_with(NULL, NULL);

		buf_put(&bags, "\x05\x00", 2);
		wrap_bag(&bags, SPAN_OF(oid_secret));
		for (unsigned i = 1; i < LIMIT_IMPORT_DEPTH + over; i++)
			wrap_bag(&bags, SPAN_OF(oid_nested));
		put_p12(&file, buf_span(&bags));
		lift_add(l, "nested.p12", buf_span(&file));
		assert_string_equal(kinds_of(l), "!!");
		assert_int_equal(lift_at(l, 0)->why, LIFT_UNVERIFIED);
		assert_int_equal(lift_at(l, 1)->why, over ? LIFT_TOO_MUCH : LIFT_IGNORED);
		buf_fini(&bags);
		buf_fini(&file);
		lift_free(l);
	}
}

static void
test_elements(void **state)
{
	(void)state;
	for (unsigned over = 0; over < 2; over++) {
		struct buf in = BUF_INIT(LIMIT_IMPORT_FILE), out = BUF_INIT(LIMIT_IMPORT_FILE);

		/* One around them, and so many inside. */
		buf_put(&in, "\x30\x80", 2);
		for (size_t i = 1; i < LIMIT_DER_ELEMENTS + over; i++)
			buf_put(&in, "\x05\x00", 2);
		buf_put(&in, "\x00\x00", 2);
		assert_int_equal(ber_to_der(buf_span(&in), &out, NULL), over ? ERR_LIMIT : 0);
		buf_fini(&in);
		buf_fini(&out);
	}
}

static void
test_depth(void **state)
{
	(void)state;
	for (unsigned over = 0; over < 2; over++) {
		struct buf in = BUF_INIT(4096), out = BUF_INIT(4096);

		for (size_t i = 0; i < DER_DEPTH_MAX + over; i++)
			buf_put(&in, "\x30\x80", 2);
		for (size_t i = 0; i < DER_DEPTH_MAX + over; i++)
			buf_put(&in, "\x00\x00", 2);
		assert_int_equal(ber_to_der(buf_span(&in), &out, NULL), over ? ERR_LIMIT : 0);
		buf_fini(&in);
		buf_fini(&out);
	}
}

/* AlgorithmIdentifier of PBES2 with scrypt and AES-256-CBC. */
static void
put_scrypt(struct buf *out, size_t salt_len, uint32_t n)
{
	static const uint8_t pbes2[] = {
	    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0d};
	static const uint8_t scrypt[] = {
	    0x06, 0x09, 0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x04, 0x0b};
	static const uint8_t aes[] = {
	    0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2a};
	static const uint8_t r_and_p[] = {0x02, 0x01, 0x08, 0x02, 0x01, 0x01};
	static const uint8_t zeroes[LIMIT_PBE_SALT + 1];
	const uint8_t cost[] = {
	    (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};
	struct der d = DER_INIT(out);

	der_begin(&d, DER_SEQUENCE);
	der_put_raw(&d, SPAN_OF(pbes2));
	der_begin(&d, DER_SEQUENCE);
	der_begin(&d, DER_SEQUENCE);
	der_put_raw(&d, SPAN_OF(scrypt));
	der_begin(&d, DER_SEQUENCE);
	der_put(&d, DER_OCTET_STRING, SPAN(zeroes, salt_len));
	der_put_uint(&d, SPAN_OF(cost));
	der_put_raw(&d, SPAN_OF(r_and_p));
	der_end(&d);
	der_end(&d);
	der_begin(&d, DER_SEQUENCE);
	der_put_raw(&d, SPAN_OF(aes));
	der_put(&d, DER_OCTET_STRING, SPAN(zeroes, 16));
	der_end(&d);
	while (d.depth > 0)
		der_end(&d);
}

static void
test_scrypt(void **state)
{
	static const struct {
		size_t salt_len;
		uint32_t n;
		int code;
	} cases[] = {
	    {LIMIT_PBE_SALT, 2, ERR_DENIED},
	    {LIMIT_PBE_SALT + 1, 2, ERR_LIMIT},
	    {8, LIMIT_PBE_MEMORY / (128 * 8), ERR_DENIED},
	    {8, 2 * (LIMIT_PBE_MEMORY / (128 * 8)), ERR_LIMIT},
	    {8, 0, ERR_PARSE},
	    {8, 1, ERR_PARSE},
	    {8, 12345, ERR_PARSE},
	};
	const struct pbe_password password = {SPAN("x", 1), false, SPELL_STANDARD};
	static const uint8_t nothing[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf algorithm = BUF_INIT(4096);
		struct pbe_budget budget = PBE_BUDGET;
		struct secret *plain = NULL;
		struct err err;
		int r;

		put_scrypt(&algorithm, cases[i].salt_len, cases[i].n);
		r = pbe_open(
		    buf_span(&algorithm), SPAN_OF(nothing), &password, &budget, &plain, &err);
		if (r == 0) { /* once in 256 times the padding is right by chance: not with these */
			secret_free(plain);
			fail_msg("case %zu opened", i);
		}
		if (r != cases[i].code)
			fail_msg("case %zu: %s", i, err.text);
		buf_fini(&algorithm);
	}
}

int
run_limit_tests(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_bags_in_bags),
	    TEST(test_elements),
	    TEST(test_depth),
	    TEST(test_scrypt),
	};

	return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
