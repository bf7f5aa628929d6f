/* Bytes that are no messages of ours, and limits: at each one it works, one above it does not. */

#include "common/base/str.h"
#include "common/wire/public_wire.h"
#include "common/wire/record_wire.h"
#include "common/wire/signer_messages.h"
#include "common/base/utf8.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Hexadecimal with blanks into bytes. */
static struct span
bytes_of(const char *hex, uint8_t *out)
{
	size_t n = 0;

	for (const char *p = hex; *p != 0; p += *p == ' ' ? 1 : 2) {
		char two[3] = {p[0], p[1], 0};

		if (*p == ' ')
			continue;
		assert_int_equal(hex_decode(two, &out[n], 1, NULL), 0);
		n++;
	}
	return SPAN(out, n);
}

#define ID "0102030405060708090a0b0c0d0e0f10"
#define CURRENT "0a10 " ID

/* TicketKeyPublic { bytes current = 1; int64 made_at = 2; } stands for all messages. */
static void
test_encoding(void **state)
{
	static const struct {
		const char *hex;
		int result;
	} cases[] = {
	    {CURRENT, 0}, {CURRENT " 1001", 0}, {"1001 " CURRENT, 0}, /* any order */
	    {CURRENT " 1a10 00", ERR_PARSE},                 /* a length that is too long */
	    {CURRENT " 1a03616263", 0},                      /* unknown: bytes */
	    {CURRENT " 1805", 0},                            /* unknown: varint */
	    {CURRENT " 1d01020304", 0},                      /* unknown: 32 bits */
	    {CURRENT " 190102030405060708", 0},              /* unknown: 64 bits */
	    {CURRENT " 1b1c", ERR_PARSE},                    /* a group */
	    {CURRENT " 1e", ERR_PARSE},                      /* wire type 6 */
	    {CURRENT " 0001", ERR_PARSE},                    /* field 0 */
	    {CURRENT " " CURRENT, ERR_PARSE},                /* twice */
	    {CURRENT " 1001 1001", ERR_PARSE},               /* twice */
	    {"0801", ERR_PARSE},                             /* bytes as a number */
	    {CURRENT " 120101", ERR_PARSE},                  /* a number as bytes */
	    {CURRENT " 10", ERR_PARSE},                      /* cut */
	    {CURRENT " 1080", ERR_PARSE},                    /* cut in a varint */
	    {CURRENT " 10 ffffffffffffffffff01", 0},         /* the longest: -1 */
	    {CURRENT " 10 ffffffffffffffffff02", ERR_PARSE}, /* 65 bits */
	    {CURRENT " 10 ffffffffffffffffffff01", ERR_PARSE},
	    {"0a0f 0102030405060708090a0b0c0d0e0f", ERR_PARSE}, /* 15 bytes */
	    {"0a11 " ID " 11", ERR_LIMIT},                      /* 17 bytes */
	    {"", ERR_PARSE}, {"ffffffffffffffffff01", ERR_PARSE},
	    {CURRENT " 9a808080800000", ERR_PARSE}, /* a tag of six bytes */
	};
	uint8_t raw[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct ticket_key_public p;
		struct err err = {0};
		int rc = wire_ticket_key_public_decode(bytes_of(cases[i].hex, raw), &p, &err);

		if (rc != cases[i].result)
			fail_msg("%s: %d %s", cases[i].hex, rc, err.text);
		if (rc == 0)
			ticket_key_public_fini(&p);
	}
}

static void
test_text(void **state)
{
	static const struct {
		const char *hex;
		bool good;
	} cases[] = {{"", true}, {"61", true}, {"c3a4", true}, {"e282ac", true}, {"f09f9880", true},
	    {"f48fbfbf", true}, {"ed9fbf", true}, {"00", false}, {"610062", false}, {"80", false},
	    {"c3", false}, {"c0af", false}, {"c1bf", false}, {"e080af", false}, {"eda080", false},
	    {"f0808080", false}, {"f4908080", false}, {"f5808080", false}, {"ff", false},
	    {"c328", false}, {"e28228", false}, {"f0908028", false}};
	uint8_t raw[16], message[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct span s = bytes_of(cases[i].hex, raw);
		struct setting_public p;
		struct err err;
		int rc;

		assert_int_equal(utf8_is_text(s), cases[i].good);
		/* SettingPublic { string value = 1; } */
		message[0] = 0x0a;
		message[1] = (uint8_t)s.len;
		if (s.len > 0)
			memcpy(message + 2, s.data, s.len);
		rc = wire_setting_public_decode(SPAN(message, s.len + 2), &p, &err);
		assert_int_equal(rc, cases[i].good ? 0 : ERR_PARSE);
		if (rc == 0)
			setting_public_fini(&p);
	}
}

/* --- rules of records --- */

static struct record
good_record(void)
{
	return (struct record){.id = {{1}},
	    .kind = 99,
	    .term = UINT64_C(1) << 32,
	    .seq = 5,
	    .mutation = 4,
	    .version = 1};
}

