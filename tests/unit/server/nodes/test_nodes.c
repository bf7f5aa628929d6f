#include "common/crypto/sign.h"
#include "tests/support/office_words.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *const web1[] = {"web1", NULL};
static const char *const both[] = {"web1", "web2", NULL};

struct keys {
	struct pkey *identity, *sealing;
};

static struct keys
make_keys(void)
{
	struct keys k;
	struct err err;

	assert_int_equal(pkey_generate(KEY_EC_P256, &k.identity, &err), 0);
	assert_int_equal(pkey_generate(KEY_EC_P256, &k.sealing, &err), 0);
	return k;
}

static void
keys_fini(struct keys *k)
{
	pkey_unref(k->identity);
	pkey_unref(k->sealing);
}

#define KEYS                                                                                       \
	AUTO(keys_fini)                                                                            \
	struct keys

static const struct index_record *
node(struct office *o, const char *name)
{
	return index_named(o->index, KIND_NODE, name);
}

static void
test_join(void **state)
{
	struct office *o = *state;
	KEYS k = make_keys(), other = make_keys();
	AUTO(cert_unrefp)
	struct cert *c = NULL;
	struct domain_id domain;
	struct id id, first;

	assert_int_equal(office_token(o, "web1"), 0);
	assert_int_equal(office_join_with(o, "web1", k.identity, k.sealing), 0);
	first = o->answer.node;
	assert_string_equal(o->answer.commit.durability, "local");
	assert_true(o->answer.term == WORLD_TERM);
	assert_int_equal(o->answer.endpoints.count, 1);
	assert_true(span_equal(o->answer.root_certificate, cert_der(o->world.root)));
	assert_true(span_equal(o->answer.manager_certificate, cert_der(o->world.manager_cert)));
	assert_int_equal(cert_parse(buf_span(&o->certificate), &c, &o->err), 0);
	assert_int_equal(cert_identity(c, &domain, &id, &o->err), 0);
	assert_true(id_equal(&id, &first) && cert_has_key(c, k.identity));
	assert_non_null(node(o, "web1"));
	assert_int_equal(node(o, "web1")->node->role, ROLE_REPLICA);
	assert_int_equal(node(o, "web1")->node->addresses.count, 2);
	assert_true(nodes_is_live(o->nodes, &first, k.identity));
	assert_false(nodes_is_live(o->nodes, &first, other.identity));
	/* The same keys get the same answer, also after a restart; others get none. */
	assert_int_equal(office_join_with(o, "web1", k.identity, k.sealing), 0);
	assert_true(id_equal(&o->answer.node, &first));
	assert_true(span_equal(buf_span(&o->certificate), cert_der(c)));
	assert_int_equal(office_join_with(o, "web1", other.identity, other.sealing), ERR_DENIED);
	office_restart(o);
	assert_int_equal(office_join_with(o, "web1", k.identity, k.sealing), 0);
	assert_true(id_equal(&o->answer.node, &first));
	assert_int_equal(office_join_with(o, "web1", other.identity, other.sealing), ERR_DENIED);
	assert_int_equal(office_join_with(o, "web1", k.identity, other.sealing), ERR_DENIED);
	/* Nor after the node was removed: the token is used up. */
	OK(nodes_remove(o->nodes, "web1", "test", office_on_nodes, o, &o->err));
	assert_int_equal(office_join_with(o, "web1", other.identity, other.sealing), ERR_DENIED);
	assert_false(nodes_is_live(o->nodes, &first, k.identity));
}

static void
test_join_refused(void **state)
{
	struct office *o = *state;
	KEYS k = make_keys();

	assert_int_equal(office_token(o, "Bad Name"), ERR_INVALID);
	assert_int_equal(office_token(o, "web1"), 0);
	assert_int_equal(office_join_with(o, "web2", k.identity, k.sealing), ERR_DENIED);
	office_sleep(o, TOKEN_TTL_DEFAULT + 1);
	assert_int_equal(office_join_with(o, "web1", k.identity, k.sealing), ERR_DENIED);
	assert_null(node(o, "web1"));
	office_add_node(o, "web1");
	assert_int_equal(office_token(o, "web1"), ERR_EXISTS);
	assert_non_null(strstr(o->err.text, "node remove"));
}

