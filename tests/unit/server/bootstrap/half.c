#include "server/bootstrap/bootstrap.h"

/* certherd-server as far as init needs it. */
int
main(int argc, char **argv)
{
	return argc > 1 ? bootstrap_main(argc - 1, argv + 1) : 2;
}