static int
encode(const struct record *r, struct err *err)
{
	AUTO(buf_freep)
	struct buf *body = buf_new(2 * LIMIT_RECORD);

	return wire_record_encode(r, body, err);
}

static void
test_record_rules(void **state)
{
	struct record r = good_record();
	struct err err;

	(void)state;
	assert_int_equal(encode(&r, &err), 0);
#define BAD(change)                                                                                \
	do {                                                                                       \
		r = good_record();                                                                 \
		change;                                                                            \
		assert_int_equal(encode(&r, &err), ERR_PARSE);                                     \
	} while (0)
	BAD(r.id.bytes[0] = 0);
	BAD(r.kind = 0);
	BAD(r.term = 5);
	BAD(r.seq = 0);
	BAD(r.version = 0);
	BAD(r.mutation = 0);
	BAD(r.mutation = 6);
	BAD(r.removed = true; r.public_part = span_str("x"));
	BAD(r.removed = true; r.sealed = span_str("x"));
	BAD(r.access_count = 2; r.access[0].bytes[3] = 1; r.access[1].bytes[3] = 1);
	BAD(r.kind = KIND_NODE; r.public_part = span_str("x")); /* no NodePublic */
#undef BAD
}

static void
test_record_limits(void **state)
{
	static uint8_t bytes[LIMIT_SEALED + 1];
	struct record r = good_record();
	struct err err;

	(void)state;
	memset(r.name, 'n', LIMIT_NAME);
	memset(r.author, 'a', LIMIT_AUTHOR);
	for (size_t i = 0; i < LIMIT_ACCESS; i++)
		r.access[i].bytes[0] = (uint8_t)(i + 1);
	r.access_count = LIMIT_ACCESS;
	r.public_part = SPAN(bytes, LIMIT_PUBLIC);
	r.sealed = SPAN(bytes, LIMIT_SEALED);
	assert_int_equal(encode(&r, &err), 0);
	r.public_part.len++;
	assert_int_equal(encode(&r, &err), ERR_LIMIT);
	r.public_part.len--;
	r.sealed.len++;
	assert_int_equal(encode(&r, &err), ERR_LIMIT);
}

/* A list of one more than may be, written by hand since no encoder of ours writes it. */
static void
test_list_limits(void **state)
{
	AUTO(buf_freep)
	struct buf *in = buf_new(LIMIT_PUBLIC);
	struct credential_public c;
	struct err err;

	(void)state;
	for (size_t i = 0; i < LIMIT_NAMES; i++)
		buf_put(in,
		    "\x0a\x01"
		    "a",
		    3);
	assert_int_equal(wire_credential_public_decode(buf_span(in), &c, &err), 0);
	assert_int_equal(c.names.count, LIMIT_NAMES);
	credential_public_fini(&c);
	buf_put(in,
	    "\x0a\x01"
	    "a",
	    3);
	assert_int_equal(wire_credential_public_decode(buf_span(in), &c, &err), ERR_LIMIT);
	assert_non_null(strstr(err.text, "CredentialPublic.names"));
}

/* A generation has a certificate or a CSR that waits for one. */
static void
test_generation(void **state)
{
	static const struct span one = {(const uint8_t *)"x", 1};
	struct generation_public p = {.credential = {{1}}, .number = 1, .key = one}, got;
	AUTO(buf_freep)
	struct buf *out = buf_new(LIMIT_PUBLIC);
	struct err err;

	(void)state;
	assert_int_equal(wire_generation_public_encode(&p, out, &err), 0);
	assert_int_equal(wire_generation_public_decode(buf_span(out), &got, &err), ERR_PARSE);
	assert_non_null(strstr(err.text, "neither a certificate nor a CSR"));
	p.csr = one;
	buf_clear(out);
	assert_int_equal(wire_generation_public_encode(&p, out, &err), 0);
	assert_int_equal(wire_generation_public_decode(buf_span(out), &got, &err), 0);
	assert_int_equal(got.chain.count, 0);
	assert_int_equal(got.csr.len, 1);
	generation_public_fini(&got);
}

/* Two bytes each that would become a struct each: memory is bounded by the size of the message. */
static void
test_amplification(void **state)
{
	AUTO(buf_freep)
	struct buf *in = buf_new(LIMIT_DELTA + 64);
	struct reply r;
	struct err err;
	size_t inner = LIMIT_DELTA - 16;

	(void)state;
	buf_put_u8(in, 0x0a); /* Reply.delta */
	for (size_t n = inner; n > 0; n >>= 7)
		buf_put_u8(in, (uint8_t)((n & 0x7f) | (n >= 0x80 ? 0x80 : 0)));
	for (size_t i = 0; i < inner / 2; i++)
		buf_put(in, "\x12\x00", 2); /* Delta.records */
	assert_int_equal(wire_reply_decode(buf_span(in), &r, &err), ERR_LIMIT);
	buf_clear(in);
	for (size_t i = 0; i < LIMIT_DELTA + 1; i++)
		buf_put_u8(in, 0);
	assert_int_equal(wire_reply_decode(buf_span(in), &r, &err), ERR_LIMIT);
}

