/* What is found by looking: told once, and told to be over only when it is known to be. */

#include "tests/unit/server/events/desk.h"

static const char *const web1[] = {"web1", NULL};

static void
start(struct desk *d)
{
	events_start(d->events, d->o.commit, (const struct publish *)(const void *)d,
	    (const struct health *)(const void *)d);
	d->told[0] = '\0';
}

static void
pass(struct desk *d, uint64_t seconds)
{
	virtual_pass(&d->o.time, seconds * 1000);
}

/* web1 has what there is. */
static void
follow(struct desk *d)
{
	const struct head *head = commit_head(d->o.commit, NULL);

	d->follower = (struct publish_follower){
	    .have = {head->term, head->seq, head->beat}, .in_touch = true};
}

static struct desk *
begin_with_web1(void **state)
{
	struct desk *d = *state;

	(void)office_add_node(&d->o, "web1");
	follow(d);
	start(d);
	pass(d, 10);
	return d;
}

static void
test_silent_node(void **state)
{
	struct desk *d = begin_with_web1(state);

	d->told[0] = '\0';
	pass(d, 300);
	TOLD("");
	d->follower.in_touch = false;
	pass(d, 40);
	TOLD("");
	pass(d, 20);
	TOLD("node.stale web1; ");
	assert_non_null(strstr(d->last, "has not been heard for 4"));
	pass(d, 1000);
	TOLD("");
	/* The next manager knows that it was told, and hears when it is over. */
	office_restart(&d->o);
	start(d);
	pass(d, 1000);
	TOLD("manager.started ; ");
	follow(d);
	pass(d, 10);
	TOLD("node.fresh_again web1; ");
	d->follower.in_touch = false;
	pass(d, 60);
	TOLD("node.stale web1; ");
}

/* In touch, and yet without what there is. */
static void
test_node_that_stays_behind(void **state)
{
	struct desk *d = begin_with_web1(state);

	d->told[0] = '\0';
	assert_int_equal(office_add_credential(&d->o, "a.test.example", nobody), 0);
	d->told[0] = '\0';
	pass(d, 60);
	TOLD("node.stale web1; ");
	assert_non_null(strstr(d->last, "asks, but has not had the newest state"));
	assert_non_null(strstr(d->last, "\"in_touch\":true"));
	OK(nodes_remove(d->o.nodes, "web1", "x", office_on_nodes, &d->o, &d->o.err));
	pass(d, 600);
	assert_null(strstr(d->told, "fresh_again"));
}

/* The manager slept, so that it heard nobody: that is not the nodes' fault. */
static void
test_sleep_of_the_manager(void **state)
{
	struct desk *d = begin_with_web1(state);

	d->told[0] = '\0';
	d->follower.in_touch = false;
	virtual_sleep(&d->o.time, 3600 * 1000);
	pass(d, 10);
	follow(d);
	pass(d, 60);
	TOLD("");
}

static size_t
count(const char *text, const char *part)
{
	size_t n = 0;

	while ((text = strstr(text, part)) != NULL) {
		text += strlen(part);
		n++;
	}
	return n;
}

/* The node does not renew its identity; the Micro CA is renewed by flow, so nothing is told of it.
 */
static void
test_what_runs_out(void **state)
{
	struct desk *d = begin_with_web1(state);
	const struct ca_spec ca = {.name = "short", .lifetime = 40 * 86400, .author = "x"};

	OK(flow_ca_create(d->o.flow, &ca, office_on_flow, &d->o, &d->o.err));
	pass(d, 60);
	d->told[0] = '\0';
	for (unsigned day = 0; day < 366; day++) {
		virtual_sleep(&d->o.time, 86400 * 1000);
		follow(d);
		pass(d, 60);
	}
	assert_int_equal(count(d->told, "node.expiring web1; "), 3);
	assert_true(count(d->told, "ca.renewed short; ") > 5);
	assert_int_equal(count(d->told, "ca.exp"), 0);
	assert_int_equal(count(d->told, "node.stale"), 0);
}

/* --- health ----------------------------------------------------------------------------------- */

static void
change(struct desk *d, enum health_condition condition, enum health_grade grade)
{
	const struct health_change c = {.condition = condition,
	    .grade = grade,
	    .credential = office_credential(&d->o, "a.test.example"),
	    .code = "code",
	    .text = "text",
	    .key = "key"};

	events_on_health(d->events, &c);
	office_settle(&d->o);
}

