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

static void
on_revoked(void *arg, int status, size_t revoked, const struct err *err)
{
	struct office *o = arg;

	o->called = true;
	o->status = status;
	o->result.generation = revoked;
	if (err != NULL)
		o->err = *err;
}

static int
revoke(struct office *o, const char *what)
{
	o->called = false;
	return office_wait(o, nodes_token_revoke(o->nodes, what, "test", on_revoked, o, &o->err));
}

/* By name and by id; nobody joins with it, also after a restart. */
static void
test_revoked(void **state)
{
	struct office *o = *state;
	AUTO(pkey_unrefp)
	struct pkey *identity = NULL;
	char hex[ID_HEX_MAX];

	assert_int_equal(pkey_generate(KEY_EC_P256, &identity, &o->err), 0);
	assert_int_equal(office_token(o, "web1"), 0);
	assert_int_equal(office_token(o, "web2"), 0);
	assert_int_equal(office_token(o, "web2"), 0);
	id_hex(&o->token_id, hex);
	assert_int_equal(revoke(o, hex), 0);
	assert_int_equal(count(o).good, 2);
	assert_int_equal(office_join_with(o, "web2", identity, identity), ERR_DENIED);
	office_restart(o);
	assert_int_equal(count(o).good, 2);
	assert_int_equal(office_join_with(o, "web2", identity, identity), ERR_DENIED);
	assert_int_equal(revoke(o, "web1"), 0);
	assert_int_equal(o->result.generation, 1);
	assert_int_equal(revoke(o, "web1"), ERR_NOTFOUND);
	assert_int_equal(revoke(o, "nothing"), ERR_NOTFOUND);
	assert_int_equal(count(o).good, 1);
}

/* Listed until its name has joined; and whoever has another one must not come back by it. */
static void
test_name_has_joined(void **state)
{
	struct office *o = *state;
	AUTO(pkey_unrefp)
	struct pkey *identity = NULL;
	struct secret *other;
	struct id other_id;

	assert_int_equal(pkey_generate(KEY_EC_P256, &identity, &o->err), 0);
	assert_int_equal(office_token(o, "web1"), 0);
	other = MOVE(o->token);
	other_id = o->token_id;
	assert_int_equal(office_token(o, "web1"), 0);
	assert_int_equal(count(o).good, 2);
	assert_int_equal(office_join_with(o, "web1", identity, identity), 0);
	assert_int_equal(count(o).good + count(o).used, 0);
	/* The same keys get the same answer all the same. */
	assert_int_equal(office_join_with(o, "web1", identity, identity), 0);
	o->called = false;
	assert_int_equal(
	    office_wait(o, nodes_remove(o->nodes, "web1", "test", office_on_nodes, o, &o->err)), 0);
	secret_free(o->token);
	o->token = other;
	o->token_id = other_id;
	assert_int_equal(office_join_with(o, "web1", identity, identity), ERR_DENIED);
	office_restart(o);
	assert_int_equal(office_join_with(o, "web1", identity, identity), ERR_DENIED);
	assert_int_equal(count(o).good, 0);
}

#define WITH_OFFICE(test) cmocka_unit_test_setup_teardown(test, office_setup, office_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_OFFICE(test_only_good_ones_count),
	    WITH_OFFICE(test_used_ones_are_bounded),
	    WITH_OFFICE(test_revoked),
	    WITH_OFFICE(test_name_has_joined),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
