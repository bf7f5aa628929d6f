#ifndef COMMON_EXPORT_SET_H
#define COMMON_EXPORT_SET_H

/* What the writers share. Private to common/export. */

#include "common/export/export.h"

/* That there are certificates, and with_key that the key is the leaf's. ERR_INVALID. */
NODISCARD int export_check(const struct export_set *set, bool with_key, struct err *err);

#endif
