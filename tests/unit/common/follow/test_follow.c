#include "tests/unit/common/follow/script.h"

#include "common/crypto/sign.h"

#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

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
test_first_sync_then_deltas(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 250; i++)
		script_put(s, i, false, false);
	script_settle(s); /* pages of 100 */
	assert_int_equal(s->applied, 1);
	assert_false(s->complete);
	assert_int_equal(s->terms, 1);
	script_assert_state(s);
	assert_false(follow_is_verified(s->follow, s->records[0].at));

	script_put(s, 7, false, false);
	script_put(s, 300, false, true);
	script_put(s, 8, true, false);
	script_settle(s);
	assert_int_equal(s->applied, 2);
	assert_true(s->complete);
	assert_int_equal(s->changes, 3);
	assert_true(follow_is_verified(s->follow, s->records[250].at));
	script_assert_state(s);

	for (unsigned i = 0; i < 250; i++) /* a delta of several pages */
		script_put(s, i, false, false);
	script_settle(s);
	assert_int_equal(s->applied, 3);
	assert_false(s->complete);
	script_assert_state(s);
}

static void
test_restart_goes_on(void **state)
{
	struct request request;

	(void)state;
	for (unsigned i = 0; i < 20; i++)
		script_put(s, i, false, false);
	script_settle(s);
	script_stop(s);
	script_put(s, 3, false, false);
	script_start(s, false);
	script_pull(s, &request);
	assert_int_equal(request.pull.have.seq, 20);
	assert_int_equal(request.pull.cursor.seq, 20);
	assert_true(request.pull.has_digest);
	request_fini(&request);
	assert_int_equal(s->freshness, FRESH_UNKNOWN);
	script_settle(s);
	assert_int_equal(s->changes, 1);
	script_assert_state(s);
}

static void
test_deleted_database_is_fetched_anew(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 20; i++)
		script_put(s, i, false, false);
	script_settle(s);
	script_stop(s);
	script_start(s, true);
	script_settle(s);
	script_assert_state(s);
}

static void
test_freshness(void **state)
{
	(void)state;
	script_put(s, 1, false, false);
	script_settle(s);
	assert_int_equal(s->freshness, FRESH);
	script_send(s, script_answer(s, 100)); /* a beat */
	assert_true(script_wait_request(s));
	virtual_pass(&s->time, FOLLOW_STALE_MS - 1000);
	assert_int_equal(s->freshness, FRESH);
	virtual_pass(&s->time, 2000);
	assert_int_equal(s->freshness, FRESH_STALE);
	script_send(s, script_answer(s, 100));
	assert_true(script_wait_request(s));
	assert_int_equal(s->freshness, FRESH);
}

/* A head that is repeated, although signed, does not keep a node fresh. */
static void
test_repeated_head_does_not_refresh(void **state)
{
	uint64_t start;

	(void)state;
	script_put(s, 1, false, false);
	script_settle(s);
	start = s->time.now;
	while (s->time.now < start + FOLLOW_STALE_MS + 5000) {
		s->beat--;
		script_send(s, script_answer(s, 100));
		virtual_pass(&s->time, 5000);
		assert_true(script_wait_request(s));
	}
	assert_int_equal(s->freshness, FRESH_STALE);
	assert_int_equal(status_now().refused, 0);
}

/* --- what must be refused ------------------------------------------------------------------------
 */

static struct buf *spare;

static struct span
changed(struct span in, size_t at)
{
	buf_clear(spare);
	buf_put_span(spare, in);
	spare->data[at < in.len ? at : in.len - 1] ^= 1;
	return buf_span(spare);
}

static void
sign_as(struct script_reply *r, enum sign_type type, const struct domain_id *domain, size_t key)
{
	struct err err;

	buf_clear(spare);
	assert_int_equal(
	    sign_put(s->term_keys[key], type, domain, r->records[0].body, spare, &err), 0);
	r->records[0].signature = buf_span(spare);
}

static void
bend_body(struct script_reply *r)
{
	r->records[0].body = changed(r->records[0].body, r->records[0].body.len - 3);
}

static void
bend_signature(struct script_reply *r)
{
	r->records[0].signature = changed(r->records[0].signature, 10);
}

static void
bend_signature_type(struct script_reply *r)
{
	sign_as(r, SIGN_HEAD, &s->domain, 0);
}

