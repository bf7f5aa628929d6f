#include "common/store/store_priv.h"

#include "common/store/digest.h"
#include "common/base/limits.h"
#include "common/crypto/sign.h"
#include "common/sys/file.h"

#include <stdio.h>
#include <string.h>

#define CACHE_KIB_DEFAULT 4096

/* The largest value that the program writes, with room for what a newer one may. */
#define VALUE_MAX (4 * LIMIT_RECORD)

static void
set_limits(struct sqlite3 *db)
{
	sqlite3_limit(db, SQLITE_LIMIT_LENGTH, VALUE_MAX);
	sqlite3_limit(db, SQLITE_LIMIT_SQL_LENGTH, 65536);
	sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 1); /* VACUUM INTO attaches its file */
	sqlite3_limit(db, SQLITE_LIMIT_TRIGGER_DEPTH, 1);
	sqlite3_limit(db, SQLITE_LIMIT_WORKER_THREADS, 0);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
	/* Until all is well, closing must not touch the file. */
	sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
}

/* Nothing of this writes. The lock mode comes first: it decides how the log is opened. */
static int
set_reading(struct store *s, struct err *err)
{
	static const char *const pragmas[] = {
	    "PRAGMA locking_mode = EXCLUSIVE",
	    "PRAGMA cell_size_check = ON",
	    "PRAGMA secure_delete = ON",
	    "PRAGMA foreign_keys = ON",
	    "PRAGMA temp_store = MEMORY",
	    "PRAGMA mmap_size = 0",
	    "PRAGMA wal_autocheckpoint = 0",
	};
	size_t cache = s->params.cache_kib > 0 ? s->params.cache_kib : CACHE_KIB_DEFAULT;
	char sql[64];
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(pragmas); i++)
		r = store_exec(s, pragmas[i], err);
	if (r < 0)
		return r;
	snprintf(sql, sizeof(sql), "PRAGMA cache_size = -%zu", cache);
	return store_exec(s, sql, err);
}

static int
on_wal_commit(void *arg, struct sqlite3 *db, const char *name, int pages)
{
	struct store *s = arg;

	(void)db;
	(void)name;
	s->wal_pages = pages;
	return SQLITE_OK;
}

static int
set_writing(struct store *s, struct err *err)
{
	sqlite3_stmt *st = NULL;
	bool wal;
	int r = store_exec(s, "PRAGMA page_size = 4096", err);

	if (r == 0)
		r = store_exec(s, "PRAGMA journal_size_limit = 67108864", err);
	if (r < 0)
		return r;
	r = sqlite3_prepare_v2(s->db, "PRAGMA journal_mode = WAL", -1, &st, NULL);
	if (r == SQLITE_OK)
		r = sqlite3_step(st);
	wal = r == SQLITE_ROW && strcmp((const char *)sqlite3_column_text(st, 0), "wal") == 0;
	sqlite3_finalize(st);
	if (r != SQLITE_ROW)
		return store_sql_error(s, r, err, "cannot set write-ahead logging");
	if (!wal)
		return err_set(
		    err, ERR_IO, "database '%s' does not take write-ahead logging", s->path);
	sqlite3_wal_hook(s->db, on_wal_commit, s);
	s->sync = SYNC_UNKNOWN;
	return 0;
}

static int
damaged(const struct store *s, const char *how, struct err *err)
{
	return err_set(
	    err, ERR_PARSE, "database '%s' is damaged (%s); it has not been touched", s->path, how);
}

static int
quick_check(struct store *s, struct err *err)
{
	sqlite3_stmt *st = NULL;
	char answer[128] = "no answer";
	int rc = sqlite3_prepare_v2(s->db, "PRAGMA quick_check(1)", -1, &st, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		snprintf(answer, sizeof(answer), "%s", (const char *)sqlite3_column_text(st, 0));
	sqlite3_finalize(st);
	if (rc != SQLITE_ROW)
		return store_sql_error(s, rc, err, "cannot check it");
	for (char *p = answer; *p != '\0'; p++)
		if (*p == '\n')
			*p = ' ';
	return strcmp(answer, "ok") == 0 ? 0 : damaged(s, answer, err);
}

/* Every body against its hash, every row for its form; the digest of what was read. */
int
store_check_bodies(struct store *s, struct sqlite3 *db, struct hash *root, struct err *err)
{
	AUTO(digest_freep)
	struct digest *digest = digest_new();
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, store_statement_sql(STMT_EACH), -1, &st, NULL);
	int r = 0;

	while (rc == SQLITE_OK || rc == SQLITE_ROW) {
		struct stored_record record;
		struct hash hash;

		rc = sqlite3_step(st);
		if (rc != SQLITE_ROW)
			break;
		r = store_row(st, true, &record, err);
		if (r < 0)
			break;
		hash_of(record.body, &hash);
		if (!hash_equal(&hash, &record.hash)) {
			char hex[ID_HEX_MAX];
			char text[96];

			snprintf(text, sizeof(text), "record %s is not as it was written",
			    id_hex(&record.id, hex));
			r = damaged(s, text, err);
			break;
		}
		digest_set(digest, &record.id, &record.hash);
	}
	sqlite3_finalize(st);
	if (r < 0)
		return r;
	if (rc != SQLITE_DONE)
		return store_sql_error(s, rc, err, "cannot check the records");
	if (root != NULL)
		digest_root(digest, root);
	return 0;
}

