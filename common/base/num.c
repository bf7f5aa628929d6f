#include "common/base/num.h"

#include "common/base/str.h"

#include <string.h>

static int
digits(const char *s, size_t len, uint64_t *out)
{
	uint64_t v = 0;

	if (len == 0 || len > 20)
		return ERR_PARSE;
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return ERR_PARSE;
		if (__builtin_mul_overflow(v, 10U, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(s[i] - '0'), &v))
			return ERR_LIMIT;
	}
	*out = v;
	return 0;
}

int
num_parse_u64(const char *s, uint64_t min, uint64_t max, uint64_t *out, struct err *err)
{
	uint64_t v = 0;
	int r = digits(s, strlen(s), &v);

	if (r == ERR_PARSE)
		return err_set(err, ERR_PARSE, "'%.40s' is not a number", s);
	if (r < 0 || v < min || v > max)
		return err_set(err, ERR_LIMIT, "'%.40s' is not between %llu and %llu", s,
		    (unsigned long long)min, (unsigned long long)max);
	*out = v;
	return 0;
}

int
num_parse_duration(const char *s, int64_t min, int64_t max, int64_t *out, struct err *err)
{
	static const struct {
		char letter;
		uint32_t seconds;
	} units[] = {
	    {'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}, {'y', 365U * 86400U}};
	char least[DURATION_TEXT_MAX], most[DURATION_TEXT_MAX];
	size_t n = strlen(s);
	uint64_t v = 0;

	for (size_t i = 0; n > 1 && i < ARRAY_LEN(units); i++) {
		if (s[n - 1] != units[i].letter)
			continue;
		if (digits(s, n - 1, &v) < 0)
			break;
		if (v > (uint64_t)INT64_MAX / units[i].seconds ||
		    (int64_t)(v * units[i].seconds) < min || (int64_t)(v * units[i].seconds) > max)
			return err_set(err, ERR_LIMIT, "duration '%.40s' is not between %s and %s",
			    s, duration_text(min, least), duration_text(max, most));
		*out = (int64_t)(v * units[i].seconds);
		return 0;
	}
	return err_set(err, ERR_PARSE,
	    "'%.40s' is not a duration; give a number and a unit: 90d, 12h, 15m, 30s, 2w or 10y",
	    s);
}
