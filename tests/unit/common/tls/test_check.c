/* Looks at servers: good ones with and without STARTTLS, and all the ways to fail. */

#include "common/tls/check.h"
#include "tests/unit/common/tls/test_tls.h"

#include <signal.h>
#include <unistd.h>

/* --- where --- */

static void
test_targets(void **state)
{
	static const struct {
		const char *text, *normal; /* normal NULL: refused */
		const char *says;
	} cases[] = {
	    {"www.example.org:443", "tls://www.example.org:443", NULL},
	    {"www.example.org", "tls://www.example.org:443", NULL},
	    {"smtp://MX.example.org", "smtp://mx.example.org:25", NULL},
	    {"smtp://mx.example.org:587/Mail.example.org",
		"smtp://mx.example.org:587/mail.example.org", NULL},
	    {"https://www.example.org/", "tls://www.example.org:443", NULL},
	    {"ldaps://192.0.2.1", "tls://192.0.2.1:636", NULL},
	    {"postgresql://db1", "postgres://db1:5432", NULL},
	    {"imap://[2001:DB8::1]/mail.example.org", "imap://[2001:db8::1]:143/mail.example.org",
		NULL},
	    {"tls://[::1]:8443", "tls://[::1]:8443", NULL},
	    {"stra\u00dfe.example", "tls://xn--strae-oqa.example:443", NULL},
	    {"gopher://www.example.org", NULL, "stands tls, smtp"},
	    {"smtp:/mx", NULL, "smtp:/mx"},
	    {"www.example.org:0", NULL, "port"},
	    {"www.example.org:65536", NULL, "port"},
	    {"www.example.org:25x", NULL, "port"},
	    {"2001:db8::1", NULL, "brackets"},
	    {"2001:db8::1:443", NULL, "brackets"},
	    {"*.example.org:443", NULL, "no host"},
	    {"*:443", NULL, "*"},
	    {"[www.example.org]:443", NULL, "no host"},
	    {"www.example.org/*.example.org", NULL, "ask for"},
	    {"www.example.org/192.0.2.1", NULL, "ask for"},
	    {"www.example.org/a/b", NULL, "a/b"},
	    {"www.example.org\r\nQUIT:25", NULL, "www"},
	    {"user@www.example.org", NULL, "@"},
	    {"", NULL, ""},
	    {"smtp://", NULL, ""},
	};
	char text[LIMIT_CHECK_TARGET + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct check_target t, again;
		struct err err = {0};
		int r = check_target_parse(cases[i].text, &t, &err);

		if (cases[i].normal == NULL) {
			if (r != ERR_INVALID || strstr(err.text, cases[i].says) == NULL)
				fail_msg("'%s': %d, %s", cases[i].text, r, err.text);
			continue;
		}
		if (r < 0)
			fail_msg("'%s': %s", cases[i].text, err.text);
		assert_string_equal(check_target_text(&t, text), cases[i].normal);
		/* What is stored is read again as the same. */
		assert_int_equal(check_target_parse(text, &again, NULL), 0);
		assert_string_equal(again.host, t.host);
		assert_string_equal(again.name, t.name);
		assert_int_equal(again.is_ip, t.is_ip);
	}
}

/* --- a server by a script --- */

enum ending {
	END_TLS,
	END_SILENT,
	END_CLOSED,
	END_RESET,
};

struct script {
	enum starttls_protocol protocol;
	const char *says[4]; /* at first, and after each thing that it hears */
	enum ending ending;
	enum check_stage stage; /* how far a look comes */
	int status;
	const char *text;
};

struct office {
	const struct script *script;
	struct loop *loop;
	struct tls_ctx *ctx;
	int listener, fd;
	uint16_t port;
	struct loop_fd *watch, *talk;
	size_t step;
	struct end end;
};

static void
close_talk(struct office *o)
{
	loop_fd_close(MOVE(o->talk));
	if (o->fd >= 0)
		close(o->fd);
	o->fd = -1;
}

