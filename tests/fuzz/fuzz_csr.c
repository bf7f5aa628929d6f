#include "common/crypto/cert.h"

/* Takes any bytes as a certificate request; a key that comes out is a sound public key. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(pkey_unrefp)
	struct pkey *key = NULL, *again = NULL;
	char text[KEY_DESCRIPTION_MAX];
	struct err err;

	if (csr_key(SPAN(data, size), &key, &err) < 0)
		return 0;
	CHECK(!pkey_has_private(key));
	CHECK(pkey_describe(key, text)[0] != '\0');
	CHECK(pkey_from_spki(pkey_spki(key), &again, &err) == 0);
	CHECK(pkey_same_public(key, again));
	return 0;
}
