#ifndef SERVER_CLI_INIT_H
#define SERVER_CLI_INIT_H

/* The parts of 'certherd init': keys (init_keys.c), the other programs (init_programs.c), and the
 * passphrase (passphrase.c); init.c puts them together. */

#include "common/crypto/cert.h"
#include "common/model/public.h"
#include "server/cli/cli.h"

#include <sys/types.h>

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

#endif
