#ifndef COMMON_TLS_CHECK_H
#define COMMON_TLS_CHECK_H

/*
 * Looks at the certificates that a server has, by a TLS handshake from its beginning or behind
 * STARTTLS, and believes nothing: who asks compares. Nothing is sent behind the handshake, and of
 * what the server says in clear nothing is kept but a piece of a refusal. Without blocking, for
 * daemons, which ignore SIGPIPE; the loop's thread only.
 */

#include "common/crypto/cert.h"
#include "common/loop/loop.h"
#include "common/model/names.h"
#include "common/tls/starttls.h"

/* --- where --- */

/*
 * "smtp://mx.example.org:25", "tls://192.0.2.1:443/www.example.org": protocol, host, port, and the
 * name that is asked for (SNI), where that is not the host.
 */
struct check_target {
	enum starttls_protocol protocol;
	char host[NAME_TEXT_MAX]; /* in normal form */
	bool is_ip;
	uint16_t port;
	char name[NAME_TEXT_MAX]; /* "": none was given */
};

/*
 * As people write it: without a protocol it is "tls", without a port the usual one; "https",
 * "smtps", "imaps", "pop3s" and "ldaps" are "tls" on theirs. ERR_INVALID says what is wrong with
 * it.
 */
NODISCARD int check_target_parse(const char *text, struct check_target *out, struct err *err);
/* The normal form, which is stored. Returns out. */
const char *check_target_text(
    const struct check_target *t, char out[static LIMIT_CHECK_TARGET + 1]);

/* --- the look --- */

/* How far it came. */
enum check_stage {
	CHECK_RESOLVE,
	CHECK_CONNECT,
	CHECK_STARTTLS,
	CHECK_HANDSHAKE,
	CHECK_DONE, /* there are certificates */
	CHECK_STAGE__COUNT,
};

struct check_answer {
	enum check_stage stage; /* where it ended */
	int status;             /* 0 with CHECK_DONE, else negative */
	const struct err *err;  /* then */
	/* As the server sent them, the leaf first; borrowed for the time of the call. */
	struct cert *const *chain;
	size_t count;
};
typedef void check_done_cb(void *arg, const struct check_answer *answer);

struct check;

struct check_params {
	struct loop *loop;
	const struct check_target *target; /* copied */
	const char *name;                  /* SNI; NULL: none. Copied */
	uint64_t ms;                       /* for all of it; 0: LIMIT_CHECK_MS */
};

/* The callback comes once, later; the check is gone then. */
NODISCARD int check_start(const struct check_params *p, check_done_cb *done, void *arg,
    struct check **out, struct err *err);
/* No callback any more. NULL is fine; not after the callback. */
void check_cancel(struct check *c);

#endif