static void
bend_signature_domain(struct script_reply *r)
{
	struct domain_id other = s->domain;

	other.bytes[0] ^= 1;
	sign_as(r, SIGN_RECORD, &other, 0);
}

static void
bend_head_signature(struct script_reply *r)
{
	r->reply.delta.head.signature = changed(r->reply.delta.head.signature, 10);
}

static void
bend_head_beyond(struct script_reply *r)
{
	r->head.seq--;
	script_sign_head(s, r, 0);
}

static void
bend_old_head(struct script_reply *r)
{
	r->head.seq = 1;
	r->reply.delta.records.count = 0;
	script_sign_head(s, r, 0);
}

static void
bend_old_beat(struct script_reply *r)
{
	r->head.beat = 1;
	script_sign_head(s, r, 0);
}

static void
bend_order(struct script_reply *r)
{
	struct signed_bytes first = r->records[0];

	r->records[0] = r->records[1];
	r->records[1] = first;
}

static void
bend_replayed_record(struct script_reply *r)
{
	r->records[0] =
	    (struct signed_bytes){buf_span(s->records[0].body), buf_span(s->records[0].signature)};
}

static void
bend_no_head(struct script_reply *r)
{
	r->reply.delta.has_head = false;
}

static void
bend_empty_page(struct script_reply *r)
{
	r->reply.delta.records.count = 0;
	r->reply.delta.more = true;
}

static void
bend_designation(struct script_reply *r)
{
	static struct signed_designation bad;

	bad = s->designations[0];
	bad.signature = changed(bad.signature, 20);
	bad.body = s->designations[0].signature;
	r->reply.delta.designations = (struct designation_list){&bad, 1};
}

/* Each is refused as a whole, nothing changes, and the honest answer behind it is taken. */
static void
test_bent_replies(void **state)
{
	static const struct {
		const char *what;
		void (*bend)(struct script_reply *r);
		const char *names; /* what the trouble is told to be of */
	} cases[] = {
	    {"changed body", bend_body, "record "},
	    {"changed signature", bend_signature, "record "},
	    {"signature of another type", bend_signature_type, "record "},
	    {"signature of another domain", bend_signature_domain, "record "},
	    {"changed head signature", bend_head_signature, "head"},
	    {"record beyond the head", bend_head_beyond, "record "},
	    {"older state", bend_old_head, "head"},
	    {"older beat", bend_old_beat, "head"},
	    {"records out of order", bend_order, "record "},
	    {"replayed record", bend_replayed_record, "record "},
	    {"no head", bend_no_head, "head"},
	    {"empty page", bend_empty_page, "page"},
	    {"forged designation", bend_designation, "designation"},
	};

	(void)state;
	spare = buf_new(LIMIT_RECORD);
	for (unsigned i = 0; i < 10; i++)
		script_put(s, i, false, false);
	script_settle(s);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct position before = status_now().at;
		uint64_t refused = status_now().refused;
		unsigned applied = s->applied, troubles = s->troubles;
		struct script_reply *r;

		script_put(s, 20, false, false);
		script_put(s, 21, false, false);
		r = script_answer(s, 100);
		cases[i].bend(r);
		script_send(s, r);
		assert_true(script_wait_request(s));
		if (status_now().refused != refused + 1 || s->applied != applied ||
		    position_compare(status_now().at, before) != 0)
			fail_msg("%s was taken: %s", cases[i].what, status_now().last_error.text);
		if (s->troubles != troubles + 1 || strstr(s->trouble.text, cases[i].names) == NULL)
			fail_msg("%s is told as: %s", cases[i].what, s->trouble.text);
		script_settle(s);
		script_assert_state(s);
		assert_int_equal(status_now().refetched, 0);
	}
	buf_free(spare);
}

static void
test_garbage(void **state)
{
	(void)state;
	script_put(s, 1, false, false);
	script_settle(s);
	script_send_bytes(s, span_str("\xff\xff\xff\xff\x0f\1\2\3"));
	assert_true(script_wait_request(s));
	script_send_bytes(s, SPAN(NULL, 0));
	assert_true(script_wait_request(s));
	script_send_error(s, ERR_UNAVAIL);
	assert_true(script_wait_request(s));
	assert_int_equal(status_now().refused, 2);
	script_put(s, 2, false, false);
	script_settle(s);
	script_assert_state(s);
}

