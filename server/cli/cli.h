#ifndef SERVER_CLI_CLI_H
#define SERVER_CLI_CLI_H

/*
 * The administrator's command: words and options by one table of commands, each a client of the
 * API. Output is collected in a buffer and printed at the end (watch prints as it goes); errors go
 * to standard error with a hint what to do. Exit status 0, 1 (failed), 2 (usage).
 */

#include "common/base/buf.h"
#include "common/base/str.h"
#include "common/json/json.h"

struct cli;
struct secret;

struct cli_option {
	const char *name;     /* "key-type" */
	const char *argument; /* what the value is called; NULL: a flag */
	const char *help;
};

struct cli_command {
	const char *noun, *verb; /* verb NULL: the noun alone */
	const char *args;        /* "NAME...", as help shows them */
	const char *summary;     /* one line */
	const char *examples;    /* lines for help */
	unsigned least, most;    /* words behind noun and verb */
	const struct cli_option *options;
	size_t option_count;
	int (*run)(struct cli *c, struct err *err);
};

#define CLI_VALUES_MAX 128
#define CLI_WORDS_MAX 128     /* of a command that takes several names */
#define CLI_FILES_MAX 1000000 /* of one that takes files */

struct cli_value {
	const char *name, *value;
};

struct cli {
	const struct cli_command *command;
	const char *noun;   /* without a verb, for help */
	const char **words; /* made by cli_parse */
	size_t word_count;
	struct cli_value values[CLI_VALUES_MAX];
	size_t value_count;
	bool json, help, several;
	struct json_writer results;         /* of several, with --json */
	struct buf out;                     /* for standard output */
	struct buf hint;                    /* what to do about the error */
	const struct secret *made_password; /* an export password to be shown once, or NULL */
};

/* Frees what belongs to it. */
void cli_close(struct cli *c);

/* Exit status. argv is not changed. */
int cli_main(int argc, char **argv);

/* --- the table (commands.c) --- */
extern const struct cli_command *const cli_commands[];
extern const size_t cli_command_count;

/*
 * Finds the command and takes words and options apart. ERR_INVALID with a hint; help may be set
 * with a command or without one.
 */
NODISCARD int cli_parse(struct cli *c, int argc, char **argv, struct err *err);
void cli_put_help(const struct cli_command *command, struct buf *out); /* NULL: of all */
void cli_put_noun_help(const char *noun, struct buf *out);

/* --- for the commands --- */

/* The value of an option, the last if it is given twice; NULL: not given. "" for a flag. */
const char *cli_option(const struct cli *c, const char *name);
bool cli_flag(const struct cli *c, const char *name);
/* Puts an array: every value of the option, each taken apart at its commas. */
void cli_put_list(const struct cli *c, struct json_writer *w, const char *member, const char *name);
/* Puts an array: every value of the option as it is. */
void cli_put_each(const struct cli *c, struct json_writer *w, const char *member, const char *name);
/* Member with the option's text if it was given. */
void cli_put_option(
    const struct cli *c, struct json_writer *w, const char *member, const char *name);
/* An option as a duration in ms; otherwise if it is not given. */
NODISCARD int cli_duration(const struct cli *c, const char *name, uint64_t otherwise_ms,
    uint64_t *out_ms, struct err *err);

void cli_printf(struct cli *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
void cli_hint(struct cli *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Whether somebody is there to be asked. */
bool cli_can_confirm(const struct cli *c);
/* Asks, and takes nothing but "yes"; else ERR_DENIED with that text. */
NODISCARD int cli_confirm(
    struct cli *c, const char *question, const char *refused, struct err *err);
/* Prints what is collected, now. */
NODISCARD int cli_flush(struct cli *c, struct err *err);

/* --- the API (call.c) --- */

/*
 * One request. The reply is an object, or the error with its hint. body NULL: none. path is encoded
 * already (cli_path).
 */
NODISCARD int cli_call(struct cli *c, const char *method, const char *path, const struct buf *body,
    struct json **out, struct err *err);
/* "/v1/certs/%2A.example.org/renew": each %s is encoded. Owned by the caller. */
char *cli_path(const char *fmt, const char *first, const char *second);
/* Lines of a stream until it ends or on_line returns other than 0. */
NODISCARD int cli_stream(struct cli *c, const char *path, int (*on_line)(struct span, void *),
    void *arg, struct err *err);
/* The UNIX socket of the server: --socket, CERTHERD_SOCKET, --data, or where it usually is. */
NODISCARD int cli_socket(struct cli *c, char **out, struct err *err);

/* Prints the reply as JSON when --json was given; true then. */
bool cli_json(struct cli *c, const struct json *reply);
/*
 * Around the work of a command that takes several names: with --json it prints one object,
 * {"results": [...]}, with an object for each name that was done, however many there are and
 * whether a later one failed. cli_result adds {"name", "change"} to it, or with no such frame
 * prints it alone; more members may be put before cli_result_end.
 */
void cli_results_begin(struct cli *c);
void cli_results_end(struct cli *c);
struct json_writer cli_result(struct cli *c, const char *name, const struct json *change);
void cli_result_end(struct cli *c, struct json_writer *w);
/* The warnings of a reply to a change. */
void cli_put_warnings(struct cli *c, const struct json *reply);

/* --- tables (table.c) --- */

#define CLI_COLUMNS_MAX 10

struct cli_table {
	size_t columns;
	char **cells; /* rows * columns, the first row is the heading */
	size_t count;
};

/* Headings end with NULL. */
void cli_table_begin(struct cli_table *t, const char *const *headings);
/* The next cell, row by row. Control characters of foreign text are escaped; NULL is "-". */
void cli_table_text(struct cli_table *t, const char *text);
/* A name of a certificate or credential, in its own script. */
void cli_table_name(struct cli_table *t, const char *name);
void cli_table_printf(struct cli_table *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Names of an array, with commas; cut to a few. */
void cli_table_names(struct cli_table *t, const struct json *array);
/* Writes and frees it; empty is said when it has no rows. */
void cli_table_end(struct cli *c, struct cli_table *t, const char *empty);

/* "7 d" from the member stale_after, "never" for 0. */
const char *cli_stale_after(const struct json *object, char out[static DURATION_TEXT_MAX]);

/* "2026-12-01 08:00 UTC" from the API's time, the same on every host; "-" for none. */
#define CLI_TIME_MAX 32
const char *cli_time(const struct json *object, const char *name, char out[static CLI_TIME_MAX]);

#endif
