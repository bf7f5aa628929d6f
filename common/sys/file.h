#ifndef COMMON_SYS_FILE_H
#define COMMON_SYS_FILE_H

/*
 * Files: bounded reads, private files that are private from the moment they are made, writes that
 * are there whole or not at all, and the lock of a data directory. Blocking; any thread. Paths are
 * the caller's and stand in the error texts.
 */

#include "common/base/buf.h"

#include <sys/types.h>

/*
 * Appends the whole file to out. ERR_LIMIT above max bytes, ERR_NOTFOUND, ERR_DENIED, ERR_INVALID
 * for what is not a regular file.
 */
NODISCARD int file_read(const char *path, size_t max, struct buf *out, struct err *err);

/*
 * A key file: ERR_DENIED unless it is a regular file of our own or root's without any permission
 * for group and others. The text says which chmod helps. file_open_private gives the descriptor,
 * close-on-exec, for secret_read_fd or for a child.
 */
NODISCARD int file_read_private(const char *path, size_t max, struct buf *out, struct err *err);
NODISCARD int file_open_private(const char *path, int *fd, struct err *err);

/*
 * Writes a file of mode 0600 that exists whole or not at all and survives a power cut: a temporary
 * file beside it made O_EXCL with that mode, fsync, rename over path, fsync of the directory. An
 * existing file is replaced.
 */
NODISCARD int file_write_private(const char *path, struct span content, struct err *err);
/* The same with another mode, for files that hold no secret. */
NODISCARD int file_write_atomic(
    const char *path, mode_t mode, struct span content, struct err *err);

/* rename, then fsync of the directory that holds to; both in the same directory. */
NODISCARD int file_rename_durable(const char *from, const char *to, struct err *err);
/* Gone when it returns 0, also if there was none; durable. */
NODISCARD int file_remove(const char *path, struct err *err);
bool file_exists(const char *path);

/*
 * Makes a directory of mode 0700 (not its parents); one that is there already must be ours, and
 * lose group and other write permission: ERR_DENIED otherwise.
 */
NODISCARD int dir_make_private(const char *path, struct err *err);

/*
 * Takes the lock of a data directory (flock on DIR/lock, with our pid inside) until the descriptor
 * is closed or the process ends. ERR_BUSY names the pid that holds it.
 */
NODISCARD int dir_lock(const char *dir, int *fd, struct err *err);

/* Closes *fd unless it is negative and sets it to -1; for AUTO. */
void fd_closep(int *fd);

#endif
