/* The command's side: a process that reads, and another one when a file has ended it. */

#include "server/import/confine.h"
#include "server/import/frame.h"

#include "common/base/arena.h"
#include "common/sys/file.h"
#include "common/sys/process.h"
#include "common/sys/unix.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

#define CHILD_FD 3
#define ANSWER_MS (120 * 1000) /* real time: the machine may be busy */

struct import_reader {
	char *program;
	struct secret *passwords[LIMIT_IMPORT_PASSWORDS];
	size_t password_count;
	pid_t pid; /* 0: none runs */
	int fd;
	size_t files;    /* of the set that is being put together */
	bool broken;     /* the process has ended in the middle of the set */
	char first[256]; /* name of its first file, for people */
};

int
import_reader_new(const char *program, const struct secret *const *passwords, size_t password_count,
    struct import_reader **out, struct err *err)
{
	struct import_reader *r = mem_zalloc(sizeof(*r));
	int rc = 0;

	r->program = mem_strdup(program);
	r->fd = -1;
	if (password_count > LIMIT_IMPORT_PASSWORDS)
		rc = err_set(err, ERR_LIMIT, "at most %d passwords", LIMIT_IMPORT_PASSWORDS);
	for (size_t i = 0; rc == 0 && i < password_count; i++) {
		rc = secret_copy(passwords[i], &r->passwords[i], err);
		r->password_count += rc == 0;
	}
	if (rc < 0) {
		import_reader_free(r);
		return rc;
	}
	*out = r;
	return 0;
}

/* Its end, if it has not come yet, is not waited for longer than a kill takes. */
static struct process_end
end_child(struct import_reader *r, bool at_once)
{
	struct process_end end = {true, 0};

	fd_closep(&r->fd);
	if (r->pid == 0)
		return end;
	if (at_once)
		kill(r->pid, SIGKILL);
	(void)!process_reap(r->pid, true, &end, NULL);
	r->pid = 0;
	return end;
}

void
import_reader_free(struct import_reader *r)
{
	if (r == NULL)
		return;
	(void)end_child(r, false);
	for (size_t i = 0; i < r->password_count; i++)
		secret_free(r->passwords[i]);
	mem_free(r->program);
	mem_free(r);
}

static int
start(struct import_reader *r, struct err *err)
{
	const char *const argv[] = {"certherd", IMPORT_CHILD_WORD, NULL};
	AUTO(fd_closep)
	int theirs = -1;
	int fds[2], rc = sys_socketpair(fds, err);

	if (rc < 0)
		return rc;
	r->fd = fds[0];
	theirs = fds[1];
	const struct spawn_fd inherited = {theirs, CHILD_FD};
	const struct spawn_params params = {
	    .path = r->program, .argv = argv, .fds = &inherited, .fd_count = 1};

	rc = spawn_exec(&params, &r->pid, err);
	if (rc < 0) {
		fd_closep(&r->fd);
		return rc;
	}
	for (size_t i = 0; rc == 0 && i < r->password_count; i++)
		rc = frame_send(r->fd, FRAME_PASSWORD, secret_reveal(r->passwords[i]), err);
	return rc;
}

/* The clock of the child's processor time; what it has used until now is not counted. */
static int
give_time(struct import_reader *r, struct err *err)
{
	struct rlimit l = {RLIM_INFINITY, RLIM_INFINITY};
	struct timespec used;
	clockid_t clock;

	if (clock_getcpuclockid(r->pid, &clock) != 0 || clock_gettime(clock, &used) < 0)
		return 0; /* it has ended, which will be noticed */
	l.rlim_cur = (rlim_t)used.tv_sec + CONFINE_CPU_S;
	if (prlimit(r->pid, RLIMIT_CPU, &l, NULL) < 0 && errno != ESRCH)
		return err_errno(
		    err, errno, "cannot limit the time of the reader of foreign files");
	return 0;
}

/* 0 too when the process has ended: that is about the set, and said when it is taken. */
static int
noticed(struct import_reader *r, int rc)
{
	r->broken |= rc == ERR_UNAVAIL;
	return rc == ERR_UNAVAIL ? 0 : rc;
}

