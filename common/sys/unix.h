#ifndef COMMON_SYS_UNIX_H
#define COMMON_SYS_UNIX_H

/* UNIX sockets: a listener with the right permissions from its first moment, and who is there. */

#include "common/base/err.h"

#include <sys/types.h>

/* 0 to leave the group as it is (root's group is never one to be given). */
#define SYS_NO_GROUP 0

/*
 * A listening stream socket, non-blocking and close-on-exec. A socket file that nobody answers is
 * replaced; ERR_BUSY when somebody does, ERR_LIMIT when the path is too long for a socket. mode is
 * exact and never wider in between.
 */
NODISCARD int sys_unix_listen(const char *path, mode_t mode, gid_t group, int *fd, struct err *err);

struct sys_peer {
	uid_t uid;
	gid_t gid;
	pid_t pid;
};

NODISCARD int sys_peer_uid_gid(int fd, struct sys_peer *out, struct err *err);
/* Whether the peer's user is a member of group, as the kernel saw it at connect or in the user
 * database. Blocking look-up: not for the loop with remote user databases. */
bool sys_peer_in_group(const struct sys_peer *peer, gid_t group);

/* Two connected stream sockets, close-on-exec, for a child. */
NODISCARD int sys_socketpair(int fds[2], struct err *err);

#endif
