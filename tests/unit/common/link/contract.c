#include "tests/unit/common/link/contract.h"

#include <stdio.h>

#define CASE_MS 20000

struct id
fixture_node(unsigned n)
{
	struct id id = {{0xf0}};

	id.bytes[14] = (uint8_t)(n >> 8);
	id.bytes[15] = (uint8_t)n;
	return id;
}

/* ------------------------------------------------------------------------- the server's side */

static void
on_request(void *arg, struct link_request *r)
{
	struct fixture *f = arg;

	f->requests++;
	f->last_node = *link_request_node(r);
	if (f->behaviour == SERVE_HOLD) {
		assert_true(f->held_count < FIXTURE_HELD_MAX);
		f->held[f->held_count++] = r;
	} else if (f->behaviour == SERVE_FORGET) {
		link_request_forget(r);
	} else if (f->reply_len > 0) {
		char *body = mem_zalloc(f->reply_len);

		memset(body, 'r', f->reply_len);
		link_reply(r, SPAN(body, f->reply_len));
		mem_free(body);
	} else {
		link_reply(r, link_request_bytes(r));
	}
}

static void
on_gone(void *arg, struct link_request *r)
{
	struct fixture *f = arg;

	for (unsigned i = 0; i < f->held_count; i++) {
		if (f->held[i] != r)
			continue;
		f->held[i] = f->held[--f->held_count];
		f->gone++;
		return;
	}
	fail_msg("a request that nobody holds is gone");
}

void
fixture_reply_all(struct fixture *f, struct span body)
{
	while (f->held_count > 0)
		link_reply(f->held[--f->held_count], body);
}

void
fixture_serve(struct fixture *f)
{
	struct link_handlers h = {.on_request = on_request, .on_gone = on_gone, .arg = f};
	struct err err;

	f->server = f->ops->server_new(f);
	if (link_server_serve(f->server, &h, &err) != 0)
		fail_msg("%s", err.text);
	assert_int_equal(link_server_serve(f->server, &h, &err), ERR_BUSY);
}

static void
on_closed(void *arg)
{
	*(bool *)arg = true;
}

void
fixture_stop(struct fixture *f)
{
	f->server_closed = false;
	if (f->ops->server_closes != NULL)
		f->ops->server_closes(f);
	link_server_close(f->server, on_closed, &f->server_closed);
	assert_false(f->server_closed);
	fixture_until_flag(f, &f->server_closed);
	f->server = NULL;
	assert_int_equal(f->held_count, 0);
}

void
fixture_open(struct fixture *f, const struct fixture_ops *ops)
{
	*f = (struct fixture){.ops = ops};
	ops->set_up(f);
}

void
fixture_close(struct fixture *f)
{
	if (f->server != NULL)
		fixture_stop(f);
	f->ops->tear_down(f);
}

void
fixture_until(struct fixture *f, bool (*holds)(void *), void *arg)
{
	uint64_t end = f->ops->now(f) + CASE_MS;

	while (!holds(arg)) {
		if (f->ops->now(f) > end || !f->ops->turn(f))
			fail_msg("what was waited for did not come");
	}
}

static bool
flag_holds(void *arg)
{
	return *(bool *)arg;
}

void
fixture_until_flag(struct fixture *f, bool *flag)
{
	fixture_until(f, flag_holds, flag);
}

struct count {
	unsigned *count, wanted;
};

static bool
count_holds(void *arg)
{
	struct count *c = arg;

	return *c->count >= c->wanted;
}

void
fixture_until_count(struct fixture *f, unsigned *count, unsigned wanted)
{
	struct count c = {count, wanted};

	fixture_until(f, count_holds, &c);
	assert_int_equal(*count, wanted);
}

/* ------------------------------------------------------------------------- the client's side */

static void
on_done(void *arg, int status, struct span reply, const struct err *err)
{
	struct asked *a = arg;
	struct link_call again = {
	    .request = span_str("again"),
	    .reply_max = 100,
	    .timeout_ms = CASE_MS,
	    .cb = on_done,
	    .arg = a,
	};

	a->done = true;
	a->calls++;
	a->status = status;
	buf_clear(&a->reply);
	buf_put_span(&a->reply, reply);
	assert_true(status == 0 || (err != NULL && err->code == status && reply.len == 0));
	if (a->again != NULL) {
		a->done = false;
		assert_int_equal(link_client_start(MOVE(a->again), &again, NULL), 0);
	}
}

void
asked_fini(struct asked *a)
{
	buf_fini(&a->reply);
}

