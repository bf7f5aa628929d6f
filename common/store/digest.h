#ifndef COMMON_STORE_DIGEST_H
#define COMMON_STORE_DIGEST_H

/*
 * The state digest, in memory: what a node holds, in 32 bytes. 4,096 buckets by the first 12 bits
 * of the record id; a bucket's hash is SHA-256 over its (id, SHA-256 of body) pairs sorted by id,
 * 32 zero bytes when it is empty; the root is that of a binary tree of SHA-256(left || right) over
 * the buckets in order. Tombstones count like records until they are purged. Changes cost nothing
 * until the next digest_root, which hashes only what changed. One thread at a time.
 */

#include "common/base/id.h"

#define DIGEST_BUCKETS 4096

struct digest;

struct digest *digest_new(void);
void digest_free(struct digest *d);
DEFINE_FREEP(struct digest, digest_free)

size_t digest_count(const struct digest *d);
/* Hash of the record's body as set last, NULL if it is not there; valid until the next change. */
const struct hash *digest_get(const struct digest *d, const struct id *id);
void digest_set(struct digest *d, const struct id *id, const struct hash *body);
/* False if it was not there. */
bool digest_remove(struct digest *d, const struct id *id);
void digest_clear(struct digest *d);

void digest_root(struct digest *d, struct hash *out);
void digest_bucket(struct digest *d, unsigned bucket, struct hash *out);

/*
 * A commit may fail: digest_mark remembers this state, and each change after it is noted until
 * digest_keep forgets the mark or digest_rollback undoes the changes. One mark at a time; no
 * digest_clear under a mark.
 */
void digest_mark(struct digest *d);
void digest_keep(struct digest *d);
void digest_rollback(struct digest *d);

#endif
