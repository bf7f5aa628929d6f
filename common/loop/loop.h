#ifndef COMMON_LOOP_LOOP_H
#define COMMON_LOOP_LOOP_H

/*
 * The event loop: struct runtime over libuv, and what needs descriptors, signals, children or
 * threads besides. A loop belongs to the thread that runs it; every function here is called on that
 * thread, except loop_post and loop_stop, which any thread may call, and every callback but job.run
 * comes on it. Callbacks never come from inside the call that asked for them, and none comes after
 * the matching close has returned, so that the caller's memory may go at once.
 */

#include "common/base/err.h"
#include "common/base/runtime.h"

struct loop;

/* Before any other thread is started for it: the creator uses it until loop_run. ERR_IO. */
NODISCARD int loop_new(struct loop **out, struct err *err);
struct runtime *loop_runtime(struct loop *l); /* borrowed, lives as long as the loop */

/* Runs until loop_stop. May be called again. */
void loop_run(struct loop *l);
/* One turn: what is due, and when wait is set, waits for the first thing to happen. */
void loop_turn(struct loop *l, bool wait);
/* Ends loop_run after the present turn. Any thread; a stop before loop_run ends it at once. */
void loop_stop(struct loop *l);
/*
 * Waits for jobs that are still running, calls their done(), and CHECKs that nothing else is open:
 * every watch, signal and child closed by its owner, every post delivered. Armed timers are
 * forgotten. NULL is fine.
 */
void loop_free(struct loop *l);
DEFINE_FREEP(struct loop, loop_free)

/*
 * A call from another thread. The caller owns the struct, which lies in whatever it is about, and
 * leaves it alone until cb is called; posts come in order.
 */
struct posted {
	void (*cb)(struct posted *p);
	struct posted *next;
	bool queued;
};
void loop_post(struct loop *l, struct posted *p);

/*
 * A job off the loop, in no order with other jobs (runtime_work keeps order): parsing keys,
 * verifying. Two threads, started at the first job.
 */
void loop_background(struct loop *l, struct job *job);

/* Readiness of a descriptor. The descriptor stays the caller's, who closes it after the watch. */
#define LOOP_READ 1U
#define LOOP_WRITE 2U
#define LOOP_ERROR 4U /* reset or closed by the peer both ways; the watch has stopped */

struct loop_fd;
typedef void loop_fd_cb(void *arg, unsigned events);

/* Nothing is watched at first. Makes fd nonblocking. ERR_IO, e.g. for a regular file. */
NODISCARD int loop_fd_open(
    struct loop *l, int fd, loop_fd_cb *cb, void *arg, struct loop_fd **out, struct err *err);
/* What to be called for; 0 is nothing. Level-triggered. Free of cost when unchanged. */
void loop_fd_watch(struct loop_fd *w, unsigned mask);
void loop_fd_close(struct loop_fd *w);

/* Signals, as an ordinary call on the loop. Not for SIGCHLD. */
struct loop_signal;
NODISCARD int loop_signal_open(struct loop *l, int signum, void (*cb)(void *arg, int signum),
    void *arg, struct loop_signal **out, struct err *err);
void loop_signal_close(struct loop_signal *s);

/*
 * The end of a child process, told once with the status of waitpid; the watch is closed then. Only
 * that pid is waited for; a status of -1 means that somebody else did. Closing earlier leaves the
 * child to the caller.
 */
struct loop_child;
NODISCARD int loop_child_open(struct loop *l, int64_t pid, void (*cb)(void *arg, int status),
    void *arg, struct loop_child **out, struct err *err);
void loop_child_close(struct loop_child *c);

/* A thread that runs a loop. Signals are blocked in it. */
struct loop_thread;
NODISCARD int loop_thread_start(
    struct loop *l, const char *name, struct loop_thread **out, struct err *err);
/* Waits until the loop has been stopped; the loop then belongs to the caller again. */
void loop_thread_join(struct loop_thread *t);

#endif
