#ifndef SERVER_CLI_READER_H
#define SERVER_CLI_READER_H

/*
 * Foreign files are read in a process of its own, which has nothing else: the same program, started
 * anew, with limits on memory and CPU time, and the sandbox of the signer, so that it opens no file
 * and no socket. It gets the bytes through a pipe, lifts what is in them (common/lift), and gives
 * back certificates and remarks. Whatever a file does to it, this process only reads its answer.
 */

#include "common/base/buf.h"
#include "common/base/limits.h"

/* The word that makes the program a reader; no command of a user. */
#define READER_WORD "--read-foreign"

enum reader_kind {
	READER_CERT,   /* DER, parsed there */
	READER_KEY,    /* a private key lay in this file (its name); the key itself stays there */
	READER_REMARK, /* a sentence about what was left out */
	READER__COUNT,
};

const char *reader_kind_name(enum reader_kind kind);

struct reader_item {
	enum reader_kind kind;
	struct span bytes; /* borrowed from the answer */
};

struct reader_file {
	const char *name; /* for people, and for formats that are known by it */
	struct span bytes;
};

#define READER_FILES_MAX 128
/*
 * Of more certificates than that (a file with all roots of the world) only leaves and what may have
 * issued them are given back; the rest is a remark.
 */
#define READER_CERTS_MANY 32

/* What came of it; end it with reader_answer_fini. */
struct reader_answer {
	struct buf bytes;
	struct reader_item *items;
	size_t count;
	/* Why nothing, or not all, could be read (0: no reason), as lift_check says it. */
	struct err problem;
};

/* Of many certificates: */
enum reader_wish {
	READER_LEAVES, /* leaves, and what has issued them */
	READER_ALL,
};

/* ERR_IO, ERR_LIMIT, ERR_PROTO (it died, or answered nonsense): nothing is to be believed. */
NODISCARD int reader_read(enum reader_wish wish, const struct reader_file *files, size_t count,
    struct reader_answer *out, struct err *err);
void reader_answer_fini(struct reader_answer *a);
size_t reader_count(const struct reader_answer *a, enum reader_kind kind);

/* main() of the reader. */
int reader_main(void);

/* The parts of both sides (reader_frames.c): a frame is a kind, 4 bytes of length, and bytes. */
#define READER_INPUT_MAX (READER_FILES_MAX * (size_t)(LIMIT_IMPORT_FILE + 4096))
#define READER_ANSWER_MAX (32U << 20)
void reader_put(struct buf *out, uint8_t kind, struct span bytes);
/* Takes the next frame off *rest. False at the end; *bad when what is left is none. */
bool reader_take(struct span *rest, uint8_t *kind, struct span *bytes, bool *bad);

#endif
