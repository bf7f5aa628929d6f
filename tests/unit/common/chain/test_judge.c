#include "tests/unit/common/chain/maker.h"

/* What is said of a chain: leaf by an authority, each wrong in one respect. */

static void
test_reasons(void **state)
{
	static const struct {
		struct recipe leaf, root;
		enum leaf_profile purpose;
		const char *reasons;
		enum chain_grade grade;
	} cases[] = {
	    {{.leaf = true}, {0}, LEAF_SERVER, "", CHAIN_GREEN},
	    {{.leaf = true, .from = -9, .to = -1}, {0}, LEAF_SERVER, "leaf-expired", CHAIN_RED},
	    {{.leaf = true, .from = 1, .to = 9}, {0}, LEAF_SERVER, "not-yet-valid", CHAIN_YELLOW},
	    {{.leaf = false}, {0}, LEAF_SERVER, "leaf-is-ca no-names", CHAIN_RED},
	    {{.leaf = true}, {0}, LEAF_CLIENT, "purpose", CHAIN_YELLOW},
	    {{.leaf = true}, {0}, LEAF_BOTH, "purpose", CHAIN_YELLOW},
	    {{.leaf = true}, {0}, LEAF_SMIME, "purpose", CHAIN_YELLOW},
	    {{.leaf = true, .extensions = "extendedKeyUsage=emailProtection"}, {0}, LEAF_SMIME, "",
		CHAIN_GREEN},
	    {{.leaf = true, .extensions = "subjectAltName=DNS:a.example"}, {0}, LEAF_BOTH, "",
		CHAIN_GREEN},
	    {{.leaf = true, .extensions = "extendedKeyUsage=serverAuth"}, {0}, LEAF_SERVER,
		"no-names", CHAIN_YELLOW},
	    {{.leaf = true, .hash = "SHA1"}, {0}, LEAF_SERVER, "weak-hash", CHAIN_YELLOW},
	    {{.leaf = true}, {.hash = "SHA1"}, LEAF_SERVER, "", CHAIN_GREEN},
	    {{.leaf = true}, {.extensions = "basicConstraints=critical,CA:FALSE"}, LEAF_SERVER,
		"issuer-not-ca", CHAIN_RED},
	    {{.leaf = true}, {.extensions = "basicConstraints=critical,CA:TRUE;keyUsage=cRLSign"},
		LEAF_SERVER, "key-usage", CHAIN_RED},
	    {{.leaf = true}, {.extensions = "basicConstraints=critical,CA:TRUE,pathlen:0"},
		LEAF_SERVER, "", CHAIN_GREEN},
	    {{.leaf = true}, {.from = -50, .to = -1}, LEAF_SERVER, "root-expired", CHAIN_YELLOW},
	    {{.leaf = true, .to = 20}, {.to = 19}, LEAF_SERVER, "issuer-ends", CHAIN_YELLOW},
	    {{.leaf = true, .to = 20}, {.to = 20}, LEAF_SERVER, "", CHAIN_GREEN},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct recipe leaf = cases[i].leaf, root = cases[i].root;
		struct chain_params p = {.now = NOW, .purpose = cases[i].purpose};
		struct cert *l, *r;
		struct chain c;

		leaf.subject = "leaf";
		leaf.issuer = root.subject = root.issuer = "root";
		leaf.key = 1;
		l = make(&leaf);
		r = make(&root);
		p.leaf = l;
		p.roots = (struct certs){(const struct cert *const *)&r, 1};
		chain_find(&p, &c);
		if (strcmp(reasons_of(&c), cases[i].reasons) != 0 || c.grade != cases[i].grade)
			fail_msg("case %zu: %s (%s)", i, reasons_of(&c), chain_grade_name(c.grade));
		assert_true(c.is_trusted);
		chain_fini(&c);
		cert_unref(l);
		cert_unref(r);
	}
}

static void
test_name_constraints(void **state)
{
	static const struct {
		const char *constraints, *names;
		bool inside;
	} cases[] = {
	    {"permitted.DNS:example.org", "DNS:www.example.org", true},
	    {"permitted.DNS:example.org", "DNS:www.example.net", false},
	    {"permitted.DNS:example.org", "DNS:www.example.org,DNS:example.com", false},
	    {"excluded.DNS:example.org", "DNS:www.example.org", false},
	    {"excluded.IP:0.0.0.0/0.0.0.0", "DNS:a.example,IP:192.0.2.1", false},
	    {"permitted.DNS:example.org", "email:a@example.net", true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char extensions[128], names[128];
		struct chain_params p = {.now = NOW, .purpose = LEAF_SMIME};
		struct cert *l, *r;
		struct chain c;
		char *dot;

		snprintf(extensions, sizeof(extensions),
		    "basicConstraints=critical,CA:TRUE;nameConstraints=critical,%s",
		    cases[i].constraints);
		/* OpenSSL writes "permitted;DNS", and that is the mark between extensions here. */
		dot = strchr(extensions, '.');
		*dot = '\x01';
		snprintf(names, sizeof(names), "subjectAltName=%s", cases[i].names);
		l = make(&(struct recipe){.subject = "leaf",
		    .key = 1,
		    .issuer = "root",
		    .issuer_key = 0,
		    .leaf = true,
		    .extensions = names});
		r = make(&(struct recipe){.subject = "root",
		    .key = 0,
		    .issuer = "root",
		    .issuer_key = 0,
		    .extensions = extensions});
		p.leaf = l;
		p.roots = (struct certs){(const struct cert *const *)&r, 1};
		chain_find(&p, &c);
		if (has_reason(&c, CHAIN_NAME_CONSTRAINTS) == cases[i].inside)
			fail_msg("case %zu: %s", i, reasons_of(&c));
		chain_fini(&c);
		cert_unref(l);
		cert_unref(r);
	}
}

static void
test_key(void **state)
{
	struct cert *l = make(&(struct recipe){
	    .subject = "leaf", .key = 1, .issuer = "root", .issuer_key = 0, .leaf = true});
	struct pkey *right = make_key_of(1), *wrong = make_key_of(2);
	struct chain_params p = {.leaf = l, .now = NOW, .key = right};
	struct chain c;

	(void)state;
	chain_find(&p, &c);
	assert_false(has_reason(&c, CHAIN_KEY_MISMATCH));
	assert_string_equal(c.reasons[0].text,
	    "the issuer 'CN=root' is not here: 'certherd trust add' stores it, or its root");
	chain_fini(&c);
	p.key = wrong;
	chain_find(&p, &c);
	assert_true(has_reason(&c, CHAIN_KEY_MISMATCH));
	assert_int_equal(c.grade, CHAIN_RED);
	chain_fini(&c);
	pkey_unref(right);
	pkey_unref(wrong);
	cert_unref(l);
}

static void
test_codes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CHAIN_CODE__COUNT; i++) {
		assert_non_null(chain_code_name(i));
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(chain_code_name(i), chain_code_name(k));
	}
	assert_string_equal(chain_grade_name(chain_code_grade(CHAIN_INCOMPLETE)), "yellow");
}

int
run_judge_tests(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_reasons),
	    TEST(test_name_constraints),
	    TEST(test_key),
	    TEST(test_codes),
	};

	return cmocka_run_group_tests_name("judge", tests, NULL, NULL);
}
