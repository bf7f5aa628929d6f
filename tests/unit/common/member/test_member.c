#include "common/member/member.h"

#include "common/crypto/sign.h"
#include "common/sys/file.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/certherd-member-XXXXXX";
static struct member made;
static struct pkey *manager_of_made; /* key of made.chain[1] */

static int
setup(void **state)
{
	struct pkey *root_key = NULL, *manager_key = NULL;
	struct cert *manager = NULL;
	struct identity_params p = {0};
	struct err err;
	int64_t now = (int64_t)time(NULL);
	const char *address = "127.0.0.1";

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(secret_heap_init(256 * 1024, &err), 0);
	random_bytes(made.domain.bytes, HASH_LEN);
	id_random(&made.node);
	snprintf(made.domain_name, sizeof(made.domain_name), "example.org");
	snprintf(made.name, sizeof(made.name), "web1");
	snprintf(made.endpoints[0], sizeof(made.endpoints[0]), "127.0.0.1:7443");
	made.endpoint_count = 1;
	made.high_term = UINT64_C(1) << 32;
	assert_int_equal(pkey_generate(KEY_EC_P384, &root_key, &err), 0);
	assert_int_equal(pkey_generate(KEY_EC_P256, &manager_key, &err), 0);
	assert_int_equal(pkey_generate(KEY_EC_P256, &made.identity_key, &err), 0);
	assert_int_equal(
	    cert_issue_root(root_key, "example.org", &made.domain, now, &made.root, &err), 0);
	assert_int_equal(
	    cert_issue_manager(made.root, root_key, manager_key, &made.node, now, &manager, &err),
	    0);
	p = (struct identity_params){made.identity_key, made.domain, made.node, made.name, &address,
	    1, now - 60, now + 3600};
	assert_int_equal(cert_issue_identity(manager, manager_key, &p, &made.chain[0], &err), 0);
	made.chain[1] = manager;
	made.chain_count = 2;
	cert_fingerprint(made.root, &made.root_fingerprint);
	pkey_unref(root_key);
	manager_of_made = manager_key;
	return 0;
}

static int
teardown(void **state)
{
	static const char *const files[] = {
	    "domain.json", "root.pem", "identity.pem", "high-term", "keys/identity.key", "keys"};
	char path[128];

	(void)state;
	member_fini(&made);
	pkey_unref(manager_of_made);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		assert_int_equal(remove(path), 0);
	}
	return rmdir(dir);
}

static void
test_round_trip(void **state)
{
	struct member m = {0};
	struct err err;

	(void)state;
	assert_false(member_exists(dir));
	assert_int_equal(member_load(dir, &m, &err), ERR_NOTFOUND);
	assert_non_null(strstr(err.text, "certherd-replica join"));
	assert_int_equal(member_make_dirs(dir, &err), 0);
	assert_int_equal(member_save_key(dir, "identity", made.identity_key, &err), 0);
	assert_int_equal(member_write(dir, &made, &err), 0);
	assert_true(member_exists(dir));
	assert_int_equal(member_load(dir, &m, &err), 0);
	assert_string_equal(m.domain_name, "example.org");
	assert_string_equal(m.name, "web1");
	assert_memory_equal(&m.domain, &made.domain, sizeof(m.domain));
	assert_true(id_equal(&m.node, &made.node));
	assert_int_equal(m.chain_count, 2);
	assert_int_equal(m.endpoint_count, 1);
	assert_string_equal(m.endpoints[0], "127.0.0.1:7443");
	assert_true(m.high_term == made.high_term);
	assert_true(pkey_same_public(m.identity_key, made.identity_key));
	member_fini(&m);
	assert_int_equal(member_save_high_term(dir, UINT64_MAX, &err), 0);
	assert_int_equal(member_load(dir, &m, &err), 0);
	assert_true(m.high_term == UINT64_MAX);
	member_fini(&m);
}

static void
overwrite(const char *file, mode_t mode, const char *text)
{
	char path[128];
	struct err err;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	assert_int_equal(file_write_atomic(path, mode, span_str(text), &err), 0);
}

