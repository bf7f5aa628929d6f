#include "common/keyring/keyring.h"

#include "common/crypto/envelope.h"
#include "common/crypto/sign.h"
#include "common/wire/public_wire.h"
#include "common/wire/record_wire.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* A domain of three nodes and a group, sealed by hand. */
static struct domain_id domain;
static struct id nodes[3], group;
static struct pkey *sealing[3], *group_keys[2];
static struct keyring *ring;

struct made {
	struct record record;
	struct buf *public_part, *sealed;
};

static void
made_fini(struct made *m)
{
	buf_free(m->public_part);
	buf_free(m->sealed);
}

static void
seal(struct made *m, const struct secret *plain, const struct pkey *const *to, size_t count)
{
	struct seal_binding binding = {
	    domain, m->record.id, m->record.version, m->record.kind, buf_span(m->public_part)};
	struct err err;

	m->sealed = buf_new(LIMIT_SEALED);
	assert_int_equal(envelope_seal(&binding, plain, to, count, m->sealed, &err), 0);
	m->record.public_part = buf_span(m->public_part);
	m->record.sealed = buf_span(m->sealed);
}

/* named: what the public part says is inside; to: whom it is sealed to. */
static struct made
membership(size_t node, size_t to, size_t keys, size_t named, uint64_t version)
{
	struct made m = {.record = {.kind = KIND_MEMBERSHIP, .version = version}};
	struct key_id ids[2];
	struct span id_spans[2];
	struct membership_public p = {.group = group, .node = nodes[node]};
	struct group_keys inside = {.count = keys};
	AUTO(secret_freep)
	struct secret *plain = NULL;
	const struct pkey *recipient = sealing[to];
	struct err err;

	m.record.id = wire_membership_id(&group, &nodes[node]);
	for (size_t i = 0; i < keys; i++)
		assert_int_equal(
		    pkey_to_pkcs8(group_keys[keys - 1 - i], &inside.pkcs8[i], &err), 0);
	for (size_t i = 0; i < named; i++) {
		pkey_id(group_keys[named - 1 - i], &ids[i]);
		id_spans[i] = SPAN_OF(ids[i].bytes);
	}
	p.key_ids = (struct spans){id_spans, named};
	m.public_part = buf_new(LIMIT_PUBLIC);
	assert_int_equal(wire_membership_public_encode(&p, m.public_part, &err), 0);
	assert_int_equal(wire_group_keys_encode(&inside, &plain, &err), 0);
	group_keys_fini(&inside);
	seal(&m, plain, &recipient, 1);
	return m;
}

static struct made
generation(const struct pkey *credential_key, const struct pkey *const *to, size_t count)
{
	struct made m = {.record = {.kind = KIND_GENERATION, .version = 1}};
	AUTO(secret_freep)
	struct secret *pkcs8 = NULL;
	AUTO(secret_freep)
	struct secret *plain = NULL;
	struct err err;

	id_random(&m.record.id);
	m.public_part = buf_new(LIMIT_PUBLIC);
	buf_put_str(m.public_part, "any public part");
	assert_int_equal(pkey_to_pkcs8(credential_key, &pkcs8, &err), 0);
	assert_int_equal(wire_private_key_encode(pkcs8, &plain, &err), 0);
	seal(&m, plain, to, count);
	return m;
}