void
ask(struct fixture *f, struct link_client *c, struct asked *a, struct span body, uint64_t timeout)
{
	struct link_call call = {
	    .request = body,
	    .reply_max = LIMIT_DELTA,
	    .timeout_ms = timeout,
	    .cb = on_done,
	    .arg = a,
	};
	struct err err;

	a->f = f;
	a->done = false;
	a->reply.max = LIMIT_DELTA;
	if (link_client_start(c, &call, &err) != 0)
		fail_msg("%s", err.text);
	assert_false(a->done);
}

void
ask_wait(struct fixture *f, struct link_client *c, struct asked *a, const char *text)
{
	ask(f, c, a, span_str(text), CASE_MS);
	fixture_until_flag(f, &a->done);
}

static void
assert_echo(struct asked *a, const char *text)
{
	assert_int_equal(a->status, 0);
	assert_string_equal(buf_str(&a->reply), text);
}

void
client_close_wait(struct fixture *f, struct link_client *c)
{
	bool closed = false;

	if (f->ops->client_closes != NULL)
		f->ops->client_closes(f, c);
	link_client_close(c, on_closed, &closed);
	assert_false(closed);
	fixture_until_flag(f, &closed);
}

/* ------------------------------------------------------------------------- cases */

static void
case_round_trip(struct fixture *f)
{
	struct link_client *c = f->ops->client_new(f, 3);
	struct asked a = {0};
	struct id node = fixture_node(3);

	ask_wait(f, c, &a, "hello");
	assert_echo(&a, "hello");
	assert_true(id_equal(&f->last_node, &node));
	ask_wait(f, c, &a, "");
	assert_echo(&a, "");
	a.again = c;
	ask_wait(f, c, &a, "once");
	assert_echo(&a, "again");
	assert_int_equal(a.calls, 4);
	asked_fini(&a);
	client_close_wait(f, c);
}

static void
case_large(struct fixture *f)
{
	struct link_client *c = f->ops->client_new(f, 1);
	struct asked a = {0};

	f->reply_len = LIMIT_DELTA;
	ask_wait(f, c, &a, "everything");
	assert_int_equal(a.status, 0);
	assert_int_equal(a.reply.len, LIMIT_DELTA);
	assert_int_equal(a.reply.data[LIMIT_DELTA - 1], 'r');
	asked_fini(&a);
	client_close_wait(f, c);
}

static void
case_held(struct fixture *f)
{
	enum { N = 20 };
	struct link_client *c[N];
	struct asked a[N] = {0};

	f->behaviour = SERVE_HOLD;
	for (unsigned i = 0; i < N; i++) {
		c[i] = f->ops->client_new(f, i);
		ask(f, c[i], &a[i], span_str("wait"), CASE_MS);
	}
	fixture_until_count(f, &f->held_count, N);
	for (unsigned i = 0; i < N; i++)
		assert_false(a[i].done);
	fixture_reply_all(f, span_str("news"));
	for (unsigned i = 0; i < N; i++) {
		fixture_until_flag(f, &a[i].done);
		assert_echo(&a[i], "news");
		asked_fini(&a[i]);
		client_close_wait(f, c[i]);
	}
	assert_int_equal(f->gone, 0);
}

static void
case_refused_at_start(struct fixture *f)
{
	struct link_client *c = f->ops->client_new(f, 1);
	struct asked a = {0};
	struct link_call call = {
	    .request = span_str("x"), .reply_max = 10, .timeout_ms = 10, .cb = on_done, .arg = &a};
	char *big = mem_zalloc(LIMIT_REQUEST + 1);
	struct err err;

	call.request = SPAN(big, LIMIT_REQUEST + 1);
	assert_int_equal(link_client_start(c, &call, &err), ERR_LIMIT);
	f->behaviour = SERVE_HOLD;
	ask(f, c, &a, span_str("first"), CASE_MS);
	call.request = span_str("second");
	assert_int_equal(link_client_start(c, &call, &err), ERR_BUSY);
	fixture_until_count(f, &f->held_count, 1);
	fixture_reply_all(f, span_str("answer"));
	fixture_until_flag(f, &a.done);
	assert_echo(&a, "answer");
	assert_int_equal(a.calls, 1);
	mem_free(big);
	asked_fini(&a);
	client_close_wait(f, c);
}

