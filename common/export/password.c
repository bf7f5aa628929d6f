#include "common/export/password.h"

#include "common/base/limits.h"

#include <ctype.h>
#include <string.h>

/* What is left when all common pieces count as one character each must be this long. */
#define LEFT_MIN 7
#define PIECE_MIN 3
#define RUN_MIN 3

/*
 * Words that are tried first, by rule: what one types when asked for a password, for a test, for
 * this kind of system; seasons, months, days, first names of people and pets, teams, feelings; and
 * rows of keyboards. No list of others was used.
 */
static const char *const words[] = {"password", "passwort", "passwd", "kennwort", "geheim",
    "secret", "welcome", "willkommen", "letmein", "login", "master", "admin", "administrator",
    "root", "user", "guest", "test", "testing", "default", "change", "changeme", "changeit", "temp",
    "temporary", "access", "private", "security", "secure", "server", "system", "system32",
    "service", "domain", "certificate", "zertifikat", "export", "import", "key", "certherd",
    "domino", "notes", "lotus", "internet", "computer", "windows", "linux", "oracle", "database",
    "company", "office", "hello", "hallo", "iloveyou", "love", "lovely", "princess", "sunshine",
    "monkey", "dragon", "shadow", "football", "baseball", "hockey", "soccer", "superman", "batman",
    "pokemon", "starwars", "trustno", "whatever", "freedom", "summer", "winter", "spring", "autumn",
    "sommer", "herbst", "january", "february", "march", "april", "june", "july", "august",
    "september", "october", "november", "december", "monday", "tuesday", "wednesday", "thursday",
    "friday", "saturday", "sunday", "michael", "jennifer", "jordan", "thomas", "daniel", "andrew",
    "charlie", "maggie", "buddy", "bailey", "qwertz", "qwerty", "azerty", "asdfgh", "yxcvbn",
    "zxcvbn", "asdf", "qwer", "correct", "horse", "battery", "staple"};

static const char *const rows[] = {"abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop",
    "qwertzuiop", "azertyuiop", "asdfghjkl", "zxcvbnm", "yxcvbnm", "1qaz2wsx3edc4rfv5tgb6zhn",
    "1qay2wsx3edc4rfv5tgb6zhn", "!@#$%^&*()", "!\"$%&/()="};

/* Digits and signs that stand for letters. */
static char
folded(char c)
{
	static const char from[] = "0134578@$!", to[] = "oleastbasi";
	const char *at = c != '\0' ? strchr(from, c) : NULL;

	return at != NULL ? to[at - from] : (char)tolower((unsigned char)c);
}

/* Length of the word at p, letters folded; 0 when it is another. */
static size_t
word_at(const char *p, size_t left, const char *word)
{
	size_t n = strlen(word);

	if (n < PIECE_MIN || n > left)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (folded(p[i]) != folded(word[i]))
			return 0;
	return n;
}

/* Length of the run at p: one character again and again, or along a row in either direction. */
static size_t
run_at(const char *p, size_t left)
{
	size_t best = 1;

	while (best < left && p[best] == p[0])
		best++;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *row = rows[i];
		const char *at = strchr(row, tolower((unsigned char)p[0]));
		size_t up = 0, down = 0;

		if (at == NULL)
			continue;
		while (up < left && at[up] == tolower((unsigned char)p[up]) && at[up] != '\0')
			up++;
		while (down < left && at >= row + down &&
		    *(at - down) == tolower((unsigned char)p[down]))
			down++;
		best = up > best ? up : best;
		best = down > best ? down : best;
	}
	return best >= RUN_MIN ? best : 0;
}

/* A year, or any group of digits at this place, is one thing to guess. */
static size_t
digits_at(const char *p, size_t left)
{
	size_t n = 0;

	while (n < left && isdigit((unsigned char)p[n]))
		n++;
	return n >= 2 && n <= 4 ? n : 0;
}

static size_t
longest(size_t a, size_t b)
{
	return a > b ? a : b;
}

