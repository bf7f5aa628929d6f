/* What a node serves, as its records change. */

#include "tests/unit/replica/cache/test_cache.h"

#include "common/crypto/secret.h"

#include <stdio.h>
#include <string.h>

int
setup(void **state)
{
	struct test_node *n = mem_zalloc(sizeof(*n));
	struct loop *l;

	assert_int_equal(loop_new(&l, NULL), 0);
	test_node_init(n, l, 4);
	*state = n;
	return 0;
}

int
teardown(void **state)
{
	struct test_node *n = *state;
	struct loop *l = n->loop;

	test_node_fini(n);
	loop_free(l);
	mem_free(n);
	return 0;
}

struct waiter {
	struct serving_wait wait;
	bool woken;
};

static void
on_woken(struct serving_wait *w)
{
	CONTAINER_OF(w, struct waiter, wait)->woken = true;
}

/* The leaf that a handshake would get, after waiting if it must; all zeroes: none. */
static struct hash
served(struct test_node *n, const char *name, const char *fallback, unsigned can)
{
	struct waiter w = {.wait.cb = on_woken};
	struct cache_found found = {0};
	enum cache_answer answer;
	struct hash print = {0};

	while (
	    (answer = cache_find(n->cache, name, fallback, can, &w.wait, &found)) == CACHE_WAIT) {
		w.woken = false;
		assert_true(wait_until(n->loop, wait_flag, &w.woken));
	}
	if (answer == CACHE_NONE)
		return print;
	cert_fingerprint(tls_identity_leaf(found.identity), &print);
	assert_true(
	    cache_serves(n->cache, name != NULL && cache_knows(n->cache, name) ? name : fallback,
		&found.credential, &found.generation));
	tls_identity_unref(found.identity);
	return print;
}

bool
serves(struct test_node *n, const char *name, const struct test_credential *c)
{
	struct hash want = c != NULL ? c->print : (struct hash){0};
	struct hash got = served(n, name, NULL, ANY);

	return hash_equal(&got, &want);
}

static void
test_names(void **state)
{
	struct test_node *n = *state;
	struct test_credential exact, wild, other;
	struct hash got;

	test_node_add(n, &wild, "*.example.org", KEY_EC_P256);
	test_node_add(n, &exact, "www.example.org", KEY_EC_P256);
	test_node_add(n, &other, "example.org", KEY_EC_P256);
	assert_true(serves(n, "www.example.org", &exact));
	assert_true(serves(n, "mail.example.org", &wild));
	assert_true(serves(n, "example.org", &other));
	assert_true(serves(n, "a.b.example.org", NULL));
	assert_true(serves(n, "example.com", NULL));
	got = served(n, "example.com", "example.org", ANY);
	assert_true(hash_equal(&got, &other.print));
	got = served(n, NULL, "example.org", ANY);
	assert_true(hash_equal(&got, &other.print));
	got = served(n, NULL, NULL, ANY);
	assert_true(hash_equal(&got, &(struct hash){0}));
	assert_true(cache_knows(n->cache, "any.example.org"));
	assert_false(cache_knows(n->cache, "example.com"));
	test_credential_fini(&exact);
	test_credential_fini(&wild);
	test_credential_fini(&other);
}

static void
test_types_side_by_side(void **state)
{
	struct test_node *n = *state;
	struct test_credential ec, rsa, ec384;
	struct hash got;

	test_node_add(n, &ec, "www.example.org", KEY_EC_P256);
	test_node_add(n, &rsa, "www.example.org", KEY_RSA_2048);
	test_node_add(n, &ec384, "www.example.org", KEY_EC_P384);
	got = served(n, "www.example.org", NULL, TLS_CAN_RSA);
	assert_true(hash_equal(&got, &rsa.print));
	got = served(n, "www.example.org", NULL, TLS_CAN_ECDSA_P256 | TLS_CAN_RSA);
	assert_true(hash_equal(&got, &ec.print));
	got = served(n, "www.example.org", NULL, TLS_CAN_ECDSA_P384);
	assert_true(hash_equal(&got, &ec384.print));
	got = served(n, "www.example.org", NULL, ANY); /* the newest of those that fit */
	assert_true(hash_equal(&got, &ec384.print));
	got = served(n, "www.example.org", NULL, TLS_CAN_ED25519);
	assert_true(hash_equal(&got, &(struct hash){0}));
	test_credential_fini(&ec);
	test_credential_fini(&rsa);
	test_credential_fini(&ec384);
}

