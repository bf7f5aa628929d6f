#include "common/crypto/envelope_priv.h"

#include "common/crypto/der.h"
#include "common/crypto/sign.h"

#include <string.h>

const uint8_t seal_magic[SEAL_MAGIC_LEN] = {'C', 'H', 'S', 'E', 'A', 'L', '0', '1'};

/* Everything of fixed value between two variable parts is one literal, compared as bytes. */
static const uint8_t oid_auth_enveloped[] = {
    0x06, 0x0b, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x17};
static const uint8_t version_0[] = {0x02, 0x01, 0x00};
static const uint8_t version_3[] = {0x02, 0x01, 0x03};
/* id-ecPublicKey without parameters, as RFC 5753 3.1.1 allows: the curve is the recipients'. */
static const uint8_t originator_algorithm[] = {
    0x30, 0x09, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01};
static const uint8_t wrap_algorithm[] = {
    0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2d};
/* dhSinglePass-stdDH-sha256kdf-scheme with id-aes256-wrap as its parameter. */
static const uint8_t agreement_algorithm[] = {0x30, 0x15, 0x06, 0x06, 0x2b, 0x81, 0x04, 0x01, 0x0b,
    0x01, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2d};
static const uint8_t oid_data[] = {
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01};
static const uint8_t oid_aes256_gcm[] = {
    0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2e};
static const uint8_t tag_length_16[] = {0x02, 0x01, 0x10};
/* suppPubInfo: the length of the key encryption key in bits. */
static const uint8_t supp_pub_info[] = {0xa2, 0x06, 0x04, 0x04, 0x00, 0x00, 0x01, 0x00};
static const uint8_t no_unused_bits[] = {0x00};

static void
write_agreement(struct der *d, const struct seal_parts *parts)
{
	der_begin(d, DER_CONTEXT_CONS(1)); /* KeyAgreeRecipientInfo */
	der_put_raw(d, SPAN_OF(version_3));
	der_begin(d, DER_CONTEXT_CONS(0));
	der_begin(d, DER_CONTEXT_CONS(1)); /* originatorKey */
	der_put_raw(d, SPAN_OF(originator_algorithm));
	der_begin(d, DER_BIT_STRING);
	der_put_raw(d, SPAN_OF(no_unused_bits));
	der_put_raw(d, SPAN_OF(parts->point));
	der_end(d);
	der_end(d);
	der_end(d);
	der_begin(d, DER_CONTEXT_CONS(1));
	der_put(d, DER_OCTET_STRING, SPAN_OF(parts->ukm.bytes));
	der_end(d);
	der_put_raw(d, SPAN_OF(agreement_algorithm));
	der_begin(d, DER_SEQUENCE);
	for (size_t i = 0; i < parts->count; i++) {
		const struct seal_recipient *r = &parts->recipients[i];

		der_begin(d, DER_SEQUENCE);
		der_begin(d, DER_CONTEXT_CONS(0)); /* RecipientKeyIdentifier */
		der_put(d, DER_OCTET_STRING, SPAN_OF(r->id.bytes));
		der_end(d);
		der_put(d, DER_OCTET_STRING, SPAN_OF(r->wrapped));
		der_end(d);
	}
	der_end(d);
	der_end(d);
}

int
seal_write(const struct seal_parts *parts, struct buf *out, struct err *err)
{
	struct der d = DER_INIT(out);

	der_begin(&d, DER_SEQUENCE); /* ContentInfo */
	der_put_raw(&d, SPAN_OF(oid_auth_enveloped));
	der_begin(&d, DER_CONTEXT_CONS(0));
	der_begin(&d, DER_SEQUENCE); /* AuthEnvelopedData */
	der_put_raw(&d, SPAN_OF(version_0));
	der_begin(&d, DER_SET);
	write_agreement(&d, parts);
	der_end(&d);
	der_begin(&d, DER_SEQUENCE); /* EncryptedContentInfo */
	der_put_raw(&d, SPAN_OF(oid_data));
	der_begin(&d, DER_SEQUENCE);
	der_put_raw(&d, SPAN_OF(oid_aes256_gcm));
	der_begin(&d, DER_SEQUENCE);
	der_put(&d, DER_OCTET_STRING, SPAN_OF(parts->nonce));
	der_put_raw(&d, SPAN_OF(tag_length_16));
	der_end(&d);
	der_end(&d);
	der_put(&d, DER_CONTEXT(0), parts->ciphertext);
	der_end(&d);
	der_put(&d, DER_OCTET_STRING, SPAN_OF(parts->tag));
	der_end(&d);
	der_end(&d);
	der_end(&d);
	return buf_error(out, "seal", err);
}

