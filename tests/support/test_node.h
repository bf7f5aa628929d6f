#ifndef TESTS_SUPPORT_TEST_NODE_H
#define TESTS_SUPPORT_TEST_NODE_H

/*
 * A member of a domain for tests of what a replica serves: trust, keyring, store and cache, and a
 * manager that signs and seals whatever the test wants. Aborts when something cannot be made.
 */

#include "common/store/store.h"
#include "common/wire/trust.h"
#include "replica/cache/cache.h"
#include "tests/support/pki.h"
#include "tests/support/wait.h"

#define TEST_NAMES_MAX 4
#define TEST_CHANGES_MAX 2048

/* A credential as the manager would have it; test_node_put publishes its present state. */
struct test_credential {
	struct id id, generation;
	const char *names[TEST_NAMES_MAX]; /* NULL behind the last */
	/* What the credential says while its certificate has others; NULL: the names above. */
	const char *wanted_name;
	enum key_type type;
	const char *wanted_type, *wanted_profile; /* the same */
	struct pkey *key;
	struct cert *leaf;
	uint64_t version, generations, generation_version;
	int64_t activated_at_ms, stale_after;
	struct hash print; /* of the leaf */
	/* for the next test_node_put */
	bool archived, withdrawn, removed, foreign; /* foreign: sealed to somebody else */
	bool wrong_key;                             /* what is sealed is another key */
	bool leaf_alone;                            /* its chain is without the issuer */
};

struct test_node {
	struct loop *loop;
	struct pki pki;
	struct id id;
	struct pkey *sealing, *other, *term_key;
	struct keyring *keyring;
	struct trust *trust;
	struct store *store;
	char dir[64];
	struct cache *cache;
	uint64_t term, seq;
	struct change changes[TEST_CHANGES_MAX]; /* since the last test_node_apply */
	size_t change_count;
	/* what the cache has told */
	size_t receipts, gone, settled, damaged;
	struct id receipt_generation; /* of the last one */
	char receipt_error[256];
	bool loaded, closed;
};

void test_node_init(struct test_node *n, struct loop *l, size_t opened_max);
void test_node_fini(struct test_node *n);

/* The manager goes on in a new term, with a new key; the cache hears of it by the next change. */
void test_node_next_term(struct test_node *n);

/* A new generation for it (a new key and certificate), not yet published. */
void test_node_issue(struct test_node *n, struct test_credential *c);
/* Publishes the credential and its generation as they are now. */
void test_node_put(struct test_node *n, struct test_credential *c);
/* Hands what was published to the store and the cache; waits until it is settled. */
void test_node_apply(struct test_node *n);
/* The same for the store alone. */
void test_node_store(struct test_node *n);
/* The same for the cache alone, and without waiting; test_node_settle waits. */
void test_node_change(struct test_node *n);
void test_node_settle(struct test_node *n);
/* Publishes that this node is in a group with that key. */
void test_node_put_membership(
    struct test_node *n, const struct id *group, const struct pkey *group_key);
/* Publishes any record without a seal; removed with an empty public part. */
void test_node_put_public(struct test_node *n, uint32_t kind, const struct id *id, uint64_t version,
    struct span public_part);
/* Lets the cache look at the whole store and waits. */
void test_node_load(struct test_node *n);

/* A credential with one name, issued, published, applied. */
void test_node_add(
    struct test_node *n, struct test_credential *c, const char *name, enum key_type type);
void test_credential_fini(struct test_credential *c);

#endif
