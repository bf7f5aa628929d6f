/* Names in other scripts: what IDNA 2008 allows, limits after encoding, how they are shown. */

#include "common/model/names.h"
#include "tests/unit/common/model/model_tests.h"

#include <string.h>

#define A10 "aaaaaaaaaa"
#define U10 "üüüüüüüüüü"
#define L50 A10 A10 A10 A10 A10

/* Refused: NULL, and what the error says. Shown: NULL when it is as it was typed. */
static const struct {
	const char *typed, *stored, *shown, *says;
} cases[] = {
    {"faß.de", "xn--fa-hia.de", NULL, NULL},
    {"straße.example", "xn--strae-oqa.example", NULL, NULL},
    {"STRASSE.example", "strasse.example", "strasse.example", NULL},
    {"Straße.Example.", "xn--strae-oqa.example", "straße.example", NULL},
    {"xn--fa-hia.de", "xn--fa-hia.de", "faß.de", NULL},
    {"*.straße.example", "*.xn--strae-oqa.example", NULL, NULL},
    {"bücher.例え.example", "xn--bcher-kva.xn--r8jz45g.example", NULL, NULL},
    {"a。ü", "a.xn--tda", "a.ü", NULL},
    /* composed by NFC, and mapped: wide letters, the sign for kelvin */
    {"a\xcc\x88.de", "xn--4ca.de", "ä.de", NULL},
    {"ｅｘ.example", "ex.example", "ex.example", NULL},
    {"\xe2\x84\xaa.example", "k.example", "k.example", NULL},
    /* Hebrew and Arabic */
    {"אבג.example", "xn--4dbcd.example", NULL, NULL},
    {"شبكة.example", "xn--ngbc5azd.example", NULL, NULL},
    {"א1.example", "xn--1-zhc.example", NULL, NULL},
    {"1א.example", NULL, NULL, "character 2, 'א' (U+05D0), does not fit the direction"},
    {"aא.example", NULL, NULL, "character 2, 'א' (U+05D0), does not fit the direction"},
    {"www.אa.example", NULL, NULL, "character 6, 'a' (U+0061), does not fit the direction"},
    /* emoji, symbols, what needs its neighbours, combining first */
    {"i❤.example", NULL, NULL, "character 2, '❤' (U+2764), is not allowed in names"},
    {"www.😀.example", NULL, NULL, "character 5, '😀' (U+1F600), is not allowed"},
    {"½.example", NULL, NULL, "character 1, '½' (U+00BD), is not allowed"},
    {"a\xe2\x80\x8d"
     "b.example",
	NULL, NULL, "(U+200D), is allowed only beside certain others"},
    {"\xcc\x88"
     "a.example",
	NULL, NULL, "character 1"},
    /* what is mapped to nothing */
    {"\xe2\x80\x8b", NULL, NULL, "only characters that names leave out"},
    {"\xe2\x80\x8b.de", NULL, NULL, "empty label"},
    /* ASCII beside other scripts is as strict as alone */
    {"é_x.de", NULL, NULL, "'_' at character 2"},
    {"é x.de", NULL, NULL, "a blank at character 2"},
    {"ü:443", NULL, NULL, "without port"},
    {"ü.*.de", NULL, NULL, "'*' stands alone"},
    {"é..de", NULL, NULL, "empty label"},
    {".é", NULL, NULL, "empty label"},
    {"-é.de", NULL, NULL, "begins or ends with a hyphen"},
    {"ab--cd.é", NULL, NULL, "third and fourth"},
    {"xn--a.é", NULL, NULL, "label 'xn--a' begins as A-labels do"},
    {"\xc3", NULL, NULL, "\\xc3 at character 1: that is not UTF-8"},
    {"ü\xff.de", NULL, NULL, "\\xff at character 2: that is not UTF-8"},
    /* 50 letters and one umlaut fit in 63 characters as an A-label, 58 do not */
    {L50 "ü.de", "xn--" L50 "-ehf.de", NULL, NULL},
    {L50 "aaaaaaaaü.de", NULL, NULL, "more than 63 characters as an A-label"},
    /* 246 characters as typed, more when they are encoded */
    {U10 "." U10 "." U10 "." U10 "." U10 "." U10 "." U10 "." U10 "." U10 "." U10 "." U10 "." U10
	 "." U10 "." U10 "." U10 "." U10 "." U10 "." U10 "." U10 "." U10 "." U10 "." U10,
	NULL, NULL, "more than 253 characters in A-labels"},
};

static void
test_idn(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char out[NAME_TEXT_MAX] = "untouched", shown[NAME_SHOWN_MAX];
		enum name_type type;
		struct err err = {0};
		int rc = name_normalise(cases[i].typed, out, &type, &err);

		if (cases[i].stored == NULL) {
			if (rc != ERR_INVALID || strstr(err.text, cases[i].says) == NULL)
				fail_msg("'%s': %d '%s' %s", cases[i].typed, rc, out, err.text);
			assert_string_equal(out, "untouched");
			continue;
		}
		if (rc != 0)
			fail_msg("'%s': %s", cases[i].typed, err.text);
		assert_string_equal(out, cases[i].stored);
		assert_int_equal(type, out[0] == '*' ? NAME_WILDCARD : NAME_DNS);
		assert_string_equal(name_shown(out, shown),
		    cases[i].shown != NULL ? cases[i].shown : cases[i].typed);
	}
}

