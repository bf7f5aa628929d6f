#ifndef SERVER_CLI_EXPORT_H
#define SERVER_CLI_EXPORT_H

/*
 * Exportable keys, for the commands that make or take in a key: --exportable, where its password
 * comes from, and what of it goes to the server. 'certherd cert export' is export_cmd.c. Private
 * to server/cli.
 */

#include "server/cli/import.h"

#define CLI_EXPORT_OPTIONS                                                                         \
	{"exportable", NULL,                                                                       \
	    "The new key may be exported, for a password that is asked for (or one of the "        \
	    "next)."},                                                                             \
	    {"export-password-file", "FILE", "The export password, in a file."},                   \
	    {"generate-password", NULL, "Make an export password, and print it once."},            \
	{                                                                                          \
		"root", "FINGERPRINT",                                                             \
		    "The domain's root; from the files beside the socket if not given."            \
	}

/* The password of new keys, and whom it is sealed to. Zeroed: nothing is asked for. */
struct export_session {
	struct managers managers;
	struct secret *password;
	bool own_managers; /* false: borrowed */
};
void export_session_fini(struct cli *c, struct export_session *s);

/* One of the three options is given; ERR_INVALID when they contradict each other. */
NODISCARD int export_options(const struct cli *c, bool *asked, struct err *err);
/*
 * Gets the password: from the file, made, or from the terminal, twice. avoid: names that it must
 * not be. managers NULL: asked for.
 */
NODISCARD int export_session_begin(struct cli *c, const char *const *avoid, size_t avoid_count,
    const struct managers *managers, struct export_session *out, struct err *err);
/*
 * Seals the password for a new generation of what it is bound to: the id of a credential, or the
 * certificate of a key that is taken in. out stays empty when nothing is asked for.
 */
NODISCARD int export_session_seal(const struct export_session *s, struct span bound,
    struct id *generation, struct buf *out, struct err *err);
/* Puts the member "export" (credential NULL: of a key that is taken in); nothing for an empty one.
 */
void export_session_write(struct json_writer *w, const struct id *credential,
    const struct id *generation, struct span sealed);
/* Both, for a new generation of this credential. */
NODISCARD int export_session_put(const struct export_session *s, struct json_writer *w,
    const struct id *credential, struct err *err);
/*
 * The same for a new generation of a credential that there is. Asked for by an option, or when it
 * is exportable, is going to get a new key, and somebody is at the terminal (--no-export: not
 * then).
 */
enum export_when { EXPORT_IF_ASKED, EXPORT_IF_NEW_KEY, EXPORT_NEW_KEY };
NODISCARD int export_session_ask(struct cli *c, const char *name, enum export_when when, bool asked,
    struct export_session *s, struct json_writer *w, struct err *err);
/* Before the first request of such a command: its options, and locked memory if it may need some.
 */
NODISCARD int export_prepare(const struct cli *c, bool *asked, struct err *err);

/* The password of a key that is to be exported: from the file, or from the terminal, once. */
NODISCARD int export_password_old(
    struct cli *c, const char *name, struct secret **out, struct err *err);

#endif
