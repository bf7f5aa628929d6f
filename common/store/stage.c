#include "common/store/store_priv.h"

/*
 * The stage has no indexes, so filling it is fast, and may hold an id twice. When it becomes the
 * records, their old table goes with its indexes, which are then built anew by sorting; ids that
 * are there twice show by the unique index that cannot be built.
 */

static const char swap_tables[] = "DROP TABLE records;"
				  "ALTER TABLE stage RENAME TO records";
static const char make_id_index[] = "CREATE UNIQUE INDEX records_id ON records(id)";
static const char drop_doubles[] =
    "DELETE FROM records WHERE n NOT IN (SELECT max(n) FROM records GROUP BY id)";
static const char make_the_rest[] =
    "CREATE UNIQUE INDEX records_position ON records(term, seq);"
    "CREATE INDEX records_kind ON records(kind);"
    "CREATE INDEX records_removed ON records(term, seq) WHERE removed = 1;"
    "CREATE TABLE stage ("
    "n INTEGER PRIMARY KEY, id BLOB NOT NULL, kind INTEGER NOT NULL, term INTEGER NOT NULL, "
    "seq INTEGER NOT NULL, mutation INTEGER NOT NULL, version INTEGER NOT NULL, "
    "committed_at_ms INTEGER NOT NULL, removed INTEGER NOT NULL, hash BLOB NOT NULL, "
    "name TEXT NOT NULL, signature BLOB NOT NULL, body BLOB NOT NULL) STRICT";

int
store_stage_begin(struct store *s, struct err *err)
{
	int r = store_begin(s, SYNC_NORMAL, err);

	if (r < 0)
		return r;
	r = store_run(s, STMT_STAGE_CLEAR, err);
	if (r < 0) {
		store_rollback(s);
		return r;
	}
	return store_commit(s, err);
}

int
store_stage_put(struct store *s, const struct stored_record *records, size_t count, struct err *err)
{
	/* What is staged may be lost: NORMAL, also on servers. */
	int r = store_begin(s, SYNC_NORMAL, err);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < count; i++)
		r = store_put(s, STMT_STAGE_PUT, &records[i], err);
	if (r < 0) {
		store_rollback(s);
		return r;
	}
	r = store_commit(s, err);
	return r < 0 ? r : store_checkpoint(s, err);
}

static int
replace(struct store *s, struct err *err)
{
	int r = store_exec(s, swap_tables, err);

	if (r < 0)
		return r;
	r = store_exec(s, make_id_index, NULL);
	if (r == ERR_INVALID) {
		r = store_exec(s, drop_doubles, err);
		if (r == 0)
			r = store_exec(s, make_id_index, err);
	} else if (r < 0) {
		return err_set(err, (enum err_code)r, "cannot index the records of '%s'", s->path);
	}
	return r < 0 ? r : store_exec(s, make_the_rest, err);
}

static int
merge(struct store *s, struct err *err)
{
	int r = store_run(s, STMT_STAGE_MERGE, err);

	return r < 0 ? r : store_run(s, STMT_STAGE_CLEAR, err);
}

int
store_stage_finish(
    struct store *s, enum store_stage how, const struct store_change *change, struct err *err)
{
	bool full = s->params.full || change->force_full;
	int r = store_begin(s, full ? SYNC_FULL : SYNC_NORMAL, err);

	if (r < 0)
		return r;
	r = how == STORE_STAGE_REPLACE ? replace(s, err) : merge(s, err);
	if (r == 0)
		r = store_apply_inside(s, change, err);
	if (r < 0) {
		store_rollback(s);
		return r;
	}
	r = store_commit(s, err);
	return r < 0 ? r : store_checkpoint(s, err);
}
