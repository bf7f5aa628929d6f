#include "common/crypto/sign.h"
#include "tests/unit/server/publish/publish_tests.h"

#include <string.h>

static const struct position start = {0, 0};

static void
test_refusals(void **state)
{
	struct fake_request r;
	struct pull pull = pull_from(start, 0);
	struct request request = {.protocol = 2, .ask = ASK_PULL, .pull = pull};

	(void)state;
	ask_pull(&r, 666, &pull);
	assert_int_equal(refusal_of(&r), ERR_DENIED);
	assert_non_null(strstr(r.reply.refusal.text, "removed"));
	request_done(&r);
	/* It has time to read that before its connection ends; once. */
	ask_pull(&r, 666, &pull);
	assert_int_equal(refusal_of(&r), ERR_DENIED);
	request_done(&r);
	assert_int_equal(fx.link.drop_count, 0);
	virtual_pass(&fx.m.time, 300);
	assert_int_equal(fx.link.drop_count, 1);
	assert_true(id_equal(&fx.link.dropped[0], &fx.dead_node));

	ask(&r, 1, &request);
	assert_int_equal(refusal_of(&r), ERR_UNAVAIL);
	request_done(&r);
	pull.domain.bytes[0] ^= 1;
	ask_pull(&r, 1, &pull);
	assert_int_equal(refusal_of(&r), ERR_DENIED);
	assert_non_null(strstr(r.reply.refusal.text, "another domain"));
	request_done(&r);
	pull = pull_from(start, 0);
	ask_pull(&r, 777, &pull);
	assert_int_equal(refusal_of(&r), ERR_DENIED);
	assert_non_null(strstr(r.reply.refusal.text, "run out"));
	request_done(&r);
}

static void
test_garbage(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		int code;
	} cases[] = {
	    {"\xff\xff\xff\xff", 4, ERR_PROTO}, {"\x08\x01\x12\x7f", 4, ERR_PROTO},
	    {"\x08\x01", 2, ERR_UNAVAIL},         /* asks nothing that is known */
	    {"\x08\x01\x22\x00", 4, ERR_UNAVAIL}, /* buckets */
	};
	const struct request some = {
	    .protocol = LINK_PROTOCOL, .ask = ASK_PULL, .pull = pull_from(start, 0)};
	struct fake_request r;

	(void)state;
	ask(&r, 1, &some);
	request_done(&r);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct fake_request bad = {0};

		ask(&r, 2 + i, &some);
		bad.base = r.base;
		bad.base.user = NULL;
		bad.base.bytes = SPAN(cases[i].bytes, cases[i].len);
		bad.base.node = test_id(100 + i);
		fx.link.base.handlers.on_request(fx.link.base.handlers.arg, &bad.base);
		if (refusal_of(&bad) != cases[i].code)
			fail_msg("case %zu: %d", i, refusal_of(&bad));
		request_done(&bad);
		request_done(&r);
	}
}

static void
test_ahead(void **state)
{
	struct pull pull = pull_from(start, 0);
	struct fake_request r;

	(void)state;
	assert_int_equal(test_commit(&fx.m, test_put(1, 0, 10), NULL), 0);
	pull.have = (struct have){fx.m.term.term, fx.m.head.seq + 1, 0};
	ask_pull(&r, 1, &pull);
	assert_int_equal(refusal_of(&r), ERR_CONFLICT);
	request_done(&r);
	pull.have = (struct have){fx.m.term.term, fx.m.head.seq, fx.m.head.beat + 1};
	ask_pull(&r, 1, &pull);
	assert_int_equal(refusal_of(&r), ERR_CONFLICT);
	request_done(&r);
}

