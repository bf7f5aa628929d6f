#include "tests/support/test_node.h"

#include "common/crypto/envelope.h"
#include "common/crypto/sign.h"
#include "common/keyring/keyring.h"
#include "common/wire/public_wire.h"
#include "common/wire/record_wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ------------------------------------------------------------------------- trust */

static struct buf *
spki_of(const struct pkey *key)
{
	struct buf *b = buf_new(4096);

	CHECK(pkey_put_spki(key, b, NULL) == 0);
	return b;
}

static struct pkey *
new_key(enum key_type type)
{
	struct pkey *key = NULL;

	CHECK(pkey_generate(type, &key, NULL) == 0);
	return key;
}

/* The root makes the term key that of the next term. */
static void
designate(struct test_node *n)
{
	bool first = n->term == 0;
	struct position cut = {n->term, n->seq};
	AUTO(buf_freep)
	struct buf *spki = spki_of(n->term_key);
	AUTO(buf_freep)
	struct buf *body = buf_new(4096);
	AUTO(buf_freep)
	struct buf *signature = buf_new(SIGNATURE_MAX);
	const struct designation d = {
	    .term = term_make(first ? 1 : term_epoch(n->term) + 1, 0),
	    .node = n->pki.manager_node,
	    .term_key = buf_span(spki),
	    .reason = first ? REASON_FIRST : REASON_LOST,
	    .has_cut = !first,
	    .cut = cut,
	    .made_at = 1,
	};
	struct signed_designation s;
	struct err err;

	n->term = d.term;
	CHECK(wire_designation_encode(&d, body, NULL) == 0);
	CHECK(sign_put(n->pki.root_key, SIGN_DESIGNATION, &n->pki.domain, buf_span(body), signature,
		  NULL) == 0);
	s = (struct signed_designation){buf_span(body), buf_span(signature), SIGNER_ROOT_KEY};
	if (trust_add_designation(n->trust, &s, &err) < 0) {
		fprintf(stderr, "designation: %s\n", err.text);
		abort();
	}
}

static void
make_trust(struct test_node *n)
{
	struct hash pin;

	cert_fingerprint(n->pki.root, &pin);
	CHECK(trust_new(cert_der(n->pki.root), &pin, &n->trust, NULL) == 0);
	designate(n);
}

void
test_node_next_term(struct test_node *n)
{
	pkey_unref(n->term_key);
	n->term_key = new_key(KEY_EC_P256);
	designate(n);
}

/* ------------------------------------------------------------------------- node */

static void
on_receipt(void *arg, const struct receipt *r)
{
	struct test_node *n = arg;

	n->receipts++;
	n->receipt_generation = r->has_generation ? r->generation : (struct id){0};
	snprintf(n->receipt_error, sizeof(n->receipt_error), "%s", r->error);
}

static void
on_receipt_gone(void *arg, const struct id *credential)
{
	(void)credential;
	((struct test_node *)arg)->gone++;
}

static void
on_settled(void *arg)
{
	((struct test_node *)arg)->settled++;
}

static void
on_damaged(void *arg)
{
	((struct test_node *)arg)->damaged++;
}

void
test_node_init(struct test_node *n, struct loop *l, size_t opened_max)
{
	struct cache_params p = {
	    .runtime = loop_runtime(l),
	    .loop = l,
	    .opened_max = opened_max,
	    .events = {n, on_receipt, on_receipt_gone, on_settled, on_damaged},
	};
	struct store_params sp = {0};
	char path[80];

	*n = (struct test_node){.loop = l};
	pki_init(&n->pki);
	id_random(&n->id);
	n->sealing = new_key(KEY_EC_P256);
	n->other = new_key(KEY_EC_P256);
	n->term_key = new_key(KEY_EC_P256);
	make_trust(n);
	CHECK(keyring_new(&n->pki.domain, &n->id, n->sealing, &n->keyring, NULL) == 0);
	snprintf(n->dir, sizeof(n->dir), "/tmp/certherd-test-XXXXXX");
	CHECK(mkdtemp(n->dir) != NULL);
	snprintf(path, sizeof(path), "%s/store.db", n->dir);
	sp.path = path;
	CHECK(store_open(&sp, &n->store, NULL) == 0);
	p.store = n->store;
	p.keyring = n->keyring;
	CHECK(cache_new(&p, &n->cache, NULL) == 0);
}

static void
on_closed(void *arg)
{
	*(bool *)arg = true;
}

static void
drop_changes(struct test_node *n)
{
	for (size_t i = 0; i < n->change_count; i++) {
		struct record *r = (struct record *)(uintptr_t)(const void *)n->changes[i].record;

		record_free(r);
	}
	n->change_count = 0;
}