static void
test_renewal(void **state)
{
	struct test_node *n = *state;
	struct test_credential c;
	struct id old_generation;

	test_node_add(n, &c, "www.example.org", KEY_EC_P256);
	assert_int_equal(n->receipts, 1);
	assert_true(id_equal(&n->receipt_generation, &c.generation));
	old_generation = c.generation;
	test_node_issue(n, &c);
	test_node_put(n, &c);
	test_node_apply(n);
	assert_true(serves(n, "www.example.org", &c));
	assert_false(cache_serves(n->cache, "www.example.org", &c.id, &old_generation));
	assert_true(cache_serves(n->cache, "www.example.org", &c.id, &c.generation));
	assert_true(id_equal(&n->receipt_generation, &c.generation));
	test_credential_fini(&c);
}

/* A generation that cannot be used is not swapped in: the old one stays, the receipt says why. */
static void
test_unusable_generation(void **state)
{
	struct test_node *n = *state;
	struct test_credential c;
	struct hash good;
	struct id good_generation;

	test_node_add(n, &c, "www.example.org", KEY_EC_P256);
	good = c.print;
	good_generation = c.generation;
	test_node_issue(n, &c);
	c.wrong_key = true;
	test_node_put(n, &c);
	test_node_apply(n);
	assert_string_not_equal(n->receipt_error, "");
	assert_true(id_equal(&n->receipt_generation, &good_generation));
	c.print = good;
	assert_true(serves(n, "www.example.org", &c));
	c.wrong_key = false;
	test_node_issue(n, &c);
	test_node_put(n, &c);
	test_node_apply(n);
	assert_string_equal(n->receipt_error, "");
	assert_true(serves(n, "www.example.org", &c));
	test_credential_fini(&c);
}

/* Every way to leave, in the same swap; the key is wiped when nobody holds it any more. */
static void
test_leaving(void **state)
{
	struct test_node *n = *state;
	size_t before, after, size;

	for (int way = 0; way < 4; way++) {
		struct test_credential c;
		struct cache_found held = {0};

		secret_heap_usage(&before, &size);
		test_node_add(n, &c, "www.example.org", KEY_EC_P256);
		assert_int_equal(
		    cache_find(n->cache, "www.example.org", NULL, ANY, NULL, &held), CACHE_READY);
		c.withdrawn = way == 0;
		c.archived = way == 1;
		c.removed = way == 2;
		c.foreign = way == 3;
		n->gone = 0;
		test_node_put(n, &c);
		test_node_apply(n);
		assert_int_equal(n->gone, 1);
		assert_false(cache_knows(n->cache, "www.example.org"));
		assert_false(
		    cache_serves(n->cache, "www.example.org", &held.credential, &held.generation));
		test_credential_fini(&c);
		secret_heap_usage(&after, &size);
		assert_true(after > before); /* the handshake still has it */
		tls_identity_unref(held.identity);
		secret_heap_usage(&after, &size);
		assert_int_equal(after, before);
	}
}

static void
test_names_change(void **state)
{
	struct test_node *n = *state;
	struct test_credential c;

	test_node_add(n, &c, "a.example.org", KEY_EC_P256);
	c.names[0] = "b.example.org";
	c.names[1] = "c.example.org";
	test_node_issue(n, &c);
	test_node_put(n, &c);
	test_node_apply(n);
	assert_false(cache_knows(n->cache, "a.example.org"));
	assert_true(serves(n, "b.example.org", &c));
	assert_true(serves(n, "c.example.org", &c));
	test_credential_fini(&c);
}

/* After a start: names at once, keys at the first handshake, verified and opened from the store. */
static void
test_lazy(void **state)
{
	enum { MANY = 12 };
	struct test_node *n = *state;
	struct test_credential c[MANY];
	static char names[MANY][32];
	struct cache_stats stats;

	for (size_t i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof(names[i]), "h%zu.example.org", i);
		c[i] = (struct test_credential){.names = {names[i]}, .type = KEY_EC_P256};
		test_node_issue(n, &c[i]);
		test_node_put(n, &c[i]);
	}
	test_node_store(n);
	assert_false(cache_knows(n->cache, names[0]));
	test_node_load(n);
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < MANY; i++)
			assert_true(serves(n, names[i], &c[i]));
	cache_stats(n->cache, &stats);
	assert_int_equal(stats.serving.credentials, MANY);
	assert_int_equal(stats.serving.names, MANY);
	assert_true(stats.serving.opened <= 4); /* opened_max of the set-up */
	assert_true(stats.opened > MANY);       /* so some were opened twice */
	for (size_t i = 0; i < MANY; i++)
		test_credential_fini(&c[i]);
}

