#ifndef TESTS_UNIT_SERVER_API_API_TESTS_H
#define TESTS_UNIT_SERVER_API_API_TESTS_H

/* What the files of this program share: an API over a small domain, and one connection to it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

int setup(void **state);
int teardown(void **state);
void connect_local(void);
/* The whole answer, until the next one. */
const char *ask(const char *method, const char *path, const char *body);

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int refusals_run(void);

#endif
