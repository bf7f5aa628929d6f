/* Generations beside the one in force: how long they stay, who can open them, which come back. */

#include "common/wire/public_wire.h"
#include "tests/support/office_words.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define DAY INT64_C(86400)
#define WWW "www.example.org"

static const char *const web1[] = {"web1", NULL};
static const char *const both[] = {"web1", "web2", NULL};

static int
renew(struct office *o, bool new_key)
{
	return flow_credential_renew(o->flow, WWW, new_key, "test", office_on_flow, o, &o->err);
}

static int
activate(struct office *o, uint64_t number)
{
	return flow_generation_activate(o->flow, WWW, number, "test", office_on_flow, o, &o->err);
}

static int
put_away(struct office *o, uint64_t number)
{
	return flow_generation_archive(o->flow, WWW, number, "test", office_on_flow, o, &o->err);
}

static int
take_access(struct office *o, const char *const *who)
{
	const struct access_change change = {
	    .name = WWW, .remove = office_texts(who), .author = "test"};

	return flow_credential_access(o->flow, &change, office_on_flow, o, &o->err);
}

static const struct index_record *
numbered(struct office *o, uint64_t number)
{
	const struct index_record *r = NULL;

	if (index_generation_find(o->index, office_credential(o, WWW), number, &r, &o->err) < 0)
		assert_non_null(strstr(o->err.text, "cert generations"));
	return r;
}

static size_t
count(struct office *o)
{
	return index_count(o->index, KIND_GENERATION);
}

/* Until 30 days behind the end of its certificate: with a new generation, or by itself. */
static void
test_kept_until(void **state)
{
	struct office *o = *state;
	const char *name = WWW;
	struct credential_spec spec = {.names = {&name, 1}, .lifetime = 10 * DAY, .author = "test"};

	OK(flow_credential_add(o->flow, &spec, office_on_flow, o, &o->err));
	OK(renew(o, false));
	assert_int_equal(count(o), 2);
	/* Of one that is not renewed any more the hourly walk finds them. */
	OK(flow_credential_archive(o->flow, WWW, true, "test", office_on_flow, o, &o->err));
	office_sleep(o, 39 * DAY);
	assert_int_equal(count(o), 2);
	office_sleep(o, 2 * DAY);
	assert_int_equal(count(o), 1);
	assert_int_equal(office_active(o, WWW)->generation->number, 2);
	assert_null(numbered(o, 1));
	/* What is in force stays, however old; and goes with the second one that follows. */
	office_sleep(o, 400 * DAY);
	assert_int_equal(count(o), 1);
	OK(flow_credential_archive(o->flow, WWW, false, "test", office_on_flow, o, &o->err));
	OK(renew(o, false));
	OK(renew(o, false));
	assert_null(numbered(o, 2));
	assert_int_equal(count(o), 2);
}

/* A clock that is set years ahead deletes nothing for a day, in which somebody may notice. */
static void
test_clock_set_ahead(void **state)
{
	struct office *o = *state;

	assert_int_equal(office_add_credential(o, WWW, NULL), 0);
	OK(renew(o, false));
	office_sleep(o, 2 * DAY);
	o->time.wall_at_zero += 10 * 365 * DAY * 1000;
	office_sleep(o, 3600);
	OK(renew(o, false));
	assert_non_null(numbered(o, 1));
	/* Nor does a start with such a clock. */
	office_restart(o);
	office_sleep(o, DAY / 2);
	assert_non_null(numbered(o, 1));
	office_sleep(o, DAY / 2 + 2 * 3600);
	assert_null(numbered(o, 1));
}

static void
test_kept_most(void **state)
{
	struct office *o = *state;

	assert_int_equal(office_add_credential(o, WWW, NULL), 0);
	for (unsigned i = 0; i < GENERATIONS_KEPT; i++) {
		OK(renew(o, false));
		assert_null(strstr(o->warning, "is removed"));
	}
	assert_int_equal(count(o), GENERATIONS_KEPT + 1);
	OK(renew(o, false));
	WARNS("generation 1 is removed, although its certificate has not run out");
	assert_int_equal(count(o), GENERATIONS_KEPT + 1);
	assert_null(numbered(o, 1));
	assert_non_null(numbered(o, 2));
}

