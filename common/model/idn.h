#ifndef COMMON_MODEL_IDN_H
#define COMMON_MODEL_IDN_H

/*
 * Names in other scripts (IDNA 2008), inside of common/model: what libidn2 says, in our words. Only
 * names.c calls it. Pure functions.
 */

#include "common/model/names.h"

/*
 * A UTF-8 name without a wildcard to A-labels in lower case. ERR_INVALID names the character, by
 * its place in `text`, which is the name as a whole (name lies in it). out untouched then.
 */
NODISCARD int idn_to_ascii(
    const char *text, const char *name, char out[static NAME_TEXT_MAX], struct err *err);

/* Bytes of the first character of s; 0 at its end, and where it is not UTF-8. */
size_t idn_next(const char *s, uint32_t *out);

#endif
