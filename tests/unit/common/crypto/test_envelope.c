/* Seals: what opens, what must not, and that each of the reader's checks holds alone. */

#include "tests/unit/common/crypto/crypto_tests.h"

#include "common/crypto/crypto_err.h"
#include "common/crypto/envelope_priv.h"
#include "common/crypto/sign.h"

#include <stdlib.h>

static struct seal_binding
binding_of(uint8_t what)
{
	struct seal_binding b = {.version = 3, .kind = 7, .public_part = span_str("public")};

	memset(b.domain.bytes, 0xd0, sizeof(b.domain.bytes));
	memset(b.record.bytes, what, sizeof(b.record.bytes));
	return b;
}

static void
test_round_trip(void **state)
{
	static const size_t counts[] = {1, 2, 3, 63, LIMIT_RECIPIENTS};
	static const size_t sizes[] = {0, 1, 215, 216, 217, 472, 5000};
	struct pkey *keys[LIMIT_RECIPIENTS], *stranger = make_key(KEY_EC_P256);
	struct seal_binding b = binding_of(1);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		keys[i] = make_key(KEY_EC_P256);
	for (size_t i = 0; i < ARRAY_LEN(counts) * ARRAY_LEN(sizes); i++) {
		size_t count = counts[i % ARRAY_LEN(counts)], size = sizes[i / ARRAY_LEN(counts)];
		struct buf seal = BUF_INIT(LIMIT_SEALED);
		struct secret *payload = NULL, *opened = NULL;
		struct seal_parts parts;

		assert_int_equal(secret_random(size, &payload, NULL), 0);
		assert_int_equal(envelope_seal(&b, payload, (const struct pkey *const *)keys, count,
				     &seal, NULL),
		    0);
		assert_int_equal(
		    envelope_open(&b, buf_span(&seal), keys[count - 1], &opened, NULL), 0);
		assert_true(secret_equal(opened, secret_span(payload)));
		assert_int_equal(
		    envelope_open(&b, buf_span(&seal), stranger, &opened, NULL), ERR_NOTFOUND);
		assert_int_equal(seal_parse(buf_span(&seal), &parts, NULL), 0);
		assert_int_equal(parts.ciphertext.len, (40 + size + 255) / 256 * 256);
		secret_free(payload);
		secret_free(opened);
		buf_fini(&seal);
	}
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		pkey_unref(keys[i]);
	pkey_unref(stranger);
}

/* However little room is left for secrets: a good seal is never called a bad one. */
static void
test_opened_in_a_full_heap(void **state)
{
	struct pkey *key = make_key(KEY_EC_P256);
	struct seal_binding b = binding_of(1);
	struct secret *payload = secret_of("x"), *opened = NULL, *held[64];
	struct buf seal = BUF_INIT(LIMIT_SEALED);
	size_t n = 0, failed = 0;

	(void)state;
	assert_int_equal(
	    envelope_seal(&b, payload, (const struct pkey *const[]){key}, 1, &seal, NULL), 0);
	for (size_t size = 512 * 1024; size >= 32; size /= 2)
		while (n < ARRAY_LEN(held) && secret_new(size, &held[n], NULL) == 0)
			n++;
	for (;;) {
		struct err err;
		int r = envelope_open(&b, buf_span(&seal), key, &opened, &err);

		if (r == 0)
			secret_free(MOVE(opened));
		else if (r != ERR_NOMEM)
			fail_msg("%zu pieces held: %s", n, err.text);
		failed += r < 0;
		if (n == 0)
			break;
		secret_free(held[--n]);
	}
	assert_in_range(failed, 1, 63);
	assert_int_equal(envelope_open(&b, buf_span(&seal), key, &opened, NULL), 0);
	secret_free(opened);
	secret_free(payload);
	buf_fini(&seal);
	pkey_unref(key);
}

