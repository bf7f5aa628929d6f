#ifndef TESTS_UNIT_COMMON_CRYPTO_CERT_DOMAIN_H
#define TESTS_UNIT_COMMON_CRYPTO_CERT_DOMAIN_H

/* A domain with one node and one Micro CA for the tests of certificates. Made once, never changed.
 */

#include "common/crypto/cert.h"
#include "common/crypto/sign.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW INT64_C(1795000000) /* November 2026 */
#define DAY INT64_C(86400)

struct cert_domain {
	struct pkey *root_key, *manager_key, *node_key, *ca_key, *leaf_key, *rsa_key;
	struct cert *root, *manager, *identity, *ca;
	struct domain_id domain;
	struct id node;
};
extern struct cert_domain d;

int set_up(void **state);
int tear_down(void **state);
/* Teardown of each case: no function of the module leaves anything in OpenSSL's error queue. */
int queue_is_empty(void **state);
#define CASE(f) cmocka_unit_test_teardown(f, queue_is_empty)

/* Caller owns what these return; they fail the test where they cannot. */
struct pkey *key_of(enum key_type type);
struct cert *identity_of(const struct cert *manager, const struct pkey *manager_key,
    int64_t not_before, int64_t not_after);
struct cert *leaf_of(const struct pkey *key, const char *const *names, size_t count);
struct cert *leaf_named(const struct pkey *key, const char *name);
/* Of 90 days, by the Micro CA. */
NODISCARD int leaf(const struct pkey *key, const char *const *names, size_t count,
    struct cert **out, struct err *err);

#endif
