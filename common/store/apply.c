#include "common/store/store_priv.h"

#include "common/base/limits.h"

#include <string.h>

/* Pages in the log: from which on store_checkpoint moves them, and store_apply by itself. */
#define CHECKPOINT_PAGES 1000
#define CHECKPOINT_PAGES_LATE 8000

int
store_begin(struct store *s, enum store_sync sync, struct err *err)
{
	int r = store_writable(s, err);

	if (r < 0)
		return r;
	if (sync != s->sync) {
		r = store_exec(s,
		    sync == SYNC_FULL ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL",
		    err);
		if (r < 0)
			return r;
		s->sync = sync;
	}
	return store_run(s, STMT_BEGIN, err);
}

void
store_rollback(struct store *s)
{
	/* Some errors have rolled back already. What this one could say does not matter: either the
	 * transaction is gone, or the next BEGIN fails. */
	if (s->db == NULL || sqlite3_get_autocommit(s->db))
		return;
	if (sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL) != SQLITE_OK)
		s->failed = true;
}

int
store_commit(struct store *s, struct err *err)
{
	int r = store_run(s, STMT_COMMIT, err);

	if (r < 0)
		store_rollback(s);
	return r;
}

static int
check_record(const struct stored_record *r, struct err *err)
{
	if (r->at.term > INT64_MAX || r->at.seq > INT64_MAX || r->mutation > INT64_MAX ||
	    r->version > INT64_MAX)
		return err_set(
		    err, ERR_INVALID, "record '%s' has a number of 2^63 or more", r->name);
	if (r->body.len > LIMIT_RECORD || r->signature.len > STORE_SIGNATURE_MAX ||
	    strlen(r->name) > LIMIT_NAME)
		return err_set(
		    err, ERR_LIMIT, "record '%.64s' is longer than the store takes", r->name);
	return 0;
}

int
store_put(struct store *s, enum store_stmt which, const struct stored_record *r, struct err *err)
{
	AUTO(store_releasep)
	sqlite3_stmt *st = NULL;
	int bad = check_record(r, err);

	if (bad < 0)
		return bad;
	st = store_take(s, which);
	store_bind_span(st, 1, SPAN_OF(r->id.bytes));
	store_bind_u64(st, 2, r->kind);
	store_bind_u64(st, 3, r->at.term);
	store_bind_u64(st, 4, r->at.seq);
	store_bind_u64(st, 5, r->mutation);
	store_bind_u64(st, 6, r->version);
	CHECK(sqlite3_bind_int64(st, 7, r->committed_at_ms) == SQLITE_OK);
	store_bind_u64(st, 8, r->removed);
	store_bind_span(st, 9, SPAN_OF(r->hash.bytes));
	store_bind_text(st, 10, r->name);
	store_bind_span(st, 11, r->signature);
	store_bind_span(st, 12, r->body);
	return store_step(s, st, err);
}

static int
apply_metas(struct store *s, const struct store_meta *metas, size_t count, struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		bool set = metas[i].value.data != NULL;
		AUTO(store_releasep)
		sqlite3_stmt *st = store_take(s, set ? STMT_META_SET : STMT_META_DELETE);
		int r;

		store_bind_text(st, 1, metas[i].key);
		if (set)
			store_bind_span(st, 2, metas[i].value);
		r = store_step(s, st, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int
store_apply_inside(struct store *s, const struct store_change *change, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < change->delete_count; i++) {
		AUTO(store_releasep)
		sqlite3_stmt *st = store_take(s, STMT_DELETE);

		store_bind_span(st, 1, SPAN_OF(change->deletes[i].bytes));
		r = store_step(s, st, err);
	}
	for (size_t i = 0; r == 0 && i < change->record_count; i++)
		r = store_put(s, STMT_PUT, &change->records[i], err);
	if (r == 0)
		r = apply_metas(s, change->metas, change->meta_count, err);
	if (r == 0 && change->hook != NULL)
		r = change->hook(s, change->hook_arg, err);
	return r;
}

static int
checkpoint(struct store *s, int at_least, struct err *err)
{
	int rc;

	if (s->wal_pages < at_least)
		return 0;
	rc = sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	if (rc != SQLITE_OK)
		return store_sql_error(s, rc, err, "cannot move the log into the file");
	s->wal_pages = 0;
	return 0;
}

int
store_apply(struct store *s, const struct store_change *change, struct err *err)
{
	bool full = s->params.full || change->force_full;
	int r = store_begin(s, full ? SYNC_FULL : SYNC_NORMAL, err);

	if (r < 0)
		return r;
	r = store_apply_inside(s, change, err);
	if (r < 0) {
		store_rollback(s);
		return r;
	}
	r = store_commit(s, err);
	if (r < 0)
		return r;
	/* The change is durable whatever comes of this; an error of the disk makes the store
	 * failed, and the next change finds out. */
	(void)!checkpoint(s, CHECKPOINT_PAGES_LATE, NULL);
	return 0;
}

int
store_checkpoint(struct store *s, struct err *err)
{
	int r = store_writable(s, err);

	return r < 0 ? r : checkpoint(s, CHECKPOINT_PAGES, err);
}

int
store_meta_set(struct store *s, const char *key, struct span value, struct err *err)
{
	const struct store_meta meta = {key, value};
	const struct store_change change = {.metas = &meta, .meta_count = 1};

	return store_apply(s, &change, err);
}
