/* Groups, their members, and who can open what is sealed to them. */

#include "tests/unit/server/signer/signer_tests.h"

#include "common/crypto/envelope.h"
#include "common/crypto/sign.h"

/* What an operation made, kept over the next one. */
struct made {
	struct record_ref ref;
	struct buf public_part, sealed;
};

static struct made
keep_made(const struct signer_world *w, struct record_ref ref)
{
	struct made m = {ref, BUF_INIT(LIMIT_PUBLIC), BUF_INIT(LIMIT_SEALED)};

	buf_put_span(&m.public_part, w->last.public_part);
	buf_put_span(&m.sealed, w->last.sealed);
	return m;
}

static void
made_fini(struct made *m)
{
	buf_fini(&m->public_part);
	buf_fini(&m->sealed);
}

static int
make_membership(struct signer_world *w, const struct world_record *group, const struct made *fresh,
    const struct world_node *n, struct made *out)
{
	struct signer_request r = {.op = SIGNER_MAKE_MEMBERSHIP};
	struct id id = group != NULL ? group->record.id : fresh->ref.id;
	int rc;

	r.make_membership = (struct signer_make_membership){
	    .membership = {wire_membership_id(&id, &n->id), 1}, .group = id, .node = n->id};
	if (group != NULL) {
		r.make_membership.has_group_record = true;
		r.make_membership.group_record = group->bytes;
	} else {
		r.make_membership.group_public = buf_span(&fresh->public_part);
		r.make_membership.group_sealed = buf_span(&fresh->sealed);
		r.make_membership.group_version = fresh->ref.version;
	}
	rc = world_ask(w, &r);
	if (rc == 0 && out != NULL)
		*out = keep_made(w, r.make_membership.membership);
	return rc;
}

/* The keys that a membership gives to its node, in order. */
static size_t
open_membership(
    struct signer_world *w, const struct made *m, const struct pkey *sealing, struct pkey **keys)
{
	const struct seal_binding b = {.domain = w->domain,
	    .record = m->ref.id,
	    .version = m->ref.version,
	    .kind = KIND_MEMBERSHIP,
	    .public_part = buf_span(&m->public_part)};
	struct secret *payload = NULL;
	struct group_keys inside;
	size_t count;

	assert_int_equal(envelope_open(&b, buf_span(&m->sealed), sealing, &payload, NULL), 0);
	assert_int_equal(wire_group_keys_decode(payload, &inside, NULL), 0);
	for (size_t i = 0; i < inside.count; i++)
		assert_int_equal(pkey_from_pkcs8(secret_span(inside.pkcs8[i]), &keys[i], NULL), 0);
	count = inside.count;
	group_keys_fini(&inside);
	secret_free(payload);
	return count;
}

static void
release(struct pkey **keys, size_t count)
{
	while (count > 0)
		pkey_unref(keys[--count]);
}

static int
rekey(struct signer_world *w, const struct world_record *group, bool built_in, struct made *out)
{
	struct signer_request r = {.op = SIGNER_MAKE_GROUP};
	int rc;

	r.make_group =
	    (struct signer_make_group){.group = {group->record.id, group->record.version + 1},
		.new_key = true,
		.has_current = true,
		.current = group->bytes,
		.built_in = built_in};
	rc = world_ask(w, &r);
	if (rc == 0)
		*out = keep_made(w, r.make_group.group);
	return rc;
}

static struct world_record *
sign_made(struct signer_world *w, const struct made *m, uint32_t kind, const char *name)
{
	return world_sign(w,
	    &(struct world_draft){.kind = kind,
		.id = m->ref.id,
		.version = m->ref.version,
		.name = name,
		.public_part = buf_span(&m->public_part),
		.sealed = buf_span(&m->sealed)});
}

