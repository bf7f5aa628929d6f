#include "common/model/access.h"
#include "common/model/choose.h"
#include "common/model/names.h"
#include "common/model/public.h"
#include "common/model/renewal.h"
#include "tests/unit/common/model/model_tests.h"

#include <string.h>

#define L63 "a23456789a123456789a123456789a123456789a123456789a123456789a123"
#define L64 L63 "4"
#define N253                                                                                       \
	L63 "." L63 "." L63 "."                                                                    \
	    "a23456789a123456789a123456789a123456789a123456789a123456789a1"

static void
test_normalise(void **state)
{
	static const struct {
		const char *in, *out; /* out NULL: refused */
		enum name_type type;
		const char *says;
	} cases[] = {
	    {"www.example.org", "www.example.org", NAME_DNS, NULL},
	    {"WWW.Example.ORG.", "www.example.org", NAME_DNS, NULL},
	    {"localhost", "localhost", NAME_DNS, NULL},
	    {"xn--strae-oqa.example", "xn--strae-oqa.example", NAME_DNS, NULL},
	    {"3com.example", "3com.example", NAME_DNS, NULL},
	    {"1.2.3.com", "1.2.3.com", NAME_DNS, NULL},
	    {"*.example.org", "*.example.org", NAME_WILDCARD, NULL},
	    {"*.Local", "*.local", NAME_WILDCARD, NULL},
	    {"192.0.2.1", "192.0.2.1", NAME_IP, NULL},
	    {"2001:DB8:0::1", "2001:db8::1", NAME_IP, NULL},
	    {"::ffff:192.0.2.1", "::ffff:192.0.2.1", NAME_IP, NULL},
	    {L63 ".org", L63 ".org", NAME_DNS, NULL},
	    {N253, N253, NAME_DNS, NULL},
	    {N253 ".", N253, NAME_DNS, NULL},
	    {"", NULL, 0, "empty"},
	    {".", NULL, 0, "empty label"},
	    {".example.org", NULL, 0, "empty label"},
	    {"a..b", NULL, 0, "empty label"},
	    {"example.org..", NULL, 0, "empty label"},
	    {L64 ".org", NULL, 0, "64 characters"},
	    {N253 "1", NULL, 0, "254 characters"},
	    {"-a.org", NULL, 0, "hyphen"},
	    {"a-.org", NULL, 0, "hyphen"},
	    {"a_b.org", NULL, 0, "'_' at character 2"},
	    {"a b.org", NULL, 0, "a blank at character 2"},
	    {"a\n.org", NULL, 0, "\\x0a at character 2"},
	    {"https://ü", NULL, 0, "':' at character 6"},
	    {"*", NULL, 0, "'*' stands alone"},
	    {"*.", NULL, 0, "'*' stands alone"},
	    {"w*.example.org", NULL, 0, "'*' stands alone"},
	    {"*.*.example.org", NULL, 0, "'*' stands alone"},
	    {"a.*.example.org", NULL, 0, "'*' stands alone"},
	    {"www.example.org:443", NULL, 0, "without port"},
	    {"[::1]", NULL, 0, "without port"},
	    {"https://a", NULL, 0, "without port"},
	    {"192.0.2.256", NULL, 0, "ends in a number"},
	    {"192.0.2", NULL, 0, "ends in a number"},
	    {"01.2.3.4", NULL, 0, "ends in a number"},
	    {"fe80::1%eth0", NULL, 0, "without port"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char out[NAME_TEXT_MAX] = "untouched";
		enum name_type type = NAME_DNS;
		struct err err;
		int rc = name_normalise(cases[i].in, out, &type, &err);

		if (cases[i].out == NULL) {
			if (rc != ERR_INVALID || strstr(err.text, cases[i].says) == NULL)
				fail_msg("'%s': %d %s", cases[i].in, rc, err.text);
			assert_string_equal(out, "untouched");
			continue;
		}
		if (rc != 0)
			fail_msg("'%s': %s", cases[i].in, err.text);
		assert_string_equal(out, cases[i].out);
		assert_int_equal(type, cases[i].type);
		assert_int_equal(name_is_ip(out), type == NAME_IP);
		assert_int_equal(name_is_wildcard(out), type == NAME_WILDCARD);
	}
}

static void
test_normalise_all(void **state)
{
	const char *in[LIMIT_NAMES + 1] = {"a.example", "A.example.", "*.example", "a.example"};
	static char out[LIMIT_NAMES + 1][NAME_TEXT_MAX];
	struct err err;
	size_t count = 7;

	(void)state;
	assert_int_equal(name_normalise_all(in, 4, false, out, &count, &err), 0);
	assert_int_equal(count, 2);
	assert_string_equal(out[1], "*.example");
	assert_int_equal(name_normalise_all(in, 0, false, out, &count, &err), ERR_INVALID);
	for (size_t i = 0; i <= LIMIT_NAMES; i++)
		in[i] = "a.example";
	assert_int_equal(name_normalise_all(in, LIMIT_NAMES, false, out, &count, &err), 0);
	assert_int_equal(count, 1);
	assert_int_equal(
	    name_normalise_all(in, LIMIT_NAMES + 1, false, out, &count, &err), ERR_LIMIT);
}

static void
test_emails(void **state)
{
	static const struct {
		const char *in, *out; /* out NULL: refused */
		const char *says;
	} cases[] = {
	    {"Jane.Doe@Example.ORG", "Jane.Doe@example.org", NULL},
	    {"a+b@xn--strae-oqa.example.", "a+b@xn--strae-oqa.example", NULL},
	    {L63 "4@a.org", L63 "4@a.org", NULL},
	    {"o'hara@localhost", "o'hara@localhost", NULL},
	    {L64 "5@a.org", NULL, "65 characters before"},
	    {"@a.org", NULL, "0 characters before"},
	    {"a@", NULL, "empty"},
	    {"a@b@c.org", NULL, "'@' at character 2"},
	    {".a@b.org", NULL, "'.' at character 1"},
	    {"a.@b.org", NULL, "'.' at character 2"},
	    {"a..b@c.org", NULL, "'.' at character 3"},
	    {"a b@c.org", NULL, "a blank at character 2"},
	    {"a/b@c.org", NULL, "'/' at character 2"},
	    {"Jürgen@c.org", NULL, "'ü' (U+00FC) at character 2: only ASCII"},
	    {"a\xc3@c.org", NULL, "\\xc3 at character 2"},
	    {"a@*.example.org", NULL, "stands a DNS name"},
	    {"a@192.0.2.1", NULL, "stands a DNS name"},
	    {"a@b_c.org", NULL, "'_' at character 2"},
	    {"a@" N253, NULL, "more than 253"},
	    {"example.org", NULL, "no e-mail address"},
	};
	const char *both[] = {"A@Example.org", "www.example.org", "A@example.org"};
	char out[ARRAY_LEN(both)][NAME_TEXT_MAX];
	size_t count;
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[NAME_TEXT_MAX] = "untouched";
		int r = email_normalise(cases[i].in, text, &err);

		assert_int_equal(r, cases[i].out != NULL ? 0 : ERR_INVALID);
		assert_string_equal(text, cases[i].out != NULL ? cases[i].out : "untouched");
		if (r < 0 && strstr(err.text, cases[i].says) == NULL)
			fail_msg("'%s' does not say '%s'", err.text, cases[i].says);
	}
	assert_int_equal(name_normalise_all(both, 3, true, out, &count, &err), 0);
	assert_int_equal(count, 2);
	assert_string_equal(out[0], "A@example.org");
	assert_int_equal(name_normalise_all(both, 3, false, out, &count, &err), ERR_INVALID);
	assert_non_null(strstr(err.text, "--profile"));
}

