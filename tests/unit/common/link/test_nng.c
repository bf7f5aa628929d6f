#include "tests/unit/common/link/nng_world.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* ------------------------------------------------------------------------- identities */

/* The request says who the sender is, and the link must have come to the same result. */
static void
check_identity(void *arg, struct link_request *r)
{
	struct fixture *f = arg;
	struct span bytes = link_request_bytes(r);

	f->requests++;
	assert_int_equal(bytes.len, ID_LEN);
	assert_memory_equal(bytes.data, link_request_node(r)->bytes, ID_LEN);
	link_reply(r, bytes);
}

static void
test_many_followers(void **state)
{
	enum { N = 200, ROUNDS = 20 };
	struct fixture f;
	static struct link_client *c[N];
	static struct asked a[N];
	struct id node;

	(void)state;
	fixture_open(&f, &nng_fixture);
	fixture_serve(&f);
	f.server->handlers.on_request = check_identity;
	for (unsigned i = 0; i < N; i++)
		c[i] = nng_fixture.client_new(&f, i);
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < N; i++) {
			node = fixture_node(i);
			ask(&f, c[i], &a[i], SPAN(node.bytes, ID_LEN), 20000);
			/* Every seventh leaves and comes back now and then. */
			if (round % 5 == 4 && i % 7 == 0)
				link_client_cancel(c[i]);
		}
		for (unsigned i = 0; i < N; i++) {
			fixture_until_flag(&f, &a[i].done);
			node = fixture_node(i);
			assert_true(a[i].status == ERR_CANCELED || a[i].status == 0);
			if (a[i].status == 0)
				assert_memory_equal(a[i].reply.data, node.bytes, ID_LEN);
		}
	}
	assert_true(nng_stats(&f).contexts <= 2 * N + 16);
	assert_int_equal(nng_stats(&f).misuses, 0);
	for (unsigned i = 0; i < N; i++) {
		asked_fini(&a[i]);
		client_close_wait(&f, c[i]);
	}
	fixture_close(&f);
}

/* ------------------------------------------------------------------------- bad peers */

#define SP_HEADER "\0SP\0\0\x30\0\0"
/* IPC frame: type 1, length 6, request id with its high bit, two bytes. */
#define FRAME(id) "\1\0\0\0\0\0\0\0\6\x80\0\0" id "hi"

static void
send_all(int fd, const void *data, size_t len)
{
	assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), (ssize_t)len);
}

static void
test_newer_connection_replaces(void **state)
{
	struct fixture f;
	struct world *w;
	struct link_client *c;
	struct asked a = {0};
	int fd;

	(void)state;
	fixture_open(&f, &nng_fixture);
	fixture_serve(&f);
	w = f.world;
	f.behaviour = SERVE_HOLD;
	fd = pump_dial(&w->pump, 1);
	send_all(fd, SP_HEADER FRAME("\1"), 23);
	fixture_until_count(&f, &f.held_count, 1);
	c = nng_fixture.client_new(&f, 1);
	ask(&f, c, &a, span_str("newer"), 20000);
	fixture_until_count(&f, &f.gone, 1);
	assert_int_equal(w->pump.drops[LINK_DROP_REPLACED], 1);
	fixture_until_count(&f, &f.held_count, 1);
	fixture_reply_all(&f, span_str("for the newer one"));
	fixture_until_flag(&f, &a.done);
	assert_int_equal(a.status, 0);
	close(fd);
	asked_fini(&a);
	client_close_wait(&f, c);
	fixture_close(&f);
}

