#ifndef TESTS_SUPPORT_SIGNER_WORLD_H
#define TESTS_SUPPORT_SIGNER_WORLD_H

/*
 * A domain as `init` makes it, with a real signer's core: root and recovery key, the first
 * designation, the manager's NODE, the group of managers and its two memberships. Records made
 * here are signed by the core and kept, so that a second core can be taught the same. Aborts when
 * something fails that a test has not asked for.
 */

#include "common/base/map.h"
#include "common/crypto/cert.h"
#include "common/wire/public_wire.h"
#include "common/wire/record_wire.h"
#include "common/wire/trust.h"
#include "server/signer/core.h"

#define WORLD_NOW INT64_C(1800000000)
#define WORLD_TERM (UINT64_C(1) << 32)

/* A signed record that lives as long as the world. */
struct world_record {
	struct signed_bytes bytes;
	struct record record; /* its spans point into bytes */
	struct world_record *next;
};

struct world_node {
	struct id id;
	struct pkey *sealing;
	struct world_record *record;
};

struct signer_world {
	struct domain_id domain;
	struct pkey *root_key;
	struct cert *root, *manager_cert;
	struct signer_public public;
	struct keyfile keys;
	struct buf designation, designation_signature;
	struct world_node manager, recovery;
	struct id managers;
	struct world_record *managers_record;

	struct signer_core *core;
	uint64_t seq, beat;
	struct world_record *records, **tail; /* all, in order */
	struct buf reply, done;               /* of the last request */
	struct signer_done last;
	struct err err;
};

/* Everything up to the first mutation; the core has learnt what it says. */
void world_init(struct signer_world *w);
/* Keys and designation only: a core that was not started. */
void world_init_bare(struct signer_world *w);
void world_fini(struct signer_world *w);
/* A keyfile with new references, as signer_core_new takes it. */
struct keyfile world_keys(const struct signer_world *w);
/* A new core with nothing but its keys, in place of the one there was. */
void world_restart(struct signer_world *w);

/* Encoded requests, for whoever introduces a signer in another process. */
void world_put_start(const struct signer_world *w, struct buf *out);
void world_put_learn(const struct signer_world *w, struct buf *out);
struct signer_request world_start_request(
    const struct signer_world *w, struct signed_designation *storage);

/* Executes: 0, or the code of the reply; w->last is what was done, until the next call. */
int world_ask(struct signer_world *w, const struct signer_request *r);

/* What a record is to be; access and sealed may be empty. */
struct world_draft {
	uint32_t kind;
	struct id id;
	uint64_t version;
	const char *name;
	bool removed;
	struct span public_part, sealed;
	struct ids access;
};
/* Signed by the core with the next seq; not learnt. */
struct world_record *world_sign(struct signer_world *w, const struct world_draft *d);
/* Has the core learn one record; the code of the reply. */
int world_learn(struct signer_world *w, const struct world_record *r);

/* A NODE of this name, signed and learnt. */
struct world_node world_add_node(struct signer_world *w, const char *name);
/* The same of one that may become manager. */
struct world_node world_add_standby(struct signer_world *w, const char *name);
void world_node_fini(struct world_node *n);
/* The node gone: signed and learnt. */
void world_remove_node(struct signer_world *w, const struct world_node *n);
/* A Micro CA, signed. key_type as in key_type_parse. */
struct world_record *world_add_ca(struct signer_world *w, const char *name, const char *key_type);
/* A group with a first key, signed and learnt. */
struct world_record *world_add_group(struct signer_world *w, const char *name);

/* MakeRequest, number 7 of a credential, in a fresh generation. */
struct signer_request world_request(const struct id *credential, const char *key_type);
/* A key and its leaf from elsewhere, sealed by the command as it seals imports. */
struct world_import {
	struct pkey *key, *ca_key;
	struct cert *leaf, *ca;
	struct id nonce;
	struct buf sealed, public_part; /* of a generation, as main writes it */
};
/* name: of the leaf, or NULL for a CA's certificate in place of a leaf. */
void world_import_init(struct signer_world *w, const char *name, const char *key_type,
    const struct id *credential, struct world_import *out);
void world_import_fini(struct world_import *i);
/* Seals its key anew, for this sealed export password; an empty one: not to be exported. */
void world_import_seal(
    const struct signer_world *w, struct world_import *i, struct span export_password);
/* Seals a payload to the managers, as the command does. */
void world_seal_foreign(const struct signer_world *w, uint32_t kind, struct span public_part,
    const struct secret *payload, struct id *nonce, struct buf *out);
/* TakeKey in a fresh generation; borrowed from the import. */
struct signer_request world_take(const struct world_import *i, struct ids access);
/* Issue for a fresh credential under a CA; the code. The request's id is in generation. */
int world_issue(struct signer_world *w, const struct world_record *ca, const char *key_type,
    struct ids access, struct id *generation);

#endif
