#ifndef REPLICA_CACHE_ISSUERS_H
#define REPLICA_CACHE_ISSUERS_H

/*
 * The certificates above the leaves, which most chains have in common: parsed once and held once,
 * however many chains bring them. OpenSSL takes longer to decode the key of a certificate than to
 * open a seal. Any thread.
 */

#include "common/base/buf.h"

struct cert;
struct issuers;

struct issuers *issuers_new(void);
void issuers_free(struct issuers *all);

/* As cert_parse, *out a reference to a certificate of exactly these bytes. */
NODISCARD int issuers_parse(
    struct issuers *all, struct span der, struct cert **out, struct err *err);

#endif
