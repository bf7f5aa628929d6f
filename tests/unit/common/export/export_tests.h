#ifndef TESTS_UNIT_COMMON_EXPORT_EXPORT_TESTS_H
#define TESTS_UNIT_COMMON_EXPORT_EXPORT_TESTS_H

/* The parts of test_common_export and what they share. */

#include "common/crypto/secret.h"

#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

struct secret *secret_of(const char *text);
int run_password_tests(void);

#endif
