/* Trusted roots and intermediates, and chains that are completed with them. */

#include "common/crypto/cert.h"
#include "common/wire/public_wire.h"
#include "tests/support/office.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define DAY INT64_C(86400)
#define WWW "www.example.org"

struct stage {
	struct office o;
	struct pkey *root_key, *issuer_key, *old_key;
	struct cert *root, *issuer, *old; /* old: a root that has run out */
};

static int
setup(void **state)
{
	struct stage *s = mem_zalloc(sizeof(*s));
	const struct domain_id domain = {{9}};
	const struct id id = {{9}};
	int64_t t;

	office_init(&s->o, 1);
	t = virtual_wall_ms(&s->o.time.rt) / 1000;
	assert_int_equal(pkey_generate(KEY_EC_P384, &s->root_key, NULL), 0);
	assert_int_equal(pkey_generate(KEY_EC_P256, &s->issuer_key, NULL), 0);
	assert_int_equal(pkey_generate(KEY_EC_P256, &s->old_key, NULL), 0);
	assert_int_equal(cert_issue_root(s->root_key, "outside", &domain, t, &s->root, NULL), 0);
	assert_int_equal(
	    cert_issue_manager(s->root, s->root_key, s->issuer_key, &id, t, &s->issuer, NULL), 0);
	assert_int_equal(
	    cert_issue_ca(s->old_key, "old, one", t - 9 * DAY, t - DAY, &s->old, NULL), 0);
	*state = s;
	return 0;
}

static int
teardown(void **state)
{
	struct stage *s = *state;

	office_fini(&s->o);
	pkey_unref(s->root_key);
	pkey_unref(s->issuer_key);
	pkey_unref(s->old_key);
	cert_unref(s->root);
	cert_unref(s->issuer);
	cert_unref(s->old);
	mem_free(s);
	return 0;
}

#define OK(call) assert_int_equal((s->o.called = false, office_wait(&s->o, (call))), 0)
#define FAILS(code, call)                                                                          \
	assert_int_equal((s->o.called = false, office_wait(&s->o, (call))), (code))
#define SAYS(what) office_check_text(s->o.err.text, (what))
#define WARNS(what) office_check_text(s->o.warning, (what))

static int
trust(struct stage *s, uint32_t categories, const char *label, const struct cert *one,
    const struct cert *other)
{
	struct span ders[2] = {cert_der(one), other != NULL ? cert_der(other) : SPAN(NULL, 0)};
	const struct trust_spec spec = {.certificates = {ders, other != NULL ? 2 : 1},
	    .categories = categories,
	    .label = label,
	    .author = "test"};

	return flow_trust_add(s->o.flow, &spec, office_on_flow, &s->o, &s->o.err);
}

static int
distrust(struct stage *s, const char *name)
{
	return flow_trust_remove(s->o.flow, name, "test", office_on_flow, &s->o, &s->o.err);
}

static const struct index_root *
stored(struct stage *s, const char *name)
{
	const struct index_record *r = NULL;

	if (index_root_find(s->o.index, name, &r, &s->o.err) < 0)
		fail_msg("%s", s->o.err.text);
	return r->root;
}

static void
test_categories(void **state)
{
	struct stage *s = *state;
	const struct index_record *r;

	OK(trust(s, 0, NULL, s->root, s->issuer));
	assert_int_equal(s->o.result.generation, 2);
	assert_int_equal(stored(s, "certherd root outside")->categories, TRUST_COMPLETION);
	/* Again, and twice in one: nothing to do. */
	OK(trust(s, 0, NULL, s->root, s->root));
	assert_true(s->o.result.unchanged);
	/* Other categories, another label. */
	OK(trust(s, TRUST_CLIENT | TRUST_OUTGOING, "Ours", s->root, NULL));
	WARNS("was for completion until now, and is for client,outgoing alone");
	assert_int_equal(s->o.result.generation, 1);
	assert_int_equal(stored(s, "Ours")->categories, TRUST_CLIENT | TRUST_OUTGOING);
	assert_int_equal(index_count(s->o.index, KIND_TRUSTED_ROOT), 2);
	/* A comma in a name is no end of it; what has run out is said. */
	OK(trust(s, 0, NULL, s->old, NULL));
	WARNS("has run out at");
	assert_int_equal(stored(s, "old\\, one")->categories, TRUST_COMPLETION);
	/* By fingerprint, as tools write it; one that fits several. */
	r = index_named(s->o.index, KIND_TRUSTED_ROOT, s->o.name);
	assert_non_null(r);
	OK(trust(s, 0, "Ours", s->old, NULL));
	FAILS(ERR_INVALID, distrust(s, "Ours"));
	SAYS("several trusted roots fit");
	FAILS(ERR_NOTFOUND, distrust(s, "1234567"));
	OK(distrust(s, r->name));
	FAILS(ERR_NOTFOUND, distrust(s, "old"));
	OK(distrust(s, "Ours"));
	assert_int_equal(index_count(s->o.index, KIND_TRUSTED_ROOT), 1);
}

