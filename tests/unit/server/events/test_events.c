/* The outbox of a manager at work, without receivers: what is raised, once, with its change or not
 * at all. */

#include "common/json/json.h"
#include "common/wire/public_wire.h"
#include "server/flow/flow_exposed.h"
#include "server/index/local_events.h"
#include "tests/unit/server/events/desk.h"

/* --- what follows from records ---------------------------------------------------------------- */

static void
test_credentials(void **state)
{
	static const char *const names[] = {"m.test.example"};
	struct desk *d = *state;
	struct office *o = &d->o;
	const struct credential_spec manual = {
	    .names = {names, 1}, .issuer = ISSUER_MANUAL, .author = "somebody"};

	assert_int_equal(office_add_credential(o, "a.test.example", nobody), 0);
	TOLD("ca.created default; credential.issued a.test.example; ");
	assert_non_null(strstr(d->last, "\"generation\":1,"));
	assert_non_null(strstr(
	    d->last, "\"new_key\":true,\"issuer\":\"micro\",\"names\":[\"a.test.example\"]"));
	assert_non_null(strstr(d->last, "\"domain\":\"test.example\",\"manager\":\"manager\""));
	OK(flow_credential_renew(
	    o->flow, "a.test.example", false, "somebody", office_on_flow, o, &o->err));
	TOLD("credential.issued a.test.example; ");
	assert_non_null(strstr(d->last, "\"new_key\":false"));
	assert_non_null(strstr(d->last, "\"author\":\"somebody\""));
	OK(flow_credential_archive(
	    o->flow, "a.test.example", true, "x", office_on_flow, o, &o->err));
	OK(flow_credential_archive(
	    o->flow, "a.test.example", false, "x", office_on_flow, o, &o->err));
	TOLD("credential.archived a.test.example; credential.restored a.test.example; ");
	OK(flow_credential_delete(o->flow, "a.test.example", "x", office_on_flow, o, &o->err));
	TOLD("credential.deleted a.test.example; ");
	OK(flow_credential_add(o->flow, &manual, office_on_flow, o, &o->err));
	TOLD("credential.waiting m.test.example; ");
	OK(flow_credential_submit(
	    o->flow, "m.test.example", true, "x", office_on_flow, o, &o->err));
	TOLD("credential.waiting m.test.example; ");
}

static void
test_access_and_nodes(void **state)
{
	static const char *const web1[] = {"web1"};
	struct desk *d = *state;
	struct office *o = &d->o;
	const struct access_change change = {
	    .name = "a.test.example", .add = {web1, 1}, .author = "x"};

	(void)office_add_node(o, "web1");
	TOLD("node.joined web1; ");
	assert_int_equal(office_add_credential(o, "a.test.example", nobody), 0);
	d->told[0] = '\0';
	OK(flow_credential_access(o->flow, &change, office_on_flow, o, &o->err));
	TOLD("credential.access a.test.example; ");
	assert_non_null(strstr(d->last, "\"access\":[\"web1\"]"));
	OK(nodes_remove(o->nodes, "web1", "x", office_on_nodes, o, &o->err));
	office_settle(o);
	assert_non_null(strstr(d->told, "node.removed web1; "));
}

/* Who knows a key without access, and that nobody serves it any more. */
static void
test_exposed(void **state)
{
	static const char *const web1[] = {"web1", NULL};
	struct desk *d = *state;
	struct office *o = &d->o;
	struct access_change change = {
	    .name = "a.test.example", .remove = {web1, 1}, .keep_key = true, .author = "x"};
	struct hash key;

	(void)office_add_node(o, "web1");
	assert_int_equal(office_add_credential(o, "a.test.example", web1), 0);
	key = office_active(o, "a.test.example")->generation->key;
	d->told[0] = '\0';
	OK(flow_credential_access(o->flow, &change, office_on_flow, o, &o->err));
	TOLD("credential.access a.test.example; credential.exposed a.test.example; ");
	assert_non_null(strstr(d->last, "\"nodes\":[\"web1\"]"));
	assert_non_null(strstr(d->last, "known to somebody without access: web1"));
	OK(flow_credential_renew(o->flow, "a.test.example", true, "x", office_on_flow, o, &o->err));
	TOLD("credential.issued a.test.example; ");
	OK(flow_proven(o->flow, &office_credential(o, "a.test.example")->id, &key, 1,
	    office_on_flow, o, &o->err));
	TOLD("credential.proven a.test.example; ");
	assert_non_null(strstr(d->last, "nobody serves a key any more"));
}

static void
test_revoked(void **state)
{
	struct desk *d = *state;
	struct office *o = &d->o;

	assert_int_equal(office_add_credential(o, "a.test.example", nobody), 0);
	OK(flow_credential_renew(o->flow, "a.test.example", true, "x", office_on_flow, o, &o->err));
	d->told[0] = '\0';
	OK(flow_credential_revoke(
	    o->flow, "a.test.example", 1, NULL, "x", office_on_flow, o, &o->err));
	TOLD("credential.revoked a.test.example; ");
	assert_non_null(strstr(d->last, "\"generation\":1,"));
	OK(flow_credential_revoke(
	    o->flow, "a.test.example", 0, NULL, "x", office_on_flow, o, &o->err));
	TOLD("credential.revoked a.test.example; ");
	assert_non_null(strstr(d->last, "\"generation\":2,"));
}

