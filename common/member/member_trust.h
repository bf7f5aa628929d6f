#ifndef COMMON_MEMBER_MEMBER_TRUST_H
#define COMMON_MEMBER_MEMBER_TRUST_H

/* What a member believes at start: its pinned root, and the designations among its records. */

#include "common/member/member.h"

struct store;
struct trust;

/*
 * Blocking, on the worker or before the loop runs. Designations that do not verify are passed over
 * with *skipped counting them: the follower meets them again and judges. ERR_CRYPTO, ERR_PARSE.
 */
NODISCARD int member_trust(const struct member *m, struct store *store, struct trust **out,
    size_t *skipped, struct err *err);

#endif
