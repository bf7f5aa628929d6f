#include "common/crypto/crypto_err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/cryptoerr.h>
#include <openssl/err.h>

/* More than OpenSSL asks for at once with any key that is read here. */
#define LARGE_PIECE 4096

static const char heap_full[] = "the secure heap is full";

bool
crypto_heap_is_full(void)
{
	void *piece;

	if (!CRYPTO_secure_malloc_initialized())
		return false;
	piece = OPENSSL_secure_malloc(LARGE_PIECE);
	OPENSSL_secure_free(piece);
	return piece == NULL;
}

int
crypto_err(struct err *err, enum err_code code, const char *fmt, ...)
{
	const char *reason = NULL;
	bool failed = crypto_err_pending();
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
			reason = heap_full;
		} else if (ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE && code != ERR_NOMEM) {
			code = ERR_NOMEM;
			reason = crypto_heap_is_full() ? heap_full : "no memory";
		} else if (reason == NULL && ERR_SYSTEM_ERROR(e)) {
			reason = strerrordesc_np(ERR_GET_REASON(e));
		} else if (reason == NULL) {
			reason = ERR_reason_error_string(e);
		}
	}
	/* In many places OpenSSL says nothing of an allocation that failed. */
	if (failed && code != ERR_NOMEM && crypto_heap_is_full()) {
		code = ERR_NOMEM;
		reason = heap_full;
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

bool
crypto_err_pending(void)
{
	return ERR_peek_error() != 0;
}