static void
end_script(struct office *o)
{
	const struct linger hard = {.l_onoff = 1};
	struct tls_stream_params p = {.loop = o->loop,
	    .ctx = o->ctx,
	    .handshake_ms = WAIT_MS,
	    .events = &end_events,
	    .arg = &o->end};

	switch (o->script->ending) {
	case END_TLS:
		loop_fd_close(MOVE(o->talk));
		p.fd = o->fd;
		o->fd = -1;
		assert_int_equal(tls_stream_new(&p, &o->end.stream, NULL), 0);
		return;
	case END_SILENT:
		return;
	case END_RESET:
		setsockopt(o->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		close_talk(o);
		return;
	case END_CLOSED:
		close_talk(o);
	}
}

static void
say_next(struct office *o)
{
	const char *line = o->step < ARRAY_LEN(o->script->says) ? o->script->says[o->step] : NULL;

	o->step++;
	if (line != NULL)
		assert_int_equal(send(o->fd, line, strlen(line), MSG_NOSIGNAL), strlen(line));
	if (o->step >= ARRAY_LEN(o->script->says) || o->script->says[o->step] == NULL)
		end_script(o);
}

static void
on_talk(void *arg, unsigned events)
{
	struct office *o = arg;
	char heard[512];
	ssize_t n = recv(o->fd, heard, sizeof(heard), 0);

	if (n <= 0 || (events & LOOP_ERROR) != 0)
		loop_fd_watch(o->talk, 0);
	else if (o->step < ARRAY_LEN(o->script->says) && o->script->says[o->step] != NULL)
		say_next(o);
}

static void
on_listener(void *arg, unsigned events)
{
	struct office *o = arg;

	(void)events;
	o->fd = accept4(o->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(o->fd >= 0);
	assert_int_equal(loop_fd_open(o->loop, o->fd, on_talk, o, &o->talk, NULL), 0);
	loop_fd_watch(o->talk, LOOP_READ);
	/* PostgreSQL and LDAP are spoken to first. */
	if (o->script->says[0] != NULL && o->script->says[0][0] == '\0')
		o->step = 1;
	else
		say_next(o);
}

static void
office_open(struct office *o, struct loop *l, const struct script *script)
{
	const struct tls_ctx_params p = {
	    .server = true, .min = TLS_1_2, .max = TLS_1_3, .identity = server};
	struct address a;

	*o = (struct office){.script = script, .loop = l, .fd = -1};
	assert_int_equal(tls_ctx_new(&p, &o->ctx, NULL), 0);
	assert_int_equal(address_listen("127.0.0.1:0", false, &o->listener, &a, NULL), 0);
	o->port = address_port(&a);
	assert_int_equal(loop_fd_open(l, o->listener, on_listener, o, &o->watch, NULL), 0);
	loop_fd_watch(o->watch, LOOP_READ);
}

static void
office_close(struct office *o)
{
	close_talk(o);
	tls_stream_close(o->end.stream);
	loop_fd_close(o->watch);
	close(o->listener);
	tls_ctx_unref(o->ctx);
}

/* --- looks --- */

struct seen {
	bool done;
	enum check_stage stage;
	int status;
	char text[ERR_TEXT_MAX];
	size_t count;
	bool is_servers;
};

static void
on_done(void *arg, const struct check_answer *a)
{
	struct seen *s = arg;

	assert_false(s->done);
	s->done = true;
	s->stage = a->stage;
	s->status = a->status;
	snprintf(s->text, sizeof(s->text), "%s", a->err != NULL ? a->err->text : "");
	s->count = a->count;
	s->is_servers =
	    a->count > 0 && span_equal(cert_der(a->chain[0]), cert_der(tls_identity_leaf(server)));
}

static struct check *
look(struct loop *l, enum starttls_protocol protocol, uint16_t port, uint64_t ms, struct seen *seen)
{
	const struct check_target target = {
	    .protocol = protocol, .host = "127.0.0.1", .is_ip = true, .port = port};
	const struct check_params p = {
	    .loop = l, .target = &target, .name = "www.example.org", .ms = ms};
	struct check *c = NULL;

	*seen = (struct seen){.done = false};
	assert_int_equal(check_start(&p, on_done, seen, &c, NULL), 0);
	assert_false(seen->done);
	return c;
}

#define GREETING "220 mx ESMTP\r\n"
#define OFFER "250-mx\r\n250 STARTTLS\r\n"

static const struct script scripts[] = {
    {STARTTLS_NONE, {NULL}, END_TLS, CHECK_DONE, 0, ""},
    {STARTTLS_SMTP, {GREETING, OFFER, "220 go\r\n"}, END_TLS, CHECK_DONE, 0, ""},
    {STARTTLS_IMAP, {"* OK hi\r\n", "* x\r\na1 OK go\r\n"}, END_TLS, CHECK_DONE, 0, ""},
    {STARTTLS_POP3, {"+OK hi\r\n", "+OK\r\n"}, END_TLS, CHECK_DONE, 0, ""},
    {STARTTLS_POSTGRES, {"", "S"}, END_TLS, CHECK_DONE, 0, ""},
    {STARTTLS_SMTP, {GREETING, "250 mx\r\n"}, END_SILENT, CHECK_STARTTLS, ERR_DENIED, "not offer"},
    {STARTTLS_POSTGRES, {"", "N"}, END_SILENT, CHECK_STARTTLS, ERR_DENIED, "ssl=off"},
    {STARTTLS_SMTP, {GREETING, OFFER, "220 go\r\n250 x\r\n"}, END_SILENT, CHECK_STARTTLS, ERR_PROTO,
	"in clear"},
    {STARTTLS_SMTP, {GREETING}, END_CLOSED, CHECK_STARTTLS, ERR_PROTO, "ended the connection"},
    {STARTTLS_SMTP, {GREETING, OFFER}, END_SILENT, CHECK_STARTTLS, ERR_TIMEOUT, "in time"},
    {STARTTLS_SMTP, {GREETING, OFFER, "220 go\r\n"}, END_SILENT, CHECK_HANDSHAKE, ERR_TIMEOUT,
	"too long"},
    {STARTTLS_SMTP, {GREETING, OFFER, "220 go\r\n", "no TLS here, sorry\r\n"}, END_SILENT,
	CHECK_HANDSHAKE, ERR_PROTO, "no TLS handshake"},
    {STARTTLS_NONE, {"HTTP/1.1 400 Bad Request\r\n\r\n"}, END_CLOSED, CHECK_HANDSHAKE, ERR_PROTO,
	"no TLS handshake"},
    {STARTTLS_NONE, {NULL}, END_SILENT, CHECK_HANDSHAKE, ERR_TIMEOUT, "too long"},
    {STARTTLS_NONE, {NULL}, END_CLOSED, CHECK_HANDSHAKE, ERR_PROTO, "no TLS handshake"},
};

static void
test_scripts(void **state)
{
	struct loop *l = *state;

	for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
		const struct script *s = &scripts[i];
		struct office o;
		struct seen seen;

		office_open(&o, l, s);
		(void)look(l, s->protocol, o.port, s->status == ERR_TIMEOUT ? 100 : 0, &seen);
		assert_true(wait_until(l, wait_flag, &seen.done));
		if (seen.stage != s->stage || seen.status != s->status ||
		    strstr(seen.text, s->text) == NULL)
			fail_msg("script %zu: stage %d, %d, '%s'", i, seen.stage, seen.status,
			    seen.text);
		assert_int_equal(seen.is_servers, s->stage == CHECK_DONE);
		office_close(&o);
	}
}

/* Reset at once: the connection may end in either of two places. */
static void
test_reset(void **state)
{
	static const struct script script = {.says = {NULL}, .ending = END_RESET};
	struct office o;
	struct seen seen;

	office_open(&o, *state, &script);
	(void)look(*state, STARTTLS_NONE, o.port, 0, &seen);
	assert_true(wait_until(*state, wait_flag, &seen.done));
	assert_true(seen.status < 0 && seen.stage < CHECK_DONE);
	office_close(&o);
}

static void
test_nobody(void **state)
{
	static const struct script script = {.says = {NULL}};
	struct office o;
	struct seen seen;

	office_open(&o, *state, &script);
	office_close(&o); /* the port is free now */
	(void)look(*state, STARTTLS_NONE, o.port, 0, &seen);
	assert_true(wait_until(*state, wait_flag, &seen.done));
	assert_int_equal(seen.stage, CHECK_CONNECT);
	assert_int_equal(seen.status, ERR_UNAVAIL);
}

static bool
is_under_way(void *arg)
{
	return ((struct office *)arg)->step > 0;
}

/* At each place; the loop CHECKs that nothing is left. */
static void
test_cancel(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
		struct office o;
		struct seen seen;
		struct check *c;

		office_open(&o, *state, &scripts[i]);
		c = look(*state, scripts[i].protocol, o.port, 0, &seen);
		if (i > 0)
			assert_true(wait_until(*state, is_under_way, &o));
		if (!seen.done)
			check_cancel(c);
		office_close(&o);
	}
	check_cancel(NULL);
}

/* As all programs do: OpenSSL tells a server that has gone what it thinks of it. */
static int
ignore_sigpipe(void **state)
{
	(void)state;
	return signal(SIGPIPE, SIG_IGN) == SIG_ERR ? -1 : 0;
}

static int
heed_sigpipe(void **state)
{
	(void)state;
	return signal(SIGPIPE, SIG_DFL) == SIG_ERR ? -1 : 0;
}

int
run_check_tests(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_targets),
	    LOOP_TEST(test_scripts),
	    LOOP_TEST(test_reset),
	    LOOP_TEST(test_nobody),
	    LOOP_TEST(test_cancel),
	};

	return cmocka_run_group_tests_name("check", tests, ignore_sigpipe, heed_sigpipe);
}
