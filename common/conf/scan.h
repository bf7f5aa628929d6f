#ifndef COMMON_CONF_SCAN_H
#define COMMON_CONF_SCAN_H

/*
 * A look at a configuration's bytes before libconfuse sees them, for what its lexer does and we do
 * not want: it puts the environment in place of ${NAME}, drops control characters without a word,
 * lets quoted texts run over lines, and after a string without an end it begins the next file
 * inside that string.
 */

#include "common/base/buf.h"

/* Stands between $ and { so that the lexer sees no variable; never in a text of ours. */
#define CONF_MASK '\x01'

/* Copies text to out, masked. ERR_PARSE with "name:line: ...". */
NODISCARD int conf_scan(const char *name, struct span text, struct buf *out, struct err *err);
/* Takes the masks out again, in place. */
void conf_unmask(char *text);

#endif
