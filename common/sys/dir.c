#include "common/sys/file.h"

#include "common/base/num.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int
dir_make_private(const char *path, struct err *err)
{
	AUTO(fd_closep)
	int fd = -1;
	struct stat st;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_errno(err, errno, "cannot make directory '%s'", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, errno, "cannot open directory '%s'", path);
	if (fstat(fd, &st) < 0)
		return err_errno(err, errno, "cannot look at directory '%s'", path);
	if (st.st_uid != geteuid())
		return err_set(err, ERR_DENIED,
		    "directory '%s' belongs to user %u, not to us: chown it or name another", path,
		    (unsigned)st.st_uid);
	/* What lies inside is private by itself, but nobody else may put something there. */
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0 &&
	    fchmod(fd, st.st_mode & 07777 & ~(mode_t)(S_IWGRP | S_IWOTH)) < 0)
		return err_errno(err, errno, "others may write to directory '%s'", path);
	return 0;
}

/* The holder wrote its pid; 0 when it has not come to that. */
static uint64_t
holder_of(int fd)
{
	char text[24] = "";
	uint64_t pid = 0;
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	char *end = n > 0 ? strchr(text, '\n') : NULL;

	if (end == NULL)
		return 0;
	*end = '\0';
	return num_parse_u64(text, 1, INT32_MAX, &pid, NULL) == 0 ? pid : 0;
}

int
dir_lock(const char *dir, int *out, struct err *err)
{
	AUTO(mem_freep)
	char *path = mem_printf("%s/lock", dir);
	AUTO(fd_closep)
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	char text[24];
	int n;

	if (fd < 0)
		return err_errno(err, errno, "cannot open lock file '%s'", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		uint64_t pid = errno == EWOULDBLOCK ? holder_of(fd) : 0;

		if (errno != EWOULDBLOCK)
			return err_errno(err, errno, "cannot lock '%s'", path);
		if (pid == 0)
			return err_set(
			    err, ERR_BUSY, "directory '%s' is in use by another process", dir);
		return err_set(err, ERR_BUSY, "directory '%s' is in use by process %llu", dir,
		    (unsigned long long)pid);
	}
	n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)n, 0) != n)
		return err_errno(err, errno, "cannot write lock file '%s'", path);
	*out = fd;
	fd = -1;
	return 0;
}
