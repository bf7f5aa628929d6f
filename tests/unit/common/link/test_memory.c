#include "common/link/link_memory.h"
#include "tests/support/virtual_time.h"
#include "tests/unit/common/link/contract.h"

struct world {
	struct virtual_time time;
	struct link_net *net;
};

static const struct id server_node = {{0x01}};

static void
set_up(struct fixture *f)
{
	struct world *w = mem_zalloc(sizeof(*w));

	virtual_init(&w->time, 1);
	w->net = link_net_new(&w->time.rt);
	f->world = w;
}

static void
tear_down(struct fixture *f)
{
	struct world *w = f->world;

	link_net_free(w->net);
	virtual_fini(&w->time);
	mem_free(w);
}

static struct link_server *
server_new(struct fixture *f)
{
	struct world *w = f->world;
	struct link_server *s;

	assert_int_equal(
	    link_memory_server_new(w->net, &server_node, FIXTURE_REQUEST_MAX, &s, NULL), 0);
	return s;
}

static struct link_client *
client_new(struct fixture *f, unsigned node)
{
	struct world *w = f->world;
	struct link_client *c;
	struct id id = fixture_node(node);

	assert_int_equal(
	    link_memory_client_new(w->net, &id, &server_node, LIMIT_REQUEST, LIMIT_DELTA, &c, NULL),
	    0);
	return c;
}

static bool
turn(struct fixture *f)
{
	return virtual_step(&((struct world *)f->world)->time);
}

static uint64_t
now(struct fixture *f)
{
	return ((struct world *)f->world)->time.now;
}

const struct fixture_ops memory_fixture = {
    .set_up = set_up,
    .tear_down = tear_down,
    .server_new = server_new,
    .client_new = client_new,
    .turn = turn,
    .now = now,
};

/* ------------------------------------------------------------------------- faults */

static void
test_partition(void **state)
{
	struct fixture f;
	struct world *w;
	struct link_client *c;
	struct asked a = {0};
	struct id node = fixture_node(1);

	(void)state;
	fixture_open(&f, &memory_fixture);
	fixture_serve(&f);
	w = f.world;
	c = client_new(&f, 1);
	f.behaviour = SERVE_HOLD;
	ask(&f, c, &a, span_str("wait"), 10000);
	fixture_until_count(&f, &f.held_count, 1);
	/* Cut off, neither side learns anything but by its own clock. */
	link_net_partition(w->net, &node, &server_node, true);
	fixture_reply_all(&f, span_str("lost"));
	fixture_until_flag(&f, &a.done);
	assert_int_equal(a.status, ERR_TIMEOUT);
	ask(&f, c, &a, span_str("cut"), 1000);
	fixture_until_flag(&f, &a.done);
	assert_int_equal(a.status, ERR_TIMEOUT);
	link_net_partition(w->net, &node, &server_node, false);
	f.behaviour = SERVE_ECHO;
	ask_wait(&f, c, &a, "healed");
	assert_int_equal(a.status, 0);
	asked_fini(&a);
	client_close_wait(&f, c);
	fixture_close(&f);
}

/* Cut off while the manager holds a request: the new connection ends the old one's. */
static void
test_replaced_after_partition(void **state)
{
	struct fixture f;
	struct world *w;
	struct link_client *c;
	struct asked a = {0};
	struct id node = fixture_node(1);

	(void)state;
	fixture_open(&f, &memory_fixture);
	fixture_serve(&f);
	w = f.world;
	c = client_new(&f, 1);
	f.behaviour = SERVE_HOLD;
	ask(&f, c, &a, span_str("wait"), 1000);
	fixture_until_count(&f, &f.held_count, 1);
	link_net_partition(w->net, &node, &server_node, true);
	fixture_until_flag(&f, &a.done);
	assert_int_equal(a.status, ERR_TIMEOUT);
	assert_int_equal(f.gone, 0);
	link_net_partition(w->net, &node, &server_node, false);
	f.behaviour = SERVE_ECHO;
	ask_wait(&f, c, &a, "healed");
	assert_int_equal(a.status, 0);
	assert_int_equal(f.gone, 1);
	asked_fini(&a);
	client_close_wait(&f, c);
	fixture_close(&f);
}

static void
test_duplicates(void **state)
{
	struct link_faults twice = {.duplicate_ppm = 1000000, .delay_min_ms = 1, .delay_max_ms = 9};
	struct fixture f;
	struct world *w;
	struct link_client *c;
	struct asked a = {0};

	(void)state;
	fixture_open(&f, &memory_fixture);
	fixture_serve(&f);
	w = f.world;
	link_net_set_faults(w->net, NULL, NULL, &twice);
	c = client_new(&f, 1);
	for (unsigned i = 0; i < 50; i++) {
		ask_wait(&f, c, &a, "twice");
		assert_int_equal(a.status, 0);
	}
	assert_true(f.requests > 50);
	assert_int_equal(a.calls, 50);
	asked_fini(&a);
	client_close_wait(&f, c);
	fixture_close(&f);
}

