#include "tests/support/rounds.h"
#include "tests/unit/common/store/store_tests.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MUTATION 4

/* Commits until it is killed, and says after each commit how far it is. */
static void
child(const char *path, uint64_t next, int out)
{
	const struct store_params params = {.path = path, .full = true};
	struct store *s = NULL;
	struct err err;

	if (store_open(&params, &s, &err) < 0)
		_exit(1);
	for (;;) {
		put_mutation(s, next, MUTATION, 2000);
		next += MUTATION;
		if (write(out, &next, sizeof(next)) != sizeof(next))
			_exit(1);
		(void)!store_checkpoint(s, &err);
	}
}

static void
test_kill(void **state)
{
	const char *name = store_tmp("kill.db");
	AUTO(mem_freep)
	char *path = mem_strdup(name);
	const int total = (int)rounds(14, 200);
	uint64_t next = 1;

	(void)state;
	for (int round = 0; round < total; round++) {
		uint64_t acked = next;
		struct store *s;
		int p[2], status;
		pid_t pid;

		assert_int_equal(pipe(p), 0);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			child(path, next, p[1]);
		close(p[1]);
		/* Some acknowledgements, then at no moment in particular. */
		for (int i = 0; i < 1 + round % 7; i++)
			assert_int_equal(read(p[0], &acked, sizeof(acked)), sizeof(acked));
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		while (read(p[0], &acked, sizeof(acked)) == (ssize_t)sizeof(acked))
			;
		close(p[0]);
		s = open_store(path, true);
		while (has_record(s, next))
			next++;
		assert_true(next >= acked);
		assert_int_equal((next - 1) % MUTATION, 0);
		store_close(s);
	}
	print_message("kill -9: %d rounds, %d records\n", total, (int)next - 1);
}

int
run_kill_tests(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_kill),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
