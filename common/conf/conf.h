#ifndef COMMON_CONF_CONF_H
#define COMMON_CONF_CONF_H

/*
 * Configuration of a program: one static table of keys drives the parser of the file, the command
 * line, --check-config, the documents and the generated example. The values are decoded into a
 * struct of the program, by the offsets in the table, which nobody changes after the start; its
 * texts are owned by it and end with conf_fini(). A file is optional: defaults stand in the table,
 * and options of the command line override both. Used before threads exist (the lexer of libconfuse
 * keeps its state in globals).
 */

#include "common/base/buf.h"

enum conf_type {
	CONF_STRING,   /* char *, NULL without value and default; min and max are its length */
	CONF_PATH,     /* char *, not empty */
	CONF_CHOICE,   /* int, index into choices */
	CONF_INT,      /* int64_t */
	CONF_SIZE,     /* int64_t, bytes: "64k", "8m", "1g" or a bare number */
	CONF_DURATION, /* int64_t, seconds: "90d", "15m" */
	CONF_BOOL,     /* bool: true, false, yes, no, on, off */
	CONF_LIST,     /* struct conf_list; min and max are the number of items */
	CONF_SECTION,  /* struct conf_sections; min and max are the number of sections */
};

struct conf_list {
	char **items;
	size_t count;
};

/* Sections of one kind: port "www" { ... } port "mail" { ... }; items is an array of structs. */
struct conf_sections {
	void *items;
	size_t count;
};

#define CONF_REQUIRED 0x1u  /* no default, and must be given */
#define CONF_FILE_ONLY 0x2u /* not an option of the command line */

struct conf_key {
	const char *name; /* "min-tls"; also the option --min-tls */
	enum conf_type type;
	unsigned flags;
	size_t offset;
	const char *value; /* default, as it would stand in the file; items of a list by commas */
	int64_t min, max;  /* range; both 0: none */
	const char *argument;       /* what the documents call the value: "DIR", "ADDRESS:PORT" */
	const char *help;           /* one sentence */
	const char *const *choices; /* CONF_CHOICE: ends with NULL */
	/* A further check of a text (of each item of a list); NULL: none. */
	int (*check)(const char *text, struct err *err);
	/* CONF_SECTION */
	const struct conf_key *keys; /* no sections inside */
	size_t key_count;
	size_t item_size;
	size_t title_offset; /* char *, the text behind the section's word; unique */
};

struct conf_schema {
	const char *program; /* "certherd-replica" */
	const char *usage;   /* what follows the program's name, e.g. "[OPTIONS] [join ...]" */
	const char *about;   /* one or two sentences */
	const char *file;    /* read when it exists and --config is not given; NULL: none */
	const struct conf_key *keys;
	size_t key_count;
	size_t size; /* of the program's struct */
	/*
	 * A last check of the values together; NULL: none. whole: by --check-config, so that files
	 * and the words of libraries are looked at, too, which the program's start would find
	 * anyway.
	 */
	int (*check)(const void *values, bool whole, struct err *err);
};

/* Sets all defaults; the struct may be in any state before. */
void conf_init(const struct conf_schema *schema, void *values);
/* Frees what the values own and zeroes them. */
void conf_fini(const struct conf_schema *schema, void *values);

/*
 * Decodes a file's text; keys it does not have get their defaults, whatever the values were
 * before. name stands in the errors ("name:line: message"). Unknown
 * keys, keys given twice and values out of range are ERR_PARSE. ${NAME} is text like any other:
 * nothing of the environment enters. The values are as before after an error.
 */
NODISCARD int conf_parse(const struct conf_schema *schema, const char *name, struct span text,
    void *values, struct err *err);

/* One key of the top level, from the command line; items of a list are separated by commas. */
NODISCARD int conf_set(const struct conf_schema *schema, void *values, const char *key,
    const char *text, struct err *err);

/* What is missing of the required keys and sections. */
NODISCARD int conf_complete(const struct conf_schema *schema, const void *values, struct err *err);

enum conf_action {
	CONF_RUN,
	CONF_DONE, /* help, version or check was asked for and has been printed: exit 0 */
};

/*
 * The command line of a program: --config FILE, --check-config, --help, --version, --print-example,
 * and --KEY VALUE for each key of the top level (a bool is --KEY or --no-KEY). Options may stand
 * anywhere before "--"; argv is put in order so that the words which are no options come last, and
 * *rest is the index of the first, argc when there is none. The values are complete on CONF_RUN.
 * Prints to standard output only.
 */
NODISCARD int conf_from_args(const struct conf_schema *schema, int argc, char **argv, void *values,
    int *rest, enum conf_action *action, struct err *err);

/* Documents out of the table. */
void conf_put_help(const struct conf_schema *schema, struct buf *out);
void conf_put_markdown(const struct conf_schema *schema, struct buf *out);
void conf_put_mdoc(const struct conf_schema *schema, struct buf *out);
/* A commented file with every key at its default; conf_parse reads it. */
void conf_put_example(const struct conf_schema *schema, struct buf *out);

#endif
