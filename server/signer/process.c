#include "server/signer/process_priv.h"

#include "common/base/limits.h"
#include "common/log/log.h"
#include "common/sys/file.h"
#include "common/sys/process.h"
#include "common/sys/unix.h"
#include "server/signer/serve.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#define RESTART_FIRST_MS 100
#define RESTART_MOST_MS 10000
#define STEADY_MS 10000 /* of work, after which a death is not part of a series */
#define SILENT_MS 60000 /* no reply at all for that long: it hangs */
#define CLOSE_MS 5000   /* to end by itself */
#define INTRODUCTION_WINDOW (8U * 1024 * 1024) /* of it, waiting to be written */

static const struct sm_state lives[] = {
    [LIFE_DOWN] = {"down", SM_TO(LIFE_LEARNING) | SM_TO(LIFE_DYING)},
    [LIFE_LEARNING] = {"learning", SM_TO(LIFE_READY) | SM_TO(LIFE_DYING)},
    [LIFE_READY] = {"ready", SM_TO(LIFE_DYING)},
    [LIFE_DYING] = {"dying", SM_TO(LIFE_DOWN)},
};
_Static_assert(ARRAY_LEN(lives) == LIFE__COUNT, "every state has its line");

/* One request of the introduction. */
struct introduction {
	struct signer_call call;
	struct signer_process *s;
	struct introduction *next;
	struct buf request;
};

/* --- a life --- */

static void
introduction_free(struct introduction *i)
{
	buf_fini(&i->request);
	mem_free(i);
}

static void
drop_introductions(struct signer_process *s)
{
	while (s->waiting != NULL) {
		struct introduction *next = s->waiting->next;

		introduction_free(s->waiting);
		s->waiting = next;
	}
}

/* The end of the child, as its main process decides or finds it. */
void
process_drop(struct signer_process *s, enum err_code code, const char *why)
{
	struct err err;

	if (s->life.state != LIFE_LEARNING && s->life.state != LIFE_READY)
		return;
	if (s->life.state == LIFE_READY && runtime_mono_ms(s->rt) - s->ready_at >= STEADY_MS)
		backoff_reset(&s->backoff);
	sm_move(&s->life, LIFE_DYING);
	s->stats.ready = false;
	runtime_timer_stop(s->rt, &s->silence);
	loop_fd_close(s->watch);
	s->watch = NULL;
	fd_closep(&s->fd);
	runtime_timer_start(s->rt, &s->kill, s->closing ? CLOSE_MS : 0);
	err_set(&err, code, "%s", why);
	snprintf(s->why, sizeof(s->why), "%s", why);
	if (!s->closing && s->p.lost != NULL)
		s->p.lost(s->p.arg, &err);
	/* What it says against its start is no answer to what others have asked. */
	process_fail_all(s, s->closing ? ERR_CANCELED : ERR_UNAVAIL, why);
}

/* A child that lost its socket has nothing left to do. */
static void
kill_child(void *arg)
{
	struct signer_process *s = arg;

	if (s->pid > 0)
		(void)kill(s->pid, SIGKILL);
}

static void
finish_close(void *arg)
{
	struct signer_process *s = arg;
	void (*closed)(void *) = s->closed;
	void *closed_arg = s->closed_arg;

	runtime_timer_stop(s->rt, &s->restart);
	runtime_timer_stop(s->rt, &s->silence);
	runtime_timer_stop(s->rt, &s->kill);
	drop_introductions(s);
	buf_fini(&s->in);
	buf_fini(&s->out);
	buf_fini(&s->held);
	buf_free(s->start_done);
	map_free(s->pending);
	mem_free(s);
	if (closed != NULL)
		closed(closed_arg);
}