static void
test_refused(void **state)
{
	struct stage *s = *state;
	const char *name = WWW;
	struct cert *leaf = NULL;
	const struct cert *found[LIMIT_TRUSTED_ROOTS];
	const struct leaf_params p = {.key = s->root_key,
	    .names = &name,
	    .name_count = 1,
	    .not_before = cert_not_before(s->issuer) + 1,
	    .not_after = cert_not_before(s->issuer) + DAY};

	assert_int_equal(cert_issue_leaf(s->issuer, s->issuer_key, &p, &leaf, &s->o.err), 0);
	FAILS(ERR_INVALID, trust(s, 0, NULL, s->root, leaf));
	SAYS("not the certificate of a CA");
	FAILS(ERR_INVALID, trust(s, TRUST_CLIENT, NULL, s->issuer, NULL));
	SAYS("--for intermediate");
	FAILS(ERR_INVALID, trust(s, TRUST_CLIENT | TRUST_INTERMEDIATE, NULL, s->root, NULL));
	FAILS(ERR_INVALID, trust(s, 16, NULL, s->root, NULL));
	FAILS(ERR_INVALID, trust(s, 0, "a\nb", s->root, NULL));
	FAILS(ERR_INVALID, trust(s, 0, "", s->root, NULL));
	FAILS(ERR_INVALID, trust(s, 0, "both", s->root, s->issuer));
	assert_int_equal(index_count(s->o.index, KIND_TRUSTED_ROOT), 0);
	/* As a server sends them, an intermediate with its root: the one completes. */
	OK(trust(s, TRUST_OUTGOING, NULL, s->issuer, s->root));
	WARNS("it completes chains, and is not trusted");
	assert_int_equal(stored(s, "certherd root outside")->categories, TRUST_OUTGOING);
	assert_int_equal(index_roots(s->o.index, TRUST_INTERMEDIATE, found), 1);
	assert_int_equal(index_count(s->o.index, KIND_TRUSTED_ROOT), 2);
	cert_unref(leaf);
}

/* --- chains --- */

static struct record *
active_record(struct stage *s)
{
	const struct index_record *c = index_named(s->o.index, KIND_CREDENTIAL, WWW);

	assert_non_null(index_active(s->o.index, c));
	return office_fetch(&s->o, &index_active(s->o.index, c)->id);
}

/* Length of the chain in force and its grade; -1 when a better one can be made. */
static void
check_chain(struct stage *s, size_t count, enum chain_grade grade, bool can_complete)
{
	struct record *r = active_record(s);
	struct generation_public g;
	struct chain_health h;

	assert_int_equal(wire_generation_public_decode(r->public_part, &g, NULL), 0);
	assert_int_equal(g.chain.count, count);
	assert_int_equal(
	    flow_chain_judge(s->o.index, virtual_wall_ms(&s->o.time.rt) / 1000, &g, &h, &s->o.err),
	    0);
	assert_string_equal(chain_grade_name(h.stored.grade), chain_grade_name(grade));
	assert_int_equal(h.can_complete, can_complete);
	chain_health_fini(&h);
	generation_public_fini(&g);
	record_free(r);
}

