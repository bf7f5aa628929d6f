#ifndef SERVER_FLOW_ANSWER_H
#define SERVER_FLOW_ANSWER_H

/*
 * Certificates that come from outside, pasted or imported: parsed, named, with their chain. Private
 * to server/flow.
 */

#include "server/flow/flow_priv.h"

/* The best chain for a leaf, which the caller ends with chain_fini; warns of what is odd about it.
 */
struct answer_params {
	const struct cert *leaf;
	struct certs given;                    /* with the leaf */
	const struct index_record *credential; /* NULL: there is none yet */
	struct texts names;                    /* of the credential */
	enum leaf_profile purpose;
};
void answer_chain(struct flow_op *op, const struct answer_params *p, struct chain *out);
/* Parses what was given into op->in.certs; all but the first by the cache. */
NODISCARD int answer_take(struct flow_op *op, struct spans certificates, struct err *err);
/* Names of a leaf in normal form, those left out that have none; texts of the operation. */
NODISCARD int answer_names(
    struct flow_op *op, const struct cert *leaf, struct texts *out, struct err *err);
/* The generation of a credential that has this very certificate; NULL: none. */
const struct index_record *answer_twin(
    struct flow_op *op, const struct id *credential, const struct cert *leaf);
/* Writes op->public_part: the leaf of op->in.certs with the chain that is found for it. */
struct answer_public_params {
	struct id credential;
	struct span key; /* SPKI */
	struct texts names;
	const char *profile;
	const struct index_record *record; /* of the credential; NULL: there is none yet */
	size_t leaf;
};
NODISCARD int answer_public(
    struct flow_op *op, const struct answer_public_params *p, struct err *err);
/* A new reference, parsed or from the cache (which may be NULL). */
NODISCARD int cert_cache_parse(
    struct cert_cache *c, struct span der, struct cert **out, struct err *err);
void cert_cache_fini(struct cert_cache *c);
/* A name of a certificate in the form in which credentials have theirs; false: they cannot. */
bool answer_name(const char *name, char out[static NAME_TEXT_MAX]);

#endif
