#ifndef TESTS_UNIT_SERVER_COMMIT_COMMIT_TESTS_H
#define TESTS_UNIT_SERVER_COMMIT_COMMIT_TESTS_H

/* The two parts of test_server_commit. */

#include "tests/support/manager.h"

#include <setjmp.h>
#include <stdio.h>

#include <cmocka.h>

int run_fault_tests(void);

/* The store holds exactly what the newest head says. */
void assert_digest(struct test_manager *m);

#endif
