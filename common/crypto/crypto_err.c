#include "common/crypto/crypto_err.h"

#include <stdarg.h>
#include <stdio.h>

#include <openssl/crypto.h>
#include <openssl/cryptoerr.h>
#include <openssl/err.h>

int
crypto_err(struct err *err, enum err_code code, const char *fmt, ...)
{
	const char *reason = NULL;
	char text[ERR_TEXT_MAX];
	unsigned long e;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* The first entry is the deepest, and so the cause; the others say who called. */
	while ((e = ERR_get_error()) != 0) {
		if (ERR_GET_LIB(e) == ERR_LIB_CRYPTO &&
		    ERR_GET_REASON(e) == CRYPTO_R_SECURE_MALLOC_FAILURE) {
			code = ERR_NOMEM;
			reason = "the secure heap is full";
		} else if (ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE && code != ERR_NOMEM) {
			code = ERR_NOMEM;
			reason = "no memory";
		} else if (reason == NULL) {
			reason = ERR_reason_error_string(e);
		}
	}
	if (reason == NULL)
		return err_set(err, code, "%s", text);
	return err_set(err, code, "%s: %s", text, reason);
}

void
crypto_err_forget(void)
{
	ERR_clear_error();
}
