#ifndef SERVER_BOOTSTRAP_OFFER_H
#define SERVER_BOOTSTRAP_OFFER_H

/* What the command offers in a bootstrap: decoded, and judged as any foreign bytes are. */

#include "common/crypto/cert.h"
#include "common/model/public.h"
#include "common/wire/trust.h"

struct offer {
	char domain_name[LIMIT_NAME + 1];
	char name[LIMIT_LABEL + 1]; /* of this node */
	struct domain_id domain;
	struct cert *root, *manager;
	struct pkey *recovery; /* NULL: none */
	struct buf root_statement, root_signature;
	struct buf designation, designation_signature;
	char **addresses;
	size_t address_count;
	struct trust *trust; /* root and designation, verified */
};

/*
 * manager and term are the public keys that this server has made, node its id: the certificate and
 * the designation must be for them. ERR_CRYPTO, ERR_INVALID. out is untouched on failure.
 */
NODISCARD int offer_read(struct span line, const struct pkey *manager, const struct pkey *term,
    const struct id *node, struct offer *out, struct err *err);
void offer_fini(struct offer *o);

#endif