static size_t
piece_at(const char *p, size_t left, const char *const *avoid, size_t avoid_count)
{
	size_t best = longest(run_at(p, left), digits_at(p, left));

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		best = longest(best, word_at(p, left, words[i]));
	for (size_t i = 0; i < avoid_count; i++)
		best = longest(best, word_at(p, left, avoid[i]));
	return best;
}

/* Characters that are left when every common piece counts as one, and none twice. */
static size_t
left_over(const char *text, size_t len, const char *const *avoid, size_t avoid_count)
{
	size_t left = 0, n;

	for (size_t i = 0; i < len; i += n) {
		n = piece_at(text + i, len - i, avoid, avoid_count);
		n = n > 0 ? n : 1;
		/* The same piece as before is no news. */
		if (i < n || memcmp(text + i - n, text + i, n) != 0)
			left++;
	}
	return left;
}

/* The whole is a shorter piece again and again. */
static bool
is_repeated(const char *text, size_t len)
{
	for (size_t n = 1; n <= len / 2; n++)
		if (len % n == 0 && n < LEFT_MIN && memcmp(text, text + n, len - n) == 0)
			return true;
	return false;
}

/* Characters of UTF-8; 0 for control characters and for what is none. */
static size_t
count_characters(const uint8_t *p, size_t len)
{
	size_t count = 0;

	for (size_t i = 0; i < len; count++) {
		unsigned more = p[i] < 0x80 ? 0
		    : p[i] < 0xc2           ? 9
		    : p[i] < 0xe0           ? 1
		    : p[i] < 0xf0           ? 2
		    : p[i] < 0xf5           ? 3
					    : 9;

		if (p[i] < ' ' || p[i] == 0x7f || more == 9 || i + more >= len)
			return 0;
		for (i++; more > 0; more--, i++)
			if ((p[i] & 0xc0) != 0x80)
				return 0;
	}
	return count;
}

int
password_check(
    const struct secret *password, const char *const *avoid, size_t avoid_count, struct err *err)
{
	struct span s = secret_span(password);
	const char *text = (const char *)s.data;
	size_t count;

	if (s.len > LIMIT_PASSWORD)
		return err_set(err, ERR_INVALID, "the password has %zu bytes; at most %d", s.len,
		    LIMIT_PASSWORD);
	count = count_characters(s.data, s.len);
	if (count == 0 && s.len > 0)
		return err_set(
		    err, ERR_INVALID, "the password has control characters in it, or is no UTF-8");
	if (count < PASSWORD_MIN)
		return err_set(err, ERR_INVALID,
		    "the password has %zu characters; at least %d are needed", count, PASSWORD_MIN);
	if (is_repeated(text, s.len) || left_over(text, s.len, avoid, avoid_count) < LEFT_MIN)
		return err_set(err, ERR_INVALID,
		    "the password is one of those that are tried first (common words, names, "
		    "rows of keys, repetitions): take another, or let one be made");
	return 0;
}

int
password_generate(struct secret **out, struct err *err)
{
	/* 32 that nobody confuses: no 0 and o, no 1 and l. */
	static const char alphabet[] = "23456789abcdefghijkmnpqrstuvwxyz";
	enum { GROUPS = 4, GROUP = 6, LEN = GROUPS * (GROUP + 1) - 1 };
	AUTO(secret_freep)
	struct secret *random = NULL;
	AUTO(secret_freep)
	struct secret *text = NULL;
	uint8_t *p;
	int r;

	_Static_assert(sizeof(alphabet) == 33, "five bits a character");
	do {
		secret_free(MOVE(random));
		secret_free(MOVE(text));
		if ((r = secret_random(LEN, &random, err)) < 0 ||
		    (r = secret_new(LEN, &text, err)) < 0)
			return r;
		p = secret_bytes(text);
		for (size_t i = 0; i < LEN; i++)
			p[i] = i % (GROUP + 1) == GROUP
			    ? (uint8_t)'-'
			    : (uint8_t)alphabet[secret_span(random).data[i] & 31];
		/* By chance it may look like a common one, once in a very long time. */
	} while (password_check(text, NULL, 0, NULL) < 0);
	*out = MOVE(text);
	return 0;
}
