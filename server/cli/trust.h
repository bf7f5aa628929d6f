#ifndef SERVER_CLI_TRUST_H
#define SERVER_CLI_TRUST_H

/* The two halves of 'certherd trust': from a server (trust_from.c), and all the rest. */

#include "common/crypto/cert.h"
#include "server/cli/commands.h"

/* Certificates on their way to the server; owned. */
struct trust_batch {
	struct cert *certs[LIMIT_IMPORT_ITEMS];
	size_t count;
};
void trust_batch_fini(struct trust_batch *b);
/* Takes the reference. Those beyond the limit are dropped. */
void trust_batch_take(struct trust_batch *b, struct cert *c);

/*
 * What a server shows of its chain, after somebody has compared the fingerprint (--yes, or a
 * question on the terminal): the certificates of CAs in it. ERR_DENIED: they said no.
 */
NODISCARD int trust_from_server(
    struct cli *c, const char *target, struct trust_batch *out, struct err *err);

#endif
