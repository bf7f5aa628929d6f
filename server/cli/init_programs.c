#include "server/cli/init.h"

#include "common/base/str.h"
#include "common/sys/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define START_MS 30000
#define LOOK_MS 10
#define ENDPOINTS_MAX (64 * 1024)
#define ARGS_MAX 64

static void
pause_ms(long ms)
{
	const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&t, NULL);
}

/* Whether the server with this pid has said that it is ready. */
static bool
is_ready(const char *dir, pid_t pid)
{
	AUTO(mem_freep)
	char *path = mem_printf("%s/endpoints.json", dir);
	AUTO(buf_freep)
	struct buf *text = buf_new(ENDPOINTS_MAX);
	AUTO(json_freep)
	struct json *root = NULL;

	return file_read(path, ENDPOINTS_MAX - 1, text, NULL) == 0 &&
	    json_parse(buf_span(text), ENDPOINTS_MAX, &root, NULL) == 0 &&
	    json_number(root, "pid") == pid;
}

static int
wait_ready(const char *dir, pid_t pid, struct err *err)
{
	struct process_end end;
	char text[64];

	for (int waited = 0; waited < START_MS; waited += LOOK_MS) {
		if (is_ready(dir, pid))
			return 0;
		if (interrupt_reap(pid, false, &end, NULL) == 0)
			return err_set(err, ERR_UNAVAIL,
			    "certherd-server ended with %s; what it said stands above",
			    process_end_text(&end, text));
		pause_ms(LOOK_MS);
	}
	kill(pid, SIGKILL);
	(void)!interrupt_reap(pid, true, &end, NULL);
	return err_set(
	    err, ERR_TIMEOUT, "certherd-server was not ready after %d s", START_MS / 1000);
}

static size_t
add_options(const char **argv, size_t n, const char *option, struct texts values)
{
	for (size_t i = 0; i < values.count && n + 3 < ARGS_MAX; i++) {
		argv[n++] = option;
		argv[n++] = values.items[i];
	}
	return n;
}

int
init_server_start(const struct init_run *run, pid_t *pid, struct err *err)
{
	AUTO(mem_freep)
	char *program = NULL;
	const char *argv[ARGS_MAX] = {
	    "certherd-server", "--data", run->dir, "--log-level", "warning"};
	size_t n = 5;
	int r = self_sibling("certherd-server", &program, err);

	if (r < 0)
		return r;
	n = add_options(argv, n, "--listen", run->listen);
	n = add_options(argv, n, "--advertise", run->advertise);
	argv[n] = NULL;
	r = interrupt_spawn(&(struct spawn_params){.path = program, .argv = argv}, pid, err);
	return r < 0 ? r : wait_ready(run->dir, *pid, err);
}

int
init_server_stop(pid_t pid, struct err *err)
{
	struct process_end end;
	char text[64];
	int r;

	kill(pid, SIGTERM);
	r = interrupt_reap(pid, true, &end, err);
	if (r == 0 && (!end.exited || end.status != 0))
		r = err_set(err, ERR_UNAVAIL, "certherd-server ended with %s",
		    process_end_text(&end, text));
	return r;
}

/* A pipe with the token in it: it is far smaller than what a pipe holds. */
static int
token_pipe(struct span token, int *fd, struct err *err)
{
	int fds[2];
	ssize_t n;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_errno(err, errno, "no pipe");
	n = write(fds[1], token.data, token.len);
	close(fds[1]);
	if (n < 0 || (size_t)n != token.len) {
		close(fds[0]);
		return err_set(err, ERR_IO, "cannot write to a pipe");
	}
	*fd = fds[0];
	return 0;
}

int
init_replica_join(const char *dir, struct span token, struct texts addresses, struct err *err)
{
	AUTO(mem_freep)
	char *program = NULL;
	const char *argv[ARGS_MAX] = {
	    "certherd-replica", "join", "--data", dir, "--token-file", "-"};
	struct spawn_fd child[2] = {
	    {.as = STDIN_FILENO}, {.fd = -1, .as = STDOUT_FILENO}}; /* init has its own words */
	struct process_end end;
	size_t n = add_options(argv, 6, "--address", addresses);
	char text[64];
	pid_t pid;
	int r;

	argv[n] = NULL;
	if ((r = self_sibling("certherd-replica", &program, err)) < 0 ||
	    (r = token_pipe(token, &child[0].fd, err)) < 0)
		return r;
	r = interrupt_spawn(
	    &(struct spawn_params){.path = program, .argv = argv, .fds = child, .fd_count = 2},
	    &pid, err);
	close(child[0].fd);
	if (r == 0)
		r = interrupt_reap(pid, true, &end, err);
	if (r == 0 && (!end.exited || end.status != 0))
		r = err_set(err, ERR_UNAVAIL,
		    "certherd-replica join ended with %s; what it said stands above",
		    process_end_text(&end, text));
	return r;
}
