#ifndef COMMON_CRYPTO_SUBJECT_H
#define COMMON_CRYPTO_SUBJECT_H

/*
 * The subject of a certificate in parts as people write them, each an attribute of RFC 4514 and its
 * value: "O=Example", "C=DE". Their order is that in the certificate. Values are UTF-8. Pure
 * functions.
 */

#include "common/base/err.h"

#define SUBJECT_PARTS_MAX 16
#define SUBJECT_PART_MAX 288 /* the longest attribute, "=", 255 characters, NUL */

/*
 * The normal form of a part: the attribute in its usual spelling, no blanks around the value.
 * ERR_INVALID says which attributes there are, or what is wrong with the value; out is untouched
 * then.
 */
NODISCARD int subject_check(const char *part, char out[static SUBJECT_PART_MAX], struct err *err);

/* Whether a part in normal form is of that attribute ("CN"). */
bool subject_is(const char *part, const char *attribute);

#endif
