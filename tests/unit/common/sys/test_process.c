#include "common/sys/process.h"

#include "common/sys/file.h"
#include "tests/unit/common/sys/sys_tests.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs a shell line (the test's, not the program's) with a pipe as its standard output. */
static const char *
output_of(const char *script, const struct spawn_fd *more, size_t more_count,
    const char *const *env, struct process_end *end)
{
	static char out[8192];
	const char *argv[] = {"sh", "-c", script, NULL};
	struct spawn_fd fds[8];
	struct spawn_params params = {.path = "/bin/sh", .argv = argv, .env = env, .fds = fds};
	size_t len = 0;
	struct err err;
	ssize_t n;
	pid_t pid;
	int p[2];

	assert_int_equal(pipe(p), 0);
	fds[0] = (struct spawn_fd){p[1], 1};
	for (size_t i = 0; i < more_count; i++)
		fds[i + 1] = more[i];
	params.fd_count = more_count + 1;
	assert_int_equal(spawn_exec(&params, &pid, &err), 0);
	close(p[1]);
	while ((n = read(p[0], out + len, sizeof(out) - 1 - len)) > 0)
		len += (size_t)n;
	close(p[0]);
	out[len] = '\0';
	assert_int_equal(process_reap(pid, true, end, &err), 0);
	return out;
}

static void
test_only_named_descriptors(void **state)
{
	int low = open("/dev/null", O_RDONLY), high = fcntl(low, F_DUPFD, 200);
	const struct spawn_fd more[] = {{low, 5}, {high, low}};
	char expected[64];
	struct process_end end;

	(void)state;
	assert_true(low >= 3 && low < 60 && low != 5 && high >= 200);
	/* The descriptor of the directory being listed comes besides: it is the lowest free one. */
	snprintf(expected, sizeof(expected), "0\n1\n2\n%s", low == 3 ? "3\n4\n5\n" : "3\n");
	assert_memory_equal(
	    output_of("ls /proc/self/fd", more, 2, NULL, &end), expected, strlen(expected));
	assert_null(strstr(output_of("ls /proc/self/fd", more, 2, NULL, &end), "200"));
	assert_string_equal(
	    output_of("readlink /proc/self/fd/0 /proc/self/fd/5", more, 1, NULL, &end),
	    "/dev/null\n/dev/null\n");
	assert_string_equal(output_of("echo lost >&7; readlink /proc/self/fd/7",
				&(const struct spawn_fd){-1, 7}, 1, NULL, &end),
	    "/dev/null\n");
	assert_true(end.exited && end.status == 0);
	close(low);
	close(high);
}

static void
test_environment_is_minimal(void **state)
{
	const char *const env[] = {"EXTRA=1", NULL};
	struct process_end end;

	(void)state;
	setenv("CERTHERD_LEAK", "secret", 1);
	setenv("INVOCATION_ID", "abc", 1);
	const char *out = output_of("env", NULL, 0, env, &end);
	assert_null(strstr(out, "secret"));
	assert_non_null(strstr(out, "EXTRA=1\n"));
	assert_non_null(strstr(out, "PATH=/usr/"));
	assert_non_null(strstr(out, "INVOCATION_ID=abc\n"));
	unsetenv("CERTHERD_LEAK");
	unsetenv("INVOCATION_ID");
}

static void
test_signals_are_reset(void **state)
{
	sigset_t set, old;
	struct process_end end;
	char text[64];

	(void)state;
	signal(SIGTERM, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, &old);
	output_of("kill -TERM $$; exit 3", NULL, 0, NULL, &end);
	sigprocmask(SIG_SETMASK, &old, NULL);
	signal(SIGTERM, SIG_DFL);
	assert_false(end.exited);
	assert_int_equal(end.status, SIGTERM);
	assert_string_equal(process_end_text(&end, text), "signal 15 (Terminated)");
}

static void
test_spawn_errors(void **state)
{
	const char *argv[] = {"x", NULL};
	struct spawn_params params = {.path = "/nowhere/x", .argv = argv};
	struct process_end end;
	struct err err;
	char text[64];
	pid_t pid = 0;

	(void)state;
	assert_int_equal(spawn_exec(&params, &pid, &err), ERR_NOTFOUND);
	params.path = "sh";
	assert_int_equal(spawn_exec(&params, &pid, &err), ERR_INVALID);
	params.path = "/etc/passwd";
	assert_int_equal(spawn_exec(&params, &pid, &err), ERR_DENIED);
	params.path = "/bin/sh";
	params.fds = &(struct spawn_fd){999, 3};
	params.fd_count = 1;
	assert_int_equal(spawn_exec(&params, &pid, &err), ERR_IO);
	params.fds = &(struct spawn_fd){1, 64};
	assert_int_equal(spawn_exec(&params, &pid, &err), ERR_INVALID);
	assert_int_equal(pid, 0);
	assert_string_equal(output_of("exit 7", NULL, 0, NULL, &end), "");
	assert_string_equal(process_end_text(&end, text), "exit status 7");
}

