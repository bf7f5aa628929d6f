/* Tables of this server alone, beside the records. */

#include "common/store/store.h"
#include "server/index/index_local.h"
#include "server/index/local_events.h"
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

/* --- events --- */

static uint64_t
put_event(struct fixture *f, uint32_t level, const char *kind)
{
	struct local_event ev = {.level = level, .kind = kind, .body = span_str("{}")};

	assert_int_equal(local_events_put(f->store, &ev, 1, &f->err), 0);
	return ev.number;
}

/* "1:kind 2:kind+5". */
static int
list_event(void *arg, const struct local_event *ev, struct err *err)
{
	struct buf *out = arg;

	(void)err;
	buf_putf(
	    out, "%s%llu:%s", out->len > 0 ? " " : "", (unsigned long long)ev->number, ev->kind);
	if (ev->lost > 0)
		buf_putf(out, "+%llu", (unsigned long long)ev->lost);
	return 0;
}

static void
assert_events(struct fixture *f, uint64_t above, size_t max, const char *expected)
{
	AUTO(buf_freep)
	struct buf *out = buf_new(1024 * 1024);

	assert_int_equal(local_events_each(f->store, above, max, list_event, out, &f->err), 0);
	assert_string_equal(buf_str(out), expected);
}

static void
test_events(void **state)
{
	static const char *const both[] = {"mail", "chat"}, *const other[] = {"chat", "pager"};
	struct fixture *f = *state;
	uint64_t done[2], last = 7;

	assert_int_equal(local_events_last(f->store, &last, &f->err), 0);
	assert_int_equal(last, 0);
	put_event(f, 0, "a");
	assert_int_equal(local_receivers_open(f->store, both, 2, done, &f->err), 0);
	assert_true(done[0] == 1 && done[1] == 1);
	put_event(f, 0, "b");
	put_event(f, 0, "c");
	assert_events(f, 0, 10, "1:a 2:b 3:c");
	assert_events(f, 1, 1, "2:b");
	assert_int_equal(local_receiver_put(f->store, "chat", 2, &f->err), 0);
	/* One that stays goes on, one that is new begins behind, one that is gone is forgotten. */
	assert_int_equal(local_receivers_open(f->store, other, 2, done, &f->err), 0);
	assert_true(done[0] == 2 && done[1] == 3);
	assert_int_equal(local_receivers_open(f->store, both, 2, done, &f->err), 0);
	assert_true(done[0] == 3 && done[1] == 2);
}

/* What was taken goes first; of the rest the least important, the oldest of them first. */
static void
test_events_are_bounded(void **state)
{
	struct fixture *f = *state;
	uint64_t lost = 7, first;
	bool found = true;

	put_event(f, 3, "worst");
	for (unsigned i = 0; i < LOCAL_EVENTS_PENDING - 1; i++)
		put_event(f, i % 2, i % 2 == 0 ? "info" : "notice");
	assert_int_equal(local_events_bound(f->store, 0, 0, &lost, &f->err), 0);
	assert_int_equal(lost, 0);
	first = put_event(f, 0, "info");
	assert_int_equal(local_events_bound(f->store, 0, 3, &lost, &f->err), 0);
	assert_int_equal(lost, 1 + LOCAL_EVENTS_PENDING / 100);
	/* Those on their way stay, and what matters. */
	assert_events(f, 0, 5, "1:worst 2:info 3:notice 5:notice 7:notice");
	assert_int_equal(local_event_add_lost(f->store, "lost", 0, 5, &found, &f->err), 0);
	assert_false(found);
	put_event(f, 3, "lost");
	assert_int_equal(local_event_add_lost(f->store, "lost", 0, 5, &found, &f->err), 0);
	assert_true(found);
	assert_int_equal(local_event_add_lost(f->store, "lost", first, 2, &found, &f->err), 0);
	assert_events(f, first, 5, "10002:lost+7");
	assert_int_equal(local_event_add_lost(f->store, "lost", 10002, 2, &found, &f->err), 0);
	assert_false(found);
	/* All have everything: the last thousand stay. */
	assert_int_equal(local_events_bound(f->store, UINT64_MAX, 0, &lost, &f->err), 0);
	assert_int_equal(lost, 0);
	assert_events(f, 0, 1, "9003:notice");
}

static void
list_mark(void *arg, const struct local_mark *mark)
{
	buf_putf(arg, "%u:%s:%u ", mark->about.bytes[0], mark->kind, mark->level);
}

static void
test_marks(void **state)
{
	AUTO(buf_freep)
	struct buf *out = buf_new(1024);
	const struct local_mark marks[] = {{id_of(1), "x", 1}, {id_of(1), "y", 1},
	    {id_of(2), "x", 1}, {id_of(1), "x", 3}, {id_of(2), "x", 0}};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(marks); i++)
		assert_int_equal(local_mark_put(f->store, &marks[i], &f->err), 0);
	assert_int_equal(local_marks_each(f->store, list_mark, out, &f->err), 0);
	assert_string_equal(buf_str(out), "1:x:3 1:y:1 ");
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_FIXTURE(test_tokens),
	    WITH_FIXTURE(test_audit),
	    WITH_FIXTURE(test_events),
	    WITH_FIXTURE(test_events_are_bounded),
	    WITH_FIXTURE(test_marks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
