#include "server/signer/serve.h"

/* The signer as certherd-server starts it, without the rest of that program. */
int
main(int argc, char **argv)
{
	return signer_main(argc, argv);
}