static void
child_gone(void *arg, int status)
{
	struct signer_process *s = arg;
	struct process_end end = {.exited = WIFEXITED(status),
	    .status = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status)};
	char text[64];
	uint64_t wait;

	s->child = NULL;
	process_drop(s, ERR_UNAVAIL, "the signer died");
	runtime_timer_stop(s->rt, &s->kill);
	s->pid = 0;
	s->stats.pid = 0;
	sm_move(&s->life, LIFE_DOWN);
	if (s->closing) {
		finish_close(s);
		return;
	}
	wait = backoff_next(&s->backoff, s->rt);
	log_error("signer", "%s (%s); the next one starts in %" PRIu64 " ms", s->why,
	    status >= 0 ? process_end_text(&end, text) : "unknown", wait);
	runtime_timer_start(s->rt, &s->restart, wait);
}

/* Replies must come; how long one operation takes says nothing, others may be in front of it. */
static void
check_silence(void *arg)
{
	struct signer_process *s = arg;

	if (map_count(s->pending) > 0 && runtime_mono_ms(s->rt) - s->heard_at >= SILENT_MS) {
		process_drop(s, ERR_UNAVAIL, "the signer does not answer");
		return;
	}
	runtime_timer_start(s->rt, &s->silence, SILENT_MS / 2);
}

/* --- introduction --- */

static void
send_introduction(struct signer_process *s)
{
	struct introduction *i = s->waiting;
	struct err err;

	s->waiting = i->next;
	if (process_send(s, &i->call, buf_span(&i->request), &err) == 0) {
		s->introductions++;
		return;
	}
	introduction_free(i);
	process_drop(s, ERR_LIMIT, err.text);
}

static void
become_ready(struct signer_process *s)
{
	sm_move(&s->life, LIFE_READY);
	s->stats.ready = true;
	s->ready_at = runtime_mono_ms(s->rt);
	log_info("signer", "pid=%d ready", (int)s->pid);
	if (s->p.ready != NULL)
		s->p.ready(s->p.arg, buf_span(s->start_done));
}

/* The first answer is that to Start; what it does not refuse is followed by all the rest. */
static void
introduced(struct signer_call *call, int status, struct span done, const struct err *err)
{
	struct introduction *i = call->arg;
	struct signer_process *s = i->s;
	char why[ERR_TEXT_MAX];

	introduction_free(i);
	s->introductions--;
	if (s->life.state != LIFE_LEARNING)
		return;
	if (status < 0) {
		snprintf(why, sizeof(why), "the signer does not start: %s", err->text);
		process_drop(s, (enum err_code)status, why);
		return;
	}
	if (s->start_done->len == 0)
		buf_put_span(s->start_done, done);
	/* Each answer makes room for more: a large domain's is longer than what may wait. */
	while (s->waiting != NULL && s->out.len < INTRODUCTION_WINDOW &&
	    s->life.state == LIFE_LEARNING)
		send_introduction(s);
	if (s->waiting != NULL || s->life.state != LIFE_LEARNING)
		return;
	process_send_held(s);
	if (s->introductions == 0)
		become_ready(s);
}

static void
add_introduction(void *add_arg, struct span request)
{
	struct signer_process *s = add_arg;
	struct introduction *i = mem_zalloc(sizeof(*i)), **at = &s->waiting;

	i->s = s;
	i->call = (struct signer_call){.cb = introduced, .arg = i};
	i->request = BUF_INIT(LIMIT_SIGNER_FRAME);
	buf_put_span(&i->request, request);
	while (*at != NULL)
		at = &(*at)->next;
	*at = i;
}

/* --- starting --- */

static int
spawn(struct signer_process *s, struct err *err)
{
	int pair[2] = {-1, -1};
	AUTO(fd_closep)
	int key = -1;
	int r = file_open_private(s->p.key_path, &key, err);

	if (r == 0)
		r = sys_socketpair(pair, err);
	if (r == 0) {
		const struct spawn_fd fds[] = {{pair[1], SIGNER_SOCKET_FD}, {key, SIGNER_KEY_FD}};
		const struct spawn_params params = {
		    .path = s->p.path, .argv = s->p.argv, .fds = fds, .fd_count = ARRAY_LEN(fds)};

		r = spawn_exec(&params, &s->pid, err);
	}
	fd_closep(&pair[1]);
	if (r < 0) {
		fd_closep(&pair[0]);
		return r;
	}
	s->fd = pair[0];
	return 0;
}

