#ifndef SERVER_SIGNER_CORE_H
#define SERVER_SIGNER_CORE_H

/*
 * What the signer does, without process, socket or loop: the keys, what it believes about
 * recipients, and one function for each operation of proto/signer.proto. It does not believe the
 * main process: recipients come only from records whose signatures it has verified. Any number of
 * threads may execute requests; Start and Learn are for one thread at a time, and what they change
 * is seen by every request that is executed after they have returned.
 */

#include "common/crypto/pkey.h"
#include "common/wire/signer_messages.h"

struct signer_core;

/*
 * Takes the keys, whatever the outcome: "sealing", "manager" and at least one "term-<16 hex>".
 * ERR_INVALID names the one that is missing.
 */
NODISCARD int signer_core_new(struct keyfile *keys, struct signer_core **out, struct err *err);
void signer_core_free(struct signer_core *c);
DEFINE_FREEP(struct signer_core, signer_core_free)

/* What kind of work a request is, for whoever has threads. */
enum signer_lane {
	SIGNER_INLINE,  /* Start, Learn: before anything that comes behind them */
	SIGNER_SIGN,    /* batches and heads: never behind anything else */
	SIGNER_GENERAL, /* milliseconds at the most */
	SIGNER_SLOW,    /* makes an RSA key, or the rounds of a password: up to seconds */
};
enum signer_lane signer_core_lane(const struct signer_request *request);

/*
 * ERR_PROTO for a request that no sound main process would send (an unknown operation, one before
 * Start, a second Start), after which the signer is to end.
 */
NODISCARD int signer_core_check(
    const struct signer_core *c, const struct signer_request *request, struct err *err);

/*
 * Checks and executes a request and appends the encoded signer_reply, of an operation that failed
 * too. ERR_PROTO as above.
 */
NODISCARD int signer_core_execute(struct signer_core *c, const struct signer_request *request,
    struct buf *reply, struct err *err);

/*
 * The first keys of a server: sealing, manager, and the one that signs in the given term. Written
 * to a file that only we may read; out gets new references to the public halves.
 */
struct signer_public {
	struct pkey *sealing, *manager, *term;
};
NODISCARD int signer_make_keys(
    const char *path, uint64_t term, struct signer_public *out, struct err *err);
void signer_public_fini(struct signer_public *p);

#endif