int
import_reader_add(struct import_reader *r, const char *name, struct span bytes, struct err *err)
{
	AUTO(buf_freep)
	struct buf *content = buf_new(FRAME_MOST);
	int rc = 0;

	if (r->files++ == 0) {
		snprintf(r->first, sizeof(r->first), "%s", name);
		if (r->pid == 0)
			rc = start(r, err);
		if (rc == 0)
			rc = give_time(r, err);
	}
	if (rc < 0 || r->broken)
		return noticed(r, rc);
	frame_put_text(content, name);
	buf_put_span(content, bytes);
	rc = buf_error(content, name, err);
	return rc < 0 ? rc : noticed(r, frame_send(r->fd, FRAME_FILE, buf_span(content), err));
}

static int
recv_one(struct import_reader *r, struct import_found *f, struct secret **key, bool *ended,
    struct err *err)
{
	AUTO(buf_freep)
	struct buf *content = buf_new(FRAME_MOST);
	struct frame_head head;
	uint8_t *room;
	int rc = frame_recv_head(r->fd, ANSWER_MS, &head, err);

	if (rc < 0)
		return rc;
	*ended = head.kind == FRAME_END;
	if (head.kind == FRAME_KEY) {
		if (f->wish != IMPORT_KEYS || *key != NULL || head.len == 0)
			return err_set(err, ERR_PROTO, "a key that is none");
		rc = secret_new(head.len, key, err);
		return rc < 0
		    ? rc
		    : frame_recv_body(r->fd, ANSWER_MS, secret_bytes(*key), head.len, err);
	}
	if (*ended)
		return *key == NULL ? 0 : err_set(err, ERR_PROTO, "a key without certificates");
	room = buf_reserve(content, head.len);
	if (room == NULL)
		return err_set(err, ERR_PROTO, "a frame that is too long");
	rc = frame_recv_body(r->fd, ANSWER_MS, room, head.len, err);
	if (rc < 0)
		return rc;
	buf_advance(content, head.len);
	return found_add(f, head.kind, buf_span(content), key, err);
}

static int
recv_all(struct import_reader *r, struct import_found *f, struct err *err)
{
	AUTO(secret_freep)
	struct secret *key = NULL;
	const uint8_t wish = (uint8_t)f->wish;
	bool ended = false;
	int rc = frame_send(r->fd, FRAME_TAKE, SPAN(&wish, sizeof(wish)), err);

	while (rc == 0 && !ended)
		rc = recv_one(r, f, &key, &ended, err);
	return rc;
}

/*
 * The process ended, or says what no sound one says. A status of its own comes from a machine on
 * which it cannot work; anything else the files have done.
 */
static int
refuse_set(struct import_reader *r, struct import_found *f, const struct err *why, struct err *err)
{
	struct process_end end = end_child(r, why->code != ERR_UNAVAIL);
	const enum import_wish wish = f->wish;
	char how[64], text[FRAME_TEXT];

	import_found_fini(f);
	if (why->code == ERR_UNAVAIL && end.exited && end.status != 0)
		return err_set(err, ERR_UNAVAIL,
		    "the process that reads foreign files cannot work here; what it said stands "
		    "above");
	snprintf(text, sizeof(text), "%s%s: reading it has ended the process that reads (%s)",
	    r->first, r->files > 1 ? " and the files with it" : "",
	    why->code == ERR_UNAVAIL ? process_end_text(&end, how) : why->text);
	found_init(f, wish);
	found_refuse(f, why->code == ERR_UNAVAIL ? ERR_LIMIT : why->code, text);
	return 0;
}

int
import_reader_take(
    struct import_reader *r, enum import_wish wish, struct import_found *out, struct err *err)
{
	struct err why = {.code = ERR_UNAVAIL};
	struct import_found f;
	int rc = 0;

	CHECK(r->files > 0);
	found_init(&f, wish);
	if (!r->broken)
		rc = recv_all(r, &f, &why);
	/* No memory for keys is no fault of the files. */
	if (rc == ERR_NOMEM) {
		(void)end_child(r, true);
		import_found_fini(&f);
		rc = err_set(err, ERR_NOMEM, "%s", why.text);
	} else if (rc < 0 || r->broken) {
		rc = refuse_set(r, &f, &why, err);
	}
	r->files = 0;
	r->broken = false;
	if (rc == 0)
		*out = f;
	return rc;
}
