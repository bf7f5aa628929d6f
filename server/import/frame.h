#ifndef SERVER_IMPORT_FRAME_H
#define SERVER_IMPORT_FRAME_H

/*
 * What the command and its reader of foreign files say to each other over a socket: a length of 4
 * bytes, a kind of one, and the content. Private to server/import and its fuzz target.
 *
 *   command: PASSWORD*  ( FILE* TAKE )*
 *   reader:  ( KEY UNIT | UNIT | REMARK | REFUSAL )*  END, for each TAKE
 *
 * A KEY is the bytes of PKCS#8 alone, so that they can be read straight into a secret.
 */

#include "server/import/import.h"

enum frame_kind {
	FRAME_PASSWORD = 1, /* bytes */
	FRAME_FILE,         /* text name, then the bytes of the file */
	FRAME_TAKE,         /* the wish as 1 byte */
	FRAME_KEY,
	FRAME_UNIT,    /* texts file, place, label, key type, names; end as 8 bytes; certificates */
	FRAME_REMARK,  /* text */
	FRAME_REFUSAL, /* the code as 1 byte, negated; whether a password is needed; file; text */
	FRAME_END,
	FRAME__COUNT,
};
const char *frame_kind_name(unsigned kind);

#define FRAME_HEAD 5
#define FRAME_TEXT 2048 /* of one text; paths are cut before they are sent */
#define FRAME_MOST (LIMIT_IMPORT_FILE + FRAME_TEXT + 64)

struct frame_head {
	enum frame_kind kind;
	size_t len;
};

/* ERR_PROTO for kinds and lengths that there are not. */
NODISCARD int frame_head_decode(
    const uint8_t bytes[static FRAME_HEAD], struct frame_head *out, struct err *err);
void frame_head_encode(struct frame_head h, uint8_t out[static FRAME_HEAD]);

/* Blocking. ERR_UNAVAIL: the other side has ended; ERR_TIMEOUT after timeout_ms (-1: none). */
NODISCARD int frame_send(int fd, enum frame_kind kind, struct span content, struct err *err);
NODISCARD int frame_recv_head(int fd, int timeout_ms, struct frame_head *out, struct err *err);
NODISCARD int frame_recv_body(int fd, int timeout_ms, uint8_t *out, size_t len, struct err *err);

/* A text: 2 bytes of length, at most FRAME_TEXT, no NUL. */
void frame_put_text(struct buf *out, const char *text);
NODISCARD int frame_get_text(
    struct cursor *c, struct arena *memory, const char **out, struct err *err);

/* --- what the reader has found (found.c) --- */

/*
 * Takes a UNIT, REMARK or REFUSAL in; key is that of a UNIT, taken if all went well, and only one
 * of keys has it.
 */
NODISCARD int found_add(struct import_found *f, enum frame_kind kind, struct span content,
    struct secret **key, struct err *err);
void found_init(struct import_found *f, enum import_wish wish);
void found_put_unit(struct buf *out, const struct import_unit *u);
void found_put_refusal(
    struct buf *out, int code, bool needs_password, const char *file, const char *text);
/* A refusal that has no reader any more to say it. */
void found_refuse(struct import_found *f, int code, const char *text);

#endif