static void
test_reap_without_waiting(void **state)
{
	const char *argv[] = {"cat", NULL};
	struct spawn_params params = {.path = "/bin/cat", .argv = argv};
	struct process_end end;
	struct spawn_fd in;
	struct err err;
	pid_t pid;
	int p[2];

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	in = (struct spawn_fd){p[0], 0};
	params.fds = &in;
	params.fd_count = 1;
	assert_int_equal(spawn_exec(&params, &pid, &err), 0);
	assert_int_equal(process_reap(pid, false, &end, &err), ERR_AGAIN);
	close(p[0]);
	close(p[1]);
	assert_int_equal(process_reap(pid, true, &end, &err), 0);
	assert_true(end.exited && end.status == 0);
	assert_true(process_reap(pid, false, &end, &err) < 0);
}

/* In a child, since there is no way back from it. */
/* The end of the group is the end of what the child has started, which holds our pipe open. */
static void
test_group_of_its_own(void **state)
{
	const char *argv[] = {"sh", "-c", "sleep 1000 & echo x; wait", NULL};
	struct spawn_fd fd;
	struct spawn_params params = {
	    .path = "/bin/sh", .argv = argv, .fds = &fd, .fd_count = 1, .own_group = true};
	struct process_end end;
	struct err err;
	pid_t pid;
	char c;
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	fd = (struct spawn_fd){p[1], 1};
	assert_int_equal(spawn_exec(&params, &pid, &err), 0);
	close(p[1]);
	assert_int_equal(read(p[0], &c, 1), 1);
	assert_int_equal(getpgid(pid), pid);
	assert_int_equal(kill(-pid, SIGKILL), 0);
	assert_int_equal(process_reap(pid, true, &end, &err), 0);
	assert_int_equal(read(p[0], &c, 1), 1);
	assert_int_equal(read(p[0], &c, 1), 0);
	close(p[0]);
}

static void
test_harden_and_limits(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		struct rlimit core = {1, 1};
		size_t fds = 0, lock = 0;
		struct err err;
		bool good = process_harden(&err) == 0 && prctl(PR_GET_DUMPABLE) == 0 &&
		    prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 &&
		    getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0 && umask(0) == 077;

		core = (struct rlimit){64, 100};
		good = good && setrlimit(RLIMIT_NOFILE, &core) == 0 &&
		    process_raise_fds(80, &fds, &err) == 0 && fds == 80 &&
		    process_raise_fds(1000, &fds, &err) == 0 && fds == 100 &&
		    process_raise_fds(50, &fds, &err) == 0 && fds == 100 &&
		    process_memlock(&lock, &err) == 0 && lock > 0;
		_exit(good ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void
test_self_path(void **state)
{
	AUTO(mem_freep)
	char *self = NULL;
	AUTO(mem_freep)
	char *sibling = NULL;
	struct err err;

	(void)state;
	assert_int_equal(self_path(&self, &err), 0);
	assert_int_equal(self_sibling("test_common_sys", &sibling, &err), 0);
	assert_string_equal(self, sibling);
	assert_int_equal(self_sibling("no_such_program", &sibling, &err), ERR_NOTFOUND);
}

static void
test_notify(void **state)
{
	static const char *const names[] = {"/", "@"};
	char text[64];

	(void)state;
	service_notify("READY=1"); /* nobody asked */
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		AUTO(fd_closep)
		int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		struct sockaddr_un address = {.sun_family = AF_UNIX};
		size_t n;

		n = (size_t)snprintf(address.sun_path, sizeof(address.sun_path), "%s%s",
		    names[i][0] == '@' ? "@" : "", in_tmp("notify"));
		setenv("NOTIFY_SOCKET", address.sun_path, 1);
		if (address.sun_path[0] == '@')
			address.sun_path[0] = '\0';
		assert_int_equal(bind(fd, (struct sockaddr *)&address,
				     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)),
		    0);
		service_notify("STATUS=%d", 42);
		assert_int_equal(recv(fd, text, sizeof(text), MSG_DONTWAIT), 9);
		assert_memory_equal(text, "STATUS=42", 9);
	}
	unsetenv("NOTIFY_SOCKET");
}

static void
test_heap_size(void **state)
{
	size_t lock = 0, size = 0;
	struct err err;

	(void)state;
	assert_int_equal(process_memlock(&lock, &err), 0);
	assert_int_equal(process_heap_size(0, &size, &err), 0);
	assert_int_equal(size, PROCESS_HEAP_MIN);
	assert_int_equal(process_heap_size(3 * PROCESS_HEAP_MIN, &size, &err), 0);
	assert_int_equal(
	    size, lock >= 4 * PROCESS_HEAP_MIN ? 2 * PROCESS_HEAP_MIN : PROCESS_HEAP_MIN);
	assert_int_equal(process_heap_size(SIZE_MAX, &size, &err), 0);
	assert_int_equal(size & (size - 1), 0);
	assert_true(size == PROCESS_HEAP_MIN || size <= lock / 2);
}

int
run_process_tests(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_only_named_descriptors),
	    cmocka_unit_test(test_environment_is_minimal),
	    cmocka_unit_test(test_signals_are_reset),
	    cmocka_unit_test(test_spawn_errors),
	    cmocka_unit_test(test_reap_without_waiting),
	    cmocka_unit_test(test_group_of_its_own),
	    cmocka_unit_test(test_harden_and_limits),
	    cmocka_unit_test(test_heap_size),
	    cmocka_unit_test(test_self_path),
	    cmocka_unit_test(test_notify),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
