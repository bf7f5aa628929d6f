#ifndef TESTS_UNIT_COMMON_TLS_TEST_TLS_H
#define TESTS_UNIT_COMMON_TLS_TEST_TLS_H

/* What the files of this test program share: one domain, and the loop of each test. */

#include "common/tls/stream.h"
#include "tests/support/pki.h"
#include "tests/support/wait.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

extern struct pki pki;
extern struct id node_id; /* of `node` */
extern struct tls_identity *node, *server, *expired;

int loop_setup(void **state);
int loop_teardown(void **state);

/* An end of a connection that only notes what it is told. */
struct end {
	struct tls_stream *stream;
	bool ready, failed, resettled;
	unsigned events;
	struct err err;
};
extern const struct tls_stream_events end_events;
/* Two connected sockets over loopback TCP, nonblocking. */
void tcp_pair(int fds[2]);

int run_address_tests(void);
int run_stream_tests(void);
int run_select_tests(void);
int run_starttls_tests(void);
int run_check_tests(void);
int run_pump_tests(void);
int run_terminator_tests(void);
int run_link_tests(void);
int run_nng_tests(void);

#define LOOP_TEST(f) cmocka_unit_test_setup_teardown(f, loop_setup, loop_teardown)

#endif
