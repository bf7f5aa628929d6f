#ifndef SERVER_SIGNER_SIGNER_H
#define SERVER_SIGNER_SIGNER_H

/*
 * The main process's view of the signer, which holds every key but main's own TLS identity. One
 * interface, two implementations: a child process (process.h), and a core in this process for
 * the simulator and for bootstrap (local.h). Requests and replies are those of
 * common/wire/signer_messages.h. Loop thread only.
 */

#include "common/base/buf.h"

struct signer;
struct signer_call;

/*
 * status 0: done is the op's own reply message, borrowed for the time of the call. Else err says
 * why; ERR_UNAVAIL: the signer died or is not there yet, the operation may be tried again.
 */
typedef void signer_done_cb(
    struct signer_call *call, int status, struct span done, const struct err *err);

/* Owned by the caller, who leaves it alone until its callback. */
struct signer_call {
	signer_done_cb *cb;
	void *arg;
	/* the implementation's */
	struct signer_call *next;
	uint64_t id;
	int status;
	struct buf *reply;
	struct err err;
};

struct signer_ops {
	int (*submit)(
	    struct signer *s, struct signer_call *call, struct span request, struct err *err);
};

/* The first member of an implementation. */
struct signer {
	const struct signer_ops *ops;
};

/*
 * request: an encoded signer_request whose id field is ignored (the channel sets its own). 0: the
 * callback comes exactly once, later, on the loop. ERR_LIMIT, ERR_UNAVAIL: it never comes.
 */
NODISCARD int signer_submit(
    struct signer *s, struct signer_call *call, struct span request, struct err *err);

#endif
