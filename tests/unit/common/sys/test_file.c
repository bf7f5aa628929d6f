#include "common/sys/file.h"

#include "tests/unit/common/sys/sys_tests.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

static mode_t
mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

static size_t
entries(void)
{
	DIR *dir = opendir(tmp_dir);
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n - 2;
}

static void
test_write_and_read(void **state)
{
	const char *path = in_tmp("plain");
	AUTO(buf_freep)
	struct buf *b = buf_new(100);
	struct err err;

	(void)state;
	assert_int_equal(file_write_atomic(path, 0640, span_str("one"), &err), 0);
	assert_int_equal(mode_of(path), 0640);
	assert_int_equal(file_write_atomic(path, 0604, span_str("three"), &err), 0);
	assert_int_equal(mode_of(path), 0604);
	assert_int_equal(file_read(path, 5, b, &err), 0);
	assert_string_equal(buf_str(b), "three");
	assert_int_equal(file_read(path, 4, b, &err), ERR_LIMIT);
	assert_string_equal(buf_str(b), "three");
	assert_int_equal(file_read(in_tmp("none"), 4, b, &err), ERR_NOTFOUND);
	assert_int_equal(file_read(tmp_dir, 4, b, &err), ERR_INVALID);
	assert_true(file_exists(path));
	assert_int_equal(file_rename_durable(path, in_tmp("moved"), &err), 0);
	assert_false(file_exists(path));
	assert_int_equal(file_remove(in_tmp("moved"), &err), 0);
	assert_int_equal(file_remove(in_tmp("moved"), &err), 0);
}

static void
test_a_fifo_does_not_hang(void **state)
{
	AUTO(buf_freep)
	struct buf *b = buf_new(100);
	struct err err;

	(void)state;
	assert_int_equal(mkfifo(in_tmp("fifo"), 0600), 0);
	assert_int_equal(file_read(in_tmp("fifo"), 10, b, &err), ERR_INVALID);
	unlink(in_tmp("fifo"));
}

static void
test_private_modes(void **state)
{
	static const struct {
		mode_t mode;
		int result;
	} cases[] = {
	    {0600, 0},
	    {0400, 0},
	    {0640, ERR_DENIED},
	    {0604, ERR_DENIED},
	    {0610, ERR_DENIED},
	    {0620, ERR_DENIED},
	    {0601, ERR_DENIED},
	};
	const char *path = in_tmp("key");
	struct err err;

	(void)state;
	assert_int_equal(file_write_private(path, span_str("secret"), &err), 0);
	assert_int_equal(mode_of(path), 0600);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(buf_freep)
		struct buf *b = buf_new(100);

		assert_int_equal(chmod(path, cases[i].mode), 0);
		assert_int_equal(file_read_private(path, 100, b, &err), cases[i].result);
		assert_int_equal(b->len, cases[i].result == 0 ? 6 : 0);
		if (cases[i].result < 0)
			assert_non_null(strstr(err.text, "chmod 600"));
	}
	if (geteuid() == 0) {
		AUTO(buf_freep)
		struct buf *b = buf_new(100);

		assert_int_equal(chmod(path, 0600), 0);
		assert_int_equal(chown(path, 12345, 0), 0);
		assert_int_equal(file_read_private(path, 100, b, &err), ERR_DENIED);
		assert_non_null(strstr(err.text, "12345"));
	}
	unlink(path);
}

/* A write that does not fit leaves the old file and nothing beside it. */
static void
test_failed_write_leaves_the_old(void **state)
{
	const char *path = in_tmp("full");
	static const char big[8192];
	size_t before;
	int status;
	struct err err;

	(void)state;
	assert_int_equal(file_write_private(path, span_str("old"), &err), 0);
	before = entries();
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		const struct rlimit limit = {4096, 4096};

		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &limit);
		_exit(file_write_private(path, SPAN_OF(big), &err) < 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(entries(), before);
	{
		AUTO(buf_freep)
		struct buf *b = buf_new(100);

		assert_int_equal(file_read_private(path, 100, b, &err), 0);
		assert_string_equal(buf_str(b), "old");
	}
	unlink(path);
	assert_int_equal(
	    file_write_private(in_tmp("no/such/dir"), span_str("x"), &err), ERR_NOTFOUND);
}

static void
test_directories(void **state)
{
	const char *path = in_tmp("data");
	struct err err;

	(void)state;
	assert_int_equal(dir_make_private(path, &err), 0);
	assert_int_equal(mode_of(path), 0700);
	assert_int_equal(chmod(path, 0777), 0);
	assert_int_equal(dir_make_private(path, &err), 0);
	assert_int_equal(mode_of(path), 0755);
	assert_int_equal(dir_make_private(in_tmp("a/b"), &err), ERR_NOTFOUND);
	assert_int_equal(file_write_atomic(in_tmp("file"), 0600, span_str(""), &err), 0);
	assert_true(dir_make_private(in_tmp("file"), &err) < 0);
	unlink(in_tmp("file"));
}

static void
test_lock_names_the_holder(void **state)
{
	AUTO(fd_closep)
	int first = -1, second = -1;
	char pid[24];
	struct err err;

	(void)state;
	assert_int_equal(dir_lock(in_tmp("data"), &first, &err), 0);
	assert_int_equal(dir_lock(in_tmp("data"), &second, &err), ERR_BUSY);
	snprintf(pid, sizeof(pid), "process %ld", (long)getpid());
	assert_non_null(strstr(err.text, pid));
	assert_int_equal(second, -1);
	fd_closep(&first);
	assert_int_equal(dir_lock(in_tmp("data"), &second, &err), 0);
	assert_true((fcntl(second, F_GETFD) & FD_CLOEXEC) != 0);
}

int
run_file_tests(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_write_and_read),
	    cmocka_unit_test(test_a_fifo_does_not_hang),
	    cmocka_unit_test(test_private_modes),
	    cmocka_unit_test(test_failed_write_leaves_the_old),
	    cmocka_unit_test(test_directories),
	    cmocka_unit_test(test_lock_names_the_holder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
