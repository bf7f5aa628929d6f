#ifndef TESTS_UNIT_COMMON_LIFT_LIFT_TESTS_H
#define TESTS_UNIT_COMMON_LIFT_LIFT_TESTS_H

/* The parts of test_common_lift and what they share. */

#include "common/lift/lift.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* After each test: nothing may be left in OpenSSL's error queue. */
int check_queue(void **state);
#define TEST(f) cmocka_unit_test_teardown(f, check_queue)

/* A P-256 key and its self-signed certificate, PEM; made once. */
extern struct buf key_pem, cert_pem;

/* With one password, or none (NULL). */
struct lift *lift_with(const char *password, struct pbe_budget *budget);
void add_text(struct lift *l, const char *name, const char *text);
/* A letter for each item in order: k c r l for key, certificate, request, list, ! for a problem. */
const char *kinds_of(const struct lift *l);
/* The first problem, of which there must be one. */
const struct lift_item *problem_of(const struct lift *l);

/* A file of tests/data/lift, and all matched. */
void add_vector(struct lift *l, const char *name);

int run_vector_tests(void);
int run_type_tests(void);
int run_limit_tests(void);
int run_shape_tests(void);
int run_bad_tests(void);

#endif