static void
test_second_request_is_misuse(void **state)
{
	struct fixture f;
	struct world *w;
	struct link_client *other;
	struct asked a = {0};
	int fd;

	(void)state;
	fixture_open(&f, &nng_fixture);
	fixture_serve(&f);
	w = f.world;
	f.behaviour = SERVE_HOLD;
	other = nng_fixture.client_new(&f, 2);
	ask(&f, other, &a, span_str("patient"), 20000);
	fixture_until_count(&f, &f.held_count, 1);
	fd = pump_dial(&w->pump, 1);
	send_all(fd, SP_HEADER, 8);
	send_all(fd, FRAME("\1"), 15);
	fixture_until_count(&f, &f.held_count, 2);
	send_all(fd, FRAME("\2"), 15);
	fixture_until_count(&f, &f.gone, 1);
	assert_int_equal(w->pump.drops[LINK_DROP_MISUSE], 1);
	assert_int_equal(f.requests, 2);
	assert_int_equal(f.held_count, 1);
	fixture_reply_all(&f, span_str("unharmed"));
	fixture_until_flag(&f, &a.done);
	assert_int_equal(a.status, 0);
	close(fd);
	asked_fini(&a);
	client_close_wait(&f, other);
	fixture_close(&f);
}

/* Thousands of requests at once cost their sender the connection, and the others nothing. */
static void
test_flood(void **state)
{
	enum { N = 2000, LEN = 15 };
	struct fixture f;
	struct world *w;
	struct link_client *other;
	struct asked a = {0};
	static char frames[N * LEN];
	int fd;

	(void)state;
	fixture_open(&f, &nng_fixture);
	fixture_serve(&f);
	w = f.world;
	other = nng_fixture.client_new(&f, 2);
	for (unsigned i = 0; i < N; i++)
		memcpy(frames + i * LEN, FRAME("\1"), LEN);
	for (unsigned round = 0; round < 5; round++) {
		fd = pump_dial(&w->pump, 1);
		send_all(fd, SP_HEADER, 8);
		send_all(fd, frames, sizeof(frames));
		ask_wait(&f, other, &a, "quick");
		assert_int_equal(a.status, 0);
		close(fd);
	}
	assert_true(nng_stats(&f).contexts < 64);
	assert_int_equal(nng_stats(&f).held, 0);
	asked_fini(&a);
	client_close_wait(&f, other);
	fixture_close(&f);
}

static const struct {
	const char *bytes;
	size_t len;
} garbage[] = {
    {"\0SP\0\0\x30\0\0\1\0\0\0\0\0\0\0\2hi", 19},               /* shorter than a request id */
    {"\0SP\0\0\x30\0\0\1\0\0\0\0\0\1\0\0", 17},                 /* longer than allowed */
    {"\0SP\0\0\x30\0\0\1\xff\xff\xff\xff\xff\xff\xff\xff", 17}, /* longer than memory */
    {"\0SP\0\0\x30\0\0\2\0\0\0\0\0\0\0\2", 17},                 /* another message type */
    {"\0SP\0\0\x10\0\0", 8},                                    /* another protocol: pair */
    {"GET / HTTP/1.1\r\n\r\n", 18},
};

static void
run_garbage(bool unchecked)
{
	struct fixture f;
	struct world *w;
	struct link_client *other;
	struct asked a = {0};

	fixture_open(&f, &nng_fixture);
	w = f.world;
	w->attach_ms = 300; /* for those that nng only waits with */
	w->grave_ms = 20;
	w->pump.unchecked = unchecked;
	fixture_serve(&f);
	other = nng_fixture.client_new(&f, 2);
	ask_wait(&f, other, &a, "before");
	for (size_t i = 0; i < ARRAY_LEN(garbage); i++) {
		unsigned attached = w->pump.attached;
		int fd = pump_dial(&w->pump, 1);

		send_all(fd, garbage[i].bytes, garbage[i].len);
		fixture_until_count(&f, &w->pump.attached, attached + 1);
		while (w->pump.count > 1)
			nng_fixture.turn(&f);
		ask_wait(&f, other, &a, "unharmed");
		assert_int_equal(a.status, 0);
		close(fd);
	}
	assert_int_equal(f.requests, 1 + ARRAY_LEN(garbage));
	asked_fini(&a);
	client_close_wait(&f, other);
	fixture_close(&f);
}

static void
test_garbage(void **state)
{
	(void)state;
	run_garbage(false);
	run_garbage(true);
}

/* ------------------------------------------------------------------------- slow peers */

