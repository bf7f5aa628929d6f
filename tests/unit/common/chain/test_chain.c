#include "tests/unit/common/chain/maker.h"

#include <time.h>

/* Which path is found. */

static struct shelf shelf;

/*
 * Two authorities, R and S, each with an intermediate of the same name and key (i by R, j by S).
 * The old and new roots of a well-known authority: D has run out; X is itself a root (X) and was
 * signed by D (x); Y is the next one, signed by X (y) and by itself (Y).
 */
static int
fill(void **state)
{
	(void)state;
	shelf_put(&shelf, 'R',
	    &(struct recipe){.subject = "R", .key = 0, .issuer = "R", .issuer_key = 0});
	shelf_put(&shelf, 'S',
	    &(struct recipe){.subject = "S", .key = 1, .issuer = "S", .issuer_key = 1});
	shelf_put(&shelf, 'i',
	    &(struct recipe){.subject = "I", .key = 2, .issuer = "R", .issuer_key = 0});
	shelf_put(&shelf, 'j',
	    &(struct recipe){.subject = "I", .key = 2, .issuer = "S", .issuer_key = 1});
	shelf_put(&shelf, 'l',
	    &(struct recipe){
		.subject = "leaf", .key = 3, .issuer = "I", .issuer_key = 2, .leaf = true});
	shelf_put(&shelf, 'D',
	    &(struct recipe){.subject = "D",
		.key = 4,
		.issuer = "D",
		.issuer_key = 4,
		.from = -4000,
		.to = -100});
	shelf_put(&shelf, 'X',
	    &(struct recipe){.subject = "X",
		.key = 5,
		.issuer = "X",
		.issuer_key = 5,
		.from = -3000,
		.to = 3000});
	shelf_put(&shelf, 'x',
	    &(struct recipe){.subject = "X",
		.key = 5,
		.issuer = "D",
		.issuer_key = 4,
		.from = -3000,
		.to = 900});
	shelf_put(&shelf, 'Y',
	    &(struct recipe){.subject = "Y",
		.key = 6,
		.issuer = "Y",
		.issuer_key = 6,
		.from = -900,
		.to = 5000});
	shelf_put(&shelf, 'y',
	    &(struct recipe){
		.subject = "Y", .key = 6, .issuer = "X", .issuer_key = 5, .from = -900, .to = 900});
	shelf_put(&shelf, 'e',
	    &(struct recipe){.subject = "E", .key = 7, .issuer = "X", .issuer_key = 5});
	shelf_put(&shelf, 'm',
	    &(struct recipe){
		.subject = "leaf", .key = 3, .issuer = "E", .issuer_key = 7, .leaf = true});
	shelf_put(&shelf, 'f',
	    &(struct recipe){.subject = "F", .key = 8, .issuer = "Y", .issuer_key = 6});
	shelf_put(&shelf, 'n',
	    &(struct recipe){
		.subject = "leaf", .key = 3, .issuer = "F", .issuer_key = 8, .leaf = true});
	/* of the name of I, with another key; and an I that has run out */
	shelf_put(&shelf, 'k',
	    &(struct recipe){.subject = "I", .key = 9, .issuer = "R", .issuer_key = 0});
	shelf_put(&shelf, 'o',
	    &(struct recipe){
		.subject = "I", .key = 2, .issuer = "R", .issuer_key = 0, .from = -50, .to = -1});
	/* an authority that may have none below it, and one that is below it all the same */
	shelf_put(&shelf, 'P',
	    &(struct recipe){.subject = "P",
		.key = 10,
		.issuer = "P",
		.issuer_key = 10,
		.extensions = "basicConstraints=critical,CA:TRUE,pathlen:0"});
	shelf_put(&shelf, 'p',
	    &(struct recipe){.subject = "I", .key = 2, .issuer = "P", .issuer_key = 10});
	shelf_put(&shelf, 's',
	    &(struct recipe){
		.subject = "self", .key = 11, .issuer = "self", .issuer_key = 11, .leaf = true});
	return 0;
}

static int
empty(void **state)
{
	(void)state;
	shelf_fini(&shelf);
	return 0;
}

