#include "common/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const names[] = {
    [-ERR_NOMEM] = "no-memory",
    [-ERR_INVALID] = "invalid",
    [-ERR_NOTFOUND] = "not-found",
    [-ERR_EXISTS] = "exists",
    [-ERR_CONFLICT] = "conflict",
    [-ERR_DENIED] = "denied",
    [-ERR_BUSY] = "busy",
    [-ERR_AGAIN] = "again",
    [-ERR_TIMEOUT] = "timeout",
    [-ERR_CANCELED] = "canceled",
    [-ERR_LIMIT] = "limit",
    [-ERR_PARSE] = "parse",
    [-ERR_PROTO] = "protocol",
    [-ERR_CRYPTO] = "crypto",
    [-ERR_IO] = "io",
    [-ERR_UNAVAIL] = "unavailable",
    [-ERR_NOSPACE] = "no-space",
    [-ERR_BUG] = "bug",
};
_Static_assert(ARRAY_LEN(names) == -ERR_BUG + 1, "every code has a name");

int
err_set(struct err *err, enum err_code code, const char *fmt, ...)
{
	va_list ap;

	if (err != NULL) {
		err->code = code;
		va_start(ap, fmt);
		vsnprintf(err->text, sizeof(err->text), fmt, ap);
		va_end(ap);
	}
	return code;
}

static enum err_code
code_of_errno(int errnum)
{
	switch (errnum) {
	case ENOSPC:
	case EDQUOT:
		return ERR_NOSPACE;
	case ENOENT:
		return ERR_NOTFOUND;
	case EEXIST:
		return ERR_EXISTS;
	case EACCES:
	case EPERM:
		return ERR_DENIED;
	case ENOMEM:
		return ERR_NOMEM;
	case ETIMEDOUT:
		return ERR_TIMEOUT;
	default:
		return ERR_IO;
	}
}

int
err_errno(struct err *err, int errnum, const char *fmt, ...)
{
	enum err_code code = code_of_errno(errnum);
	const char *what = strerrordesc_np(errnum);
	va_list ap;
	int n;

	if (err == NULL)
		return code;
	err->code = code;
	va_start(ap, fmt);
	n = vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(err->text))
		snprintf(err->text + n, sizeof(err->text) - (size_t)n, ": %s",
		    what != NULL ? what : "unknown error");
	return code;
}

int
err_wrap(struct err *err, const char *fmt, ...)
{
	char old[ERR_TEXT_MAX];
	va_list ap;
	int n;

	if (err == NULL)
		return ERR_BUG;
	memcpy(old, err->text, sizeof(old));
	va_start(ap, fmt);
	n = vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(err->text))
		snprintf(err->text + n, sizeof(err->text) - (size_t)n, ": %s", old);
	return err->code < 0 ? err->code : ERR_BUG;
}

const char *
err_name(int code)
{
	if (code >= 0 || code < ERR_BUG)
		return "unknown";
	return names[-code];
}

int
err_code_by_name(const char *name)
{
	for (size_t i = 1; i < ARRAY_LEN(names); i++)
		if (strcmp(names[i], name) == 0)
			return -(int)i;
	return 0;
}
