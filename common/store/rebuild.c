#include "common/store/store_priv.h"

#include "common/sys/file.h"

#include <stdio.h>

/*
 * A rebuild writes PATH.part by VACUUM INTO, checks and syncs it, and renames it to PATH.new: from
 * then on it is whole, and the truth. The rest may be cut short at any point and is then finished
 * at the next open: the old log is removed first (it must never meet the new file), then PATH.new
 * is renamed over PATH.
 */

static char *
beside(const struct store *s, const char *suffix)
{
	return mem_printf("%s%s", s->path, suffix);
}

static sqlite3_vfs *
vfs_of(const struct store *s)
{
	return sqlite3_vfs_find(s->vfs);
}

static int
exists(struct store *s, const char *path, bool *out, struct err *err)
{
	sqlite3_vfs *vfs = vfs_of(s);
	int there = 0, rc;

	if (vfs == NULL)
		return err_set(err, ERR_BUG, "there is no VFS '%s'", s->vfs != NULL ? s->vfs : "");
	rc = vfs->xAccess(vfs, path, SQLITE_ACCESS_EXISTS, &there);
	if (rc != SQLITE_OK)
		return store_sql_error(s, rc, err, "cannot look for file '%s'", path);
	*out = there != 0;
	return 0;
}

static int
remove_file(struct store *s, const char *path, struct err *err)
{
	sqlite3_vfs *vfs = vfs_of(s);
	int rc = vfs->xDelete(vfs, path, 1);

	if (rc == SQLITE_OK || rc == SQLITE_IOERR_DELETE_NOENT)
		return 0;
	return store_sql_error(s, rc, err, "cannot remove file '%s'", path);
}

static int
rename_file(struct store *s, const char *from, const char *to, struct err *err)
{
	if (s->params.rename_durable != NULL)
		return s->params.rename_durable(s->params.rename_arg, from, to, err);
	return file_rename_durable(from, to, err);
}

/* PATH.new is there: make it PATH. */
static int
put_in_place(struct store *s, const char *whole, struct err *err)
{
	static const char *const leftovers[] = {"-wal", "-shm", "-journal"};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(leftovers); i++) {
		AUTO(mem_freep)
		char *path = beside(s, leftovers[i]);

		r = remove_file(s, path, err);
	}
	return r < 0 ? r : rename_file(s, whole, s->path, err);
}

int
store_finish_rebuild(struct store *s, struct err *err)
{
	static const char *const parts[] = {".part-journal", ".part-wal", ".part"};
	AUTO(mem_freep)
	char *whole = beside(s, ".new");
	bool there = false;
	int r = exists(s, whole, &there, err);

	if (r == 0 && there)
		r = put_in_place(s, whole, err);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(parts); i++) {
		AUTO(mem_freep)
		char *path = beside(s, parts[i]);

		r = exists(s, path, &there, err);
		if (r == 0 && there)
			r = remove_file(s, path, err);
	}
	return r;
}

static int
sync_file(struct store *s, struct sqlite3 *db, struct err *err)
{
	sqlite3_file *file = NULL;
	int rc = sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);

	if (rc == SQLITE_OK)
		rc = file->pMethods->xSync(file, SQLITE_SYNC_FULL);
	return rc == SQLITE_OK ? 0
			       : store_sql_error(s, rc, err, "cannot sync what was written anew");
}

static int
verify_and_sync(struct store *s, const char *part, const struct hash *expected, struct err *err)
{
	struct sqlite3 *db = NULL;
	struct hash found;
	int rc = sqlite3_open_v2(part, &db,
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
		SQLITE_OPEN_EXRESCODE,
	    s->vfs);
	int r = rc == SQLITE_OK ? store_check_bodies(s, db, &found, err)
				: store_sql_error(s, rc, err, "cannot open what was written anew");

	if (r == 0 && !hash_equal(&found, expected))
		r = err_set(err, ERR_CRYPTO,
		    "database '%s' was not written anew: its records are not those expected",
		    s->path);
	if (r == 0)
		r = sync_file(s, db, err);
	if (sqlite3_close(db) != SQLITE_OK)
		r = err_set(err, ERR_BUG, "a statement on '%s' was left open", part);
	return r;
}

static int
write_anew(struct store *s, const char *part, struct err *err)
{
	sqlite3_stmt *st = NULL;
	int rc;

	if (s->vfs == NULL) {
		int r = file_write_private(part, SPAN(NULL, 0), err);

		if (r < 0)
			return r;
	}
	rc = sqlite3_prepare_v2(s->db, "VACUUM INTO ?1", -1, &st, NULL);
	if (rc == SQLITE_OK) {
		store_bind_text(st, 1, part);
		rc = sqlite3_step(st);
	}
	sqlite3_finalize(st);
	return rc == SQLITE_DONE ? 0 : store_sql_error(s, rc, err, "cannot write it anew");
}

static int
rebuild(struct store *s, const struct hash *expected, struct err *err)
{
	AUTO(mem_freep)
	char *part = beside(s, ".part");
	AUTO(mem_freep)
	char *whole = beside(s, ".new");
	struct hash own;
	int r = store_finish_rebuild(s, err); /* what an earlier try left */

	if (r == 0 && expected == NULL) {
		r = store_check_bodies(s, s->db, &own, err);
		expected = &own;
	}
	if (r == 0)
		r = write_anew(s, part, err);
	if (r == 0)
		r = verify_and_sync(s, part, expected, err);
	if (r == 0)
		r = rename_file(s, part, whole, err);
	if (r < 0)
		return r;
	store_disconnect(s, false);
	r = put_in_place(s, whole, err);
	return r < 0 ? r : store_connect(s, err);
}

int
store_rebuild(struct store *s, const struct hash *expected, struct err *err)
{
	bool failed = s->failed;
	int r;

	if (s->db == NULL) {
		/* The last try came as far as closing the old file. */
		r = store_finish_rebuild(s, err);
		if (r == 0)
			r = store_connect(s, err);
		if (r < 0)
			return r;
		return 0;
	}
	r = rebuild(s, expected, err);
	/* Trouble with the new file says nothing about the old one. */
	if (r < 0 && s->db != NULL)
		s->failed = failed;
	return r;
}
