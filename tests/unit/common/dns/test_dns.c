/* Look-ups against a server on the same loop, which answers by the first letter of the name. */

#include "common/dns/dns.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/wait.h"

#define HEADER 12
#define TYPE_A 1
#define TYPE_AAAA 28

struct server {
	struct loop *loop;
	struct loop_fd *watch;
	int fd;
	char address[64]; /* as dns_params take it */
	unsigned questions;
	uint8_t packet[512];
	size_t len;
};

static struct server server;

/* --- the server --- */

static uint16_t
type_of(const struct server *s)
{
	return (uint16_t)(s->packet[s->len - 4] << 8 | s->packet[s->len - 3]);
}

/* The question stays as it is; what follows it (the additional part) is cut off. */
static bool
cut_question(struct server *s)
{
	size_t at = HEADER;

	while (at < s->len && s->packet[at] != 0)
		at += 1U + s->packet[at];
	if (at + 5 > s->len)
		return false;
	s->len = at + 5;
	return true;
}

static void
put(struct server *s, const void *bytes, size_t len)
{
	memcpy(s->packet + s->len, bytes, len);
	s->len += len;
}

static void
put_record(struct server *s, uint16_t type, const char *address)
{
	const uint8_t head[] = {
	    0xc0, HEADER, 0, (uint8_t)type, 0, 1, 0, 0, 0, 60, 0, type == TYPE_A ? 4 : 16};
	uint8_t bytes[16];

	assert_int_equal(inet_pton(type == TYPE_A ? AF_INET : AF_INET6, address, bytes), 1);
	put(s, head, sizeof(head));
	put(s, bytes, type == TYPE_A ? 4 : 16);
	s->packet[7]++;
}

static void
answer(struct server *s, const struct sockaddr_in *to)
{
	uint16_t type = type_of(s);
	uint8_t letter = s->packet[HEADER + 1];

	s->packet[2] = 0x81;
	s->packet[3] = 0x80;
	memset(s->packet + 6, 0, 6);
	if (letter == 's') /* silent */
		return;
	if (letter == 'n') /* nobody */
		s->packet[3] |= 3;
	else if (letter == 'f') /* failing */
		s->packet[3] |= 2;
	else if (letter == 'g') /* garbage */
		s->len = HEADER + 3;
	else if (letter == 'm') /* many */
		for (int i = 0; type == TYPE_A && i < 20; i++)
			put_record(s, TYPE_A, "192.0.2.8");
	else if (type == TYPE_A && letter != '6')
		put_record(s, TYPE_A, "192.0.2.7");
	else if (type == TYPE_AAAA && letter != '4')
		put_record(s, TYPE_AAAA, "2001:db8::7");
	(void)!sendto(s->fd, s->packet, s->len, 0, (const struct sockaddr *)to, sizeof(*to));
}

static void
on_question(void *arg, unsigned events)
{
	struct server *s = arg;
	struct sockaddr_in from;
	socklen_t from_len = sizeof(from);
	ssize_t n;

	(void)events;
	n = recvfrom(s->fd, s->packet, 300, 0, (struct sockaddr *)&from, &from_len);
	if (n < HEADER + 5)
		return;
	s->len = (size_t)n;
	s->questions++;
	if (cut_question(s))
		answer(s, &from);
}

static int
setup(void **state)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	struct err err;

	(void)state;
	memset(&server, 0, sizeof(server));
	assert_int_equal(loop_new(&server.loop, &err), 0);
	server.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(server.fd, (struct sockaddr *)&a, len), 0);
	assert_int_equal(getsockname(server.fd, (struct sockaddr *)&a, &len), 0);
	snprintf(
	    server.address, sizeof(server.address), "127.0.0.1:%u", (unsigned)ntohs(a.sin_port));
	assert_int_equal(
	    loop_fd_open(server.loop, server.fd, on_question, &server, &server.watch, &err), 0);
	loop_fd_watch(server.watch, LOOP_READ);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	loop_fd_close(server.watch);
	loop_free(server.loop);
	close(server.fd);
	return 0;
}

