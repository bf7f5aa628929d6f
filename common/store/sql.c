#include "common/store/store_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *sql;
	bool scans;
} statements[] = {
#define ENTRY(name, text) [STMT_##name] = {text, false},
#define SCAN_ENTRY(name, text) [STMT_##name] = {text, true},
    STORE_STATEMENTS(ENTRY, SCAN_ENTRY)
#undef ENTRY
#undef SCAN_ENTRY
};
_Static_assert(ARRAY_LEN(statements) == STMT__COUNT, "every statement has its text");

const char *
store_statement_sql(enum store_stmt which)
{
	return statements[which].sql;
}

bool
store_statement_scans(enum store_stmt which)
{
	return statements[which].scans;
}

/* A failed read is an error; a failed write means that what lies on the disk is not known. */
static bool
is_write_error(int rc)
{
	switch (rc) {
	case SQLITE_IOERR_READ:
	case SQLITE_IOERR_SHORT_READ:
	case SQLITE_IOERR_FSTAT:
	case SQLITE_IOERR_ACCESS:
	case SQLITE_IOERR_NOMEM:
		return false;
	default:
		return (rc & 0xff) == SQLITE_IOERR;
	}
}

static enum err_code
code_of(int rc)
{
	if (rc == SQLITE_IOERR_NOMEM)
		return ERR_NOMEM;
	switch (rc & 0xff) {
	case SQLITE_FULL:
		return ERR_NOSPACE;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		return ERR_IO;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return ERR_PARSE;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return ERR_BUSY;
	case SQLITE_NOMEM:
		return ERR_NOMEM;
	case SQLITE_CONSTRAINT:
		return ERR_INVALID;
	case SQLITE_TOOBIG:
		return ERR_LIMIT;
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return ERR_DENIED;
	default:
		return ERR_BUG;
	}
}

int
store_sql_error(struct store *s, int rc, struct err *err, const char *fmt, ...)
{
	char what[ERR_TEXT_MAX];
	enum err_code code = code_of(rc);
	va_list ap;

	if (is_write_error(rc))
		s->failed = true;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	if (code == ERR_PARSE)
		return err_set(err, code, "%s: database '%s' is damaged (%s)", what, s->path,
		    sqlite3_errstr(rc));
	if (code == ERR_BUSY)
		return err_set(err, code, "%s: another process uses database '%s'", what, s->path);
	if (code == ERR_NOSPACE)
		return err_set(err, code, "%s: no space is left for database '%s'", what, s->path);
	return err_set(err, code, "%s: database '%s': %s", what, s->path,
	    s->db != NULL && sqlite3_errcode(s->db) == (rc & 0xff) ? sqlite3_errmsg(s->db)
								   : sqlite3_errstr(rc));
}

int
store_ready(const struct store *s, struct err *err)
{
	if (s->db == NULL)
		return err_set(
		    err, ERR_IO, "database '%s' could not be opened again after an error", s->path);
	return 0;
}

int
store_writable(const struct store *s, struct err *err)
{
	int r = store_ready(s, err);

	if (r == 0 && s->failed)
		return err_set(err, ERR_IO,
		    "database '%s' takes no changes since a write failed, until it has been "
		    "written anew",
		    s->path);
	return r;
}

int
store_prepare_all(struct store *s, struct err *err)
{
	for (unsigned i = 0; i < STMT__COUNT; i++) {
		int rc = sqlite3_prepare_v3(
		    s->db, statements[i].sql, -1, SQLITE_PREPARE_PERSISTENT, &s->stmts[i], NULL);

		if (rc != SQLITE_OK)
			return store_sql_error(s, rc, err, "statement %u is not accepted", i);
	}
	return 0;
}

void
store_finalize_all(struct store *s)
{
	for (unsigned i = 0; i < STMT__COUNT; i++) {
		sqlite3_finalize(s->stmts[i]);
		s->stmts[i] = NULL;
	}
}

int
store_exec(struct store *s, const char *sql, struct err *err)
{
	int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : store_sql_error(s, rc, err, "'%.40s'", sql);
}

int
store_exec_number(struct store *s, const char *sql, int64_t *out, struct err *err)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*out = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return rc == SQLITE_ROW ? 0 : store_sql_error(s, rc, err, "'%.40s'", sql);
}

sqlite3_stmt *
store_take(struct store *s, enum store_stmt which)
{
	sqlite3_stmt *st = s->stmts[which];

	/* Taken twice: a callback of the store uses the store. */
	CHECK(st != NULL && !sqlite3_stmt_busy(st));
	return st;
}

void
store_release(sqlite3_stmt *st)
{
	if (st == NULL)
		return;
	/* The error of the step, if there was one, has been reported by then. */
	(void)sqlite3_reset(st);
	(void)sqlite3_clear_bindings(st);
}

int
store_step(struct store *s, sqlite3_stmt *st, struct err *err)
{
	int rc = sqlite3_step(st);

	if (rc == SQLITE_ROW)
		return 1;
	if (rc == SQLITE_DONE)
		return 0;
	return store_sql_error(s, rc, err, "statement '%.24s'", sqlite3_sql(st));
}

int
store_run(struct store *s, enum store_stmt which, struct err *err)
{
	AUTO(store_releasep)
	sqlite3_stmt *st = store_take(s, which);

	return store_step(s, st, err);
}

void
store_bind_u64(sqlite3_stmt *st, int at, uint64_t v)
{
	CHECK(v <= INT64_MAX);
	CHECK(sqlite3_bind_int64(st, at, (sqlite3_int64)v) == SQLITE_OK);
}

void
store_bind_span(sqlite3_stmt *st, int at, struct span v)
{
	/* A NULL pointer would be the value NULL, which no column takes. */
	CHECK(sqlite3_bind_blob64(st, at, v.data != NULL ? (const void *)v.data : "", v.len,
		  SQLITE_STATIC) == SQLITE_OK);
}

void
store_bind_text(sqlite3_stmt *st, int at, const char *v)
{
	CHECK(sqlite3_bind_text(st, at, v, -1, SQLITE_STATIC) == SQLITE_OK);
}
