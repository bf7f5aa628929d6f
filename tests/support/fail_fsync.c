/*
 * Preloaded into a program: while there is a file 'fail-fsync' in its working directory, fsync and
 * fdatasync fail as they do on a dying disk. Each failure is counted by a byte added to that file.
 */

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

int fsync(int fd);
int fdatasync(int fd);

static int
sync_or_fail(long number, int fd)
{
	int mark = open("fail-fsync", O_WRONLY | O_APPEND | O_CLOEXEC);

	if (mark < 0)
		return (int)syscall(number, fd);
	(void)!write(mark, "x", 1);
	close(mark);
	errno = EIO;
	return -1;
}

int
fsync(int fd)
{
	return sync_or_fail(SYS_fsync, fd);
}

int
fdatasync(int fd)
{
	return sync_or_fail(SYS_fdatasync, fd);
}
