/* Originator and terminator together: what nng sees on both sides. */

#include "tests/unit/common/tls/test_tls.h"

#include "common/tls/originator.h"
#include "common/tls/terminator.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

struct pair {
	struct loop *loop;
	struct terminator *t;
	struct originator *o;
	char target[ADDRESS_TEXT_MAX];
	int far;
	size_t checked;
	unsigned members, ends, ups, downs;
	bool refuse_server, refuse_bytes;
	struct err why;
};

static int
accept_node(void *arg, const struct cert *peer, bool is_expired, struct err *err)
{
	(void)arg;
	(void)peer;
	return is_expired ? err_set(err, ERR_DENIED, "expired") : 0;
}

static int
accept_server(void *arg, const struct cert *peer, bool is_expired, struct err *err)
{
	struct pair *p = arg;
	struct domain_id domain;
	struct id id;

	assert_false(is_expired);
	assert_int_equal(cert_identity(peer, &domain, &id, err), 0);
	if (p->refuse_server || !id_equal(&id, &pki.manager_node))
		return err_set(err, ERR_DENIED, "this is not the manager");
	return 0;
}

static int
on_member(void *arg, struct terminator_conn *conn, const struct cert *peer, bool is_expired,
    int *fd, void **user, struct err *err)
{
	struct pair *p = arg;
	int pair[2];

	(void)conn;
	(void)peer;
	(void)is_expired;
	(void)err;
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	*fd = pair[0];
	p->far = pair[1];
	*user = p;
	p->members++;
	return 0;
}

static void
on_member_end(void *arg, void *user)
{
	struct pair *p = user;

	(void)arg;
	close(p->far);
	p->far = -1;
	p->ends++;
}

static int
check_member(void *arg, void *user, struct span bytes, struct err *err)
{
	struct pair *p = user;

	assert_ptr_equal(arg, user);
	p->checked += bytes.len;
	return p->refuse_bytes ? err_set(err, ERR_PROTO, "not these") : 0;
}

static void
on_http(void *arg, int fd, const struct cert *peer, const char *address)
{
	(void)arg;
	(void)peer;
	(void)address;
	close(fd);
}

static void
on_state(void *arg, int status, const struct err *err)
{
	struct pair *p = arg;

	if (status == 0) {
		p->ups++;
	} else {
		p->why = *err;
		p->downs++;
	}
}

static void
pair_open(struct pair *p, struct loop *l, struct tls_identity *who)
{
	static const char *const listen[] = {"127.0.0.1:0"};
	const struct terminator_params t = {
	    .loop = l,
	    .listen = listen,
	    .listen_count = 1,
	    .identity = server,
	    .root = pki.root,
	    .handlers = {accept_node, on_member, on_member_end, check_member, on_http, NULL, p},
	};
	struct originator_params o = {
	    .loop = l,
	    .identity = who,
	    .root = pki.root,
	    .accept = accept_server,
	    .on_state = on_state,
	    .arg = p,
	};

	*p = (struct pair){.loop = l, .far = -1};
	assert_int_equal(terminator_new(&t, &p->t, NULL), 0);
	terminator_address(p->t, 0, p->target);
	o.target = p->target;
	assert_int_equal(originator_new(&o, &p->o, NULL), 0);
}

static void
pair_close(struct pair *p)
{
	originator_close(p->o);
	terminator_close(p->t);
	assert_int_equal(p->members, p->ends);
}

#define SP_HEADER "\0SP\0\0\x30\0\0"

/* As nng dials. */
static int
dial(const char *url)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	size_t len = strlen(url) - strlen("abstract://");
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	memcpy(sa.sun_path + 1, url + strlen("abstract://"), len);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa,
			     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len)),
	    0);
	return fd;
}

/* And as it goes on: its bytes come at once, and nothing happens without them. */
static int
dial_and_greet(const char *url)
{
	int fd = dial(url);

	assert_int_equal(send(fd, SP_HEADER, 8, 0), 8);
	return fd;
}

static void
read_exactly(struct loop *l, int fd, char *out, size_t len)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n = recv(fd, out + got, len - got, 0);

		assert_int_not_equal(n, 0);
		if (n > 0)
			got += (size_t)n;
		else
			loop_turn(l, true);
	}
}

static bool
local_is_closed(void *arg)
{
	char byte;
	ssize_t n = recv(*(int *)arg, &byte, 1, 0);

	return n == 0 || (n < 0 && errno != EAGAIN);
}

static bool
has_member(void *arg)
{
	return ((struct pair *)arg)->members > 0;
}

static void
test_bytes_both_ways(void **state)
{
	struct pair p;
	char bytes[16];
	int fd;

	pair_open(&p, *state, node);
	for (unsigned i = 0; i < 2; i++) { /* the second time is nng's reconnect */
		fd = dial(originator_url(p.o));
		assert_int_equal(send(fd, SP_HEADER "question", 16, 0), 16);
		while (p.members == i)
			loop_turn(*state, true);
		read_exactly(*state, p.far, bytes, 16);
		assert_memory_equal(bytes, SP_HEADER "question", 16);
		assert_int_equal(send(p.far, "answer", 6, 0), 6);
		read_exactly(*state, fd, bytes, 6);
		assert_memory_equal(bytes, "answer", 6);
		assert_int_equal(p.ups, i + 1);
		if (i == 0) {
			close(fd);
			while (p.ends == 0)
				loop_turn(*state, true);
		}
	}
	originator_drop(p.o);
	assert_true(wait_until(*state, local_is_closed, &fd));
	close(fd);
	pair_close(&p);
}

