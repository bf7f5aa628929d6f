/* What a main process in foreign hands might try. */

#include "tests/unit/server/signer/signer_tests.h"

#include "common/crypto/sign.h"

static int
learn_bytes(struct signer_world *w, struct span body, struct span signature)
{
	const struct signed_bytes item = {body, signature};
	struct signer_request r = {.op = SIGNER_LEARN};

	r.learn.records = (struct signed_list){&item, 1};
	return world_ask(w, &r);
}

static void
test_unknown_and_removed(void **state)
{
	struct signer_world *w = *state;
	struct world_node web = world_add_node(w, "web1");
	struct world_record *ca = world_add_ca(w, "Micro CA", "ec-p256");
	struct id unknown, id;

	id_random(&unknown);
	assert_int_equal(
	    world_issue(w, ca, "ec-p256", (struct ids){&unknown, 1}, &id), ERR_NOTFOUND);
	assert_int_equal(world_issue(w, ca, "ec-p256", (struct ids){&web.id, 1}, &id), 0);
	world_remove_node(w, &web);
	assert_int_equal(
	    world_issue(w, ca, "ec-p256", (struct ids){&web.id, 1}, &id), ERR_NOTFOUND);
	/* Its record of before, whose signature is still good, changes nothing. */
	assert_int_equal(world_learn(w, web.record), 0);
	assert_int_equal(w->last.taken, 0);
	assert_int_equal(
	    world_issue(w, ca, "ec-p256", (struct ids){&web.id, 1}, &id), ERR_NOTFOUND);
	world_node_fini(&web);
}

static void
test_forged_records(void **state)
{
	struct signer_world *w = *state, foreign;
	struct world_node web = world_add_node(w, "web1"), theirs;
	struct buf body = BUF_INIT(LIMIT_RECORD), signature = BUF_INIT(LIMIT_SIGNATURE);
	struct pkey *other = NULL;

	world_init(&foreign);
	theirs = world_add_node(&foreign, "web1");
	assert_int_equal(pkey_generate(KEY_EC_P256, &other, NULL), 0);
	buf_put_span(&body, web.record->bytes.body);
	/* Another byte, no signature, one of another record, of another key, type and domain. */
	body.data[body.len - 1] ^= 1;
	assert_true(learn_bytes(w, buf_span(&body), web.record->bytes.signature) < 0);
	body.data[body.len - 1] ^= 1;
	assert_int_equal(
	    learn_bytes(w, buf_span(&body), w->manager.record->bytes.signature), ERR_CRYPTO);
	assert_int_equal(
	    sign_put(other, SIGN_RECORD, &w->domain, buf_span(&body), &signature, NULL), 0);
	assert_int_equal(learn_bytes(w, buf_span(&body), buf_span(&signature)), ERR_CRYPTO);
	buf_clear(&signature);
	assert_int_equal(sign_put(keyfile_find(&w->keys, "term-0000000100000000"), SIGN_HEAD,
			     &w->domain, buf_span(&body), &signature, NULL),
	    0);
	assert_int_equal(learn_bytes(w, buf_span(&body), buf_span(&signature)), ERR_CRYPTO);
	assert_int_equal(
	    learn_bytes(w, theirs.record->bytes.body, theirs.record->bytes.signature), ERR_CRYPTO);
	pkey_unref(other);
	buf_fini(&body);
	buf_fini(&signature);
	world_node_fini(&web);
	world_node_fini(&theirs);
	world_fini(&foreign);
}

static void
test_learn_other_kinds(void **state)
{
	struct signer_world *w = *state;
	struct world_record *ca = world_add_ca(w, "Micro CA", "ec-p256");
	struct world_record *second;

	assert_int_equal(world_learn(w, ca), ERR_INVALID);
	/* A second group that calls itself the managers. */
	second = world_sign(w,
	    &(struct world_draft){.kind = KIND_GROUP,
		.id = ca->record.id,
		.version = 9,
		.name = GROUP_MANAGERS,
		.public_part = w->managers_record->record.public_part});
	assert_int_equal(world_learn(w, second), ERR_DENIED);
}