static void
test_recipients(void **state)
{
	struct pkey *keys[3];
	struct seal_binding b = binding_of(1);
	struct key_id ids[LIMIT_RECIPIENTS], id;
	struct secret *payload = secret_of("x");
	struct buf seal = BUF_INIT(LIMIT_SEALED);
	size_t count = 0, known = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		keys[i] = make_key(KEY_EC_P256);
	assert_int_equal(
	    envelope_seal(&b, payload, (const struct pkey *const *)keys, 3, &seal, NULL), 0);
	assert_int_equal(envelope_recipients(buf_span(&seal), ids, &count, NULL), 0);
	assert_int_equal(count, 3);
	for (size_t i = 0; i < count; i++) {
		assert_true(i == 0 || memcmp(&ids[i - 1], &ids[i], sizeof(id)) < 0);
		for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
			pkey_id(keys[k], &id);
			known += memcmp(&id, &ids[i], sizeof(id)) == 0;
		}
	}
	assert_int_equal(known, 3);
	assert_int_equal(
	    envelope_recipients(SPAN(seal.data, seal.len - 1), ids, &count, NULL), ERR_PARSE);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		pkey_unref(keys[i]);
	secret_free(payload);
	buf_fini(&seal);
}

static void
test_refused_to_seal(void **state)
{
	struct pkey *good = make_key(KEY_EC_P256), *rsa = make_key(KEY_RSA_2048),
		    *p384 = make_key(KEY_EC_P384), *same = public_of(good);
	const struct pkey *many[LIMIT_RECIPIENTS + 1];
	const struct pkey *with_rsa[] = {good, rsa}, *with_p384[] = {p384, good},
			  *twice[] = {good, same};
	struct secret *small = secret_of("x"), *large = NULL;
	struct seal_binding b = binding_of(1);
	struct buf seal = BUF_INIT(LIMIT_SEALED);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = good;
	assert_int_equal(secret_new(LIMIT_SEALED, &large, NULL), 0);
	const struct {
		const struct pkey *const *keys;
		size_t count;
		const struct secret *payload;
		int code;
	} cases[] = {
	    {with_rsa, 2, small, ERR_INVALID},
	    {with_p384, 2, small, ERR_INVALID},
	    {twice, 2, small, ERR_INVALID},
	    {many, 0, small, ERR_INVALID},
	    {many, LIMIT_RECIPIENTS + 1, small, ERR_LIMIT},
	    {many, 1, large, ERR_LIMIT},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(
		    envelope_seal(&b, cases[i].payload, cases[i].keys, cases[i].count, &seal, NULL),
		    cases[i].code);
		assert_int_equal(seal.len, 0);
	}
	pkey_unref(good);
	pkey_unref(same);
	pkey_unref(rsa);
	pkey_unref(p384);
	secret_free(small);
	secret_free(large);
	buf_fini(&seal);
}

/* The largest payload fits into the largest seal, whatever the number of recipients. */
static void
test_largest(void **state)
{
	struct pkey *keys[LIMIT_RECIPIENTS];
	struct seal_binding b = binding_of(1);
	struct buf seal = BUF_INIT(LIMIT_SEALED);
	struct secret *payload = NULL, *opened = NULL;
	size_t size = LIMIT_SEALED;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		keys[i] = make_key(KEY_EC_P256);
	do {
		secret_free(payload);
		assert_int_equal(secret_new(--size, &payload, NULL), 0);
	} while (envelope_seal(&b, payload, (const struct pkey *const *)keys, 1, &seal, NULL) ==
	    ERR_LIMIT);
	assert_true(size > LIMIT_SEALED - 8192);
	buf_clear(&seal);
	assert_int_equal(envelope_seal(&b, payload, (const struct pkey *const *)keys,
			     LIMIT_RECIPIENTS, &seal, NULL),
	    0);
	assert_true(seal.len <= LIMIT_SEALED);
	assert_int_equal(envelope_open(&b, buf_span(&seal), keys[0], &opened, NULL), 0);
	assert_int_equal(secret_span(opened).len, size);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		pkey_unref(keys[i]);
	secret_free(payload);
	secret_free(opened);
	buf_fini(&seal);
}

