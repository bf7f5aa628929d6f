#include "server/index/index_local.h"

#include "common/base/str.h"
#include "server/index/local_sql.h"

#include <string.h>

static const struct store_migration migrations[] = {
    {"CREATE TABLE token ("
     "id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16), "
     "secret BLOB NOT NULL CHECK (length(secret) = 32), "
     "name TEXT NOT NULL, "
     "expires_at INTEGER NOT NULL, "
     "tries INTEGER NOT NULL, "
     "claimed_by BLOB CHECK (length(claimed_by) = 32)) STRICT;"
     "CREATE TABLE audit ("
     "number INTEGER NOT NULL PRIMARY KEY, "
     "at_ms INTEGER NOT NULL, "
     "actor TEXT NOT NULL, "
     "action TEXT NOT NULL, "
     "object TEXT NOT NULL, "
     "term INTEGER NOT NULL, "
     "seq INTEGER NOT NULL, "
     "link BLOB NOT NULL CHECK (length(link) = 32)) STRICT;"},
    {"CREATE TABLE event ("
     "number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "
     "level INTEGER NOT NULL, "
     "kind TEXT NOT NULL, "
     "body BLOB NOT NULL, "
     "lost INTEGER NOT NULL) STRICT;"
     "CREATE TABLE event_receiver ("
     "name TEXT NOT NULL PRIMARY KEY, "
     "done INTEGER NOT NULL) STRICT;"
     "CREATE TABLE event_mark ("
     "about BLOB NOT NULL CHECK (length(about) = 16), "
     "kind TEXT NOT NULL, "
     "level INTEGER NOT NULL, "
     "PRIMARY KEY (about, kind)) STRICT, WITHOUT ROWID;"},
};

int
local_open(struct store *s, struct err *err)
{
	return store_migrate(s, "local", migrations, ARRAY_LEN(migrations), err);
}

/* Runs a statement that gives no rows. */
static int
finish(struct local_stmt *st, struct err *err)
{
	int rc = local_step(st, err);

	CHECK(rc <= 0);
	return rc;
}

int
local_token_put(struct store *s, const struct local_token *t, struct err *err)
{
	AUTO(local_stmt_fini)
	struct local_stmt st;
	int rc = local_stmt_begin(&st, s, "keep a join token",
	    "INSERT OR REPLACE INTO token (id, secret, name, expires_at, tries, claimed_by) "
	    "VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
	    err);

	if (rc < 0)
		return rc;
	local_bind_bytes(&st, 1, SPAN_OF(t->id.bytes));
	local_bind_bytes(&st, 2, SPAN_OF(t->secret.bytes));
	local_bind_text(&st, 3, t->name);
	local_bind_int(&st, 4, t->expires_at);
	local_bind_int(&st, 5, t->tries);
	if (t->claimed)
		local_bind_bytes(&st, 6, SPAN_OF(t->claimed_by.bytes));
	return finish(&st, err);
}

int
local_token_delete(struct store *s, const struct id *id, struct err *err)
{
	AUTO(local_stmt_fini)
	struct local_stmt st;
	int rc =
	    local_stmt_begin(&st, s, "delete a join token", "DELETE FROM token WHERE id = ?1", err);

	if (rc < 0)
		return rc;
	local_bind_bytes(&st, 1, SPAN_OF(id->bytes));
	return finish(&st, err);
}

static int
read_token(struct local_stmt *st, struct local_token *t, struct err *err)
{
	struct span claimed = local_column_bytes(st, 5);
	int rc = id_from_span(local_column_bytes(st, 0), &t->id, err);

	if (rc == 0)
		rc = hash_from_span(local_column_bytes(st, 1), &t->secret, err);
	if (rc == 0)
		rc = str_copy(t->name, sizeof(t->name), local_column_text(st, 2), err);
	if (rc < 0)
		return rc;
	t->expires_at = local_column_int(st, 3);
	t->tries = (uint32_t)local_column_int(st, 4);
	t->claimed = claimed.len > 0;
	return t->claimed ? hash_from_span(claimed, &t->claimed_by, err) : 0;
}

static int
delete_expired(struct store *s, int64_t now, struct err *err)
{
	AUTO(local_stmt_fini)
	struct local_stmt st;
	int rc = local_stmt_begin(
	    &st, s, "delete old join tokens", "DELETE FROM token WHERE expires_at < ?1", err);

	if (rc < 0)
		return rc;
	local_bind_int(&st, 1, now);
	return finish(&st, err);
}

int
local_token_load(
    struct store *s, int64_t now, struct local_token **out, size_t *count, struct err *err)
{
	AUTO(local_stmt_fini)
	struct local_stmt st = {0};
	struct local_token *list = NULL;
	size_t n = 0;
	int rc = delete_expired(s, now, err);

	if (rc == 0)
		rc = local_stmt_begin(&st, s, "read the join tokens",
		    "SELECT id, secret, name, expires_at, tries, claimed_by FROM token", err);
	if (rc < 0)
		return rc;
	while ((rc = local_step(&st, err)) == 1) {
		list = mem_grow(list, n + 1, sizeof(*list));
		memset(&list[n], 0, sizeof(*list));
		rc = read_token(&st, &list[n], err);
		if (rc < 0)
			break;
		n++;
	}
	if (rc < 0) {
		mem_free(list);
		return err_wrap(err, "join tokens");
	}
	*out = list;
	*count = n;
	return 0;
}
