#ifndef COMMON_KEYRING_KEYRING_H
#define COMMON_KEYRING_KEYRING_H

/*
 * The keys that a member opens with: its own sealing key, and the keys of the groups that it
 * belongs to, which come in MEMBERSHIP records. Learning and forgetting belong to one thread;
 * opening may happen on any number of others meanwhile.
 */

#include "common/crypto/pkey.h"
#include "common/model/public.h"

struct keyring;

/* Takes a reference to the private key. */
NODISCARD int keyring_new(const struct domain_id *domain, const struct id *node,
    const struct pkey *sealing, struct keyring **out, struct err *err);
void keyring_free(struct keyring *k);
DEFINE_FREEP(struct keyring, keyring_free)

/*
 * A MEMBERSHIP record, live or removed. One of this node opens and brings its group's keys (those
 * of the version before go); one of another node is ignored; a removed one takes them away. Returns
 * 1 when the keys that are held have changed, 0 when not.
 */
NODISCARD int keyring_learn(struct keyring *k, const struct record *membership, struct err *err);

/* Whether a record is a live MEMBERSHIP of this node, and so worth verifying and learning. */
bool keyring_is_own(const struct keyring *k, const struct record *membership);

/*
 * After a look at the whole state: takes away what came from any other membership than these. One
 * that ended while this node did not hear of it may have left no tombstone. Returns as above.
 */
int keyring_keep(struct keyring *k, const struct id *memberships, size_t count);

/* Whether this node is in an access list, itself or by a group whose key it holds. */
bool keyring_has_access(const struct keyring *k, const struct id *access, size_t count);
/* Whether it is a member of that group. */
bool keyring_in_group(const struct keyring *k, const struct id *group);

/*
 * Opens the sealed part of a record: the plaintext message of its kind (common/wire/public_wire.h).
 * ERR_NOTFOUND: sealed to others (normal). ERR_CRYPTO: an alarm, named with the record's id.
 */
NODISCARD int keyring_open(
    const struct keyring *k, const struct record *record, struct secret **out, struct err *err);
/* PrivateKey inside it, checked to be the private half of spki. */
NODISCARD int keyring_open_key(const struct keyring *k, const struct record *record,
    struct span spki, struct pkey **out, struct err *err);

#endif
