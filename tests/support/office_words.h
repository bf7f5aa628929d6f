#ifndef TESTS_SUPPORT_OFFICE_WORDS_H
#define TESTS_SUPPORT_OFFICE_WORDS_H

/* Words of tests in an office that is called o there: what an operation's start returned is waited
 * for, and what was said is looked at.
 */

#include "tests/support/office.h"

#define OK(call) FAILS(0, (call))
#define FAILS(code, call) assert_int_equal((o->called = false, office_wait(o, (call))), (code))
/* The last error, and all warnings of the last flow. */
#define SAYS(what) office_check_text(o->err.text, (what))
#define WARNS(what) office_check_text(o->warning, (what))

#define WITH_OFFICE(test) cmocka_unit_test_setup_teardown(test, office_setup, office_teardown)

#endif
