#include "server/cli/init.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

/* init has at most the server and the joining replica at a time. */
#define CHILDREN_MAX 4

static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
static struct sigaction before[ARRAY_LEN(signals)];
static unsigned depth; /* of begins without their end */

/* Shared with the handler. */
static volatile sig_atomic_t came, second_ends;
static volatile pid_t children[CHILDREN_MAX];

/* The first asks the children to end; whoever asks again is in a hurry. */
static void
on_signal(int number)
{
	int saved = errno, with = came == 0 ? SIGTERM : SIGKILL;

	if (came != 0 && second_ends != 0) {
		const struct sigaction end = {.sa_handler = SIG_DFL};

		sigaction(number, &end, NULL);
		raise(number); /* comes when this handler has ended */
	}
	came = number;
	for (size_t i = 0; i < CHILDREN_MAX; i++)
		if (children[i] > 0)
			kill(children[i], with);
	errno = saved;
}

void
interrupt_begin(void)
{
	/* No SA_RESTART: what waits for a person is to notice. */
	const struct sigaction on = {.sa_handler = on_signal};

	if (depth++ > 0)
		return;
	came = 0;
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		sigaction(signals[i], &on, &before[i]);
}

void
interrupt_end(void)
{
	if (--depth > 0)
		return;
	second_ends = 0;
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		sigaction(signals[i], &before[i], NULL);
}

void
interrupt_second_ends(void)
{
	second_ends = 1;
}

bool
interrupt_came(void)
{
	return came != 0;
}

int
interrupt_check(struct err *err)
{
	return came == 0 ? 0 : err_set(err, ERR_CANCELED, "interrupted");
}

static void
swap_child(pid_t from, pid_t to)
{
	for (size_t i = 0; i < CHILDREN_MAX; i++)
		if (children[i] == from) {
			children[i] = to;
			return;
		}
}

int
interrupt_spawn(const struct spawn_params *params, pid_t *pid, struct err *err)
{
	int r = interrupt_check(err);

	if (r == 0)
		r = spawn_exec(params, pid, err);
	if (r < 0)
		return r;
	swap_child(0, *pid);
	/* The signal came between the start and the note of it. */
	if (came != 0)
		kill(*pid, SIGTERM);
	return 0;
}

int
interrupt_reap(pid_t pid, bool wait, struct process_end *out, struct err *err)
{
	int r = process_reap(pid, wait, out, err);

	if (r == 0)
		swap_child(pid, 0);
	return r;
}

int
interrupt_wait_input(int fd, struct err *err)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	sigset_t ours, mask;

	/* Blocked between the look and the wait, so that none is missed. */
	sigemptyset(&ours);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		sigaddset(&ours, signals[i]);
	sigprocmask(SIG_BLOCK, &ours, &mask);
	while (came == 0 && ppoll(&p, 1, NULL, &mask) < 0 && errno == EINTR)
		;
	sigprocmask(SIG_SETMASK, &mask, NULL);
	return interrupt_check(err);
}