/* The name is taken between token and join. */
static void
test_join_taken_name(void **state)
{
	struct office *o = *state;
	KEYS k = make_keys(), other = make_keys();
	AUTO(secret_freep)
	struct secret *second = NULL;

	assert_int_equal(office_token(o, "web1"), 0);
	second = MOVE(o->token);
	assert_int_equal(office_token(o, "web1"), 0);
	assert_int_equal(office_join_with(o, "web1", k.identity, k.sealing), 0);
	secret_free(o->token);
	o->token = MOVE(second);
	assert_int_equal(office_join_with(o, "web1", other.identity, other.sealing), ERR_EXISTS);
}

static void
on_join(void *arg, int status, const struct join_answer *answer, const struct err *err)
{
	struct office *o = arg;

	(void)answer;
	o->called = true;
	o->status = status;
	if (err != NULL)
		o->err = *err;
}

static int
join_raw(struct office *o, const struct join_request *r)
{
	o->called = false;
	return office_wait(o, nodes_join(o->nodes, r, on_join, o, &o->err));
}

/* What a request must prove, one after another. */
static void
test_join_proofs(void **state)
{
	struct office *o = *state;
	KEYS k = make_keys(), other = make_keys();
	AUTO(buf_freep)
	struct buf *csr = buf_new(LIMIT_CERT);
	AUTO(buf_freep)
	struct buf *csr2 = buf_new(LIMIT_CERT);
	AUTO(buf_freep)
	struct buf *proof = buf_new(LIMIT_SIGNATURE);
	AUTO(pkey_unrefp)
	struct pkey *rsa = NULL;
	const char *const wildcard[] = {"*.example.org", NULL};
	struct join_token t;
	struct join_request good = {.name = "web1"}, r;
	struct hash h;

	assert_int_equal(office_token(o, "web1"), 0);
	assert_int_equal(join_token_parse(o->token, &t, &o->err), 0);
	assert_int_equal(csr_make(k.identity, "web1", csr, &o->err), 0);
	hash_of(buf_span(csr), &h);
	assert_int_equal(
	    sign_put(k.sealing, SIGN_JOIN, &o->world.domain, SPAN_OF(h.bytes), proof, &o->err), 0);
	memcpy(good.token.bytes, t.token_id, ID_LEN);
	good.secret = t.secret;
	good.csr = buf_span(csr);
	good.sealing_key = pkey_spki(k.sealing);
	good.sealing_proof = buf_span(proof);
	/* A key that the asker does not hold; a proof of another request. */
	r = good;
	r.sealing_key = pkey_spki(other.sealing);
	assert_int_equal(join_raw(o, &r), ERR_CRYPTO);
	assert_int_equal(csr_make(other.identity, "web1", csr2, &o->err), 0);
	r = good;
	r.csr = buf_span(csr2);
	assert_int_equal(join_raw(o, &r), ERR_CRYPTO);
	csr->data[csr->len - 1] ^= 1;
	assert_true(join_raw(o, &good) < 0);
	csr->data[csr->len - 1] ^= 1;
	r = good;
	r.addresses = office_texts(wildcard);
	assert_int_equal(join_raw(o, &r), ERR_INVALID);
	r = good;
	r.sealing_key.len = 0;
	assert_int_equal(join_raw(o, &r), ERR_INVALID);
	assert_int_equal(pkey_generate(KEY_RSA_2048, &rsa, &o->err), 0);
	buf_clear(csr2);
	assert_int_equal(csr_make(rsa, "web1", csr2, &o->err), 0);
	r = good;
	r.csr = buf_span(csr2);
	assert_int_equal(join_raw(o, &r), ERR_INVALID);
	assert_null(node(o, "web1"));
	assert_int_equal(join_raw(o, &good), 0);
	join_token_fini(&t);
}