/* The same seed, the same story; another seed, another one. */
static uint64_t
story(uint64_t seed)
{
	struct link_faults bad = {
	    .loss_ppm = 200000, .duplicate_ppm = 100000, .delay_min_ms = 1, .delay_max_ms = 50};
	struct fixture f;
	struct world *w;
	struct link_client *c;
	struct asked a = {0};
	uint64_t sum = 0;

	fixture_open(&f, &memory_fixture);
	fixture_serve(&f);
	w = f.world;
	w->time.seed = seed;
	link_net_set_faults(w->net, NULL, NULL, &bad);
	c = client_new(&f, 1);
	for (unsigned i = 0; i < 100; i++) {
		ask(&f, c, &a, span_str("x"), 500);
		fixture_until_flag(&f, &a.done);
		assert_true(a.status == 0 || a.status == ERR_TIMEOUT || a.status == ERR_UNAVAIL);
		sum = sum * 31 + w->time.now + (unsigned)-a.status;
	}
	assert_int_equal(a.calls, 100);
	asked_fini(&a);
	client_close_wait(&f, c);
	fixture_close(&f);
	return sum;
}

static void
test_deterministic(void **state)
{
	(void)state;
	assert_int_equal(story(1), story(1));
	assert_int_not_equal(story(1), story(2));
}

struct tapped {
	unsigned requests, replies;
	bool swallow;
};

static bool
tap(void *arg, const struct id *from, const struct id *to, bool is_reply, struct buf *body)
{
	struct tapped *t = arg;

	assert_true(id_equal(is_reply ? from : to, &server_node));
	if (!is_reply) {
		t->requests++;
		return true;
	}
	t->replies++;
	buf_put_str(body, "!");
	return !t->swallow;
}

static void
test_tap(void **state)
{
	struct fixture f;
	struct link_client *c;
	struct asked a = {0};
	struct tapped t = {0};

	(void)state;
	fixture_open(&f, &memory_fixture);
	fixture_serve(&f);
	c = client_new(&f, 1);
	link_net_set_tap(((struct world *)f.world)->net, tap, &t);
	ask_wait(&f, c, &a, "tapped");
	assert_string_equal(buf_str(&a.reply), "tapped!");
	t.swallow = true;
	ask(&f, c, &a, span_str("tapped"), 200);
	fixture_until_flag(&f, &a.done);
	assert_int_equal(a.status, ERR_TIMEOUT);
	assert_int_equal(t.replies, 2);
	asked_fini(&a);
	client_close_wait(&f, c);
	fixture_close(&f);
}

static void
test_kill(void **state)
{
	struct fixture f;
	struct link_client *c, *d;
	struct asked a = {0}, b = {0};

	(void)state;
	fixture_open(&f, &memory_fixture);
	fixture_serve(&f);
	c = client_new(&f, 1);
	d = client_new(&f, 2);
	f.behaviour = SERVE_HOLD;
	ask(&f, c, &a, span_str("wait"), 10000);
	ask(&f, d, &b, span_str("wait"), 10000);
	fixture_until_count(&f, &f.held_count, 2);
	link_memory_client_kill(c);
	fixture_until_count(&f, &f.gone, 1);
	assert_false(a.done);
	link_memory_server_kill(MOVE(f.server));
	assert_int_equal(f.gone, 1);
	f.held_count = 0;
	fixture_until_flag(&f, &b.done);
	assert_int_equal(b.status, ERR_UNAVAIL);
	fixture_serve(&f);
	f.behaviour = SERVE_ECHO;
	ask_wait(&f, d, &b, "new");
	assert_int_equal(b.status, 0);
	asked_fini(&a);
	asked_fini(&b);
	client_close_wait(&f, d);
	fixture_close(&f);
}

static void
test_one_of_each(void **state)
{
	struct fixture f;
	struct world *w;
	struct link_client *c, *d;
	struct link_server *s;
	struct id node = fixture_node(1);

	(void)state;
	fixture_open(&f, &memory_fixture);
	fixture_serve(&f);
	w = f.world;
	c = client_new(&f, 1);
	assert_int_equal(
	    link_memory_client_new(w->net, &node, &server_node, 1, 1, &d, NULL), ERR_EXISTS);
	assert_int_equal(link_memory_server_new(w->net, &server_node, 1, &s, NULL), ERR_EXISTS);
	client_close_wait(&f, c);
	fixture_close(&f);
}

int
memory_run(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_partition),
	    cmocka_unit_test(test_replaced_after_partition),
	    cmocka_unit_test(test_duplicates),
	    cmocka_unit_test(test_deterministic),
	    cmocka_unit_test(test_tap),
	    cmocka_unit_test(test_kill),
	    cmocka_unit_test(test_one_of_each),
	};

	return cmocka_run_group_tests_name("memory network", tests, NULL, NULL);
}
