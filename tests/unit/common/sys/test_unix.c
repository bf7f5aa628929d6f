#include "common/sys/unix.h"

#include "common/sys/file.h"
#include "tests/unit/common/sys/sys_tests.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int
connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(address.sun_path, path, strlen(path) + 1);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

static void
test_listen(void **state)
{
	static const mode_t modes[] = {0600, 0660, 0666, 0700};
	const char *path = in_tmp("api.sock");
	struct stat st;
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		AUTO(fd_closep)
		int fd = -1, second = -1, client = -1, served = -1;
		struct sys_peer peer;

		/* The socket of the round before is there, and stale. */
		assert_int_equal(sys_unix_listen(path, modes[i], SYS_NO_GROUP, &fd, &err), 0);
		assert_int_equal(lstat(path, &st), 0);
		assert_int_equal(st.st_mode & 07777, modes[i]);
		assert_int_equal(
		    sys_unix_listen(path, modes[i], SYS_NO_GROUP, &second, &err), ERR_BUSY);
		client = connect_to(path);
		assert_true(client >= 0);
		/* The first one in the queue is the try of the second listener. */
		for (int n = 0; n < 2; n++) {
			fd_closep(&served);
			served = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
			assert_true(served >= 0);
		}
		assert_int_equal(sys_peer_uid_gid(served, &peer, &err), 0);
		assert_int_equal(peer.uid, geteuid());
		assert_int_equal(peer.gid, getegid());
		assert_int_equal(peer.pid, getpid());
		assert_true(sys_peer_in_group(&peer, getegid()));
		assert_false(sys_peer_in_group(&peer, 54321));
	}
}

static void
test_listen_errors(void **state)
{
	char longer[200];
	struct err err;
	int fd = -1;

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(sys_unix_listen(longer, 0600, SYS_NO_GROUP, &fd, &err), ERR_LIMIT);
	assert_int_equal(file_write_private(in_tmp("occupied"), span_str("x"), &err), 0);
	assert_int_equal(
	    sys_unix_listen(in_tmp("occupied"), 0600, SYS_NO_GROUP, &fd, &err), ERR_EXISTS);
	assert_true(file_exists(in_tmp("occupied")));
	assert_int_equal(
	    sys_unix_listen(in_tmp("no/dir"), 0600, SYS_NO_GROUP, &fd, &err), ERR_NOTFOUND);
	assert_int_equal(fd, -1);
}

static void
test_socketpair(void **state)
{
	struct err err;
	char c = 0;
	int fds[2];

	(void)state;
	assert_int_equal(sys_socketpair(fds, &err), 0);
	assert_true((fcntl(fds[0], F_GETFD) & FD_CLOEXEC) != 0);
	assert_int_equal(write(fds[0], "a", 1), 1);
	assert_int_equal(read(fds[1], &c, 1), 1);
	close(fds[0]);
	close(fds[1]);
}

int
run_unix_tests(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_listen),
	    cmocka_unit_test(test_listen_errors),
	    cmocka_unit_test(test_socketpair),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
