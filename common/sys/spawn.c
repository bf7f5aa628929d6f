#include "common/sys/process.h"

#include "common/sys/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Numbers in the child are below this, our copies for it at or above: they cannot collide. */
#define SPAWN_FD_MAX 64
#define SPAWN_ENV_MAX 32

static const char *const passed_on[] = {
    "JOURNAL_STREAM",
    "INVOCATION_ID",
#ifdef CERTHERD_SANITIZED
    "ASAN_OPTIONS",
    "UBSAN_OPTIONS",
    "LSAN_OPTIONS",
    "TSAN_OPTIONS",
#endif
};

struct spawn {
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int copies[SPAWN_FD_MAX];
	size_t copy_count;
	char *env[SPAWN_ENV_MAX + 1];
	size_t env_count;
};

static void
spawn_fini(struct spawn *s)
{
	for (size_t i = 0; i < s->copy_count; i++)
		close(s->copies[i]);
	for (size_t i = 0; i < s->env_count; i++)
		mem_free(s->env[i]);
	posix_spawn_file_actions_destroy(&s->actions);
	posix_spawnattr_destroy(&s->attributes);
}

static void
spawn_init(struct spawn *s)
{
	*s = (struct spawn){.copy_count = 0};
	CHECK(posix_spawn_file_actions_init(&s->actions) == 0);
	CHECK(posix_spawnattr_init(&s->attributes) == 0);
}

static int
add_env(struct spawn *s, char *entry, struct err *err)
{
	if (s->env_count == SPAWN_ENV_MAX) {
		mem_free(entry);
		return err_set(err, ERR_LIMIT, "more than %d environment variables for a program",
		    SPAWN_ENV_MAX);
	}
	s->env[s->env_count++] = entry;
	return 0;
}

static int
set_env(struct spawn *s, const char *const *more, struct err *err)
{
	int r =
	    add_env(s, mem_strdup("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"), err);

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(passed_on); i++) {
		const char *value = getenv(passed_on[i]);

		if (value != NULL)
			r = add_env(s, mem_printf("%s=%s", passed_on[i], value), err);
	}
	for (size_t i = 0; r == 0 && more != NULL && more[i] != NULL; i++)
		r = add_env(s, mem_strdup(more[i]), err);
	return r;
}

/*
 * Each descriptor is copied out of the way first, since the number that one of them is to have may
 * be another's own; dup2 in the child then also clears close-on-exec.
 */
static int
set_fds(struct spawn *s, const struct spawn_fd *fds, size_t count, struct err *err)
{
	bool taken[SPAWN_FD_MAX] = {[1] = true, [2] = true};

	if (count > SPAWN_FD_MAX)
		return err_set(
		    err, ERR_LIMIT, "more than %d descriptors for a program", SPAWN_FD_MAX);
	for (size_t i = 0; i < count; i++) {
		int copy;

		if (fds[i].as < 0 || fds[i].as >= SPAWN_FD_MAX)
			return err_set(err, ERR_INVALID,
			    "descriptor number %d for a program is not below %d", fds[i].as,
			    SPAWN_FD_MAX);
		taken[fds[i].as] = true;
		if (fds[i].fd < 0) {
			CHECK(posix_spawn_file_actions_addopen(
				  &s->actions, fds[i].as, "/dev/null", O_RDWR, 0) == 0);
			continue;
		}
		copy = fcntl(fds[i].fd, F_DUPFD_CLOEXEC, SPAWN_FD_MAX);
		if (copy < 0)
			return err_errno(err, errno, "cannot copy descriptor %d", fds[i].fd);
		s->copies[s->copy_count++] = copy;
		CHECK(posix_spawn_file_actions_adddup2(&s->actions, copy, fds[i].as) == 0);
	}
	if (!taken[0])
		CHECK(posix_spawn_file_actions_addopen(&s->actions, 0, "/dev/null", O_RDONLY, 0) ==
		    0);
	for (int fd = 3; fd < SPAWN_FD_MAX; fd++)
		if (!taken[fd])
			CHECK(posix_spawn_file_actions_addclose(&s->actions, fd) == 0);
	CHECK(posix_spawn_file_actions_addclosefrom_np(&s->actions, SPAWN_FD_MAX) == 0);
	return 0;
}

static void
set_signals(struct spawn *s, bool own_group)
{
	int flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;

	sigset_t set;

	sigemptyset(&set);
	CHECK(posix_spawnattr_setsigmask(&s->attributes, &set) == 0);
	sigfillset(&set);
	CHECK(posix_spawnattr_setsigdefault(&s->attributes, &set) == 0);
	if (own_group) {
		CHECK(posix_spawnattr_setpgroup(&s->attributes, 0) == 0);
		flags |= POSIX_SPAWN_SETPGROUP;
	}
	CHECK(posix_spawnattr_setflags(&s->attributes, (short)flags) == 0);
}

/* posix_spawn wants pointers to writable strings and does not write to them. */
static char **
writable(const char *const *argv)
{
	char **out;

	memcpy(&out, &argv, sizeof(out));
	return out;
}

int
spawn_exec(const struct spawn_params *params, pid_t *pid, struct err *err)
{
	AUTO(spawn_fini)
	struct spawn s;
	pid_t child;
	int r;

	spawn_init(&s);
	if (params->path[0] != '/')
		return err_set(
		    err, ERR_INVALID, "program '%s' is not an absolute path", params->path);
	r = set_env(&s, params->env, err);
	if (r < 0)
		return r;
	r = set_fds(&s, params->fds, params->fd_count, err);
	if (r < 0)
		return r;
	set_signals(&s, params->own_group);
	r = posix_spawn(
	    &child, params->path, &s.actions, &s.attributes, writable(params->argv), s.env);
	if (r != 0)
		return err_errno(err, r, "cannot execute '%s'", params->path);
	*pid = child;
	return 0;
}

int
process_reap(pid_t pid, bool wait, struct process_end *out, struct err *err)
{
	int status;
	pid_t got;

	do {
		got = waitpid(pid, &status, wait ? 0 : WNOHANG);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return err_errno(err, errno, "process %ld is no child of ours", (long)pid);
	if (got == 0)
		return err_set(err, ERR_AGAIN, "process %ld still runs", (long)pid);
	out->exited = WIFEXITED(status);
	out->status = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
	return 0;
}

const char *
process_end_text(const struct process_end *end, char out[static 64])
{
	if (end->exited)
		snprintf(out, 64, "exit status %d", end->status);
	else
		snprintf(out, 64, "signal %d (%s)", end->status,
		    sigdescr_np(end->status) != NULL ? sigdescr_np(end->status) : "unknown");
	return out;
}
