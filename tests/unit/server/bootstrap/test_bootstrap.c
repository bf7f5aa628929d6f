#include "common/base/str.h"
#include "common/crypto/envelope.h"
#include "common/crypto/sign.h"
#include "common/member/member.h"
#include "common/member/member_trust.h"
#include "common/store/store.h"
#include "common/sys/file.h"
#include "common/wire/public_wire.h"
#include "common/wire/record_wire.h"
#include "server/bootstrap/bootstrap.h"
#include "server/bootstrap/offer.h"
#include "server/cli/init.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64], server_dir[80];

static int
setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/certherd-boot-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(server_dir, sizeof(server_dir), "%s/server", dir);
	return 0;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(path);
}

static int
teardown(void **state)
{
	(void)state;
	return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static struct init_server
server_of(const struct texts *addresses)
{
	return (struct init_server){.dir = server_dir,
	    .domain_name = "example.org",
	    .name = "manager",
	    .addresses = *addresses,
	    .now = (int64_t)time(NULL)};
}

/* ------------------------------------------------------------------------- what is on disk */

struct seen {
	const struct trust *trust;
	const struct domain_id *domain;
	const struct pkey *recovery;
	unsigned kinds[KIND__COUNT], opened;
};

/* The group's key can be opened with the recovery key, by whoever has the database. */
static void
look_at_membership(struct seen *s, const struct record *r)
{
	const struct seal_binding binding = {.domain = *s->domain,
	    .record = r->id,
	    .version = r->version,
	    .kind = r->kind,
	    .public_part = r->public_part};
	AUTO(secret_freep)
	struct secret *payload = NULL;
	struct err err;

	assert_int_equal(r->access_count, 1);
	if (s->recovery != NULL &&
	    envelope_open(&binding, r->sealed, s->recovery, &payload, &err) == 0)
		s->opened++;
}

static int
look(const struct stored_record *stored, void *arg, struct err *err)
{
	struct seen *s = arg;
	struct record r;

	if (wire_record_decode(stored->body, &r, err) < 0 ||
	    trust_verify_record(s->trust, &r, stored->body, stored->signature, err) < 0 ||
	    wire_public_check(r.kind, r.public_part, err) < 0)
		fail_msg("%s: %s", kind_name(r.kind), err->text);
	assert_int_equal(r.version, 1);
	assert_true(r.kind < KIND__COUNT);
	s->kinds[r.kind]++;
	if (r.kind == KIND_MEMBERSHIP)
		look_at_membership(s, &r);
	return 0;
}

static void
check_domain(const struct init_keys *keys)
{
	AUTO(mem_freep)
	char *path = mem_printf("%s/store.db", server_dir);
	struct store_params params = {.path = path, .full = true, .check = STORE_CHECK_BODIES};
	AUTO(store_closep)
	struct store *store = NULL;
	AUTO(trust_freep)
	struct trust *trust = NULL;
	struct member m = {.domain_name = ""};
	struct seen seen = {.recovery = keys->recovery};
	unsigned recovery = keys->recovery != NULL ? 1 : 0;
	size_t skipped = 1;
	struct err err = {0, ""};

	if (member_load(server_dir, &m, &err) < 0 || store_open(&params, &store, &err) < 0 ||
	    member_trust(&m, store, &trust, &skipped, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(skipped, 0);
	assert_string_equal(m.domain_name, "example.org");
	assert_string_equal(m.name, "manager");
	assert_true(m.high_term == BOOTSTRAP_TERM);
	assert_true(id_equal(trust_manager(trust), &m.node));
	assert_true(trust_current_term(trust) == BOOTSTRAP_TERM);
	seen.trust = trust;
	seen.domain = &m.domain;
	assert_int_equal(store_each(store, STORE_ALL_KINDS, true, look, &seen, &err), 0);
	assert_int_equal(seen.kinds[KIND_ROOT], 1);
	assert_int_equal(seen.kinds[KIND_DESIGNATION], 1);
	assert_int_equal(seen.kinds[KIND_NODE], 1 + recovery);
	assert_int_equal(seen.kinds[KIND_GROUP], 1);
	assert_int_equal(seen.kinds[KIND_MEMBERSHIP], 1 + recovery);
	assert_int_equal(seen.opened, recovery);
	member_fini(&m);
}

static void
test_a_domain_is_made(void **state)
{
	static const char *const names[] = {"manager.example.org", "127.0.0.1"};
	const struct texts addresses = {names, 2};

	(void)state;
	for (int recovery = 0; recovery < 2; recovery++) {
		struct init_server server = server_of(&addresses);
		struct init_keys keys;
		struct err err = {0, ""};

		snprintf(server_dir, sizeof(server_dir), "%s/server%d", dir, recovery);
		assert_int_equal(
		    init_keys_make("example.org", recovery == 1, server.now, &keys, &err), 0);
		if (init_bootstrap(&keys, &server, &err) != 0)
			fail_msg("%s", err.text);
		check_domain(&keys);
		/* A second time it is left as it is. */
		assert_int_equal(init_bootstrap(&keys, &server, &err), ERR_EXISTS);
		assert_non_null(strstr(err.text, "holds a server already"));
		check_domain(&keys);
		init_keys_fini(&keys);
	}
}

/* ------------------------------------------------------------------------- offline files */

static void
test_offline_files(void **state)
{
	static const char *const files[] = {"root.key", "recovery.key", "README"};
	AUTO(secret_freep)
	struct secret *pass = NULL;
	AUTO(secret_freep)
	struct secret *other = NULL;
	AUTO(buf_freep)
	struct buf *pem = buf_new(65536);
	AUTO(pkey_unrefp)
	struct pkey *back = NULL;
	char one[] = "correct horse", two[] = "battery staple", path[160];
	struct init_keys keys;
	struct stat st;
	struct err err;

	(void)state;
	assert_int_equal(secret_take(one, strlen(one), &pass, &err), 0);
	assert_int_equal(secret_take(two, strlen(two), &other, &err), 0);
	assert_int_equal(init_keys_make("example.org", true, (int64_t)time(NULL), &keys, &err), 0);
	snprintf(path, sizeof(path), "%s/offline", dir);
	assert_int_equal(init_keys_write(&keys, path, pass, other, &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		snprintf(path, sizeof(path), "%s/offline/%s", dir, files[i]);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
	}
	snprintf(path, sizeof(path), "%s/offline/root.key", dir);
	assert_int_equal(file_read(path, 65536, pem, &err), 0);
	assert_int_equal(pkey_from_encrypted_pem(buf_span(pem), other, &back, &err), ERR_DENIED);
	assert_int_equal(pkey_from_encrypted_pem(buf_span(pem), pass, &back, &err), 0);
	assert_true(pkey_same_public(back, keys.root_key));
	init_keys_fini(&keys);
}

/* ------------------------------------------------------------------------- offers */

static void
test_offers_that_are_refused(void **state)
{
	static const char *const lines[] = {
	    "",
	    "{}",
	    "[]",
	    "{\"domain\":\"d\",\"domain_id\":\"00\",\"name\":\"m\",\"root_certificate\":\"MAA=\","
	    "\"manager_certificate\":\"MAA=\",\"root_statement\":{\"body\":\"MAA=\",\"signature\":"
	    "\"MAA=\"},\"designation\":{\"body\":\"MAA=\",\"signature\":\"MAA=\"}}",
	    "{\"domain\":\"d\",\"other\":1}",
	};
	AUTO(pkey_unrefp)
	struct pkey *key = NULL;
	struct id node = {{1}};
	struct err err;

	(void)state;
	assert_int_equal(pkey_generate(KEY_EC_P256, &key, &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct offer offer = {.root = NULL};

		assert_true(offer_read(span_str(lines[i]), key, key, &node, &offer, &err) < 0);
		assert_null(offer.root);
		assert_null(offer.trust);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_a_domain_is_made, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_offline_files, setup, teardown),
	    cmocka_unit_test(test_offers_that_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
