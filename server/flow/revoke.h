#ifndef SERVER_FLOW_REVOKE_H
#define SERVER_FLOW_REVOKE_H

/* Revocations, in operations of any type, and the lists that follow from them. */

#include "server/flow/flow_priv.h"
#include "server/index/index_ca.h"

/*
 * op_revoke.c: revokes a generation in whatever mutation. look_revocation says whether that may be
 * (ERR_CONFLICT, ERR_LIMIT) and warns; the operation must fetch the generation, ask by
 * request_revocation, and put draft_revocation into its mutation. Only managers can open it then.
 * The list of its CA follows by itself. reason: enum revocation_reason; a compromised key is
 * withdrawn for ever.
 */
NODISCARD int look_revocation(struct flow_op *op, const struct index_record *credential,
    const struct index_record *generation, struct err *err);
NODISCARD int request_revocation(
    struct flow_op *op, unsigned call, uint32_t reason, struct buf *out, struct err *err);
NODISCARD int draft_revocation(
    struct flow_op *op, struct mutation *m, unsigned reply, struct err *err);

/* crl.c: lists, and CAs that are due. */
void crl_start(struct flow *f);
void crl_close(struct flow *f); /* nothing new; whoever waits is told */
bool crl_is_waited_for(const struct flow *f);
void crl_stop(struct flow *f);
/* cb: exactly once, later; trouble: what has kept the list from being signed, or NULL. */
typedef void crl_listed_cb(void *arg, const char *trouble);
void crl_when_listed(struct flow *f, const struct id *generation, crl_listed_cb *cb, void *arg);

#endif