static void
test_fencing(void **state)
{
	struct buf body, signature, bad_body, bad_signature;
	struct signed_designation next = test_term_successor(&fx.m.term, &body, &signature);
	struct signed_designation other =
	    test_term_successor(&fx.m.term, &bad_body, &bad_signature);
	struct signed_designation list[2];
	struct pull pull = pull_from(start, 0);
	struct fake_request held, r;
	struct pull waiting;

	(void)state;
	assert_int_equal(test_commit(&fx.m, test_put(1, 0, 10), NULL), 0);
	waiting = pull_from(head_position(&fx.m.head), fx.m.head.beat);
	ask_pull(&held, 1, &waiting);
	assert_false(held.answered);
	/* One that is not genuine changes nothing. */
	list[0] = next;
	list[0].signature = other.signature;
	pull.designations = (struct designation_list){list, 1};
	ask_pull(&r, 2, &pull);
	assert_true(delta_of(&r)->designations.count == 1);
	request_done(&r);
	assert_int_equal(fx.fenced_term, 0);
	list[0] = *trust_designation(fx.m.term.trust, 0);
	list[1] = next;
	pull.designations = (struct designation_list){list, 2};
	ask_pull(&r, 2, &pull);
	assert_int_equal(refusal_of(&r), ERR_DENIED);
	assert_int_equal(r.reply.refusal.proof.count, 1);
	assert_true(span_equal(r.reply.refusal.proof.items[0].body, next.body));
	request_done(&r);
	assert_int_equal(fx.fenced_term, term_make(2, 0));
	/* Those that were held are told too, and later ones. */
	assert_int_equal(refusal_of(&held), ERR_DENIED);
	request_done(&held);
	ask_pull(&r, 3, &waiting);
	assert_int_equal(refusal_of(&r), ERR_DENIED);
	assert_int_equal(r.reply.refusal.proof.count, 1);
	request_done(&r);
	buf_fini(&body);
	buf_fini(&signature);
	buf_fini(&bad_body);
	buf_fini(&bad_signature);
}

static void
test_rival_is_evidence(void **state)
{
	struct buf body, signature;
	struct signed_designation rival = test_term_rival(&fx.m.term, &body, &signature);
	struct pull pull = pull_from(start, 0);
	struct fake_request r;

	(void)state;
	pull.designations = (struct designation_list){&rival, 1};
	ask_pull(&r, 1, &pull);
	/* It goes on, and is given the one that holds here. */
	assert_int_equal(delta_of(&r)->designations.count, 1);
	request_done(&r);
	assert_int_equal(fx.conflicts, 1);
	assert_int_equal(fx.fenced_term, 0);
	buf_fini(&body);
	buf_fini(&signature);
}

static void
test_identity(void **state)
{
	const struct request request = {
	    .protocol = LINK_PROTOCOL,
	    .ask = ASK_IDENTITY,
	    .identity = {.csr = SPAN("csr", 3)},
	};
	const struct identity_reply reply = {.certificate = SPAN("certificate", 11)};
	struct err err = {ERR_DENIED, "not you"};
	struct fake_request r;

	(void)state;
	/* Also with an identity that has run out. */
	ask(&r, 777, &request);
	assert_false(r.answered);
	publish_identity_done(fx.identity, 0, &reply, NULL);
	assert_true(r.answered);
	assert_int_equal(r.reply.answer, ANSWER_IDENTITY);
	assert_true(span_equal(r.reply.identity.certificate, reply.certificate));
	request_done(&r);
	ask(&r, 2, &request);
	publish_identity_done(fx.identity, ERR_DENIED, NULL, &err);
	assert_int_equal(refusal_of(&r), ERR_DENIED);
	assert_string_equal(r.reply.refusal.text, "not you");
	request_done(&r);
	/* The connection ends while somebody is at it. */
	ask(&r, 2, &request);
	request_done(&r);
	publish_identity_done(fx.identity, 0, &reply, NULL);
}

static unsigned seen_receipts;

static void
see(void *arg, const struct id *node, const struct receipt *receipt)
{
	(void)arg;
	(void)node;
	assert_true(receipt->has_generation || receipt->error[0] != '\0');
	seen_receipts++;
}

