/* Names in other scripts: to A-labels and back, and which scripts a label mixes. */

#include "common/model/idn.h"

#include "common/base/buf.h"

#include <idn2.h>
#include <stdio.h>
#include <string.h>

#define FLAGS (IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT)
#define PREFIX_MOST 64 /* characters of a label that are tried one by one to explain a refusal */

/* --- UTF-8 --- */

/* Bytes of the character at s, which ends in NUL; 0: not UTF-8. What it is comes in *out. */
size_t
idn_next(const char *s, uint32_t *out)
{
	const uint8_t *u = (const uint8_t *)s;
	size_t n = u[0] < 0x80 ? 1 : u[0] >= 0xf0 ? 4 : u[0] >= 0xe0 ? 3 : 2;
	uint32_t v = n == 1 ? u[0] : u[0] & (0xffU >> (n + 1));

	if (u[0] == 0 || (u[0] >= 0x80 && u[0] < 0xc2) || u[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((u[i] & 0xc0) != 0x80)
			return 0;
		v = v << 6 | (u[i] & 0x3f);
	}
	*out = v;
	return n;
}

/* Characters before `at`, counted from 1 as people do. */
static size_t
place_of(const char *text, const char *at)
{
	size_t place = 1;

	for (; text < at; text++)
		place += ((unsigned char)*text & 0xc0) != 0x80;
	return place;
}

static bool
is_dot(uint32_t c)
{
	return c == '.' || c == 0x3002 || c == 0xff0e || c == 0xff61;
}

/* --- to ASCII --- */

/* What libidn2 makes of the first len bytes; the result is freed unless out asks for it. */
static int
convert(const char *name, size_t len, char *out)
{
	char text[LIMIT_NAME_TYPED + 1];
	uint8_t *result = NULL;
	int rc;

	memcpy(text, name, len);
	text[len] = 0;
	rc = idn2_lookup_u8((const uint8_t *)text, &result, FLAGS);
	if (rc != IDN2_OK)
		return rc;
	if (strlen((const char *)result) > LIMIT_NAME)
		rc = IDN2_TOO_BIG_DOMAIN;
	else if (out != NULL)
		memcpy(out, result, strlen((const char *)result) + 1);
	idn2_free(result);
	return rc;
}

static const char *
reason_of(int rc)
{
	switch (rc) {
	case IDN2_BIDI:
		return "does not fit the direction of its label: one with Hebrew or Arabic letters "
		       "begins with such a letter and has none of another direction";
	case IDN2_CONTEXTJ:
	case IDN2_CONTEXTJ_NO_RULE:
	case IDN2_CONTEXTO:
	case IDN2_CONTEXTO_NO_RULE:
		return "is allowed only beside certain others, which are not there";
	case IDN2_LEADING_COMBINING:
		return "combines with the one before it, so that no label begins with it";
	case IDN2_UNASSIGNED:
		return "is not known to the Unicode tables of this system";
	case IDN2_INVALID_NONTRANSITIONAL:
	case IDN2_ALABEL_ROUNDTRIP_FAILED:
	case IDN2_DISALLOWED:
	default:
		return "is not allowed in names (IDNA 2008 has letters and digits, no symbols or "
		       "emoji)";
	}
}

static int
label_problem(const char *text, const char *label, size_t len, int rc, struct err *err)
{
	int shown = (int)(len < 100 ? len : 100);

	switch (rc) {
	case IDN2_TOO_BIG_LABEL:
	case IDN2_PUNYCODE_BIG_OUTPUT:
		return err_set(err, ERR_INVALID,
		    "name '%.60s': label '%.*s' has more than %d characters as an A-label "
		    "(xn--...), which is how it is stored",
		    text, shown, label, LIMIT_LABEL);
	case IDN2_TOO_BIG_DOMAIN:
		return err_set(err, ERR_INVALID,
		    "name '%.100s' has more than %d characters in A-labels (xn--...), which is how "
		    "it is stored",
		    text, LIMIT_NAME);
	case IDN2_HYPHEN_STARTEND:
		return err_set(err, ERR_INVALID,
		    "name '%.60s': label '%.*s' begins or ends with a hyphen", text, shown, label);
	case IDN2_2HYPHEN:
		return err_set(err, ERR_INVALID,
		    "name '%.60s': label '%.*s' has hyphens as its third and fourth character, "
		    "which only A-labels (xn--) have",
		    text, shown, label);
	default:
		return err_set(err, ERR_INVALID, "name '%.60s': label '%.*s': %s", text, shown,
		    label, idn2_strerror(rc));
	}
}

static bool
lies_in_a_character(int rc)
{
	return rc == IDN2_BIDI || rc == IDN2_CONTEXTJ || rc == IDN2_CONTEXTJ_NO_RULE ||
	    rc == IDN2_CONTEXTO || rc == IDN2_CONTEXTO_NO_RULE || rc == IDN2_LEADING_COMBINING ||
	    rc == IDN2_UNASSIGNED || rc == IDN2_DISALLOWED || rc == IDN2_INVALID_NONTRANSITIONAL ||
	    rc == IDN2_ALABEL_ROUNDTRIP_FAILED;
}

/* The character is the one with which the label begins to be refused for the same reason. */
static int
explain_label(const char *text, const char *label, size_t len, int rc, struct err *err)
{
	size_t at = 0;

	if (len > 4 && strncasecmp(label, "xn--", 4) == 0)
		return err_set(err, ERR_INVALID,
		    "name '%.80s': label '%.*s' begins as A-labels do, and is none", text,
		    (int)(len < 100 ? len : 100), label);
	for (unsigned i = 0; i < PREFIX_MOST && at < len && lies_in_a_character(rc); i++) {
		uint32_t c = 0;
		size_t n = idn_next(label + at, &c);

		if (convert(label, at + n, NULL) == rc)
			return err_set(err, ERR_INVALID,
			    "name '%.80s': character %zu, '%.*s' (U+%04X), %s", text,
			    place_of(text, label + at), (int)n, label + at, c, reason_of(rc));
		at += n;
	}
	return label_problem(text, label, len, rc, err);
}

/* Which label it is; rc is what the whole name got. */
static int
explain(const char *text, const char *name, int rc, struct err *err)
{
	const char *label = name, *at = name;
	uint32_t c = 0;

	while (true) {
		size_t n = idn_next(at, &c);

		if (n == 0 || is_dot(c)) {
			size_t len = (size_t)(at - label);
			int own = len > 0 ? convert(label, len, NULL) : IDN2_OK;

			if (own != IDN2_OK)
				return explain_label(text, label, len, own, err);
			if (n == 0)
				return label_problem(text, name, strlen(name), rc, err);
			label = at + n;
		}
		at += n;
	}
}

static int
check_utf8(const char *text, struct err *err)
{
	uint32_t c;

	for (const char *at = text; *at != 0;) {
		size_t n = idn_next(at, &c);

		if (n == 0)
			return err_set(err, ERR_INVALID,
			    "name with \\x%02x at character %zu: that is not UTF-8",
			    (unsigned char)*at, place_of(text, at));
		at += n;
	}
	return 0;
}

int
idn_to_ascii(const char *text, const char *name, char out[static NAME_TEXT_MAX], struct err *err)
{
	int rc = check_utf8(text, err);

	if (rc < 0)
		return rc;
	rc = convert(name, strlen(name), out);
	return rc == IDN2_OK ? 0 : explain(text, name, rc, err);
}

/* --- scripts --- */

enum script {
	SCRIPT_NONE, /* digits, marks, and what is not in the table */
	SCRIPT_LATIN,
	SCRIPT_GREEK,
	SCRIPT_CYRILLIC,
	SCRIPT_ARMENIAN,
	SCRIPT_HEBREW,
	SCRIPT_ARABIC,
	SCRIPT_THAI,
	SCRIPT_GEORGIAN,
	SCRIPT_CHEROKEE,
	SCRIPT_KANA,
	SCRIPT_BOPOMOFO,
	SCRIPT_HAN,
	SCRIPT_HANGUL,
	SCRIPT__COUNT,
};

static const char *const script_names[] = {
    [SCRIPT_NONE] = "no script",
    [SCRIPT_LATIN] = "Latin",
    [SCRIPT_GREEK] = "Greek",
    [SCRIPT_CYRILLIC] = "Cyrillic",
    [SCRIPT_ARMENIAN] = "Armenian",
    [SCRIPT_HEBREW] = "Hebrew",
    [SCRIPT_ARABIC] = "Arabic",
    [SCRIPT_THAI] = "Thai",
    [SCRIPT_GEORGIAN] = "Georgian",
    [SCRIPT_CHEROKEE] = "Cherokee",
    [SCRIPT_KANA] = "Kana",
    [SCRIPT_BOPOMOFO] = "Bopomofo",
    [SCRIPT_HAN] = "Han",
    [SCRIPT_HANGUL] = "Hangul",
};
_Static_assert(ARRAY_LEN(script_names) == SCRIPT__COUNT, "every script has a name");

/* Blocks of letters that are mistaken for each other, or written together. */
static const struct {
	uint32_t first, last;
	enum script script;
} blocks[] = {
    {'a', 'z', SCRIPT_LATIN},
    {0xdf, 0x24f, SCRIPT_LATIN},
    {0x250, 0x2af, SCRIPT_LATIN},
    {0x370, 0x3ff, SCRIPT_GREEK},
    {0x400, 0x52f, SCRIPT_CYRILLIC},
    {0x531, 0x587, SCRIPT_ARMENIAN},
    {0x5d0, 0x5f2, SCRIPT_HEBREW},
    {0x620, 0x64a, SCRIPT_ARABIC},
    {0x66e, 0x6d3, SCRIPT_ARABIC},
    {0x750, 0x77f, SCRIPT_ARABIC},
    {0xe01, 0xe4e, SCRIPT_THAI},
    {0x10d0, 0x10ff, SCRIPT_GEORGIAN},
    {0x1100, 0x11ff, SCRIPT_HANGUL},
    {0x13a0, 0x13ff, SCRIPT_CHEROKEE},
    {0x1e00, 0x1eff, SCRIPT_LATIN},
    {0x1f00, 0x1fff, SCRIPT_GREEK},
    {0x3005, 0x3007, SCRIPT_HAN},
    {0x3041, 0x30ff, SCRIPT_KANA},
    {0x3105, 0x312f, SCRIPT_BOPOMOFO},
    {0x3400, 0x9fff, SCRIPT_HAN},
    {0xab70, 0xabbf, SCRIPT_CHEROKEE},
    {0xac00, 0xd7a3, SCRIPT_HANGUL},
    {0x20000, 0x3134f, SCRIPT_HAN},
};

#define BIT(script) (1U << (script))

/* What East Asia writes in one word (UTS 39, highly restrictive). */
static const unsigned together[] = {
    BIT(SCRIPT_LATIN) | BIT(SCRIPT_HAN) | BIT(SCRIPT_KANA),
    BIT(SCRIPT_LATIN) | BIT(SCRIPT_HAN) | BIT(SCRIPT_BOPOMOFO),
    BIT(SCRIPT_LATIN) | BIT(SCRIPT_HAN) | BIT(SCRIPT_HANGUL),
};

static unsigned
script_bit(uint32_t c)
{
	for (size_t i = 0; i < ARRAY_LEN(blocks); i++)
		if (c >= blocks[i].first && c <= blocks[i].last)
			return BIT(blocks[i].script);
	return 0;
}

static bool
is_mixed(unsigned scripts)
{
	if ((scripts & (scripts - 1)) == 0)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(together); i++)
		if ((scripts & ~together[i]) == 0)
			return false;
	return true;
}

