#ifndef COMMON_BASE_ERR_H
#define COMMON_BASE_ERR_H

/*
 * Errors: a closed set of codes for decisions, and a text for people. Functions return 0 or a
 * negative code and fill a struct err in the caller's frame; outputs stay untouched on failure.
 * struct err may be NULL everywhere. Texts: lower case, no full stop, what was attempted and what
 * was found, the object named, user strings in single quotes, never a secret.
 */

#include "common/base/base.h"

enum err_code {
	ERR_NOMEM = -1,    /* no memory, or a full secure heap */
	ERR_INVALID = -2,  /* the request makes no sense as it is */
	ERR_NOTFOUND = -3, /* no such object */
	ERR_EXISTS = -4,   /* there is one already */
	ERR_CONFLICT = -5, /* the object has changed meanwhile; look again and retry */
	ERR_DENIED = -6,   /* known, and not allowed */
	ERR_BUSY = -7,     /* in use by another process or operation */
	ERR_AGAIN = -8,    /* not now; will be possible */
	ERR_TIMEOUT = -9,
	ERR_CANCELED = -10,
	ERR_LIMIT = -11,  /* more than a named maximum */
	ERR_PARSE = -12,  /* bytes that are not what they should be */
	ERR_PROTO = -13,  /* a peer broke the protocol */
	ERR_CRYPTO = -14, /* a signature, tag or key does not fit */
	ERR_IO = -15,
	ERR_UNAVAIL = -16, /* the other side, or a part of this program, is not there */
	ERR_NOSPACE = -17, /* disk full */
	ERR_BUG = -18,
};

#define ERR_TEXT_MAX 256

struct err {
	int code;
	char text[ERR_TEXT_MAX];
};

/* Fills err (cutting the text to its size) and returns code. */
int err_set(struct err *err, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* As err_set, with the meaning of an errno value appended; maps ENOSPC, ENOENT, EEXIST, EACCES. */
int err_errno(struct err *err, int errnum, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Puts context in front: "order 7: <old text>". Returns the code that err holds (ERR_BUG if none).
 */
int err_wrap(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Name of a code ("conflict"), for the API and for logs; "unknown" for anything else. */
const char *err_name(int code);

/* The code with that name, or 0. */
int err_code_by_name(const char *name);

#endif
