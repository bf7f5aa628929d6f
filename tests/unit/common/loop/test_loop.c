#include "common/loop/loop.h"
#include "tests/support/wait.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int
setup(void **state)
{
	struct err err;

	return loop_new((struct loop **)state, &err);
}

static int
teardown(void **state)
{
	loop_free(*state);
	return 0;
}

/* Letters that callbacks leave, to compare their order. */
struct trace {
	struct loop *loop;
	char text[32];
	size_t len;
};

static void
put(struct trace *t, char c)
{
	assert_true(t->len < sizeof(t->text) - 1);
	t->text[t->len++] = c;
}

struct mark {
	struct timer timer;
	struct trace *trace;
	char letter;
};

static void
on_mark(void *arg)
{
	struct mark *m = arg;

	put(m->trace, m->letter);
}

static bool
has_three(void *arg)
{
	return ((struct trace *)arg)->len == 3;
}

static void
test_timers_in_order(void **state)
{
	struct trace t = {.loop = *state};
	struct runtime *rt = loop_runtime(t.loop);
	static const uint64_t delays[] = {12, 0, 5, 3};
	struct mark marks[4];
	uint64_t start = runtime_mono_ms(rt);

	for (size_t i = 0; i < 4; i++) {
		marks[i] = (struct mark){.trace = &t, .letter = (char)('a' + i)};
		marks[i].timer.cb = on_mark;
		marks[i].timer.arg = &marks[i];
		runtime_timer_start(rt, &marks[i].timer, delays[i]);
	}
	assert_int_equal(t.len, 0);
	runtime_timer_stop(rt, &marks[3].timer);
	assert_true(wait_until(t.loop, has_three, &t));
	assert_string_equal(t.text, "bca");
	assert_true(runtime_mono_ms(rt) - start >= 12);
}

struct spinner {
	struct timer timer;
	struct runtime *rt;
	unsigned count;
};

static void
on_spin(void *arg)
{
	struct spinner *s = arg;

	s->count++;
	runtime_timer_start(s->rt, &s->timer, 0);
}

static void
on_readable(void *arg, unsigned events)
{
	if ((events & LOOP_READ) != 0)
		*(bool *)arg = true;
}