/* 0: there is a child; what fails after that shows as its end. */
static int
start_life(struct signer_process *s, struct err *err)
{
	int r;

	buf_clear(&s->in);
	buf_clear(&s->out);
	buf_clear(&s->held);
	s->introductions = 0;
	r = spawn(s, err);
	if (r < 0)
		return r;
	s->stats.pid = s->pid;
	s->stats.starts++;
	r = loop_child_open(s->p.loop, s->pid, child_gone, s, &s->child, err);
	if (r == 0)
		r = loop_fd_open(s->p.loop, s->fd, process_on_socket, s, &s->watch, err);
	if (r < 0) {
		/* Without its socket it ends; nobody waits for it if even that failed. */
		fd_closep(&s->fd);
		if (s->child == NULL)
			return r;
		sm_move(&s->life, LIFE_DYING);
		return 0;
	}
	sm_move(&s->life, LIFE_LEARNING);
	loop_fd_watch(s->watch, LOOP_READ);
	s->heard_at = runtime_mono_ms(s->rt);
	runtime_timer_start(s->rt, &s->silence, SILENT_MS / 2);
	drop_introductions(s);
	buf_clear(s->start_done);
	s->p.introduce(s->p.arg, add_introduction, s);
	CHECK(s->waiting != NULL);
	send_introduction(s);
	return 0;
}

static void
start_child(void *arg)
{
	struct signer_process *s = arg;
	struct err err;

	if (start_life(s, &err) < 0) {
		uint64_t wait = backoff_next(&s->backoff, s->rt);

		log_error(
		    "signer", "cannot start it: %s; tried again in %" PRIu64 " ms", err.text, wait);
		if (s->p.lost != NULL)
			s->p.lost(s->p.arg, &err);
		runtime_timer_start(s->rt, &s->restart, wait);
	}
}

int
signer_process_new(const struct signer_process_params *params, struct signer **out, struct err *err)
{
	struct signer_process *s = mem_zalloc(sizeof(*s));
	int r;

	s->base.ops = &process_ops;
	s->magic = PROCESS_MAGIC;
	s->p = *params;
	s->rt = loop_runtime(params->loop);
	s->fd = -1;
	s->in = BUF_INIT(FRAME_HEAD + LIMIT_SIGNER_FRAME + READ_BLOCK);
	s->out = BUF_INIT(OUT_MAX);
	s->held = BUF_INIT(OUT_MAX);
	s->start_done = buf_new(LIMIT_SIGNER_FRAME);
	s->pending = map_new();
	s->restart = (struct timer){.cb = start_child, .arg = s};
	s->silence = (struct timer){.cb = check_silence, .arg = s};
	s->kill = (struct timer){.cb = kill_child, .arg = s};
	s->backoff = (struct backoff){RESTART_FIRST_MS, RESTART_MOST_MS, 0};
	sm_init(&s->life, lives, LIFE__COUNT, LIFE_DOWN);
	r = start_life(s, err);
	if (r < 0) {
		buf_free(s->start_done);
		map_free(s->pending);
		mem_free(s);
		return r;
	}
	*out = &s->base;
	return 0;
}

void
signer_process_close(struct signer *base, void (*closed)(void *arg), void *arg)
{
	struct signer_process *s = OBJ_CAST(struct signer_process, base, PROCESS_MAGIC);

	CHECK(!s->closing);
	s->closing = true;
	s->closed = closed;
	s->closed_arg = arg;
	runtime_timer_stop(s->rt, &s->restart);
	process_drop(s, ERR_CANCELED, "the signer is being stopped");
	/* Without a child there is nothing to wait for, but never from inside this call. */
	if (s->life.state == LIFE_DOWN) {
		s->restart.cb = finish_close;
		runtime_timer_start(s->rt, &s->restart, 0);
	}
}

void
signer_process_stats(const struct signer *base, struct signer_process_stats *out)
{
	const struct signer_process *s = (const struct signer_process *)(const void *)base;

	*out = s->stats;
	out->pending = map_count(s->pending);
}