static void
test_join_tries(void **state)
{
	struct office *o = *state;
	KEYS k = make_keys();
	AUTO(secret_freep)
	struct secret *wrong = NULL;
	struct join_request r = {
	    .name = "web1", .csr = span_str("x"), .sealing_key = span_str("x")};
	struct err err;

	assert_int_equal(office_token(o, "web1"), 0);
	assert_int_equal(secret_new(JOIN_TOKEN_SECRET_LEN, &wrong, &err), 0);
	r.token = o->token_id;
	r.secret = wrong;
	for (int i = 0; i < TOKEN_TRIES; i++)
		assert_int_equal(join_raw(o, &r), ERR_DENIED);
	/* Void now, and after a restart. */
	assert_int_equal(office_join_with(o, "web1", k.identity, k.sealing), ERR_DENIED);
	office_restart(o);
	assert_int_equal(office_join_with(o, "web1", k.identity, k.sealing), ERR_DENIED);
	/* Whoever guesses at large meets the limit of the minute; then it goes on. */
	for (int i = 0; i < JOIN_TRIES_MIN; i++)
		assert_true(join_raw(o, &r) < 0);
	assert_int_equal(join_raw(o, &r), ERR_AGAIN);
	office_settle(o);
	office_add_node(o, "web1");
}

/* 100 at once with one token: one wins. */
struct race {
	size_t done, good, denied;
};

static void
on_race(void *arg, int status, const struct join_answer *answer, const struct err *err)
{
	struct race *r = arg;

	(void)answer;
	(void)err;
	r->done++;
	r->good += status == 0;
	r->denied += status == ERR_DENIED;
}

static bool
race_is_over(void *arg)
{
	return ((struct race *)arg)->done == 100;
}

static void
test_join_race(void **state)
{
	struct office *o = *state;
	struct race race = {0};
	struct join_token t;

	assert_int_equal(office_token(o, "web1"), 0);
	assert_int_equal(join_token_parse(o->token, &t, &o->err), 0);
	for (int i = 0; i < 100; i++) {
		KEYS k = make_keys();
		AUTO(buf_freep)
		struct buf *csr = buf_new(LIMIT_CERT);
		AUTO(buf_freep)
		struct buf *proof = buf_new(LIMIT_SIGNATURE);
		struct join_request r = {.name = "web1", .secret = t.secret};
		struct hash h;

		assert_int_equal(csr_make(k.identity, "web1", csr, &o->err), 0);
		hash_of(buf_span(csr), &h);
		assert_int_equal(sign_put(k.sealing, SIGN_JOIN, &o->world.domain, SPAN_OF(h.bytes),
				     proof, &o->err),
		    0);
		memcpy(r.token.bytes, t.token_id, ID_LEN);
		r.csr = buf_span(csr);
		r.sealing_key = pkey_spki(k.sealing);
		r.sealing_proof = buf_span(proof);
		assert_int_equal(nodes_join(o->nodes, &r, on_race, &race, &o->err), 0);
	}
	assert_true(virtual_until(&o->time, race_is_over, &race, 60000));
	assert_int_equal(race.good, 1);
	assert_int_equal(race.denied, 99);
	assert_int_equal(index_count(o->index, KIND_NODE), 3);
	join_token_fini(&t);
}

/* --- identities --- */

static void
on_identity(void *arg, int status, struct span certificate, struct span manager_certificate,
    const struct err *err)
{
	struct office *o = arg;

	on_join(o, status, NULL, err);
	if (status < 0)
		return;
	buf_clear(&o->certificate);
	buf_put_span(&o->certificate, certificate);
	assert_true(span_equal(manager_certificate, cert_der(o->world.manager_cert)));
}

static const char *const *renew_addresses;

static int
renew(struct office *o, const struct id *id, const struct pkey *identity,
    const struct pkey *sealing, const struct pkey *proves)
{
	AUTO(buf_freep)
	struct buf *csr = buf_new(LIMIT_CERT);
	AUTO(buf_freep)
	struct buf *proof = buf_new(LIMIT_SIGNATURE);
	struct nodes_identity_request r = {0};
	struct hash h;

	assert_int_equal(csr_make(identity, "x", csr, &o->err), 0);
	hash_of(buf_span(csr), &h);
	if (sealing != NULL) {
		r.sealing_key = pkey_spki(sealing);
		assert_int_equal(
		    sign_put(proves, SIGN_JOIN, &o->world.domain, SPAN_OF(h.bytes), proof, &o->err),
		    0);
	}
	r.csr = buf_span(csr);
	r.sealing_proof = buf_span(proof);
	r.addresses = office_texts(renew_addresses);
	o->called = false;
	return office_wait(o, nodes_identity(o->nodes, id, &r, on_identity, o, &o->err));
}

