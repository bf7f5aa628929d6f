#include "tests/unit/common/link/contract.h"

int
main(void)
{
	int failed = 0;

	failed += contract_run("memory", &memory_fixture);
	failed += memory_run();
	failed += contract_run("nng", &nng_fixture);
	failed += nng_run();
	return failed == 0 ? 0 : 1;
}
