/* Revocation lists: written, read back, and refused. */

#include "common/crypto/crl.h"

#include "common/base/str.h"
#include "tests/unit/common/crypto/cert_domain.h"

static struct crl_entry
entry_of(uint32_t n, int64_t revoked_at, uint32_t reason)
{
	struct crl_entry e = {.revoked_at = revoked_at, .reason = reason};

	e.serial.len = 5;
	e.serial.bytes[0] = 0x7f;
	for (unsigned k = 0; k < 4; k++)
		e.serial.bytes[1 + k] = (uint8_t)(n >> (24 - 8 * k));
	return e;
}

static struct crl_params
params_of(const struct crl_entry *entries, size_t count)
{
	static const uint8_t number[] = {1, 0, 0, 0, 0, 0, 0, 0, 9};

	return (struct crl_params){.ca = d.ca,
	    .key = d.ca_key,
	    .number = SPAN_OF(number),
	    .this_update = NOW,
	    .next_update = NOW + 7 * DAY,
	    .entries = entries,
	    .count = count};
}

static void
test_round_trip(void **state)
{
	const struct crl_entry entries[] = {
	    entry_of(1, NOW - DAY, 0), entry_of(2, NOW, 1), entry_of(3, INT64_C(2600000000), 9)};
	const struct crl_entry other = entry_of(4, 0, 0);

	(void)state;
	for (size_t count = 0; count <= ARRAY_LEN(entries); count++) {
		const struct crl_params p = params_of(entries, count);
		AUTO(buf_freep)
		struct buf *der = buf_new(LIMIT_CRL);
		struct crl l = {0};
		struct err err;

		assert_int_equal(crl_build(&p, der, &err), 0);
		assert_int_equal(crl_check(buf_span(der), &err), 0);
		assert_int_equal(crl_read(buf_span(der), &l, &err), 0);
		assert_int_equal(l.count, count);
		assert_int_equal(l.this_update, NOW);
		assert_int_equal(l.next_update, NOW + 7 * DAY);
		assert_true(span_equal(SPAN(l.number, l.number_len), p.number));
		for (size_t i = 0; i < count; i++) {
			const struct crl_entry *e = crl_find(&l, &entries[i].serial);

			assert_non_null(e);
			assert_int_equal(e->revoked_at, entries[i].revoked_at);
			assert_int_equal(e->reason, entries[i].reason);
		}
		assert_null(crl_find(&l, &other.serial));
		assert_true(crl_signed_by(buf_span(der), d.ca));
		assert_false(crl_signed_by(buf_span(der), d.root));
		crl_fini(&l);
	}
}

/* A CA of any key signs its list with what fits that. */
static void
test_every_key(void **state)
{
	const struct crl_entry entry = entry_of(1, NOW, 4);

	(void)state;
	for (int type = 0; type < KEY__COUNT; type++) {
		AUTO(pkey_unrefp)
		struct pkey *key = key_of((enum key_type)type);
		AUTO(cert_unrefp)
		struct cert *ca = NULL;
		AUTO(buf_freep)
		struct buf *der = buf_new(LIMIT_CRL);
		struct crl_params p = params_of(&entry, 1);
		struct crl l;

		assert_int_equal(cert_issue_ca(key, "any", NOW, NOW + DAY, &ca, NULL), 0);
		p.ca = ca;
		p.key = key;
		assert_int_equal(crl_build(&p, der, NULL), 0);
		assert_true(crl_signed_by(buf_span(der), ca));
		assert_false(crl_signed_by(buf_span(der), d.ca));
		assert_int_equal(crl_read(buf_span(der), &l, NULL), 0);
		crl_fini(&l);
	}
}

static void
test_serial_of_certificate(void **state)
{
	AUTO(cert_unrefp)
	struct cert *leaf = leaf_named(d.leaf_key, "a.example.org");
	AUTO(buf_freep)
	struct buf *text = buf_new(100);
	char hex[2 * LIMIT_SERIAL + 1];
	struct crl_serial s;

	(void)state;
	assert_int_equal(cert_serial(leaf, &s, NULL), 0);
	cert_put_serial(leaf, text);
	assert_string_equal(hex_encode(s.bytes, s.len, hex), buf_str(text));
}

