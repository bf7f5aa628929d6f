#ifndef SERVER_INDEX_INDEX_LOCAL_H
#define SERVER_INDEX_INDEX_LOCAL_H

/*
 * Tables of this server alone, in the store's database beside the records: join tokens (hashed),
 * and the audit log. Blocking; on the runtime's worker only.
 */

#include "common/store/store.h"
#include "server/commit/commit.h"

/* Creates or migrates the tables. At start. */
NODISCARD int local_open(struct store *s, struct err *err);

struct local_token {
	struct id id;
	struct hash secret; /* SHA-256 of it */
	char name[LIMIT_LABEL + 1];
	int64_t expires_at;
	uint32_t tries;
	bool claimed;
	struct hash claimed_by; /* SHA-256 of the keys that joined with it */
};

/* Inserts or replaces. */
NODISCARD int local_token_put(struct store *s, const struct local_token *t, struct err *err);
NODISCARD int local_token_delete(struct store *s, const struct id *id, struct err *err);
/* Deletes those that ran out before now, and gives the others; owned by the caller (mem_free). */
NODISCARD int local_token_load(
    struct store *s, int64_t now, struct local_token **out, size_t *count, struct err *err);

/*
 * The audit log: each row is chained to the one before by
 * SHA-256("certherd/audit/v1\0", hash before, row), rows as docs/internals/index.md says. A
 * commit_audit_cb; arg is not used.
 */
int local_audit_append(void *arg, struct store *s, const struct audit_entry *entries, size_t count,
    struct hash *chain_head, struct err *err);
/* Number and last link of the chain; zeroes when it is empty. */
NODISCARD int local_audit_head(
    struct store *s, uint64_t *number, struct hash *head, struct err *err);

struct local_audit_row {
	uint64_t number;
	struct audit_entry entry; /* texts borrowed for the call */
	struct hash link;
};
typedef int local_audit_cb(void *arg, const struct local_audit_row *row, struct err *err);
/* Rows above a number, in order, at most max. */
NODISCARD int local_audit_each(
    struct store *s, uint64_t above, size_t max, local_audit_cb *cb, void *arg, struct err *err);
/* ERR_CRYPTO names the first row that does not fit the chain. */
NODISCARD int local_audit_verify(struct store *s, struct err *err);

#endif