/* The end of the server's side is the end of nng's connection, and is told. */
static void
test_server_goes(void **state)
{
	struct pair p;
	int fd;

	pair_open(&p, *state, node);
	fd = dial(originator_url(p.o));
	assert_int_equal(send(fd, SP_HEADER, 8, 0), 8);
	assert_true(wait_until(*state, has_member, &p));
	terminator_close(MOVE(p.t));
	assert_true(wait_until(*state, local_is_closed, &fd));
	assert_int_equal(p.downs, 1);
	close(fd);
	/* Nobody there now. */
	fd = dial_and_greet(originator_url(p.o));
	assert_true(wait_until(*state, local_is_closed, &fd));
	assert_int_equal(p.downs, 2);
	assert_int_equal(p.why.code, ERR_UNAVAIL);
	close(fd);
	/* A name that is none. */
	assert_int_equal(originator_set_target(p.o, "nobody.invalid:7443", NULL), 0);
	fd = dial_and_greet(originator_url(p.o));
	assert_true(wait_until(*state, local_is_closed, &fd));
	assert_non_null(strstr(p.why.text, "nobody.invalid"));
	close(fd);
	assert_int_equal(originator_set_target(p.o, "nobody", NULL), ERR_INVALID);
	assert_int_equal(originator_set_target(p.o, "nobody:0", NULL), ERR_INVALID);
	pair_close(&p);
}

static void
test_refused(void **state)
{
	struct pair p;
	uint64_t begun;
	int fd;

	pair_open(&p, *state, node);
	p.refuse_server = true;
	fd = dial_and_greet(originator_url(p.o));
	assert_true(wait_until(*state, local_is_closed, &fd));
	assert_int_equal(p.why.code, ERR_DENIED);
	assert_string_equal(p.why.text, "this is not the manager");
	close(fd);
	pair_close(&p);

	pair_open(&p, *state, expired);
	fd = dial_and_greet(originator_url(p.o));
	assert_true(wait_until(*state, local_is_closed, &fd));
	assert_int_equal(p.members, 0);
	assert_int_equal(p.why.code, ERR_DENIED);
	assert_int_equal(p.ups, 0); /* although the handshake was done, as far as we saw */
	close(fd);
	/* The next try waits, however soon it is asked for. */
	begun = runtime_mono_ms(loop_runtime(*state));
	fd = dial_and_greet(originator_url(p.o));
	assert_true(wait_until(*state, local_is_closed, &fd));
	assert_int_equal(p.downs, 2);
	assert_true(runtime_mono_ms(loop_runtime(*state)) - begun >= 300);
	close(fd);
	pair_close(&p);
}

static bool
has_ended(void *arg)
{
	return ((struct pair *)arg)->ends > 0;
}

/* What the link does not want to see ends the connection, and never gets to its socket. */
static void
test_bytes_refused(void **state)
{
	struct pair p;
	char byte;
	int fd, far;

	pair_open(&p, *state, node);
	fd = dial_and_greet(originator_url(p.o));
	assert_true(wait_until(*state, has_member, &p));
	assert_int_equal(p.checked, 8);
	far = dup(p.far);
	p.refuse_bytes = true;
	assert_int_equal(send(fd, "garbage", 7, 0), 7);
	assert_true(wait_until(*state, has_ended, &p));
	assert_int_equal(p.checked, 15);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(recv(far, &byte, 1, 0), 1);
	assert_int_equal(recv(far, &byte, 1, 0), 0);
	close(far);
	assert_true(wait_until(*state, local_is_closed, &fd));
	close(fd);
	pair_close(&p);
}

/* Another process finds the name in /proc/net/unix: it may connect, and that is all. */
static void
test_stranger(void **state)
{
	struct pair p;
	int status;
	pid_t pid;

	pair_open(&p, *state, node);
	pid = fork();
	if (pid == 0) {
		char byte;
		int fd = dial(originator_url(p.o));

		fcntl(fd, F_SETFL, 0);
		_exit(recv(fd, &byte, 1, 0) == 0 ? 0 : 1);
	}
	while (waitpid(pid, &status, WNOHANG) == 0)
		loop_turn(*state, false);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_int_equal(p.ups + p.downs, 0);
	pair_close(&p);
}

int
run_link_tests(void)
{
	const struct CMUnitTest link_tests[] = {
	    LOOP_TEST(test_bytes_both_ways),
	    LOOP_TEST(test_server_goes),
	    LOOP_TEST(test_refused),
	    LOOP_TEST(test_bytes_refused),
	    LOOP_TEST(test_stranger),
	};

	return cmocka_run_group_tests(link_tests, NULL, NULL);
}
