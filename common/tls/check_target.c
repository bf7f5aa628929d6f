/* Where a check looks: from what people write, and as it is stored. */

#include "common/base/num.h"
#include "common/base/str.h"
#include "common/tls/check.h"

#include <stdio.h>
#include <string.h>

/* The first of a protocol is its own name. */
static const struct {
	const char *word;
	enum starttls_protocol protocol;
	uint16_t port;
} words[] = {
    {"tls", STARTTLS_NONE, 443},
    {"smtp", STARTTLS_SMTP, 25},
    {"imap", STARTTLS_IMAP, 143},
    {"pop3", STARTTLS_POP3, 110},
    {"ldap", STARTTLS_LDAP, 389},
    {"postgres", STARTTLS_POSTGRES, 5432},
    {"postgresql", STARTTLS_POSTGRES, 5432},
    {"https", STARTTLS_NONE, 443},
    {"smtps", STARTTLS_NONE, 465},
    {"submission", STARTTLS_SMTP, 587},
    {"imaps", STARTTLS_NONE, 993},
    {"pop3s", STARTTLS_NONE, 995},
    {"ldaps", STARTTLS_NONE, 636},
};

static int
take_protocol(const char **rest, struct check_target *t, struct err *err)
{
	const char *sign = strstr(*rest, "://");
	size_t len = sign != NULL ? (size_t)(sign - *rest) : 0;

	t->port = words[0].port;
	if (sign == NULL)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strlen(words[i].word) != len || memcmp(words[i].word, *rest, len) != 0)
			continue;
		t->protocol = words[i].protocol;
		t->port = words[i].port;
		*rest = sign + 3;
		return 0;
	}
	return err_set(err, ERR_INVALID,
	    "'%.100s': before '://' stands tls, smtp, imap, pop3, ldap or postgres", *rest);
}

/* Takes the port off the end of the text, if there is one. */
static int
take_port(char *text, uint16_t *port, struct err *err)
{
	char *colon = strrchr(text, ':'), *bracket = strchr(text, ']');
	uint64_t number;

	if (colon == NULL || (bracket != NULL && colon < bracket))
		return 0;
	if (num_parse_u64(colon + 1, 1, 65535, &number, NULL) < 0)
		return err_set(err, ERR_INVALID, "a port is a number from 1 to 65535");
	*port = (uint16_t)number;
	*colon = '\0';
	return 0;
}

static int
take_host(char *text, struct check_target *t, struct err *err)
{
	size_t len = strlen(text);
	bool bracketed = len > 2 && text[0] == '[' && text[len - 1] == ']';
	enum name_type type;
	int r;

	if (bracketed) {
		text[len - 1] = '\0';
		text++;
	} else if (strchr(text, ':') != NULL) {
		return err_set(
		    err, ERR_INVALID, "an IPv6 address stands in brackets, as [2001:db8::1]:443");
	}
	r = name_normalise(text, t->host, &type, err);
	if (r < 0)
		return r;
	if (type == NAME_WILDCARD || (bracketed && type != NAME_IP))
		return err_set(err, ERR_INVALID, "'%s' is no host to connect to", t->host);
	t->is_ip = type == NAME_IP;
	return 0;
}

static int
take_name(const char *text, struct check_target *t, struct err *err)
{
	enum name_type type;
	int r;

	if (*text == '\0')
		return 0;
	r = name_normalise(text, t->name, &type, err);
	if (r == 0 && type != NAME_DNS)
		r = err_set(err, ERR_INVALID, "'%s' is no name that a client can ask for", t->name);
	return r;
}

int
check_target_parse(const char *text, struct check_target *out, struct err *err)
{
	char host[2 * LIMIT_NAME_TYPED + 64], *slash;
	struct check_target t = {.protocol = STARTTLS_NONE};
	const char *rest = text;
	int r = take_protocol(&rest, &t, err);

	if (r < 0)
		return r;
	if (str_copy(host, sizeof(host), rest, NULL) < 0)
		return err_set(err, ERR_INVALID, "'%.60s...' is too long", text);
	slash = strchr(host, '/');
	if (slash != NULL)
		*slash++ = '\0';
	if ((r = take_port(host, &t.port, err)) < 0 || (r = take_host(host, &t, err)) < 0 ||
	    (slash != NULL && (r = take_name(slash, &t, err)) < 0))
		return err_wrap(err, "address '%.150s'", text);
	*out = t;
	return 0;
}

const char *
check_target_text(const struct check_target *t, char out[static LIMIT_CHECK_TARGET + 1])
{
	bool brackets = strchr(t->host, ':') != NULL;

	snprintf(out, LIMIT_CHECK_TARGET + 1, "%s://%s%s%s:%u%s%s", starttls_name(t->protocol),
	    brackets ? "[" : "", t->host, brackets ? "]" : "", t->port,
	    t->name[0] != '\0' ? "/" : "", t->name);
	return out;
}