static void
test_member_opens(void **state)
{
	struct signer_world *w = *state;
	struct world_node web = world_add_node(w, "web1");
	struct world_record *group = world_add_group(w, "mail");
	struct pkey *keys[LIMIT_GROUP_KEYS];
	struct membership_public public;
	struct group_public g;
	struct made m;
	size_t count;

	assert_int_equal(make_membership(w, group, NULL, &web, &m), 0);
	count = open_membership(w, &m, web.sealing, keys);
	assert_int_equal(count, 1);
	assert_int_equal(wire_group_public_decode(group->record.public_part, &g, NULL), 0);
	assert_true(span_equal(pkey_spki(keys[0]), g.key));
	assert_int_equal(g.generation, 1);
	assert_false(g.built_in);
	assert_int_equal(wire_membership_public_decode(buf_span(&m.public_part), &public, NULL), 0);
	assert_true(id_equal(&public.node, &web.id) && public.key_ids.count == 1);
	membership_public_fini(&public);
	group_public_fini(&g);
	release(keys, count);
	made_fini(&m);
	world_node_fini(&web);
}

static void
test_new_key(void **state)
{
	struct signer_world *w = *state;
	struct world_node web = world_add_node(w, "web1");
	struct world_record *group = world_add_group(w, "mail"), *next;
	struct pkey *keys[LIMIT_GROUP_KEYS];
	struct made g, m, again;
	struct group_public before, after;
	size_t count;

	assert_int_equal(rekey(w, group, false, &g), 0);
	assert_int_equal(wire_group_public_decode(group->record.public_part, &before, NULL), 0);
	assert_int_equal(wire_group_public_decode(buf_span(&g.public_part), &after, NULL), 0);
	assert_int_equal(after.live_keys.count, 1);
	assert_true(span_equal(after.live_keys.items[0], before.key));
	assert_false(span_equal(after.key, before.key));
	assert_int_equal(after.generation, 2);
	/* In the same mutation, before the group is committed. */
	assert_int_equal(make_membership(w, NULL, &g, &web, &m), 0);
	count = open_membership(w, &m, web.sealing, keys);
	assert_int_equal(count, 2);
	assert_true(span_equal(pkey_spki(keys[0]), after.key));
	assert_true(span_equal(pkey_spki(keys[1]), before.key));
	release(keys, count);
	/* Once it is learnt, the version before is no ground for anything. */
	next = sign_made(w, &g, KIND_GROUP, "mail");
	assert_int_equal(world_learn(w, next), 0);
	assert_int_equal(make_membership(w, group, NULL, &web, NULL), ERR_CONFLICT);
	assert_int_equal(rekey(w, group, false, &again), ERR_CONFLICT);
	assert_int_equal(rekey(w, next, false, &again), 0);
	group_public_fini(&before);
	group_public_fini(&after);
	made_fini(&again);
	made_fini(&g);
	made_fini(&m);
	world_node_fini(&web);
}

/* However often a group gets a new key, it can get another: the oldest leave. */
static void
test_old_keys_leave(void **state)
{
	struct signer_world *w = *state;
	struct world_record *group = world_add_group(w, "mail");
	struct world_node web = world_add_node(w, "web1");
	struct pkey *keys[LIMIT_GROUP_KEYS];
	struct group_public before, after;
	struct made g, m;
	size_t count;

	for (unsigned n = 2; n <= LIMIT_GROUP_KEYS + 2; n++) {
		assert_int_equal(
		    wire_group_public_decode(group->record.public_part, &before, NULL), 0);
		assert_int_equal(rekey(w, group, false, &g), 0);
		assert_int_equal(
		    wire_group_public_decode(buf_span(&g.public_part), &after, NULL), 0);
		assert_int_equal(after.generation, n);
		assert_int_equal(after.live_keys.count, n <= 5 ? n - 1 : 4);
		assert_true(span_equal(after.live_keys.items[0], before.key));
		assert_int_equal(make_membership(w, NULL, &g, &web, &m), 0);
		count = open_membership(w, &m, web.sealing, keys);
		assert_int_equal(count, after.live_keys.count + 1);
		assert_true(span_equal(pkey_spki(keys[0]), after.key));
		release(keys, count);
		group = sign_made(w, &g, KIND_GROUP, "mail");
		made_fini(&g);
		made_fini(&m);
		group_public_fini(&before);
		group_public_fini(&after);
	}
	world_node_fini(&web);
}