static void
test_slow_follower(void **state)
{
	struct fixture f;
	struct world *w;
	struct link_client *slow, *quick;
	struct asked a = {0}, b = {0};
	struct link_nng_stats s;

	(void)state;
	fixture_open(&f, &nng_fixture);
	fixture_serve(&f);
	w = f.world;
	f.reply_len = LIMIT_DELTA;
	slow = nng_fixture.client_new(&f, 1);
	quick = nng_fixture.client_new(&f, 2);
	ask_wait(&f, slow, &a, "warm");
	pump_stall(&w->pump, 1, true);
	ask(&f, slow, &a, span_str("stalled"), 60000);
	fixture_until_count(&f, &f.requests, 2);
	for (unsigned i = 0; i < 20; i++) {
		ask_wait(&f, quick, &b, "go");
		assert_int_equal(b.status, 0);
	}
	assert_false(a.done);
	s = nng_stats(&f);
	assert_true(s.contexts <= 32);
	pump_stall(&w->pump, 1, false);
	fixture_until_flag(&f, &a.done);
	assert_int_equal(a.status, 0);
	assert_int_equal(a.reply.len, LIMIT_DELTA);
	asked_fini(&a);
	asked_fini(&b);
	client_close_wait(&f, slow);
	client_close_wait(&f, quick);
	fixture_close(&f);
}

/* Asks again and again and never reads: one answer in flight, one on its way, one waiting. */
static void
test_asks_and_never_reads(void **state)
{
	struct fixture f;
	struct world *w;
	struct link_nng_stats s;
	char frame[15] = FRAME("\1");
	int fd;

	(void)state;
	fixture_open(&f, &nng_fixture);
	fixture_serve(&f);
	w = f.world;
	f.reply_len = LIMIT_DELTA;
	fd = pump_dial(&w->pump, 1);
	pump_stall(&w->pump, 1, true);
	send_all(fd, SP_HEADER, 8);
	for (unsigned i = 1; i <= 3; i++) {
		uint64_t before = w->pump.to_server;

		frame[12] = (char)i;
		send_all(fd, frame, sizeof(frame));
		while (w->pump.to_server == before)
			nng_fixture.turn(&f);
		if (i < 3)
			fixture_until_count(&f, &f.requests, i);
	}
	while (nng_stats(&f).held == 0)
		nng_fixture.turn(&f);
	/* The second answer waits in nng, so the third request is not given on. */
	assert_int_equal(f.requests, 2);
	s = nng_stats(&f);
	assert_true(s.contexts <= 32);
	assert_int_equal(s.misuses, 0);
	close(fd);
	pump_cut(&w->pump, 1);
	while (nng_stats(&f).receiving < s.contexts)
		nng_fixture.turn(&f);
	assert_int_equal(nng_stats(&f).held, 0);
	fixture_close(&f);
}

/* ------------------------------------------------------------------------- descriptors */

/* What a connection leaves behind after it has ended at any point of its beginning. */
static void
test_descriptors(void **state)
{
	static const size_t sent[] = {0, 4, 8, 8, 23};
	struct fixture f;
	struct world *w;
	struct link_client *other;
	struct asked a = {0};
	unsigned before;

	(void)state;
	fixture_open(&f, &nng_fixture);
	fixture_serve(&f);
	w = f.world;
	f.behaviour = SERVE_HOLD;
	other = nng_fixture.client_new(&f, 2);
	ask(&f, other, &a, span_str("patient"), 60000);
	fixture_until_count(&f, &f.held_count, 1);
	pump_open(&w->pump, 1, (char[PUMP_URL_MAX]){0});
	before = nng_open_fds();
	for (unsigned i = 0; i < 500; i++) {
		static const char bytes[] = SP_HEADER FRAME("\1");
		size_t n = sent[i % ARRAY_LEN(sent)];
		unsigned attached = w->pump.attached;
		int fd = pump_dial(&w->pump, 1);

		send_all(fd, bytes, n);
		if (n >= 8)
			fixture_until_count(&f, &w->pump.attached, attached + 1);
		if (i % 3 == 0)
			loop_turn(w->loop, false);
		close(fd);
		while (w->pump.count > 1)
			nng_fixture.turn(&f);
	}
	assert_true(nng_stats(&f).graves > 0);
	while (nng_stats(&f).graves > 0)
		nng_fixture.turn(&f);
	/* nng closes its own on a thread of its own. */
	fixture_until(&f, nng_fds_are_back, &before);
	assert_false(a.done);
	fixture_reply_all(&f, span_str("unharmed"));
	fixture_until_flag(&f, &a.done);
	assert_int_equal(a.status, 0);
	asked_fini(&a);
	client_close_wait(&f, other);
	fixture_close(&f);
}