static void
test_what_does_not_fit(void **state)
{
	struct pkey *other = NULL;
	struct member m = {0};
	struct err err;
	struct member changed = made;

	(void)state;
	assert_int_equal(pkey_generate(KEY_EC_P256, &other, &err), 0);
	assert_int_equal(member_save_key(dir, "identity", other, &err), 0);
	assert_int_equal(member_load(dir, &m, &err), ERR_CRYPTO);
	assert_int_equal(member_save_key(dir, "identity", made.identity_key, &err), 0);
	pkey_unref(other);

	changed.root_fingerprint.bytes[0] ^= 1;
	assert_int_equal(member_write(dir, &changed, &err), 0);
	assert_int_equal(member_load(dir, &m, &err), ERR_CRYPTO);
	assert_non_null(strstr(err.text, "root.pem"));

	assert_int_equal(member_write(dir, &made, &err), 0);
	overwrite("high-term", 0644, "many\n");
	assert_int_equal(member_load(dir, &m, &err), ERR_PARSE);
	assert_int_equal(member_write(dir, &made, &err), 0);
	overwrite("domain.json", 0644, "{\"domain\":\"a\",\"domain\":\"b\"}");
	assert_int_equal(member_load(dir, &m, &err), ERR_PARSE);
	assert_non_null(strstr(err.text, "domain.json"));
	assert_int_equal(member_write(dir, &made, &err), 0);
	overwrite("keys/identity.key", 0644, "certherd key identity\n");
	assert_int_equal(member_load(dir, &m, &err), ERR_DENIED);
	assert_int_equal(member_save_key(dir, "identity", made.identity_key, &err), 0);
	assert_int_equal(member_load(dir, &m, &err), 0);
	member_fini(&m);
}

/* A certificate of made's manager, for a node and a key; -60 s to until. */
static struct cert *
issue(const struct id *node, const struct pkey *key, int64_t until)
{
	int64_t now = (int64_t)time(NULL);
	struct identity_params p = {
	    key, made.domain, *node, made.name, NULL, 0, now - 60, now + until};
	struct cert *cert = NULL;
	struct err err;

	assert_int_equal(cert_issue_identity(made.chain[1], manager_of_made, &p, &cert, &err), 0);
	return cert;
}

static void
test_taking_a_renewed_identity(void **state)
{
	struct pkey *other_key = NULL;
	struct id other_node;
	struct span issuer = cert_der(made.chain[1]), none = SPAN(NULL, 0);
	struct member m = {0};
	struct err err;

	(void)state;
	id_random(&other_node);
	assert_int_equal(pkey_generate(KEY_EC_P256, &other_key, &err), 0);
	const struct {
		const struct id *node;
		const struct pkey *key;
		int64_t until;
		const struct span *issuer;
		int expect;
	} cases[] = {
	    {&other_node, made.identity_key, 7200, &issuer, ERR_PROTO},
	    {&made.node, other_key, 7200, &issuer, ERR_PROTO},
	    {&made.node, made.identity_key, -1, &issuer, ERR_CRYPTO},
	    {&made.node, made.identity_key, 7200, &none, ERR_PARSE},
	    {&made.node, made.identity_key, 7200, &issuer, 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct cert *cert = issue(cases[i].node, cases[i].key, cases[i].until);
		int64_t before = cert_not_after(made.chain[0]);

		assert_int_equal(member_take_identity(dir, &made, cert_der(cert), cases[i].issuer,
				     1, (int64_t)time(NULL), &err),
		    cases[i].expect);
		/* On disk is what is in use, whether it was taken or not. */
		assert_int_equal(member_load(dir, &m, &err), 0);
		assert_true(cert_not_after(m.chain[0]) == cert_not_after(made.chain[0]));
		assert_true((cert_not_after(made.chain[0]) != before) == (cases[i].expect == 0));
		member_fini(&m);
		cert_unref(cert);
	}
	pkey_unref(other_key);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_round_trip),
	    cmocka_unit_test(test_taking_a_renewed_identity),
	    cmocka_unit_test(test_what_does_not_fit),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
