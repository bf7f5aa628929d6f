#include "common/loop/loop.h"
#include "common/store/store.h"
#include "common/wire/public_wire.h"
#include "common/wire/record_wire.h"
#include "server/index/index.h"
#include "tests/support/vfs_fault.h"
#include "tests/support/wait.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TERM (UINT64_C(1) << 32)
#define MAX_RECORDS 64

struct fixture {
	struct loop *loop;
	struct vfs_fault *disk;
	struct store *store;
	struct index *ix;
	uint64_t seq;
	int status; /* of the last callback; 1: none yet */
	struct err err;
	char text[512];
};

static struct id
id_of(unsigned n)
{
	struct id id = {{0}};

	id.bytes[0] = (uint8_t)(n * 37);
	id.bytes[1] = (uint8_t)n;
	id.bytes[15] = 1;
	return id;
}

static int
setup(void **state)
{
	struct fixture *f = mem_zalloc(sizeof(*f));
	struct store_params p = {.path = "store.db", .full = true};
	struct err err;

	if (loop_new(&f->loop, &err) < 0)
		return -1;
	f->disk = vfs_fault_new("index", 1);
	vfs_fault_use(f->disk, &p);
	if (store_open(&p, &f->store, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return -1;
	}
	f->ix = index_new(loop_runtime(f->loop), f->store);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	index_free(f->ix);
	store_close(f->store);
	loop_free(f->loop);
	vfs_fault_free(f->disk);
	mem_free(f);
	return 0;
}

/* Commits one record as commit would: to the store and to the observer. */
static void
put(struct fixture *f, struct record *r, int (*encode)(const void *p, struct buf *, struct err *),
    const void *part)
{
	AUTO(buf_freep)
	struct buf *public_part = buf_new(LIMIT_PUBLIC);
	AUTO(buf_freep)
	struct buf *body = buf_new(LIMIT_RECORD);
	struct stored_record s = {0};
	struct store_change change = {.records = &s, .record_count = 1};
	struct committed c = {.record = r};
	struct record kept;
	struct err err;

	if (encode != NULL)
		assert_int_equal(encode(part, public_part, &err), 0);
	r->public_part = buf_span(public_part);
	r->term = TERM;
	r->seq = r->mutation = ++f->seq;
	r->version = r->version > 0 ? r->version : 1;
	if (wire_record_encode(r, body, &err) < 0)
		fail_msg("%s", err.text);
	c.signed_record = (struct signed_bytes){buf_span(body), span_str("sig")};
	s.id = r->id;
	s.kind = r->kind;
	s.name = r->name;
	s.at = record_position(r);
	s.mutation = r->mutation;
	s.version = r->version;
	s.removed = r->removed;
	s.body = buf_span(body);
	s.signature = span_str("sig");
	assert_int_equal(store_apply(f->store, &change, &err), 0);
	assert_int_equal(wire_record_decode(buf_span(body), &kept, &err), 0);
	c.record = &kept;
	index_observe(f->ix, &c, 1, NULL, c.signed_record);
}

static int
encode_node(const void *p, struct buf *out, struct err *err)
{
	return wire_node_public_encode(p, out, err);
}

static int
encode_group(const void *p, struct buf *out, struct err *err)
{
	return wire_group_public_encode(p, out, err);
}

static int
encode_membership(const void *p, struct buf *out, struct err *err)
{
	return wire_membership_public_encode(p, out, err);
}

static int
encode_credential(const void *p, struct buf *out, struct err *err)
{
	return wire_credential_public_encode(p, out, err);
}

static int
encode_generation(const void *p, struct buf *out, struct err *err)
{
	return wire_generation_public_encode(p, out, err);
}

static void
set_name(struct record *r, const char *name)
{
	snprintf(r->name, sizeof(r->name), "%s", name);
}

static void
put_node(struct fixture *f, unsigned n, const char *name)
{
	struct node_public p = {.sealing_key = span_str("key")};
	struct record r = {.id = id_of(n), .kind = KIND_NODE};

	set_name(&r, name);
	put(f, &r, encode_node, &p);
}

static void
put_group(struct fixture *f, unsigned n, const char *name)
{
	struct group_public p = {.key = span_str("key")};
	struct record r = {.id = id_of(n), .kind = KIND_GROUP};

	set_name(&r, name);
	put(f, &r, encode_group, &p);
}

static void
put_membership(struct fixture *f, unsigned group, unsigned node)
{
	struct id g = id_of(group), n = id_of(node);
	struct membership_public p = {.group = g, .node = n};
	struct record r = {.id = wire_membership_id(&g, &n), .kind = KIND_MEMBERSHIP};

	put(f, &r, encode_membership, &p);
}

static void
put_credential(struct fixture *f, unsigned n, const char *name, const char *second, unsigned active,
    unsigned access, uint64_t version)
{
	const char *names[] = {name, second};
	struct credential_public p = {.names = {names, second != NULL ? 2 : 1},
	    .has_active = active > 0,
	    .active = id_of(active),
	    .state = CREDENTIAL_ISSUED};
	struct record r = {.id = id_of(n), .kind = KIND_CREDENTIAL, .version = version};

	set_name(&r, name);
	r.access_count = access > 0;
	r.access[0] = id_of(access);
	put(f, &r, encode_credential, &p);
}

static void
put_generation(struct fixture *f, unsigned n, unsigned credential, uint64_t number, unsigned access,
    const char *name, const char *second)
{
	const char *names[] = {name, second};
	struct span leaf = span_str("leaf");
	struct generation_public p = {.credential = id_of(credential),
	    .number = number,
	    .key = span_str("spki"),
	    .chain = {&leaf, 1},
	    .not_before = 1000,
	    .not_after = 2000,
	    .activated_at_ms = (int64_t)n,
	    .names = {names, second != NULL ? 2 : 1}};
	struct record r = {.id = id_of(n), .kind = KIND_GENERATION};

	r.access_count = access > 0;
	r.access[0] = id_of(access);
	put(f, &r, encode_generation, &p);
}

static void
put_removed(struct fixture *f, unsigned n, uint32_t kind, uint64_t version)
{
	struct record r = {.id = id_of(n), .kind = kind, .version = version, .removed = true};

	set_name(&r, "gone");
	put(f, &r, NULL, NULL);
}

static bool
count_issuer(void *arg, struct span certificate)
{
	*(size_t *)arg += certificate.len > 0;
	return true;
}

/* Once for each list of them, as long as a generation has it. */
static void
test_issuers(void **state)
{
	const struct span one[] = {span_str("leaf"), span_str("ab"), span_str("root")};
	const struct span two[] = {span_str("leaf"), span_str("root")};
	const struct spans chains[] = {{one, 3}, {one, 3}, {two, 2}, {one, 1}};
	struct generation_public p = {.credential = id_of(20), .number = 1, .key = one[0]};

	for (unsigned i = 0; i < 2 * ARRAY_LEN(chains); i++) {
		struct record r = {.id = id_of(40 + i % 4), .kind = KIND_GENERATION};
		size_t count = 0;

		p.chain = chains[i % 4];
		if (i < 4)
			put(*state, &r, encode_generation, &p);
		else
			put_removed(*state, 40 + i % 4, KIND_GENERATION, 2);
		index_each_issuer(((struct fixture *)*state)->ix, count_issuer, &count);
		assert_int_equal(count, i < 2 ? 2 : i < 4 ? 3 : i == 4 ? 3 : i == 5 ? 1 : 0);
	}
}

/* web1 itself, web2 by the group mail; www exact and a wildcard. */
static void
put_domain(struct fixture *f)
{
	put_node(f, 1, "web1");
	put_node(f, 2, "web2");
	put_node(f, 3, "mgr");
	put_group(f, 10, GROUP_MANAGERS);
	put_group(f, 11, "mail");
	put_membership(f, 10, 3);
	put_membership(f, 11, 2);
	put_credential(f, 20, "www.example.org", "example.org", 31, 1, 1);
	put_generation(f, 30, 20, 1, 1, "old.example.org", NULL);
	put_generation(f, 31, 20, 2, 1, "www.example.org", "example.org");
	put_credential(f, 21, "*.example.org", NULL, 32, 11, 1);
	put_generation(f, 32, 21, 1, 11, "*.example.org", NULL);
	put_credential(f, 22, "new.example.org", NULL, 0, 1, 1);
}

static bool
on_name(void *arg, const struct index_record *r)
{
	struct fixture *f = arg;
	char id[ID_HEX_MAX];
	size_t len = strlen(f->text);

	snprintf(f->text + len, sizeof(f->text) - len, "%s ",
	    r->name[0] != 0 ? r->name : id_hex(&r->id, id) + 28);
	return true;
}

static const char *
listed(struct fixture *f, const char *after, size_t max)
{
	const struct index_record *out[MAX_RECORDS];
	bool more;
	size_t n = index_list(f->ix, KIND_CREDENTIAL, after, out, max, &more);

	f->text[0] = 0;
	for (size_t i = 0; i < n; i++)
		on_name(f, out[i]);
	if (more)
		snprintf(f->text + strlen(f->text), 2, "+");
	return f->text;
}

static void
check_domain(struct fixture *f)
{
	const struct index_record *c = index_named(f->ix, KIND_CREDENTIAL, "www.example.org");
	struct id id = id_of(20), web1 = id_of(1);
	bool removed;

	assert_non_null(c);
	assert_int_equal(index_count(f->ix, KIND_NODE), 3);
	assert_int_equal(index_count(f->ix, KIND_GENERATION), 3);
	assert_int_equal(c->credential->names.count, 2);
	assert_int_equal(index_active(f->ix, c)->generation->number, 2);
	assert_null(index_named(f->ix, KIND_NODE, "www.example.org"));
	assert_null(index_of_kind(f->ix, KIND_NODE, &id));
	assert_int_equal(index_version(f->ix, &id, &removed), 1);
	assert_false(removed);
	assert_true(index_get(f->ix, &web1)->signed_record.body.len > 0);
	assert_string_equal(listed(f, NULL, 10), "*.example.org new.example.org www.example.org ");
	assert_string_equal(listed(f, NULL, 2), "*.example.org new.example.org +");
	assert_string_equal(listed(f, "new.example.org", 2), "www.example.org ");
	f->text[0] = 0;
	index_for_name(f->ix, "example.org", on_name, f);
	assert_string_equal(f->text, "www.example.org ");
}

static void
test_observed(void **state)
{
	struct fixture *f = *state;
	struct id id = id_of(20);
	bool removed;

	put_domain(f);
	check_domain(f);
	/* Another name, another access: nothing of the old is left. */
	put_credential(f, 20, "shop.example.org", NULL, 31, 11, 2);
	assert_null(index_named(f->ix, KIND_CREDENTIAL, "www.example.org"));
	f->text[0] = 0;
	index_for_name(f->ix, "example.org", on_name, f);
	index_for_name(f->ix, "shop.example.org", on_name, f);
	index_for_name(f->ix, "old.example.org", on_name, f);
	assert_string_equal(f->text, "shop.example.org shop.example.org ");
	put_removed(f, 31, KIND_GENERATION, 2);
	f->text[0] = 0;
	index_for_name(f->ix, "example.org", on_name, f);
	assert_string_equal(f->text, "");
	f->text[0] = 0;
	index_with_access(f->ix, &(struct id){{37, 1, [15] = 1}}, on_name, f);
	assert_null(strstr(f->text, "shop"));
	put_removed(f, 20, KIND_CREDENTIAL, 3);
	assert_null(index_get(f->ix, &id));
	assert_int_equal(index_version(f->ix, &id, &removed), 3);
	assert_true(removed);
	assert_int_equal(index_count(f->ix, KIND_CREDENTIAL), 2);
	put_credential(f, 20, "www.example.org", NULL, 31, 1, 4);
	assert_non_null(index_get(f->ix, &id));
	assert_int_equal(index_version(f->ix, &id, &removed), 4);
	assert_false(removed);
}

static void
on_loaded(void *arg, int status, const struct err *err)
{
	struct fixture *f = arg;

	f->status = status;
	f->err = *err;
}

static bool
is_called(void *arg)
{
	return ((struct fixture *)arg)->status <= 0;
}

static void
test_loaded(void **state)
{
	struct fixture *f = *state;

	put_domain(f);
	put_removed(f, 40, KIND_NODE, 7);
	index_free(f->ix);
	f->ix = index_new(loop_runtime(f->loop), f->store);
	f->status = 1;
	index_load(f->ix, on_loaded, f);
	assert_true(wait_until(f->loop, is_called, f));
	assert_int_equal(f->status, 0);
	check_domain(f);
}

static void
on_fetched(void *arg, int status, const struct record *record, struct signed_bytes s,
    const struct err *err)
{
	struct fixture *f = arg;

	f->status = status;
	f->err = *err;
	if (status == 0) {
		snprintf(f->text, sizeof(f->text), "%s", record->name);
		assert_int_equal(s.signature.len, 3);
	}
}

static void
test_fetch(void **state)
{
	struct fixture *f = *state;
	struct id id = id_of(20), none = id_of(99);

	put_domain(f);
	f->status = 1;
	index_fetch(f->ix, &id, on_fetched, f);
	assert_true(wait_until(f->loop, is_called, f));
	assert_int_equal(f->status, 0);
	assert_string_equal(f->text, "www.example.org");
	f->status = 1;
	index_fetch(f->ix, &none, on_fetched, f);
	assert_true(wait_until(f->loop, is_called, f));
	assert_int_equal(f->status, ERR_NOTFOUND);
}

static void
test_access(void **state)
{
	static const struct {
		const char *node, *credential;
		enum why_not why;
	} cases[] = {
	    {"web1", "www.example.org", WHY_NOT_NOTHING},
	    {"web2", "www.example.org", WHY_NOT_NO_ACCESS},
	    {"web2", "*.example.org", WHY_NOT_NOTHING},
	    {"web9", "www.example.org", WHY_NOT_NO_NODE},
	    {"web1", "nothing.example.org", WHY_NOT_NO_CREDENTIAL},
	    {"web1", "new.example.org", WHY_NOT_NO_GENERATION},
	};
	const char *names[] = {"web1", "@mail", "web1"};
	const char *bad[] = {"web1", "@web1"};
	struct fixture *f = *state;
	struct id ids[LIMIT_ACCESS];
	struct access_list list;
	size_t count = 0;

	put_domain(f);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(
		    index_why_not(f->ix, cases[i].node, cases[i].credential, 1500), cases[i].why);
	assert_int_equal(index_why_not(f->ix, "web1", "www.example.org", 2001), WHY_NOT_EXPIRED);
	assert_int_equal(
	    index_resolve_access(f->ix, (struct texts){names, 3}, ids, &count, &f->err), 0);
	assert_int_equal(count, 2);
	assert_int_equal(index_resolve_access(f->ix, (struct texts){bad, 2}, ids, &count, &f->err),
	    ERR_NOTFOUND);
	assert_non_null(strstr(f->err.text, "no group 'web1'"));
	assert_int_equal(index_who_can_read(f->ix, "*.example.org", &list, &f->err), 0);
	assert_int_equal(list.count, 2);
	assert_string_equal(list.items[0].node.name, "mgr");
	assert_string_equal(list.items[1].node.name, "web2");
	access_list_fini(&list);
}

static void
test_explain(void **state)
{
	struct fixture *f = *state;
	struct explained out[EXPLAIN_MAX];
	struct id web1 = id_of(1), web2 = id_of(2);

	put_domain(f);
	assert_int_equal(index_explain(f->ix, NULL, "www.example.org", 1500, out), 2);
	assert_string_equal(out[0].credential->name, "www.example.org");
	assert_true(out[0].serves && !out[1].serves && out[1].wildcard);
	/* web2 may not open the exact one, so that the wildcard serves there. */
	assert_int_equal(index_explain(f->ix, &web2, "www.example.org", 1500, out), 2);
	assert_string_equal(out[0].credential->name, "*.example.org");
	assert_true(out[0].serves);
	assert_int_equal(out[1].why, WHY_NOT_NO_ACCESS);
	assert_int_equal(index_explain(f->ix, &web1, "a.b.example.org", 1500, out), 0);
	/* One that nobody has access to is served nowhere, so the other one is. */
	put_credential(f, 20, "www.example.org", "example.org", 31, 0, 2);
	assert_int_equal(index_explain(f->ix, NULL, "www.example.org", 1500, out), 2);
	assert_true(out[0].serves && out[0].wildcard && !out[1].serves && out[1].nobody);
	assert_int_equal(out[1].why, WHY_NOT_NO_ACCESS);
	/* A credential with the name and the wildcard is there once. */
	put_credential(f, 20, "www.example.org", "*.example.org", 31, 1, 3);
	assert_int_equal(index_explain(f->ix, &web1, "www.example.org", 1500, out), 2);
	assert_false(out[0].wildcard);
}

/* Names that are wanted do not count before there is a certificate with them. */
static void
test_explain_a_change(void **state)
{
	struct fixture *f = *state;
	struct explained out[EXPLAIN_MAX];

	put_domain(f);
	put_credential(f, 20, "shop.example.org", NULL, 31, 1, 2);
	assert_int_equal(index_explain(f->ix, NULL, "www.example.org", 1500, out), 2);
	assert_true(out[0].serves && !out[0].wildcard);
	assert_string_equal(out[0].credential->name, "shop.example.org");
	assert_int_equal(index_explain(f->ix, NULL, "shop.example.org", 1500, out), 2);
	assert_true(out[0].serves && out[0].wildcard);
	assert_int_equal(out[1].why, WHY_NOT_NAME);
	/* Its wildcard serves the name that it is to have. */
	put_generation(f, 33, 20, 3, 1, "*.example.org", NULL);
	put_credential(f, 20, "shop.example.org", NULL, 33, 1, 3);
	assert_int_equal(index_explain(f->ix, NULL, "shop.example.org", 1500, out), 2);
	assert_true(out[0].serves && out[0].wildcard && out[1].wildcard);
	assert_string_equal(out[0].credential->name, "shop.example.org");
}

/* Lists stay in order while entries come and go. */
static void
test_list_order(void **state)
{
	struct fixture *f = *state;
	const struct index_record *out[MAX_RECORDS];
	bool live[40] = {false}, more;
	unsigned rnd = 3;
	char name[16];

	for (unsigned step = 0; step < 400; step++) {
		unsigned n;
		size_t count = 0, found;

		rnd = rnd * 1103515245U + 12345U;
		n = (rnd >> 16) % 40;
		snprintf(name, sizeof(name), "n%02u", n);
		if (live[n])
			put_removed(f, n + 1, KIND_NODE, step + 2);
		else
			put_node(f, n + 1, name);
		live[n] = !live[n];
		if (step % 7 != 0)
			continue;
		found = index_list(f->ix, KIND_NODE, NULL, out, MAX_RECORDS, &more);
		for (unsigned k = 0; k < 40; k++) {
			if (!live[k])
				continue;
			snprintf(name, sizeof(name), "n%02u", k);
			assert_true(count < found);
			assert_string_equal(out[count++]->name, name);
		}
		assert_int_equal(count, found);
	}
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_FIXTURE(test_issuers),
	    WITH_FIXTURE(test_observed),
	    WITH_FIXTURE(test_loaded),
	    WITH_FIXTURE(test_fetch),
	    WITH_FIXTURE(test_access),
	    WITH_FIXTURE(test_explain),
	    WITH_FIXTURE(test_explain_a_change),
	    WITH_FIXTURE(test_list_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
