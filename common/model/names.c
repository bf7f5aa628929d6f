#include "common/model/names.h"

#include "common/base/buf.h"
#include "common/model/idn.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define EMAIL_LOCAL_MAX 64

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* The character as a person can recognise it, whatever it is. */
static const char *
show(char c, char out[static 8])
{
	unsigned char u = (unsigned char)c;

	if (u == ' ')
		snprintf(out, 8, "a blank");
	else if (u > 0x20 && u < 0x7f && u != '\'')
		snprintf(out, 8, "'%c'", c);
	else
		snprintf(out, 8, "\\x%02x", u);
	return out;
}

/* inet_pton takes nothing but the address itself: no blanks, no zone, no port. */
static bool
ip_normalise(const char *text, char out[static NAME_TEXT_MAX])
{
	struct in6_addr v6;
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1)
		return inet_ntop(AF_INET, &v4, out, NAME_TEXT_MAX) != NULL;
	if (inet_pton(AF_INET6, text, &v6) == 1)
		return inet_ntop(AF_INET6, &v6, out, NAME_TEXT_MAX) != NULL;
	return false;
}

static int
label_problem(const char *text, const char *label, size_t len, struct err *err)
{
	if (len == 0)
		return err_set(err, ERR_INVALID,
		    "name '%s': there is an empty label (two dots, or one at the start)", text);
	if (len > LIMIT_LABEL)
		return err_set(err, ERR_INVALID,
		    "name '%s': label '%.*s' has %zu characters, at most %d are allowed", text, 63,
		    label, len, LIMIT_LABEL);
	if (label[0] == '-' || label[len - 1] == '-')
		return err_set(err, ERR_INVALID,
		    "name '%s': label '%.*s' begins or ends with a hyphen", text, (int)len, label);
	return 0;
}

/* Which character it is, counted as people do: one of UTF-8 may have several bytes. */
static size_t
place_of(const char *text, size_t at)
{
	size_t place = 1;

	for (size_t i = 0; i < at; i++)
		place += ((unsigned char)text[i] & 0xc0) != 0x80;
	return place;
}

static int
character_problem(const char *text, size_t at, struct err *err)
{
	size_t place = place_of(text, at);
	char shown[8];

	if (text[at] == '*')
		return err_set(err, ERR_INVALID,
		    "name '%s': a '*' stands alone, as the first label: '*.example.org'", text);
	if (text[at] == ':' || text[at] == '/' || text[at] == '[')
		return err_set(err, ERR_INVALID,
		    "name '%s': %s at character %zu is not allowed; give a DNS name or an IP "
		    "address alone, without port, brackets or path",
		    text, show(text[at], shown), place);
	return err_set(err, ERR_INVALID,
	    "name '%.180s': %s at character %zu is not allowed in a DNS name", text,
	    show(text[at], shown), place);
}

/*
 * Labels and characters; len is without a dot at the end. Hosts of some have an underscore in their
 * name, which no certificate may have, but which a wildcard covers.
 */
static int
dns_check(const char *text, size_t len, size_t start, bool underscores, struct err *err)
{
	size_t label = start;
	bool digits = true;

	for (size_t i = start; i <= len; i++) {
		int r;

		if (i < len && text[i] != '.') {
			char c = lower(text[i]);

			if (!is_digit(c) && c != '-' && (c < 'a' || c > 'z') &&
			    (c != '_' || !underscores))
				return character_problem(text, i, err);
			digits = digits && is_digit(c);
			continue;
		}
		r = label_problem(text, text + label, i - label, err);
		if (r < 0)
			return r;
		if (i == len && digits)
			return err_set(err, ERR_INVALID,
			    "name '%s' ends in a number, as an IP address does, but is not one",
			    text);
		label = i + 1;
		digits = true;
	}
	return 0;
}

static bool
is_ascii(const char *text)
{
	for (; *text != 0; text++)
		if ((unsigned char)*text >= 0x80)
			return false;
	return true;
}

/* Characters of ASCII are our own affair: libidn2 lets some pass that no host name has. */
static int
ascii_check(const char *text, size_t start, struct err *err)
{
	for (size_t i = start; text[i] != 0; i++) {
		char c = lower(text[i]);

		if ((unsigned char)c < 0x80 && !is_digit(c) && c != '-' && c != '.' &&
		    (c < 'a' || c > 'z'))
			return character_problem(text, i, err);
	}
	return 0;
}

