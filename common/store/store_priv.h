#ifndef COMMON_STORE_STORE_PRIV_H
#define COMMON_STORE_STORE_PRIV_H

/*
 * Inside the store: the connection, the table of all statements, and the few ways to run one. Only
 * files of this folder and its tests include this.
 */

#include "common/store/store.h"

#include <sqlite3.h>

#define RECORD_COLUMNS                                                                             \
	"id, kind, term, seq, mutation, version, committed_at_ms, removed, hash, name, "           \
	"signature, body"
#define BRIEF_COLUMNS "id, kind, term, seq, mutation, version, committed_at_ms, removed, hash, name"
#define RECORD_UPSERT                                                                              \
	"ON CONFLICT(id) DO UPDATE SET kind = excluded.kind, term = excluded.term, "               \
	"seq = excluded.seq, mutation = excluded.mutation, version = excluded.version, "           \
	"committed_at_ms = excluded.committed_at_ms, removed = excluded.removed, "                 \
	"hash = excluded.hash, name = excluded.name, signature = excluded.signature, "             \
	"body = excluded.body"
/* NODE and DESIGNATION: their tombstones stay for ever. */
#define PURGEABLE "removed = 1 AND kind NOT IN (2, 3)"

/*
 * Every statement of the store, prepared once. SCAN: reads a whole table on purpose; a test fails
 * for any other that does.
 */
#define STORE_STATEMENTS(STMT, SCAN)                                                               \
	STMT(BEGIN, "BEGIN IMMEDIATE")                                                             \
	STMT(COMMIT, "COMMIT")                                                                     \
	STMT(ROLLBACK, "ROLLBACK")                                                                 \
	STMT(PUT,                                                                                  \
	    "INSERT INTO records(" RECORD_COLUMNS ") VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "  \
	    "?10, ?11, ?12) " RECORD_UPSERT)                                                       \
	STMT(DELETE, "DELETE FROM records WHERE id = ?1")                                          \
	STMT(GET, "SELECT " RECORD_COLUMNS " FROM records WHERE id = ?1")                          \
	STMT(PAGE,                                                                                 \
	    "SELECT " RECORD_COLUMNS " FROM records WHERE (term, seq) > (?1, ?2) "                 \
	    "ORDER BY term, seq")                                                                  \
	SCAN(EACH, "SELECT " RECORD_COLUMNS " FROM records")                                       \
	SCAN(EACH_BRIEF, "SELECT " BRIEF_COLUMNS " FROM records")                                  \
	STMT(EACH_OF, "SELECT " RECORD_COLUMNS " FROM records WHERE kind = ?1")                    \
	STMT(EACH_OF_BRIEF, "SELECT " BRIEF_COLUMNS " FROM records WHERE kind = ?1")               \
	STMT(NEWEST, "SELECT term, seq FROM records ORDER BY term DESC, seq DESC LIMIT 1")         \
	SCAN(COUNT, "SELECT count(*) FROM records")                                                \
	STMT(FLOOR_YOUNG,                                                                          \
	    "SELECT term, seq FROM records WHERE " PURGEABLE " AND committed_at_ms >= ?1 "         \
	    "AND (term, seq) > (0, 0) ORDER BY term, seq LIMIT 1")                                 \
	STMT(FLOOR_OLD,                                                                            \
	    "SELECT term, seq FROM records WHERE " PURGEABLE " AND (term, seq) < (?1, ?2) "        \
	    "ORDER BY term DESC, seq DESC LIMIT 1")                                                \
	STMT(TOMBSTONES,                                                                           \
	    "SELECT id FROM records WHERE " PURGEABLE " AND (term, seq) <= (?1, ?2) "              \
	    "ORDER BY term, seq")                                                                  \
	STMT(META_GET, "SELECT value FROM meta WHERE key = ?1")                                    \
	STMT(META_SET,                                                                             \
	    "INSERT INTO meta(key, value) VALUES(?1, ?2) "                                         \
	    "ON CONFLICT(key) DO UPDATE SET value = excluded.value")                               \
	STMT(META_DELETE, "DELETE FROM meta WHERE key = ?1")                                       \
	STMT(STAGE_PUT,                                                                            \
	    "INSERT INTO stage(" RECORD_COLUMNS ") VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "    \
	    "?10, ?11, ?12)")                                                                      \
	STMT(STAGE_CLEAR, "DELETE FROM stage")                                                     \
	SCAN(STAGE_MERGE,                                                                          \
	    "INSERT INTO records(" RECORD_COLUMNS ") SELECT " RECORD_COLUMNS                       \
	    " FROM stage WHERE true ORDER BY n " RECORD_UPSERT)