/* The heap of secrets bounds the opened keys, too: long before it is full, others are closed. */
static void
test_tight_heap(void **state)
{
	enum { MANY = 4 }; /* as many as may be open by number */
	struct test_node *n = *state;
	struct test_credential c[MANY];
	static char names[MANY][32];
	struct secret *filling[3];
	static const size_t sizes[] = {2 << 20, 1 << 20, 32}; /* of 4 MiB */
	struct cache_stats stats;

	for (size_t i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof(names[i]), "t%zu.example.org", i);
		test_node_add(n, &c[i], names[i], KEY_EC_P256);
	}
	cache_stats(n->cache, &stats);
	assert_int_equal(stats.serving.opened, MANY);
	for (size_t i = 0; i < ARRAY_LEN(filling); i++)
		assert_int_equal(secret_new(sizes[i], &filling[i], NULL), 0);
	test_node_issue(n, &c[0]);
	test_node_put(n, &c[0]);
	test_node_apply(n);
	cache_stats(n->cache, &stats);
	assert_int_equal(stats.serving.opened, 1); /* the new one */
	for (size_t round = 0; round < 2; round++)
		for (size_t i = 0; i < MANY; i++)
			assert_true(serves(n, names[i], &c[i]));
	cache_stats(n->cache, &stats);
	assert_int_equal(stats.serving.opened, 1);
	for (size_t i = 0; i < ARRAY_LEN(filling); i++)
		secret_free(filling[i]);
	for (size_t i = 0; i < MANY; i++) {
		assert_true(serves(n, names[i], &c[i]));
		test_credential_fini(&c[i]);
	}
	cache_stats(n->cache, &stats);
	assert_int_equal(stats.serving.opened, MANY);
}

/* A record in the store that was changed behind our back is never opened. */
static void
test_forged_store(void **state)
{
	struct test_node *n = *state;
	struct test_credential c = {.names = {"www.example.org"}, .type = KEY_EC_P256};
	struct pkey *honest = n->term_key;

	test_node_issue(n, &c);
	test_node_put(n, &c);
	n->term_key = n->other; /* signed by somebody else */
	test_node_store(n);
	n->term_key = honest;
	test_node_load(n);
	assert_true(serves(n, "www.example.org", NULL));
	assert_non_null(strstr(n->receipt_error, "generation"));
	assert_int_equal(n->damaged, 1);
	test_credential_fini(&c);
}

static void
test_many_in_one_delta(void **state)
{
	enum { MANY = 300 };
	struct test_node *n = *state;
	struct test_credential *c = mem_array(MANY, sizeof(*c));
	static char names[MANY][32];
	struct cache_stats stats;

	for (size_t i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof(names[i]), "h%zu.example.org", i);
		c[i] = (struct test_credential){.names = {names[i]}, .type = KEY_EC_P256};
		test_node_issue(n, &c[i]);
		test_node_put(n, &c[i]);
	}
	test_node_apply(n);
	cache_stats(n->cache, &stats);
	assert_int_equal(stats.serving.credentials, MANY);
	assert_int_equal(stats.preparing, 0);
	assert_int_equal(n->receipts, MANY);
	assert_true(serves(n, names[17], &c[17]));
	for (size_t i = 0; i < MANY; i++)
		test_credential_fini(&c[i]);
	mem_free(c);
}

/* Two swaps of one credential in flight: the newer wins, whatever ends first. */
static void
test_overtaking(void **state)
{
	struct test_node *n = *state;
	struct test_credential c;

	test_node_add(n, &c, "www.example.org", KEY_EC_P256);
	for (int i = 0; i < 20; i++) {
		test_node_issue(n, &c);
		test_node_put(n, &c);
		if (i < 19) {
			cache_apply(n->cache, n->trust, n->changes, n->change_count);
			test_node_store(n);
		}
	}
	test_node_apply(n);
	assert_true(serves(n, "www.example.org", &c));
	test_credential_fini(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_names, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_types_side_by_side, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_renewal, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_unusable_generation, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_leaving, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_names_change, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_lazy, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_tight_heap, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_forged_store, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_many_in_one_delta, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_overtaking, setup, teardown),
	};

	if (secret_heap_init(4 * 1024 * 1024, NULL) < 0)
		return 77;
	return cmocka_run_group_tests_name("cache", tests, NULL, NULL) + issuers_run() +
	    settle_run() + stale_run();
}
