/*
 * Each limit of a message from elsewhere, at the limit and one above. A sample with every field set
 * is taken apart, one field is made as long, or repeated as often, as is allowed, and then more.
 */

#include "samples.h"

#include "common/base/limits.h"
#include "common/crypto/secret.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define BYTES_MAX (2 * LIMIT_DELTA)

/* Where a field is: numbers of the messages around it, its own last. */
struct place {
	unsigned numbers[4];
};

enum what { LENGTH, COUNT };

static const struct limit {
	const char *sample;
	struct place place;
	enum what what;
	size_t limit;
	const char *named; /* in the error */
} limits[] = {
    {"record/every-field", {{3}}, LENGTH, LIMIT_NAME, "Record.name"},
    {"record/every-field", {{9}}, LENGTH, LIMIT_AUTHOR, "Record.author"},
    {"record/every-field", {{11}}, LENGTH, LIMIT_PUBLIC, "Record.public_part"},
    {"record/every-field", {{13}}, LENGTH, LIMIT_SEALED, "Record.sealed"},
    {"public/node", {{2}}, LENGTH, LIMIT_SPKI, "NodePublic.identity_key"},
    {"public/node", {{3}}, LENGTH, LIMIT_SPKI, "NodePublic.sealing_key"},
    {"public/node", {{4}}, LENGTH, LIMIT_CERT, "NodePublic.certificate"},
    {"public/node", {{5}}, COUNT, LIMIT_ADDRESSES, "NodePublic.addresses"},
    {"public/node", {{5}}, LENGTH, LIMIT_NAME, "NodePublic.addresses"},
    {"public/node", {{10}}, LENGTH, LIMIT_ENDPOINT, "NodePublic.endpoint"},
    {"public/group", {{1}}, LENGTH, LIMIT_SPKI, "GroupPublic.key"},
    {"public/group", {{2}}, COUNT, LIMIT_GROUP_KEYS, "GroupPublic.live_keys"},
    {"public/credential", {{1}}, COUNT, LIMIT_NAMES, "CredentialPublic.names"},
    {"public/credential", {{1}}, LENGTH, LIMIT_NAME, "CredentialPublic.names"},
    {"public/credential", {{2}}, LENGTH, LIMIT_LABEL, "CredentialPublic.key_type"},
    {"public/credential", {{10}}, LENGTH, LIMIT_TEXT, "CredentialPublic.error"},
    {"public/credential_exposed", {{18}}, COUNT, LIMIT_EXPOSED, "CredentialPublic"},
    {"public/credential_exposed", {{20}}, COUNT, LIMIT_RETIRING, "CredentialPublic.retiring"},
    {"public/credential_exposed", {{21}}, COUNT, LIMIT_RETIRING, "CredentialPublic.compromised"},
    {"public/generation", {{14}}, LENGTH, LIMIT_LABEL, "GenerationPublic.profile"},
    {"public/credential_exposed", {{18, 2}}, LENGTH, LIMIT_LABEL, "CredentialPublic.exposed"},
    {"public/generation", {{4}}, COUNT, LIMIT_CHAIN, "GenerationPublic.chain"},
    {"public/generation", {{4}}, LENGTH, LIMIT_CERT, "GenerationPublic.chain"},
    {"public/generation", {{11}}, LENGTH, LIMIT_CSR, "GenerationPublic.csr"},
    {"public/ca", {{3}}, COUNT, LIMIT_CHAIN, "CaPublic.chain"},
    {"public/ca", {{7}}, LENGTH, LIMIT_CA_ADDRESS, "CaPublic.address"},
    {"public/ca", {{10}}, LENGTH, LIMIT_CERT, "CaPublic.cross"},
    {"public/crl", {{2}}, LENGTH, LIMIT_CRL, "CrlPublic.der"},
    {"public/trusted_root", {{1}}, LENGTH, LIMIT_CERT, "TrustedRootPublic.certificate"},
    {"public/trusted_root", {{2}}, LENGTH, LIMIT_NAME, "TrustedRootPublic.label"},
    {"payload/private_key", {{1}}, LENGTH, LIMIT_KEY, "PrivateKey.pkcs8"},
    {"payload/group_keys", {{1}}, COUNT, LIMIT_GROUP_KEYS, "GroupKeys.pkcs8"},
    {"payload/group_keys", {{1}}, LENGTH, LIMIT_KEY, "GroupKeys.pkcs8"},
    {"request/pull", {{2, 5}}, COUNT, LIMIT_DESIGNATIONS, "designations"},
    {"request/pull", {{2, 5, 1}}, LENGTH, LIMIT_DESIGNATION, "designation"},
    {"request/pull", {{2, 5, 2}}, LENGTH, LIMIT_SIGNATURE, "designation"},
    {"request/pull", {{2, 8}}, COUNT, LIMIT_RECEIPTS, "receipts"},
    {"request/pull", {{2, 8, 4}}, LENGTH, LIMIT_TEXT, "error"},
    {"request/pull", {{2, 11}}, LENGTH, LIMIT_NAME, "software"},
    {"request/identity", {{3, 1}}, LENGTH, LIMIT_CERT, "csr"},
    {"request/identity", {{3, 2}}, LENGTH, LIMIT_SPKI, "sealing_key"},
    {"request/identity", {{3, 4}}, COUNT, LIMIT_ADDRESSES, "addresses"},
    {"request/identity", {{3, 4}}, LENGTH, LIMIT_NAME, "addresses"},
    {"reply/delta", {{1, 1}}, COUNT, LIMIT_DESIGNATIONS, "designations"},
    {"reply/delta", {{1, 2, 1}}, LENGTH, LIMIT_RECORD, "record"},
    {"reply/delta", {{1, 2, 2}}, LENGTH, LIMIT_SIGNATURE, "record"},
    {"reply/delta", {{1, 3, 1}}, LENGTH, LIMIT_HEAD, "head"},
    {"reply/delta", {{1, 3, 2}}, LENGTH, LIMIT_SIGNATURE, "head"},
    {"reply/identity", {{2, 1}}, LENGTH, LIMIT_CERT, "certificate"},
    {"reply/identity", {{2, 2}}, COUNT, LIMIT_CHAIN, "chain"},
    {"reply/refusal", {{4, 2}}, LENGTH, LIMIT_TEXT, "text"},
};