/* Any name of letters into A-labels; start is behind the "*." of a wildcard. */
static int
convert(const char *text, size_t start, char out[static NAME_TEXT_MAX], struct err *err)
{
	int r;

	if (strlen(text) > LIMIT_NAME_TYPED)
		return err_set(err, ERR_INVALID,
		    "name '%.60s...' has %zu bytes, at most %d are read", text, strlen(text),
		    LIMIT_NAME_TYPED);
	r = ascii_check(text, start, err);
	if (r == 0)
		r = idn_to_ascii(text, text + start, out, err);
	return r;
}

int
name_normalise(
    const char *text, char out[static NAME_TEXT_MAX], enum name_type *type, struct err *err)
{
	char converted[NAME_TEXT_MAX + 2] = "*.";
	size_t len, wildcard = text[0] == '*' && text[1] == '.' ? 2 : 0;
	int r;

	if (text[0] == 0)
		return err_set(err, ERR_INVALID, "a name is empty");
	if (ip_normalise(text, out)) {
		*type = NAME_IP;
		return 0;
	}
	if (!is_ascii(text)) {
		char name[NAME_TEXT_MAX];

		r = convert(text, wildcard, name, err);
		if (r < 0)
			return r;
		if (name[0] == 0)
			return err_set(err, ERR_INVALID,
			    "name '%.60s' has only characters that names leave out", text);
		memcpy(converted + wildcard, name, strlen(name) + 1);
		text = converted;
	}
	len = strlen(text);
	if (text[len - 1] == '.')
		len--;
	if (len > LIMIT_NAME)
		return err_set(err, ERR_INVALID,
		    "name '%.60s...' has %zu characters%s, at most %d are allowed", text, len,
		    text == converted ? " in A-labels, which is how it is stored" : "", LIMIT_NAME);
	wildcard = len > 2 ? wildcard : 0;
	r = dns_check(text, len, wildcard, false, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < len; i++)
		out[i] = lower(text[i]);
	out[len] = 0;
	*type = wildcard > 0 ? NAME_WILDCARD : NAME_DNS;
	return 0;
}

bool
name_is_email(const char *name)
{
	return strchr(name, '@') != NULL;
}

/* RFC 5321 without quotes, and without what would be a path or a wildcard elsewhere. */
static int
local_part_check(const char *text, size_t len, struct err *err)
{
	static const char signs[] = "!#$%&'+-=?^_`{|}~";
	char shown[8];

	if (len == 0 || len > EMAIL_LOCAL_MAX)
		return err_set(err, ERR_INVALID,
		    "e-mail address '%.200s': there are %zu characters before the '@'; 1 to %d are "
		    "possible",
		    text, len, EMAIL_LOCAL_MAX);
	for (size_t i = 0; i < len; i++) {
		char c = lower(text[i]);
		bool dot = c == '.' && i > 0 && i + 1 < len && text[i - 1] != '.';
		uint32_t wide = 0;
		size_t n = (unsigned char)c >= 0x80 ? idn_next(text + i, &wide) : 0;

		/* RFC 8398 has a form of its own for them, which hardly any program reads. */
		if (n > 0)
			return err_set(err, ERR_INVALID,
			    "e-mail address '%.180s': '%.*s' (U+%04X) at character %zu: only ASCII "
			    "can stand before the '@'",
			    text, (int)n, text + i, (unsigned)wide, i + 1);
		if (!dot && !is_digit(c) && (c < 'a' || c > 'z') &&
		    memchr(signs, c, sizeof(signs) - 1) == NULL)
			return err_set(err, ERR_INVALID,
			    "e-mail address '%.200s': %s at character %zu is not allowed there",
			    text, show(text[i], shown), i + 1);
	}
	return 0;
}

int
email_normalise(const char *text, char out[static NAME_TEXT_MAX], struct err *err)
{
	const char *at = strrchr(text, '@');
	char domain[NAME_TEXT_MAX];
	enum name_type type;
	size_t len;
	int r;

	if (at == NULL)
		return err_set(err, ERR_INVALID, "'%.200s' is no e-mail address", text);
	len = (size_t)(at - text);
	r = local_part_check(text, len, err);
	if (r == 0)
		r = name_normalise(at + 1, domain, &type, err);
	if (r < 0)
		return r;
	if (type != NAME_DNS)
		return err_set(err, ERR_INVALID,
		    "e-mail address '%.200s': behind the '@' stands a DNS name", text);
	if (len + 1 + strlen(domain) > LIMIT_NAME)
		return err_set(err, ERR_INVALID,
		    "e-mail address '%.60s...' has more than %d characters", text, LIMIT_NAME);
	memcpy(out, text, len + 1);
	memcpy(out + len + 1, domain, strlen(domain) + 1);
	return 0;
}