/* Both members of a oneof: whoever reads the first and whoever reads the last would differ. */
static void
test_oneof(void **state)
{
	uint8_t raw[64];
	struct reply r;
	struct err err;

	(void)state;
	assert_int_equal(wire_reply_decode(bytes_of("2200", raw), &r, &err), 0);
	assert_int_equal(r.answer, ANSWER_REFUSAL);
	assert_int_equal(r.refusal.code, ERR_UNAVAIL);
	reply_fini(&r);
	assert_int_equal(wire_reply_decode(bytes_of("2200 0a00", raw), &r, &err), ERR_PARSE);
	assert_int_equal(wire_reply_decode(bytes_of("", raw), &r, &err), 0);
	assert_int_equal(r.answer, ANSWER_NOTHING);
	reply_fini(&r);
	assert_int_equal(wire_reply_decode(bytes_of("fa0100", raw), &r, &err), 0);
	assert_int_equal(r.answer, ANSWER_NOTHING); /* something newer */
	reply_fini(&r);
}

static int
parse_token(const char *text)
{
	AUTO(secret_freep)
	struct secret *s = NULL;
	struct join_token t;
	struct err err;
	int rc;

	assert_int_equal(secret_new(strlen(text), &s, &err), 0);
	memcpy(secret_bytes(s), text, strlen(text));
	rc = join_token_parse(s, &t, &err);
	if (rc == 0)
		join_token_fini(&t);
	else
		assert_null(strstr(err.text, "CiEAAAA")); /* never repeats what it was given */
	return rc;
}

static void
test_token(void **state)
{
	(void)state;
	assert_int_equal(parse_token(""), ERR_PARSE);
	assert_int_equal(parse_token("certherd-join-1."), ERR_PARSE);
	assert_int_equal(parse_token("certherd-join-2.CiEAAAA"), ERR_PARSE);
	assert_int_equal(parse_token("certherd-join-1.CiEAAAA"), ERR_PARSE);
	assert_int_equal(parse_token("certherd-join-1.CiE AAAA"), ERR_PARSE);
}

static void
test_signer_rules(void **state)
{
	struct signer_request r = {.op = SIGNER_MAKE_GROUP, .make_group = {.group = {{{1}}, 1}}};
	AUTO(buf_freep)
	struct buf *out = buf_new(LIMIT_SIGNER_FRAME);
	struct signer_request got;
	struct err err;

	(void)state;
	assert_int_equal(wire_signer_request_encode(&r, out, &err), 0);
	assert_int_equal(wire_signer_request_decode(buf_span(out), &got, &err), 0);
	signer_request_fini(&got);
	r.make_group.new_key = true; /* of what? */
	buf_clear(out);
	assert_int_equal(wire_signer_request_encode(&r, out, &err), 0);
	assert_int_equal(wire_signer_request_decode(buf_span(out), &got, &err), ERR_PARSE);
	r = (struct signer_request){.op = SIGNER_NOTHING};
	assert_int_equal(wire_signer_request_encode(&r, out, &err), ERR_INVALID);
	assert_int_equal(wire_signer_request_decode(SPAN("\x08\x01", 2), &got, &err), ERR_PARSE);
}

static void
test_sizes(void **state)
{
	static const size_t lens[] = {1, 100, 127, 128, 16383, 16384};
	static uint8_t bytes[16384];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		struct signed_bytes s = {SPAN(bytes, lens[i]), SPAN(bytes, 71)};
		struct delta d = {.records = {&s, 1}};
		struct reply r = {.answer = ANSWER_DELTA, .delta = d};
		struct reply none = {.answer = ANSWER_DELTA};
		AUTO(buf_freep)
		struct buf *with = buf_new(LIMIT_DELTA);
		AUTO(buf_freep)
		struct buf *without = buf_new(LIMIT_DELTA);
		struct err err;
		size_t frame = 0;

		assert_int_equal(wire_reply_encode(&r, with, &err), 0);
		assert_int_equal(wire_reply_encode(&none, without, &err), 0);
		/* The Delta's own length grows a little besides. */
		for (size_t n = with->len; n >= 0x80; n >>= 7)
			frame++;
		assert_in_range(wire_signed_size(&s) + frame + 1, with->len - without->len,
		    with->len - without->len + 1 + frame);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_encoding),
	    cmocka_unit_test(test_text),
	    cmocka_unit_test(test_record_rules),
	    cmocka_unit_test(test_record_limits),
	    cmocka_unit_test(test_list_limits),
	    cmocka_unit_test(test_generation),
	    cmocka_unit_test(test_amplification),
	    cmocka_unit_test(test_oneof),
	    cmocka_unit_test(test_token),
	    cmocka_unit_test(test_signer_rules),
	    cmocka_unit_test(test_sizes),
	};
	struct err err;

	CHECK(secret_heap_init(1 << 20, &err) == 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