/* --- the look-ups --- */

struct result {
	bool come;
	int status;
	size_t count;
	struct dns_address list[DNS_ADDRESSES_MAX];
	char text[ERR_TEXT_MAX];
};

static void
on_result(
    void *arg, int status, const struct dns_address *list, size_t count, const struct err *err)
{
	struct result *r = arg;

	assert_false(r->come);
	r->come = true;
	r->status = status;
	r->count = count;
	memcpy(r->list, list, count * sizeof(*list));
	snprintf(r->text, sizeof(r->text), "%s", status < 0 ? err->text : "");
}

static struct dns_lookup *
start(const char *host, uint64_t deadline_ms, struct result *r)
{
	*r = (struct result){false};
	return dns_start(&(struct dns_params){.loop = server.loop,
			     .host = host,
			     .port = 7443,
			     .deadline_ms = deadline_ms,
			     .servers = server.address},
	    on_result, r);
}

static void
look_up(const char *host, uint64_t deadline_ms, struct result *r)
{
	assert_non_null(start(host, deadline_ms, r));
	assert_false(r->come);
	assert_true(wait_until(server.loop, wait_flag, &r->come));
}

static bool
has(const struct result *r, const char *address)
{
	char text[INET6_ADDRSTRLEN];

	for (size_t i = 0; i < r->count; i++) {
		const struct sockaddr_storage *sa = &r->list[i].sa;
		struct sockaddr_in four;
		struct sockaddr_in6 six;

		memcpy(&four, sa, sizeof(four));
		memcpy(&six, sa, sizeof(six));
		assert_int_equal(ntohs(four.sin_port), 7443);
		if (sa->ss_family == AF_INET)
			inet_ntop(AF_INET, &four.sin_addr, text, sizeof(text));
		else
			inet_ntop(AF_INET6, &six.sin6_addr, text, sizeof(text));
		if (strcmp(text, address) == 0)
			return true;
	}
	return false;
}

static void
test_answers(void **state)
{
	static const struct {
		const char *host;
		size_t count; /* 0: ERR_UNAVAIL */
		bool four, six;
	} cases[] = {
	    {"both.test.example", 2, true, true},
	    {"4.test.example", 1, true, false},
	    {"6.test.example", 1, false, true},
	    {"many.test.example", DNS_ADDRESSES_MAX, false, false},
	    {"nobody.test.example", 0, false, false},
	    {"failing.test.example", 0, false, false},
	};
	struct result r;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		look_up(cases[i].host, 0, &r);
		if (r.count != cases[i].count || (r.status == 0) != (cases[i].count > 0) ||
		    has(&r, "192.0.2.7") != cases[i].four || has(&r, "2001:db8::7") != cases[i].six)
			fail_msg("%s: %zu addresses, %s", cases[i].host, r.count, r.text);
		if (r.status < 0)
			assert_int_equal(r.status, ERR_UNAVAIL);
		if (r.status < 0 && strstr(r.text, cases[i].host) == NULL)
			fail_msg("%s: %s", cases[i].host, r.text);
	}
}

/* The server is asked again, and in the end nothing waits any longer. */
static void
test_deadline(void **state)
{
	/* c-ares 1.18 goes on waiting after an answer that is none, 1.34 says so. */
	static const struct {
		const char *host, *newer;
	} cases[] = {
	    {"silent.test.example", "no answer within 200 ms"},
	    {"garbage.test.example", "Misformatted DNS reply"},
	};
	struct result r;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		look_up(cases[i].host, 200, &r);
		assert_int_equal(r.status, ERR_UNAVAIL);
		assert_int_equal(r.count, 0);
		if (strstr(r.text, "no answer within 200 ms") == NULL &&
		    strstr(r.text, cases[i].newer) == NULL)
			fail_msg("%s: %s", cases[i].host, r.text);
	}
	assert_true(server.questions >= 2);
}