void
test_node_fini(struct test_node *n)
{
	static const char *const files[] = {"store.db", "store.db-wal", "store.db-shm"};

	cache_close(n->cache, on_closed, &n->closed);
	CHECK(wait_until(n->loop, wait_flag, &n->closed));
	store_close(n->store);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		char path[96];

		snprintf(path, sizeof(path), "%s/%s", n->dir, files[i]);
		(void)unlink(path);
	}
	(void)rmdir(n->dir);
	drop_changes(n);
	keyring_free(n->keyring);
	trust_free(n->trust);
	pkey_unref(n->sealing);
	pkey_unref(n->other);
	pkey_unref(n->term_key);
	pki_fini(&n->pki);
}

/* ------------------------------------------------------------------------- records */

void
test_credential_fini(struct test_credential *c)
{
	pkey_unref(c->key);
	cert_unref(c->leaf);
	*c = (struct test_credential){0};
}

void
test_node_issue(struct test_node *n, struct test_credential *c)
{
	static int64_t clock = 1000;

	if (id_is_zero(&c->id))
		id_random(&c->id);
	id_random(&c->generation);
	c->generation_version = 0;
	c->generations++;
	c->activated_at_ms = clock++;
	pkey_unref(c->key);
	cert_unref(c->leaf);
	c->key = new_key(c->type);
	c->leaf = pki_leaf(&n->pki, c->names[0], c->key);
	cert_fingerprint(c->leaf, &c->print);
}

static struct texts
names_of(const struct test_credential *c)
{
	struct texts t = {c->names, 0};

	while (t.count < TEST_NAMES_MAX && c->names[t.count] != NULL)
		t.count++;
	return t;
}

static void
publish(struct test_node *n, struct record *r)
{
	static size_t names;
	struct change *change = &n->changes[n->change_count++];

	CHECK(n->change_count <= TEST_CHANGES_MAX);
	r->term = n->term;
	r->seq = r->mutation = ++n->seq;
	r->committed_at_ms = 1;
	snprintf(r->author, sizeof(r->author), "test");
	snprintf(r->name, sizeof(r->name), "record%zu", names++);
	*change = (struct change){.record = record_dup(r)};
}

static void
put_credential(struct test_node *n, struct test_credential *c)
{
	AUTO(buf_freep)
	struct buf *body = buf_new(LIMIT_PUBLIC);
	const struct credential_public p = {
	    .names = c->wanted_name != NULL ? (struct texts){&c->wanted_name, 1} : names_of(c),
	    .key_type = c->wanted_type != NULL ? c->wanted_type : key_type_name(c->type),
	    .profile = c->wanted_profile,
	    .lifetime = 90 * 86400,
	    .has_active = true,
	    .active = c->generation,
	    .generations = c->generations,
	    .archived = c->archived,
	    .stale_after = c->stale_after,
	    .state = CREDENTIAL_ISSUED,
	    .error = "",
	};
	struct record r = {.kind = KIND_CREDENTIAL,
	    .id = c->id,
	    .version = ++c->version,
	    .removed = c->removed,
	    .access = {n->id},
	    .access_count = 1};

	CHECK(wire_credential_public_encode(&p, body, NULL) == 0);
	if (!c->removed)
		r.public_part = buf_span(body);
	publish(n, &r);
}

static void
seal(struct test_node *n, const struct test_credential *c, struct record *r, struct buf *out)
{
	const struct seal_binding binding = {
	    n->pki.domain, r->id, r->version, r->kind, r->public_part};
	const struct pkey *to = c->foreign ? n->other : n->sealing;
	AUTO(secret_freep)
	struct secret *pkcs8 = NULL;
	AUTO(secret_freep)
	struct secret *plain = NULL;

	CHECK(pkey_to_pkcs8(c->wrong_key ? n->other : c->key, &pkcs8, NULL) == 0);
	CHECK(wire_private_key_encode(pkcs8, &plain, NULL) == 0);
	CHECK(envelope_seal(&binding, plain, &to, 1, out, NULL) == 0);
	r->sealed = buf_span(out);
}

static void
put_generation(struct test_node *n, struct test_credential *c)
{
	AUTO(buf_freep)
	struct buf *body = buf_new(LIMIT_PUBLIC);
	AUTO(buf_freep)
	struct buf *sealed = buf_new(LIMIT_SEALED);
	AUTO(buf_freep)
	struct buf *spki = spki_of(c->key);
	const struct span chain[] = {cert_der(c->leaf), cert_der(n->pki.ca)};
	const struct generation_public p = {
	    .credential = c->id,
	    .number = c->generations,
	    .key = buf_span(spki),
	    .chain = {chain, c->leaf_alone ? 1 : 2},
	    .not_before = cert_not_before(c->leaf),
	    .not_after = cert_not_after(c->leaf),
	    .activated_at_ms = c->activated_at_ms,
	    .names = names_of(c),
	    .profile = "server",
	    .withdrawn = c->withdrawn,
	};
	struct id stranger = {{1}};
	struct record r = {.kind = KIND_GENERATION,
	    .id = c->generation,
	    .version = ++c->generation_version,
	    .access = {c->foreign ? stranger : n->id},
	    .access_count = 1};

	CHECK(wire_generation_public_encode(&p, body, NULL) == 0);
	r.public_part = buf_span(body);
	seal(n, c, &r, sealed);
	publish(n, &r);
}

