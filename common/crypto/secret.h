#ifndef COMMON_CRYPTO_SECRET_H
#define COMMON_CRYPTO_SECRET_H

/*
 * Secrets: private key bytes, passwords, tokens. They live on OpenSSL's secure heap (locked, with
 * guard pages, never in a core), are compared in constant time and wiped when freed. Nothing prints
 * one, and no other layer takes one by accident: bytes are seen only through secret_span(), and a
 * secret that has to leave the process goes through secret_reveal(), whose callers a lint lists.
 * A secret has one owner; it may be handed to another thread as a whole.
 */

#include "common/base/buf.h"

struct secret;

/*
 * Call once at start, before any key is made. Sets up the secure heap of the given size (a power of
 * two). ERR_NOMEM when it cannot be locked: the memlock limit is named in the text.
 */
NODISCARD int secret_heap_init(size_t size, struct err *err);
/* Bytes in use and size, for metrics and limits; both are 0 while there is no heap. */
void secret_heap_usage(size_t *used, size_t *size);

/* Zeroed secret of len bytes; ERR_NOMEM when the secure heap is full. */
NODISCARD int secret_new(size_t len, struct secret **out, struct err *err);
/* Copies data, then wipes it at its old place. */
NODISCARD int secret_take(void *data, size_t len, struct secret **out, struct err *err);
NODISCARD int secret_copy(const struct secret *s, struct secret **out, struct err *err);
/* Random bytes for private use (RAND_priv_bytes). */
NODISCARD int secret_random(size_t len, struct secret **out, struct err *err);
/*
 * Reads to the end of fd, at most max bytes; one newline at the end is dropped when strip is set.
 * ERR_LIMIT, ERR_IO, ERR_INVALID when there is nothing.
 */
NODISCARD int secret_read_fd(int fd, size_t max, bool strip, struct secret **out, struct err *err);

struct span secret_span(const struct secret *s);
/* Writable bytes, for the code that fills a secret in place. */
uint8_t *secret_bytes(struct secret *s);
/* Shortens; len must not be more than it has. */
void secret_cut(struct secret *s, size_t len);
bool secret_equal(const struct secret *s, struct span other);
/* For the few places where a secret leaves on purpose (a token shown once). */
struct span secret_reveal(const struct secret *s);
/* HMAC-SHA256 of data under it: shows that whoever sent the data knows the secret. */
NODISCARD int secret_hmac(
    const struct secret *s, struct span data, uint8_t out[static 32], struct err *err);
void secret_free(struct secret *s);
DEFINE_FREEP(struct secret, secret_free)

#endif
