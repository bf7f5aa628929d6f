#include "common/model/settings.h"

#include "common/base/num.h"
#include "common/model/public.h"
#include "common/model/renewal.h"

#include <stdio.h>
#include <string.h>

#define YEAR (365 * INT64_C(86400))
#define TEXT_OF(number) #number
#define TEXT(macro) TEXT_OF(macro)

/* As common/crypto has them; what a key type means is said there. */
static const char *const key_types[] = {
    "ec-p256", "ec-p384", "ec-p521", "rsa-2048", "rsa-3072", "rsa-4096", "ed25519", NULL};
static const char *const issuers[] = {"micro", "manual", NULL};
static const char *const answers[] = {"no", "yes", NULL};

static const struct setting_rule rules[] = {
    [SETTING_KEY_TYPE] = {.name = "key-type",
	.type = SETTING_OF_CHOICES,
	.choices = key_types,
	.otherwise = "ec-p256",
	.help = "Key of a credential or Micro CA that is made without --key-type."},
    [SETTING_ISSUER] = {.name = "issuer",
	.type = SETTING_OF_CHOICES,
	.choices = issuers,
	.otherwise = "micro",
	.help = "Who issues for a credential that is made without --issuer."},
    [SETTING_ACCESS] = {.name = SETTING_DEFAULT_ACCESS,
	.type = SETTING_OF_SERVERS,
	.otherwise = "",
	.help = "Nodes and @groups that may open a credential that is made without --access."},
    [SETTING_LIFETIME] = {.name = "lifetime",
	.type = SETTING_OF_SECONDS,
	.min = 60,
	.max = 10 * YEAR,
	.otherwise = "90d",
	.help = "Of certificates of Micro CAs, without --lifetime."},
    [SETTING_CA_LIFETIME] = {.name = "ca-lifetime",
	.type = SETTING_OF_SECONDS,
	.min = 86400,
	.max = 30 * YEAR,
	.otherwise = "10y",
	.help = "Of new Micro CAs, without --lifetime."},
    [SETTING_CRL_LIFETIME] = {.name = "crl-lifetime",
	.type = SETTING_OF_SECONDS,
	.min = 60,
	.max = 90 * INT64_C(86400),
	.otherwise = "7d",
	.help = "Of revocation lists; each is signed anew at half of it."},
    [SETTING_RENEW_PERCENT] = {.name = "renew-percent",
	.type = SETTING_OF_NUMBERS,
	.min = 1,
	.max = 90,
	.otherwise = TEXT(RENEWAL_FRACTION_PERCENT),
	.help = "Share of the lifetime that is left when a certificate is renewed."},
    [SETTING_NEW_KEY] = {.name = "new-key",
	.type = SETTING_OF_CHOICES,
	.choices = answers,
	.otherwise = "no",
	.help = "Whether a renewal makes a new key; otherwise the key is kept."},
};
_Static_assert(ARRAY_LEN(rules) == SETTING__COUNT, "every setting has its rule");

const struct setting_rule *
setting_rule(enum setting s)
{
	CHECK(s < SETTING__COUNT);
	return &rules[s];
}

int
setting_find(const char *name, enum setting *out, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		if (strcmp(rules[i].name, name) != 0)
			continue;
		*out = (enum setting)i;
		return 0;
	}
	return err_set(err, ERR_NOTFOUND,
	    "there is no setting '%.60s'; 'certherd setting list' shows them", name);
}

static int
parse_choice(const struct setting_rule *rule, const char *value, int64_t *out, struct err *err)
{
	char all[128] = "";

	for (size_t i = 0; rule->choices[i] != NULL; i++) {
		size_t len = strlen(all);

		if (strcmp(rule->choices[i], value) == 0) {
			*out = (int64_t)i;
			return 0;
		}
		snprintf(all + len, sizeof(all) - len, "%s%s", i > 0 ? ", " : "", rule->choices[i]);
	}
	return err_set(
	    err, ERR_INVALID, "'%.60s' is not possible here: it is one of %s", value, all);
}

static int
parse_value(const struct setting_rule *rule, const char *value, int64_t *out, struct err *err)
{
	uint64_t number;
	int r;

	switch (rule->type) {
	case SETTING_OF_CHOICES:
		return parse_choice(rule, value, out, err);
	case SETTING_OF_SECONDS:
		return num_parse_duration(value, rule->min, rule->max, out, err);
	case SETTING_OF_NUMBERS:
		r = num_parse_u64(value, (uint64_t)rule->min, (uint64_t)rule->max, &number, err);
		if (r == 0)
			*out = (int64_t)number;
		return r;
	case SETTING_OF_SERVERS:
	default:
		return err_set(err, ERR_INVALID, "it has names of nodes and @groups");
	}
}

int
setting_parse(enum setting s, const char *value, int64_t *out, struct err *err)
{
	int r = parse_value(setting_rule(s), value, out, err);

	if (r < 0) {
		err_wrap(err, "setting %s", setting_rule(s)->name);
		/* Out of range and no number at all are the same to whoever has typed it. */
		if (err != NULL)
			err->code = ERR_INVALID;
		r = ERR_INVALID;
	}
	return r;
}
