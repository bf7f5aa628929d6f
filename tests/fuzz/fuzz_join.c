#include "common/join/answer.h"

/* Any bytes as the replies of a server to a machine that joins. None of them may be believed. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hash fingerprint = {{0}};
	struct cert *root = NULL;
	struct err err;

	CHECK(join_answer_error(500, SPAN(data, size), "fuzz:1", &err) < 0);
	CHECK(join_answer_root(SPAN(data, size), &fingerprint, &root, &err) < 0);
	return 0;
}
