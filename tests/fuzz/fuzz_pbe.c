#include "common/crypto/der.h"
#include "common/crypto/pbe.h"

/*
 * Any bytes as an EncryptedPrivateKeyInfo, as the integrity code of a PKCS#12 file and as a
 * DEK-Info line: names of algorithms and their parameters, with a small budget.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct pbe_password spellings[] = {
	    {{(const uint8_t *)"p\xc3\xa4ss", 5}, false, SPELL_STANDARD},
	    {{(const uint8_t *)"p\xc3\xa4ss", 5}, false, SPELL_BYTES},
	    {{(const uint8_t *)"p\xc3\xa4ss", 5}, false, SPELL_NSS},
	    {{(const uint8_t *)"", 0}, true, SPELL_STANDARD},
	};
	struct span all = SPAN(data, size);
	struct der_reader r = DER_READER(all);
	struct der_reader whole = der_enter(&r, DER_SEQUENCE);
	struct span algorithm = whole.rest, ciphertext;

	(void)der_take(&whole, DER_SEQUENCE);
	algorithm.len -= whole.rest.len;
	ciphertext = der_take(&whole, DER_OCTET_STRING);
	for (size_t i = 0; i < ARRAY_LEN(spellings); i++) {
		struct pbe_budget budget = {5000, INT64_C(5000000000)};
		struct secret *plain = NULL;

		if (pbe_open(algorithm, ciphertext, &spellings[i], &budget, &plain, NULL) == 0)
			secret_free(plain);
		if (pbe_open_traditional(
			all, SPAN(data, 16 < size ? 16 : size), &spellings[i], &plain, NULL) == 0)
			secret_free(plain);
		(void)!pbe_check_mac(all, SPAN("content", 7), &spellings[i], &budget, NULL);
		CHECK(budget.rounds <= 5000);
	}
	return 0;
}