/* What would be told if the credential became so. */
static void
become(struct desk *d, uint32_t what, uint32_t failures)
{
	const struct index_record *c = office_credential(&d->o, "a.test.example");
	struct credential_public p = *c->credential;
	struct commit_beside beside = events_beside(d->events);
	AUTO(buf_freep)
	struct buf *part = buf_new(LIMIT_PUBLIC);
	struct record r = {.id = c->id, .kind = KIND_CREDENTIAL, .version = c->version + 1};
	const struct committed committed = {.record = &r, .replaced_version = c->version};

	p.memory = NULL;
	p.state = what;
	p.failures = failures;
	p.error = "the CA has no key";
	assert_int_equal(wire_credential_public_encode(&p, part, &d->o.err), 0);
	r.public_part = buf_span(part);
	snprintf(r.name, sizeof(r.name), "%s", c->name);
	beside.note(beside.arg, &committed, 1, NULL, 0);
	assert_int_equal(beside.write(beside.arg, d->o.store, &d->o.err), 0);
	beside.settled(beside.arg, 0);
}

static void
test_failed(void **state)
{
	struct desk *d = *state;

	assert_int_equal(office_add_credential(&d->o, "a.test.example", nobody), 0);
	d->told[0] = '\0';
	become(d, CREDENTIAL_FAILED, 1);
	TOLD("credential.failed a.test.example; ");
	assert_non_null(strstr(d->last, "\"error\":\"the CA has no key\""));
	become(d, CREDENTIAL_ISSUED, 0);
	TOLD("");
}

/* --- with its change, or not at all ------------------------------------------------------------
 */

static void
test_a_change_that_fails_tells_nothing(void **state)
{
	struct desk *d = *state;
	struct office *o = &d->o;
	uint64_t last;

	assert_int_equal(office_add_credential(o, "a.test.example", nobody), 0);
	d->told[0] = '\0';
	last = events_last(d->events);
	vfs_fault_fail(o->disk, VFS_WRITE, 1, VFS_ENOSPC, true);
	assert_true(office_add_credential(o, "b.test.example", nobody) < 0);
	vfs_fault_heal(o->disk);
	TOLD("");
	assert_int_equal(events_last(d->events), last);
	assert_int_equal(office_add_credential(o, "b.test.example", nobody), 0);
	TOLD("credential.issued b.test.example; ");
	assert_int_equal(d->number, last + 1);
}

static void
check_told_mutation(struct desk *d, bool conflict)
{
	struct office *o = &d->o;
	const struct index_record *c = office_credential(o, "a.test.example");
	struct mutation *m = mutation_new("x", "test", c->name);

	mutation_expect(m, &c->id, c->version + conflict);
	mutation_tell(m, "credential.export_lapsed", &c->id, c->name, "lapsed because of %d", 7);
	mutation_tell(m, "no.such_event", &c->id, c->name, "never told");
	assert_int_equal(m->tidings_count, 2);
	mutation_free(m);
}

static void
test_told_with_a_mutation(void **state)
{
	struct desk *d = *state;
	struct commit_beside beside = events_beside(d->events);
	struct tidings t = {.event = "credential.export_lapsed", .name = "a.test.example"};
	char text[] = "lapsed";

	assert_int_equal(office_add_credential(&d->o, "a.test.example", nobody), 0);
	check_told_mutation(d, false);
	d->told[0] = '\0';
	t.text = text;
	beside.note(beside.arg, NULL, 0, &t, 1);
	beside.settled(beside.arg, ERR_IO);
	TOLD("");
	beside.note(beside.arg, NULL, 0, &t, 1);
	assert_int_equal(
	    store_apply(d->o.store, &(struct store_change){.hook = NULL}, &d->o.err), 0);
	assert_int_equal(beside.write(beside.arg, d->o.store, &d->o.err), 0);
	beside.settled(beside.arg, 0);
	TOLD("credential.export_lapsed a.test.example; ");
}

/* --- once ------------------------------------------------------------------------------------- */

static bool
raise(struct desk *d, uint32_t level)
{
	const struct index_record *c = office_credential(&d->o, "a.test.example");
	const struct event event = {
	    .kind = EVENT_CHECK_FAILED, .id = &c->id, .name = c->name, .text = "it is not well"};
	bool told = events_raise_once(d->events, &event, &c->id, level);

	office_settle(&d->o);
	return told;
}

