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

/* Files of tmp_dir. */
void write_file(const char *name, struct span bytes);
void read_file(const char *name, struct buf *out);
/* Arguments that begin with '@' are files of tmp_dir. Returns the exit status. */
int run_openssl(const char *const *args);
#define OPENSSL_RUNS(...) assert_int_equal(run_openssl((const char *const[]){__VA_ARGS__, NULL}), 0)

int run_secret_tests(void);
int run_pkey_tests(void);
int run_sign_tests(void);
int run_envelope_tests(void);
int run_interop_tests(void);
int run_leaf_tests(void);

#endif
