#ifndef TESTS_SUPPORT_ROUNDS_H
#define TESTS_SUPPORT_ROUNDS_H

/* How often tests repeat what luck decides: a little each time, long in the nightly run. */

#include <stdlib.h>

static inline unsigned
rounds(unsigned usual, unsigned nightly)
{
	return getenv("CERTHERD_NIGHTLY") != NULL ? nightly : usual;
}

#endif
