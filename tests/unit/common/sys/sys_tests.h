#ifndef TESTS_UNIT_COMMON_SYS_SYS_TESTS_H
#define TESTS_UNIT_COMMON_SYS_SYS_TESTS_H

/* The parts of test_common_sys, and the directory that each run has to itself. */

#include "common/base/base.h"

#include <setjmp.h>
#include <stdio.h>

#include <cmocka.h>

extern char tmp_dir[64];

/* A path in tmp_dir, in one of a few static places. */
const char *in_tmp(const char *name);

int run_file_tests(void);
int run_process_tests(void);
int run_sandbox_tests(void);
int run_unix_tests(void);

#endif