/* Scripts of the first label from *at that mixes some; 0: none does. *at is behind that label. */
static unsigned
next_mixed(const char **at, const char **label)
{
	unsigned scripts = 0;
	uint32_t c;
	size_t n;

	for (*label = *at; (n = idn_next(*at, &c)) > 0; *at += n) {
		if (c != '.') {
			scripts |= script_bit(c);
			continue;
		}
		if (is_mixed(scripts))
			return scripts;
		scripts = 0;
		*label = *at + 1;
	}
	return is_mixed(scripts) ? scripts : 0;
}

/* --- and back --- */

/* In its own script, if it is the A-label form of just that; else false. */
static bool
to_unicode(const char *name, char out[static NAME_SHOWN_MAX])
{
	char back[NAME_TEXT_MAX];
	char *result = NULL;
	bool ok;

	if (strstr(name, "xn--") == NULL || idn2_to_unicode_8z8z(name, &result, 0) != IDN2_OK)
		return false;
	ok = strlen(result) <= LIMIT_NAME_TYPED &&
	    convert(result, strlen(result), back) == IDN2_OK && strcmp(back, name) == 0;
	if (ok)
		memcpy(out, result, strlen(result) + 1);
	idn2_free(result);
	return ok;
}

const char *
name_shown(const char *name, char out[static NAME_SHOWN_MAX])
{
	const char *domain = strrchr(name, '@'), *at = out, *label;
	char shown[NAME_SHOWN_MAX];

	if (domain == NULL && to_unicode(name, out) && next_mixed(&at, &label) == 0)
		return out;
	if (domain != NULL)
		snprintf(out, NAME_SHOWN_MAX, "%.*s%s", (int)(domain + 1 - name), name,
		    name_shown(domain + 1, shown));
	else
		snprintf(out, NAME_SHOWN_MAX, "%s", name);
	return out;
}

