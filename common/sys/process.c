#include "common/sys/process.h"

#include "common/sys/file.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

int
process_harden(struct err *err)
{
	const struct rlimit none = {0, 0};

	umask(077);
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return err_errno(err, errno, "cannot ignore SIGPIPE");
	if (setrlimit(RLIMIT_CORE, &none) < 0)
		return err_errno(err, errno, "cannot forbid core files");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_errno(err, errno, "cannot forbid tracing");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_errno(err, errno, "cannot forbid new privileges");
	return 0;
}

static const int group_signals[] = {SIGTERM, SIGINT, SIGHUP};

void
process_ignore_group_signals(void)
{
	for (size_t i = 0; i < ARRAY_LEN(group_signals); i++)
		CHECK(signal(group_signals[i], SIG_IGN) != SIG_ERR);
}

void
process_block_group_signals(void)
{
	sigset_t set;

	CHECK(sigemptyset(&set) == 0);
	for (size_t i = 0; i < ARRAY_LEN(group_signals); i++)
		CHECK(sigaddset(&set, group_signals[i]) == 0);
	CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
}

int
process_raise_fds(size_t most, size_t *now, struct err *err)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return err_errno(err, errno, "cannot read the limit of descriptors");
	if (limit.rlim_cur < most && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max < most ? limit.rlim_max : most;
		if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
			return err_errno(err, errno, "cannot raise the limit of descriptors");
	}
	*now = limit.rlim_cur;
	return 0;
}

int
process_memlock(size_t *out, struct err *err)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0)
		return err_errno(err, errno, "cannot read the limit of locked memory");
	if (limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_MEMLOCK, &limit) < 0)
			return err_errno(err, errno, "cannot raise the limit of locked memory");
	}
	*out = limit.rlim_cur > SIZE_MAX ? SIZE_MAX : (size_t)limit.rlim_cur;
	return 0;
}

int
process_heap_size(size_t most, size_t *out, struct err *err)
{
	size_t allowed, size = PROCESS_HEAP_MIN;
	int r = process_memlock(&allowed, err);

	if (r < 0)
		return r;
	while (size <= most / 2 && size <= allowed / 4)
		size *= 2;
	*out = size;
	return 0;
}

int
self_path(char **out, struct err *err)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path));

	if (n < 0)
		return err_errno(err, errno, "cannot tell which program this is");
	if ((size_t)n == sizeof(path))
		return err_set(err, ERR_LIMIT, "the path of this program is too long");
	*out = mem_printf("%.*s", (int)n, path);
	return 0;
}

int
self_sibling(const char *name, char **out, struct err *err)
{
	AUTO(mem_freep)
	char *self = NULL;
	AUTO(mem_freep)
	char *path = NULL;
	int r = self_path(&self, err);

	if (r < 0)
		return r;
	path = mem_printf("%.*s%s", (int)(strrchr(self, '/') - self + 1), self, name);
	if (access(path, X_OK) < 0)
		return err_errno(err, errno, "cannot find program '%s'", path);
	*out = MOVE(path);
	return 0;
}

/* A leading '@' of NOTIFY_SOCKET stands for the abstract namespace. */
static bool
notify_address(struct sockaddr_un *address, socklen_t *len)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t n = path != NULL ? strlen(path) : 0;

	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (n < 2 || n >= sizeof(address->sun_path) || (path[0] != '/' && path[0] != '@'))
		return false;
	memcpy(address->sun_path, path, n);
	if (path[0] == '@')
		address->sun_path[0] = '\0';
	*len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	return true;
}

void
service_notify(const char *fmt, ...)
{
	AUTO(fd_closep)
	int fd = -1;
	struct sockaddr_un address;
	char text[512];
	socklen_t len;
	va_list ap;
	int n;

	if (!notify_address(&address, &len))
		return;
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	if ((size_t)n >= sizeof(text))
		n = (int)sizeof(text) - 1;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		(void)!sendto(fd, text, (size_t)n, MSG_NOSIGNAL, (struct sockaddr *)&address, len);
}
