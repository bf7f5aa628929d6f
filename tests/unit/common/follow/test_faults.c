#include "tests/unit/common/follow/script.h"

#include "common/crypto/sign.h"

#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

/* Disks that fill up and fail, links that break, and what a manager must not say twice. */

static struct script *s;

static int
setup(void **state)
{
	(void)state;
	s = script_new();
	script_start(s, true);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	script_stop(s);
	script_free(s);
	return 0;
}

static struct follow_status
status_now(void)
{
	struct follow_status status;

	follow_status(s->follow, &status);
	return status;
}

static void
put_many(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		script_put(s, i, false, false);
}

/* The cursor of the next pull. */
static uint64_t
cursor_now(void)
{
	struct request request;
	uint64_t seq;

	script_pull(s, &request);
	seq = request.pull.cursor.seq;
	request_fini(&request);
	return seq;
}

static void
test_disk_full(void **state)
{
	(void)state;
	put_many(10);
	script_settle(s);
	vfs_fault_fail(s->disk, VFS_WRITE, 1, VFS_ENOSPC, true);
	script_put(s, 20, false, false);
	for (unsigned i = 0; i < 3; i++) {
		script_send(s, script_answer(s, 100));
		assert_true(script_wait_request(s));
		assert_int_equal(status_now().last_error.code, ERR_NOSPACE);
		assert_int_equal(status_now().at.seq, 10);
		assert_int_equal(s->applied, 1);
	}
	vfs_fault_heal(s->disk);
	script_settle(s);
	assert_int_equal(s->applied, 2);
	assert_int_equal(status_now().last_error.code, 0);
	script_assert_state(s);
}

/*
 * Each disk operation of a delta fails once. Whether the state on disk is the old or the new one
 * then, the follower ends at the log's, and others hear of everything.
 */
static void
fail_each_operation(unsigned records, size_t page)
{
	bool hit = true;
	unsigned retold = 0;

	for (unsigned n = 1; hit; n++) {
		unsigned applied = s->applied;
		struct position before = status_now().at;

		put_many(records);
		vfs_fault_fail(s->disk, VFS_ANY, n, VFS_EIO, false);
		script_send(s, script_answer(s, page));
		assert_true(script_wait_request(s));
		hit = vfs_fault_hit(s->disk);
		if (hit && s->applied == applied)
			assert_int_equal(position_compare(status_now().at, before), 0);
		script_settle(s);
		hit = vfs_fault_hit(s->disk);
		assert_true(s->applied > applied);
		retold += hit && !s->complete;
		assert_false(store_has_failed(s->store));
		script_assert_state(s);
		vfs_fault_heal(s->disk);
		assert_true(n < 500);
	}
	assert_true(retold > 0);
}

static void
test_disk_errors(void **state)
{
	(void)state;
	put_many(5);
	script_settle(s);
	fail_each_operation(3, 100);
}

static void
test_disk_errors_while_staging(void **state)
{
	(void)state;
	put_many(5);
	script_settle(s);
	fail_each_operation(5, 2);
}

/* The power goes when pages have been staged, and nothing was applied. */
static void
test_crash_with_pages(void **state)
{
	(void)state;
	put_many(10);
	script_settle(s);
	put_many(250);
	for (unsigned i = 0; i < 2; i++) {
		script_send(s, script_answer(s, 100));
		assert_true(script_wait_request(s));
	}
	assert_int_equal(s->applied, 1);
	vfs_fault_crash(s->disk);
	script_stop(s);
	script_start(s, false);
	/* What was applied without a sync may be gone too; half a state never shows. */
	assert_true(cursor_now() == 10 || cursor_now() == 0);
	script_settle(s);
	script_assert_state(s);
}

/* What came in pages may hold a designation on any of them: it outlives a power cut as one does. */
static void
test_crash_behind_pages(void **state)
{
	(void)state;
	put_many(10);
	script_settle(s);
	put_many(250);
	script_settle(s);
	vfs_fault_crash(s->disk);
	script_stop(s);
	script_start(s, false);
	assert_int_equal(cursor_now(), 260);
	script_settle(s);
	script_assert_state(s);
}