/* A record that is withheld shows in the digest: all is fetched, and nothing shown meanwhile. */
static void
test_withheld_record(void **state)
{
	struct script_reply *r;

	(void)state;
	for (unsigned i = 0; i < 10; i++)
		script_put(s, i, false, false);
	script_settle(s);
	script_put(s, 20, false, false);
	script_put(s, 21, false, false);
	r = script_answer(s, 100);
	r->records[0] = r->records[1];
	r->reply.delta.records.count = 1;
	script_send(s, r);
	assert_true(script_wait_request(s));
	assert_int_equal(s->applied, 1);
	assert_int_equal(status_now().refetched, 1);
	assert_int_equal(status_now().at.seq, 10);
	script_settle(s);
	assert_int_equal(s->applied, 2);
	assert_false(s->complete);
	script_assert_state(s);
}

static void
test_fetched_state_must_fit_too(void **state)
{
	struct script_reply *r;

	(void)state;
	for (unsigned i = 0; i < 10; i++)
		script_put(s, i, false, false);
	r = script_answer(s, 100);
	r->reply.delta.records.count = 9;
	script_send(s, r);
	assert_true(script_wait_request(s));
	assert_int_equal(s->applied, 0);
	script_settle(s);
	script_assert_state(s);
}

static void
test_old_term_is_refused(void **state)
{
	struct script_reply *r;

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		script_put(s, i, false, false);
	script_settle(s);
	script_designate(s);
	script_put(s, 5, false, false);
	script_settle(s);
	assert_int_equal(s->terms, 2);

	/* The old manager goes on: its head is signed by a key that was good once. */
	s->seq++;
	r = script_answer(s, 100);
	r->head.term = term_make(1, 0);
	r->reply.delta.records.count = 0;
	script_sign_head(s, r, 0);
	script_send(s, r);
	assert_true(script_wait_request(s));
	assert_int_equal(status_now().at.term, term_make(2, 0));
	assert_int_equal(status_now().refused, 1);
	s->seq--;

	/* A record of the old term beyond the cut, hidden among new ones. */
	script_put(s, 6, false, false);
	r = script_answer(s, 100);
	{
		struct script_record *last = &s->records[s->count - 1];
		struct record *rec = mem_zalloc(sizeof(*rec));
		struct buf *body = buf_new(LIMIT_RECORD), *signature = buf_new(SIGNATURE_MAX);
		struct err err;

		assert_int_equal(wire_record_decode(buf_span(last->body), rec, &err), 0);
		rec->term = term_make(1, 0);
		rec->seq = 1000;
		assert_int_equal(wire_record_encode(rec, body, &err), 0);
		assert_int_equal(sign_put(s->term_keys[0], SIGN_RECORD, &s->domain, buf_span(body),
				     signature, &err),
		    0);
		r->records[0] = (struct signed_bytes){buf_span(body), buf_span(signature)};
		script_send(s, r);
		assert_true(script_wait_request(s));
		buf_free(body);
		buf_free(signature);
		mem_free(rec);
	}
	assert_int_equal(status_now().refused, 2);
	script_settle(s);
	script_assert_state(s);
}

static void
test_refusal(void **state)
{
	AUTO(buf_freep)
	struct buf *bytes = buf_new(LIMIT_DELTA);
	struct reply reply = {.answer = ANSWER_REFUSAL};
	struct err err;

	(void)state;
	script_put(s, 1, false, false);
	script_settle(s);
	reply.refusal.code = ERR_DENIED;
	reply.refusal.text = "node was removed";
	assert_int_equal(wire_reply_encode(&reply, bytes, &err), 0);
	script_send_bytes(s, buf_span(bytes));
	assert_true(script_wait_request(s));
	assert_int_equal(s->refusals, 1);
	assert_string_equal(status_now().last_error.text, "node was removed");
	script_settle(s);
}

static void
test_purged_tombstones(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10; i++)
		script_put(s, i, false, false);
	script_put(s, 4, true, false);
	script_settle(s);
	/* The manager forgets the tombstone and moves the floor. */
	digest_remove(s->digest, &s->records[s->count - 1].id);
	s->floor = s->records[s->count - 1].at;
	script_put(s, 5, false, false);
	script_settle(s);
	assert_int_equal(status_now().refetched, 0);
	script_assert_state(s);
}