static void
test_refused_to_open(void **state)
{
	struct pkey *key = make_key(KEY_EC_P256), *p384 = make_key(KEY_EC_P384),
		    *public = public_of(key);
	struct seal_binding b = binding_of(1);
	struct secret *payload = secret_of("x"), *opened = NULL;
	struct buf seal = BUF_INIT(LIMIT_SEALED);
	const struct pkey *to = key;

	(void)state;
	assert_int_equal(envelope_seal(&b, payload, &to, 1, &seal, NULL), 0);
	assert_int_equal(envelope_open(&b, buf_span(&seal), p384, &opened, NULL), ERR_INVALID);
	assert_int_equal(envelope_open(&b, buf_span(&seal), public, &opened, NULL), ERR_INVALID);
	for (size_t i = 0; i < seal.len; i++) {
		assert_int_equal(
		    envelope_open(&b, SPAN(seal.data, i), key, &opened, NULL), ERR_PARSE);
		/* No bit of it can be another. */
		for (unsigned bit = 0; bit < 8; bit += 7) {
			seal.data[i] ^= (uint8_t)(1u << bit);
			assert_true(envelope_open(&b, buf_span(&seal), key, &opened, NULL) < 0);
			assert_false(crypto_err_pending());
			seal.data[i] ^= (uint8_t)(1u << bit);
		}
	}
	assert_null(opened);
	pkey_unref(key);
	pkey_unref(p384);
	pkey_unref(public);
	secret_free(payload);
	buf_fini(&seal);
}

static void
test_known_bad(void **state)
{
	struct pkey *keys[2] = {make_key(KEY_EC_P256), make_key(KEY_EC_P256)};
	struct seal_binding b = binding_of(1);
	struct secret *payload = secret_of("the payload"), *opened = NULL;
	struct buf seal = BUF_INIT(LIMIT_SEALED), bad = BUF_INIT(LIMIT_SEALED);
	struct err err, first = {0};
	const char *name;
	size_t i = 0;
	int code;

	(void)state;
	assert_int_equal(
	    envelope_seal(&b, payload, (const struct pkey *const *)keys, 2, &seal, NULL), 0);
	for (; seal_bad_case(i, buf_span(&seal), &name, &code, &bad); i++) {
		for (size_t k = 0; k < 2; k++) {
			int r = envelope_open(&b, buf_span(&bad), keys[k], &opened, &err);

			if (r != code || crypto_err_pending())
				fail_msg("case '%s': %s", name, r == 0 ? "opened" : err.text);
			/* Nobody is told which check failed. */
			if (code == ERR_CRYPTO && first.code == 0)
				first = err;
			if (code == ERR_CRYPTO)
				assert_string_equal(err.text, first.text);
		}
	}
	assert_true(i > 80);
	assert_null(opened);
	assert_int_equal(envelope_self_test(&err), 0);
	pkey_unref(keys[0]);
	pkey_unref(keys[1]);
	secret_free(payload);
	buf_fini(&seal);
	buf_fini(&bad);
}

/*
 * The envelope of record A on record B. Each seal here is made so that two of the three checks (the
 * ukm, the key derived from it, the header inside) are content with B, and one is not.
 */
static void
test_single_checks(void **state)
{
	struct seal_binding a = binding_of(1), b = binding_of(2);
	const struct {
		struct seal_plan plan;
		int code;
	} cases[] = {
	    {{&b, &b, &b}, 0},
	    {{&a, &b, &b}, ERR_CRYPTO},
	    {{&b, &a, &b}, ERR_CRYPTO},
	    {{&b, &b, &a}, ERR_CRYPTO},
	    {{&a, &a, &a}, ERR_CRYPTO},
	};
	struct pkey *key = make_key(KEY_EC_P256);
	const struct pkey *to = key;
	struct secret *payload = secret_of("x"), *opened = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf seal = BUF_INIT(LIMIT_SEALED);

		assert_int_equal(seal_by_plan(&cases[i].plan, payload, &to, 1, &seal, NULL), 0);
		assert_int_equal(
		    envelope_open(&b, buf_span(&seal), key, &opened, NULL), cases[i].code);
		secret_free(opened);
		opened = NULL;
		buf_fini(&seal);
	}
	pkey_unref(key);
	secret_free(payload);
}

