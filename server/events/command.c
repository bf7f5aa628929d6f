/* A command for each event: no shell, the JSON on standard input, its own process group. */

#include "common/base/str.h"
#include "common/loop/loop.h"
#include "common/sys/file.h"
#include "common/sys/process.h"
#include "server/events/receiver_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_KEPT 160 /* of what it prints, for the log */
#define GRACE_MS 2000   /* between SIGTERM and SIGKILL */
#define EXIT_REFUSED 65 /* EX_DATAERR of sysexits.h */

struct command {
	struct loop *loop;
	struct runtime *rt;
	const struct event_receiver *receiver;
	const char **argv;
	pid_t pid;
	struct loop_child *child; /* NULL: nothing runs */
	int output;
	struct loop_fd *watch;
	struct buf kept;
	struct timer timer;
	bool late, stopped;
	attempt_done_cb *done;
	void *arg;
};

struct command *
command_new(struct loop *loop, const struct event_receiver *receiver)
{
	struct command *c = mem_zalloc(sizeof(*c));

	c->loop = loop;
	c->rt = loop_runtime(loop);
	c->receiver = receiver;
	c->output = -1;
	c->kept = BUF_INIT(OUTPUT_KEPT);
	c->argv = mem_array(receiver->command.count + 1, sizeof(*c->argv));
	for (size_t i = 0; i < receiver->command.count; i++)
		c->argv[i] = receiver->command.items[i];
	return c;
}

void
command_free(struct command *c)
{
	if (c == NULL)
		return;
	CHECK(c->child == NULL);
	buf_fini(&c->kept);
	mem_free(c->argv);
	mem_free(c);
}

/* --- what it prints -------------------------------------------------------------------------- */

/* All of it is read, so that it is never held up; the first line or so is kept. */
static void
read_output(struct command *c)
{
	char piece[4096];
	ssize_t n = 1;

	/* In pieces: one that never stops printing must not hold up the loop. */
	for (unsigned i = 0; i < 16 && n > 0; i++) {
		n = read(c->output, piece, sizeof(piece));
		if (n > 0) {
			size_t room = OUTPUT_KEPT - c->kept.len;

			buf_put(&c->kept, piece, (size_t)n < room ? (size_t)n : room);
		}
	}
	if (n == 0)
		loop_fd_watch(c->watch, 0);
}

static void
on_output(void *arg, unsigned events)
{
	(void)events;
	read_output(arg);
}

/* --- its end --------------------------------------------------------------------------------- */

static void
put_end(const struct command *c, int status, struct buf *text)
{
	const struct process_end end = {
	    .exited = WIFEXITED(status),
	    .status = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status),
	};
	size_t line = 0;
	char room[64];

	if (c->late)
		buf_putf(
		    text, "ended after %lld s without an answer", (long long)c->receiver->timeout);
	else
		buf_put_str(text, process_end_text(&end, room));
	while (line < c->kept.len && c->kept.data[line] != '\n')
		line++;
	if (line > 0) {
		buf_put_str(text, ": ");
		str_put_printable(text, SPAN(c->kept.data, line), OUTPUT_KEPT);
	}
}

static void
on_exit_of(void *arg, int status)
{
	struct command *c = arg;
	struct buf text = BUF_INIT(1024);
	enum attempt_end end = ATTEMPT_FAILED;
	char room[ATTEMPT_TEXT];

	c->child = NULL;
	runtime_timer_stop(c->rt, &c->timer);
	/* Somebody that it has left behind may hold the other end: what is there now is all. */
	read_output(c);
	loop_fd_close(c->watch);
	fd_closep(&c->output);
	put_end(c, status, &text);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		end = ATTEMPT_TAKEN;
	else if (c->stopped)
		end = ATTEMPT_STOPPED;
	else if (!c->late && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_REFUSED)
		end = ATTEMPT_REFUSED;
	snprintf(room, sizeof(room), "%s", buf_str(&text));
	buf_fini(&text);
	c->done(c->arg, end, room);
}

static void
on_kill(void *arg)
{
	struct command *c = arg;

	/* It has not been reaped, so that the number is still its own. */
	(void)!kill(-c->pid, SIGKILL);
}

static void
end_child(struct command *c)
{
	(void)!kill(-c->pid, SIGTERM);
	c->timer.cb = on_kill;
	runtime_timer_start(c->rt, &c->timer, GRACE_MS);
}

static void
on_late(void *arg)
{
	struct command *c = arg;

	c->late = true;
	end_child(c);
}

void
command_stop(struct command *c)
{
	if (c->child == NULL || c->stopped)
		return;
	c->stopped = true;
	end_child(c);
}

/* --- its start ------------------------------------------------------------------------------- */

/* The whole document fits into the pipe, so that nobody waits for the child to read it. */
static int
fill_pipe(struct span document, int *out, struct err *err)
{
	int ends[2];
	ssize_t n;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_errno(err, errno, "cannot make a pipe");
	n = write(ends[1], document.data, document.len);
	(void)!fcntl(ends[0], F_SETFL, 0);
	close(ends[1]);
	if (n < 0 || (size_t)n != document.len) {
		close(ends[0]);
		return err_set(err, ERR_LIMIT, "the event does not fit into a pipe");
	}
	*out = ends[0];
	return 0;
}

static int
open_output(struct command *c, int *write_end, struct err *err)
{
	int ends[2], r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno(err, errno, "cannot make a pipe");
	r = loop_fd_open(c->loop, ends[0], on_output, c, &c->watch, err);
	if (r < 0) {
		close(ends[0]);
		close(ends[1]);
		return r;
	}
	c->output = ends[0];
	*write_end = ends[1];
	loop_fd_watch(c->watch, LOOP_READ);
	return 0;
}

static int
spawn(struct command *c, int input, int output, struct err *err)
{
	const struct spawn_fd fds[] = {{input, 0}, {output, 1}, {output, 2}};
	const struct spawn_params p = {.path = c->argv[0],
	    .argv = c->argv,
	    .fds = fds,
	    .fd_count = ARRAY_LEN(fds),
	    .own_group = true};
	int r = spawn_exec(&p, &c->pid, err);

	if (r < 0)
		return r;
	r = loop_child_open(c->loop, c->pid, on_exit_of, c, &c->child, err);
	if (r < 0) {
		struct process_end end;

		(void)!kill(-c->pid, SIGKILL);
		(void)!process_reap(c->pid, true, &end, NULL);
	}
	return r;
}

int
command_start(struct command *c, const struct attempt *attempt, attempt_done_cb *done, void *arg,
    struct err *err)
{
	AUTO(fd_closep)
	int input = -1;
	AUTO(fd_closep)
	int output = -1;
	int r;

	CHECK(c->child == NULL);
	buf_clear(&c->kept);
	c->late = c->stopped = false;
	c->done = done;
	c->arg = arg;
	if ((r = fill_pipe(attempt->document, &input, err)) < 0 ||
	    (r = open_output(c, &output, err)) < 0)
		return r;
	r = spawn(c, input, output, err);
	if (r < 0) {
		loop_fd_close(c->watch);
		fd_closep(&c->output);
		return r;
	}
	c->timer = (struct timer){.cb = on_late, .arg = c};
	runtime_timer_start(c->rt, &c->timer, (uint64_t)c->receiver->timeout * 1000);
	return 0;
}