static void
serve(struct desk *d)
{
	d->receipt = (struct receipt){
	    .has_generation = true, .generation = office_active(&d->o, "a.test.example")->id};
}

static void
test_not_served(void **state)
{
	struct desk *d = begin_with_web1(state);

	assert_int_equal(office_add_credential(&d->o, "a.test.example", web1), 0);
	follow(d);
	d->told[0] = '\0';
	change(d, CONDITION_NOT_SERVED, HEALTH_YELLOW);
	change(d, CONDITION_NOT_SERVED, HEALTH_RED);
	change(d, CONDITION_NOT_SERVED, HEALTH_YELLOW);
	TOLD("credential.not_served a.test.example; credential.not_served a.test.example; ");
	/* After a change nothing is said for a while: that is no end. */
	change(d, CONDITION_NOT_SERVED, HEALTH_GREEN);
	change(d, CONDITION_NOT_SERVED, HEALTH_RED);
	TOLD("");
	serve(d);
	change(d, CONDITION_NOT_SERVED, HEALTH_GREEN);
	TOLD("credential.served_again a.test.example; ");
	d->receipt.has_generation = false;
	change(d, CONDITION_NOT_SERVED, HEALTH_RED);
	TOLD("credential.not_served a.test.example; ");
	/* It is over while the next manager starts: nobody tells that one of a change. */
	office_restart(&d->o);
	serve(d);
	start(d);
	pass(d, 120);
	follow(d);
	assert_non_null(strstr(d->told, "credential.served_again a.test.example; "));
}

static void
test_times_and_chains(void **state)
{
	struct desk *d = begin_with_web1(state);

	assert_int_equal(office_add_credential(&d->o, "a.test.example", nobody), 0);
	follow(d);
	d->told[0] = '\0';
	/* It renews itself: that is when it is due. */
	change(d, CONDITION_EXPIRING, HEALTH_YELLOW);
	TOLD("");
	change(d, CONDITION_EXPIRING, HEALTH_RED);
	change(d, CONDITION_EXPIRING, HEALTH_RED);
	change(d, CONDITION_EXPIRED, HEALTH_RED);
	TOLD("credential.expiring a.test.example; credential.expired a.test.example; ");
	office_restart(&d->o);
	start(d);
	follow(d);
	change(d, CONDITION_EXPIRING, HEALTH_RED);
	change(d, CONDITION_EXPIRED, HEALTH_RED);
	assert_null(strstr(d->told, "a.test.example"));
	d->told[0] = '\0';
	change(d, CONDITION_CHAIN, HEALTH_YELLOW);
	TOLD("");
	change(d, CONDITION_CHAIN, HEALTH_RED);
	change(d, CONDITION_CHAIN, HEALTH_GREEN);
	change(d, CONDITION_CHAIN, HEALTH_GREEN);
	TOLD("credential.chain_bad a.test.example; credential.chain_good a.test.example; ");
	/* A new generation is told of anew. */
	OK(flow_credential_renew(
	    d->o.flow, "a.test.example", false, "x", office_on_flow, &d->o, &d->o.err));
	follow(d);
	pass(d, 10);
	d->told[0] = '\0';
	change(d, CONDITION_EXPIRING, HEALTH_RED);
	TOLD("credential.expiring a.test.example; ");
}

static void
test_look_away(void **state)
{
	struct desk *d = begin_with_web1(state);

	assert_int_equal(office_add_credential(&d->o, "a.test.example", nobody), 0);
	events_look_away(d->events);
	d->told[0] = '\0';
	d->follower.in_touch = false;
	pass(d, 600);
	change(d, CONDITION_EXPIRED, HEALTH_RED);
	TOLD("");
}

int
run_look_tests(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_DESK(test_silent_node),
	    WITH_DESK(test_node_that_stays_behind),
	    WITH_DESK(test_sleep_of_the_manager),
	    WITH_DESK(test_what_runs_out),
	    WITH_DESK(test_not_served),
	    WITH_DESK(test_times_and_chains),
	    WITH_DESK(test_look_away),
	};

	return cmocka_run_group_tests_name("look", tests, NULL, NULL);
}