static void
test_activate(void **state)
{
	struct office *o = *state;
	struct office_node *one = office_add_node(o, "web1"), *two = office_add_node(o, "web2");
	int64_t first_at;
	struct id first, second;

	assert_int_equal(office_add_credential(o, WWW, both), 0);
	first = office_active(o, WWW)->id;
	first_at = office_active(o, WWW)->generation->activated_at_ms;
	FAILS(ERR_CONFLICT, activate(o, 1));
	SAYS("in force already");
	FAILS(ERR_NOTFOUND, activate(o, 2));
	office_sleep(o, 1);
	OK(renew(o, true));
	second = office_active(o, WWW)->id;
	OK(activate(o, 1));
	assert_int_equal(o->result.generation, 1);
	assert_true(id_equal(&office_active(o, WWW)->id, &first));
	/* It is the newest activation, and its number does not come again. */
	assert_true(office_active(o, WWW)->generation->activated_at_ms > first_at);
	WARNS("another one than that in force");
	assert_true(office_can_open(o, one, WWW) && office_can_open(o, two, WWW));
	OK(renew(o, true));
	assert_int_equal(office_active(o, WWW)->generation->number, 3);
	/* For who has access now, not for who had it then. */
	OK(take_access(o, web1));
	office_settle(o);
	assert_false(office_can_open_generation(o, one, &second));
	assert_false(office_can_open_generation(o, one, &first));
	assert_true(office_can_open_generation(o, two, &first));
	assert_int_equal(count(o), 4);
	OK(activate(o, 2));
	assert_false(office_can_open(o, one, WWW));
	assert_true(office_can_open(o, two, WWW));
	OK(flow_credential_archive(o->flow, WWW, true, "test", office_on_flow, o, &o->err));
	FAILS(ERR_CONFLICT, activate(o, 1));
	SAYS("cert archive --undo");
	OK(flow_credential_archive(o->flow, WWW, false, "test", office_on_flow, o, &o->err));
	office_sleep(o, 91 * DAY);
	FAILS(ERR_CONFLICT, activate(o, 1));
	SAYS("has run out");
}

/* A restart in the middle loses nothing: what is to be sealed anew follows from the records. */
static void
test_access_taken_then_restart(void **state)
{
	struct office *o = *state;
	struct office_node *one = office_add_node(o, "web1");
	struct id first;

	office_add_node(o, "web2");
	assert_int_equal(office_add_credential(o, WWW, both), 0);
	first = office_active(o, WWW)->id;
	OK(renew(o, false));
	assert_true(office_can_open_generation(o, one, &first));
	OK(take_access(o, web1));
	office_restart(o);
	office_settle(o);
	assert_false(office_can_open_generation(o, one, &first));
	assert_int_equal(index_get(o->index, &first)->access.count, 1);
}

static void
test_put_away(void **state)
{
	struct office *o = *state;
	struct office_node *one = office_add_node(o, "web1");
	uint64_t version;
	struct id first;

	assert_int_equal(office_add_credential(o, WWW, web1), 0);
	first = office_active(o, WWW)->id;
	FAILS(ERR_CONFLICT, put_away(o, 1));
	SAYS("is in force");
	OK(renew(o, true));
	assert_true(office_can_open_generation(o, one, &first));
	version = office_credential(o, WWW)->version;
	OK(put_away(o, 1));
	assert_int_equal(office_credential(o, WWW)->version, version);
	assert_true(numbered(o, 1)->generation->archived);
	assert_int_equal(numbered(o, 1)->access.count, 0);
	assert_false(office_can_open_generation(o, one, &first));
	FAILS(ERR_CONFLICT, put_away(o, 1));
	SAYS("cert activate");
	/* A new key of `managers` reaches it too, and nobody else is let in. */
	office_restart(o);
	office_settle(o);
	assert_int_equal(numbered(o, 1)->recipient_count, 1);
	OK(activate(o, 1));
	assert_false(numbered(o, 1)->generation->archived);
	assert_true(office_can_open(o, one, WWW));
}

/* What fails leaves all as it was. */
static void
test_activate_fails(void **state)
{
	struct office *o = *state;
	uint64_t version;

	assert_int_equal(office_add_credential(o, WWW, NULL), 0);
	OK(renew(o, false));
	version = office_credential(o, WWW)->version;
	vfs_fault_fail(o->disk, VFS_WRITE, 1, VFS_ENOSPC, true);
	FAILS(ERR_NOSPACE, activate(o, 1));
	vfs_fault_heal(o->disk);
	assert_int_equal(office_credential(o, WWW)->version, version);
	assert_int_equal(office_active(o, WWW)->generation->number, 2);
	OK(activate(o, 1));
	assert_null(strstr(o->warning, "another one"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_OFFICE(test_kept_until),
	    WITH_OFFICE(test_clock_set_ahead),
	    WITH_OFFICE(test_kept_most),
	    WITH_OFFICE(test_activate),
	    WITH_OFFICE(test_access_taken_then_restart),
	    WITH_OFFICE(test_put_away),
	    WITH_OFFICE(test_activate_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