static void
case_reply_too_long(struct fixture *f)
{
	struct link_client *c = f->ops->client_new(f, 1);
	struct asked a = {.reply = BUF_INIT(1000)};
	struct link_call call = {.request = span_str("0123456789x"),
	    .reply_max = 10,
	    .timeout_ms = CASE_MS,
	    .cb = on_done,
	    .arg = &a};

	assert_int_equal(link_client_start(c, &call, NULL), 0);
	fixture_until_flag(f, &a.done);
	assert_int_equal(a.status, ERR_LIMIT);
	ask_wait(f, c, &a, "short");
	assert_echo(&a, "short");
	asked_fini(&a);
	client_close_wait(f, c);
}

static void
case_timeout(struct fixture *f)
{
	struct link_client *c = f->ops->client_new(f, 1);
	struct asked a = {0};

	f->behaviour = SERVE_HOLD;
	ask(f, c, &a, span_str("never"), 300);
	fixture_until_count(f, &f->held_count, 1);
	fixture_until_flag(f, &a.done);
	assert_int_equal(a.status, ERR_TIMEOUT);
	/* The manager learns that nobody waits, and the next one is no second request. */
	fixture_until_count(f, &f->gone, 1);
	f->behaviour = SERVE_ECHO;
	ask_wait(f, c, &a, "now");
	assert_echo(&a, "now");
	asked_fini(&a);
	client_close_wait(f, c);
}

static void
case_cancel(struct fixture *f)
{
	struct link_client *c = f->ops->client_new(f, 1);
	struct asked a = {0};

	link_client_cancel(c);
	f->behaviour = SERVE_HOLD;
	ask(f, c, &a, span_str("never"), CASE_MS);
	fixture_until_count(f, &f->held_count, 1);
	link_client_cancel(c);
	link_client_cancel(c);
	assert_false(a.done);
	fixture_until_flag(f, &a.done);
	assert_int_equal(a.status, ERR_CANCELED);
	fixture_until_count(f, &f->gone, 1);
	f->behaviour = SERVE_ECHO;
	ask_wait(f, c, &a, "now");
	assert_echo(&a, "now");
	assert_int_equal(a.calls, 2);
	asked_fini(&a);
	client_close_wait(f, c);
}

/* A request can be canceled at any moment of its way, and no moment is special. */
static void
case_cancel_anywhere(struct fixture *f)
{
	struct link_client *c = f->ops->client_new(f, 1);
	struct asked a = {0};

	for (unsigned turns = 0; turns < 12; turns++) {
		ask(f, c, &a, span_str("maybe"), CASE_MS);
		for (unsigned i = 0; i < turns && !a.done; i++)
			f->ops->turn(f);
		link_client_cancel(c);
		fixture_until_flag(f, &a.done);
		assert_true(a.status == ERR_CANCELED || a.status == 0);
		do
			ask_wait(f, c, &a, "surely");
		while (a.status == ERR_UNAVAIL);
		assert_echo(&a, "surely");
	}
	asked_fini(&a);
	client_close_wait(f, c);
}

static void
case_forgotten(struct fixture *f)
{
	struct link_client *c = f->ops->client_new(f, 1);
	struct asked a = {0};

	f->behaviour = SERVE_FORGET;
	ask(f, c, &a, span_str("never"), 300);
	fixture_until_flag(f, &a.done);
	assert_int_equal(a.status, ERR_TIMEOUT);
	assert_int_equal(f->gone, 0);
	asked_fini(&a);
	client_close_wait(f, c);
}

static void
case_dropped(struct fixture *f)
{
	struct link_client *c = f->ops->client_new(f, 1), *other = f->ops->client_new(f, 2);
	struct asked a = {0}, b = {0};
	struct id node = fixture_node(1), stranger = fixture_node(77);

	f->behaviour = SERVE_HOLD;
	ask(f, c, &a, span_str("wait"), CASE_MS);
	ask(f, other, &b, span_str("wait"), CASE_MS);
	fixture_until_count(f, &f->held_count, 2);
	link_server_drop(f->server, &stranger);
	link_server_drop(f->server, &node);
	fixture_until_count(f, &f->gone, 1);
	fixture_until_flag(f, &a.done);
	assert_int_equal(a.status, ERR_UNAVAIL);
	assert_false(b.done);
	f->behaviour = SERVE_ECHO;
	ask_wait(f, c, &a, "back");
	assert_echo(&a, "back");
	fixture_reply_all(f, span_str("still here"));
	fixture_until_flag(f, &b.done);
	assert_echo(&b, "still here");
	asked_fini(&a);
	asked_fini(&b);
	client_close_wait(f, c);
	client_close_wait(f, other);
}

