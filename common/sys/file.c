#include "common/sys/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

void
fd_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* O_NONBLOCK, so that a FIFO in the place of the file does not hold us up. */
static int
open_regular(const char *path, int *out, struct stat *st, struct err *err)
{
	AUTO(fd_closep)
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return err_errno(err, errno, "cannot open file '%s'", path);
	if (fstat(fd, st) < 0)
		return err_errno(err, errno, "cannot look at file '%s'", path);
	if (!S_ISREG(st->st_mode))
		return err_set(err, ERR_INVALID, "'%s' is not a regular file", path);
	*out = fd;
	fd = -1;
	return 0;
}

static int
read_all(int fd, const char *path, size_t max, struct buf *out, struct err *err)
{
	size_t before = out->len;

	for (;;) {
		size_t have = out->len - before;
		/* One byte more than allowed shows that the file is too long. */
		size_t want = max - have + 1 < 65536 ? max - have + 1 : 65536;
		uint8_t *room = buf_reserve(out, want);
		ssize_t n;

		if (room == NULL)
			return buf_error(out, path, err);
		n = read(fd, room, want);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, errno, "cannot read file '%s'", path);
		if (n == 0)
			return 0;
		if ((size_t)n > max - have)
			return err_set(
			    err, ERR_LIMIT, "file '%s' is longer than %zu bytes", path, max);
		buf_advance(out, (size_t)n);
	}
}

/* Reads into a place of its own, so that out stays as it was when it fails. */
static int
read_into(int fd, const char *path, size_t max, struct buf *out, struct err *err)
{
	AUTO(buf_freep)
	struct buf *b = buf_new(max < SIZE_MAX - 65536 ? max + 65536 : SIZE_MAX);
	int r = read_all(fd, path, max, b, err);

	if (r < 0)
		return r;
	buf_put_span(out, buf_span(b));
	return buf_error(out, path, err);
}

int
file_read(const char *path, size_t max, struct buf *out, struct err *err)
{
	AUTO(fd_closep)
	int fd = -1;
	struct stat st;
	int r = open_regular(path, &fd, &st, err);

	return r < 0 ? r : read_into(fd, path, max, out, err);
}

int
file_open_private(const char *path, int *out, struct err *err)
{
	AUTO(fd_closep)
	int fd = -1;
	struct stat st;
	int r = open_regular(path, &fd, &st, err);

	if (r < 0)
		return r;
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return err_set(err, ERR_DENIED,
		    "private file '%s' belongs to user %u, not to us: chown it", path,
		    (unsigned)st.st_uid);
	if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return err_set(err, ERR_DENIED,
		    "private file '%s' has mode %04o, which lets others in: chmod 600 it", path,
		    (unsigned)st.st_mode & 07777);
	*out = fd;
	fd = -1;
	return 0;
}

int
file_read_private(const char *path, size_t max, struct buf *out, struct err *err)
{
	AUTO(fd_closep)
	int fd = -1;
	int r = file_open_private(path, &fd, err);

	return r < 0 ? r : read_into(fd, path, max, out, err);
}

/* "." for a name without a slash. */
static char *
directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		return mem_strdup(".");
	if (slash == path)
		return mem_strdup("/");
	return mem_printf("%.*s", (int)(slash - path), path);
}

static int
directory_sync(const char *path, struct err *err)
{
	AUTO(mem_freep)
	char *dir = directory_of(path);
	AUTO(fd_closep)
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_errno(err, errno, "cannot open directory '%s'", dir);
	if (fsync(fd) < 0)
		return err_errno(err, errno, "cannot sync directory '%s'", dir);
	return 0;
}

int
file_rename_durable(const char *from, const char *to, struct err *err)
{
	if (rename(from, to) < 0)
		return err_errno(err, errno, "cannot rename '%s' to '%s'", from, to);
	return directory_sync(to, err);
}

int
file_remove(const char *path, struct err *err)
{
	if (unlink(path) < 0) {
		if (errno == ENOENT)
			return 0;
		return err_errno(err, errno, "cannot remove file '%s'", path);
	}
	return directory_sync(path, err);
}

bool
file_exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static int
write_all(int fd, const char *path, struct span content, struct err *err)
{
	while (content.len > 0) {
		ssize_t n = write(fd, content.data, content.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, errno, "cannot write file '%s'", path);
		content.data += n;
		content.len -= (size_t)n;
	}
	return 0;
}

/* A name that nobody can have prepared. */
static int
make_temporary(const char *path, mode_t mode, char **name, struct err *err)
{
	uint64_t salt = 0;
	int fd;

	if (getrandom(&salt, sizeof(salt), 0) != (ssize_t)sizeof(salt))
		return err_errno(err, errno, "no random name for a file beside '%s'", path);
	*name = mem_printf("%s.%016" PRIx64 ".tmp", path, salt);
	/* The umask may narrow this, never the private 0600; fchmod sets it exactly later. */
	fd = open(*name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode & 0600);
	if (fd < 0)
		return err_errno(err, errno, "cannot make a file beside '%s'", path);
	return fd;
}

static int
fill_and_rename(int fd, const char *temporary, const char *path, mode_t mode, struct span content,
    struct err *err)
{
	int r = write_all(fd, path, content, err);

	if (r < 0)
		return r;
	if (fchmod(fd, mode) < 0)
		return err_errno(err, errno, "cannot set the mode of file '%s'", path);
	if (fsync(fd) < 0)
		return err_errno(err, errno, "cannot sync file '%s'", path);
	if (rename(temporary, path) < 0)
		return err_errno(err, errno, "cannot put file '%s' in its place", path);
	return 0;
}

int
file_write_atomic(const char *path, mode_t mode, struct span content, struct err *err)
{
	AUTO(mem_freep)
	char *temporary = NULL;
	AUTO(fd_closep)
	int fd = make_temporary(path, mode, &temporary, err);
	int r;

	if (fd < 0)
		return fd;
	r = fill_and_rename(fd, temporary, path, mode, content, err);
	if (r < 0) {
		unlink(temporary);
		return r;
	}
	return directory_sync(path, err);
}

int
file_write_private(const char *path, struct span content, struct err *err)
{
	return file_write_atomic(path, 0600, content, err);
}
