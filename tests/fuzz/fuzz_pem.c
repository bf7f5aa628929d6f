#include "common/base/limits.h"
#include "common/crypto/pem.h"
#include "common/crypto/pkey.h"

/* Any bytes as PEM text: its blocks one after another, and as a key under the passphrase "x". */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
read_blocks(struct span text, const char *label)
{
	struct buf der = BUF_INIT(LIMIT_KEY);
	size_t left = text.len;

	while (pem_next(&text, label, &der, NULL) == 0) {
		CHECK(text.len < left && der.len <= LIMIT_KEY);
		left = text.len;
		buf_clear(&der);
	}
	buf_fini(&der);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char pass[] = "x";
	struct secret *passphrase = NULL;
	struct pkey *key = NULL;
	int r;

	CHECK(secret_take(pass, 1, &passphrase, NULL) == 0);
	read_blocks(SPAN(data, size), "ENCRYPTED PRIVATE KEY");
	read_blocks(SPAN(data, size), "PRIVATE KEY");
	r = pkey_from_encrypted_pem(SPAN(data, size), passphrase, &key, NULL);
	CHECK((r == 0) == (key != NULL));
	pkey_unref(key);
	secret_free(passphrase);
	return 0;
}
