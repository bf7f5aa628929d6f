/* What is told and served when things go wrong, come late, or come right again. */

#include "tests/unit/replica/cache/test_cache.h"

#include "common/crypto/secret.h"
#include "common/crypto/sign.h"
#include "common/keyring/keyring.h"

#include <stdio.h>
#include <string.h>

/* The generation that it has now, to be published again later. */
static struct test_credential
keep(const struct test_credential *c)
{
	struct test_credential kept = *c;

	kept.key = pkey_ref(c->key);
	kept.leaf = cert_ref(c->leaf);
	return kept;
}

/* What was withdrawn leaves, also when what should take its place cannot be used. */
static void
test_withdrawn_without_successor(void **state)
{
	struct test_node *n = *state;

	for (int way = 0; way < 2; way++) {
		struct test_credential c;

		test_node_add(n, &c, "www.example.org", KEY_EC_P256);
		c.withdrawn = way == 0;
		c.foreign = way == 1;
		test_node_put(n, &c);
		test_node_issue(n, &c);
		c.withdrawn = c.foreign = false;
		c.wrong_key = true;
		test_node_put(n, &c);
		test_node_apply(n);
		assert_string_not_equal(n->receipt_error, "");
		assert_true(id_is_zero(&n->receipt_generation));
		assert_false(cache_knows(n->cache, "www.example.org"));
		c.removed = true;
		test_node_put(n, &c);
		test_node_apply(n);
		test_credential_fini(&c);
	}
}

/*
 * While a change waits for its certificate, names, key type and purpose of the credential are what
 * is wanted, and what is served stays what the certificate in force says.
 */
static void
test_wanted_is_not_served(void **state)
{
	struct test_node *n = *state;
	struct test_credential c;
	struct cache_stats before, after;

	test_node_add(n, &c, "www.example.org", KEY_EC_P256);
	cache_stats(n->cache, &before);
	c.wanted_name = "new.example.org";
	c.wanted_type = "rsa-2048";
	c.wanted_profile = "client";
	test_node_put(n, &c);
	test_node_apply(n);
	cache_stats(n->cache, &after);
	assert_int_equal(after.opened, before.opened);
	assert_true(serves(n, "www.example.org", &c));
	assert_false(cache_knows(n->cache, "new.example.org"));
	/* A look at the whole store comes to the same. */
	test_node_store(n);
	test_node_load(n);
	assert_true(serves(n, "www.example.org", &c));
	/* The certificate comes. */
	c.names[0] = "new.example.org";
	c.type = KEY_RSA_2048;
	c.wanted_profile = NULL;
	test_node_issue(n, &c);
	test_node_put(n, &c);
	test_node_apply(n);
	assert_false(cache_knows(n->cache, "www.example.org"));
	assert_true(serves(n, "new.example.org", &c));
	test_credential_fini(&c);
}

/* An error is taken back when the generation that stayed is the right one again. */
static void
test_error_is_taken_back(void **state)
{
	struct test_node *n = *state;
	struct test_credential c, good;

	test_node_add(n, &c, "www.example.org", KEY_EC_P256);
	good = keep(&c);
	test_node_issue(n, &c);
	c.wrong_key = true;
	test_node_put(n, &c);
	test_node_apply(n);
	assert_string_not_equal(n->receipt_error, "");
	good.version = c.version;
	test_node_put(n, &good);
	test_node_apply(n);
	assert_string_equal(n->receipt_error, "");
	assert_true(id_equal(&n->receipt_generation, &good.generation));
	assert_true(serves(n, "www.example.org", &good));
	test_credential_fini(&c);
	test_credential_fini(&good);
}

/* An opening that ends after its generation was replaced says nothing about the credential. */
static void
test_late_failure(void **state)
{
	struct test_node *n = *state;
	struct test_credential c = {.names = {"www.example.org"}, .type = KEY_EC_P256};

	test_node_issue(n, &c);
	c.wrong_key = true;
	test_node_put(n, &c);
	test_node_store(n);
	test_node_load(n); /* and the warm-up begins to open it */
	c.wrong_key = false;
	test_node_issue(n, &c);
	test_node_put(n, &c);
	test_node_change(n);
	test_node_settle(n);
	assert_string_equal(n->receipt_error, "");
	assert_true(id_equal(&n->receipt_generation, &c.generation));
	assert_true(serves(n, "www.example.org", &c));
	test_credential_fini(&c);
}

