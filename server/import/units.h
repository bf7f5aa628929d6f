#ifndef SERVER_IMPORT_UNITS_H
#define SERVER_IMPORT_UNITS_H

/* The reader's answer about a set of files. Private to server/import. */

#include "common/lift/lift.h"
#include "server/import/frame.h"

/* Matches, then sends what was found, to the END. */
NODISCARD int units_send(int fd, struct lift *l, struct err *err);

#endif
