#ifndef SERVER_INDEX_LOCAL_SQL_H
#define SERVER_INDEX_LOCAL_SQL_H

/* Prepared statements of the local tables, taken and given back around each use. Internal. */

#include "common/store/store.h"

#include <sqlite3.h>

/* One use of a statement; an error is kept until local_stmt_end. */
struct local_stmt {
	struct store *store;
	sqlite3_stmt *stmt;
	int rc;
	const char *what; /* for the error's text */
};

NODISCARD int local_stmt_begin(
    struct local_stmt *s, struct store *store, const char *what, const char *sql, struct err *err);
void local_bind_bytes(struct local_stmt *s, int at, struct span bytes);
void local_bind_text(struct local_stmt *s, int at, const char *text);
void local_bind_int(struct local_stmt *s, int at, int64_t value);
/* 1: there is a row. 0: done. Negative: an error, in err. */
NODISCARD int local_step(struct local_stmt *s, struct err *err);
/* For the next use of the same statement; all parameters are bound anew. */
void local_stmt_again(struct local_stmt *s);
void local_stmt_fini(struct local_stmt *s);

struct span local_column_bytes(struct local_stmt *s, int at);
const char *local_column_text(struct local_stmt *s, int at);
int64_t local_column_int(struct local_stmt *s, int at);

#endif