static void
test_matching(void **state)
{
	static const struct {
		const char *pattern, *host;
		bool matches;
	} cases[] = {
	    {"www.example.org", "www.example.org", true},
	    {"*.example.org", "www.example.org", true},
	    {"*.example.org", "example.org", false},
	    {"*.example.org", "a.b.example.org", false},
	    {"*.example.org", "*.example.org", true},
	    {"*.org", "localhost", false},
	    {"192.0.2.1", "192.0.2.1", true},
	    {"*.0.2.1", "192.0.2.1", false},
	};
	char out[NAME_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(name_matches(cases[i].pattern, cases[i].host), cases[i].matches);
	assert_false(name_wildcard_of("localhost", out));
	assert_false(name_wildcard_of("*.example.org", out));
	assert_true(name_wildcard_of("a.b", out));
	assert_string_equal(out, "*.b");
}

static void
test_sni(void **state)
{
	char out[NAME_TEXT_MAX];

	(void)state;
	assert_true(name_from_sni("WWW.Example.org.", 16, out));
	assert_string_equal(out, "www.example.org");
	assert_true(name_from_sni(N253, 253, out));
	/* No name of a certificate has one, but a wildcard may serve it. */
	assert_true(name_from_sni("My_host.example.org", 19, out));
	assert_string_equal(out, "my_host.example.org");
	assert_true(name_matches("*.example.org", out));
	assert_false(name_from_sni("", 0, out));
	assert_false(name_from_sni(".", 1, out));
	assert_false(name_from_sni("a\0b", 3, out));
	assert_false(name_from_sni("*.example.org", 13, out));
	assert_false(name_from_sni("192.0.2.1", 9, out));
	assert_false(name_from_sni(N253 "a", 254, out));
}

static void
test_labels(void **state)
{
	static const struct {
		const char *name;
		bool good;
	} cases[] = {{"web1", true}, {"a", true}, {"web-1.example_x", true}, {L63, true},
	    {L64, false}, {"", false}, {"Web1", false}, {"-web", false}, {".web", false},
	    {"web 1", false}, {"w\xc3\xa4", false}, {"@mail", false}, {"web/1", false}};
	const char *name;
	struct err err;
	bool group;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(
		    label_check("node", cases[i].name, &err), cases[i].good ? 0 : ERR_INVALID);
	assert_int_equal(access_name_parse("@mail", &name, &group, &err), 0);
	assert_true(group);
	assert_string_equal(name, "mail");
	assert_int_equal(access_name_parse("web1", &name, &group, &err), 0);
	assert_false(group);
	assert_int_equal(access_name_parse("@", &name, &group, &err), ERR_INVALID);
	assert_non_null(strstr(err.text, "group"));
}

/* --- access --- */

/* Nodes 1 to 9 (named in reverse order), groups 11 and 12; 11 has 1 and 2, 12 has 2 and 3. */
static uint32_t
fake_kind(void *arg, const struct id *id)
{
	(void)arg;
	if (id->bytes[0] >= 1 && id->bytes[0] <= 9)
		return KIND_NODE;
	return id->bytes[0] == 11 || id->bytes[0] == 12 ? KIND_GROUP : KIND_UNKNOWN;
}

static bool
fake_node(void *arg, const struct id *id, struct access_node *out)
{
	if (fake_kind(arg, id) != KIND_NODE)
		return false;
	out->id = *id;
	snprintf(out->name, sizeof(out->name), "n%d", 9 - id->bytes[0]);
	return true;
}

static void
fake_members(void *arg, const struct id *group, void (*cb)(void *cb_arg, const struct id *node),
    void *cb_arg)
{
	(void)arg;
	for (uint8_t i = 0; i < 2; i++) {
		struct id id = {{(uint8_t)(group->bytes[0] - 10 + i)}};

		cb(cb_arg, &id);
	}
}

static const struct access_lookup fake = {NULL, fake_kind, fake_node, fake_members};

static void
test_access_expand(void **state)
{
	const struct id access[] = {{{11}}, {{2}}, {{99}}, {{7}}}, managers = {{12}};
	struct access_list l;

	(void)state;
	access_expand(&fake, (struct ids){access, 4}, &managers, &l);
	assert_int_equal(l.count, 4);
	assert_int_equal(l.unknown, 1);
	assert_string_equal(l.items[0].node.name, "n2"); /* 7, itself */
	assert_false(l.items[0].by_group);
	assert_string_equal(l.items[1].node.name, "n6"); /* 3, by managers */
	assert_true(l.items[1].by_group && l.items[1].group.bytes[0] == 12);
	assert_string_equal(l.items[2].node.name, "n7"); /* 2: named itself, though in both */
	assert_false(l.items[2].by_group);
	assert_string_equal(l.items[3].node.name, "n8");
	assert_true(l.items[3].by_group && l.items[3].group.bytes[0] == 11);
	access_list_fini(&l);
	access_expand(&fake, (struct ids){NULL, 0}, NULL, &l);
	assert_int_equal(l.count, 0);
	access_list_fini(&l);
}

static void
test_access_check(void **state)
{
	const struct id access[] = {{{11}}, {{7}}}, n1 = {{1}}, n3 = {{3}}, n7 = {{7}};
	const struct ids ids = {access, 2};
	struct id group = {{0}};

	(void)state;
	assert_int_equal(access_check(&fake, ids, &n7, &group), ACCESS_BY_NAME);
	assert_int_equal(access_check(&fake, ids, &n1, &group), ACCESS_BY_GROUP);
	assert_int_equal(group.bytes[0], 11);
	assert_int_equal(access_check(&fake, ids, &n3, &group), ACCESS_NO);
}

static void
test_why_not(void **state)
{
	const struct id access[] = {{{1}}}, node = {{1}}, other = {{2}}, none = {{50}};
	struct credential_public c = {.has_active = true, .state = CREDENTIAL_ISSUED};
	struct generation_public g = {.not_before = 100, .not_after = 200};
	struct why_facts facts = {&c, &g, {access, 1}, 150};

	(void)state;
	assert_int_equal(access_why_not(&fake, &facts, &node), WHY_NOT_NOTHING);
	assert_int_equal(access_why_not(&fake, &facts, &other), WHY_NOT_NO_ACCESS);
	assert_int_equal(access_why_not(&fake, &facts, &none), WHY_NOT_NO_NODE);
	c.profile = "smime";
	assert_int_equal(access_why_not(&fake, &facts, &node), WHY_NOT_PROFILE);
	c.profile = "both";
	assert_int_equal(access_why_not(&fake, &facts, &node), WHY_NOT_NOTHING);
	assert_true(profile_serves(NULL) && profile_serves("") && profile_serves("of tomorrow"));
	assert_false(profile_serves("client"));
	facts.now = 99;
	assert_int_equal(access_why_not(&fake, &facts, &node), WHY_NOT_NOT_YET);
	facts.now = 201;
	assert_int_equal(access_why_not(&fake, &facts, &node), WHY_NOT_EXPIRED);
	c.state = CREDENTIAL_FAILED; /* the last try failed, the one before serves on */
	facts.now = 200;
	assert_int_equal(access_why_not(&fake, &facts, &node), WHY_NOT_NOTHING);
	g.withdrawn = true;
	assert_int_equal(access_why_not(&fake, &facts, &node), WHY_NOT_WITHDRAWN);
	facts.generation = NULL;
	assert_int_equal(access_why_not(&fake, &facts, &node), WHY_NOT_NO_GENERATION);
	c.state = CREDENTIAL_REVOKED;
	assert_int_equal(access_why_not(&fake, &facts, &node), WHY_NOT_REVOKED);
	c.archived = true;
	assert_int_equal(access_why_not(&fake, &facts, &node), WHY_NOT_ARCHIVED);
	facts.credential = NULL;
	assert_int_equal(access_why_not(&fake, &facts, &node), WHY_NOT_NO_CREDENTIAL);
	for (unsigned i = 0; i < WHY_NOT__COUNT; i++)
		assert_true(strlen(why_not_text((enum why_not)i)) > 10);
}

/* --- renewal, choice, designations --- */

static void
test_renewal(void **state)
{
	static const struct {
		int64_t not_before, not_after;
		uint32_t percent, jitter;
		int64_t due;
	} cases[] = {
	    {1000, 2000, 0, 0, 1670},
	    {1000, 2000, 25, 0, 1750},
	    {1000, 2000, 33, 30, 1640}, /* the whole spread of 3 % */
	    {1000, 2000, 33, 31, 1670}, /* and round again */
	    {1000, 2000, 99, 0, 1010},
	    {1000, 2000, 4000, 0, 1010},
	    {1000, 1000, 33, 0, 1000},
	    {1000, 900, 33, 5, 1000},
	    {0, 7776000, 0, 0, 5209920},
	    {INT64_MIN, INT64_MAX, 33, 0, INT64_MIN},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_true(renewal_due_at(cases[i].not_before, cases[i].not_after,
				cases[i].percent, cases[i].jitter) == cases[i].due);
	assert_true(renewal_retry_after(1, 0) == 30);
	assert_true(renewal_retry_after(2, 0) == 60);
	assert_true(renewal_retry_after(1, UINT32_MAX) <= 60);
	assert_true(renewal_retry_after(UINT32_MAX, 0) == RENEWAL_RETRY_MOST / 2);
}

static void
test_choose(void **state)
{
	/* Each goes before the next. */
	static const struct candidate order[] = {
	    {{{9}}, false, false, 5},
	    {{{1}}, false, false, 4},
	    {{{2}}, false, false, 4},
	    {{{3}}, false, true, 9},
	    {{{1}}, true, false, 9},
	    {{{1}}, true, false, 8},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(order); i++)
		for (size_t k = 0; k < ARRAY_LEN(order); k++) {
			int c = candidate_compare(&order[i], &order[k]);

			assert_int_equal(c < 0, i < k);
			assert_int_equal(c > 0, i > k);
		}
	assert_int_equal(candidate_choose(order, ARRAY_LEN(order)), 0);
	assert_int_equal(candidate_choose(order + 4, 2), 0);
}

static struct designation
designation_of(uint32_t epoch, uint32_t count, uint32_t reason)
{
	struct designation d = {.term = term_make(epoch, count),
	    .node = {{1}},
	    .term_key = span_str("key"),
	    .reason = reason};

	if (reason != REASON_FIRST) {
		d.has_cut = true;
		d.cut = (struct position){term_make(1, 0), 9};
	}
	return d;
}

static void
test_designation_check(void **state)
{
	static const struct {
		uint32_t epoch, count, reason, signer;
		bool good;
	} cases[] = {
	    {1, 0, REASON_FIRST, SIGNER_ROOT_KEY, true},
	    {2, 0, REASON_LOST, SIGNER_ROOT_KEY, true},
	    {1, 1, REASON_PLANNED, SIGNER_TERM_KEY, true},
	    {0, 1, REASON_PLANNED, SIGNER_TERM_KEY, false},
	    {1, 1, REASON_PLANNED, SIGNER_ROOT_KEY, false},
	    {2, 0, REASON_PLANNED, SIGNER_TERM_KEY, false}, /* a count that ran over */
	    {1, 1, REASON_FIRST, SIGNER_TERM_KEY, false},
	    {2, 0, REASON_LOST, 7, false},
	};
	struct designation d;
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		d = designation_of(cases[i].epoch, cases[i].count, cases[i].reason);
		assert_int_equal(
		    designation_check(&d, cases[i].signer, &err), cases[i].good ? 0 : ERR_INVALID);
	}
	d = designation_of(2, 0, REASON_LOST);
	d.cut.term = d.term;
	assert_int_equal(designation_check(&d, SIGNER_ROOT_KEY, &err), ERR_INVALID);
	d.has_cut = false;
	assert_int_equal(designation_check(&d, SIGNER_ROOT_KEY, &err), ERR_INVALID);
	d = designation_of(1, 0, REASON_FIRST);
	d.node = (struct id){{0}};
	assert_int_equal(designation_check(&d, SIGNER_ROOT_KEY, &err), ERR_INVALID);
}

static void
test_designation_follows(void **state)
{
	const struct hash h = {{7}}, wrong = {{8}};
	struct designation first = designation_of(1, 0, REASON_FIRST), d;
	struct err err;

	(void)state;
	assert_int_equal(designation_follows(NULL, NULL, &first, SIGNER_ROOT_KEY, &err), 0);
	d = designation_of(2, 0, REASON_LOST);
	assert_int_equal(designation_follows(NULL, NULL, &d, SIGNER_ROOT_KEY, &err), ERR_DENIED);
	assert_int_equal(designation_follows(&first, &h, &d, SIGNER_ROOT_KEY, &err), 0);
	assert_int_equal(designation_follows(&d, &h, &first, SIGNER_ROOT_KEY, &err), ERR_DENIED);
	d = designation_of(2 + TERM_EPOCH_STEP, 0, REASON_LOST);
	assert_int_equal(designation_follows(&first, &h, &d, SIGNER_ROOT_KEY, &err), ERR_DENIED);
	d = designation_of(1, 1, REASON_PLANNED);
	assert_int_equal(designation_follows(&first, &h, &d, SIGNER_TERM_KEY, &err), ERR_DENIED);
	d.has_previous = true;
	d.previous = wrong;
	assert_int_equal(designation_follows(&first, &h, &d, SIGNER_TERM_KEY, &err), ERR_DENIED);
	d.previous = h;
	assert_int_equal(designation_follows(&first, &h, &d, SIGNER_TERM_KEY, &err), 0);
	d.term = term_make(1, 2);
	assert_int_equal(designation_follows(&first, &h, &d, SIGNER_TERM_KEY, &err), ERR_DENIED);
}

static void
test_designation_keeps(void **state)
{
	struct designation d = designation_of(2, 0, REASON_LOST); /* cut at 1.0, 9 */

	(void)state;
	assert_true(designation_keeps(&d, (struct position){term_make(1, 0), 9}));
	assert_false(designation_keeps(&d, (struct position){term_make(1, 0), 10}));
	assert_false(designation_keeps(&d, (struct position){term_make(1, 1), 1}));
	assert_true(designation_keeps(&d, (struct position){term_make(2, 0), 1}));
	assert_true(designation_keeps(&d, (struct position){term_make(2, 1), 1}));
}

static void
test_values(void **state)
{
	struct record r = {.id = {{1}}, .public_part = span_str("public"), .term = 5, .seq = 6};
	struct record *copy = record_dup(&r);
	char text[TERM_TEXT_MAX];

	(void)state;
	assert_true(span_equal(copy->public_part, r.public_part));
	assert_ptr_not_equal(copy->public_part.data, r.public_part.data);
	assert_int_equal(copy->sealed.len, 0);
	record_free(copy);
	assert_string_equal(term_text(term_make(3, 4), text), "3.4");
	assert_string_equal(kind_name(KIND_GENERATION), "generation");
	assert_string_equal(kind_name(4711), "unknown");
	assert_string_equal(node_role_name(ROLE_RECOVERY), "recovery");
	assert_string_equal(issuer_type_name(ISSUER_CONNECTOR), "connector");
	assert_string_equal(credential_state_name(9), "unknown");
	assert_string_equal(designation_reason_name(REASON_COMPROMISED), "compromised");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_normalise),
	    cmocka_unit_test(test_normalise_all),
	    cmocka_unit_test(test_emails),
	    cmocka_unit_test(test_matching),
	    cmocka_unit_test(test_sni),
	    cmocka_unit_test(test_labels),
	    cmocka_unit_test(test_access_expand),
	    cmocka_unit_test(test_access_check),
	    cmocka_unit_test(test_why_not),
	    cmocka_unit_test(test_renewal),
	    cmocka_unit_test(test_choose),
	    cmocka_unit_test(test_designation_check),
	    cmocka_unit_test(test_designation_follows),
	    cmocka_unit_test(test_designation_keeps),
	    cmocka_unit_test(test_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) + run_exposure_tests() + run_idn_tests() +
	    run_settings_tests() + run_state_tests() + run_health_tests() + run_pki_tests();
}
