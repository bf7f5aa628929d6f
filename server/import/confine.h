#ifndef SERVER_IMPORT_CONFINE_H
#define SERVER_IMPORT_CONFINE_H

/* What the reader gives up before it looks at a foreign byte. Private to server/import. */

#include "common/base/err.h"

/*
 * Processor time of a set; LIMIT_PBE_MS of it may go into passwords. The command raises the limit
 * for each further set: a process without capabilities may not do so for itself behind its filter.
 */
#define CONFINE_CPU_S 20

/*
 * Hardens the process, loads what is loaded on first use, limits memory and processor time, and
 * closes the sandbox of the signer.
 */
NODISCARD int confine(struct err *err);

#endif
