#ifndef SERVER_FLOW_OP_CA_H
#define SERVER_FLOW_OP_CA_H

/*
 * What the operations about Micro CAs share. Each call but those that make a key rewrites one CA
 * record, op->cas[call]; op->credential is the CA that the operation is about.
 */

#include "server/flow/flow_priv.h"
#include "server/index/index_ca.h"

/* Begin and end of a CA's certificate; parent may be NULL. */
NODISCARD int look_ca_times(
    struct flow_op *op, const struct index_record *parent, int64_t lifetime, struct err *err);
/* That op->cas[call] is to be rewritten. */
void look_ca_at(struct flow_op *op, unsigned call, const struct index_record *ca);
/* Adds a call for each other CA that is the default one. */
void look_other_defaults(struct flow_op *op);
/* The seal of op->cas[call] for its next version, with this public part. */
NODISCARD int request_ca_as(
    struct flow_op *op, unsigned call, const struct ca_public *p, struct buf *out, struct err *err);
NODISCARD int request_not_default(
    struct flow_op *op, unsigned call, struct buf *out, struct err *err);
/* op->cas[call] as that call has sealed it; name NULL: it keeps its own. */
NODISCARD int draft_ca(
    struct flow_op *op, struct mutation *m, unsigned call, const char *name, struct err *err);
/* op->credential, new, as the signer has made it. */
NODISCARD int draft_new_ca(struct flow_op *op, struct mutation *m, unsigned reply, struct err *err);
NODISCARD int check_ca_lifetime(int64_t lifetime, struct err *err);

#endif
