#include "common/store/store_priv.h"
#include "tests/unit/common/store/store_tests.h"

#include <string.h>

/* No statement reads a whole table unless the statement table says that it means to. */
static void
test_plans(void **state)
{
	struct store *s = open_store(store_tmp("plans.db"), false);
	unsigned checked = 0;

	(void)state;
	for (unsigned i = 0; i < STMT__COUNT; i++) {
		const char *sql = store_statement_sql((enum store_stmt)i);
		AUTO(mem_freep)
		char *explain = mem_printf("EXPLAIN QUERY PLAN %s", sql);
		sqlite3_stmt *st = NULL;
		bool scans = false, sorts = false;

		if (strchr(sql, ' ') == NULL || strncmp(sql, "BEGIN", 5) == 0)
			continue;
		assert_int_equal(
		    sqlite3_prepare_v2(store_sqlite(s), explain, -1, &st, NULL), SQLITE_OK);
		while (sqlite3_step(st) == SQLITE_ROW) {
			const char *line = (const char *)sqlite3_column_text(st, 3);

			/* Walking a partial index of what is looked for is no scan of the table. */
			if (strncmp(line, "SCAN", 4) == 0 &&
			    strstr(line, "records_removed") == NULL &&
			    strstr(line, "USING INDEX records_position") == NULL &&
			    strstr(line, "USING COVERING INDEX records_position") == NULL)
				scans = true;
			if (strstr(line, "TEMP B-TREE") != NULL)
				sorts = true;
		}
		sqlite3_finalize(st);
		if (scans != store_statement_scans((enum store_stmt)i) || sorts)
			fail_msg("statement '%s' %s", sql, sorts ? "sorts" : "scans, or not");
		checked++;
	}
	assert_true(checked > 15);
	store_close(s);
}

static int64_t
number(struct store *s, const char *sql)
{
	sqlite3_stmt *st = NULL;
	int64_t out;

	assert_int_equal(sqlite3_prepare_v2(store_sqlite(s), sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	out = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return out;
}

static void
test_settings(void **state)
{
	static const struct {
		const char *sql;
		int64_t value;
	} cases[] = {
	    {"PRAGMA trusted_schema", 0},
	    {"PRAGMA secure_delete", 1},
	    {"PRAGMA cell_size_check", 1},
	    {"PRAGMA foreign_keys", 1},
	    {"PRAGMA wal_autocheckpoint", 0},
	    {"PRAGMA user_version", 1},
	    {"SELECT count(*) FROM pragma_table_list WHERE schema = 'main' AND type = 'table' "
	     "AND name NOT LIKE 'sqlite%' AND strict = 0",
		0},
	};
	struct store *s = open_store(store_tmp("settings.db"), true);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (number(s, cases[i].sql) != cases[i].value)
			fail_msg("%s is not %d", cases[i].sql, (int)cases[i].value);
	put_mutation(s, 1, 1, 10);
	assert_int_equal(number(s, "PRAGMA synchronous"), 2);
	store_close(s);
}

static void
test_force_full(void **state)
{
	struct store *s = open_store(store_tmp("force.db"), false);
	struct store_change change = {.force_full = true};
	struct err err;

	(void)state;
	put_mutation(s, 1, 1, 10);
	assert_int_equal(number(s, "PRAGMA synchronous"), 1);
	assert_int_equal(store_apply(s, &change, &err), 0);
	assert_int_equal(number(s, "PRAGMA synchronous"), 2);
	put_mutation(s, 2, 1, 10);
	assert_int_equal(number(s, "PRAGMA synchronous"), 1);
	store_close(s);
}

static void
test_other_migrations(void **state)
{
	static const struct store_migration steps[] = {
	    {"CREATE TABLE extra (a INTEGER) STRICT; INSERT INTO extra VALUES(1)"},
	    {"ALTER TABLE extra ADD COLUMN b INTEGER; INSERT INTO extra VALUES(2, 3)"},
	};
	static const struct store_migration bad[] = {{"CREATE TABLE y (a INTEGER)"}, {"nonsense"}};
	struct err err;

	(void)state;
	for (size_t from = 0; from <= 2; from++) {
		AUTO(mem_freep)
		char *path = mem_printf("%s/other%zu.db", store_tmp_dir, from);
		struct store *s = open_store(path, false);

		assert_int_equal(store_migrate(s, "index", steps, from, &err), 0);
		store_close(s);
		s = open_store(path, false);
		assert_int_equal(store_migrate(s, "index", steps, 2, &err), 0);
		assert_int_equal(store_migrate(s, "index", steps, 2, &err), 0);
		assert_int_equal(number(s, "SELECT count(*) FROM extra"), 2);
		assert_int_equal(number(s, "SELECT sum(b) FROM extra"), 3);
		assert_int_equal(store_migrate(s, "index", steps, 1, &err), ERR_INVALID);
		assert_non_null(strstr(err.text, "newer certherd"));
		/* A migration that fails leaves nothing; those before it stay. */
		assert_true(store_migrate(s, "bad", bad, 2, &err) < 0);
		assert_int_equal(number(s, "SELECT count(*) FROM y"), 0);
		assert_int_equal(store_migrate(s, "bad", bad, 1, &err), 0);
		store_close(s);
	}
}

int
run_statement_tests(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_plans),
	    cmocka_unit_test(test_settings),
	    cmocka_unit_test(test_force_full),
	    cmocka_unit_test(test_other_migrations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