static void
test_identity(void **state)
{
	struct office *o = *state;
	struct office_node *one = office_add_node(o, "web1"), *two = office_add_node(o, "web2");
	KEYS k = make_keys();
	AUTO(cert_unrefp)
	struct cert *c = NULL;
	struct id none = {{9}};

	OK(nodes_group_create(
	    o->nodes, "mail", office_texts(both), "test", office_on_nodes, o, &o->err));
	assert_int_equal(
	    office_add_credential(o, "a.example.org", (const char *const[]){"@mail", NULL}), 0);
	assert_int_equal(office_add_credential(o, "b.example.org", web1), 0);
	/* Another identity key, the same sealing key. */
	assert_int_equal(renew(o, &one->id, k.identity, NULL, NULL), 0);
	assert_int_equal(cert_parse(buf_span(&o->certificate), &c, &o->err), 0);
	assert_true(cert_has_key(c, k.identity));
	assert_true(nodes_is_live(o->nodes, &one->id, k.identity));
	assert_false(nodes_is_live(o->nodes, &one->id, one->identity));
	assert_int_equal(node(o, "web1")->node->addresses.count, 2);
	/* Another sealing key: memberships and seals follow. */
	assert_int_equal(renew(o, &one->id, k.identity, k.sealing, two->sealing), ERR_CRYPTO);
	assert_int_equal(renew(o, &one->id, k.identity, k.sealing, k.sealing), 0);
	pkey_unref(one->sealing);
	one->sealing = pkey_ref(k.sealing);
	office_settle(o);
	assert_true(office_can_open(o, one, "a.example.org"));
	assert_true(office_can_open(o, one, "b.example.org"));
	assert_true(office_can_open(o, two, "a.example.org"));
	assert_int_equal(renew(o, &none, k.identity, NULL, NULL), ERR_DENIED);
	OK(nodes_remove(o->nodes, "web1", "test", office_on_nodes, o, &o->err));
	assert_int_equal(renew(o, &one->id, k.identity, NULL, NULL), ERR_DENIED);
}

static void
note_name(void *arg, const char *name)
{
	struct office *o = arg;
	size_t len = strlen(o->name);

	snprintf(o->name + len, sizeof(o->name) - len, "%s ", name);
}

/*
 * Whoever joins believes a certificate of the domain for the address that it has dialled: a member
 * gets none for the server's.
 */
static void
test_addresses_of_the_server(void **state)
{
	static const char *const mine[] = {"192.0.2.1", "web1.example.org", NULL};
	struct office *o = *state;
	struct office_node *one = office_add_node(o, "web1");
	AUTO(cert_unrefp)
	struct cert *c = NULL;

	renew_addresses = mine;
	assert_int_equal(renew(o, &one->id, one->identity, NULL, NULL), 0);
	renew_addresses = NULL;
	assert_int_equal(cert_parse(buf_span(&o->certificate), &c, &o->err), 0);
	o->name[0] = 0;
	assert_int_equal(cert_each_name(c, note_name, o), 1);
	assert_string_equal(o->name, "web1.example.org ");
	/* They are still its own, for people. */
	assert_int_equal(node(o, "web1")->node->addresses.count, 2);
}

/* --- removal and groups --- */

static bool
on_exposed(void *arg, const struct index_record *r)
{
	struct office *o = arg;
	size_t len = strlen(o->name);

	assert_int_equal(r->kind, KIND_CREDENTIAL);
	snprintf(o->name + len, sizeof(o->name) - len, "%s ", r->name);
	return true;
}

