#include "tests/unit/server/publish/publish_tests.h"

#include "common/wire/record_wire.h"

#include <string.h>

struct fixture fx;

static void
link_on_reply(struct link_request *base, struct span body)
{
	struct fake_request *r = CONTAINER_OF(base, struct fake_request, base);
	struct err err;

	assert_false(r->answered || r->forgotten || r->gone);
	r->answered = true;
	r->body = buf_new(LIMIT_DELTA);
	buf_put_span(r->body, body);
	if (wire_reply_decode(buf_span(r->body), &r->reply, &err) < 0)
		fail_msg("%s", err.text);
}

static void
link_on_forget(struct link_request *base)
{
	CONTAINER_OF(base, struct fake_request, base)->forgotten = true;
}

static void
link_on_drop(struct link_server *s, const struct id *node)
{
	struct fake_link *l = CONTAINER_OF(s, struct fake_link, base);

	assert_true(l->drop_count < ARRAY_LEN(l->dropped));
	l->dropped[l->drop_count++] = *node;
}

static void
link_on_close(struct link_server *s, link_closed_cb *cb, void *arg)
{
	(void)s;
	cb(arg);
}

static int
link_on_serve(struct link_server *s, struct err *err)
{
	(void)err;
	CONTAINER_OF(s, struct fake_link, base)->serves = true;
	return 0;
}

static bool
is_live(void *arg, const struct id *node)
{
	(void)arg;
	return !id_equal(node, &fx.dead_node);
}

static bool
is_expired(void *arg, const struct id *node)
{
	(void)arg;
	return id_equal(node, &fx.expired_node);
}

static void
on_fenced(void *arg, const struct signed_designation *proof, uint64_t term)
{
	(void)arg;
	assert_true(proof->body.len > 0);
	fx.fenced_term = term;
}

static void
on_conflict(void *arg, const struct id *node, const struct signed_designation *other)
{
	(void)arg;
	(void)node;
	(void)other;
	fx.conflicts++;
}

static void
on_identity(void *arg, struct publish_identity *call, const struct id *node,
    const struct identity_request *request)
{
	(void)arg;
	(void)node;
	assert_true(request->csr.len > 0);
	fx.identity = call;
}

static void
on_receipt(void *arg, const struct id *node, const struct id *credential)
{
	(void)arg;
	(void)node;
	(void)credential;
	fx.receipt_events++;
}

void
fx_start_publish(void)
{
	static const struct link_server_ops ops = {
	    .drop = link_on_drop, .close = link_on_close, .serve = link_on_serve};
	const struct publish_params params = {
	    .runtime = &fx.m.time.rt,
	    .commit = fx.m.commit,
	    .store = fx.m.store,
	    .link = &fx.link.base,
	    .trust = fx.m.term.trust,
	    .events = {NULL, is_live, is_expired, on_fenced, on_conflict, on_identity, on_receipt},
	};
	struct err err;

	fx.link = (struct fake_link){.base.ops = &ops};
	assert_int_equal(publish_new(&params, &fx.publish, &err), 0);
	assert_true(fx.link.serves);
}

static void
on_closed(void *arg)
{
	*(bool *)arg = true;
}

static bool
is_closed(void *arg)
{
	return *(bool *)arg;
}

void
fx_stop_publish(void)
{
	fx.closed = false;
	publish_close(fx.publish, on_closed, &fx.closed);
	assert_false(fx.closed);
	assert_true(virtual_until(&fx.m.time, is_closed, &fx.closed, 1000));
}

int
fx_setup(void **state)
{
	(void)state;
	memset(&fx, 0, sizeof(fx));
	test_manager_init(&fx.m, 3);
	fx.dead_node = test_id(666);
	fx.expired_node = test_id(777);
	if (test_manager_start(&fx.m) < 0)
		return -1;
	fx_start_publish();
	return 0;
}

int
fx_teardown(void **state)
{
	(void)state;
	fx_stop_publish();
	test_manager_stop(&fx.m);
	test_manager_fini(&fx.m);
	return 0;
}

struct pull
pull_from(struct position cursor, uint64_t beat)
{
	static struct signed_designation known;

	known = *trust_designation(fx.m.term.trust, 0);
	return (struct pull){
	    .domain = fx.m.term.domain,
	    .have = {cursor.term, cursor.seq, beat},
	    .cursor = cursor,
	    .designations = {&known, 1},
	    .wait_ms = 15000,
	    .software = "certherd test",
	};
}

void
ask(struct fake_request *r, uint64_t node, const struct request *request)
{
	static const struct link_request_ops ops = {link_on_reply, link_on_forget};
	struct err err;

	*r = (struct fake_request){.base.ops = &ops, .bytes = buf_new(LIMIT_REQUEST)};
	if (wire_request_encode(request, r->bytes, &err) < 0)
		fail_msg("%s", err.text);
	r->base.node = test_id(node);
	r->base.bytes = buf_span(r->bytes);
	fx.link.base.handlers.on_request(fx.link.base.handlers.arg, &r->base);
}

void
ask_pull(struct fake_request *r, uint64_t node, const struct pull *pull)
{
	const struct request request = {.protocol = LINK_PROTOCOL, .ask = ASK_PULL, .pull = *pull};

	ask(r, node, &request);
}

void
request_done(struct fake_request *r)
{
	if (!r->answered && !r->forgotten) {
		r->gone = true;
		fx.link.base.handlers.on_gone(fx.link.base.handlers.arg, &r->base);
	}
	reply_fini(&r->reply);
	buf_free(r->bytes);
	buf_free(r->body);
	*r = (struct fake_request){0};
}

const struct delta *
delta_of(struct fake_request *r)
{
	assert_true(r->answered);
	assert_int_equal(r->reply.answer, ANSWER_DELTA);
	assert_true(r->reply.delta.has_head);
	return &r->reply.delta;
}

int
refusal_of(struct fake_request *r)
{
	assert_true(r->answered);
	assert_int_equal(r->reply.answer, ANSWER_REFUSAL);
	return r->reply.refusal.code;
}

struct head
head_of(const struct delta *d)
{
	struct head h;
	struct err err;

	assert_int_equal(trust_verify_head(fx.m.term.trust, &d->head, &h, &err), 0);
	return h;
}

struct position
last_of(const struct delta *d)
{
	struct position at = {0, 0};
	struct err err;

	for (size_t i = 0; i < d->records.count; i++) {
		struct record r;

		assert_int_equal(wire_record_decode(d->records.items[i].body, &r, &err), 0);
		assert_true(position_compare(record_position(&r), at) > 0);
		at = record_position(&r);
	}
	return at;
}
