#ifndef COMMON_CRYPTO_PEM_H
#define COMMON_CRYPTO_PEM_H

/* Blocks of PEM text (RFC 7468), for common/crypto and common/export. Pure functions. */

#include "common/base/buf.h"

/* Appends "-----BEGIN label-----", base64 in lines of 64 characters, and the end line. */
void pem_put(struct buf *out, const char *label, struct span der);

/*
 * Appends the content of the first block with this label to der, and moves *text behind it; what
 * stands before the block is skipped, blanks inside it too. ERR_NOTFOUND when there is no further
 * one, ERR_PARSE, ERR_LIMIT by der's maximum.
 */
NODISCARD int pem_next(struct span *text, const char *label, struct buf *der, struct err *err);

#endif
