#include "common/sys/unix.h"

#include "common/sys/file.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LISTEN_BACKLOG 128

static int
address_of(const char *path, struct sockaddr_un *out, struct err *err)
{
	size_t len = strlen(path);

	*out = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (len >= sizeof(out->sun_path))
		return err_set(err, ERR_LIMIT, "socket path '%s' is longer than %zu bytes", path,
		    sizeof(out->sun_path) - 1);
	memcpy(out->sun_path, path, len + 1);
	return 0;
}

/* Removes a socket file that its process left behind; ERR_BUSY when somebody listens. */
static int
clear_stale(const char *path, const struct sockaddr_un *address, struct err *err)
{
	AUTO(fd_closep)
	int fd = -1;
	struct stat st;

	if (lstat(path, &st) < 0) {
		if (errno == ENOENT)
			return 0;
		return err_errno(err, errno, "cannot look at socket '%s'", path);
	}
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, ERR_EXISTS, "'%s' is there and is not a socket", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_errno(err, errno, "no socket to try '%s'", path);
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
		return err_set(err, ERR_BUSY, "another process listens on socket '%s'", path);
	if (errno != ECONNREFUSED)
		return err_errno(err, errno, "cannot try socket '%s'", path);
	if (unlink(path) < 0 && errno != ENOENT)
		return err_errno(err, errno, "cannot remove old socket '%s'", path);
	return 0;
}

static int
bind_with_mode(int fd, const char *path, const struct sockaddr_un *address, mode_t mode,
    gid_t group, struct err *err)
{
	/* The mode of the socket itself is what bind gives to its file, less the umask: so nobody
	 * can connect between bind and chmod. */
	if (fchmod(fd, group == SYS_NO_GROUP ? mode : mode & 0700) < 0)
		return err_errno(err, errno, "cannot set the mode of socket '%s'", path);
	if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		return err_errno(err, errno, "cannot bind socket '%s'", path);
	if (group != SYS_NO_GROUP && lchown(path, (uid_t)-1, group) < 0)
		return err_errno(
		    err, errno, "cannot give socket '%s' to group %u", path, (unsigned)group);
	if (chmod(path, mode) < 0)
		return err_errno(err, errno, "cannot set the mode of socket '%s'", path);
	return 0;
}

int
sys_unix_listen(const char *path, mode_t mode, gid_t group, int *out, struct err *err)
{
	AUTO(fd_closep)
	int fd = -1;
	struct sockaddr_un address;
	int r = address_of(path, &address, err);

	if (r < 0)
		return r;
	r = clear_stale(path, &address, err);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_errno(err, errno, "no socket for '%s'", path);
	r = bind_with_mode(fd, path, &address, mode, group, err);
	if (r < 0)
		return r;
	if (listen(fd, LISTEN_BACKLOG) < 0)
		return err_errno(err, errno, "cannot listen on socket '%s'", path);
	*out = fd;
	fd = -1;
	return 0;
}

int
sys_peer_uid_gid(int fd, struct sys_peer *out, struct err *err)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return err_errno(err, errno, "cannot tell who is at the other end of a socket");
	*out = (struct sys_peer){.uid = cred.uid, .gid = cred.gid, .pid = cred.pid};
	return 0;
}

bool
sys_peer_in_group(const struct sys_peer *peer, gid_t group)
{
	gid_t groups[256];
	int count = (int)ARRAY_LEN(groups);
	struct passwd *found = NULL, entry;
	char text[4096];

	if (peer->gid == group)
		return true;
	if (getpwuid_r(peer->uid, &entry, text, sizeof(text), &found) != 0 || found == NULL)
		return false;
	if (getgrouplist(entry.pw_name, entry.pw_gid, groups, &count) < 0)
		count = (int)ARRAY_LEN(groups); /* more than fit: those that did */
	for (int i = 0; i < count; i++)
		if (groups[i] == group)
			return true;
	return false;
}

int
sys_socketpair(int fds[2], struct err *err)
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return err_errno(err, errno, "no pair of sockets");
	return 0;
}