void
test_node_put(struct test_node *n, struct test_credential *c)
{
	put_generation(n, c);
	put_credential(n, c);
}

void
test_node_put_membership(struct test_node *n, const struct id *group, const struct pkey *group_key)
{
	AUTO(buf_freep)
	struct buf *body = buf_new(LIMIT_PUBLIC);
	AUTO(buf_freep)
	struct buf *sealed = buf_new(LIMIT_SEALED);
	AUTO(secret_freep)
	struct secret *plain = NULL;
	const struct pkey *to = n->sealing;
	struct group_keys keys = {.count = 1};
	struct record r = {
	    .kind = KIND_MEMBERSHIP, .id = wire_membership_id(group, &n->id), .version = 1};
	struct seal_binding binding = {n->pki.domain, r.id, r.version, r.kind, {0}};
	struct key_id id;

	pkey_id(group_key, &id);
	const struct span ids[] = {SPAN_OF(id.bytes)};
	const struct membership_public p = {.group = *group, .node = n->id, .key_ids = {ids, 1}};

	CHECK(wire_membership_public_encode(&p, body, NULL) == 0);
	CHECK(pkey_to_pkcs8(group_key, &keys.pkcs8[0], NULL) == 0);
	CHECK(wire_group_keys_encode(&keys, &plain, NULL) == 0);
	group_keys_fini(&keys);
	r.public_part = binding.public_part = buf_span(body);
	CHECK(envelope_seal(&binding, plain, &to, 1, sealed, NULL) == 0);
	r.sealed = buf_span(sealed);
	publish(n, &r);
}

void
test_node_put_public(struct test_node *n, uint32_t kind, const struct id *id, uint64_t version,
    struct span public_part)
{
	struct record r = {.kind = kind,
	    .id = *id,
	    .version = version,
	    .removed = public_part.len == 0,
	    .public_part = public_part};

	publish(n, &r);
}

static void
store_one(struct test_node *n, const struct record *r)
{
	AUTO(buf_freep)
	struct buf *body = buf_new(LIMIT_RECORD);
	AUTO(buf_freep)
	struct buf *signature = buf_new(SIGNATURE_MAX);
	struct stored_record stored = {.id = r->id,
	    .kind = r->kind,
	    .name = r->name,
	    .at = record_position(r),
	    .mutation = r->mutation,
	    .version = r->version,
	    .committed_at_ms = r->committed_at_ms,
	    .removed = r->removed};
	struct store_change change = {.records = &stored, .record_count = 1};

	CHECK(wire_record_encode(r, body, NULL) == 0);
	CHECK(sign_put(n->term_key, SIGN_RECORD, &n->pki.domain, buf_span(body), signature, NULL) ==
	    0);
	stored.body = buf_span(body);
	stored.signature = buf_span(signature);
	hash_of(stored.body, &stored.hash);
	CHECK(store_apply(n->store, &change, NULL) == 0);
}

void
test_node_store(struct test_node *n)
{
	for (size_t i = 0; i < n->change_count; i++)
		store_one(n, n->changes[i].record);
	drop_changes(n);
}

static bool
is_settled(void *arg)
{
	return ((struct test_node *)arg)->settled > 0;
}

void
test_node_change(struct test_node *n)
{
	n->settled = 0;
	cache_apply(n->cache, n->trust, n->changes, n->change_count);
	drop_changes(n); /* the cache must have taken what it needs */
}

void
test_node_settle(struct test_node *n)
{
	CHECK(wait_until(n->loop, is_settled, n));
}

void
test_node_apply(struct test_node *n)
{
	for (size_t i = 0; i < n->change_count; i++)
		store_one(n, n->changes[i].record);
	test_node_change(n);
	test_node_settle(n);
}

static void
on_loaded(void *arg, int status, const struct err *err)
{
	CHECK(status == 0 && err == NULL);
	((struct test_node *)arg)->loaded = true;
}

void
test_node_load(struct test_node *n)
{
	n->loaded = false;
	CHECK(cache_load(n->cache, n->trust, on_loaded, n, NULL) == 0);
	CHECK(wait_until(n->loop, wait_flag, &n->loaded));
}

void
test_node_add(struct test_node *n, struct test_credential *c, const char *name, enum key_type type)
{
	*c = (struct test_credential){.names = {name}, .type = type};
	test_node_issue(n, c);
	test_node_put(n, c);
	test_node_apply(n);
}
