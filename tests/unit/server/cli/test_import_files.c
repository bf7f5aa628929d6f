/* Which files belong together. */

#include "server/cli/import.h"

#include "common/base/str.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];

static char *
make(const char *name)
{
	char *path = mem_printf("%s/%s", folder, name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fclose(f);
	return path;
}

static void
make_folder(const char *name)
{
	char *path = mem_printf("%s/%s", folder, name);

	assert_int_equal(mkdir(path, 0700), 0);
	mem_free(path);
}

static int
setup(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/certherd-import-XXXXXX");
	return mkdtemp(folder) != NULL ? 0 : -1;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(path);
}

static int
teardown(void **state)
{
	(void)state;
	return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* The set as names with blanks between. */
static void
check_set(const struct import_set *set, const char *names)
{
	struct buf got = BUF_INIT(4096);

	for (size_t i = 0; i < set->count; i++)
		buf_putf(&got, "%s%s", i > 0 ? " " : "", set->paths[i] + strlen(folder) + 1);
	assert_string_equal(buf_str(&got), names);
	buf_fini(&got);
}

static void
test_named(void **state)
{
	const char *words[IMPORT_TOGETHER + 2];
	struct import_sets s;
	size_t n = 0;

	(void)state;
	for (; n < IMPORT_TOGETHER; n++) {
		char name[32];

		snprintf(name, sizeof(name), "f%02zu.%s", n / 2, n % 2 == 0 ? "key" : "crt");
		words[n] = make(name);
	}
	assert_int_equal(import_sets_make(words, n, &s, NULL), 0);
	assert_int_equal(s.count, 1);
	assert_int_equal(s.files, IMPORT_TOGETHER);
	assert_false(s.batch);
	import_sets_fini(&s);
	/* One more, and they go by name. */
	words[n++] = make("more");
	assert_int_equal(import_sets_make(words, n, &s, NULL), 0);
	assert_true(s.batch);
	assert_int_equal(s.count, IMPORT_TOGETHER / 2 + 1);
	check_set(&s.items[0], "f00.crt f00.key");
	check_set(&s.items[IMPORT_TOGETHER / 2], "more");
	import_sets_fini(&s);
	while (n > 0)
		mem_free((void *)(uintptr_t)words[--n]);
}

static void
test_folders(void **state)
{
	static const char *const many[] = {"many/a.pem", "many/a.b.key", "many/a.b.crt",
	    "many/c.key", "many/c.chain", "many/d", "many/e", "many/f", "many/.hidden", "many/g"};
	static const char *const few[] = {
	    "live/x/privkey.pem", "live/x/fullchain.pem", "live/y/privkey.pem"};
	const char *words[] = {folder};
	struct import_sets s;
	size_t n;

	(void)state;
	make_folder("many");
	make_folder("live");
	make_folder("live/x");
	make_folder("live/y");
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		mem_free(make(many[i]));
	for (size_t i = 0; i < ARRAY_LEN(few); i++)
		mem_free(make(few[i]));
	assert_int_equal(import_sets_make(words, 1, &s, NULL), 0);
	assert_true(s.batch);
	assert_int_equal(s.files, ARRAY_LEN(many) - 1 + ARRAY_LEN(few));
	assert_int_equal(s.count, 2 + 7);
	assert_int_equal(s.items[0].count, 2);
	check_set(&s.items[1], "live/y/privkey.pem");
	check_set(&s.items[2], "many/a.pem");
	check_set(&s.items[3], "many/a.b.crt many/a.b.key");
	check_set(&s.items[4], "many/c.chain many/c.key");
	n = s.count;
	check_set(&s.items[n - 1], "many/g");
	import_sets_fini(&s);
}

static void
test_refused(void **state)
{
	const char *words[] = {"/nowhere/a.pem"};
	struct import_sets s;
	struct err err;
	char path[256];

	(void)state;
	assert_int_equal(import_sets_make(words, 1, &s, &err), ERR_NOTFOUND);
	assert_non_null(strstr(err.text, "/nowhere/a.pem"));
	words[0] = folder;
	assert_int_equal(import_sets_make(words, 1, &s, &err), ERR_NOTFOUND);
	assert_non_null(strstr(err.text, "no file"));
	snprintf(path, sizeof(path), "a");
	for (int i = 0; i < IMPORT_FOLDER_DEPTH; i++) {
		size_t len = strlen(path);

		make_folder(path);
		snprintf(path + len, sizeof(path) - len, "/a");
	}
	assert_int_equal(import_sets_make(words, 1, &s, &err), ERR_LIMIT);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_named),
	    TEST(test_folders),
	    TEST(test_refused),
	};

	return cmocka_run_group_tests_name("import files", tests, NULL, NULL);
}