static void
case_server_restart(struct fixture *f)
{
	struct link_client *c = f->ops->client_new(f, 1);
	struct asked a = {0};

	f->behaviour = SERVE_HOLD;
	ask(f, c, &a, span_str("wait"), CASE_MS);
	fixture_until_count(f, &f->held_count, 1);
	fixture_stop(f);
	assert_int_equal(f->gone, 1);
	fixture_until_flag(f, &a.done);
	assert_int_equal(a.status, ERR_UNAVAIL);
	/* Started without a server: waits, and is answered by the next one. */
	f->behaviour = SERVE_ECHO;
	ask(f, c, &a, span_str("resume"), CASE_MS);
	f->ops->turn(f);
	fixture_serve(f);
	fixture_until_flag(f, &a.done);
	assert_echo(&a, "resume");
	asked_fini(&a);
	client_close_wait(f, c);
}

static void
case_no_server(struct fixture *f)
{
	struct link_client *c = f->ops->client_new(f, 1);
	struct asked a = {0};

	fixture_stop(f);
	ask(f, c, &a, span_str("anybody"), 300);
	fixture_until_flag(f, &a.done);
	assert_int_equal(a.status, ERR_TIMEOUT);
	asked_fini(&a);
	client_close_wait(f, c);
}

static void
case_close_with_request(struct fixture *f)
{
	struct link_client *c = f->ops->client_new(f, 1);
	struct asked a = {0};

	f->behaviour = SERVE_HOLD;
	ask(f, c, &a, span_str("wait"), CASE_MS);
	fixture_until_count(f, &f->held_count, 1);
	client_close_wait(f, c);
	assert_true(a.done);
	assert_int_equal(a.calls, 1);
	assert_int_equal(a.status, ERR_CANCELED);
	fixture_until_count(f, &f->gone, 1);
	asked_fini(&a);
}

static void
case_oversize_request(struct fixture *f)
{
	struct link_client *c = f->ops->client_new(f, 1), *other = f->ops->client_new(f, 2);
	struct asked a = {0}, b = {0};
	char *big = mem_zalloc(FIXTURE_REQUEST_MAX + 1);

	ask(f, c, &a, SPAN(big, FIXTURE_REQUEST_MAX), CASE_MS);
	fixture_until_flag(f, &a.done);
	assert_int_equal(a.status, 0);
	assert_int_equal(a.reply.len, FIXTURE_REQUEST_MAX);
	ask(f, c, &a, SPAN(big, FIXTURE_REQUEST_MAX + 1), CASE_MS);
	fixture_until_flag(f, &a.done);
	assert_int_equal(a.status, ERR_UNAVAIL);
	assert_int_equal(f->requests, 1);
	ask_wait(f, other, &b, "small");
	assert_echo(&b, "small");
	ask_wait(f, c, &a, "small too");
	assert_echo(&a, "small too");
	mem_free(big);
	asked_fini(&a);
	asked_fini(&b);
	client_close_wait(f, c);
	client_close_wait(f, other);
}

static const struct {
	const char *name;
	void (*run)(struct fixture *f);
} cases[] = {
    {"round trip", case_round_trip},
    {"large", case_large},
    {"held", case_held},
    {"refused at start", case_refused_at_start},
    {"reply too long", case_reply_too_long},
    {"timeout", case_timeout},
    {"cancel", case_cancel},
    {"cancel anywhere", case_cancel_anywhere},
    {"forgotten", case_forgotten},
    {"dropped", case_dropped},
    {"server restart", case_server_restart},
    {"no server", case_no_server},
    {"close with request", case_close_with_request},
    {"oversize request", case_oversize_request},
};

static const struct fixture_ops *running;

static void
run_case(void **state)
{
	void (*const *run)(struct fixture *) = (void (*const *)(struct fixture *)) * state;
	struct fixture f;

	fixture_open(&f, running);
	fixture_serve(&f);
	(*run)(&f);
	fixture_close(&f);
}

int
contract_run(const char *name, const struct fixture_ops *ops)
{
	struct CMUnitTest tests[ARRAY_LEN(cases)] = {0};
	static char names[ARRAY_LEN(cases)][64];
	static void (*runs[ARRAY_LEN(cases)])(struct fixture *);

	running = ops;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		snprintf(names[i], sizeof(names[i]), "%s: %s", name, cases[i].name);
		runs[i] = cases[i].run;
		tests[i] = (struct CMUnitTest){
		    .name = names[i], .test_func = run_case, .initial_state = &runs[i]};
	}
	return _cmocka_run_group_tests(name, tests, ARRAY_LEN(tests), NULL, NULL);
}