static void
test_paths(void **state)
{
	static const struct {
		const char *leaf, *given, *known, *roots, *preferred;
		const char *path, *reasons;
		enum chain_grade grade;
		bool has_root;
	} cases[] = {
	    {"l", "i", "", "R", NULL, "liR", "", CHAIN_GREEN, true},
	    {"l", "", "i", "R", NULL, "liR", "", CHAIN_GREEN, true},
	    {"l", "Ril", "", "R", NULL, "liR", "", CHAIN_GREEN, true},
	    /* the wrong turn, in either order, whatever stands around it */
	    {"l", "ij", "", "S", NULL, "ljS", "surplus", CHAIN_GREEN, true},
	    {"l", "ji", "", "S", NULL, "ljS", "surplus", CHAIN_GREEN, true},
	    {"l", "kjoi", "", "R", NULL, "liR", "surplus", CHAIN_GREEN, true},
	    {"l", "jXxDyY", "i", "R", NULL, "liR", "surplus", CHAIN_GREEN, true},
	    /* the one that has run out is not taken when there is another */
	    {"l", "oi", "", "R", NULL, "liR", "surplus", CHAIN_GREEN, true},
	    {"l", "o", "", "R", NULL, "loR", "issuer-expired", CHAIN_RED, true},
	    /* no root, or one that nobody trusts */
	    {"l", "i", "", "", NULL, "li", "incomplete", CHAIN_YELLOW, false},
	    {"l", "", "", "R", NULL, "l", "incomplete", CHAIN_YELLOW, false},
	    {"l", "iR", "", "S", NULL, "liR", "root-untrusted", CHAIN_YELLOW, true},
	    {"l", "ijR", "", "S", NULL, "ljS", "surplus", CHAIN_GREEN, true},
	    {"s", "", "", "", NULL, "s", "root-untrusted", CHAIN_YELLOW, true},
	    {"s", "", "", "s", NULL, "s", "", CHAIN_GREEN, true},
	    /* a root that has run out, beside the one that replaces it */
	    {"m", "ex", "", "XD", NULL, "meX", "surplus", CHAIN_GREEN, true},
	    {"m", "ex", "", "DX", NULL, "meX", "surplus", CHAIN_GREEN, true},
	    {"m", "ex", "", "D", NULL, "mexD", "root-expired", CHAIN_YELLOW, true},
	    {"m", "ex", "", "", NULL, "mex", "incomplete", CHAIN_YELLOW, false},
	    {"m", "exD", "", "", NULL, "mexD", "root-untrusted root-expired", CHAIN_YELLOW, true},
	    /* the shorter way, unless another root is preferred */
	    {"n", "fy", "", "XY", NULL, "nfY", "surplus", CHAIN_GREEN, true},
	    {"n", "fy", "", "XY", "cn=x", "nfyX", "", CHAIN_GREEN, true},
	    {"n", "fy", "", "XY", "CN=Y", "nfY", "surplus", CHAIN_GREEN, true},
	    {"n", "fy", "", "XY", "Z", "nfY", "not-preferred surplus", CHAIN_YELLOW, true},
	    {"n", "fyx", "", "XYD", "CN=D", "nfY", "not-preferred surplus", CHAIN_YELLOW, true},
	    /* a path that is too long is not taken when there is another */
	    {"l", "pi", "", "PR", NULL, "liR", "surplus", CHAIN_GREEN, true},
	    {"l", "p", "", "P", NULL, "lpP", "path-length", CHAIN_RED, true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct chain_params p = {
		    .leaf = shelf_get(&shelf, cases[i].leaf).list[0],
		    .given = shelf_get(&shelf, cases[i].given),
		    .known = shelf_get(&shelf, cases[i].known),
		    .roots = shelf_get(&shelf, cases[i].roots),
		    .now = NOW,
		    .preferred = cases[i].preferred,
		};
		struct chain c;

		chain_find(&p, &c);
		if (strcmp(path_of(&shelf, &c), cases[i].path) != 0 || c.grade != cases[i].grade)
			fail_msg("case %zu: %s, %s (%s)", i, path_of(&shelf, &c),
			    chain_grade_name(c.grade), reasons_of(&c));
		for (size_t k = 0; k < c.reason_count; k++)
			assert_non_null(
			    strstr(cases[i].reasons, chain_code_name(c.reasons[k].code)));
		assert_int_equal(strlen(reasons_of(&c)), strlen(cases[i].reasons));
		assert_int_equal(c.has_root, cases[i].has_root);
		assert_int_equal(chain_sent(&c, true), c.count);
		assert_int_equal(
		    chain_sent(&c, false), c.has_root && c.count > 1 ? c.count - 1 : c.count);
		chain_fini(&c);
	}
}

static void
test_preferred_by_fingerprint(void **state)
{
	struct chain_params p = {
	    .leaf = shelf_get(&shelf, "n").list[0],
	    .given = shelf_get(&shelf, "fy"),
	    .roots = shelf_get(&shelf, "XY"),
	    .now = NOW,
	};
	char hex[HASH_HEX_MAX], colons[3 * HASH_LEN + 1];
	struct hash hash;
	struct chain c;

	(void)state;
	cert_fingerprint(p.roots.list[0], &hash);
	hash_hex(&hash, hex);
	for (size_t i = 0; i < HASH_LEN; i++)
		snprintf(colons + 3 * i, 4, "%c%c:", hex[2 * i], hex[2 * i + 1]);
	colons[sizeof(colons) - 2] = '\0';
	p.preferred = colons;
	chain_find(&p, &c);
	assert_string_equal(path_of(&shelf, &c), "nfyX");
	chain_fini(&c);
}

/* Authorities that all signed each other: more ways than atoms, and one of them is right. */
static void
test_mesh(void **state)
{
	enum { SIDE = 40 };
	static struct cert *mesh[SIDE * SIDE + 2];
	char names[SIDE][8];
	struct chain_params p = {.now = NOW};
	clock_t start;
	struct chain c;
	size_t n = 0;

	(void)state;
	for (unsigned i = 0; i < SIDE; i++)
		snprintf(names[i], sizeof(names[i]), "M%u", i);
	for (unsigned i = 0; i < SIDE; i++)
		for (unsigned k = 0; k < SIDE; k++)
			if (i != k)
				mesh[n++] = make(&(struct recipe){.subject = names[i],
				    .key = i,
				    .issuer = names[k],
				    .issuer_key = k});
	mesh[n++] = make(&(struct recipe){
	    .subject = names[SIDE - 1], .key = SIDE - 1, .issuer = "top", .issuer_key = SIDE});
	mesh[n++] = make(&(struct recipe){
	    .subject = "leaf", .key = SIDE + 2, .issuer = names[0], .issuer_key = 0, .leaf = true});
	p.given = (struct certs){(const struct cert *const *)mesh, n - 1};
	p.leaf = mesh[n - 1];
	start = clock();
	chain_find(&p, &c);
	assert_true(c.count >= 2 && c.count <= LIMIT_CHAIN);
	/* Generous even under sanitizers; without a bound it would take for ever. */
	assert_true((clock() - start) / CLOCKS_PER_SEC < 20);
	chain_fini(&c);
	while (n > 0)
		cert_unref(mesh[--n]);
}

/* Hundreds of the issuer's name, of which none is it. */
static void
test_namesakes(void **state)
{
	enum { MANY = LIMIT_CHAIN_SIGNATURES + 100 };
	static const struct cert *crowd[MANY + 1];
	struct chain_params p = {
	    .leaf = shelf_get(&shelf, "l").list[0],
	    .roots = shelf_get(&shelf, "R"),
	    .now = NOW,
	};
	struct cert *other =
	    make(&(struct recipe){.subject = "I", .key = 9, .issuer = "I", .issuer_key = 9});
	struct chain c;

	(void)state;
	/* One and the same many times counts once. */
	for (size_t i = 0; i < MANY; i++)
		crowd[i] = other;
	crowd[MANY] = shelf_get(&shelf, "i").list[0];
	p.given = (struct certs){crowd, MANY + 1};
	chain_find(&p, &c);
	assert_string_equal(path_of(&shelf, &c), "liR");
	assert_false(has_reason(&c, CHAIN_SEARCH_CUT));
	chain_fini(&c);
	cert_unref(other);
}

/* As many as are looked at, all of the issuer's name and other keys: what was not looked at is
 * said. */
static void
test_cut(void **state)
{
	enum { MANY = LIMIT_CHAIN_CANDIDATES + 1 };
	static struct cert *crowd[MANY];
	struct chain_params p = {
	    .leaf = shelf_get(&shelf, "l").list[0],
	    .now = NOW,
	};
	struct chain c;

	(void)state;
	for (size_t i = 0; i < MANY; i++)
		crowd[i] = make(
		    &(struct recipe){.subject = "I", .key = 9, .issuer = "I", .issuer_key = 9});
	/* The leaf is a candidate too. */
	for (size_t count = MANY - 2; count <= MANY; count += 2) {
		p.known = (struct certs){(const struct cert *const *)crowd, count};
		chain_find(&p, &c);
		assert_string_equal(path_of(&shelf, &c), "l");
		assert_true(has_reason(&c, CHAIN_SEARCH_CUT));
		chain_fini(&c);
	}
	p.known.count = LIMIT_CHAIN_SIGNATURES;
	chain_find(&p, &c);
	assert_false(has_reason(&c, CHAIN_SEARCH_CUT));
	chain_fini(&c);
	/* A root is not crowded out by them. */
	p.known.count = MANY;
	p.leaf = shelf_get(&shelf, "n").list[0];
	p.given = shelf_get(&shelf, "f");
	p.roots = shelf_get(&shelf, "Y");
	chain_find(&p, &c);
	assert_string_equal(path_of(&shelf, &c), "nfY");
	chain_fini(&c);
	for (size_t i = 0; i < MANY; i++)
		cert_unref(crowd[i]);
}

int
run_chain_tests(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_paths),
	    TEST(test_preferred_by_fingerprint),
	    TEST(test_mesh),
	    TEST(test_namesakes),
	    TEST(test_cut),
	};

	return cmocka_run_group_tests_name("chain", tests, fill, empty);
}
