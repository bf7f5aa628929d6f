#include "common/crypto/crl.h"

#include <string.h>

/*
 * Reads any bytes as a revocation list. What is taken is within the limits, is taken by OpenSSL
 * too, and can be found entry by entry.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct crl l = {0};
	struct err err = {0};

	if (crl_read(SPAN(data, size), &l, &err) < 0) {
		CHECK(err.text[0] != '\0' && l.entries == NULL);
		(void)!crl_check(SPAN(data, size), &err);
		return 0;
	}
	CHECK(l.count <= LIMIT_CRL_ENTRIES && l.number_len <= LIMIT_SERIAL);
	for (size_t i = 0; i < l.count; i++) {
		const struct crl_entry *e = &l.entries[i];

		CHECK(e->serial.len > 0 && e->serial.len <= LIMIT_SERIAL && e->reason <= 10);
		CHECK(crl_find(&l, &e->serial) != NULL);
	}
	crl_fini(&l);
	(void)!crl_check(SPAN(data, size), &err);
	return 0;
}
