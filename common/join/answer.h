#ifndef COMMON_JOIN_ANSWER_H
#define COMMON_JOIN_ANSWER_H

/* Replies of a server to a machine that joins: read here, and believed by nobody before that. */

#include "common/member/member.h"

/* {"error":{"code","text"}} as an error; server is named in front. */
int join_answer_error(int status, struct span body, const char *server, struct err *err);

/* The root certificate of GET /v1/root. ERR_CRYPTO when it is not the one with that fingerprint. */
NODISCARD int join_answer_root(
    struct span body, const struct hash *fingerprint, struct cert **out, struct err *err);

/* What the joining machine knows already. */
struct join_expected {
	const struct cert *root;
	const struct domain_id *domain;
	const struct pkey *identity_key;
	int64_t now;
};

/*
 * The answer of POST /v1/join. out holds what member_write wants, but the key. ERR_CRYPTO when the
 * certificate is not for our key, or not of this domain. out is untouched on failure.
 */
NODISCARD int join_answer_identity(
    struct span body, const struct join_expected *expected, struct member *out, struct err *err);

#endif
