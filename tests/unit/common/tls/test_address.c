#include "tests/unit/common/tls/test_tls.h"

#include "common/tls/limiter.h"
#include "common/tls/resolve.h"

#include <unistd.h>

static void
test_split(void **state)
{
	static const struct {
		const char *text, *host;
		int port; /* -1: refused */
	} cases[] = {
	    {"192.0.2.1:7443", "192.0.2.1", 7443},
	    {"[2001:db8::1]:443", "2001:db8::1", 443},
	    {"node.example.org:1", "node.example.org", 1},
	    {"*:0", "*", 0},
	    {"example.org", NULL, -1},
	    {":80", NULL, -1},
	    {"::1:80", NULL, -1},
	    {"[::1]80", NULL, -1},
	    {"[::1:80", NULL, -1},
	    {"[]:80", NULL, -1},
	    {"[:80", NULL, -1},
	    {"a:65536", NULL, -1},
	    {"a:", NULL, -1},
	    {"a:-1", NULL, -1},
	    {"", NULL, -1},
	    {":", NULL, -1},
	};
	char host[ADDRESS_HOST_MAX];
	uint16_t port;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err;
		int r = address_split(cases[i].text, host, &port, &err);

		if (cases[i].port < 0) {
			assert_int_equal(r, ERR_INVALID);
			continue;
		}
		assert_int_equal(r, 0);
		assert_string_equal(host, cases[i].host);
		assert_int_equal(port, cases[i].port);
	}
}

static void
test_text_and_key(void **state)
{
	static const struct {
		const char *host, *text, *same, *other;
	} cases[] = {
	    {"192.0.2.1", "192.0.2.1:7", "::ffff:192.0.2.1", "192.0.2.2"},
	    {"2001:db8::1", "[2001:db8::1]:7", "2001:db8::ffff:1", "2001:db8:0:1::1"},
	};
	char text[ADDRESS_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct address a, same, other;
		struct address_key key, same_key, other_key;

		assert_int_equal(address_numeric(cases[i].host, 7, &a, NULL), 0);
		assert_int_equal(address_numeric(cases[i].same, 8, &same, NULL), 0);
		assert_int_equal(address_numeric(cases[i].other, 7, &other, NULL), 0);
		assert_string_equal(address_text(&a, text), cases[i].text);
		assert_int_equal(address_port(&a), 7);
		key = address_key(&a);
		same_key = address_key(&same);
		other_key = address_key(&other);
		assert_memory_equal(&key, &same_key, sizeof(key));
		assert_memory_not_equal(&key, &other_key, sizeof(key));
	}
	assert_int_equal(address_numeric("localhost", 1, &(struct address){0}, NULL), ERR_NOTFOUND);
}

static void
test_listen(void **state)
{
	static const char *const places[] = {"127.0.0.1:0", "[::1]:0", "*:0"};
	char again[ADDRESS_TEXT_MAX];
	struct address a;
	struct err err;
	int fd, other;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		assert_int_equal(address_listen(places[i], false, &fd, &a, &err), 0);
		assert_int_not_equal(address_port(&a), 0);
		close(fd);
	}
	assert_int_equal(address_listen("127.0.0.1:0", false, &fd, &a, &err), 0);
	address_text(&a, again);
	assert_int_equal(address_listen(again, false, &other, &a, &err), ERR_BUSY);
	assert_non_null(strstr(err.text, again));
	assert_int_equal(address_listen("192.0.2.1:0", false, &other, &a, &err), ERR_INVALID);
	assert_int_equal(address_listen("localhost:0", false, &other, &a, &err), ERR_INVALID);
	close(fd);
	assert_int_equal(address_listen("127.0.0.1:0", true, &fd, &a, &err), 0);
	address_text(&a, again);
	assert_int_equal(address_listen(again, true, &other, &a, &err), 0);
	close(fd);
	close(other);
}

struct answer {
	bool come;
	int status;
	size_t count;
	struct err err;
};

static void
on_answer(void *arg, int status, const struct address *list, size_t count, const struct err *err)
{
	struct answer *a = arg;

	(void)list;
	*a = (struct answer){true, status, count, *err};
}

static void
test_resolve(void **state)
{
	struct answer number = {0}, name = {0}, nobody = {0}, cancelled = {0};

	resolve_start(*state, "127.0.0.1", 1, on_answer, &number);
	resolve_start(*state, "localhost", 1, on_answer, &name);
	resolve_start(*state, "nobody.invalid", 1, on_answer, &nobody);
	resolve_cancel(resolve_start(*state, "::1", 1, on_answer, &cancelled));
	resolve_cancel(resolve_start(*state, "localhost", 1, on_answer, &cancelled));
	assert_false(number.come);
	assert_true(wait_until(*state, wait_flag, &number.come));
	assert_true(wait_until(*state, wait_flag, &name.come));
	assert_true(wait_until(*state, wait_flag, &nobody.come));
	assert_int_equal(number.status, 0);
	assert_int_equal(number.count, 1);
	assert_int_equal(name.status, 0);
	assert_true(name.count >= 1);
	assert_int_equal(nobody.status, ERR_UNAVAIL);
	assert_non_null(strstr(nobody.err.text, "nobody.invalid"));
	assert_false(cancelled.come);
}

static void
test_limiter(void **state)
{
	struct limiter *l = limiter_new(3);
	struct address_key a = {{4, 1}}, b = {{4, 2}};

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_true(limiter_take(l, &a, 1000));
	assert_false(limiter_take(l, &a, 1000));
	assert_true(limiter_take(l, &b, 1000));
	assert_false(limiter_take(l, &a, 1200));
	assert_true(limiter_take(l, &a, 1340)); /* a third of a second: one more */
	limiter_refund(l, &a, 1340);
	assert_true(limiter_take(l, &a, 1340));
	assert_false(limiter_take(l, &a, 1340));
	assert_false(limiter_take(l, &a, 1350)); /* across the turn of generations too */
	assert_true(limiter_take(l, &a, 9000));
	for (uint32_t i = 0; i < 3 * LIMITER_ADDRESSES_MAX; i++) {
		struct address_key k = {{6}};

		memcpy(k.bytes + 1, &i, sizeof(i));
		assert_true(limiter_take(l, &k, 9000));
	}
	limiter_free(l);
}

int
run_address_tests(void)
{
	const struct CMUnitTest address_tests[] = {
	    cmocka_unit_test(test_split),
	    cmocka_unit_test(test_text_and_key),
	    cmocka_unit_test(test_listen),
	    LOOP_TEST(test_resolve),
	    cmocka_unit_test(test_limiter),
	};

	return cmocka_run_group_tests(address_tests, NULL, NULL);
}
