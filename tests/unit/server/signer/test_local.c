/* The signer in the same process: answers come later, once each, in order. */

#include "tests/unit/server/signer/signer_tests.h"

#include "common/loop/loop.h"
#include "server/signer/local.h"
#include "tests/support/wait.h"

struct ask {
	struct signer_call call;
	bool called;
	int status;
	unsigned turn;
};

static unsigned turns;

static void
answered(struct signer_call *call, int status, struct span done, const struct err *err)
{
	struct ask *a = call->arg;

	assert_false(a->called);
	assert_true(status == 0 ? done.len > 0 : err->code == status);
	a->called = true;
	a->status = status;
	a->turn = ++turns;
}

static void
test_order(void **state)
{
	struct signer_world *w = *state;
	struct keyfile keys = world_keys(w);
	struct buf start = BUF_INIT(LIMIT_SIGNER_FRAME), learn = BUF_INIT(LIMIT_SIGNER_FRAME);
	struct ask asks[3];
	struct signer *signer = NULL;
	struct loop *loop = NULL;

	turns = 0;
	assert_int_equal(loop_new(&loop, NULL), 0);
	assert_int_equal(signer_local_new(loop_runtime(loop), &keys, &signer, NULL), 0);
	world_put_start(w, &start);
	world_put_learn(w, &learn);
	for (size_t i = 0; i < ARRAY_LEN(asks); i++) {
		asks[i] = (struct ask){.call = {.cb = answered, .arg = &asks[i]}};
		/* Start, Learn, and a second start, which ends with an error here. */
		assert_int_equal(
		    signer_submit(signer, &asks[i].call, buf_span(i == 1 ? &learn : &start), NULL),
		    0);
		assert_false(asks[i].called);
	}
	assert_true(wait_until(loop, wait_flag, &asks[2].called));
	assert_int_equal(asks[0].status, 0);
	assert_int_equal(asks[1].status, 0);
	assert_int_equal(asks[2].status, ERR_PROTO);
	for (unsigned i = 0; i < ARRAY_LEN(asks); i++)
		assert_int_equal(asks[i].turn, i + 1);
	/* One that is under way when it ends is forgotten. */
	asks[0].called = false;
	assert_int_equal(signer_submit(signer, &asks[0].call, buf_span(&learn), NULL), 0);
	signer_local_free(signer);
	assert_false(asks[0].called);
	loop_free(loop);
	buf_fini(&start);
	buf_fini(&learn);
}

int
run_local_tests(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_order),
	};

	return cmocka_run_group_tests_name("local", tests, NULL, NULL);
}