/* What a DNS name consists of. */
static bool
is_of_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	    c == '-' || c == '.' || c == '*';
}

void
names_put_shown(struct buf *out, struct span text)
{
	const char *at = (const char *)text.data;
	bool as_stored = false;

	for (size_t i = 0, n; i < text.len; i += n) {
		char name[NAME_TEXT_MAX], shown[NAME_SHOWN_MAX];

		for (n = 0; i + n < text.len && is_of_name(at[i + n]); n++)
			continue;
		for (; n > 1 && at[i + n - 1] == '.'; n--)
			continue; /* the end of a sentence */
		if (n >= strlen("xn--") && n < sizeof(name) && !as_stored) {
			memcpy(name, at + i, n);
			name[n] = '\0';
			buf_put_str(out, name_shown(name, shown));
		} else {
			n = n > 0 ? n : 1;
			buf_put(out, at + i, n);
		}
		if (at[i + n - 1] == '(')
			as_stored = true;
		else if (at[i + n - 1] == ' ' || at[i + n - 1] == ')')
			as_stored = false;
	}
}

bool
name_mixes_scripts(const char *name, struct err *why)
{
	char unicode[NAME_SHOWN_MAX];
	const char *at = unicode, *label, *one = NULL, *other = NULL;
	unsigned scripts;

	if (!to_unicode(name, unicode))
		return false;
	scripts = next_mixed(&at, &label);
	if (scripts == 0)
		return false;
	for (size_t i = 0; i < SCRIPT__COUNT && other == NULL; i++) {
		if ((scripts & BIT(i)) == 0)
			continue;
		other = one != NULL ? script_names[i] : NULL;
		one = one != NULL ? one : script_names[i];
	}
	err_set(why, ERR_INVALID,
	    "name '%.80s': label '%.*s' mixes %s and %s letters, as names do that look like others",
	    name, (int)(at - label < 100 ? at - label : 100), label, one, other);
	return true;
}
