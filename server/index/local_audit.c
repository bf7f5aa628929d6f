/* The audit log: rows that are only ever added, each chained to the one before. */

#include "common/crypto/sign.h"
#include "server/index/index_local.h"
#include "server/index/local_sql.h"

#include <string.h>

#define ROW_MAX 4096

/* Number and times in fixed widths, then the texts, each behind its length: one form only. */
static void
row_link(const struct hash *before, uint64_t number, const struct audit_entry *e, struct hash *out)
{
	static const char prefix[] = "certherd/audit/v1"; /* its NUL is part of it */
	const char *const texts[] = {e->actor, e->action, e->object};
	struct buf row = BUF_INIT(ROW_MAX);

	buf_put(&row, prefix, sizeof(prefix));
	buf_put(&row, before->bytes, HASH_LEN);
	buf_put_be64(&row, number);
	buf_put_be64(&row, (uint64_t)e->at_ms);
	buf_put_be64(&row, e->term);
	buf_put_be64(&row, e->seq);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		buf_put_be16(&row, (uint16_t)strlen(texts[i]));
		buf_put_str(&row, texts[i]);
	}
	CHECK(row.error == 0);
	hash_of(buf_span(&row), out);
	buf_fini(&row);
}

int
local_audit_head(struct store *s, uint64_t *number, struct hash *head, struct err *err)
{
	AUTO(local_stmt_fini)
	struct local_stmt st;
	int rc = local_stmt_begin(&st, s, "read the end of the audit log",
	    "SELECT number, link FROM audit ORDER BY number DESC LIMIT 1", err);

	if (rc == 0)
		rc = local_step(&st, err);
	if (rc < 0)
		return rc;
	*number = 0;
	memset(head, 0, sizeof(*head));
	if (rc == 0)
		return 0;
	*number = (uint64_t)local_column_int(&st, 0);
	return hash_from_span(local_column_bytes(&st, 1), head, err);
}

static int
insert(struct store *s, uint64_t number, const struct audit_entry *e, const struct hash *link,
    struct err *err)
{
	AUTO(local_stmt_fini)
	struct local_stmt st;
	int rc = local_stmt_begin(&st, s, "write the audit log",
	    "INSERT INTO audit (number, at_ms, actor, action, object, term, seq, link) "
	    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
	    err);

	if (rc < 0)
		return rc;
	local_bind_int(&st, 1, (int64_t)number);
	local_bind_int(&st, 2, e->at_ms);
	local_bind_text(&st, 3, e->actor);
	local_bind_text(&st, 4, e->action);
	local_bind_text(&st, 5, e->object);
	local_bind_int(&st, 6, (int64_t)e->term);
	local_bind_int(&st, 7, (int64_t)e->seq);
	local_bind_bytes(&st, 8, SPAN_OF(link->bytes));
	rc = local_step(&st, err);
	CHECK(rc <= 0);
	return rc;
}

int
local_audit_append(void *arg, struct store *s, const struct audit_entry *entries, size_t count,
    struct hash *chain_head, struct err *err)
{
	struct hash link;
	uint64_t number;
	int rc = local_audit_head(s, &number, &link, err);

	(void)arg;
	for (size_t i = 0; rc == 0 && i < count; i++) {
		struct hash next;

		row_link(&link, ++number, &entries[i], &next);
		link = next;
		rc = insert(s, number, &entries[i], &link, err);
	}
	if (rc == 0)
		*chain_head = link;
	return rc;
}

int
local_audit_each(
    struct store *s, uint64_t above, size_t max, local_audit_cb *cb, void *arg, struct err *err)
{
	AUTO(local_stmt_fini)
	struct local_stmt st;
	int rc = local_stmt_begin(&st, s, "read the audit log",
	    "SELECT number, at_ms, actor, action, object, term, seq, link FROM audit "
	    "WHERE number > ?1 ORDER BY number LIMIT ?2",
	    err);

	if (rc < 0)
		return rc;
	local_bind_int(&st, 1, (int64_t)above);
	local_bind_int(&st, 2, max < INT64_MAX ? (int64_t)max : INT64_MAX);
	while ((rc = local_step(&st, err)) == 1) {
		struct local_audit_row row = {.number = (uint64_t)local_column_int(&st, 0),
		    .entry = {.at_ms = local_column_int(&st, 1),
			.actor = local_column_text(&st, 2),
			.action = local_column_text(&st, 3),
			.object = local_column_text(&st, 4),
			.term = (uint64_t)local_column_int(&st, 5),
			.seq = (uint64_t)local_column_int(&st, 6)}};

		rc = hash_from_span(local_column_bytes(&st, 7), &row.link, err);
		if (rc == 0)
			rc = cb(arg, &row, err);
		if (rc < 0)
			return rc;
	}
	return rc;
}

struct verify {
	uint64_t number;
	struct hash link;
};

static int
on_row(void *arg, const struct local_audit_row *row, struct err *err)
{
	struct verify *v = arg;
	struct hash link;

	row_link(&v->link, row->number, &row->entry, &link);
	if (row->number != v->number + 1 || !hash_equal(&link, &row->link))
		return err_set(err, ERR_CRYPTO, "audit log: entry %llu does not fit the chain",
		    (unsigned long long)row->number);
	v->number = row->number;
	v->link = link;
	return 0;
}

int
local_audit_verify(struct store *s, struct err *err)
{
	struct verify v = {0};

	return local_audit_each(s, 0, SIZE_MAX, on_row, &v, err);
}