/* One element of exactly len bytes; out stays as it is after a failure. */
static void
take_bytes(struct der_reader *r, unsigned tag, uint8_t *out, size_t len)
{
	struct span content = der_take_fixed(r, tag, len);

	if (!r->failed)
		memcpy(out, content.data, len);
}

static void
close_inner(struct der_reader *outer, const struct der_reader *inner)
{
	if (!der_done(inner))
		outer->failed = true;
}

static void
parse_recipients(struct der_reader *outer, struct seal_parts *out)
{
	struct der_reader list = der_enter(outer, DER_SEQUENCE);

	out->count = 0;
	while (!list.failed && list.rest.len > 0 && out->count < LIMIT_RECIPIENTS) {
		struct seal_recipient *to = &out->recipients[out->count];
		struct der_reader one = der_enter(&list, DER_SEQUENCE);
		struct der_reader rid = der_enter(&one, DER_CONTEXT_CONS(0));

		take_bytes(&rid, DER_OCTET_STRING, to->id.bytes, KEY_ID_LEN);
		close_inner(&one, &rid);
		take_bytes(&one, DER_OCTET_STRING, to->wrapped, SEAL_WRAPPED_LEN);
		close_inner(&list, &one);
		/* Strictly rising: sorted, and none twice. */
		if (out->count > 0 && memcmp(to[-1].id.bytes, to->id.bytes, KEY_ID_LEN) >= 0)
			list.failed = true;
		out->count++;
	}
	close_inner(outer, &list);
	if (out->count == 0)
		outer->failed = true;
}

static void
parse_agreement(struct der_reader *outer, struct seal_parts *out)
{
	struct der_reader kari = der_enter(outer, DER_CONTEXT_CONS(1));
	struct der_reader originator, key, ukm;
	struct span bits;

	der_expect(&kari, SPAN_OF(version_3));
	originator = der_enter(&kari, DER_CONTEXT_CONS(0));
	key = der_enter(&originator, DER_CONTEXT_CONS(1));
	der_expect(&key, SPAN_OF(originator_algorithm));
	bits = der_take_fixed(&key, DER_BIT_STRING, 1 + SEAL_POINT_LEN);
	if (!key.failed && bits.data[0] == 0 && bits.data[1] == 0x04)
		memcpy(out->point, bits.data + 1, SEAL_POINT_LEN);
	else
		key.failed = true;
	close_inner(&originator, &key);
	close_inner(&kari, &originator);
	ukm = der_enter(&kari, DER_CONTEXT_CONS(1));
	take_bytes(&ukm, DER_OCTET_STRING, out->ukm.bytes, HASH_LEN);
	close_inner(&kari, &ukm);
	der_expect(&kari, SPAN_OF(agreement_algorithm));
	parse_recipients(&kari, out);
	close_inner(outer, &kari);
}

static void
parse_content(struct der_reader *outer, struct seal_parts *out)
{
	struct der_reader content = der_enter(outer, DER_SEQUENCE);
	struct der_reader algorithm, params;

	der_expect(&content, SPAN_OF(oid_data));
	algorithm = der_enter(&content, DER_SEQUENCE);
	der_expect(&algorithm, SPAN_OF(oid_aes256_gcm));
	params = der_enter(&algorithm, DER_SEQUENCE);
	take_bytes(&params, DER_OCTET_STRING, out->nonce, SEAL_NONCE_LEN);
	der_expect(&params, SPAN_OF(tag_length_16));
	close_inner(&algorithm, &params);
	close_inner(&content, &algorithm);
	out->ciphertext = der_take(&content, DER_CONTEXT(0));
	if (out->ciphertext.len == 0 || out->ciphertext.len % SEAL_BLOCK != 0)
		content.failed = true;
	close_inner(outer, &content);
}

