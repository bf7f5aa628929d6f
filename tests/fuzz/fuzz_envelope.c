#include "common/base/str.h"
#include "common/crypto/envelope_priv.h"

#include <string.h>

/*
 * Any bytes as a seal. The corpus holds seals to the key below, which has never kept a secret, and
 * the known-bad ones. What the reader takes is exactly what the writer writes.
 */

static const char private_key[] =
    "308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420"
    "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721a14403420004"
    "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
    "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299";
#define KEY_DER_LEN ((sizeof(private_key) - 1) / 2)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct pkey *
fixed_key(void)
{
	static struct pkey *key;
	uint8_t der[KEY_DER_LEN];

	if (key == NULL) {
		CHECK(hex_decode(private_key, der, sizeof(der), NULL) == 0);
		CHECK(pkey_from_pkcs8(SPAN_OF(der), &key, NULL) == 0);
	}
	return key;
}

static void
check_canonical(const struct seal_parts *parts, struct span der)
{
	struct buf again = BUF_INIT(LIMIT_SEALED);

	CHECK(seal_write(parts, &again, NULL) == 0);
	CHECK(span_equal(buf_span(&again), der));
	buf_fini(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seal_binding b = {.version = 1, .kind = 7, .public_part = span_str("public")};
	struct span der = SPAN(data, size);
	struct key_id ids[LIMIT_RECIPIENTS];
	struct secret *opened = NULL;
	struct seal_parts parts;
	size_t count = 0;
	int parsed = seal_parse(der, &parts, NULL), r;

	CHECK(envelope_recipients(der, ids, &count, NULL) == parsed);
	if (parsed == 0) {
		CHECK(count == parts.count && count > 0);
		check_canonical(&parts, der);
	}
	r = envelope_open(&b, der, fixed_key(), &opened, NULL);
	CHECK((r == ERR_PARSE) == (parsed < 0));
	CHECK((r == 0) == (opened != NULL));
	secret_free(opened);
	return 0;
}