static void
test_remove(void **state)
{
	struct office *o = *state;
	struct office_node *one = office_add_node(o, "web1"), *two = office_add_node(o, "web2");
	struct id group_key_before, id;
	const struct index_record *group;

	OK(nodes_group_create(
	    o->nodes, "mail", office_texts(both), "test", office_on_nodes, o, &o->err));
	OK(nodes_group_create(
	    o->nodes, "web", office_texts(web1), "test", office_on_nodes, o, &o->err));
	assert_int_equal(
	    office_add_credential(o, "a.example.org", (const char *const[]){"@mail", NULL}), 0);
	assert_int_equal(office_add_credential(o, "b.example.org", web1), 0);
	assert_int_equal(
	    office_add_credential(o, "c.example.org", (const char *const[]){"web2", NULL}), 0);
	o->name[0] = 0;
	nodes_exposed(o->nodes, &one->id, on_exposed, o);
	assert_non_null(strstr(o->name, "a.example.org"));
	assert_non_null(strstr(o->name, "b.example.org"));
	assert_null(strstr(o->name, "c.example.org"));
	/* Managers open everything, and stand in no list of access. */
	o->name[0] = 0;
	nodes_exposed(o->nodes, &node(o, "manager")->id, on_exposed, o);
	assert_non_null(strstr(o->name, "a.example.org"));
	assert_non_null(strstr(o->name, "c.example.org"));
	group = index_named(o->index, KIND_GROUP, "mail");
	memcpy(group_key_before.bytes, group->group->key.data + 27, ID_LEN);
	id = one->id;
	OK(nodes_remove(o->nodes, "web1", "test", office_on_nodes, o, &o->err));
	assert_string_equal(o->warning, "");
	assert_int_equal(o->thrown_out, 1);
	/* Both groups have a new key already, and the memberships are gone. */
	assert_null(node(o, "web1"));
	assert_int_equal(index_count(o->index, KIND_MEMBERSHIP), 3);
	group = index_named(o->index, KIND_GROUP, "mail");
	assert_int_equal(group->group->generation, 2);
	assert_int_equal(group->group->live_keys.count, 1);
	assert_memory_not_equal(group_key_before.bytes, group->group->key.data + 27, ID_LEN);
	assert_int_equal(index_named(o->index, KIND_GROUP, "web")->group->generation, 2);
	office_settle(o);
	assert_false(office_can_open(o, one, "a.example.org"));
	assert_true(office_can_open(o, two, "a.example.org"));
	FAILS(ERR_NOTFOUND, nodes_remove(o->nodes, "web1", "test", office_on_nodes, o, &o->err));
	FAILS(ERR_DENIED, nodes_remove(o->nodes, "manager", "test", office_on_nodes, o, &o->err));
	/* The name is free, for another node. */
	office_add_node(o, "web1");
	assert_false(id_equal(&node(o, "web1")->id, &id));
}

/* The server ends between the removal and the new key of the group. */
static void
test_remove_crash(void **state)
{
	struct office *o = *state;

	office_add_node(o, "web1");
	office_add_node(o, "web2");
	OK(nodes_group_create(
	    o->nodes, "mail", office_texts(both), "test", office_on_nodes, o, &o->err));
	o->called = false;
	assert_int_equal(nodes_remove(o->nodes, "web1", "test", office_on_nodes, o, &o->err), 0);
	while (node(o, "web1") != NULL)
		assert_true(virtual_step(&o->time));
	assert_int_equal(index_named(o->index, KIND_GROUP, "mail")->group->generation, 1);
	office_restart(o);
	office_settle(o);
	assert_int_equal(index_named(o->index, KIND_GROUP, "mail")->group->generation, 2);
	assert_int_equal(index_count(o->index, KIND_MEMBERSHIP), 3);
}

