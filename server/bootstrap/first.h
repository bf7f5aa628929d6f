#ifndef SERVER_BOOTSTRAP_FIRST_H
#define SERVER_BOOTSTRAP_FIRST_H

/* The first mutation of a domain: what is in it, and how it comes into an empty store. */

#include "common/crypto/pkey.h"
#include "server/bootstrap/offer.h"

/* What this server has made itself. */
struct first_keys {
	const struct pkey *sealing, *identity; /* public halves are enough */
	struct span csr;                       /* by the identity key */
};

/*
 * Blocking, with a loop of its own: starts the signer's core in this process with the keys of
 * DIR/keys/signer.keys, has it issue the identity and make the group of managers, and commits ROOT,
 * DESIGNATION, NODE, GROUP and MEMBERSHIP to DIR/store.db. identity: certificate of this node.
 */
NODISCARD int first_commit(const char *dir, const struct offer *offer, const struct id *node,
    const struct first_keys *keys, int64_t now, struct cert **identity, struct err *err);

#endif