int
name_normalise_all(const char *const *texts, size_t count, bool emails, char (*out)[NAME_TEXT_MAX],
    size_t *out_count, struct err *err)
{
	size_t n = 0;

	if (count == 0)
		return err_set(err, ERR_INVALID, "a credential needs at least one name");
	if (count > LIMIT_NAMES)
		return err_set(err, ERR_LIMIT, "a credential has at most %d names, these are %zu",
		    LIMIT_NAMES, count);
	for (size_t i = 0; i < count; i++) {
		enum name_type type;
		bool known = false;
		bool email = name_is_email(texts[i]);
		int r;

		if (email && !emails)
			return err_set(err, ERR_INVALID,
			    "'%.200s' is an e-mail address, which certificates of servers do not "
			    "have: "
			    "with --profile client or smime it can be a name",
			    texts[i]);
		r = email ? email_normalise(texts[i], out[n], err)
			  : name_normalise(texts[i], out[n], &type, err);
		if (r < 0)
			return r;
		for (size_t k = 0; k < n && !known; k++)
			known = strcmp(out[k], out[n]) == 0;
		n += !known;
	}
	*out_count = n;
	return 0;
}

bool
name_is_wildcard(const char *name)
{
	return name[0] == '*' && name[1] == '.';
}

bool
name_is_ip(const char *name)
{
	char out[NAME_TEXT_MAX];

	return ip_normalise(name, out);
}

bool
name_wildcard_of(const char *name, char out[static NAME_TEXT_MAX])
{
	const char *dot = strchr(name, '.');
	size_t len;

	if (dot == NULL || dot == name || name_is_wildcard(name) || name_is_ip(name))
		return false;
	len = strlen(dot);
	if (len == 1 || len + 1 > LIMIT_NAME)
		return false;
	out[0] = '*';
	memcpy(out + 1, dot, len + 1);
	return true;
}

bool
name_matches(const char *pattern, const char *host)
{
	char wildcard[NAME_TEXT_MAX];

	if (strcmp(pattern, host) == 0)
		return true;
	return name_is_wildcard(pattern) && name_wildcard_of(host, wildcard) &&
	    strcmp(pattern, wildcard) == 0;
}

bool
name_from_sni(const char *sni, size_t len, char out[static NAME_TEXT_MAX])
{
	char text[NAME_TEXT_MAX];

	if (len > 0 && sni[len - 1] == '.')
		len--;
	if (len == 0 || len > LIMIT_NAME || memchr(sni, 0, len) != NULL)
		return false;
	memcpy(text, sni, len);
	text[len] = 0;
	if (dns_check(text, len, 0, true, NULL) < 0)
		return false;
	for (size_t i = 0; i <= len; i++)
		out[i] = lower(text[i]);
	return true;
}

int
label_check(const char *what, const char *name, struct err *err)
{
	char shown[8];
	size_t i;

	if (name[0] == 0)
		return err_set(err, ERR_INVALID, "the name of a %s is empty", what);
	for (i = 0; name[i] != 0; i++) {
		char c = name[i];
		bool alnum = is_digit(c) || (c >= 'a' && c <= 'z');

		if (alnum || (i > 0 && (c == '.' || c == '_' || c == '-')))
			continue;
		return err_set(err, ERR_INVALID,
		    "%s '%.63s': %s at character %zu is not allowed; a name has a-z 0-9 . _ - and "
		    "begins with a letter or digit",
		    what, name, show(c, shown), i + 1);
	}
	if (i > LIMIT_LABEL)
		return err_set(err, ERR_INVALID,
		    "%s '%.63s...': the name has %zu characters, at most %d are allowed", what,
		    name, i, LIMIT_LABEL);
	return 0;
}

int
access_name_parse(const char *text, const char **name, bool *is_group, struct err *err)
{
	bool group = text[0] == '@';
	int r = label_check(group ? "group" : "node", text + group, err);

	if (r < 0)
		return r;
	*name = text + group;
	*is_group = group;
	return 0;
}
