#ifndef SERVER_SIGNER_PROCESS_H
#define SERVER_SIGNER_PROCESS_H

/*
 * The signer as a process of its own, seen from main: started by exec with one socket and the key
 * file, started again with back-off when it dies, and told each time what it needs to know before
 * anything else is asked. While there is none, submits are refused with ERR_UNAVAIL; those of the
 * time when it is being told wait until it has been. Calls under way when it dies end with
 * ERR_UNAVAIL. Loop thread only.
 */

#include "common/loop/loop.h"
#include "server/signer/signer.h"

#include <sys/types.h>

/* Hands one encoded signer_request over; add is to be called with its own argument. */
typedef void signer_add_cb(void *add_arg, struct span request);

struct signer_process_params {
	struct loop *loop;
	const char *path;        /* program, absolute: as a rule this one */
	const char *const *argv; /* argv[0] first, NULL last: "certherd-server", "--signer" */
	const char *key_path;    /* key file, opened by main and read by the signer */
	/*
	 * Called whenever a new signer has come up: Start, then Learn with everything that is known
	 * now. A Learn that main submits later is its own affair.
	 */
	void (*introduce)(void *arg, signer_add_cb *add, void *add_arg);
	/* It has taken the introduction and works; done is the reply to Start. May be NULL. */
	void (*ready)(void *arg, struct span done);
	/* It has died or does not start; it is being started again. May be NULL. */
	void (*lost)(void *arg, const struct err *err);
	void *arg;
};

/*
 * Starts it; ready follows later. ERR_NOTFOUND, ERR_DENIED, ERR_IO when the program or the key file
 * cannot be used at all; what goes wrong later is tried again. The strings must live on.
 */
NODISCARD int signer_process_new(
    const struct signer_process_params *params, struct signer **out, struct err *err);
/* Ends it: the calls under way get ERR_CANCELED, then closed is called, once the child is gone. */
void signer_process_close(struct signer *s, void (*closed)(void *arg), void *arg);

/* For the status page. */
struct signer_process_stats {
	pid_t pid; /* 0: there is none */
	bool ready;
	uint64_t starts, calls, failed;
	size_t pending;
};
void signer_process_stats(const struct signer *s, struct signer_process_stats *out);

#endif