static void
test_receipts(void **state)
{
	struct receipt list[3] = {
	    {.credential = test_id(1),
		.has_generation = true,
		.generation = test_id(11),
		.error = ""},
	    {.credential = test_id(2), .error = "the key does not fit"},
	    {.credential = test_id(3),
		.has_generation = true,
		.generation = test_id(13),
		.error = ""},
	};
	struct publish_follower f;
	struct id node = test_id(5), credential = test_id(1), second = test_id(2);
	struct pull pull = pull_from(start, 0);
	struct fake_request r;

	(void)state;
	assert_false(publish_follower(fx.publish, &node, &f));
	ask_pull(&r, 5, &pull);
	assert_true(delta_of(&r)->want_receipts);
	request_done(&r);
	pull.receipts = (struct receipt_list){list, 3};
	pull.receipts_complete = true;
	ask_pull(&r, 5, &pull);
	assert_false(delta_of(&r)->want_receipts);
	request_done(&r);
	assert_int_equal(fx.receipt_events, 1);
	assert_true(publish_follower(fx.publish, &node, &f));
	assert_true(f.receipts == 3 && f.receipts_known && f.in_touch);
	assert_string_equal(f.software, "certherd test");
	assert_string_equal(
	    publish_receipt(fx.publish, &node, &second)->error, "the key does not fit");
	publish_receipts(fx.publish, &credential, see, NULL);
	assert_int_equal(seen_receipts, 1);
	/* A change, and one that is taken back. */
	list[0].generation = test_id(12);
	list[1].error = "";
	pull.receipts.count = 2;
	pull.receipts_complete = false;
	ask_pull(&r, 5, &pull);
	request_done(&r);
	assert_int_equal(fx.receipt_events, 3);
	assert_null(publish_receipt(fx.publish, &node, &second));
	assert_true(id_equal(
	    &publish_receipt(fx.publish, &node, &credential)->generation, &list[0].generation));
	/* A full list replaces. */
	pull.receipts.count = 0;
	pull.receipts_complete = true;
	ask_pull(&r, 5, &pull);
	request_done(&r);
	assert_null(publish_receipt(fx.publish, &node, &credential));
	virtual_pass(&fx.m.time, 10001);
	assert_true(publish_follower(fx.publish, &node, &f));
	assert_false(f.in_touch);
}

/* As long as there are others, what has not come yet is not taken for what is not served. */
static void
test_receipts_in_parts(void **state)
{
	struct receipt list[] = {{.credential = test_id(1), .has_generation = true, .error = ""},
	    {.credential = test_id(2), .has_generation = true, .error = ""}};
	struct pull pull = pull_from(start, 0);
	const struct id node = test_id(6);
	struct publish_follower f;
	struct fake_request r;

	(void)state;
	for (unsigned part = 0; part < 2; part++) {
		pull.receipts = (struct receipt_list){&list[part], 1};
		pull.receipts_complete = part == 0;
		pull.receipts_more = part == 0;
		ask_pull(&r, 6, &pull);
		assert_false(delta_of(&r)->want_receipts);
		request_done(&r);
		assert_true(publish_follower(fx.publish, &node, &f));
		assert_int_equal(f.receipts, part + 1);
		assert_int_equal(f.receipts_known, part == 1);
	}
}

static void
test_throw_out(void **state)
{
	struct publish_follower f;
	struct fake_request r;
	struct pull pull;
	struct id node = test_id(1), unknown = test_id(9);

	(void)state;
	pull = pull_from(head_position(&fx.m.head), fx.m.head.beat);
	ask_pull(&r, 1, &pull);
	assert_false(r.answered);
	publish_throw_out(fx.publish, &node);
	assert_int_equal(refusal_of(&r), ERR_DENIED);
	request_done(&r);
	assert_false(publish_follower(fx.publish, &node, &f));
	publish_throw_out(fx.publish, &unknown);
	virtual_pass(&fx.m.time, 201);
	assert_int_equal(fx.link.drop_count, 2);
}

int
run_request_tests(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_refusals, fx_setup, fx_teardown),
	    cmocka_unit_test_setup_teardown(test_garbage, fx_setup, fx_teardown),
	    cmocka_unit_test_setup_teardown(test_ahead, fx_setup, fx_teardown),
	    cmocka_unit_test_setup_teardown(test_fencing, fx_setup, fx_teardown),
	    cmocka_unit_test_setup_teardown(test_rival_is_evidence, fx_setup, fx_teardown),
	    cmocka_unit_test_setup_teardown(test_identity, fx_setup, fx_teardown),
	    cmocka_unit_test_setup_teardown(test_receipts, fx_setup, fx_teardown),
	    cmocka_unit_test_setup_teardown(test_receipts_in_parts, fx_setup, fx_teardown),
	    cmocka_unit_test_setup_teardown(test_throw_out, fx_setup, fx_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
