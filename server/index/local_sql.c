#include "server/index/local_sql.h"

#include <limits.h>

int
local_stmt_begin(
    struct local_stmt *s, struct store *store, const char *what, const char *sql, struct err *err)
{
	*s = (struct local_stmt){.store = store, .what = what};
	s->rc = sqlite3_prepare_v2(store_sqlite(store), sql, -1, &s->stmt, NULL);
	if (s->rc != SQLITE_OK)
		return store_sql_error(store, s->rc, err, "%s", what);
	return 0;
}

static void
keep(struct local_stmt *s, int rc)
{
	if (s->rc == SQLITE_OK)
		s->rc = rc;
}

void
local_bind_bytes(struct local_stmt *s, int at, struct span bytes)
{
	CHECK(bytes.len <= INT_MAX);
	keep(s, sqlite3_bind_blob(s->stmt, at, bytes.data, (int)bytes.len, SQLITE_STATIC));
}

void
local_bind_text(struct local_stmt *s, int at, const char *text)
{
	keep(s, sqlite3_bind_text(s->stmt, at, text, -1, SQLITE_STATIC));
}

void
local_bind_int(struct local_stmt *s, int at, int64_t value)
{
	keep(s, sqlite3_bind_int64(s->stmt, at, value));
}

int
local_step(struct local_stmt *s, struct err *err)
{
	int rc = s->rc == SQLITE_OK ? sqlite3_step(s->stmt) : s->rc;

	if (rc == SQLITE_ROW)
		return 1;
	if (rc == SQLITE_DONE)
		return 0;
	return store_sql_error(s->store, rc, err, "%s", s->what);
}

void
local_stmt_again(struct local_stmt *s)
{
	/* What the last use came to has been told already. */
	(void)sqlite3_reset(s->stmt);
	CHECK(sqlite3_clear_bindings(s->stmt) == SQLITE_OK);
	s->rc = SQLITE_OK;
}

void
local_stmt_fini(struct local_stmt *s)
{
	(void)sqlite3_finalize(s->stmt);
	s->stmt = NULL;
}

struct span
local_column_bytes(struct local_stmt *s, int at)
{
	const void *data = sqlite3_column_blob(s->stmt, at);

	return SPAN(data, (size_t)sqlite3_column_bytes(s->stmt, at));
}

const char *
local_column_text(struct local_stmt *s, int at)
{
	const unsigned char *text = sqlite3_column_text(s->stmt, at);

	return text != NULL ? (const char *)text : "";
}

int64_t
local_column_int(struct local_stmt *s, int at)
{
	return sqlite3_column_int64(s->stmt, at);
}
