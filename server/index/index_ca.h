#ifndef SERVER_INDEX_INDEX_CA_H
#define SERVER_INDEX_INDEX_CA_H

/* Micro CAs in the index: who signed what, what is revoked, and when something is due. */

#include "server/index/index.h"

/* The CA whose key signed the certificate of a GENERATION; NULL: none of this domain. */
const struct index_record *index_ca_of(
    const struct index *ix, const struct index_record *generation);
/* The one that issues in place of a CA; itself when there is none. */
const struct index_record *index_ca_successor(
    const struct index *ix, const struct index_record *ca);
/* Its revocation list; NULL: there is none yet. */
const struct index_record *index_crl_of(const struct index *ix, const struct index_record *ca);
/* Generations that are revoked and were signed by this CA. */
void index_revoked(
    const struct index *ix, const struct index_record *ca, index_each_cb *cb, void *arg);
/*
 * A generation of whatever credential that is revoked and has this certificate (its SHA-256), or is
 * withdrawn because this key is compromised; NULL: none.
 */
const struct index_record *index_disowned(
    const struct index *ix, const struct hash *key, const struct hash *fingerprint);
/* Whether the list of a CA has the certificate of a revoked GENERATION. */
bool index_is_listed(const struct index_record *crl, const struct index_record *generation);
/*
 * Whether a CA has to have a list: it has an address, or has revoked something. Not once its own
 * certificate has run out: nobody believes a list of it then.
 */
bool index_wants_crl(const struct index *ix, const struct index_record *ca, int64_t now);
/* How many certificates that still run are not in its list, though they are revoked. */
size_t index_unlisted(const struct index *ix, const struct index_record *ca, int64_t now);
/* Whether a GENERATION is one of those: its record must stay until the list has it. */
bool index_awaits_list(const struct index *ix, const struct index_record *generation, int64_t now);
/*
 * When a CA is to be renewed (seconds), by the longest certificates that are asked of it and by the
 * CAs below it; 0: never, because another one issues in its place, or it is not enabled.
 */
int64_t index_ca_due_at(const struct index *ix, const struct index_record *ca);

#endif
