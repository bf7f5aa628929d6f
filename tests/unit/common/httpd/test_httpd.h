#ifndef TESTS_UNIT_COMMON_HTTPD_TEST_HTTPD_H
#define TESTS_UNIT_COMMON_HTTPD_TEST_HTTPD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

void test_target(void **state);
void test_target_query(void **state);
void test_target_refusals(void **state);

#endif