static void
test_idn_wildcard_limit(void **state)
{
	char text[LIMIT_NAME_TYPED + 10], out[NAME_TEXT_MAX];
	enum name_type type;
	struct err err;

	(void)state;
	/* "*." and 251 characters fit, one more does not. */
	memset(text, 0, sizeof(text));
	memcpy(text, "*.\xc3\xbc", 4);
	for (unsigned i = 0; i < 244; i++)
		text[4 + i] = (char)(i % 61 == 0 ? '.' : 'a');
	assert_int_equal(name_normalise(text, out, &type, &err), 0);
	assert_int_equal(strlen(out), 2 + 7 + 244);
	text[4 + 244] = 'a';
	assert_int_equal(name_normalise(text, out, &type, &err), ERR_INVALID);
	assert_non_null(strstr(err.text, "at most 253"));
	memset(text, 'a', sizeof(text) - 1);
	memcpy(text, "\xc3\xbc", 2);
	assert_int_equal(name_normalise(text, out, &type, &err), ERR_INVALID);
	assert_non_null(strstr(err.text, "at most 1024 are read"));
}

static void
test_idn_mixed(void **state)
{
	static const struct {
		const char *typed, *says; /* NULL: not mixed */
	} mixed[] = {
	    {"paypаl.com", "label 'paypаl' mixes Latin and Cyrillic letters"},
	    {"ok.gооgle.com", "label 'gооgle' mixes Latin and Cyrillic"},
	    {"αb.example", "mixes Latin and Greek"},
	    {"пример.example", NULL},
	    {"bücher.example", NULL},
	    {"toyota東京カ.example", NULL},
	    {"한국abc.example", NULL},
	    {"例え한.example", "mixes"},
	    {"www.example.org", NULL},
	    {"192.0.2.1", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(mixed); i++) {
		char name[NAME_TEXT_MAX], shown[NAME_SHOWN_MAX];
		enum name_type type;
		struct err err = {0};

		assert_int_equal(name_normalise(mixed[i].typed, name, &type, &err), 0);
		assert_int_equal(name_mixes_scripts(name, &err), mixed[i].says != NULL);
		if (mixed[i].says == NULL)
			assert_string_equal(name_shown(name, shown), mixed[i].typed);
		else if (strstr(err.text, mixed[i].says) == NULL)
			fail_msg("'%s': %s", mixed[i].typed, err.text);
		else
			assert_string_equal(name_shown(name, shown), name);
	}
}

/* What is no A-label of anything stays as it is. */
static void
test_idn_shown_as_it_is(void **state)
{
	static const char *const texts[] = {"xn--zz.de", "xn--a", "xn--", "a b xn--fa-hia", "Tür 1",
	    "192.0.2.1", "2001:db8::1", "", "xn--fa-hia_x.de", "xn--ls8h.example"};
	char shown[NAME_SHOWN_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		assert_string_equal(name_shown(texts[i], shown), texts[i]);
}

/* Names inside of texts for people; what stands behind a bracket is meant as it is stored. */
static void
test_idn_in_texts(void **state)
{
	static const struct {
		const char *text, *shown;
	} texts[] = {
	    {"credential xn--strae-oqa.example is made", "credential straße.example is made"},
	    {"there is no '*.xn--fa-hia.de'.", "there is no '*.faß.de'."},
	    {"straße.example (xn--strae-oqa.example)", "straße.example (xn--strae-oqa.example)"},
	    {"J@faß.de (J@xn--fa-hia.de), xn--tda.de", "J@faß.de (J@xn--fa-hia.de), ü.de"},
	    {"of xn--fa-hia.de.", "of faß.de."},
	    {"xn--fa-hia.de,xn--tda.de", "faß.de,ü.de"},
	    {"Jane@xn--fa-hia.de has none", "Jane@faß.de has none"},
	    {"xn--paypl-7ve.com mixes", "xn--paypl-7ve.com mixes"},
	    {"no xn--zz.de, xn--, a.xn", "no xn--zz.de, xn--, a.xn"},
	    {"MIIBxn--fa-hia+/=", "MIIBxn--fa-hia+/="},
	    {"...", "..."},
	    {"", ""},
	};
	char shown[NAME_SHOWN_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct buf out = BUF_INIT(1024);

		names_put_shown(&out, span_str(texts[i].text));
		assert_string_equal(buf_str(&out), texts[i].shown);
		buf_fini(&out);
	}
	assert_string_equal(name_shown("Jane@xn--fa-hia.de", shown), "Jane@faß.de");
}

int
run_idn_tests(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_idn),
	    cmocka_unit_test(test_idn_wildcard_limit),
	    cmocka_unit_test(test_idn_mixed),
	    cmocka_unit_test(test_idn_shown_as_it_is),
	    cmocka_unit_test(test_idn_in_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
