#ifndef SERVER_SIGNER_LOCAL_H
#define SERVER_SIGNER_LOCAL_H

/*
 * A signer in this process, for the bootstrap, for tests and for the simulator. Operations are
 * executed when they are submitted, and answered by a timer of the runtime. Loop thread only.
 */

#include "common/base/runtime.h"
#include "common/crypto/pkey.h"
#include "server/signer/signer.h"

/* Takes the keys (see signer_core_new), whatever the outcome. Start is for the caller to submit. */
NODISCARD int signer_local_new(
    struct runtime *rt, struct keyfile *keys, struct signer **out, struct err *err);
/* Calls that were not answered yet are forgotten. */
void signer_local_free(struct signer *s);

#endif