/* At any moment: before the question is sent, on its way, and with the answer there. */
static void
test_cancel(void **state)
{
	struct result r[4];
	struct dns_lookup *d = start("both.test.example", 0, &r[0]);

	(void)state;
	dns_cancel(d);
	d = start("silent.test.example", 0, &r[1]);
	for (int i = 0; i < 3; i++)
		loop_turn(server.loop, false);
	dns_cancel(d);
	/* An answer from the file is there at once, and told later. */
	d = start("localhost", 0, &r[2]);
	dns_cancel(d);
	look_up("both.test.example", 0, &r[3]);
	assert_int_equal(r[3].status, 0);
	for (size_t i = 0; i < 3; i++)
		assert_false(r[i].come);
	dns_cancel(NULL);
}

/* The first name of an IPv4 line that is not only localhost. */
static bool
name_in_hosts(char name[static 128], char address[static 64])
{
	FILE *f = fopen("/etc/hosts", "re");
	char line[512];
	bool found = false;

	while (f != NULL && !found && fgets(line, sizeof(line), f) != NULL) {
		char *rest = line, *first = strsep(&rest, " \t\n"), *second = NULL;
		struct in_addr a;

		while (rest != NULL && (second = strsep(&rest, " \t\n")) != NULL && *second == '\0')
			;
		found = inet_pton(AF_INET, first, &a) == 1 && second != NULL && *second != '\0' &&
		    strncmp(second, "localhost", 9) != 0;
		if (found) {
			snprintf(name, 128, "%s", second);
			snprintf(address, 64, "%s", first);
		}
	}
	if (f != NULL)
		fclose(f);
	return found;
}

/* What /etc/hosts knows nobody else is asked for. */
static void
test_hosts_file(void **state)
{
	char name[128], address[64];
	struct result r;

	(void)state;
	look_up("localhost", 0, &r);
	assert_int_equal(r.status, 0);
	assert_true(has(&r, "127.0.0.1"));
	assert_int_equal(server.questions, 0);
	if (!name_in_hosts(name, address)) {
		print_message("/etc/hosts has no other name\n");
		return;
	}
	look_up(name, 0, &r);
	assert_int_equal(r.status, 0);
	assert_true(has(&r, address));
	assert_int_equal(server.questions, 0);
}

/* Many at once, and some of them given up. */
static void
test_many(void **state)
{
	static struct result r[60];
	struct dns_lookup *d[ARRAY_LEN(r)];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(r); i++)
		d[i] = start(i % 3 == 0 ? "silent.test.example" : "both.test.example", 0, &r[i]);
	for (size_t i = 0; i < ARRAY_LEN(r); i += 3)
		dns_cancel(d[i]);
	for (size_t i = 0; i < ARRAY_LEN(r); i++)
		if (i % 3 != 0) {
			assert_true(wait_until(server.loop, wait_flag, &r[i].come));
			assert_int_equal(r[i].count, 2);
		}
}

/* Names that cannot be asked for at all. */
static void
test_bad_names(void **state)
{
	char name[400];
	struct result r;

	(void)state;
	memset(name, 'a', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	look_up(name, 0, &r);
	assert_int_equal(r.status, ERR_UNAVAIL);
	look_up("", 0, &r);
	assert_int_equal(r.status, ERR_UNAVAIL);
	look_up("a..b", 0, &r);
	assert_int_equal(r.status, ERR_UNAVAIL);
	assert_int_equal(server.questions, 0);
}

/* Nobody listens: that is known at once, by the error on the socket. */
static void
test_no_server(void **state)
{
	struct result r = {false};
	struct dns_params p = {
	    .loop = server.loop, .host = "both.test.example", .servers = "127.0.0.1:1"};

	(void)state;
	dns_start(&p, on_result, &r);
	assert_true(wait_until(server.loop, wait_flag, &r.come));
	assert_int_equal(r.status, ERR_UNAVAIL);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_SERVER(test_answers),
	    WITH_SERVER(test_deadline),
	    WITH_SERVER(test_cancel),
	    WITH_SERVER(test_hosts_file),
	    WITH_SERVER(test_many),
	    WITH_SERVER(test_bad_names),
	    WITH_SERVER(test_no_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
