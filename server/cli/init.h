#ifndef SERVER_CLI_INIT_H
#define SERVER_CLI_INIT_H

/*
 * The parts of 'certherd init': the directory (init_place.c), keys (init_keys.c), the other
 * programs (init_bootstrap.c, init_programs.c), the passphrase (passphrase.c) and what Ctrl-C does
 * (interrupt.c); init.c puts them together.
 */

#include "common/crypto/cert.h"
#include "common/model/public.h"
#include "common/sys/process.h"
#include "server/cli/cli.h"

#include <sys/types.h>

/*
 * The directory that init fills. It was empty or is made; while init works it holds a locked mark,
 * so that a second init keeps off and what a killed one leaves is known for what it is.
 */
struct init_place {
	const char *dir; /* the caller's */
	int lock;        /* -1: not taken */
	bool made_dir;
};
/* ERR_EXISTS with a hint what to do about what is there, ERR_BUSY while another init works. */
NODISCARD int init_place_check(struct cli *c, const char *dir, struct err *err);
NODISCARD int init_place_take(
    struct cli *c, const char *dir, struct init_place *out, struct err *err);
void init_place_keep(struct init_place *place);  /* all is made: takes the mark away */
void init_place_clean(struct init_place *place); /* takes away what init makes, and the mark */

/*
 * From interrupt_begin to interrupt_end SIGINT, SIGTERM and SIGHUP do not end the process: they are
 * noted, and passed on to the children as SIGTERM, a second one as SIGKILL. Main thread.
 */
void interrupt_begin(void);
void interrupt_end(void);
/* For what may be left as it is at any time: who asks a second time is not kept waiting. */
void interrupt_second_ends(void);
bool interrupt_came(void);
NODISCARD int interrupt_check(struct err *err); /* ERR_CANCELED when one came */
/* spawn_exec and process_reap of such children. */
NODISCARD int interrupt_spawn(const struct spawn_params *params, pid_t *pid, struct err *err);
NODISCARD int interrupt_reap(pid_t pid, bool wait, struct process_end *out, struct err *err);
/* Until fd can be read (0) or a signal comes (ERR_CANCELED). */
NODISCARD int interrupt_wait_input(int fd, struct err *err);

/* The domain's own keys, which leave this process only under a passphrase. */
struct init_keys {
	struct domain_id domain;
	struct pkey *root_key, *recovery; /* recovery NULL: none */
	struct cert *root;
};

NODISCARD int init_keys_make(const char *domain_name, bool with_recovery, int64_t now,
    struct init_keys *out, struct err *err);
void init_keys_fini(struct init_keys *k);
/* root.key, root.pem, recovery.key and a README in dir, which is made. */
NODISCARD int init_keys_write(const struct init_keys *k, const char *dir,
    const struct secret *root_passphrase, const struct secret *recovery_passphrase,
    struct err *err);

/* The server's half of the bootstrap, as a child process; see server/bootstrap/bootstrap.h. */
struct init_server {
	const char *dir, *domain_name, *name;
	struct texts addresses;
	int64_t now;
};
NODISCARD int init_bootstrap(
    const struct init_keys *k, const struct init_server *s, struct err *err);

/* certherd-server for a moment: 0 when it answers on its socket. */
struct init_run {
	const char *dir;
	struct texts listen, advertise;
};
NODISCARD int init_server_start(const struct init_run *run, pid_t *pid, struct err *err);
NODISCARD int init_server_stop(pid_t pid, struct err *err);
/* certherd-replica join with a token on its standard input. */
NODISCARD int init_replica_join(
    const char *dir, struct span token, struct texts addresses, struct err *err);

/*
 * From the file or descriptor of the options (names without dashes; fd_option may be NULL), else
 * from the terminal, twice. what stands in the question.
 */
NODISCARD int passphrase_get(const struct cli *c, const char *file_option, const char *fd_option,
    const char *what, struct secret **out, struct err *err);

/* Passwords of foreign files: each --password-file and --password-fd that was given, in order. */
NODISCARD int password_list(
    const struct cli *c, struct secret **out, size_t most, size_t *count, struct err *err);
NODISCARD int password_from_file(const char *path, struct secret **out, struct err *err);
/* Once, from the terminal that standard input is. */
NODISCARD int password_ask(const char *question, struct secret **out, struct err *err);

#endif