/* A node whose public part main only shows, once nodes are known. */
static void
test_fresh_node_refused(void **state)
{
	struct signer_world *w = *state;
	struct signer_request r = {.op = SIGNER_MAKE_MEMBERSHIP};
	struct id node;

	id_random(&node);
	r.make_membership = (struct signer_make_membership){
	    .membership = {wire_membership_id(&w->managers, &node), 1},
	    .group = w->managers,
	    .node = node,
	    .has_group_record = true,
	    .group_record = w->managers_record->bytes,
	    .node_public = w->manager.record->record.public_part};
	assert_int_equal(world_ask(w, &r), ERR_DENIED);
	r.make_membership.node_public = SPAN(NULL, 0);
	assert_int_equal(world_ask(w, &r), ERR_NOTFOUND);
	/* Another id than that of this node in this group. */
	r.make_membership.node = w->manager.id;
	assert_int_equal(world_ask(w, &r), ERR_INVALID);
}

/*
 * A new signer that is taught the membership that opens everything, and no node: it is not in the
 * first mutation of a domain for that.
 */
static void
test_fresh_node_after_restart(void **state)
{
	struct signer_world *w = *state;
	struct signer_request r = {.op = SIGNER_MAKE_MEMBERSHIP};
	struct signed_designation d;
	struct signer_request start = world_start_request(w, &d);
	struct id theirs;

	id_random(&theirs);
	r.make_membership = (struct signer_make_membership){
	    .membership = {wire_membership_id(&w->managers, &theirs), 1},
	    .group = w->managers,
	    .node = theirs,
	    .has_group_record = true,
	    .group_record = w->managers_record->bytes,
	    .node_public = w->manager.record->record.public_part};
	world_restart(w);
	assert_int_equal(world_ask(w, &start), 0);
	for (struct world_record *i = w->records; i != NULL; i = i->next)
		if (i->record.kind == KIND_MEMBERSHIP)
			assert_int_equal(world_learn(w, i), 0);
	assert_int_equal(world_ask(w, &r), ERR_DENIED);
}

/* The keys of `managers` open CAs too: a server that only follows never gets them. */
static void
test_managers_only(void **state)
{
	struct signer_world *w = *state;
	struct world_node web = world_add_node(w, "web1");
	struct signer_request r = {.op = SIGNER_MAKE_MEMBERSHIP};
	struct id other;

	r.make_membership = (struct signer_make_membership){
	    .membership = {wire_membership_id(&w->managers, &web.id), 1},
	    .group = w->managers,
	    .node = web.id,
	    .has_group_record = true,
	    .group_record = w->managers_record->bytes};
	assert_int_equal(world_ask(w, &r), ERR_DENIED);
	/* Nor under the name of another group, whose public part nobody has signed. */
	id_random(&other);
	r.make_membership = (struct signer_make_membership){
	    .membership = {wire_membership_id(&other, &w->recovery.id), 1},
	    .group = other,
	    .node = w->recovery.id,
	    .group_public = w->managers_record->record.public_part,
	    .group_version = 1};
	assert_int_equal(world_ask(w, &r), ERR_DENIED);
	r.make_membership.group = w->managers;
	r.make_membership.membership.id = wire_membership_id(&w->managers, &w->recovery.id);
	assert_int_equal(world_ask(w, &r), 0);
	/* And there is one group of managers, which is not made twice. */
	r = (struct signer_request){
	    .op = SIGNER_MAKE_GROUP, .make_group = {.group = {w->managers, 2}, .built_in = true}};
	assert_int_equal(world_ask(w, &r), ERR_DENIED);
	world_node_fini(&web);
}

static int
ask_record(struct signer_world *w, uint64_t term, uint64_t seq, uint64_t mutation)
{
	struct record record = {.kind = 1000, /* one that nobody knows */
	    .term = term,
	    .seq = seq,
	    .mutation = mutation,
	    .version = 1,
	    .name = "x"};
	struct signer_request r = {.op = SIGNER_SIGN_BATCH};
	struct buf body = BUF_INIT(LIMIT_RECORD);
	struct span item;
	int rc;

	id_random(&record.id);
	if (wire_record_encode(&record, &body, &w->err) < 0)
		fail_msg("%s", w->err.text);
	item = buf_span(&body);
	r.sign_batch.bodies = (struct spans){&item, 1};
	rc = world_ask(w, &r);
	buf_fini(&body);
	return rc;
}