/* A chain that was completed is sent from then on, with the same leaf; sealing anew changes
 * nothing. */
static void
test_other_chain(void **state)
{
	struct test_node *n = *state;
	struct test_credential c = {
	    .names = {"www.example.org"}, .type = KEY_EC_P256, .leaf_alone = true};
	struct cache_stats before, after;

	test_node_issue(n, &c);
	test_node_put(n, &c);
	test_node_apply(n);
	cache_stats(n->cache, &before);
	test_node_put(n, &c);
	test_node_apply(n);
	cache_stats(n->cache, &after);
	assert_int_equal(after.opened, before.opened);
	c.leaf_alone = false;
	test_node_put(n, &c);
	test_node_apply(n);
	cache_stats(n->cache, &after);
	assert_int_equal(after.opened, before.opened + 1);
	assert_true(serves(n, "www.example.org", &c));
	test_credential_fini(&c);
}

/* What was being prepared for a credential that was removed is void when it comes back. */
static void
test_removed_and_back(void **state)
{
	struct test_node *n = *state;
	struct test_credential c = {.names = {"www.example.org"}, .type = KEY_EC_P256};

	test_node_issue(n, &c);
	test_node_put(n, &c);
	test_node_change(n);
	c.removed = true;
	test_node_put(n, &c);
	test_node_change(n);
	c.removed = false;
	test_node_issue(n, &c);
	test_node_put(n, &c);
	test_node_change(n);
	test_node_settle(n);
	assert_int_equal(n->receipts, 1);
	assert_true(id_equal(&n->receipt_generation, &c.generation));
	assert_true(serves(n, "www.example.org", &c));
	test_credential_fini(&c);
}

/* A membership is a secret like others: after a fetch of everything nobody has verified it yet. */
static void
test_forged_membership(void **state)
{
	struct test_node *n = *state;
	struct pkey *honest = n->term_key, *group_key = NULL;
	struct id group;

	id_random(&group);
	assert_int_equal(pkey_generate(KEY_EC_P256, &group_key, NULL), 0);
	test_node_put_membership(n, &group, group_key);
	n->term_key = n->other;
	test_node_store(n);
	n->term_key = honest;
	test_node_load(n);
	assert_false(keyring_in_group(n->keyring, &group));
	assert_int_equal(n->damaged, 1);
	test_node_put_membership(n, &group, group_key);
	test_node_store(n);
	test_node_load(n);
	assert_true(keyring_in_group(n->keyring, &group));
	pkey_unref(group_key);
}

static bool
no_error(void *arg)
{
	return ((struct test_node *)arg)->receipt_error[0] == '\0';
}

static bool
has_error(void *arg)
{
	return !no_error(arg);
}

#define PIECES 32

/* All of the heap of secrets that is left; returns in how many pieces. */
static size_t
fill_heap(struct secret *pieces[static PIECES])
{
	size_t count = 0;

	for (size_t size = 2 << 20; size >= 32; size /= 2)
		while (count < PIECES && secret_new(size, &pieces[count], NULL) == 0)
			count++;
	assert_true(count < PIECES);
	return count;
}

/* No memory, a disk that does not answer: no reason to give a credential up for good. */
static void
test_passing_trouble(void **state)
{
	struct test_node *n = *state;
	struct secret *filling[PIECES];
	size_t count;
	struct test_credential c = {.names = {"www.example.org"}, .type = KEY_EC_P256};

	test_node_issue(n, &c);
	test_node_put(n, &c);
	test_node_store(n);
	count = fill_heap(filling);
	test_node_load(n);
	assert_true(wait_until(n->loop, has_error, n));
	assert_true(serves(n, "www.example.org", NULL));
	while (count > 0)
		secret_free(filling[--count]);
	assert_true(wait_until(n->loop, no_error, n));
	assert_true(serves(n, "www.example.org", &c));
	test_credential_fini(&c);
}