/* nng's end of file comes through as the end of the connection, and a dead one is found. */
static void
test_never_taken(void **state)
{
	struct fixture f;
	struct world *w;
	int fd;

	(void)state;
	fixture_open(&f, &nng_fixture);
	w = f.world;
	w->attach_ms = 50;
	w->grave_ms = 20;
	fixture_serve(&f);
	fd = pump_dial(&w->pump, 1);
	pump_stall(&w->pump, 1, true);
	w->pump.unchecked = true;
	send_all(fd, "\0SP\0\0\x30\0\1", 8); /* nng refuses the header, and nobody sees it close */
	fixture_until_count(&f, &w->pump.drops[LINK_DROP_DEAD], 1);
	assert_int_equal(w->pump.count, 0);
	fixture_until(&f, nng_no_graves, &f);
	close(fd);
	fixture_close(&f);
}

/* Connections that end under nng's first bytes stop its dialler; the next call after one that found
 * nobody begins anew. */
static void
test_dead_dialer(void **state)
{
	struct fixture f;
	struct world *w;
	struct link_client *c;
	struct asked a = {0};

	(void)state;
	fixture_open(&f, &nng_fixture);
	fixture_serve(&f);
	w = f.world;
	w->pump.rude = true;
	c = nng_fixture.client_new(&f, 1);
	for (unsigned i = 0; i < 5; i++) {
		ask(&f, c, &a, span_str("nobody"), 300);
		fixture_until_flag(&f, &a.done);
		assert_int_equal(a.status, ERR_TIMEOUT);
	}
	w->pump.rude = false;
	for (unsigned i = 0; i < 5 && a.status != 0; i++) {
		ask(&f, c, &a, span_str("somebody"), 2000);
		fixture_until_flag(&f, &a.done);
	}
	assert_int_equal(a.status, 0);
	asked_fini(&a);
	client_close_wait(&f, c);
	fixture_close(&f);
}

/* ------------------------------------------------------------------------- strangers */

/* In another process: connects to every private listener that /proc/net/unix shows. */
static void
intrude(void)
{
	FILE *list = fopen("/proc/net/unix", "re");
	char line[512], *name;
	unsigned found = 0;

	while (list != NULL && fgets(line, sizeof(line), list) != NULL) {
		struct sockaddr_un a = {.sun_family = AF_UNIX};
		char reply[64];
		int fd;

		name = strstr(line, "@certherd-");
		if (name == NULL || strstr(name, "test") != NULL)
			continue;
		name[strcspn(name, "\n")] = '\0';
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		memcpy(a.sun_path + 1, name + 1, strlen(name) - 1);
		if (connect(fd, (struct sockaddr *)&a,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))) == 0 &&
		    send(fd, SP_HEADER FRAME("\1"), 23, MSG_NOSIGNAL) > 0) {
			size_t got = 0;
			ssize_t n;

			found++;
			while ((n = read(fd, reply, sizeof(reply))) > 0)
				got += (size_t)n;
			if (got > 8)
				_exit(2);
		}
		close(fd);
	}
	_exit(found > 0 ? 0 : 1);
}

static void
test_stranger(void **state)
{
	struct fixture f;
	struct link_client *c;
	struct asked a = {0};
	int status = -1;
	pid_t pid;

	(void)state;
	fixture_open(&f, &nng_fixture);
	fixture_serve(&f);
	f.behaviour = SERVE_HOLD;
	c = nng_fixture.client_new(&f, 1);
	ask(&f, c, &a, span_str("mine"), 60000);
	fixture_until_count(&f, &f.held_count, 1);
	pid = fork();
	if (pid == 0)
		intrude();
	while (waitpid(pid, &status, WNOHANG) == 0)
		nng_fixture.turn(&f);
	assert_int_equal(status, 0);
	assert_true(nng_stats(&f).strangers > 0);
	assert_int_equal(f.requests, 1);
	fixture_reply_all(&f, span_str("unharmed"));
	fixture_until_flag(&f, &a.done);
	assert_int_equal(a.status, 0);
	asked_fini(&a);
	client_close_wait(&f, c);
	fixture_close(&f);
}

