#ifndef SERVER_BOOTSTRAP_BOOTSTRAP_H
#define SERVER_BOOTSTRAP_BOOTSTRAP_H

/*
 * The server's half of 'certherd init': makes this server's keys, gets from the command what the
 * root key has signed, and commits the first mutation of the domain. The other half, which holds
 * the root key, is server/cli/init.c; between them one JSON object a line over a socket pair:
 *
 *   server   {"node","manager_key","term_key","sealing_key","identity_csr"}
 *   command  {"domain","domain_id","name","root_certificate","root_statement":{"body","signature"},
 *             "manager_certificate","designation":{"body","signature"},"recovery_key",
 *             "addresses"}
 *   server   {"ok":true}, or {"error":{"code","text"}} at any time
 *
 * Bytes are base64, ids hexadecimal. recovery_key is left out when there is none.
 */

#include "common/base/buf.h"

#define BOOTSTRAP_FD 3
#define BOOTSTRAP_LINE_MAX (64 * 1024)
/* The first term: epoch 1, count 0. */
#define BOOTSTRAP_TERM (UINT64_C(1) << 32)

/*
 * main() of 'certherd-server --bootstrap --data DIR': argv[0] is "--bootstrap". Returns the exit
 * status. DIR must not be there, or be empty; what a failed try has made is left for the command to
 * remove.
 */
int bootstrap_main(int argc, char **argv);

/*
 * For both halves. The process as one with keys has to be: no core, no tracing, memory for keys.
 * Then lines: written with its end, and read up to it, the other side's being alone in the buffer;
 * peer names the other side in errors, ERR_UNAVAIL when it has gone.
 */
NODISCARD int bootstrap_prepare(struct err *err);
NODISCARD int bootstrap_say(int fd, struct buf *line, const char *peer, struct err *err);
NODISCARD int bootstrap_hear(int fd, struct buf *line, const char *peer, struct err *err);

#endif
