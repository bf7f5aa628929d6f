#ifndef TESTS_SUPPORT_PKI_H
#define TESTS_SUPPORT_PKI_H

/*
 * A small domain for tests of everything that speaks TLS: root, manager certificate, identities of
 * nodes, and server leaves of a Micro CA. Aborts when something cannot be made.
 */

#include "common/crypto/cert.h"
#include "common/tls/tls_ctx.h"

struct pki {
	struct domain_id domain;
	struct id manager_node;
	struct pkey *root_key, *manager_key, *ca_key;
	struct cert *root, *manager, *ca;
	int64_t now;
};

void pki_init(struct pki *p);
void pki_fini(struct pki *p);

/* The certificate of a node of this domain, valid for a year from now, or until yesterday. */
struct cert *pki_node_leaf(
    struct pki *p, const struct id *node, const struct pkey *key, bool expired);
/* The same with a fresh key and the manager's certificate behind it. */
struct tls_identity *pki_node(struct pki *p, const struct id *node, bool expired);
/* A server leaf of the Micro CA, one name, as PEM-free objects. */
struct cert *pki_leaf(struct pki *p, const char *name, const struct pkey *key);
/* The same with a fresh key, ready to be served. */
struct tls_identity *pki_server(struct pki *p, const char *name, enum key_type type);

#endif
