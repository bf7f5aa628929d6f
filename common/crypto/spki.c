/* What can be said of a public key without making one of it. */

#include "common/base/str.h"
#include "common/crypto/der.h"
#include "common/crypto/pkey.h"

#include <stdio.h>

static const uint8_t oid_ec[] = {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01};
static const uint8_t oid_rsa[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01};
static const uint8_t oid_ed25519[] = {0x2b, 0x65, 0x70};
static const uint8_t oid_p256[] = {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
static const uint8_t oid_p384[] = {0x2b, 0x81, 0x04, 0x00, 0x22};
static const uint8_t oid_p521[] = {0x2b, 0x81, 0x04, 0x00, 0x23};

static const char *
curve_name(struct span oid)
{
	if (span_equal(oid, SPAN_OF(oid_p256)))
		return "ec-p256";
	if (span_equal(oid, SPAN_OF(oid_p384)))
		return "ec-p384";
	return span_equal(oid, SPAN_OF(oid_p521)) ? "ec-p521" : "";
}

/* Of the number that a key of this type has first; 0: it is not one. */
static size_t
modulus_bits(struct span bit_string)
{
	struct der_reader r, numbers;
	struct span n;
	size_t bits;

	if (bit_string.len < 1 || bit_string.data[0] != 0)
		return 0;
	r = DER_READER(SPAN(bit_string.data + 1, bit_string.len - 1));
	numbers = der_enter(&r, DER_SEQUENCE);
	n = der_take(&numbers, DER_INTEGER);
	while (n.len > 0 && n.data[0] == 0)
		n = SPAN(n.data + 1, n.len - 1);
	bits = 8 * n.len;
	for (unsigned mask = 0x80; n.len > 0 && (n.data[0] & mask) == 0; mask >>= 1)
		bits--;
	return bits;
}

const char *
spki_describe(struct span spki, char out[static KEY_DESCRIPTION_MAX])
{
	struct der_reader r = DER_READER(spki);
	struct der_reader whole = der_enter(&r, DER_SEQUENCE);
	struct der_reader algorithm = der_enter(&whole, DER_SEQUENCE);
	struct span oid = der_take(&algorithm, DER_OID);
	struct span key = der_take(&whole, DER_BIT_STRING);
	size_t bits;

	out[0] = '\0';
	if (r.failed || whole.failed || algorithm.failed)
		return out;
	if (span_equal(oid, SPAN_OF(oid_ec))) {
		snprintf(out, KEY_DESCRIPTION_MAX, "%s", curve_name(der_take(&algorithm, DER_OID)));
	} else if (span_equal(oid, SPAN_OF(oid_ed25519))) {
		snprintf(out, KEY_DESCRIPTION_MAX, "ed25519");
	} else if (span_equal(oid, SPAN_OF(oid_rsa))) {
		bits = modulus_bits(key);
		if (bits > 0)
			snprintf(out, KEY_DESCRIPTION_MAX, "rsa-%zu", bits);
	}
	return out;
}
