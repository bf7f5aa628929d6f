#ifndef TESTS_UNIT_COMMON_CRYPTO_CRYPTO_TESTS_H
#define TESTS_UNIT_COMMON_CRYPTO_CRYPTO_TESTS_H

/* The parts of test_common_crypto and what they share. */

#include "common/crypto/pkey.h"

#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

extern char tmp_dir[64];
/* A path in tmp_dir, in one of a few static places. */
const char *in_tmp(const char *name);

/* After each test: nothing may be left in OpenSSL's error queue. */
int check_queue(void **state);
#define TEST(f) cmocka_unit_test_teardown(f, check_queue)

struct pkey *make_key(enum key_type type);
struct pkey *public_of(const struct pkey *key);
struct secret *secret_of(const char *text);

int run_secret_tests(void);
int run_pkey_tests(void);
int run_sign_tests(void);
int run_envelope_tests(void);
int run_interop_tests(void);

#endif
