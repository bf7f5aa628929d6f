#include "common/lift/lift_priv.h"

#include <string.h>

/*
 * What an element is, by the tags inside it. The first few tags of the things that occur are all
 * different, so that nothing has to be tried in turn.
 */

#define TAGS_MAX 12

size_t
der_whole_len(struct span der)
{
	size_t count, len = 0;

	if (der.len < 2 || der.data[0] != DER_SEQUENCE)
		return 0;
	if (der.data[1] == 0x80)
		return SIZE_MAX;
	if (der.data[1] < 0x80)
		return der.data[1] + 2u;
	count = der.data[1] & 0x7fu;
	if (count > 4 || der.len < 2 + count)
		return 0;
	for (size_t i = 0; i < count; i++)
		len = len << 8 | der.data[2 + i];
	return len + 2 + count;
}

/* The tags of the elements of a SEQUENCE, one letter each; "" for what is none. */
static void
tags_of(struct span content, char out[static TAGS_MAX + 1])
{
	struct der_reader r = DER_READER(content);
	struct span inner;
	unsigned tag;
	size_t n = 0;

	while (n < TAGS_MAX && der_next(&r, &tag, &inner)) {
		switch (tag) {
		case DER_INTEGER:
			out[n++] = 'i';
			break;
		case DER_SEQUENCE:
			out[n++] = 's';
			break;
		case DER_OID:
			out[n++] = 'o';
			break;
		case DER_OCTET_STRING:
			out[n++] = 'x';
			break;
		case DER_BIT_STRING:
			out[n++] = 'b';
			break;
		case DER_UTC_TIME:
		case DER_GENERALIZED_TIME:
			out[n++] = 't';
			break;
		case DER_CONTEXT_CONS(0):
			out[n++] = '0';
			break;
		default:
			out[n++] = '?';
			break;
		}
	}
	out[n] = '\0';
}

static bool
begins(const char *tags, const char *with)
{
	return strncmp(tags, with, strlen(with)) == 0;
}

/* Certificate, request or list: SEQUENCE { SEQUENCE to be signed, algorithm, signature }. */
static enum der_kind
kind_of_signed(struct span to_be_signed)
{
	char tags[TAGS_MAX + 1];

	tags_of(to_be_signed, tags);
	if (begins(tags, "0isssss") || begins(tags, "isssss"))
		return KIND_CERT;
	if (begins(tags, "isst") || begins(tags, "sst"))
		return KIND_CRL;
	if (begins(tags, "iss"))
		return KIND_CSR;
	return KIND_UNKNOWN;
}

static bool
is_number(struct span integer, uint8_t n)
{
	return integer.len == 1 && integer.data[0] == n;
}

enum der_kind
der_kind(struct span der)
{
	struct der_reader r = DER_READER(der), inner;
	struct span first, whole;
	char tags[TAGS_MAX + 1], in_first[TAGS_MAX + 1];
	unsigned tag;

	if (der.len > 0 && der.data[0] == DER_OID)
		return KIND_CURVE;
	whole = der_take(&r, DER_SEQUENCE);
	if (!der_done(&r))
		return KIND_UNKNOWN;
	inner = DER_READER(whole);
	if (!der_next(&inner, &tag, &first))
		return KIND_UNKNOWN;
	tags_of(whole, tags);
	if (begins(tags, "ssb"))
		return kind_of_signed(first);
	if (begins(tags, "isx"))
		return KIND_PKCS8;
	if (begins(tags, "iiiiiiiii"))
		return KIND_PKCS1;
	if (begins(tags, "iiiiii"))
		return KIND_DSA;
	if (begins(tags, "ix"))
		return KIND_SEC1;
	if (begins(tags, "is") && is_number(first, 3))
		return KIND_P12;
	if (begins(tags, "o0"))
		return KIND_P7;
	tags_of(first, in_first);
	if (begins(tags, "sx") && in_first[0] == 'o')
		return KIND_LOCKED;
	if (begins(tags, "sb") && in_first[0] == 'o')
		return KIND_PUBLIC;
	/* RSAPublicKey, and parameters of a curve or of Diffie-Hellman. */
	if (begins(tags, "ii") || begins(tags, "iss"))
		return KIND_PUBLIC;
	return KIND_UNKNOWN;
}
