#ifndef COMMON_BASE_UTF8_H
#define COMMON_BASE_UTF8_H

/* Whether bytes are well-formed UTF-8 (RFC 3629) without NUL. Pure. */

#include "common/base/buf.h"

bool utf8_is_text(struct span s);

#endif
