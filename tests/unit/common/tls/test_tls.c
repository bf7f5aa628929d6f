#include "tests/unit/common/tls/test_tls.h"

#include "common/crypto/sign.h"
#include "common/tls/address.h"

#include <signal.h>
#include <unistd.h>

struct pki pki;
struct id node_id;
struct tls_identity *node, *server, *expired;

int
loop_setup(void **state)
{
	return loop_new((struct loop **)state, NULL);
}

int
loop_teardown(void **state)
{
	loop_free(*state);
	return 0;
}

static void
on_ready(void *arg)
{
	((struct end *)arg)->ready = true;
}

static void
on_event(void *arg, unsigned events)
{
	struct end *e = arg;

	e->events |= events;
	tls_stream_want(e->stream, 0);
}

static void
on_failed(void *arg, const struct err *err)
{
	struct end *e = arg;

	e->failed = true;
	e->err = *err;
}

const struct tls_stream_events end_events = {on_ready, on_event, on_failed};

void
tcp_pair(int fds[2])
{
	struct address a;
	int listener;

	assert_int_equal(address_listen("127.0.0.1:0", false, &listener, &a, NULL), 0);
	assert_int_equal(address_connect(&a, &fds[0], NULL), 0);
	fds[1] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(fds[1] >= 0);
	close(listener);
}

int
main(void)
{
	int failures = 0;

	/* SIGPIPE keeps its default here: a write that raises it ends the test. */
	pki_init(&pki);
	id_random(&node_id);
	node = pki_node(&pki, &node_id, false);
	server = pki_node(&pki, &pki.manager_node, false);
	expired = pki_node(&pki, &node_id, true);
	failures += run_address_tests();
	failures += run_stream_tests();
	failures += run_select_tests();
	failures += run_starttls_tests();
	failures += run_check_tests();
	failures += run_pump_tests();
	failures += run_terminator_tests();
	failures += run_link_tests();
	failures += run_nng_tests();
	tls_identity_unref(node);
	tls_identity_unref(server);
	tls_identity_unref(expired);
	pki_fini(&pki);
	return failures;
}