/* A broken link costs the page that was under way, not those before it. */
static void
test_pages_survive_the_link(void **state)
{
	static const int codes[] = {ERR_UNAVAIL, ERR_TIMEOUT, ERR_LIMIT};

	(void)state;
	put_many(350);
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		script_send(s, script_answer(s, 100));
		assert_int_equal(cursor_now(), 100 * (i + 1));
		script_send_error(s, codes[i]);
		assert_int_equal(cursor_now(), 100 * (i + 1));
		assert_int_equal(status_now().last_error.code, codes[i]);
	}
	script_settle(s);
	assert_int_equal(s->applied, 1);
	assert_int_equal(status_now().refetched, 0);
	script_assert_state(s);
}

static void
test_damaged_place(void **state)
{
	struct store_params sp = {.path = "store.db"};
	struct store *store;

	(void)state;
	put_many(10);
	script_settle(s);
	script_stop(s);
	vfs_fault_use(s->disk, &sp);
	assert_int_equal(store_open(&sp, &store, NULL), 0);
	assert_int_equal(store_meta_set(store, "follow-place", span_str("what"), NULL), 0);
	store_close(store);
	script_start(s, false);
	assert_int_equal(cursor_now(), 0);
	script_settle(s);
	assert_false(s->complete);
	script_assert_state(s);
}

/* The first one that was held stays, whoever signed the second. */
static void
test_two_designations_for_one_term(void **state)
{
	struct designation d = {.term = s->term, .reason = REASON_FIRST, .made_at = 2};
	AUTO(buf_freep)
	struct buf *body = buf_new(LIMIT_DESIGNATION);
	AUTO(buf_freep)
	struct buf *signature = buf_new(SIGNATURE_MAX);
	AUTO(buf_freep)
	struct buf *spki = buf_new(LIMIT_SPKI);
	struct signed_designation both[2];
	struct script_reply *r;

	(void)state;
	put_many(3);
	script_settle(s);
	id_random(&d.node);
	assert_int_equal(pkey_put_spki(s->term_keys[0], spki, NULL), 0);
	d.term_key = buf_span(spki);
	assert_int_equal(wire_designation_encode(&d, body, NULL), 0);
	assert_int_equal(
	    sign_put(s->root_key, SIGN_DESIGNATION, &s->domain, buf_span(body), signature, NULL),
	    0);
	script_put(s, 4, false, false);
	r = script_answer(s, 100);
	both[0] = s->designations[0];
	both[1] = (struct signed_designation){buf_span(body), buf_span(signature), SIGNER_ROOT_KEY};
	r->reply.delta.designations = (struct designation_list){both, 2};
	script_send(s, r);
	assert_true(script_wait_request(s));
	assert_int_equal(status_now().last_error.code, ERR_CONFLICT);
	assert_int_equal(status_now().at.seq, 3);
	assert_true(id_equal(trust_manager(follow_trust(s->follow)), &s->manager));
	script_settle(s);
	script_assert_state(s);
}

/* A new term holds from the moment that its designation was seen, whatever came with it. */
static void
test_designation_beside_a_bad_head(void **state)
{
	struct script_reply *r;
	struct request request;

	(void)state;
	put_many(3);
	script_settle(s);
	script_designate(s);
	script_put(s, 4, false, false);
	r = script_answer(s, 100);
	script_sign_head(s, r, 0); /* by the old key */
	script_send(s, r);
	script_pull(s, &request);
	assert_int_equal(request.pull.designations.count, 2);
	request_fini(&request);
	assert_int_equal(s->terms, 2);
	assert_int_equal(status_now().at.seq, 3);
	script_settle(s);
	script_assert_state(s);
}

/* A membership that ended long ago is back, in the answer that also moves the floor past its end.
 */
static void
test_back_when_purged(void **state)
{
	(void)state;
	put_many(10);
	script_put(s, 4, true, false);
	script_settle(s);
	s->floor = s->records[s->count - 1].at;
	script_put(s, 4, false, false);
	script_settle(s);
	assert_int_equal(status_now().refetched, 0);
	script_assert_state(s);
}

/* Digests are of bodies: a signature that was lost is got back by a fetch of everything. */
static void
test_refetch_on_demand(void **state)
{
	struct stored_record damaged;
	struct store_records *list = NULL;
	struct store_change change = {.records = &damaged, .record_count = 1};

	(void)state;
	put_many(10);
	script_settle(s);
	assert_int_equal(store_get(s->store, &s->records[3].id, &list, NULL), 0);
	damaged = list->items[0];
	damaged.signature = span_str("x");
	assert_int_equal(store_apply(s->store, &change, NULL), 0);
	store_records_free(MOVE(list));
	follow_refetch(s->follow);
	script_send(s, script_answer(s, 100));
	assert_int_equal(cursor_now(), 0);
	script_send(s, script_answer(s, 100));
	assert_int_equal(cursor_now(), s->seq);
	assert_int_equal(status_now().refetched, 1);
	assert_int_equal(store_get(s->store, &s->records[3].id, &list, NULL), 0);
	assert_true(span_equal(list->items[0].signature, buf_span(s->records[3].signature)));
	store_records_free(list);
	script_assert_state(s);
	/* Once is enough. */
	script_put(s, 1, false, false);
	script_settle(s);
	assert_int_equal(status_now().refetched, 1);
}

