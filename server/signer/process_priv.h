#ifndef SERVER_SIGNER_PROCESS_PRIV_H
#define SERVER_SIGNER_PROCESS_PRIV_H

/* The two halves of signer_process: process.c lets it live, process_calls.c talks to it. */

#include "common/base/err.h"
#include "common/base/map.h"
#include "common/base/sm.h"
#include "common/wire/signer_messages.h"
#include "server/signer/process.h"

#define PROCESS_MAGIC 0x5197e12a

enum life {
	LIFE_DOWN,     /* no child; a timer starts the next */
	LIFE_LEARNING, /* it is being told what it needs to know */
	LIFE_READY,
	LIFE_DYING, /* socket closed, child not gone yet */
	LIFE__COUNT,
};

struct introduction;

struct signer_process {
	struct signer base; /* first: what callers hold */
	uint32_t magic;
	struct signer_process_params p;
	struct runtime *rt;
	struct sm life;

	int fd;
	struct loop_fd *watch;
	pid_t pid;
	struct loop_child *child;
	struct buf in, out;
	struct buf held;        /* frames of calls for when the introduction has been sent */
	char why[ERR_TEXT_MAX]; /* it was dropped */

	struct map *pending; /* struct signer_call by id */
	uint64_t next_id;
	struct introduction *waiting; /* not sent yet */
	size_t introductions;         /* sent and not answered yet */
	struct buf *start_done;

	struct timer restart, silence, kill;
	struct backoff backoff;
	uint64_t ready_at, heard_at; /* monotonic ms */
	struct signer_process_stats stats;

	bool closing;
	void (*closed)(void *arg);
	void *closed_arg;
};

#define FRAME_HEAD 4
#define OUT_MAX (64U * 1024 * 1024) /* what waits to be written */
#define READ_BLOCK 65536

/* Queues a request in out; the call is pending then. */
NODISCARD int process_send(
    struct signer_process *s, struct signer_call *call, struct span request, struct err *err);
/* The introduction is on its way: what was held back goes behind it. */
void process_send_held(struct signer_process *s);
/* All of the introduction has been sent, answered or not. */
bool process_is_introduced(const struct signer_process *s);
/* Ends all calls under way. */
void process_fail_all(struct signer_process *s, enum err_code code, const char *text);
/* Callback of the socket's watch. */
void process_on_socket(void *arg, unsigned events);
extern const struct signer_ops process_ops;

/* Closes the socket and sees to it that the child ends; in process.c. */
void process_drop(struct signer_process *s, enum err_code code, const char *why);

#endif