int
seal_parse(struct span der, struct seal_parts *out, struct err *err)
{
	struct der_reader r = DER_READER(der);
	struct der_reader info, tagged, data, set;

	if (der.len > LIMIT_SEALED)
		return err_set(
		    err, ERR_PARSE, "a seal of %zu bytes; %d at the most", der.len, LIMIT_SEALED);
	info = der_enter(&r, DER_SEQUENCE);
	der_expect(&info, SPAN_OF(oid_auth_enveloped));
	tagged = der_enter(&info, DER_CONTEXT_CONS(0));
	data = der_enter(&tagged, DER_SEQUENCE);
	der_expect(&data, SPAN_OF(version_0));
	set = der_enter(&data, DER_SET);
	parse_agreement(&set, out);
	close_inner(&data, &set);
	parse_content(&data, out);
	take_bytes(&data, DER_OCTET_STRING, out->tag, SEAL_TAG_LEN);
	close_inner(&tagged, &data);
	close_inner(&info, &tagged);
	close_inner(&r, &info);
	if (!der_done(&r))
		return err_set(err, ERR_PARSE, "not a seal of this system's profile");
	return 0;
}

int
envelope_recipients(
    struct span der, struct key_id ids[static LIMIT_RECIPIENTS], size_t *count, struct err *err)
{
	struct seal_parts parts;
	int r = seal_parse(der, &parts, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < parts.count; i++)
		ids[i] = parts.recipients[i].id;
	*count = parts.count;
	return 0;
}

void
seal_bind(const struct seal_binding *binding, const struct seal_recipient *recipients, size_t count,
    struct hash *out)
{
	static const char prefix[] = "certherd/seal/v1"; /* its NUL is part of it */
	uint8_t ids[LIMIT_RECIPIENTS * KEY_ID_LEN], numbers[12];
	struct hash public_part, audience;

	for (size_t i = 0; i < count; i++)
		memcpy(ids + i * KEY_ID_LEN, recipients[i].id.bytes, KEY_ID_LEN);
	for (unsigned i = 0; i < 8; i++)
		numbers[i] = (uint8_t)(binding->version >> (56 - 8 * i));
	for (unsigned i = 0; i < 4; i++)
		numbers[8 + i] = (uint8_t)(binding->kind >> (24 - 8 * i));
	hash_of(binding->public_part, &public_part);
	hash_of(SPAN(ids, count * KEY_ID_LEN), &audience);
	hash_of_parts((const struct span[]){SPAN_OF(prefix), SPAN_OF(binding->domain.bytes),
			  SPAN_OF(binding->record.bytes), SPAN_OF(numbers),
			  SPAN_OF(public_part.bytes), SPAN_OF(audience.bytes)},
	    6, out);
}

struct span
seal_shared_info(const struct hash *ukm, uint8_t out[static SEAL_SHARED_INFO_MAX])
{
	struct buf text = BUF_INIT(SEAL_SHARED_INFO_MAX);
	struct der d = DER_INIT(&text);
	size_t len;

	der_begin(&d, DER_SEQUENCE);
	der_put_raw(&d, SPAN_OF(wrap_algorithm));
	der_begin(&d, DER_CONTEXT_CONS(0));
	der_put(&d, DER_OCTET_STRING, SPAN_OF(ukm->bytes));
	der_end(&d);
	der_put_raw(&d, SPAN_OF(supp_pub_info));
	der_end(&d);
	CHECK(text.error == 0);
	len = text.len;
	memcpy(out, text.data, len);
	buf_fini(&text);
	return SPAN(out, len);
}