static int
ask_head(struct signer_world *w, uint64_t term, uint64_t beat)
{
	const struct head head = {.term = term, .seq = w->seq, .beat = beat};
	struct signer_request r = {.op = SIGNER_SIGN_HEAD};
	struct buf body = BUF_INIT(LIMIT_HEAD);
	int rc;

	assert_int_equal(wire_head_encode(&head, &body, NULL), 0);
	r.sign_head.head = buf_span(&body);
	rc = world_ask(w, &r);
	buf_fini(&body);
	return rc;
}

static void
test_signed_once(void **state)
{
	struct signer_world *w = *state;
	uint64_t seq = w->seq;
	const struct {
		uint64_t term, seq, mutation;
		int code;
	} cases[] = {
	    {WORLD_TERM, seq, seq, ERR_DENIED},
	    {WORLD_TERM, 1, 1, ERR_DENIED},
	    {WORLD_TERM + 1, seq + 1, seq + 1, ERR_DENIED},
	    {2 * WORLD_TERM, seq + 1, seq + 1, ERR_DENIED},
	    {WORLD_TERM, seq + 5, seq + 5, 0}, /* gaps are normal */
	    {WORLD_TERM, seq + 5, seq + 5, ERR_DENIED},
	    {WORLD_TERM, seq + 4, seq + 4, ERR_DENIED},
	    {WORLD_TERM, seq + 6, seq + 6, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(
		    ask_record(w, cases[i].term, cases[i].seq, cases[i].mutation), cases[i].code);
	assert_int_equal(ask_head(w, WORLD_TERM, 7), 0);
	assert_int_equal(ask_head(w, WORLD_TERM, 7), ERR_DENIED);
	assert_int_equal(ask_head(w, WORLD_TERM, 6), ERR_DENIED);
	assert_int_equal(ask_head(w, WORLD_TERM + 1, 8), ERR_DENIED);
	assert_int_equal(ask_head(w, WORLD_TERM, 8), 0);
}

/* Two of one seq in a batch: none of the batch is signed. */
static void
test_batch_as_a_whole(void **state)
{
	struct signer_world *w = *state;
	struct record record = {.kind = 1000, /* one that nobody knows */
	    .term = WORLD_TERM,
	    .seq = w->seq + 1,
	    .mutation = w->seq + 1,
	    .version = 1,
	    .name = "x"};
	struct signer_request r = {.op = SIGNER_SIGN_BATCH};
	struct buf body = BUF_INIT(LIMIT_RECORD);
	struct span items[2];

	id_random(&record.id);
	if (wire_record_encode(&record, &body, &w->err) < 0)
		fail_msg("%s", w->err.text);
	items[0] = items[1] = buf_span(&body);
	r.sign_batch.bodies = (struct spans){items, 2};
	assert_int_equal(world_ask(w, &r), ERR_DENIED);
	items[0] = span_str("no record");
	assert_int_equal(world_ask(w, &r), ERR_PARSE);
	r.sign_batch.bodies.count = 0;
	assert_int_equal(world_ask(w, &r), 0);
	assert_int_equal(w->last.signatures.count, 0);
	buf_fini(&body);
}

static void
test_order(void **state)
{
	struct signer_world *w = *state;
	struct signed_designation d;
	struct signer_request start = world_start_request(w, &d);

	/* A second start, and anything before the first. */
	assert_int_equal(world_ask(w, &start), ERR_PROTO);
	world_restart(w);
	for (unsigned op = SIGNER_LEARN; op < SIGNER__COUNT; op++) {
		struct signer_request r = {.op = (enum signer_op)op};
		struct buf reply = BUF_INIT(LIMIT_SIGNER_FRAME);

		assert_int_equal(signer_core_execute(w->core, &r, &reply, NULL), ERR_PROTO);
		buf_fini(&reply);
	}
	start.op = SIGNER_NOTHING;
	assert_int_equal(signer_core_execute(w->core, &start, NULL, NULL), ERR_PROTO);
}

static void
test_wrong_starts(void **state)
{
	struct signer_world *w = *state, foreign;
	struct signed_designation d, theirs;
	struct signer_request start = world_start_request(w, &d), other;

	world_init_bare(&foreign);
	other = world_start_request(&foreign, &theirs);
	world_restart(w);
	/* Another root than the pin, another domain, another node, foreign and no designations. */
	start.start.root_fingerprint.bytes[0] ^= 1;
	assert_int_equal(world_ask(w, &start), ERR_CRYPTO);
	start.start.root_fingerprint.bytes[0] ^= 1;
	start.start.domain = foreign.domain;
	assert_int_equal(world_ask(w, &start), ERR_DENIED);
	start.start.domain = w->domain;
	start.start.node = foreign.manager.id;
	assert_int_equal(world_ask(w, &start), ERR_DENIED);
	start.start.node = w->manager.id;
	start.start.designations = other.start.designations;
	assert_int_equal(world_ask(w, &start), ERR_CRYPTO);
	start.start.designations.count = 0;
	assert_int_equal(world_ask(w, &start), ERR_DENIED);
	/* A domain whose designation names a key that is not in the key file. */
	assert_int_equal(world_ask(w, &other), ERR_DENIED);
	start = world_start_request(w, &d);
	assert_int_equal(world_ask(w, &start), 0);
	world_fini(&foreign);
}

static void
test_missing_keys(void **state)
{
	static const char *const missing[] = {"sealing", "manager", "term-0000000100000000"};
	struct signer_world *w = *state;

	for (size_t i = 0; i < ARRAY_LEN(missing); i++) {
		struct keyfile keys = world_keys(w);
		struct signer_core *core = NULL;
		struct err err;

		keys.entries[i].name[0] = 'X';
		assert_int_equal(signer_core_new(&keys, &core, &err), ERR_INVALID);
		assert_null(core);
		assert_int_equal(keys.count, 0);
	}
}

static void
test_bad_ca(void **state)
{
	struct signer_world *w = *state, foreign;
	struct world_record *ca = world_add_ca(w, "Micro CA", "ec-p256"), *theirs, *changed;
	struct ca_public public;
	struct buf bytes = BUF_INIT(LIMIT_PUBLIC);
	struct id id;

	world_init(&foreign);
	theirs = world_add_ca(&foreign, "Micro CA", "ec-p256");
	assert_int_equal(world_issue(w, theirs, "ec-p256", (struct ids){0}, &id), ERR_CRYPTO);
	assert_int_equal(
	    world_issue(w, w->manager.record, "ec-p256", (struct ids){0}, &id), ERR_INVALID);
	/* The seal of one record in another, signed well. */
	changed = world_sign(w,
	    &(struct world_draft){.kind = KIND_CA,
		.id = w->managers,
		.version = 1,
		.name = "other",
		.public_part = ca->record.public_part,
		.sealed = ca->record.sealed});
	assert_int_equal(world_issue(w, changed, "ec-p256", (struct ids){0}, &id), ERR_CRYPTO);
	assert_int_equal(wire_ca_public_decode(ca->record.public_part, &public, NULL), 0);
	public.enabled = false;
	assert_int_equal(wire_ca_public_encode(&public, &bytes, NULL), 0);
	changed = world_sign(w,
	    &(struct world_draft){.kind = KIND_CA,
		.id = ca->record.id,
		.version = 2,
		.name = "Micro CA",
		.public_part = buf_span(&bytes),
		.sealed = ca->record.sealed});
	assert_int_equal(world_issue(w, changed, "ec-p256", (struct ids){0}, &id), ERR_DENIED);
	/* None of that got into the cache of opened CAs. */
	assert_int_equal(world_issue(w, ca, "ec-p256", (struct ids){0}, &id), 0);
	assert_int_equal(world_issue(w, changed, "ec-p256", (struct ids){0}, &id), ERR_DENIED);
	ca_public_fini(&public);
	buf_fini(&bytes);
	world_fini(&foreign);
}

/* Names that no sound main asks for: they would stand in a certificate that somebody matches. */
static void
test_bad_names(void **state)
{
	static const char *const bad[] = {"", "WWW.example.org", "www.example.org.",
	    "www..example.org", "*.*.example.org", "w*.example.org", "-www.example.org",
	    "www_1.example.org", "192.0.2.01", "2001:DB8::1", "www.example.org:443",
	    "www.example.org/",
	    "b\xc3\xbc"
	    "cher.example.org"};
	struct signer_world *w = *state;
	struct world_record *ca = world_add_ca(w, "Micro CA", "ec-p256");
	struct signer_request r = {.op = SIGNER_ISSUE};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const char *const names[] = {"www.example.org", bad[i]};
		struct buf reply = BUF_INIT(LIMIT_SIGNER_FRAME);
		struct signer_reply answer;

		r.issue = (struct signer_issue){.generation = {.version = 1},
		    .number = 1,
		    .names = {names, 2},
		    .key_type = "ec-p256",
		    .not_before = WORLD_NOW,
		    .not_after = WORLD_NOW + 86400,
		    .ca = ca->bytes};
		id_random(&r.issue.generation.id);
		assert_int_equal(signer_core_execute(w->core, &r, &reply, NULL), 0);
		assert_int_equal(wire_signer_reply_decode(buf_span(&reply), &answer, NULL), 0);
		if (answer.code != ERR_INVALID)
			fail_msg("'%s': %d", bad[i], answer.code);
		signer_reply_fini(&answer);
		buf_fini(&reply);
	}
}

/* More CAs than are kept open. */
static void
test_many_cas(void **state)
{
	struct signer_world *w = *state;
	struct world_record *cas[20];
	struct id id;

	for (size_t i = 0; i < ARRAY_LEN(cas); i++)
		cas[i] = world_add_ca(w, "Micro CA", "ec-p256");
	for (size_t n = 0; n < 2; n++)
		for (size_t i = 0; i < ARRAY_LEN(cas); i++)
			assert_int_equal(
			    world_issue(w, cas[i], "ec-p256", (struct ids){0}, &id), 0);
}

static void
test_too_many(void **state)
{
	struct signer_world *w = *state;
	struct world_record *ca = world_add_ca(w, "Micro CA", "ec-p256");
	struct world_node nodes[LIMIT_ACCESS];
	struct id ids[LIMIT_ACCESS + 1], id;
	struct signer_request r = {.op = SIGNER_ISSUE};
	struct buf reply = BUF_INIT(LIMIT_SIGNER_FRAME);
	struct signer_reply answer;
	static const char *const names[] = {"www.example.org"};

	for (size_t i = 0; i < LIMIT_ACCESS; i++) {
		nodes[i] = world_add_node(w, "node");
		ids[i] = nodes[i].id;
	}
	ids[LIMIT_ACCESS] = w->manager.id;
	assert_int_equal(world_issue(w, ca, "ec-p256", (struct ids){ids, LIMIT_ACCESS}, &id), 0);
	r.issue = (struct signer_issue){.generation = {.version = 1},
	    .names = {names, 1},
	    .key_type = "ec-p256",
	    .ca = ca->bytes,
	    .access = {ids, LIMIT_ACCESS + 1}};
	assert_int_equal(signer_core_execute(w->core, &r, &reply, NULL), 0);
	assert_int_equal(wire_signer_reply_decode(buf_span(&reply), &answer, NULL), 0);
	assert_int_equal(answer.code, ERR_LIMIT);
	signer_reply_fini(&answer);
	buf_fini(&reply);
	for (size_t i = 0; i < LIMIT_ACCESS; i++)
		world_node_fini(&nodes[i]);
}

int
run_attack_tests(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_unknown_and_removed),
	    TEST(test_forged_records),
	    TEST(test_learn_other_kinds),
	    TEST(test_fresh_node_refused),
	    TEST(test_fresh_node_after_restart),
	    TEST(test_managers_only),
	    TEST(test_signed_once),
	    TEST(test_batch_as_a_whole),
	    TEST(test_order),
	    TEST(test_wrong_starts),
	    TEST(test_missing_keys),
	    TEST(test_bad_ca),
	    TEST(test_bad_names),
	    TEST(test_many_cas),
	    TEST(test_too_many),
	};

	return cmocka_run_group_tests_name("attack", tests, NULL, NULL);
}
