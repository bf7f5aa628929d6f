#ifndef TESTS_UNIT_SERVER_SIGNER_SIGNER_TESTS_H
#define TESTS_UNIT_SERVER_SIGNER_SIGNER_TESTS_H

/* The parts of test_server_signer. Each test has a fresh world in *state. */

#include "tests/support/signer_world.h"

#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

int world_setup(void **state);
int world_teardown(void **state);
#define TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int run_core_tests(void);
int run_member_tests(void);
int run_attack_tests(void);
int run_local_tests(void);
int run_process_tests(void);
int run_take_tests(void);
int run_export_tests(void);
int run_ca_tests(void);

#endif
