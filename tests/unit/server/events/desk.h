#ifndef TESTS_UNIT_SERVER_EVENTS_DESK_H
#define TESTS_UNIT_SERVER_EVENTS_DESK_H

/* A manager at work with its outbox and no receivers; what it would tell is collected. */

#include "common/wire/link_messages.h"
#include "server/events/events.h"
#include "server/health/health.h"
#include "server/publish/publish.h"
#include "tests/support/office.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct desk {
	struct office o;
	struct events *events;
	char told[8192]; /* "kind object; " of each */
	char last[4096]; /* the newest document */
	uint64_t number;
	bool closed;
	/* what publish and health would say */
	struct publish_follower follower;
	struct receipt receipt;
	struct check_result found;
};

extern const char *const nobody[];

int desk_setup(void **state);
int desk_teardown(void **state);

#define TOLD(text)                                                                                 \
	do {                                                                                       \
		assert_string_equal(d->told, text);                                                \
		d->told[0] = '\0';                                                                 \
	} while (0)
#define OK(call) assert_int_equal((d->o.called = false, office_wait(&d->o, (call))), 0)

#define WITH_DESK(test) cmocka_unit_test_setup_teardown(test, desk_setup, desk_teardown)

int run_look_tests(void);

#endif
