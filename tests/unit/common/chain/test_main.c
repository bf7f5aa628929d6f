#include "tests/unit/common/chain/maker.h"

#define HEAP_SIZE (1024 * 1024)

int
main(void)
{
	struct err err;
	int failed;

	if (secret_heap_init(HEAP_SIZE, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	failed = run_chain_tests() + run_judge_tests();
	maker_end();
	return failed;
}
