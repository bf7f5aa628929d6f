#include "common/base/str.h"

#include <stdio.h>
#include <string.h>

static const char hex_digits[] = "0123456789abcdef";
static const char std64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

const char *
hex_encode(const uint8_t *data, size_t len, char *out)
{
	for (size_t i = 0; i < len; i++) {
		out[2 * i] = hex_digits[data[i] >> 4];
		out[2 * i + 1] = hex_digits[data[i] & 15];
	}
	out[2 * len] = '\0';
	return out;
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int
hex_decode(const char *s, uint8_t *out, size_t len, struct err *err)
{
	size_t n = strnlen(s, 2 * len + 1);

	if (n != 2 * len)
		return err_set(err, ERR_PARSE, "expected %zu hexadecimal digits", 2 * len);
	for (size_t i = 0; i < n; i++)
		if (hex_value(s[i]) < 0)
			return err_set(err, ERR_PARSE, "character %zu is not hexadecimal", i + 1);
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)(hex_value(s[2 * i]) << 4 | hex_value(s[2 * i + 1]));
	return 0;
}

static void
put64(struct buf *out, struct span in, const char *alphabet, bool pad)
{
	char quad[4];

	for (size_t i = 0; i < in.len; i += 3) {
		size_t n = in.len - i < 3 ? in.len - i : 3;
		uint32_t v = (uint32_t)in.data[i] << 16;

		if (n > 1)
			v |= (uint32_t)in.data[i + 1] << 8;
		if (n > 2)
			v |= in.data[i + 2];
		quad[0] = alphabet[v >> 18];
		quad[1] = alphabet[v >> 12 & 63];
		quad[2] = n > 1 ? alphabet[v >> 6 & 63] : '=';
		quad[3] = n > 2 ? alphabet[v & 63] : '=';
		buf_put(out, quad, pad ? 4 : n + 1);
	}
	explicit_bzero(quad, sizeof(quad));
}

void
base64_put(struct buf *out, struct span data)
{
	put64(out, data, std64, true);
}

void
base64url_put(struct buf *out, struct span data)
{
	put64(out, data, url64, false);
}

static int
decode64(struct span text, const char *alphabet, struct buf *out, struct err *err)
{
	uint32_t acc = 0;
	unsigned bits = 0;

	if (text.len % 4 == 1)
		return err_set(err, ERR_PARSE, "base64 text has an impossible length");
	for (size_t i = 0; i < text.len; i++) {
		const char *at = text.data[i] != 0 ? strchr(alphabet, text.data[i]) : NULL;

		if (at == NULL)
			return err_set(err, ERR_PARSE, "character %zu is not base64", i + 1);
		acc = (acc << 6 | (uint32_t)(at - alphabet)) & 0xffffff;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			buf_put_u8(out, (uint8_t)(acc >> bits));
		}
	}
	if ((acc & ((1U << bits) - 1)) != 0)
		return err_set(err, ERR_PARSE, "base64 text ends in bits that are not zero");
	return buf_error(out, "decoded base64", err);
}

int
base64_decode(struct span text, struct buf *out, struct err *err)
{
	if (text.len % 4 != 0)
		return err_set(err, ERR_PARSE, "base64 text lacks its padding");
	for (int i = 0; i < 2 && text.len > 0 && text.data[text.len - 1] == '='; i++)
		text.len--;
	return decode64(text, std64, out, err);
}

int
base64url_decode(struct span text, struct buf *out, struct err *err)
{
	return decode64(text, url64, out, err);
}

int
str_copy(char *out, size_t size, const char *s, struct err *err)
{
	size_t n = strlen(s);

	if (n >= size)
		return err_set(err, ERR_LIMIT, "text of %zu characters, at most %zu", n, size - 1);
	memcpy(out, s, n + 1);
	return 0;
}

bool
str_equal(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

bool
str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool
str_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && strcmp(s + n - m, suffix) == 0;
}

static void
put_foreign(struct buf *out, struct span text, size_t max, bool quotes)
{
	for (size_t i = 0; i < text.len && i < max; i++) {
		uint8_t c = text.data[i];

		if (quotes && (c == '"' || c == '\'' || c == '\\'))
			buf_putf(out, "\\%c", c);
		else if (c < 0x20 || c > 0x7e)
			buf_putf(out, "\\x%02x", c);
		else
			buf_put_u8(out, c);
	}
	if (text.len > max)
		buf_put_str(out, "...");
}

void
str_put_escaped(struct buf *out, struct span text, size_t max)
{
	put_foreign(out, text, max, true);
}

void
str_put_printable(struct buf *out, struct span text, size_t max)
{
	put_foreign(out, text, max, false);
}

const char *
time_text(int64_t seconds, char out[static TIME_TEXT_MAX])
{
	/* Days to civil date after Howard Hinnant's description of the Gregorian cycle. */
	int64_t days = seconds / 86400, rest = seconds % 86400;
	int64_t era, doe, yoe, doy, mp, year, month, day;

	if (rest < 0) {
		rest += 86400;
		days--;
	}
	days += 719468;
	era = (days >= 0 ? days : days - 146096) / 146097;
	doe = days - era * 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	day = doy - (153 * mp + 2) / 5 + 1;
	month = mp < 10 ? mp + 3 : mp - 9;
	year = yoe + era * 400 + (month <= 2);
	if (year < 0 || year > 9999) {
		snprintf(out, TIME_TEXT_MAX, "out of range");
		return out;
	}
	snprintf(out, TIME_TEXT_MAX, "%04u-%02u-%02uT%02u:%02u:%02uZ", (unsigned)year % 10000,
	    (unsigned)month % 100, (unsigned)day % 100, (unsigned)(rest / 3600) % 100,
	    (unsigned)(rest / 60 % 60), (unsigned)(rest % 60));
	return out;
}

const char *
duration_text(int64_t seconds, char out[static DURATION_TEXT_MAX])
{
	static const struct {
		int64_t size;
		const char *name;
	} units[] = {{86400, " days"}, {3600, " h"}, {60, " min"}, {1, " s"}};
	int64_t s = seconds < 0 ? -seconds : seconds;
	size_t i = 0;

	while (i < ARRAY_LEN(units) - 1 && s < units[i].size)
		i++;
	if (i < ARRAY_LEN(units) - 1 && s % units[i].size >= units[i + 1].size)
		snprintf(out, DURATION_TEXT_MAX, "%s%lld%s %lld%s", seconds < 0 ? "-" : "",
		    (long long)(s / units[i].size), units[i].name,
		    (long long)(s % units[i].size / units[i + 1].size), units[i + 1].name);
	else
		snprintf(out, DURATION_TEXT_MAX, "%s%lld%s", seconds < 0 ? "-" : "",
		    (long long)(s / units[i].size), s == 86400 ? " day" : units[i].name);
	return out;
}