static void
test_once(void **state)
{
	struct desk *d = *state;
	struct id id;

	assert_int_equal(office_add_credential(&d->o, "a.test.example", nobody), 0);
	id = office_credential(&d->o, "a.test.example")->id;
	d->told[0] = '\0';
	assert_true(raise(d, 1));
	assert_false(raise(d, 1));
	assert_true(raise(d, 2));
	assert_false(raise(d, 1));
	TOLD("check.failed a.test.example; check.failed a.test.example; ");
	office_restart(&d->o);
	assert_false(raise(d, 2));
	assert_true(raise(d, 3));
	assert_true(events_settle(d->events, EVENT_CHECK_FAILED, &id));
	assert_false(events_settle(d->events, EVENT_CHECK_FAILED, &id));
	office_restart(&d->o);
	d->told[0] = '\0';
	assert_true(raise(d, 1));
	TOLD("check.failed a.test.example; ");
	/* Without events nobody is told, and nothing breaks. */
	assert_false(events_settle(NULL, EVENT_CHECK_FAILED, &id));
	events_raise(NULL, &(struct event){.kind = EVENT_EVENTS_TEST, .text = "x"});
}

/* While the disk refuses them they wait, and come in order. */
static void
test_a_full_disk(void **state)
{
	struct desk *d = *state;
	static const struct event a = {.kind = EVENT_EVENTS_TEST, .name = "a", .text = "x"},
				  b = {.kind = EVENT_EVENTS_TEST, .name = "b", .text = "x"};

	d->told[0] = '\0';
	vfs_fault_fail(d->o.disk, VFS_WRITE, 1, VFS_ENOSPC, true);
	events_raise(d->events, &a);
	office_sleep(&d->o, 2);
	events_raise(d->events, &b);
	office_sleep(&d->o, 2);
	TOLD("");
	vfs_fault_heal(d->o.disk);
	office_sleep(&d->o, 120);
	TOLD("events.test a; events.test b; ");
}

static void
count_documents(
    void *arg, int status, const struct span *documents, size_t count, const struct err *err)
{
	size_t *out = arg;

	(void)err;
	assert_int_equal(status, 0);
	for (size_t i = 0; i < count; i++) {
		AUTO(json_freep)
		struct json *e = NULL;

		assert_int_equal(json_parse(documents[i], LOCAL_EVENT_MAX + 256, &e, NULL), 0);
		assert_string_equal(json_text(e, "event"), "events.test");
	}
	*out = count;
}

/* Text of any kind and length is JSON in the end, and a list stops where it is too long. */
static void
test_texts_and_lists(void **state)
{
	struct desk *d = *state;
	char text[300];
	struct texts names = {NULL, 0};
	const char *items[400];
	size_t count = 0;

	memset(text, '"', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(items); i++)
		items[i] = text;
	names = (struct texts){items, ARRAY_LEN(items)};
	for (unsigned i = 0; i < 5; i++) {
		const struct event_fact facts[] = {EVENT_TEXTS("names", names),
		    EVENT_TIME("not_after", 0), EVENT_TEXT("error", "\x01\xff\n\"")};

		events_raise(d->events,
		    &(struct event){.kind = EVENT_EVENTS_TEST,
			.name = "\xc3\x28",
			.text = i % 2 == 0 ? text : "short",
			.facts = facts + (i != 3),
			.fact_count = 2});
	}
	/* Also when they come while others are being written. */
	for (unsigned i = 0; i < 20; i++) {
		events_raise(d->events, &(struct event){.kind = EVENT_EVENTS_TEST, .text = "x"});
		(void)virtual_step(&d->o.time);
	}
	office_settle(&d->o);
	events_read(d->events, 0, EVENTS_READ_MOST, count_documents, &count);
	office_settle(&d->o);
	assert_int_equal(count, 25);
	events_read(d->events, 1, 3, count_documents, &count);
	office_settle(&d->o);
	assert_int_equal(count, 3);
}

/* --- words ------------------------------------------------------------------------------------ */

static void
test_words(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} patterns[] = {{"*", true}, {"node.*", true}, {"node.stale", true}, {"node.", false},
	    {"node", false}, {".*", false}, {"nodes.*", false}, {"node.stal", false}, {"", false}};
	enum event_kind kind;
	struct err err;

	(void)state;
	for (unsigned i = 0; i < EVENT__COUNT; i++) {
		assert_true(event_kind_parse(event_kind_name((enum event_kind)i), &kind));
		assert_int_equal(kind, i);
		assert_non_null(event_level_name(event_kind_level((enum event_kind)i)));
	}
	assert_false(event_kind_parse("credential", &kind));
	for (size_t i = 0; i < ARRAY_LEN(patterns); i++)
		if ((event_pattern_check(patterns[i].text, &err) == 0) != patterns[i].good)
			fail_msg("'%s'", patterns[i].text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_words),
	    WITH_DESK(test_credentials),
	    WITH_DESK(test_access_and_nodes),
	    WITH_DESK(test_exposed),
	    WITH_DESK(test_revoked),
	    WITH_DESK(test_failed),
	    WITH_DESK(test_a_change_that_fails_tells_nothing),
	    WITH_DESK(test_told_with_a_mutation),
	    WITH_DESK(test_once),
	    WITH_DESK(test_a_full_disk),
	    WITH_DESK(test_texts_and_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) + run_look_tests();
}
