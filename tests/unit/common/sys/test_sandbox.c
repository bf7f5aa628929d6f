#include "common/sys/sandbox.h"

#include "common/base/base.h"
#include "tests/unit/common/sys/sys_tests.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int channel[2];

static void
try_network(void)
{
	(void)!socket(AF_INET, SOCK_STREAM, 0);
}

static void
try_write_file(void)
{
	(void)!open("/tmp/never", O_WRONLY | O_CREAT, 0600);
}

static void
try_connect(void)
{
	(void)!connect(channel[0], NULL, 0);
}

#ifndef CERTHERD_SANITIZED
static void
try_read_file(void)
{
	(void)!open("/etc/passwd", O_RDONLY);
}

static void
try_exec(void)
{
	char *argv[] = {NULL};

	execve("/bin/true", argv, argv);
}

static void
try_process(void)
{
	(void)!fork();
}

static void
try_executable_memory(void)
{
	(void)!mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void
try_make_executable(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)!mprotect(p, 4096, PROT_READ | PROT_EXEC);
}

static void
try_trace(void)
{
	(void)!syscall(SYS_ptrace, 0, 0, 0, 0);
}
#endif

static void *
network_in_thread(void *arg)
{
	char byte;

	(void)arg;
	(void)!read(channel[1], &byte, 1); /* until the sandbox is closed */
	try_network();
	return NULL;
}

static const struct {
	const char *name;
	void (*call)(void);
} forbidden[] = {
    {"socket", try_network},
    {"open for writing", try_write_file},
    {"connect", try_connect},
#ifndef CERTHERD_SANITIZED
    {"open", try_read_file},
    {"execve", try_exec},
    {"fork", try_process},
    {"executable mmap", try_executable_memory},
    {"mprotect", try_make_executable},
    {"ptrace", try_trace},
#endif
};

static int
status_of(pid_t pid)
{
	int status;

	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void
test_everything_else_ends_the_process(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(forbidden); i++) {
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			struct err err;

			if (sandbox_signer(&err) < 0)
				_exit(9);
			forbidden[i].call();
			_exit(0);
		}
		status = status_of(pid);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
			fail_msg("%s gave status %x", forbidden[i].name, (unsigned)status);
	}
}

static void
test_threads_made_before_are_inside(void **state)
{
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		pthread_t thread;
		struct err err;

		if (pthread_create(&thread, NULL, network_in_thread, NULL) != 0 ||
		    sandbox_signer(&err) < 0 || write(channel[0], "x", 1) != 1)
			_exit(9);
		pthread_join(thread, NULL);
		_exit(0);
	}
	assert_int_equal(WTERMSIG(status_of(pid)), SIGSYS);
}

static void *
work_in_thread(void *arg)
{
	uint8_t *p;

	for (size_t i = 1; i < 200; i++) {
		p = mem_zalloc(i * 1021);
		if (getrandom(p, 16, 0) != 16)
			return NULL;
		mem_free(p);
	}
	sched_yield();
	return arg;
}

/* What the signer does all day: read, think in threads, answer; and die loudly. */
static void
test_work_goes_on(void **state)
{
	char text[16] = "";
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		pthread_t threads[4];
		struct err err;
		void *result = NULL;
		bool good = sandbox_signer(&err) == 0;

		for (size_t i = 0; good && i < ARRAY_LEN(threads); i++)
			good = pthread_create(&threads[i], NULL, work_in_thread, &good) == 0;
		for (size_t i = 0; good && i < ARRAY_LEN(threads); i++)
			good = pthread_join(threads[i], &result) == 0 && result == &good;
		good = good && recv(channel[1], text, 5, 0) == 5 &&
		    send(channel[1], "done", 4, 0) == 4;
		_exit(good ? 0 : 1);
	}
	assert_int_equal(write(channel[0], "hello", 5), 5);
	assert_int_equal(status_of(pid), 0);
	assert_int_equal(read(channel[0], text, sizeof(text)), 4);
	assert_memory_equal(text, "done", 4);

	pid = fork();
	if (pid == 0) {
		struct err err;

		if (sandbox_signer(&err) < 0)
			_exit(9);
		signal(SIGABRT, SIG_DFL);
		abort();
	}
	assert_int_equal(WTERMSIG(status_of(pid)), SIGABRT);
}

int
run_sandbox_tests(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_everything_else_ends_the_process),
	    cmocka_unit_test(test_threads_made_before_are_inside),
	    cmocka_unit_test(test_work_goes_on),
	};
	int failed;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, channel) < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	close(channel[0]);
	close(channel[1]);
	return failed;
}