/*
 * A request that is started while nng takes leave of a connection may wait or fail, but nng may not
 * lose its message, for which the leak check at the end of the program stands.
 */
static void
test_asks_at_the_end(void **state)
{
	enum { N = 100, ROUNDS = 8 };
	struct fixture f;
	struct world *w;
	static struct link_client *c[N];
	static struct asked a[N];

	(void)state;
	fixture_open(&f, &nng_fixture);
	w = f.world;
	w->grave_ms = 5;
	fixture_serve(&f);
	for (unsigned i = 0; i < N; i++)
		c[i] = nng_fixture.client_new(&f, i);
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < N; i++)
			ask_wait(&f, c[i], &a[i], "before");
		for (unsigned i = 0; i < N; i++) {
			pump_cut(&w->pump, i);
			for (volatile unsigned wait = 0; wait < round * i; wait++)
				;
			ask(&f, c[i], &a[i], span_str("after"), 20000);
		}
		for (unsigned i = 0; i < N; i++) {
			fixture_until_flag(&f, &a[i].done);
			assert_true(a[i].status == 0 || a[i].status == ERR_UNAVAIL);
		}
	}
	for (unsigned i = 0; i < N; i++) {
		asked_fini(&a[i]);
		client_close_wait(&f, c[i]);
	}
	fixture_close(&f);
}

/* Leaves while a large answer is on its way, again and again: nng must get over each. */
static void
test_cut_in_the_middle(void **state)
{
	enum { N = 300 };
	struct fixture f;
	struct world *w;
	struct link_client *other;
	struct asked a = {0};
	unsigned before;

	(void)state;
	fixture_open(&f, &nng_fixture);
	w = f.world;
	w->grave_ms = 50;
	fixture_serve(&f);
	f.reply_len = LIMIT_DELTA;
	other = nng_fixture.client_new(&f, 2);
	ask_wait(&f, other, &a, "before");
	pump_open(&w->pump, 1, (char[PUMP_URL_MAX]){0});
	before = nng_open_fds();
	for (unsigned i = 0; i < N; i++) {
		int fd = pump_dial(&w->pump, 1);
		uint64_t end;
		static char sink[65536];

		send_all(fd, SP_HEADER FRAME("\1"), 23);
		end = w->pump.to_client + (i % 40) * 100000;
		while (w->pump.to_client <= end) {
			nng_fixture.turn(&f);
			while (recv(fd, sink, sizeof(sink), MSG_DONTWAIT) > 0)
				;
		}
		pump_cut(&w->pump, 1);
		close(fd);
	}
	while (nng_stats(&f).graves > 0)
		nng_fixture.turn(&f);
	ask_wait(&f, other, &a, "after");
	assert_int_equal(a.status, 0);
	fixture_until(&f, nng_fds_are_back, &before);
	asked_fini(&a);
	client_close_wait(&f, other);
	fixture_close(&f);
}

int
nng_run(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_asks_at_the_end),
	    cmocka_unit_test(test_cut_in_the_middle),
	    cmocka_unit_test(test_many_followers),
	    cmocka_unit_test(test_newer_connection_replaces),
	    cmocka_unit_test(test_second_request_is_misuse),
	    cmocka_unit_test(test_flood),
	    cmocka_unit_test(test_garbage),
	    cmocka_unit_test(test_slow_follower),
	    cmocka_unit_test(test_asks_and_never_reads),
	    cmocka_unit_test(test_descriptors),
	    cmocka_unit_test(test_never_taken),
	    cmocka_unit_test(test_dead_dialer),
	    cmocka_unit_test(test_stranger),
	};

	return cmocka_run_group_tests_name("nng", tests, NULL, NULL);
}
