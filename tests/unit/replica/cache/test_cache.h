#ifndef TESTS_UNIT_REPLICA_CACHE_TEST_CACHE_H
#define TESTS_UNIT_REPLICA_CACHE_TEST_CACHE_H

/* Groups of tests that run in the one program of this folder, and what they share. */

#include "tests/support/test_node.h"

#include <setjmp.h>

#include <cmocka.h>

int issuers_run(void);
int settle_run(void);
int stale_run(void);

#define ANY                                                                                        \
	(TLS_CAN_ECDSA_P256 | TLS_CAN_ECDSA_P384 | TLS_CAN_ECDSA_P521 | TLS_CAN_RSA |              \
	    TLS_CAN_ED25519)

/* A fresh node in *state. */
int setup(void **state);
int teardown(void **state);

/* Whether a handshake for that name gets this credential's present leaf (NULL: none at all). */
bool serves(struct test_node *n, const char *name, const struct test_credential *c);

#endif
