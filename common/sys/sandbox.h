#ifndef COMMON_SYS_SANDBOX_H
#define COMMON_SYS_SANDBOX_H

/*
 * The sandbox of the signer, and of the process that reads foreign files: from the call on, and for
 * all threads, only reading and writing what is open, memory that is never executable, randomness,
 * time, and more threads are allowed; any other system call ends the process (SIGSYS). No file can
 * be opened, no socket made, no program executed. Built with a sanitizer (CERTHERD_SANITIZED) the
 * list is wider, since the sanitizer's own reports open files and walk memory: then only network,
 * programs and writable files end it.
 *
 * Before the call: read the key file, start the log, load what OpenSSL loads on first use.
 */

#include "common/base/err.h"

NODISCARD int sandbox_signer(struct err *err);

#endif
