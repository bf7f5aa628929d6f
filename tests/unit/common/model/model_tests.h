#ifndef TESTS_UNIT_COMMON_MODEL_MODEL_TESTS_H
#define TESTS_UNIT_COMMON_MODEL_MODEL_TESTS_H

/* The parts of test_common_model beside test_model.c. */

#include <setjmp.h>
#include <stdio.h>

#include <cmocka.h>

int run_health_tests(void);
int run_exposure_tests(void);
int run_idn_tests(void);
int run_pki_tests(void);
int run_settings_tests(void);
int run_state_tests(void);

#endif
