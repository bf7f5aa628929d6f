/* The reader's process, as the command starts it. */

#include "common/base/str.h"
#include "server/import/import.h"

int
main(int argc, char **argv)
{
	return argc == 2 && str_equal(argv[1], IMPORT_CHILD_WORD) ? import_child_main() : 2;
}
