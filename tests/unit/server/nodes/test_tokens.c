/* How many join tokens there may be, and which count. */

#include "tests/support/office.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define GOOD_MOST 1000 /* as in server/nodes */
#define PAST_MOST 4000

/* Tokens that an earlier run has left, each a second younger than the one before. */
static void
plant(struct office *o, size_t count, bool used, uint32_t tries)
{
	int64_t now = runtime_wall_s(&o->time.rt);

	for (size_t i = 0; i < count; i++) {
		struct local_token t = {.expires_at = now + 1000 + (int64_t)i,
		    .tries = tries,
		    .claimed = used,
		    .name = "old"};

		runtime_random(&o->time.rt, t.id.bytes, ID_LEN);
		assert_int_equal(local_token_put(o->store, &t, &o->err), 0);
	}
}

struct counted {
	size_t used, good;
	int64_t first;
};

static void
count_one(void *arg, const struct id *token, const char *name, int64_t expires_at, bool used)
{
	struct counted *c = arg;

	(void)token;
	(void)name;
	c->used += used;
	c->good += !used;
	if (used && (c->first == 0 || expires_at < c->first))
		c->first = expires_at;
}

static struct counted
count(struct office *o)
{
	struct counted c = {0, 0, 0};

	nodes_tokens(o->nodes, count_one, &c);
	return c;
}

/* What nobody can join with any more takes no place. */
static void
test_only_good_ones_count(void **state)
{
	struct office *o = *state;
	AUTO(pkey_unrefp)
	struct pkey *identity = NULL;
	AUTO(pkey_unrefp)
	struct pkey *sealing = NULL;

	assert_int_equal(pkey_generate(KEY_EC_P256, &identity, &o->err), 0);
	assert_int_equal(pkey_generate(KEY_EC_P256, &sealing, &o->err), 0);
	plant(o, GOOD_MOST, true, 0);
	plant(o, 10, false, 10);
	plant(o, GOOD_MOST - 1, false, 9);
	office_restart(o);
	assert_int_equal(office_token(o, "web1"), 0);
	assert_int_equal(office_token(o, "web2"), ERR_LIMIT);
	assert_int_equal(count(o).good, GOOD_MOST);
	/* One is used, and gives its place to another. */
	assert_int_equal(office_join_with(o, "web1", identity, sealing), 0);
	assert_int_equal(count(o).good, GOOD_MOST - 1);
	assert_int_equal(office_token(o, "web2"), 0);
	assert_int_equal(office_token(o, "web3"), ERR_LIMIT);
}

/* Used ones are remembered for who asks again, but not without end. */
static void
test_used_ones_are_bounded(void **state)
{
	struct office *o = *state;
	int64_t first;

	plant(o, PAST_MOST + 1, true, 0);
	office_restart(o);
	first = count(o).first;
	assert_int_equal(count(o).used, PAST_MOST + 1);
	assert_int_equal(office_token(o, "web1"), 0);
	assert_int_equal(count(o).used, PAST_MOST);
	assert_int_equal(count(o).first, first + 1);
	assert_int_equal(office_token(o, "web1"), 0);
	assert_int_equal(count(o).used, PAST_MOST);
	/* For good. */
	office_restart(o);
	assert_int_equal(count(o).used, PAST_MOST);
	assert_int_equal(count(o).good, 2);
}

#define WITH_OFFICE(test) cmocka_unit_test_setup_teardown(test, office_setup, office_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_OFFICE(test_only_good_ones_count),
	    WITH_OFFICE(test_used_ones_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