/* `managers` itself: a standby gets its keys, old and new, and what is sealed later opens. */
static void
test_managers(void **state)
{
	struct signer_world *w = *state;
	struct world_node standby = world_add_standby(w, "standby");
	struct world_record *ca = world_add_ca(w, "Micro CA", "ec-p256"), *record;
	struct pkey *keys[LIMIT_GROUP_KEYS];
	struct made g, m, own;
	struct id id;
	size_t count;

	assert_int_equal(make_membership(w, w->managers_record, NULL, &standby, &m), 0);
	count = open_membership(w, &m, standby.sealing, keys);
	assert_int_equal(count, 1);
	release(keys, count);
	made_fini(&m);
	/* A new key; both members of the first hour get it. */
	assert_int_equal(rekey(w, w->managers_record, true, &g), 0);
	assert_int_equal(g.sealed.len, 0);
	assert_int_equal(make_membership(w, NULL, &g, &standby, &m), 0);
	assert_int_equal(make_membership(w, NULL, &g, &w->manager, &own), 0);
	count = open_membership(w, &m, standby.sealing, keys);
	assert_int_equal(count, 2);
	release(keys, count);
	own.ref.version = 2;
	record = sign_made(w, &g, KIND_GROUP, GROUP_MANAGERS);
	assert_int_equal(world_learn(w, record), 0);
	/* Sealed for version 1 and shown as 2: refused, and the old keys stay. */
	record = sign_made(w, &own, KIND_MEMBERSHIP, "");
	assert_int_equal(world_learn(w, record), ERR_CRYPTO);
	assert_int_equal(world_issue(w, ca, "ec-p256", (struct ids){0}, &id), 0);
	made_fini(&g);
	made_fini(&m);
	made_fini(&own);
	world_node_fini(&standby);
}

/* A second signer that learns the same opens what the first has sealed, in any order. */
static void
test_restart(void **state)
{
	struct signer_world *w = *state;
	struct world_record *ca = world_add_ca(w, "Micro CA", "ec-p256");
	struct signed_bytes items[64];
	struct signer_request learn = {.op = SIGNER_LEARN}, start;
	struct signed_designation d;
	size_t count = 0;
	struct id id;

	start = world_start_request(w, &d);
	for (struct world_record *r = w->records; r != NULL; r = r->next)
		if (r->record.kind != KIND_CA)
			items[count++] = r->bytes;
	/* The last first. */
	for (size_t i = 0; i < count / 2; i++) {
		struct signed_bytes swap = items[i];

		items[i] = items[count - 1 - i];
		items[count - 1 - i] = swap;
	}
	world_restart(w);
	assert_int_equal(world_ask(w, &start), 0);
	assert_int_equal(world_issue(w, ca, "ec-p256", (struct ids){0}, &id), ERR_DENIED);
	learn.learn.records = (struct signed_list){items, count};
	assert_int_equal(world_ask(w, &learn), 0);
	assert_int_equal(w->last.taken, count);
	assert_int_equal(world_issue(w, ca, "ec-p256", (struct ids){0}, &id), 0);
	assert_int_equal(world_ask(w, &learn), 0);
	assert_int_equal(w->last.taken, 0);
}

int
run_member_tests(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_member_opens),
	    TEST(test_new_key),
	    TEST(test_old_keys_leave),
	    TEST(test_managers),
	    TEST(test_restart),
	};

	return cmocka_run_group_tests_name("group", tests, NULL, NULL);
}
