#ifndef COMMON_SYS_PROCESS_H
#define COMMON_SYS_PROCESS_H

/*
 * Processes: starting a program with nothing inherited but what is named, hardening and limits of
 * this process, and telling systemd how it is. process_* calls belong to start-up, before threads.
 */

#include "common/base/err.h"

#include <sys/types.h>

struct spawn_fd {
	int fd; /* ours; stays open here; -1: /dev/null */
	int as; /* number in the child, below 64 */
};

struct spawn_params {
	const char *path;        /* absolute; never searched for, never a shell */
	const char *const *argv; /* argv[0] first, NULL last */
	const char *const *env;  /* more "NAME=value", NULL last; may be NULL */
	const struct spawn_fd *fds;
	size_t fd_count;
	bool own_group; /* a process group of its own, so that kill(-pid) ends its children, too */
};

/*
 * Starts a program. Descriptors: 0 is /dev/null and 1 and 2 are ours unless fds names them; all
 * others are closed. Environment: a fixed PATH and what tells a log that it runs under systemd, and
 * env. Signals: default, none blocked. ERR_NOTFOUND, ERR_DENIED, ERR_IO when it cannot be executed.
 */
NODISCARD int spawn_exec(const struct spawn_params *params, pid_t *pid, struct err *err);

struct process_end {
	bool exited; /* else ended by the signal */
	int status;  /* exit status, or the signal */
};

/* ERR_AGAIN while it runs (only without wait). A child is reaped once. */
NODISCARD int process_reap(pid_t pid, bool wait, struct process_end *out, struct err *err);
/* "exit status 1", "signal 31 (bad system call)". */
const char *process_end_text(const struct process_end *end, char out[static 64]);

/* No core, no ptrace by the same user, no new privileges, umask 077, SIGPIPE ignored. */
NODISCARD int process_harden(struct err *err);
/*
 * For a child that ends when its parent closes the socket between them: what a terminal or a
 * service manager sends to the whole group (SIGTERM, SIGINT, SIGHUP) is for the parent to hear.
 */
void process_ignore_group_signals(void);
/*
 * For a program that has heard them and is about to end: they do not reach this thread any more.
 * All other threads block every signal from their start.
 */
void process_block_group_signals(void);
/* Soft limit of descriptors to the hard one, at most most; *now is what it is then. */
NODISCARD int process_raise_fds(size_t most, size_t *now, struct err *err);
/* Bytes that may be locked (RLIMIT_MEMLOCK after raising the soft to the hard limit). */
NODISCARD int process_memlock(size_t *out, struct err *err);
/*
 * Size for a heap of locked memory: the largest power of two up to most of which twice
 * as much may be locked, and at least PROCESS_HEAP_MIN, whose locking may then fail aloud.
 */
#define PROCESS_HEAP_MIN (256U << 10)
#define PROCESS_HEAP_MOST (4U << 20) /* as much as a process with keys needs by default */
NODISCARD int process_heap_size(size_t most, size_t *out, struct err *err);

/* Path of the program that runs; owned by the caller. */
NODISCARD int self_path(char **out, struct err *err);
/* Path of a program in the same directory as this one; ERR_NOTFOUND if it is not there. */
NODISCARD int self_sibling(const char *name, char **out, struct err *err);

/*
 * sd_notify: "READY=1", "STATUS=...", "STOPPING=1". Does nothing without NOTIFY_SOCKET; what fails
 * is not worth an error.
 */
void service_notify(const char *fmt, ...) PRINTF_LIKE(1, 2);

#endif
