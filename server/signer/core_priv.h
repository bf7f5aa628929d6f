#ifndef SERVER_SIGNER_CORE_PRIV_H
#define SERVER_SIGNER_CORE_PRIV_H

/* The inside of struct signer_core, shared by the files of this folder that make it up. */

#include "common/crypto/cert.h"
#include "common/model/pki.h"
#include "common/wire/public_wire.h"
#include "common/wire/record_wire.h"
#include "common/wire/trust.h"
#include "server/signer/core.h"
#include "server/signer/tries.h"

#include <pthread.h>
#include <stdatomic.h>

struct beliefs;
struct ca_cache;

struct signer_core {
	struct keyfile keys;
	const struct pkey *sealing, *manager; /* borrowed from keys */

	/* set by Start, constant from then on */
	atomic_bool started;
	struct trust *trust;
	struct id node;
	uint64_t term;
	const struct pkey *term_key; /* borrowed from keys */

	struct beliefs *beliefs;
	struct ca_cache *cas;
	struct tries *tries; /* of passwords */

	pthread_mutex_t sign_lock; /* of what follows: a (term, seq) or beat is signed once */
	uint64_t last_seq, last_beat;
};

/* What an operation leaves: done borrows from the buffers, public_part and sealed without a word.
 */
struct op_out {
	struct signer_done done;
	struct buf public_part, sealed, bytes, export_public, export_sealed;
	struct span *signatures;
};

typedef int op_fn(
    struct signer_core *c, const struct signer_request *r, struct op_out *out, struct err *err);

op_fn do_start, do_learn, do_sign_batch, do_sign_head, do_issue, do_make_ca, do_reseal,
    do_issue_identity, do_make_group, do_make_membership, do_seal, do_make_request, do_take_key,
    do_export, do_sign_crl, do_renew_ca;

/* --- beliefs: what signed records say about recipients --- */

struct beliefs *beliefs_new(void);
void beliefs_free(struct beliefs *b);

/* One verified record of kind NODE, GROUP or MEMBERSHIP. 1: taken; 0: not newer than what is held.
 */
NODISCARD int beliefs_learn(
    struct beliefs *b, const struct signer_core *c, const struct record *record, struct err *err);
/* Nothing was learnt yet, so that nothing of the domain can be opened here either. */
bool beliefs_are_empty(struct beliefs *b);
/* Whether a node of its role may have the keys of the group of managers. */
bool node_may_manage(const struct node_public *node);

/* Public keys that something is sealed to; references. */
struct audience {
	struct pkey *keys[LIMIT_RECIPIENTS];
	size_t count;
};
void audience_fini(struct audience *a);
void audience_add(struct audience *a, const struct pkey *key); /* once; below the limit */

/*
 * Access ids to keys: of a node its own, of a group its current one, and that of `managers`
 * besides. ERR_NOTFOUND names an id behind which there is no live node or group.
 */
NODISCARD int beliefs_audience(
    struct beliefs *b, struct ids access, struct audience *out, struct err *err);
/*
 * New reference to the sealing key of a live node, to be a member of a group, or of the managers.
 * ERR_NOTFOUND; ERR_DENIED for a replica among managers.
 */
NODISCARD int beliefs_member_key(
    struct beliefs *b, const struct id *node, bool managers, struct pkey **out, struct err *err);
/* That a built-in group is the one of managers, or none is known; first: about to be made. */
NODISCARD int beliefs_check_managers(
    struct beliefs *b, const struct id *group, bool first, struct err *err);
/* That no newer version of the group is known, ERR_CONFLICT, and that it was not removed. */
NODISCARD int beliefs_check_group(
    struct beliefs *b, const struct id *group, uint64_t version, struct err *err);
/* ERR_DENIED for a node that was removed. */
NODISCARD int beliefs_check_not_removed(struct beliefs *b, const struct id *node, struct err *err);

/*
 * A private key of a group this node is in, or of one made a moment ago, by its identifier: a new
 * reference, or NULL.
 */
struct pkey *beliefs_private(struct beliefs *b, const struct key_id *id);
/* Keeps a group's key from the time when it is made until its record is learnt. */
void beliefs_keep_fresh(struct beliefs *b, const struct pkey *key);

/* --- opening and sealing --- */