static int
setup(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(secret_heap_init(256 * 1024, &err), 0);
	random_bytes(domain.bytes, sizeof(domain.bytes));
	id_random(&group);
	for (size_t i = 0; i < 3; i++) {
		id_random(&nodes[i]);
		assert_int_equal(pkey_generate(KEY_EC_P256, &sealing[i], &err), 0);
	}
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(pkey_generate(KEY_EC_P256, &group_keys[i], &err), 0);
	assert_int_equal(keyring_new(&domain, &nodes[0], sealing[0], &ring, &err), 0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	keyring_free(ring);
	for (size_t i = 0; i < 3; i++)
		pkey_unref(sealing[i]);
	for (size_t i = 0; i < 2; i++)
		pkey_unref(group_keys[i]);
	return 0;
}

static int
open_result(const struct made *m, const struct pkey *key)
{
	AUTO(pkey_unrefp)
	struct pkey *out = NULL;
	AUTO(buf_freep)
	struct buf *spki = buf_new(4096);
	struct err err;
	int r;

	assert_int_equal(pkey_put_spki(key, spki, &err), 0);
	r = keyring_open_key(ring, &m->record, buf_span(spki), &out, &err);
	if (r == 0)
		assert_true(pkey_has_private(out) && pkey_same_public(out, key));
	else
		assert_null(out);
	return r;
}

static void
test_own_key(void **state)
{
	struct pkey *key = NULL, *other = NULL;
	struct made mine, others;
	struct err err;

	(void)state;
	assert_int_equal(pkey_generate(KEY_EC_P256, &key, &err), 0);
	assert_int_equal(pkey_generate(KEY_EC_P256, &other, &err), 0);
	mine = generation(key, (const struct pkey *[]){sealing[1], sealing[0]}, 2);
	others = generation(key, (const struct pkey *[]){sealing[1], sealing[2]}, 2);
	assert_int_equal(open_result(&mine, key), 0);
	assert_int_equal(open_result(&mine, other), ERR_CRYPTO);
	assert_int_equal(open_result(&others, key), ERR_NOTFOUND);

	/* Moved to another version, another record, another public part: no key comes out. */
	mine.record.version++;
	assert_int_equal(open_result(&mine, key), ERR_CRYPTO);
	mine.record.version--;
	mine.record.id.bytes[0] ^= 1;
	assert_int_equal(open_result(&mine, key), ERR_CRYPTO);
	mine.record.id.bytes[0] ^= 1;
	mine.record.public_part = span_str("any public parT");
	assert_int_equal(open_result(&mine, key), ERR_CRYPTO);
	made_fini(&mine);
	made_fini(&others);
	pkey_unref(key);
	pkey_unref(other);
}

static void
test_group(void **state)
{
	struct made first = membership(0, 0, 1, 1, 1), second = membership(0, 0, 2, 2, 2);
	struct made foreign = membership(1, 1, 1, 1, 1), to_old, to_new;
	struct pkey *key = NULL;
	struct err err;

	(void)state;
	assert_int_equal(pkey_generate(KEY_EC_P256, &key, &err), 0);
	to_old = generation(key, (const struct pkey *[]){group_keys[0]}, 1);
	to_new = generation(key, (const struct pkey *[]){group_keys[1]}, 1);

	assert_false(keyring_has_access(ring, &group, 1));
	assert_int_equal(open_result(&to_old, key), ERR_NOTFOUND);
	assert_int_equal(keyring_learn(ring, &foreign.record, &err), 0);
	assert_false(keyring_in_group(ring, &group));

	assert_int_equal(keyring_learn(ring, &first.record, &err), 1);
	assert_int_equal(keyring_learn(ring, &first.record, &err), 0);
	assert_true(keyring_has_access(ring, &group, 1));
	assert_true(keyring_has_access(ring, &nodes[0], 1));
	assert_false(keyring_has_access(ring, &nodes[1], 1));
	assert_int_equal(open_result(&to_old, key), 0);
	assert_int_equal(open_result(&to_new, key), ERR_NOTFOUND);

	assert_int_equal(keyring_learn(ring, &second.record, &err), 1);
	assert_int_equal(open_result(&to_old, key), 0);
	assert_int_equal(open_result(&to_new, key), 0);

	second.record.removed = true;
	assert_int_equal(keyring_learn(ring, &second.record, &err), 1);
	assert_false(keyring_in_group(ring, &group));
	assert_int_equal(open_result(&to_old, key), ERR_NOTFOUND);
	made_fini(&first);
	made_fini(&second);
	made_fini(&foreign);
	made_fini(&to_old);
	made_fini(&to_new);
	pkey_unref(key);
}

/* A membership that is not there any more, without a tombstone. */
static void
test_keep(void **state)
{
	struct made own = membership(0, 0, 1, 1, 1), sealed;
	struct pkey *key = NULL;
	struct err err;

	(void)state;
	assert_int_equal(pkey_generate(KEY_EC_P256, &key, &err), 0);
	sealed = generation(key, (const struct pkey *[]){group_keys[0]}, 1);
	assert_int_equal(keyring_learn(ring, &own.record, &err), 1);
	assert_int_equal(keyring_keep(ring, (struct id[]){nodes[1], own.record.id}, 2), 0);
	assert_int_equal(open_result(&sealed, key), 0);
	assert_int_equal(keyring_keep(ring, &nodes[1], 1), 1);
	assert_false(keyring_in_group(ring, &group));
	assert_int_equal(open_result(&sealed, key), ERR_NOTFOUND);
	assert_int_equal(keyring_keep(ring, NULL, 0), 0);
	made_fini(&own);
	made_fini(&sealed);
	pkey_unref(key);
}

static void
test_bad_membership_changes_nothing(void **state)
{
	struct made good = membership(0, 0, 1, 1, 1);
	struct made sealed_to_other = membership(0, 1, 1, 1, 2);
	struct made names_other_keys = membership(0, 0, 2, 1, 2);
	struct err err;

	(void)state;
	assert_int_equal(keyring_learn(ring, &good.record, &err), 1);
	assert_int_equal(keyring_learn(ring, &sealed_to_other.record, &err), ERR_NOTFOUND);
	assert_int_equal(keyring_learn(ring, &names_other_keys.record, &err), ERR_CRYPTO);
	good.record.version++;
	assert_int_equal(keyring_learn(ring, &good.record, &err), ERR_CRYPTO);
	assert_non_null(strstr(err.text, "membership "));
	assert_true(keyring_in_group(ring, &group));
	made_fini(&good);
	made_fini(&sealed_to_other);
	made_fini(&names_other_keys);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_own_key),
	    cmocka_unit_test(test_group),
	    cmocka_unit_test(test_keep),
	    cmocka_unit_test(test_bad_membership_changes_nothing),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
