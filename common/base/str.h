#ifndef COMMON_BASE_STR_H
#define COMMON_BASE_STR_H

/*
 * Text helpers: hexadecimal, base64, bounded copies, escaping of foreign text for logs, times as
 * text. Pure functions.
 */

#include "common/base/buf.h"

/* Writes 2 * len characters and a NUL; returns out. */
const char *hex_encode(const uint8_t *data, size_t len, char *out);
/* ERR_PARSE unless s is exactly 2 * len hexadecimal digits; out untouched then. */
NODISCARD int hex_decode(const char *s, uint8_t *out, size_t len, struct err *err);

/* RFC 4648: standard alphabet with padding; url: the URL alphabet without. Appends to out. */
void base64_put(struct buf *out, struct span data);
void base64url_put(struct buf *out, struct span data);
/* Strict: no blanks, no missing padding (none at all for url). Appends to out; ERR_PARSE. */
NODISCARD int base64_decode(struct span text, struct buf *out, struct err *err);
NODISCARD int base64url_decode(struct span text, struct buf *out, struct err *err);

/* Copies s into out if it fits with its NUL, else ERR_LIMIT. */
NODISCARD int str_copy(char *out, size_t size, const char *s, struct err *err);
bool str_equal(const char *a, const char *b);
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);

/*
 * Foreign text made fit for a log line or a terminal: at most max bytes of it, control characters
 * and bytes outside ASCII as \xNN, quotes and backslashes escaped. Appends to out.
 */
void str_put_escaped(struct buf *out, struct span text, size_t max);
/* The same for a sentence or a table, where quotes and backslashes stand as they are. */
void str_put_printable(struct buf *out, struct span text, size_t max);

/* "2026-11-21T13:37:00Z" from seconds since 1970 (proleptic Gregorian, years 0 to 9999). */
#define TIME_TEXT_MAX 24
const char *time_text(int64_t seconds, char out[static TIME_TEXT_MAX]);
/* "3 days 4 h", "2 h 5 min", "40 s": two units at the most. */
#define DURATION_TEXT_MAX 40
const char *duration_text(int64_t seconds, char out[static DURATION_TEXT_MAX]);

#endif