static struct id
numbered(unsigned i)
{
	return (struct id){{(uint8_t)i, (uint8_t)(i >> 8)}};
}

static void
test_receipts(void **state)
{
	struct receipt receipt = {.has_generation = true, .has_fingerprint = true, .error = ""};
	struct request request;
	struct script_reply *r;
	size_t told = 0;

	(void)state;
	script_put(s, 1, false, false);
	script_settle(s);
	for (unsigned i = 0; i < 1000; i++) {
		receipt.credential = numbered(i);
		follow_set_receipt(s->follow, &receipt);
	}
	for (int round = 0; round < 4; round++) {
		r = script_answer(s, 100);
		script_send(s, r);
		script_pull(s, &request);
		told += request.pull.receipts.count;
		assert_false(request.pull.receipts_complete);
		request_fini(&request);
	}
	assert_int_equal(told, 1000);

	/* Lost on the way: told again. Asked for: the first of the list says that it begins one. */
	follow_drop_receipt(s->follow, &receipt.credential);
	r = script_answer(s, 100);
	script_send(s, r);
	script_pull(s, &request);
	assert_int_equal(request.pull.receipts.count, 1);
	assert_false(request.pull.receipts.items[0].has_generation);
	request_fini(&request);
	script_send_error(s, ERR_UNAVAIL);
	script_pull(s, &request);
	assert_int_equal(request.pull.receipts.count, 1);
	request_fini(&request);
	r = script_answer(s, 100);
	r->reply.delta.want_receipts = true;
	script_send(s, r);
	told = 0;
	for (int round = 0; round < 4; round++) {
		script_pull(s, &request);
		assert_int_equal(request.pull.receipts_complete, round == 0);
		told += request.pull.receipts.count;
		request_fini(&request);
		script_send(s, script_answer(s, 100));
	}
	assert_int_equal(told, 999);
	assert_true(script_wait_request(s));
	/* Small ones, more than fit: the manager is not to hold what goes before the rest. */
	for (unsigned i = 0; i <= LIMIT_RECEIPTS; i++) {
		receipt = (struct receipt){.credential = numbered(i), .error = ""};
		follow_set_receipt(s->follow, &receipt);
	}
	told = 0;
	for (int round = 0; round < 3; round++) {
		script_send(s, script_answer(s, 100));
		script_pull(s, &request);
		told += request.pull.receipts.count;
		assert_true(request.pull.receipts_more == (request.pull.wait_ms == 1 && !round));
		request_fini(&request);
	}
	assert_int_equal(told, LIMIT_RECEIPTS + 1);
}

static void
on_identity(void *arg, int status, const struct identity_reply *reply, const struct err *err)
{
	(void)reply;
	(void)err;
	*(int *)arg = status;
}

static void
test_identity_request(void **state)
{
	struct identity_request identity = {.csr = SPAN_OF("csr")};
	struct request request;
	struct reply reply = {.answer = ANSWER_IDENTITY};
	AUTO(buf_freep)
	struct buf *bytes = buf_new(LIMIT_DELTA);
	struct err err;
	int result = 1;

	(void)state;
	script_put(s, 1, false, false);
	script_settle(s);
	assert_int_equal(follow_identity(s->follow, &identity, on_identity, &result, &err), 0);
	assert_int_equal(
	    follow_identity(s->follow, &identity, on_identity, &result, &err), ERR_BUSY);
	script_send(s, script_answer(s, 100));
	assert_true(script_wait_request(s));
	assert_int_equal(wire_request_decode(buf_span(s->request), &request, &err), 0);
	assert_int_equal(request.ask, ASK_IDENTITY);
	request_fini(&request);
	reply.identity.certificate = SPAN_OF("certificate");
	assert_int_equal(wire_reply_encode(&reply, bytes, &err), 0);
	script_send_bytes(s, buf_span(bytes));
	assert_true(script_wait_request(s));
	assert_int_equal(result, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_first_sync_then_deltas, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_restart_goes_on, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_deleted_database_is_fetched_anew, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_freshness, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_repeated_head_does_not_refresh, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_bent_replies, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_garbage, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_withheld_record, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_fetched_state_must_fit_too, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_old_term_is_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_refusal, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_purged_tombstones, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_receipts, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_identity_request, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) + run_fault_tests();
}