/* Each field of the header inside is compared by itself. */
static void
test_header_fields(void **state)
{
	struct seal_binding b = binding_of(1), headers[] = {b, b, b};
	struct pkey *key = make_key(KEY_EC_P256);
	const struct pkey *to = key;
	struct secret *payload = secret_of("x"), *opened = NULL;

	(void)state;
	headers[0].kind++;
	headers[1].version++;
	headers[2].record.bytes[15] ^= 1;
	for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
		struct seal_plan plan = {&b, &b, &headers[i]};
		struct buf seal = BUF_INIT(LIMIT_SEALED);

		assert_int_equal(seal_by_plan(&plan, payload, &to, 1, &seal, NULL), 0);
		assert_int_equal(
		    envelope_open(&b, buf_span(&seal), key, &opened, NULL), ERR_CRYPTO);
		buf_fini(&seal);
	}
	pkey_unref(key);
	secret_free(payload);
}

/* Two seals of the same have nothing in common that could be compared. */
static void
test_fresh_each_time(void **state)
{
	struct seal_binding b = binding_of(1);
	struct pkey *key = make_key(KEY_EC_P256);
	const struct pkey *to = key;
	struct secret *payload = secret_of("x");
	struct buf one = BUF_INIT(LIMIT_SEALED), two = BUF_INIT(LIMIT_SEALED);
	struct seal_parts p, q;

	(void)state;
	assert_int_equal(envelope_seal(&b, payload, &to, 1, &one, NULL), 0);
	assert_int_equal(envelope_seal(&b, payload, &to, 1, &two, NULL), 0);
	assert_int_equal(seal_parse(buf_span(&one), &p, NULL), 0);
	assert_int_equal(seal_parse(buf_span(&two), &q, NULL), 0);
	assert_memory_not_equal(p.point, q.point, sizeof(p.point));
	assert_memory_not_equal(p.nonce, q.nonce, sizeof(p.nonce));
	assert_memory_not_equal(p.ciphertext.data, q.ciphertext.data, 16);
	assert_memory_not_equal(p.recipients[0].wrapped, q.recipients[0].wrapped, 16);
	assert_true(hash_equal(&p.ukm, &q.ukm));
	pkey_unref(key);
	secret_free(payload);
	buf_fini(&one);
	buf_fini(&two);
}

/* The binding as docs/protocol/seals.md has it, computed here from its bytes. */
static void
test_binding_bytes(void **state)
{
	struct seal_binding b = binding_of(0xab);
	struct seal_recipient to[2] = {{.id = {{1}}}, {.id = {{2}}}};
	struct buf text = BUF_INIT(1024), ids = BUF_INIT(64);
	struct hash part, expected, found;

	(void)state;
	buf_put(&text, "certherd/seal/v1", 17);
	buf_put(&text, b.domain.bytes, 32);
	buf_put(&text, b.record.bytes, 16);
	buf_put(&text, "\0\0\0\0\0\0\0\3\0\0\0\7", 12);
	hash_of(span_str("public"), &part);
	buf_put(&text, part.bytes, 32);
	buf_put(&ids, to[0].id.bytes, 20);
	buf_put(&ids, to[1].id.bytes, 20);
	hash_of(buf_span(&ids), &part);
	buf_put(&text, part.bytes, 32);
	hash_of(buf_span(&text), &expected);
	seal_bind(&b, to, 2, &found);
	assert_true(hash_equal(&expected, &found));
	buf_fini(&text);
	buf_fini(&ids);
}

int
run_envelope_tests(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_round_trip),
	    TEST(test_opened_in_a_full_heap),
	    TEST(test_recipients),
	    TEST(test_refused_to_seal),
	    TEST(test_largest),
	    TEST(test_refused_to_open),
	    TEST(test_known_bad),
	    TEST(test_single_checks),
	    TEST(test_header_fields),
	    TEST(test_fresh_each_time),
	    TEST(test_binding_bytes),
	};

	return cmocka_run_group_tests_name("envelope", tests, NULL, NULL);
}
