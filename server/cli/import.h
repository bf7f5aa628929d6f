#ifndef SERVER_CLI_IMPORT_H
#define SERVER_CLI_IMPORT_H

/*
 * The parts of 'certherd cert import': which files belong together (import_files.c), the key of the
 * managers and what is sealed to it (import_seal.c), and requests (import_send.c), results
 * (import_report.c); import_cmd.c puts them together. Private to server/cli.
 */

#include "common/wire/trust.h"
#include "server/cli/cli.h"
#include "server/import/import.h"

/* --- files --- */

/* Files that are looked at together: a key in one, its chain in another. */
struct import_set {
	char **paths;
	size_t count;
};
struct import_sets {
	struct import_set *items;
	size_t count, files;
	bool batch; /* a directory, or many: what was found in one set says nothing about others */
};
#define IMPORT_TOGETHER 32    /* named files that are one set */
#define IMPORT_FOLDER 8       /* files of a directory that are one set: key, chain, leaf, ... */
#define IMPORT_FOLDER_DEPTH 4 /* directories in directories */
/*
 * Files ("-" is standard input) and directories. Up to IMPORT_TOGETHER named files are one set; of
 * more, and in a directory, those whose names differ only behind the last dot. ERR_NOTFOUND,
 * ERR_DENIED.
 */
NODISCARD int import_sets_make(
    const char *const *words, size_t count, struct import_sets *out, struct err *err);
void import_sets_fini(struct import_sets *s);

/* --- seals --- */

struct managers {
	struct trust *trust;
	struct pkey *key;
};
/*
 * Their key, from the server, verified up to the root that --root or the files beside the server's
 * socket name. ERR_CRYPTO when it is not theirs.
 */
NODISCARD int managers_get(struct cli *c, struct managers *out, struct err *err);
void managers_fini(struct managers *m);
/*
 * Seals a payload to them: kind as in common/wire/public_wire.h, bound to public_part and to a new
 * nonce.
 */
NODISCARD int managers_seal(const struct managers *m, uint32_t kind, struct span public_part,
    const struct secret *payload, struct id *nonce, struct buf *out, struct err *err);

/* --- requests and results --- */

/* import_bar.c: on standard error, if that is a terminal that can take a line back. */
struct import_bar {
	bool on, drawn;
	uint64_t begun_ms, drawn_ms;
};
struct import_bar_state {
	size_t done, all;
	uint64_t spent_ms;
};
#define IMPORT_BAR_MAX 128
void import_bar_begin(struct import_bar *b, bool wanted);
void import_bar_draw(struct import_bar *b, size_t done, size_t all);
void import_bar_clear(struct import_bar *b);
/* Its text, of at most width columns. */
void import_bar_line(
    const struct import_bar_state *s, size_t width, char out[static IMPORT_BAR_MAX]);

struct import_told { /* what an import is called in results */
	char *file, *what;
	struct hash fingerprint;
};

struct export_session;

struct import_run {
	struct cli *c;
	const struct managers *managers;
	const struct export_session *export;
	bool batch;
	bool lines; /* each failure has its own; set when there may be several */
	size_t sets, sets_done;
	size_t imported, unchanged, failed;
	struct err first;                   /* of the failures */
	char *first_text;                   /* all that is to be said of it */
	struct json_writer json;            /* the results, with --json */
	struct import_request *requests[2]; /* being filled, and on its way */
	struct import_said *said;           /* remarks and warnings, each once */
	size_t said_count, said_more;
	struct import_bar bar;
};
void import_run_begin(struct import_run *r);
/* Sends when the request is full. */
NODISCARD int import_run_add(
    struct import_run *r, const struct import_unit *u, const char *name, struct err *err);
/* A set or unit that is not even sent. */
void import_run_fail(struct import_run *r, const char *file, int code, const char *text);
void import_run_remark(struct import_run *r, const char *text);
/* One more set is done: what the progress bar shows. */
void import_run_progress(struct import_run *r);
/* Sends what is left. */
NODISCARD int import_run_send(struct import_run *r, struct err *err);
/* Frame of the results, and the sum of them; also after a failure on the way. */
void import_run_end(struct import_run *r);

/* import_report.c, for import_send.c: one result of a reply, and the frame. */
void import_run_result(
    struct import_run *r, const struct import_told *told, const struct json *result);
void import_run_begin_report(struct import_run *r);
void import_run_end_report(struct import_run *r);

#endif