/* What a seal lies in. */
struct sealed_part {
	struct record_ref ref;
	uint32_t kind;
	struct span public_part;
	struct span sealed;
};

/* Opens with any group key that this node has. ERR_DENIED: it has none of the recipients'. */
NODISCARD int core_open(
    struct signer_core *c, const struct sealed_part *part, struct secret **out, struct err *err);
/* Seals to an audience, bound to ref, kind and public part (part->sealed is not used). */
NODISCARD int core_seal(struct signer_core *c, const struct sealed_part *part,
    const struct secret *payload, const struct audience *to, struct buf *out, struct err *err);
/* A private key as the payload. */
NODISCARD int core_seal_key(struct signer_core *c, const struct sealed_part *part,
    const struct pkey *key, const struct audience *to, struct buf *out, struct err *err);
/* PrivateKey of a seal, which must be the private half of spki. */
NODISCARD int core_open_key(struct signer_core *c, const struct sealed_part *part, struct span spki,
    struct pkey **out, struct err *err);

/* Decodes and verifies a signed record that is live and of this kind (0: any). */
NODISCARD int core_take_record(const struct signer_core *c, const struct signed_bytes *s,
    uint32_t kind, struct record *out, struct err *err);
struct sealed_part sealed_part_of(const struct record *r);

/* --- generations --- */

/* A new key of a type, or (key_of not NULL) the one of a GENERATION of the same credential. */
struct key_wish {
	const char *key_type;
	struct id credential;
	const struct signed_bytes *key_of;
};
NODISCARD int core_generation_key(
    struct signer_core *c, const struct key_wish *wish, struct pkey **out, struct err *err);
/* Writes the public part and seals the key: public_part and sealed of what is done. */
NODISCARD int core_seal_generation(struct signer_core *c, const struct record_ref *ref,
    const struct generation_public *public, const struct pkey *key, const struct audience *to,
    struct op_out *out, struct err *err);

/* --- exportable keys --- */

/* What is asked for with a key that is being made. */
struct export_wish {
	const struct signer_make_export *make;
	struct id generation, credential;
	struct span bound; /* what the password's seal is bound to beside the generation */
	bool keeps_key;
	struct texts names; /* which the password must not be */
};
/* Before the key is made: its password, looked at; NULL when nothing is asked for. */
NODISCARD int core_export_password(
    struct signer_core *c, const struct export_wish *wish, struct secret **out, struct err *err);
/* After that: export_public and export_sealed of what is done. Nothing without a password. */
NODISCARD int core_export_key(struct signer_core *c, const struct export_wish *wish,
    const struct pkey *key, const struct secret *password, struct op_out *out, struct err *err);
/* The private key of a record whose public part has just been written. */
NODISCARD int core_seal_made(struct signer_core *c, const struct record_ref *ref, uint32_t kind,
    const struct pkey *key, const struct audience *to, struct op_out *out, struct err *err);

/* --- opened Micro CAs --- */

struct ca_cache *ca_cache_new(void);
void ca_cache_free(struct ca_cache *cache);

/* Immutable; counted. */
struct open_ca {
	atomic_uint refs;
	struct hash record; /* SHA-256 of body and signature: what was verified */
	struct record_ref ref;
	struct pkey *key;
	struct cert *cert;
	struct ca_public public; /* its chain, in memory of its own */
	uint64_t used;
};
/*
 * From the cache, or verified, opened and put into it. issues: to certify anybody, which one that
 * is not enabled does not (ERR_DENIED).
 */
NODISCARD int core_open_ca(struct signer_core *c, const struct signed_bytes *record, bool issues,
    struct open_ca **out, struct err *err);
void open_ca_unref(struct open_ca *ca);
DEFINE_FREEP(struct open_ca, open_ca_unref)
/* Where the CA publishes, as it stands in what it signs; NULL: it has no address. */
struct ca_urls {
	char crl[CA_URL_MAX], certificate[CA_URL_MAX];
};
bool open_ca_urls(const struct open_ca *ca, struct ca_urls *out);

/* Name of the entry of a key file that signs in a term. */
#define TERM_KEY_NAME_MAX 32
const char *term_key_name(uint64_t term, char out[static TERM_KEY_NAME_MAX]);

#endif
