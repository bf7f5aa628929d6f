#include "tests/unit/common/sys/sys_tests.h"

#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

char tmp_dir[64] = "/tmp/test_common_sys.XXXXXX";

const char *
in_tmp(const char *name)
{
	static char places[4][128];
	static unsigned turn;
	char *place = places[turn++ % 4];

	snprintf(place, sizeof(places[0]), "%s/%s", tmp_dir, name);
	return place;
}

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

	if (mkdtemp(tmp_dir) == NULL)
		return 1;
	failed = run_file_tests() + run_process_tests() + run_sandbox_tests() + run_unix_tests();
	nftw(tmp_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return failed;
}