#define STORE_SIGNATURE_MAX 256

enum store_stmt {
#define ENTRY(name, sql) STMT_##name,
	STORE_STATEMENTS(ENTRY, ENTRY)
#undef ENTRY
	    STMT__COUNT,
};

enum store_sync {
	SYNC_UNKNOWN,
	SYNC_NORMAL,
	SYNC_FULL,
};

struct store {
	struct sqlite3 *db; /* NULL between a rebuild that could not open the file and the next */
	char *path;
	char *vfs;
	struct store_params params;
	enum store_sync sync; /* what the connection is set to */
	int wal_pages;        /* committed and not yet moved to the file */
	bool failed;
	sqlite3_stmt *stmts[STMT__COUNT];
};

const char *store_statement_sql(enum store_stmt which);
bool store_statement_scans(enum store_stmt which);

/* ERR_IO when there is no connection. */
NODISCARD int store_ready(const struct store *s, struct err *err);
/* The same, and ERR_IO for a failed store. */
NODISCARD int store_writable(const struct store *s, struct err *err);

NODISCARD int store_prepare_all(struct store *s, struct err *err);
void store_finalize_all(struct store *s);
/* Runs text that was not prepared: pragmas and schema changes. */
NODISCARD int store_exec(struct store *s, const char *sql, struct err *err);
/* A pragma's or query's single integer. */
NODISCARD int store_exec_number(struct store *s, const char *sql, int64_t *out, struct err *err);

/* A statement ready for binding. Every one taken is given back by store_release. */
sqlite3_stmt *store_take(struct store *s, enum store_stmt which);
void store_release(sqlite3_stmt *st);
DEFINE_FREEP(sqlite3_stmt, store_release)
/* 1: a row, 0: done, negative: an error in err. */
NODISCARD int store_step(struct store *s, sqlite3_stmt *st, struct err *err);
/* Runs a statement without rows and without values. */
NODISCARD int store_run(struct store *s, enum store_stmt which, struct err *err);

/* Binds; values within the program's limits, so that nothing but memory can be missing. */
void store_bind_u64(sqlite3_stmt *st, int at, uint64_t v);
void store_bind_span(sqlite3_stmt *st, int at, struct span v);
void store_bind_text(sqlite3_stmt *st, int at, const char *v);

NODISCARD int store_begin(struct store *s, enum store_sync sync, struct err *err);
NODISCARD int store_commit(struct store *s, struct err *err);
void store_rollback(struct store *s);
/* Everything of a change, inside a transaction. */
NODISCARD int store_apply_inside(
    struct store *s, const struct store_change *change, struct err *err);
NODISCARD int store_put(
    struct store *s, enum store_stmt which, const struct stored_record *r, struct err *err);
/* What the database's pages hold of a record, checked for its form; spans borrowed until the next
 * step. */
NODISCARD int store_row(sqlite3_stmt *st, bool body, struct stored_record *out, struct err *err);

NODISCARD int store_connect(struct store *s, struct err *err);
void store_disconnect(struct store *s, bool checkpoint);
NODISCARD int store_check_owner(struct store *s, int64_t *version, struct err *err);
NODISCARD int store_migrate_own(struct store *s, struct err *err);
/* Puts a rebuilt file in its place if a crash left it beside the old one. */
NODISCARD int store_finish_rebuild(struct store *s, struct err *err);
NODISCARD int store_check_bodies(
    struct store *s, struct sqlite3 *db, struct hash *digest, struct err *err);

#endif
