#ifndef SERVER_FLOW_DRAFT_H
#define SERVER_FLOW_DRAFT_H

/*
 * What several types of operations ask the signer for and write into their mutations. The second
 * half of flow_priv.h, which includes it.
 */

#include "server/flow/flow_priv.h"

/* draft.c: records of mutations, and the seals in them. */
/* The CREDENTIAL that look saw, unless it has changed meanwhile (ERR_CONFLICT). */
NODISCARD int draft_current(struct flow_op *op, const struct index_record **out, struct err *err);
NODISCARD int draft_credential(struct flow_op *op, struct mutation *m, const char *name,
    const struct credential_public *p, struct err *err);
/* The new GENERATION from the signer's reply; while it waits it is for managers alone. */
NODISCARD int draft_generation(
    struct flow_op *op, struct mutation *m, unsigned reply, struct err *err);
/* op->generation with op->public_part and the seal of a reply. */
NODISCARD int draft_answered(
    struct flow_op *op, struct mutation *m, uint64_t expect, unsigned reply, struct err *err);
/*
 * Asks for the secret of op->fetched, sealed to op->access: for its own next version, or in another
 * record and with another public part.
 */
NODISCARD int request_reseal(struct flow_op *op, unsigned call, struct buf *out, struct err *err);
NODISCARD int request_reseal_as(struct flow_op *op, unsigned call, const struct record_ref *to,
    struct span public_part, struct buf *out, struct err *err);
/* op->fetched with the seal of a reply. */
NODISCARD int draft_resealed(
    struct flow_op *op, struct mutation *m, unsigned reply, struct err *err);
void draft_removed(struct mutation *m, const struct index_record *r);
/*
 * Removes generations that have been kept long enough (common/model/generation.h), with room for
 * the one in force until now. That one stays, and the one that waits.
 */
void draft_superseded(
    struct flow_op *op, struct mutation *m, const struct index_record *credential);

/*
 * expose.c: notes who could open the keys of a credential as it is now, and cannot with op->access.
 */
void expose_lost(
    const struct flow_op *op, const struct index_record *now, struct exposure_list *list);

/*
 * op_issue.c: a certificate of a Micro CA; op_manual.c: a CSR in its place. What is asked for is as
 * p says, which may be ahead of the record. look_x finds the key that is kept, if one is;
 * mutation_x writes CREDENTIAL and GENERATION.
 */
void look_key(
    struct flow_op *op, const struct credential_public *p, const struct index_record *source);
NODISCARD int look_issue(struct flow_op *op, const struct index_record *c,
    const struct credential_public *p, struct err *err);
NODISCARD int request_issue(struct flow_op *op, const struct credential_public *p, unsigned call,
    struct buf *out, struct err *err);
NODISCARD int mutation_issue(struct flow_op *op, struct mutation *m, const struct index_record *c,
    const struct credential_public *wanted, struct err *err);
NODISCARD int look_csr(struct flow_op *op, const struct index_record *c,
    const struct credential_public *p, struct err *err);
NODISCARD int request_csr(struct flow_op *op, const struct credential_public *c, unsigned call,
    struct buf *out, struct err *err);
NODISCARD int mutation_csr(struct flow_op *op, struct mutation *m, const struct index_record *c,
    const struct credential_public *wanted, struct err *err);

/*
 * op_export.c. export_take copies what was asked for; export_look comes when the ids of look are
 * there, and puts in those that the password was sealed for; export_request is for the signer.
 */
NODISCARD int export_take(struct flow_op *op, const struct flow_export *e, struct err *err);
NODISCARD int export_look(struct flow_op *op, struct err *err);
struct signer_make_export export_request(const struct flow_op *op);
/*
 * Before p is drafted, with its new active and pending: the new EXPORT_KEY, the end of those whose
 * key is neither, what to say of that. reply: of the call that made the generation.
 */
NODISCARD int export_draft(struct flow_op *op, struct mutation *m, struct credential_public *p,
    unsigned reply, struct err *err);
/* All of op->credential; false: there was none. */
bool export_draft_removed(struct flow_op *op, struct mutation *m);
/* Those of keys that are neither in force nor wait. */
NODISCARD int export_draft_unused(
    struct flow_op *op, struct mutation *m, const struct index_record *c, struct err *err);

#endif
