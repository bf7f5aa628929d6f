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

/* Each is asked, called so, and answered with 200 and this within. */
struct change_case {
	const char *method, *path, *body, *called, *answer;
};
void ask_all(const struct change_case *cases, size_t count);
/* What every change is answered with. */
#define CHANGED "\"durability\":\"local\",\"term\":4294967296,\"seq\":7"

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int refusals_run(void);
int rollover_run(void);
int cas_run(void);
int events_run(void);

#endif
