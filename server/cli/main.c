#include "server/cli/cli.h"

#include "common/base/str.h"
#include "server/import/import.h"

int
main(int argc, char **argv)
{
	if (argc == 2 && str_equal(argv[1], IMPORT_CHILD_WORD))
		return import_child_main();
	return cli_main(argc, argv);
}
