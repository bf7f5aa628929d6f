#ifndef COMMON_STORE_STORE_H
#define COMMON_STORE_STORE_H

/*
 * The records of one node on disk: one SQLite database, one connection, locked against everybody
 * else. All calls block and belong on the runtime's serial worker (struct job), one at a time; at
 * start and end, any thread. The store knows nothing of what is inside a body.
 *
 * Codes to branch on: ERR_NOSPACE (disk full: nothing was changed, try again later), ERR_IO (a
 * write or sync failed: the store has *failed*, refuses every change until store_rebuild has
 * written it anew, and goes on reading), ERR_PARSE (the file is damaged or not ours; it was not
 * touched), ERR_BUSY (another process has it open), ERR_INVALID (made by a newer version of
 * certherd).
 */

#include "common/base/id.h"

struct arena;
struct sqlite3;
struct store;

enum store_check {
	STORE_CHECK_NONE,   /* the header, the schema, and every page as it is read */
	STORE_CHECK_QUICK,  /* the structure of the whole file */
	STORE_CHECK_BODIES, /* that, and each body against its hash */
};

struct store_params {
	const char *path;
	bool full; /* synchronous=FULL (servers); else NORMAL: a power cut may lose the last commits
		    */
	enum store_check check;
	size_t cache_kib; /* page cache; 0: 4 MiB */
	/* For tests: name of a registered SQLite VFS, and how that one renames. NULL: the real
	 * ones. */
	const char *vfs;
	int (*rename_durable)(void *arg, const char *from, const char *to, struct err *err);
	void *rename_arg;
};

/* A new file is made when there is none. Finishes a rebuild that was cut short. */
NODISCARD int store_open(const struct store_params *params, struct store **out, struct err *err);
void store_close(struct store *s);
DEFINE_FREEP(struct store, store_close)

bool store_has_failed(const struct store *s);

struct stored_record {
	struct id id;
	uint32_t kind;
	const char *name;
	struct position at; /* term and seq; each below 2^63 */
	uint64_t mutation;  /* seq of the first record of its mutation */
	uint64_t version;
	int64_t committed_at_ms;
	bool removed;
	struct hash hash; /* SHA-256 of body */
	struct span body, signature;
};

/* Records that the store gave out: owned by whoever asked, in (term, seq) order. */
struct store_records {
	struct stored_record *items;
	size_t count;
	size_t bytes; /* of bodies and signatures, and 16 for each record */
	struct arena *memory;
};

void store_records_free(struct store_records *list);
DEFINE_FREEP(struct store_records, store_records_free)

struct store_meta {
	const char *key;
	struct span value; /* NULL data: the key is deleted */
};

/* One transaction: all of it or nothing. Deletes come before records. Borrows everything. */
struct store_change {
	const struct stored_record
	    *records; /* put in place of what their id had, unconditionally */
	size_t record_count;
	const struct id *deletes; /* without a trace; ids that are not there are ignored */
	size_t delete_count;
	const struct store_meta *metas;
	size_t meta_count;
	bool force_full; /* durable against a power cut on return, also without params.full */
	/* Called inside the transaction, after the rest; a negative code undoes everything. */
	int (*hook)(struct store *s, void *arg, struct err *err);
	void *hook_arg;
};

NODISCARD int store_apply(struct store *s, const struct store_change *change, struct err *err);

/* Moves committed pages from the log to the file when there are enough; after an apply, when
 * nobody waits. An apply does it itself when that has not been called for long. */
NODISCARD int store_checkpoint(struct store *s, struct err *err);

/* ERR_NOTFOUND. The list has one record. */
NODISCARD int store_get(
    struct store *s, const struct id *id, struct store_records **out, struct err *err);

/*
 * The records behind a position in order, whole mutations only: at least one mutation, then as many
 * as stay within max_bytes and max_count. *more: there are others.
 */
NODISCARD int store_page(struct store *s, struct position after, size_t max_bytes, size_t max_count,
    struct store_records **out, bool *more, struct err *err);

/* A record borrowed for the call, which does not use the store; a negative code ends the walk and
 * is returned. */
typedef int store_each_cb(const struct stored_record *record, void *arg, struct err *err);

#define STORE_ALL_KINDS UINT32_MAX

/* Every record (or those of a kind), in no order; without bodies much faster, both spans empty. */
NODISCARD int store_each(
    struct store *s, uint32_t kind, bool bodies, store_each_cb *cb, void *arg, struct err *err);

/* The newest position and the number of records; zeroes when empty. */
NODISCARD int store_extent(
    struct store *s, struct position *newest, uint64_t *count, struct err *err);

/*
 * Tombstones that may go. store_floor: the highest position to which all purgeable tombstones were
 * committed before before_ms ({0, 0} if none). store_tombstones: their ids, up to a floor; they
 * leave the digest and, as deletes of a store_apply, the store. Tombstones of NODE and DESIGNATION
 * are never among them.
 */
NODISCARD int store_floor(
    struct store *s, int64_t before_ms, struct position *out, struct err *err);
NODISCARD int store_tombstones(
    struct store *s, struct position floor, struct id **ids, size_t *count, struct err *err);

/*
 * A large sync is collected beside the records first. store_stage_begin empties the stage,
 * store_stage_put adds records (a later one of an id replaces an earlier one), store_stage_finish
 * makes the stage the records, or merges it into them, and applies change (metas, deletes, hook;
 * its records come last) in the same transaction. What a crash leaves in the stage is dropped at
 * the next open.
 */
enum store_stage {
	STORE_STAGE_REPLACE,
	STORE_STAGE_MERGE,
};

NODISCARD int store_stage_begin(struct store *s, struct err *err);
NODISCARD int store_stage_put(
    struct store *s, const struct stored_record *records, size_t count, struct err *err);
NODISCARD int store_stage_finish(
    struct store *s, enum store_stage how, const struct store_change *change, struct err *err);

/* Appends the value to out. ERR_NOTFOUND. */
NODISCARD int store_meta_get(struct store *s, const char *key, struct buf *out, struct err *err);
NODISCARD int store_meta_set(struct store *s, const char *key, struct span value, struct err *err);

/*
 * After a failure, or to shrink the file: writes the database anew beside the old one, checks that
 * its state digest is the expected one (NULL: the one of the records as they are read) and each
 * body its hash, and puts it in the place of the old one, all durably. A failed store is whole
 * again when it returns 0; on ERR_NOSPACE and ERR_IO try again later. ERR_CRYPTO: the records are
 * not those expected. store_sqlite changes.
 */
NODISCARD int store_rebuild(struct store *s, const struct hash *expected, struct err *err);

/*
 * For the module that keeps tables of its own beside the records (server/index): the connection,
 * numbered migrations of its tables (each in one transaction; the number is kept under the name),
 * and the translation of a failing SQLite call, which also notices that the store has failed.
 */
struct store_migration {
	const char *sql;
};

struct sqlite3 *store_sqlite(struct store *s);
NODISCARD int store_migrate(struct store *s, const char *name,
    const struct store_migration *migrations, size_t count, struct err *err);
int store_sql_error(struct store *s, int rc, struct err *err, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

#endif
