#ifndef SERVER_FLOW_EXPORT_H
#define SERVER_FLOW_EXPORT_H

/* What becomes of exportable keys when generations come and go. Private to server/flow. */

#include "server/flow/flow_priv.h"

/*
 * export_take copies what was asked for; export_look comes when the ids of look are
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