static int
check(struct store *s, struct err *err)
{
	int64_t tables = 0;
	int r;

	if (s->params.check == STORE_CHECK_NONE)
		return 0;
	r = quick_check(s, err);
	if (r < 0 || s->params.check != STORE_CHECK_BODIES)
		return r;
	r = store_exec_number(
	    s, "SELECT count(*) FROM sqlite_schema WHERE name = 'records'", &tables, err);
	if (r < 0 || tables == 0)
		return r;
	return store_check_bodies(s, s->db, NULL, err);
}

/* A stage that a crash left behind is worth nothing. */
static int
clear_stage(struct store *s, struct err *err)
{
	int64_t rows = 0;
	int r = store_exec_number(s, "SELECT EXISTS(SELECT 1 FROM stage)", &rows, err);

	if (r < 0 || rows == 0 || s->failed)
		return r;
	return store_stage_begin(s, err);
}

/*
 * The process before may have met a sync that failed, at its end or just before it died, and taken
 * the knowledge with it: what it left in the log is readable, and perhaps not on the disk. So
 * nothing is appended to that log. Its pages are written to the file again, and a new one begins.
 */
static int
begin_log(struct store *s, struct err *err)
{
	int rc = sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	int r;

	/* On a full disk nothing is committed either, and reading goes on. */
	if (rc == SQLITE_OK || (rc & 0xff) == SQLITE_FULL)
		return 0;
	r = store_sql_error(s, rc, err, "cannot move the log into the file");
	/* A replica goes on with what can be read, and writes it anew before it changes any. */
	return s->failed && !s->params.full ? 0 : r;
}

static int
connect_inner(struct store *s, struct err *err)
{
	/* SQLite would make it readable for all, as far as the umask lets it. */
	if (s->vfs == NULL && !file_exists(s->path)) {
		int r = file_write_private(s->path, SPAN(NULL, 0), err);

		if (r < 0)
			return r;
	}
	int rc = sqlite3_open_v2(s->path, &s->db,
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
		SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE,
	    s->vfs);
	if (rc != SQLITE_OK)
		return store_sql_error(s, rc, err, "cannot open");
	set_limits(s->db);
	int64_t version = 0;
	int r = set_reading(s, err);
	if (r == 0)
		r = check(s, err);
	if (r < 0)
		return r;
	/* The owner before the first write, so that a foreign file stays as it is. */
	r = store_check_owner(s, &version, err);
	if (r == 0)
		r = set_writing(s, err);
	if (r == 0)
		r = begin_log(s, err);
	if (r == 0)
		r = store_migrate_own(s, err);
	if (r == 0)
		r = store_prepare_all(s, err);
	return r;
}

int
store_connect(struct store *s, struct err *err)
{
	int r;

	s->failed = false;
	s->wal_pages = 0;
	r = connect_inner(s, err);
	if (r == 0)
		r = clear_stage(s, err);
	if (r < 0)
		store_disconnect(s, false);
	return r;
}

void
store_disconnect(struct store *s, bool checkpoint)
{
	store_finalize_all(s);
	if (s->db == NULL)
		return;
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, checkpoint ? 0 : 1, NULL);
	CHECK(sqlite3_close(s->db) == SQLITE_OK);
	s->db = NULL;
}

int
store_open(const struct store_params *params, struct store **out, struct err *err)
{
	AUTO(store_closep)
	struct store *s = mem_zalloc(sizeof(*s));
	int r;

	s->params = *params;
	s->path = mem_strdup(params->path);
	s->params.path = s->path;
	if (params->vfs != NULL)
		s->vfs = mem_strdup(params->vfs);
	s->params.vfs = s->vfs;
	r = store_finish_rebuild(s, err);
	if (r == 0)
		r = store_connect(s, err);
	if (r < 0)
		return r;
	*out = MOVE(s);
	return 0;
}

void
store_close(struct store *s)
{
	if (s == NULL)
		return;
	store_disconnect(s, !s->failed);
	mem_free(s->path);
	mem_free(s->vfs);
	mem_free(s);
}

bool
store_has_failed(const struct store *s)
{
	return s->failed || s->db == NULL;
}

struct sqlite3 *
store_sqlite(struct store *s)
{
	return s->db;
}