struct joining {
	struct test_node *node;
	struct id group;
};

static bool
is_in_group(void *arg)
{
	struct joining *j = arg;

	return keyring_in_group(j->node->keyring, &j->group);
}

/* Nor is it one to miss the keys of a group, by a look at the store or by a delta. */
static void
test_membership_in_passing_trouble(void **state)
{
	struct test_node *n = *state;
	struct secret *filling[PIECES];
	struct pkey *group_key = NULL;
	size_t count;

	assert_int_equal(pkey_generate(KEY_EC_P256, &group_key, NULL), 0);
	for (int by_delta = 0; by_delta < 2; by_delta++) {
		struct joining j = {n, {{0}}};

		id_random(&j.group);
		test_node_put_membership(n, &j.group, group_key);
		test_node_store(n);
		if (by_delta)
			test_node_put_membership(n, &j.group, group_key);
		count = fill_heap(filling);
		if (by_delta)
			test_node_change(n);
		else
			test_node_load(n);
		assert_false(is_in_group(&j));
		while (count > 0)
			secret_free(filling[--count]);
		assert_true(wait_until(n->loop, is_in_group, &j));
	}
	pkey_unref(group_key);
}

static void
on_loaded(void *arg, int status, const struct err *err)
{
	(void)err;
	assert_int_equal(status, 0);
	*(bool *)arg = true;
}

/*
 * What is being opened was asked for in an old term, and lies in the store already as the new one
 * has signed it: it is judged by what is believed when it has been fetched.
 */
static void
test_term_begins_while_opening(void **state)
{
	struct test_node *n = *state;
	AUTO(trust_freep)
	struct trust *old = trust_clone(n->trust);
	struct test_credential c = {.names = {"www.example.org"}, .type = KEY_EC_P256};
	bool loaded = false;

	test_node_next_term(n);
	test_node_issue(n, &c);
	test_node_put(n, &c);
	test_node_store(n);
	assert_int_equal(cache_load(n->cache, old, on_loaded, &loaded, NULL), 0);
	assert_true(wait_until(n->loop, wait_flag, &loaded)); /* the warm-up begins to open it */
	test_node_put(n, &c);
	test_node_change(n);
	test_node_settle(n);
	assert_string_equal(n->receipt_error, "");
	assert_true(serves(n, "www.example.org", &c));
	test_credential_fini(&c);
}

static void
on_tried(void *arg, int status, const struct err *err)
{
	struct test_node *n = arg;

	assert_true(status < 0 && err != NULL);
	n->loaded = true;
}

static bool
knows(void *arg)
{
	return cache_knows(((struct test_node *)arg)->cache, "www.example.org");
}

/* A look at the store that failed is taken again: what it would have shown comes in no delta. */
static void
test_load_is_tried_again(void **state)
{
	static const struct store_migration steps[] = {
	    {"ALTER TABLE records RENAME TO away"}, {"ALTER TABLE away RENAME TO records"}};
	struct test_node *n = *state;
	struct test_credential c = {.names = {"www.example.org"}, .type = KEY_EC_P256};

	test_node_issue(n, &c);
	test_node_put(n, &c);
	test_node_store(n);
	assert_int_equal(store_migrate(n->store, "test", steps, 1, NULL), 0);
	assert_int_equal(cache_load(n->cache, n->trust, on_tried, n, NULL), 0);
	assert_true(wait_until(n->loop, wait_flag, &n->loaded));
	assert_false(knows(n));
	assert_int_equal(store_migrate(n->store, "test", steps, 2, NULL), 0);
	assert_true(wait_until(n->loop, knows, n));
	assert_true(serves(n, "www.example.org", &c));
	test_credential_fini(&c);
}

int
settle_run(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_withdrawn_without_successor, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_wanted_is_not_served, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_error_is_taken_back, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_late_failure, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_other_chain, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_removed_and_back, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_forged_membership, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_passing_trouble, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_membership_in_passing_trouble, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_load_is_tried_again, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_term_begins_while_opening, setup, teardown),
	};

	return cmocka_run_group_tests_name("settle", tests, NULL, NULL);
}
