#include "common/model/pki.h"

#include "common/base/str.h"
#include "common/model/names.h"

#include <stdio.h>
#include <string.h>

static const struct {
	uint32_t reason;
	const char *name;
} reasons[] = {
    {REVOKED_UNSPECIFIED, "unspecified"},
    {REVOKED_KEY_COMPROMISE, "key-compromise"},
    {REVOKED_AFFILIATION_CHANGED, "affiliation-changed"},
    {REVOKED_SUPERSEDED, "superseded"},
    {REVOKED_CESSATION, "cessation-of-operation"},
    {REVOKED_PRIVILEGE_WITHDRAWN, "privilege-withdrawn"},
};

const char *
revocation_reason_name(uint32_t reason)
{
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
		if (reasons[i].reason == reason)
			return reasons[i].name;
	return "unknown";
}

int
revocation_reason_parse(const char *name, uint32_t *out, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
		if (name[0] != '\0' && strcmp(name, reasons[i].name) != 0)
			continue;
		*out = reasons[i].reason;
		return 0;
	}
	return err_set(err, ERR_INVALID,
	    "'%.40s' is no reason of a revocation; there are " REVOCATION_REASONS, name);
}

/* --- addresses --- */

static int
bad_address(const char *typed, const char *why, struct err *err)
{
	return err_set(err, ERR_INVALID,
	    "address of a CA '%.100s': %s; it looks like 'http://pki.example.org'", typed, why);
}

/* "host", "host:port", "[::1]:port" */
static bool
is_authority(const char *text, size_t len)
{
	char host[NAME_TEXT_MAX], normal[NAME_TEXT_MAX];
	const char *end = text + len, *port = NULL;
	enum name_type type;
	size_t n;

	if (len > 0 && text[0] == '[') {
		const char *close = memchr(text, ']', len);

		if (close == NULL || (close + 1 < end && close[1] != ':'))
			return false;
		port = close + 1 < end ? close + 2 : NULL;
		text++;
		n = (size_t)(close - text);
	} else {
		const char *colon = memchr(text, ':', len);

		port = colon != NULL ? colon + 1 : NULL;
		n = colon != NULL ? (size_t)(colon - text) : len;
	}
	if (port != NULL) {
		if (port == end || end - port > 5 ||
		    strspn(port, "0123456789") < (size_t)(end - port))
			return false;
	}
	if (n == 0 || n >= sizeof(host) || memchr(text, '*', n) != NULL)
		return false;
	memcpy(host, text, n);
	host[n] = '\0';
	return name_normalise(host, normal, &type, NULL) == 0 && strcmp(host, normal) == 0;
}

int
ca_address_check(const char *typed, char out[static LIMIT_CA_ADDRESS + 1], struct err *err)
{
	static const char scheme[] = "http://";
	size_t len = strlen(typed), host;

	if (len > LIMIT_CA_ADDRESS)
		return err_set(err, ERR_INVALID,
		    "the address of a CA stands in each certificate and has at most %d characters",
		    LIMIT_CA_ADDRESS);
	if (str_starts(typed, "https://"))
		return bad_address(typed,
		    "whoever checks a certificate fetches by plain http, since https would need "
		    "one that is checked",
		    err);
	if (!str_starts(typed, scheme))
		return bad_address(typed, "it does not begin with 'http://'", err);
	for (size_t i = 0; i < len; i++)
		if (typed[i] <= ' ' || typed[i] > '~' || strchr("?#\"<>\\^`{|}@", typed[i]) != NULL)
			return bad_address(typed, "it has a character that is none of one", err);
	host = strcspn(typed + strlen(scheme), "/");
	if (!is_authority(typed + strlen(scheme), host))
		return bad_address(
		    typed, "its host is no DNS name or IP address in normal form", err);
	while (len > 0 && typed[len - 1] == '/')
		len--;
	memcpy(out, typed, len);
	out[len] = '\0';
	return 0;
}

static const char *
url_of(const char *address, const char *prefix, const struct id *ca, const char *suffix,
    char out[static CA_URL_MAX])
{
	char hex[ID_HEX_MAX];

	snprintf(out, CA_URL_MAX, "%s%s%s%s", address, prefix, id_hex(ca, hex), suffix);
	return out;
}

const char *
ca_crl_url(const char *address, const struct id *ca, char out[static CA_URL_MAX])
{
	return url_of(address, PKI_CRL_PREFIX, ca, PKI_CRL_SUFFIX, out);
}

const char *
ca_certificate_url(const char *address, const struct id *ca, char out[static CA_URL_MAX])
{
	return url_of(address, PKI_CA_PREFIX, ca, PKI_CA_SUFFIX, out);
}

static bool
is_file(const char *target, const char *prefix, const char *suffix, struct id *ca)
{
	char hex[ID_HEX_MAX];

	if (!str_starts(target, prefix) ||
	    strlen(target) != strlen(prefix) + 2 * ID_LEN + strlen(suffix))
		return false;
	memcpy(hex, target + strlen(prefix), 2 * ID_LEN);
	hex[2 * ID_LEN] = '\0';
	return strcmp(target + strlen(prefix) + 2 * ID_LEN, suffix) == 0 &&
	    id_parse(hex, ca, NULL) == 0;
}

bool
pki_target(const char *target, enum pki_file *file, struct id *ca)
{
	*file = PKI_CRL;
	if (is_file(target, PKI_CRL_PREFIX, PKI_CRL_SUFFIX, ca))
		return true;
	*file = PKI_CA;
	return is_file(target, PKI_CA_PREFIX, PKI_CA_SUFFIX, ca);
}

/* --- times --- */

int64_t
ca_due_at(int64_t not_before, int64_t not_after, int64_t longest_leaf)
{
	int64_t half = not_before + (not_after - not_before) / 2;
	int64_t due = not_after - 2 * longest_leaf;

	return due > half ? due : half;
}

int64_t
crl_due_at(int64_t this_update, int64_t next_update)
{
	return this_update + (next_update - this_update) / 2;
}
