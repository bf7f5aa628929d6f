#ifndef SERVER_CLI_FOREIGN_H
#define SERVER_CLI_FOREIGN_H

/*
 * Foreign files, for the commands that take them in: their passwords, from the options of the
 * command or from whoever sits at the terminal, and the process that reads them (server/import).
 * Private to server/cli.
 */

#include "server/cli/cli.h"
#include "server/import/import.h"

#define FOREIGN_QUESTIONS 3 /* for passwords, of one command */

struct foreign {
	struct cli *c;
	struct secret *passwords[LIMIT_IMPORT_PASSWORDS];
	size_t password_count;
	size_t asked;     /* for a password, until now */
	struct buf typed; /* standard input, once it was read */
	struct import_reader *reader;
	/* Before a question, to clear the line of a terminal; may be NULL. */
	void (*on_question)(void *arg);
	void *arg;
};

#define FOREIGN_OPTIONS                                                                            \
	{"password-file", "FILE",                                                                  \
	    "A password of the files, in a file; may be given several times."},                    \
	{                                                                                          \
		"password-fd", "NUMBER", "A password of the files, from a descriptor."             \
	}

/* Prepares the heap for keys and takes the passwords of the options. End it with foreign_fini. */
NODISCARD int foreign_begin(struct foreign *f, struct cli *c, struct err *err);
void foreign_fini(struct foreign *f);

/*
 * Looks at these files together ("-" is standard input); what: "the roots", for whoever types them
 * there. When one wants a password that was not given, the terminal is asked. After an error the
 * next set is read by another process.
 */
NODISCARD int foreign_read(struct foreign *f, enum import_wish wish, const char *what,
    const char *const *paths, size_t count, struct import_found *out, struct err *err);

/* What is to be done about some files takes more room than an error has: the rest is a hint. */
NODISCARD int foreign_refused(struct cli *c, int code, const char *text, struct err *err);

/*
 * Certificates alone, of the files that the command names, standard input when it names none. Says
 * what was left out; ERR_NOTFOUND and others when there is none in them.
 */
NODISCARD int foreign_certs(struct cli *c, enum import_wish wish, const char *what,
    const char *const *paths, size_t count, struct import_found *out, struct err *err);

#endif