static void
test_what_cannot_be_written(void **state)
{
	struct crl_entry e = entry_of(1, NOW, 7);
	AUTO(buf_freep)
	struct buf *der = buf_new(LIMIT_CRL);
	struct crl_params p = params_of(&e, 1);
	struct err err;

	(void)state;
	assert_int_equal(crl_build(&p, der, &err), ERR_INVALID);
	e.reason = 1;
	e.serial.len = 0;
	assert_int_equal(crl_build(&p, der, &err), ERR_INVALID);
	p = params_of(NULL, 0);
	p.key = d.leaf_key;
	assert_int_equal(crl_build(&p, der, &err), ERR_INVALID);
	p = params_of(NULL, 0);
	p.next_update = p.this_update;
	assert_int_equal(crl_build(&p, der, &err), ERR_INVALID);
	p = params_of(NULL, 0);
	p.number.len = 0;
	assert_int_equal(crl_build(&p, der, &err), ERR_INVALID);
	assert_int_equal(der->len, 0);
}

/* As many as a list may have, of the longest serial numbers and times, fit into its bytes. */
static void
test_limit(void **state)
{
	struct crl_entry *entries = mem_array(LIMIT_CRL_ENTRIES + 1, sizeof(*entries));
	AUTO(buf_freep)
	struct buf *der = buf_new(LIMIT_CRL);
	struct crl_params p = params_of(entries, LIMIT_CRL_ENTRIES);
	struct crl l;
	struct err err;

	(void)state;
	for (uint32_t i = 0; i <= LIMIT_CRL_ENTRIES; i++) {
		entries[i] = entry_of(i, INT64_C(2600000000), 1);
		entries[i].serial.len = LIMIT_SERIAL;
	}
	assert_int_equal(crl_build(&p, der, &err), 0);
	assert_true(der->len > LIMIT_CRL / 2);
	assert_int_equal(crl_read(buf_span(der), &l, &err), 0);
	assert_int_equal(l.count, LIMIT_CRL_ENTRIES);
	crl_fini(&l);
	p.count++;
	assert_int_equal(crl_build(&p, der, &err), ERR_LIMIT);
	mem_free(entries);
}

/* What openssl(1) has made: with two entries, with none, and with an extension to be heeded. */
static void
test_foreign(void **state)
{
	static const struct {
		const char *file;
		int code;
		size_t count;
	} cases[] = {
	    {CORPUS "/openssl.der", 0, 2},
	    {CORPUS "/empty.der", 0, 0},
	    {CORPUS "/critical.der", ERR_PARSE, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint8_t bytes[1024];
		FILE *f = fopen(cases[i].file, "rb");
		struct crl l = {0};
		size_t n;

		assert_non_null(f);
		n = fread(bytes, 1, sizeof(bytes), f);
		fclose(f);
		assert_int_equal(crl_read(SPAN(bytes, n), &l, NULL), cases[i].code);
		assert_int_equal(l.count, cases[i].count);
		if (l.count == 2) {
			assert_int_equal(l.entries[0].reason, 1);
			assert_int_equal(l.entries[0].serial.len, 2);
			assert_int_equal(l.entries[1].reason, 0);
		}
		crl_fini(&l);
	}
}

static void
test_too_large(void **state)
{
	static uint8_t bytes[LIMIT_CRL + 1];
	struct crl l;
	struct err err;

	(void)state;
	assert_int_equal(crl_read(SPAN(bytes, sizeof(bytes)), &l, &err), ERR_LIMIT);
	assert_int_equal(crl_read(SPAN(bytes, 0), &l, &err), ERR_PARSE);
}

/* Every beginning, and every list with one bit changed, is refused or read without a fault. */
static void
test_damaged(void **state)
{
	const struct crl_entry entries[] = {entry_of(1, NOW - DAY, 0), entry_of(2, NOW, 1)};
	const struct crl_params p = params_of(entries, ARRAY_LEN(entries));
	AUTO(buf_freep)
	struct buf *der = buf_new(LIMIT_CRL);
	size_t signed_ones = 0;

	(void)state;
	assert_int_equal(crl_build(&p, der, NULL), 0);
	for (size_t n = 0; n < der->len; n++) {
		uint8_t *copy = mem_dup(der->data, n > 0 ? n : 1);
		struct crl l;

		assert_int_equal(crl_read(SPAN(copy, n), &l, NULL), ERR_PARSE);
		mem_free(copy);
	}
	for (size_t bit = 0; bit < 8 * der->len; bit++) {
		struct crl l = {0};

		der->data[bit / 8] ^= (uint8_t)(1U << bit % 8);
		if (crl_read(buf_span(der), &l, NULL) == 0)
			crl_fini(&l);
		signed_ones += crl_signed_by(buf_span(der), d.ca);
		der->data[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
	assert_int_equal(signed_ones, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(test_round_trip),
	    CASE(test_every_key),
	    CASE(test_serial_of_certificate),
	    CASE(test_what_cannot_be_written),
	    CASE(test_limit),
	    CASE(test_foreign),
	    CASE(test_too_large),
	    CASE(test_damaged),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
