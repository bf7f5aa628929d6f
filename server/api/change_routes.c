/* What is wanted of a credential, changed; and new keys, with their reason. */

#include "common/crypto/subject.h"
#include "server/api/export.h"

struct change_body {
	struct json_texts add, remove, subject;
	char *key_type, *ca;
	bool has_issuer, has_subject, has_profile, has_new_key, new_key, has_stale_after;
	int issuer, profile;
	int64_t lifetime, renew_percent, stale_after;
	struct export_body export;
};

static const char *const issuers[] = {"micro", "manual", NULL};
static const enum issuer_type issuer_types[] = {ISSUER_MICRO, ISSUER_MANUAL};
static const char *const profiles[] = {"server", "client", "both", "smime", NULL};

#define FIELD(field) .offset = offsetof(struct change_body, field)
#define GIVEN(field) .given = offsetof(struct change_body, field)

static const struct json_field fields[] = {
    {.name = "add_names", .kind = JSON_TEXTS, FIELD(add), .min = 0, .max = LIMIT_NAMES},
    {.name = "remove_names", .kind = JSON_TEXTS, FIELD(remove), .min = 0, .max = LIMIT_NAMES},
    {.name = "key_type", .kind = JSON_TEXT, FIELD(key_type), .min = 1, .max = 32},
    {.name = "issuer", .kind = JSON_CHOICE, FIELD(issuer), .choices = issuers, GIVEN(has_issuer)},
    {.name = "ca", .kind = JSON_TEXT, FIELD(ca), .min = 1, .max = LIMIT_NAME},
    {.name = "subject",
	.kind = JSON_TEXTS,
	FIELD(subject),
	.min = 0,
	.max = SUBJECT_PARTS_MAX,
	GIVEN(has_subject)},
    {.name = "profile",
	.kind = JSON_CHOICE,
	FIELD(profile),
	.choices = profiles,
	GIVEN(has_profile)},
    {.name = "lifetime",
	.kind = JSON_DURATION,
	FIELD(lifetime),
	.min = FLOW_LIFETIME_LEAST,
	.max = FLOW_LIFETIME_MOST},
    {.name = "renew_percent", .kind = JSON_INT, FIELD(renew_percent), .min = 1, .max = 90},
    {.name = "new_key", .kind = JSON_BOOL, FIELD(new_key), GIVEN(has_new_key)},
    {.name = "stale_after",
	.kind = JSON_DURATION,
	FIELD(stale_after),
	.min = 0,
	.max = FLOW_LIFETIME_MOST,
	GIVEN(has_stale_after)},
    EXPORT_FIELD(struct change_body),
};

static int
check_body(const struct change_body *b, struct err *err)
{
	if (b->add.count + b->remove.count == 0 && b->key_type == NULL && b->ca == NULL &&
	    !b->has_issuer && !b->has_subject && !b->has_profile && b->lifetime == 0 &&
	    b->renew_percent == 0 && !b->has_new_key && !b->has_stale_after)
		return err_set(err, ERR_INVALID,
		    "nothing is said of what is to be changed: 'certherd cert change --help' lists "
		    "what can be");
	if (b->stale_after > 0 && b->stale_after < 60)
		return err_set(err, ERR_LIMIT,
		    "the member 'stale_after' is a minute at least, or 0s for never");
	return 0;
}

void
handle_cert_change(struct httpd_request *req, void *arg)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct answer *op = answer_new(a, req);
	struct export_wanted export = {.bytes = NULL};
	struct change_body b = {.issuer = 0};
	struct err err;
	int r = api_decode(req, fields, ARRAY_LEN(fields), &b, &err);

	if (r == 0)
		r = check_body(&b, &err);
	if (r == 0)
		r = export_decode(&b.export, &export, &err);
	if (r == 0) {
		const struct credential_change change = {.name = httpd_param(req, "name"),
		    .add = api_texts(&b.add),
		    .remove = api_texts(&b.remove),
		    .key_type = b.key_type,
		    .ca = b.ca,
		    .has_issuer = b.has_issuer,
		    .issuer = issuer_types[b.issuer],
		    .has_subject = b.has_subject,
		    .subject = api_texts(&b.subject),
		    .profile = b.has_profile ? profiles[b.profile] : NULL,
		    .lifetime = b.lifetime,
		    .fraction_percent = (uint32_t)b.renew_percent,
		    .has_new_key = b.has_new_key,
		    .new_key = b.new_key,
		    .has_stale_after = b.has_stale_after,
		    .stale_after = b.stale_after,
		    .export = export_of(&export),
		    .author = api_author(req)};

		r = flow_credential_change(a->p.flow, &change, answer_on_flow, op, &err);
	}
	json_release(fields, ARRAY_LEN(fields), &b);
	export_wanted_fini(&export);
	answer_started(op, r, &err);
}

struct rekey_body {
	int reason;
	struct export_body export;
};

static const char *const reasons[] = {[REKEY_NEW] = "new",
    [REKEY_REVOKE] = "revoke",
    [REKEY_COMPROMISED] = "compromised",
    [REKEY__COUNT] = NULL};
_Static_assert(ARRAY_LEN(reasons) == REKEY__COUNT + 1, "every reason has a name");

static const struct json_field rekey_fields[] = {
    {.name = "reason",
	.kind = JSON_CHOICE,
	.offset = offsetof(struct rekey_body, reason),
	.choices = reasons},
    EXPORT_FIELD(struct rekey_body),
};

void
handle_cert_rekey(struct httpd_request *req, void *arg)
{
	struct api *a = OBJ_CAST(struct api, arg, API_MAGIC);
	struct answer *op = answer_new(a, req);
	struct export_wanted export = {.bytes = NULL};
	struct rekey_body b = {.reason = REKEY_NEW};
	struct err err;
	int r = api_decode(req, rekey_fields, ARRAY_LEN(rekey_fields), &b, &err);

	if (r == 0)
		r = export_decode(&b.export, &export, &err);
	if (r == 0) {
		const struct credential_rekey rekey = {.name = httpd_param(req, "name"),
		    .reason = (enum rekey_reason)b.reason,
		    .export = export_of(&export),
		    .author = api_author(req)};

		r = flow_credential_rekey(a->p.flow, &rekey, answer_on_flow, op, &err);
	}
	json_release(rekey_fields, ARRAY_LEN(rekey_fields), &b);
	export_wanted_fini(&export);
	answer_started(op, r, &err);
}