/* --- protobuf by hand --- */

static uint64_t
take_varint(struct span *in)
{
	uint64_t value = 0;

	for (unsigned shift = 0; in->len > 0; shift += 7) {
		uint8_t byte = in->data[0];

		*in = SPAN(in->data + 1, in->len - 1);
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			break;
	}
	return value;
}

static void
put_varint(struct buf *out, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		buf_put_u8(out, (uint8_t)(value | 0x80));
	buf_put_u8(out, (uint8_t)value);
}

static void
put_field(struct buf *out, unsigned number, struct span content)
{
	put_varint(out, number << 3 | 2);
	put_varint(out, content.len);
	buf_put_span(out, content);
}

static void
put_grown(struct buf *out, unsigned number, struct span old, enum what what, size_t n)
{
	AUTO(buf_freep)
	struct buf *content = buf_new(BYTES_MAX);

	if (what == LENGTH)
		for (size_t i = 0; i < n; i++)
			buf_put_u8(content, 'a');
	else
		buf_put_span(content, old);
	for (size_t i = 0; i < (what == COUNT ? n : 1); i++)
		put_field(out, number, buf_span(content));
}

/* The message with the field of that place grown, and others of its number left out. */
static void
grow(struct span in, const unsigned *numbers, enum what what, size_t n, struct buf *out)
{
	bool done = false;

	while (in.len > 0) {
		struct span start = in;
		uint64_t tag = take_varint(&in), len = take_varint(&in);
		unsigned number = (unsigned)(tag >> 3);
		struct span content = SPAN(in.data, (tag & 7) == 2 ? (size_t)len : 0);

		in = SPAN(in.data + content.len, in.len - content.len);
		if (number != numbers[0]) {
			buf_put(out, start.data, start.len - in.len);
		} else if (!done && numbers[1] == 0) {
			put_grown(out, number, content, what, n);
		} else if (!done) {
			AUTO(buf_freep)
			struct buf *inner = buf_new(BYTES_MAX);

			grow(content, numbers + 1, what, n, inner);
			put_field(out, number, buf_span(inner));
		}
		done = done || number == numbers[0];
	}
	if (!done)
		put_grown(out, numbers[0], SPAN(NULL, 0), what, n); /* it was empty */
}

static const struct sample *
sample_of(const char *name)
{
	const struct samples *const all[] = {&record_samples, &link_samples, &secret_samples};

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		for (size_t k = 0; k < all[i]->count; k++)
			if (strcmp(all[i]->items[k].name, name) == 0)
				return &all[i]->items[k];
	fail_msg("there is no sample %s", name);
	return NULL;
}

static int
try(const struct limit *l, size_t n, struct err *err)
{
	AUTO(buf_freep)
	struct buf *good = buf_new(BYTES_MAX);
	AUTO(buf_freep)
	struct buf *grown = buf_new(BYTES_MAX);
	AUTO(buf_freep)
	struct buf *again = buf_new(BYTES_MAX);
	const struct sample *s = sample_of(l->sample);

	assert_int_equal(s->encode(good, err), 0);
	grow(buf_span(good), l->place.numbers, l->what, n, grown);
	assert_int_equal(grown->error, 0);
	return s->recode(buf_span(grown), again, err);
}

static void
test_at_and_above(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		const struct limit *l = &limits[i];
		struct err err = {0};

		if (try(l, l->limit, &err) < 0)
			fail_msg(
			    "%s, %s at its limit %zu: %s", l->sample, l->named, l->limit, err.text);
		if (try(l, l->limit + 1, &err) >= 0 || strstr(err.text, l->named) == NULL)
			fail_msg("%s, %s above its limit %zu: %s", l->sample, l->named, l->limit,
			    err.text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_at_and_above),
	};
	struct err err;

	CHECK(secret_heap_init(1 << 20, &err) == 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