static void
on_identity(void *arg, int status, const struct identity_reply *reply, const struct err *err)
{
	(void)reply;
	(void)err;
	*(int *)arg = status;
}

static void
send_identity(void)
{
	struct reply reply = {.answer = ANSWER_IDENTITY};
	AUTO(buf_freep)
	struct buf *bytes = buf_new(LIMIT_DELTA);

	reply.identity.certificate = SPAN_OF("certificate");
	assert_int_equal(wire_reply_encode(&reply, bytes, NULL), 0);
	script_send_bytes(s, buf_span(bytes));
}

/* The full list of receipts is still owed after another question went first. */
static void
test_identity_before_the_list(void **state)
{
	struct receipt receipt = {.has_generation = true, .has_fingerprint = true, .error = ""};
	struct identity_request identity = {.csr = SPAN_OF("csr")};
	struct script_reply *r;
	struct request request;
	int result = 1;

	(void)state;
	script_put(s, 1, false, false);
	script_settle(s);
	follow_set_receipt(s->follow, &receipt);
	script_send(s, script_answer(s, 100));
	assert_true(script_wait_request(s));
	r = script_answer(s, 100);
	r->reply.delta.want_receipts = true;
	assert_int_equal(follow_identity(s->follow, &identity, on_identity, &result, NULL), 0);
	script_send(s, r);
	assert_true(script_wait_request(s));
	send_identity();
	script_pull(s, &request);
	assert_int_equal(result, 0);
	assert_true(request.pull.receipts_complete);
	assert_int_equal(request.pull.receipts.count, 1);
	request_fini(&request);
}

/* Every question has its own answer; others are refused, and the next try takes its time. */
static void
test_answers_to_other_questions(void **state)
{
	struct identity_request identity = {.csr = SPAN_OF("csr")};
	struct script_reply *now, *later;
	uint64_t refused;
	int result = 1;

	(void)state;
	script_put(s, 1, false, false);
	script_settle(s);
	refused = status_now().refused;
	send_identity();
	assert_true(script_wait_request(s));
	assert_int_equal(status_now().refused, refused + 1);
	assert_int_equal(follow_identity(s->follow, &identity, on_identity, &result, NULL), 0);
	now = script_answer(s, 100);
	later = script_answer(s, 100);
	script_send(s, now);
	assert_true(script_wait_request(s));
	script_send(s, later);
	assert_true(script_wait_request(s));
	assert_int_equal(result, ERR_PROTO);
	assert_int_equal(status_now().refused, refused + 2);
	script_settle(s);
	script_assert_state(s);
}

/* A head that was seen before is no news when everything has been fetched anew under it. */
static void
test_refetch_of_the_same_does_not_refresh(void **state)
{
	struct script_reply *r;

	(void)state;
	script_put(s, 1, false, false);
	script_settle(s);
	virtual_pass(&s->time, FOLLOW_STALE_MS - 10000);
	r = script_answer(s, 100);
	r->head.digest.bytes[0] ^= 1;
	script_sign_head(s, r, 0);
	script_send(s, r);
	assert_true(script_wait_request(s));
	assert_int_equal(status_now().refetched, 1);
	s->beat -= 2; /* as it was when all was well */
	script_send(s, script_answer(s, 100));
	assert_true(script_wait_request(s));
	assert_int_equal(s->applied, 2);
	virtual_pass(&s->time, 15000);
	assert_int_equal(s->freshness, FRESH_STALE);
}

int
run_fault_tests(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_disk_full, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_disk_errors, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_disk_errors_while_staging, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_crash_with_pages, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_crash_behind_pages, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_pages_survive_the_link, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_damaged_place, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_two_designations_for_one_term, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_designation_beside_a_bad_head, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_refetch_of_the_same_does_not_refresh, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_back_when_purged, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_refetch_on_demand, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_identity_before_the_list, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_answers_to_other_questions, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