/* A credential of the CA outside, whose answer was the leaf alone. */
static void
paste_leaf(struct stage *s)
{
	static const char *const web1[] = {"web1", NULL};
	const char *name = WWW;
	const struct credential_spec spec = {.names = {&name, 1},
	    .issuer = ISSUER_MANUAL,
	    .has_access = true,
	    .access = office_texts(web1),
	    .author = "test"};
	struct generation_public g;
	struct pkey *key = NULL;
	struct cert *leaf = NULL;
	struct leaf_params p = {.names = &name, .name_count = 1};
	struct record *r;
	struct span der;

	OK(flow_credential_add(s->o.flow, &spec, office_on_flow, &s->o, &s->o.err));
	r = office_fetch(
	    &s->o, &index_named(s->o.index, KIND_CREDENTIAL, WWW)->credential->pending);
	assert_int_equal(wire_generation_public_decode(r->public_part, &g, NULL), 0);
	assert_int_equal(csr_key(g.csr, &key, NULL), 0);
	p.key = key;
	p.not_before = virtual_wall_ms(&s->o.time.rt) / 1000 - 60;
	p.not_after = p.not_before + 90 * DAY;
	assert_int_equal(cert_issue_leaf(s->issuer, s->issuer_key, &p, &leaf, &s->o.err), 0);
	der = cert_der(leaf);
	OK(flow_credential_paste(
	    s->o.flow, WWW, (struct spans){&der, 1}, "test", office_on_flow, &s->o, &s->o.err));
	generation_public_fini(&g);
	record_free(r);
	pkey_unref(key);
	cert_unref(leaf);
}

static int
complete(struct stage *s)
{
	return flow_credential_complete(s->o.flow, WWW, "test", office_on_flow, &s->o, &s->o.err);
}

static void
test_completed_at_once(void **state)
{
	struct stage *s = *state;

	office_add_node(&s->o, "web1");
	OK(trust(s, 0, NULL, s->root, s->issuer));
	paste_leaf(s);
	assert_string_equal(s->o.warning, "");
	check_chain(s, 3, CHAIN_GREEN, false);
	/* Client roots end no chain of a server. */
	OK(trust(s, TRUST_CLIENT, NULL, s->root, NULL));
	check_chain(s, 3, CHAIN_YELLOW, false);
}

/* The wish is kept, and counts for what is there as for what comes. */
static void
test_preferred(void **state)
{
	struct stage *s = *state;
	char text[LIMIT_NAME + 2];
#define PREFER(root)                                                                               \
	flow_credential_prefer_root(                                                               \
	    s->o.flow, WWW, (root), "test", office_on_flow, &s->o, &s->o.err)

	office_add_node(&s->o, "web1");
	FAILS(ERR_NOTFOUND, PREFER("x"));
	OK(trust(s, 0, NULL, s->root, s->issuer));
	paste_leaf(s);
	OK(PREFER("cn=nobody"));
	check_chain(s, 3, CHAIN_YELLOW, false);
	office_restart(&s->o);
	check_chain(s, 3, CHAIN_YELLOW, false);
	OK(PREFER("cn=certherd root"));
	check_chain(s, 3, CHAIN_GREEN, false);
	OK(PREFER(""));
	check_chain(s, 3, CHAIN_GREEN, false);
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	FAILS(ERR_INVALID, PREFER(text));
	FAILS(ERR_INVALID, PREFER("a\nb"));
#undef PREFER
}

static void
test_completed_later(void **state)
{
	struct stage *s = *state;
	struct office_node *one = office_add_node(&s->o, "web1");
	struct record *before, *after;

	FAILS(ERR_NOTFOUND, complete(s));
	paste_leaf(s);
	check_chain(s, 1, CHAIN_YELLOW, false);
	FAILS(ERR_INVALID, complete(s));
	SAYS("cannot be made any better");
	OK(trust(s, 0, NULL, s->issuer, NULL));
	check_chain(s, 1, CHAIN_YELLOW, true);
	before = active_record(s);
	OK(complete(s));
	WARNS("root"); /* the root above it is nowhere */
	check_chain(s, 2, CHAIN_YELLOW, false);
	OK(trust(s, 0, NULL, s->root, NULL));
	OK(complete(s));
	check_chain(s, 3, CHAIN_GREEN, false);
	after = active_record(s);
	assert_true(id_equal(&before->id, &after->id));
	assert_int_equal(after->version, before->version + 2);
	assert_true(office_can_open(&s->o, one, WWW));
	FAILS(ERR_INVALID, complete(s));
	record_free(before);
	record_free(after);
}

static void
test_own_ca(void **state)
{
	struct stage *s = *state;

	assert_int_equal(office_add_credential(&s->o, WWW, NULL), 0);
	check_chain(s, 2, CHAIN_GREEN, false);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_categories),
	    TEST(test_refused),
	    TEST(test_completed_at_once),
	    TEST(test_preferred),
	    TEST(test_completed_later),
	    TEST(test_own_ca),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
