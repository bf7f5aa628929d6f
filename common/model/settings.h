#ifndef COMMON_MODEL_SETTINGS_H
#define COMMON_MODEL_SETTINGS_H

/*
 * What an administrator can set for the whole domain, in one table: name, type, range, and what
 * counts when nobody has set it. Values are text in SETTING records. Pure functions.
 */

#include "common/base/err.h"

enum setting {
	SETTING_KEY_TYPE,
	SETTING_ISSUER,
	SETTING_ACCESS, /* its value are ids, see SETTING_DEFAULT_ACCESS */
	SETTING_LIFETIME,
	SETTING_CA_LIFETIME,
	SETTING_CRL_LIFETIME,
	SETTING_RENEW_PERCENT,
	SETTING_NEW_KEY,
	SETTING__COUNT,
};

enum setting_type {
	SETTING_OF_CHOICES,
	SETTING_OF_SECONDS,
	SETTING_OF_NUMBERS,
	SETTING_OF_SERVERS,
};

struct setting_rule {
	const char *name;
	enum setting_type type;
	const char *const *choices; /* end with NULL */
	int64_t min, max;           /* of seconds and numbers */
	const char *otherwise;      /* when it is not set */
	const char *help;           /* a sentence */
};

const struct setting_rule *setting_rule(enum setting s);
/* ERR_NOTFOUND, with the names that there are. */
NODISCARD int setting_find(const char *name, enum setting *out, struct err *err);
/*
 * A value as a number: seconds, the number, or the index of the choice. ERR_INVALID with what is
 * possible; also for SETTING_ACCESS, which is no text.
 */
NODISCARD int setting_parse(enum setting s, const char *value, int64_t *out, struct err *err);

#endif