/* A timer of 0 ms that arms itself again must not keep descriptors waiting. */
static void
test_zero_timer_starves_nobody(void **state)
{
	struct loop *l = *state;
	struct spinner s = {.rt = loop_runtime(l)};
	struct loop_fd *w;
	struct err err;
	bool readable = false;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(loop_fd_open(l, fds[0], on_readable, &readable, &w, &err), 0);
	loop_fd_watch(w, LOOP_READ);
	s.timer.cb = on_spin;
	s.timer.arg = &s;
	runtime_timer_start(s.rt, &s.timer, 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	for (int i = 0; i < 5 && !readable; i++)
		loop_turn(l, false);
	assert_true(readable);
	assert_in_range(s.count, 1, 5);
	runtime_timer_stop(s.rt, &s.timer);
	loop_fd_close(w);
	close(fds[0]);
	close(fds[1]);
}

struct step {
	struct job job;
	struct trace *trace;
	pthread_t ran_on;
	char letter;
};

static void
run_step(struct job *job)
{
	CONTAINER_OF(job, struct step, job)->ran_on = pthread_self();
}

static void
step_done(struct job *job)
{
	struct step *s = CONTAINER_OF(job, struct step, job);

	put(s->trace, s->letter);
}

static void
test_work_keeps_order(void **state)
{
	struct trace t = {.loop = *state};
	struct step steps[3];

	for (size_t i = 0; i < 3; i++) {
		steps[i] = (struct step){.job = {.run = run_step, .done = step_done},
		    .trace = &t,
		    .letter = (char)('a' + i)};
		runtime_work(loop_runtime(t.loop), &steps[i].job);
	}
	assert_int_equal(t.len, 0);
	assert_true(wait_until(t.loop, has_three, &t));
	assert_string_equal(t.text, "abc");
	for (size_t i = 0; i < 3; i++) {
		assert_false(pthread_equal(steps[i].ran_on, pthread_self()));
		assert_true(pthread_equal(steps[i].ran_on, steps[0].ran_on));
	}
}

/* Each of two jobs waits for the other one to run: only two threads can end them. */
static pthread_barrier_t both;

static void
meet(struct job *job)
{
	(void)job;
	pthread_barrier_wait(&both);
}

static void
test_background_has_two_threads(void **state)
{
	struct trace t = {.loop = *state};
	struct step steps[3];

	pthread_barrier_init(&both, NULL, 2);
	for (size_t i = 0; i < 3; i++) {
		steps[i] = (struct step){.job = {.run = i < 2 ? meet : run_step, .done = step_done},
		    .trace = &t,
		    .letter = 'x'};
		loop_background(t.loop, &steps[i].job);
	}
	assert_true(wait_until(t.loop, has_three, &t));
	pthread_barrier_destroy(&both);
}

/* A job that is still running when the loop is freed is waited for, and its done() comes. */
static void
test_free_waits_for_jobs(void **state)
{
	struct trace t = {0};
	struct step step = {
	    .job = {.run = run_step, .done = step_done}, .trace = &t, .letter = 'j'};
	struct err err;

	(void)state;
	assert_int_equal(loop_new(&t.loop, &err), 0);
	runtime_work(loop_runtime(t.loop), &step.job);
	loop_free(t.loop);
	assert_string_equal(t.text, "j");
}

struct note {
	struct posted posted;
	struct trace *trace;
	char letter;
};

static void
on_note(struct posted *p)
{
	struct note *n = CONTAINER_OF(p, struct note, posted);

	put(n->trace, n->letter);
}

struct poster {
	struct loop *loop;
	struct note notes[3];
};

static void *
post_all(void *arg)
{
	struct poster *p = arg;

	for (size_t i = 0; i < 3; i++)
		loop_post(p->loop, &p->notes[i].posted);
	return NULL;
}

static void
test_posts_from_another_thread(void **state)
{
	struct trace t = {.loop = *state};
	struct poster p = {.loop = *state};
	pthread_t thread;

	for (size_t i = 0; i < 3; i++)
		p.notes[i] = (struct note){
		    .posted = {.cb = on_note}, .trace = &t, .letter = (char)('a' + i)};
	assert_int_equal(pthread_create(&thread, NULL, post_all, &p), 0);
	assert_true(wait_until(t.loop, has_three, &t));
	pthread_join(thread, NULL);
	assert_string_equal(t.text, "abc");
	for (size_t i = 0; i < 3; i++)
		assert_false(p.notes[i].posted.queued);
}

struct reset {
	struct loop_fd *watch;
	unsigned events;
	bool seen;
};

static void
on_reset(void *arg, unsigned events)
{
	struct reset *r = arg;

	r->events |= events;
	r->seen = true;
	loop_fd_close(MOVE(r->watch));
}

/* Closing the watch in its own callback, and the descriptor right behind it. */
static void
test_watch_closed_in_callback(void **state)
{
	struct loop *l = *state;
	struct reset r = {0};
	struct err err;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(loop_fd_open(l, fds[0], on_reset, &r, &r.watch, &err), 0);
	loop_fd_watch(r.watch, LOOP_READ);
	loop_fd_watch(r.watch, LOOP_READ | LOOP_WRITE);
	loop_fd_watch(r.watch, 0);
	loop_turn(l, false);
	assert_false(r.seen);
	loop_fd_watch(r.watch, LOOP_READ);
	close(fds[1]);
	assert_true(wait_until(l, wait_flag, &r.seen));
	assert_null(r.watch);
	close(fds[0]);
}

static void
test_watch_refuses_files(void **state)
{
	struct loop_fd *w = NULL;
	struct err err;
	FILE *f = tmpfile();

	assert_non_null(f);
	assert_int_equal(loop_fd_open(*state, fileno(f), on_reset, NULL, &w, &err), ERR_IO);
	assert_null(w);
	fclose(f);
}

static void
on_usr1(void *arg, int signum)
{
	assert_int_equal(signum, SIGUSR1);
	*(bool *)arg = true;
}

static void
test_signal(void **state)
{
	struct loop_signal *s;
	struct err err;
	bool seen = false;

	assert_int_equal(loop_signal_open(*state, SIGUSR1, on_usr1, &seen, &s, &err), 0);
	kill(getpid(), SIGUSR1);
	assert_true(wait_until(*state, wait_flag, &seen));
	loop_signal_close(s);
}

struct end {
	int status;
	bool seen;
};

static void
on_end(void *arg, int status)
{
	struct end *e = arg;

	e->status = status;
	e->seen = true;
}

/* The child of one watch is reaped, another child of the process is left alone. */
static void
test_child(void **state)
{
	struct loop_child *c;
	struct end end = {0};
	struct err err;
	pid_t mine, other;
	int status;

	other = fork();
	if (other == 0)
		_exit(4);
	mine = fork();
	if (mine == 0)
		_exit(3);
	assert_int_equal(loop_child_open(*state, mine, on_end, &end, &c, &err), 0);
	assert_true(wait_until(*state, wait_flag, &end.seen));
	assert_true(WIFEXITED(end.status));
	assert_int_equal(WEXITSTATUS(end.status), 3);
	assert_int_equal(waitpid(other, &status, 0), other);
	assert_int_equal(WEXITSTATUS(status), 4);
}

static void
test_child_that_ended_before(void **state)
{
	struct loop_child *c;
	struct end end = {0};
	struct err err;
	siginfo_t info;
	pid_t pid = fork();

	if (pid == 0)
		_exit(5);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(loop_child_open(*state, pid, on_end, &end, &c, &err), 0);
	assert_true(wait_until(*state, wait_flag, &end.seen));
	assert_int_equal(WEXITSTATUS(end.status), 5);
	pid = fork();
	if (pid == 0)
		_exit(0);
	end.seen = false;
	assert_int_equal(loop_child_open(*state, pid, on_end, &end, &c, &err), 0);
	loop_child_close(c);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_false(end.seen);
}

struct other_loop {
	struct posted posted;
	struct loop *loop, *home;
	struct note reply;
};

static void
on_other(struct posted *p)
{
	struct other_loop *o = CONTAINER_OF(p, struct other_loop, posted);

	loop_post(o->home, &o->reply.posted);
	loop_stop(o->loop);
}

static bool
has_one(void *arg)
{
	return ((struct trace *)arg)->len == 1;
}

static void
test_second_loop_in_a_thread(void **state)
{
	struct trace t = {.loop = *state};
	struct other_loop o = {.posted = {.cb = on_other}, .home = *state};
	struct loop_thread *thread;
	struct err err;

	o.reply = (struct note){.posted = {.cb = on_note}, .trace = &t, .letter = 'r'};
	assert_int_equal(loop_new(&o.loop, &err), 0);
	assert_int_equal(loop_thread_start(o.loop, "other", &thread, &err), 0);
	loop_post(o.loop, &o.posted);
	assert_true(wait_until(t.loop, has_one, &t));
	loop_thread_join(thread);
	loop_free(o.loop);
}

static void
test_stop_before_run(void **state)
{
	struct loop *l = *state;

	loop_stop(l);
	loop_run(l);
}

static void
test_clock_and_random(void **state)
{
	struct runtime *rt = loop_runtime(*state);
	uint8_t a[32] = {0}, b[32] = {0};

	assert_true(runtime_wall_s(rt) > INT64_C(1700000000));
	runtime_random(rt, a, sizeof(a));
	runtime_random(rt, b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_timers_in_order, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_zero_timer_starves_nobody, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_work_keeps_order, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_background_has_two_threads, setup, teardown),
	    cmocka_unit_test(test_free_waits_for_jobs),
	    cmocka_unit_test_setup_teardown(test_posts_from_another_thread, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_watch_closed_in_callback, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_watch_refuses_files, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_signal, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_child, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_child_that_ended_before, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_second_loop_in_a_thread, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_stop_before_run, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_clock_and_random, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
