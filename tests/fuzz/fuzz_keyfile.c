#include "common/crypto/pkey.h"

/* Any bytes as a key file; what was read can be written and read again. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	void *copy = mem_dup(data, size);
	struct secret *text = NULL, *again = NULL;
	struct keyfile file = {0}, twice = {0};

	CHECK(secret_take(copy, size, &text, NULL) == 0);
	mem_free(copy);
	if (keyfile_parse(text, &file, NULL) == 0) {
		CHECK(file.count > 0 && file.count <= KEYFILE_MAX);
		CHECK(keyfile_format(&file, &again, NULL) == 0);
		CHECK(keyfile_parse(again, &twice, NULL) == 0 && twice.count == file.count);
		for (size_t i = 0; i < file.count; i++)
			CHECK(pkey_same_public(
			    file.entries[i].key, keyfile_find(&twice, file.entries[i].name)));
	}
	keyfile_fini(&file);
	keyfile_fini(&twice);
	secret_free(text);
	secret_free(again);
	return 0;
}
