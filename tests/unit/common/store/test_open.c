#include "common/store/store_priv.h"
#include "common/sys/file.h"
#include "tests/unit/common/store/store_tests.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX (64 * 1024 * 1024)

static void
read_file(const char *path, struct buf *out)
{
	struct err err;

	assert_int_equal(file_read(path, FILE_MAX, out, &err), 0);
}

static int
try_open(const char *path, enum store_check check, struct err *err)
{
	const struct store_params params = {.path = path, .check = check};
	struct store *s = NULL;
	int r = store_open(&params, &s, err);

	store_close(s);
	return r;
}

static void
test_new_file_is_private(void **state)
{
	const char *path = store_tmp("private.db");
	struct store *s = open_store(path, true);
	AUTO(mem_freep)
	char *wal = mem_printf("%s-wal", path);
	struct stat st;

	(void)state;
	put_mutation(s, 1, 3, 100);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(stat(wal, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	store_close(s);
	assert_false(file_exists(wal));
	s = open_store(path, true);
	assert_record(s, 2, 1, 100);
	store_close(s);
}

static void
test_second_process_is_refused(void **state)
{
	const char *path = store_tmp("locked.db");
	struct store *s = open_store(path, true);
	struct err err;

	(void)state;
	put_mutation(s, 1, 1, 10);
	assert_int_equal(try_open(path, STORE_CHECK_NONE, &err), ERR_BUSY);
	assert_non_null(strstr(err.text, "another process"));
	store_close(s);
	assert_int_equal(try_open(path, STORE_CHECK_NONE, &err), 0);
}

static void
test_missing_directory(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(
	    try_open(store_tmp("no/such/dir.db"), STORE_CHECK_NONE, &err), ERR_NOTFOUND);
}

/* Damage is named, and the file stays byte for byte as it was. */
static void
expect_untouched(const char *path, enum store_check check, const char *text)
{
	AUTO(buf_freep)
	struct buf *before = buf_new(FILE_MAX + 65536);
	AUTO(buf_freep)
	struct buf *after = buf_new(FILE_MAX + 65536);
	struct err err;
	int r;

	read_file(path, before);
	r = try_open(path, check, &err);
	if (r != ERR_PARSE || strstr(err.text, text) == NULL)
		fail_msg("%d: %s", r, r < 0 ? err.text : "opened");
	read_file(path, after);
	assert_true(span_equal(buf_span(before), buf_span(after)));
}

static void
overwrite(const char *path, long offset, const char *bytes)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (offset < 0)
		offset += (long)lseek(fd, 0, SEEK_END);
	assert_int_equal(pwrite(fd, bytes, strlen(bytes), offset), strlen(bytes));
	close(fd);
}

static void
test_damage(void **state)
{
	const char *path = store_tmp("damaged.db");
	AUTO(buf_freep)
	struct buf *good = buf_new(FILE_MAX + 65536);
	struct err err;
	struct store *s = open_store(path, true);

	(void)state;
	put_mutation(s, 1, 50, 6000);
	store_close(s);
	read_file(path, good);

	overwrite(path, 0, "not a database at all");
	expect_untouched(path, STORE_CHECK_NONE, "damaged");

	/* A page of the tree. */
	assert_int_equal(file_write_private(path, buf_span(good), &err), 0);
	overwrite(path, 4096, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
	expect_untouched(path, STORE_CHECK_QUICK, "damaged");

	/* Cut in the middle. */
	assert_int_equal(file_write_private(path, buf_span(good), &err), 0);
	assert_int_equal(truncate(path, (off_t)(good->len / 8192 * 4096)), 0);
	expect_untouched(path, STORE_CHECK_QUICK, "damaged");

	/* Inside a body: only its hash knows. */
	assert_int_equal(file_write_private(path, buf_span(good), &err), 0);
	overwrite(path, -1000, "x");
	expect_untouched(path, STORE_CHECK_BODIES, "is not as it was written");
}

static void
run_sql(const char *path, const char *sql)
{
	struct sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void
test_foreign_and_newer(void **state)
{
	const char *path = store_tmp("foreign.db");
	struct err err;

	(void)state;
	run_sql(path, "CREATE TABLE x(a); PRAGMA user_version = 1");
	expect_untouched(path, STORE_CHECK_NONE, "not a database of certherd");
	path = store_tmp("newer.db");
	store_close(open_store(path, true));
	run_sql(path, "PRAGMA user_version = 99");
	assert_int_equal(try_open(path, STORE_CHECK_BODIES, &err), ERR_INVALID);
	assert_non_null(strstr(err.text, "newer certherd (schema 99, this one knows up to 1)"));
}

/* A migration cut short leaves the version before it: here, none at all. */
static void
test_empty_file_is_new(void **state)
{
	const char *path = store_tmp("empty.db");
	struct err err;
	struct store *s;

	(void)state;
	assert_int_equal(file_write_private(path, SPAN(NULL, 0), &err), 0);
	s = open_store(path, true);
	put_mutation(s, 1, 1, 10);
	store_close(s);
}

/* The states that a rebuild can be cut short in. */
static void
test_finishing_a_rebuild(void **state)
{
	const char *path = store_tmp("rebuild.db");
	AUTO(mem_freep)
	char *whole = mem_printf("%s.new", path);
	AUTO(mem_freep)
	char *part = mem_printf("%s.part", path);
	struct err err;
	struct store *s = open_store(path, true);

	(void)state;
	put_mutation(s, 1, 5, 5000);
	store_close(s);
	/* .part only: dropped. */
	assert_int_equal(file_write_private(part, span_str("half"), &err), 0);
	s = open_store(path, true);
	assert_false(file_exists(part));
	store_close(s);
	/* .new: it is the truth, and an old log beside it is not. */
	assert_int_equal(rename(path, whole), 0);
	s = open_store(path, true);
	assert_record(s, 3, 1, 5000);
	assert_false(file_exists(whole));
	store_close(s);
}

static void
test_rebuild(void **state)
{
	struct store *s = open_store(store_tmp("again.db"), true);
	struct hash expected, other = {{1}};
	struct err err;

	(void)state;
	put_mutation(s, 1, 50, 5000);
	digest_of_store(s, &expected);
	assert_int_equal(store_rebuild(s, &other, &err), ERR_CRYPTO);
	assert_false(store_has_failed(s));
	assert_int_equal(store_rebuild(s, &expected, &err), 0);
	assert_int_equal(store_rebuild(s, NULL, &err), 0);
	assert_record(s, 50, 1, 5000);
	put_mutation(s, 51, 1, 10);
	assert_record(s, 51, 1, 10);
	store_close(s);
}

int
run_open_tests(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_new_file_is_private),
	    cmocka_unit_test(test_second_process_is_refused),
	    cmocka_unit_test(test_missing_directory),
	    cmocka_unit_test(test_damage),
	    cmocka_unit_test(test_foreign_and_newer),
	    cmocka_unit_test(test_empty_file_is_new),
	    cmocka_unit_test(test_finishing_a_rebuild),
	    cmocka_unit_test(test_rebuild),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
