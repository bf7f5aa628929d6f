#include "tests/unit/common/store/store_tests.h"

#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

int
main(void)
{
	int failed;

	if (mkdtemp(store_tmp_dir) == NULL)
		return 1;
	failed = run_digest_tests() + run_statement_tests() + run_open_tests() +
	    run_records_tests() + run_stage_tests() + run_fault_tests() + run_kill_tests();
	nftw(store_tmp_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return failed;
}