static void
test_groups(void **state)
{
	struct office *o = *state;
	const char *const unknown[] = {"web9", NULL};
	const struct index_record *g;

	office_add_node(o, "web1");
	office_add_node(o, "web2");
	FAILS(ERR_NOTFOUND,
	    nodes_group_create(
		o->nodes, "mail", office_texts(unknown), "test", office_on_nodes, o, &o->err));
	FAILS(ERR_INVALID,
	    nodes_group_create(
		o->nodes, "@mail", office_texts(web1), "test", office_on_nodes, o, &o->err));
	OK(nodes_group_create(
	    o->nodes, "mail", office_texts(web1), "test", office_on_nodes, o, &o->err));
	FAILS(ERR_EXISTS,
	    nodes_group_create(
		o->nodes, "mail", office_texts(web1), "test", office_on_nodes, o, &o->err));
	FAILS(ERR_EXISTS,
	    nodes_group_add(o->nodes, "mail", "web1", "test", office_on_nodes, o, &o->err));
	OK(nodes_group_add(o->nodes, "mail", "web2", "test", office_on_nodes, o, &o->err));
	FAILS(ERR_NOTFOUND,
	    nodes_group_add(o->nodes, "mail", "web9", "test", office_on_nodes, o, &o->err));
	FAILS(ERR_NOTFOUND,
	    nodes_group_add(o->nodes, "news", "web1", "test", office_on_nodes, o, &o->err));
	OK(nodes_group_remove(
	    o->nodes, "mail", "web1", false, "test", office_on_nodes, o, &o->err));
	FAILS(ERR_NOTFOUND,
	    nodes_group_remove(
		o->nodes, "mail", "web1", false, "test", office_on_nodes, o, &o->err));
	/* Back again: the membership goes on from its tombstone. */
	OK(nodes_group_add(o->nodes, "mail", "web1", "test", office_on_nodes, o, &o->err));
	g = index_named(o->index, KIND_GROUP, "mail");
	assert_int_equal(g->group->generation, 2);
	assert_int_equal(index_count(o->index, KIND_MEMBERSHIP), 4);
	/* certherd's own group is not for administrators. */
	FAILS(ERR_DENIED,
	    nodes_group_add(o->nodes, GROUP_MANAGERS, "web1", "test", office_on_nodes, o, &o->err));
	FAILS(ERR_DENIED,
	    nodes_group_delete(o->nodes, GROUP_MANAGERS, "test", office_on_nodes, o, &o->err));
	OK(nodes_set_default_access(o->nodes, office_texts((const char *const[]){"@mail", NULL}),
	    "test", office_on_nodes, o, &o->err));
	FAILS(ERR_BUSY, nodes_group_delete(o->nodes, "mail", "test", office_on_nodes, o, &o->err));
	OK(nodes_set_default_access(
	    o->nodes, office_texts(web1), "test", office_on_nodes, o, &o->err));
	assert_int_equal(index_setting(o->index, SETTING_DEFAULT_ACCESS)->records.count, 1);
	OK(nodes_group_delete(o->nodes, "mail", "test", office_on_nodes, o, &o->err));
	assert_int_equal(index_count(o->index, KIND_MEMBERSHIP), 2);
	assert_int_equal(index_count(o->index, KIND_GROUP), 1);
}

/* More removals than a group may have live keys: the old ones go when nothing needs them. */
static void
test_many_keys(void **state)
{
	struct office *o = *state;
	struct office_node *two;

	office_add_node(o, "web1");
	two = office_add_node(o, "web2");
	OK(nodes_group_create(
	    o->nodes, "mail", office_texts(both), "test", office_on_nodes, o, &o->err));
	assert_int_equal(
	    office_add_credential(o, "a.example.org", (const char *const[]){"@mail", NULL}), 0);
	for (int i = 0; i < LIMIT_GROUP_KEYS + 4; i++) {
		OK(nodes_group_remove(
		    o->nodes, "mail", "web1", false, "test", office_on_nodes, o, &o->err));
		OK(nodes_group_add(o->nodes, "mail", "web1", "test", office_on_nodes, o, &o->err));
		office_settle(o);
		assert_true(office_can_open(o, two, "a.example.org"));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_OFFICE(test_join),
	    WITH_OFFICE(test_join_refused),
	    WITH_OFFICE(test_join_taken_name),
	    WITH_OFFICE(test_join_proofs),
	    WITH_OFFICE(test_join_tries),
	    WITH_OFFICE(test_join_race),
	    WITH_OFFICE(test_identity),
	    WITH_OFFICE(test_addresses_of_the_server),
	    WITH_OFFICE(test_remove),
	    WITH_OFFICE(test_remove_crash),
	    WITH_OFFICE(test_groups),
	    WITH_OFFICE(test_many_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
