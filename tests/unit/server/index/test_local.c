/* Tables of this server alone, beside the records. */

#include "common/store/store.h"
#include "server/index/index_local.h"
#include "tests/support/vfs_fault.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
	struct vfs_fault *disk;
	struct store *store;
	struct err err;
};

static struct id
id_of(unsigned n)
{
	struct id id = {{0}};

	id.bytes[0] = (uint8_t)n;
	return id;
}

static int
setup(void **state)
{
	struct fixture *f = mem_zalloc(sizeof(*f));
	struct store_params p = {.path = "store.db", .full = true};

	f->disk = vfs_fault_new("index", 1);
	vfs_fault_use(f->disk, &p);
	if (store_open(&p, &f->store, &f->err) < 0 || local_open(f->store, &f->err) < 0) {
		fprintf(stderr, "%s\n", f->err.text);
		return -1;
	}
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	store_close(f->store);
	vfs_fault_free(f->disk);
	mem_free(f);
	return 0;
}

static void
test_tokens(void **state)
{
	struct fixture *f = *state;
	struct local_token t = {.id = id_of(1), .name = "web1", .expires_at = 100},
			   old = {.id = id_of(2), .name = "web2", .expires_at = 50}, *list;
	size_t count;

	assert_int_equal(local_token_put(f->store, &t, &f->err), 0);
	assert_int_equal(local_token_put(f->store, &old, &f->err), 0);
	t.claimed = true;
	t.tries = 3;
	t.claimed_by.bytes[0] = 9;
	assert_int_equal(local_token_put(f->store, &t, &f->err), 0);
	assert_int_equal(local_token_load(f->store, 60, &list, &count, &f->err), 0);
	assert_int_equal(count, 1);
	assert_string_equal(list[0].name, "web1");
	assert_int_equal(list[0].tries, 3);
	assert_true(list[0].claimed && hash_equal(&list[0].claimed_by, &t.claimed_by));
	mem_free(list);
	assert_int_equal(local_token_delete(f->store, &t.id, &f->err), 0);
	assert_int_equal(local_token_load(f->store, 0, &list, &count, &f->err), 0);
	assert_int_equal(count, 0);
	mem_free(list);
}

static int
damage(struct store *s, void *arg, struct err *err)
{
	return store_migrate(s, "damage", arg, 1, err);
}

static void
test_audit(void **state)
{
	static const struct audit_entry entries[] = {
	    {.at_ms = 1, .actor = "a", .action = "cert.add", .object = "x", .term = 5, .seq = 6},
	    {.at_ms = 2, .actor = "ab", .action = "cert.ren", .object = "y", .term = 5, .seq = 7},
	};
	const struct store_migration change = {"UPDATE audit SET object = 'z' WHERE number = 1"};
	struct fixture *f = *state;
	struct hash head, link;
	uint64_t number;

	assert_int_equal(local_audit_head(f->store, &number, &head, &f->err), 0);
	assert_int_equal(number, 0);
	assert_int_equal(local_audit_append(NULL, f->store, entries, 2, &link, &f->err), 0);
	assert_int_equal(local_audit_append(NULL, f->store, entries, 1, &link, &f->err), 0);
	assert_int_equal(local_audit_head(f->store, &number, &head, &f->err), 0);
	assert_int_equal(number, 3);
	assert_true(hash_equal(&head, &link));
	assert_int_equal(local_audit_verify(f->store, &f->err), 0);
	assert_int_equal(damage(f->store, (void *)(uintptr_t)&change, &f->err), 0);
	assert_int_equal(local_audit_verify(f->store, &f->err), ERR_CRYPTO);
	assert_non_null(strstr(f->err.text, "entry 1"));
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_FIXTURE(test_tokens),
	    WITH_FIXTURE(test_audit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
