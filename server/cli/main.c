#include "server/cli/cli.h"
#include "server/cli/reader.h"

#include <string.h>

int
main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], READER_WORD) == 0)
		return reader_main();
	return cli_main(argc, argv);
}
