#include "common/model/public.h"

#include <stdio.h>
#include <string.h>

static const char *const kind_names[] = {
    [KIND_UNKNOWN] = "unknown",
    [KIND_ROOT] = "root",
    [KIND_DESIGNATION] = "designation",
    [KIND_NODE] = "node",
    [KIND_GROUP] = "group",
    [KIND_MEMBERSHIP] = "membership",
    [KIND_CREDENTIAL] = "credential",
    [KIND_GENERATION] = "generation",
    [KIND_EXPORT_KEY] = "export-key",
    [KIND_TRUSTED_ROOT] = "trusted-root",
    [KIND_CHALLENGE] = "challenge",
    [KIND_CA] = "ca",
    [KIND_CRL] = "crl",
    [KIND_ACME_ACCOUNT] = "acme-account",
    [KIND_ORDER] = "order",
    [KIND_DNS_PROVIDER] = "dns-provider",
    [KIND_CONNECTOR] = "connector",
    [KIND_TLS_POLICY] = "tls-policy",
    [KIND_TICKET_KEY] = "ticket-key",
    [KIND_PRINCIPAL] = "principal",
    [KIND_SETTING] = "setting",
};
_Static_assert(ARRAY_LEN(kind_names) == KIND__COUNT, "every kind has a name");

static const char *const role_names[] = {
    [ROLE_REPLICA] = "replica",
    [ROLE_STANDBY] = "standby",
    [ROLE_MANAGER] = "manager",
    [ROLE_RECOVERY] = "recovery",
};
_Static_assert(ARRAY_LEN(role_names) == ROLE__COUNT, "every role has a name");

static const char *const issuer_names[] = {
    [ISSUER_MICRO] = "micro",
    [ISSUER_MANUAL] = "manual",
    [ISSUER_IMPORTED] = "imported",
    [ISSUER_ACME] = "acme",
    [ISSUER_CONNECTOR] = "connector",
};
_Static_assert(ARRAY_LEN(issuer_names) == ISSUER__COUNT, "every type of issuer has a name");

static const char *const state_names[] = {
    [CREDENTIAL_DRAFT] = "draft",
    [CREDENTIAL_PENDING] = "waiting",
    [CREDENTIAL_ISSUED] = "issued",
    [CREDENTIAL_FAILED] = "failed",
    [CREDENTIAL_REVOKED] = "revoked",
    [CREDENTIAL_SUBMITTED] = "submitted",
};
_Static_assert(ARRAY_LEN(state_names) == CREDENTIAL__COUNT, "every state has a name");

static const char *const why_names[] = {
    [EXPOSED_ACCESS] = "access",
    [EXPOSED_REMOVED] = "removed",
    [EXPOSED_GROUP] = "group",
    [EXPOSED_ASKED] = "asked",
};
_Static_assert(ARRAY_LEN(why_names) == EXPOSED__COUNT, "every reason of an exposure has a name");

static const struct {
	uint32_t category;
	const char *name;
} category_names[] = {
    {TRUST_COMPLETION, "completion"},
    {TRUST_CLIENT, "client"},
    {TRUST_OUTGOING, "outgoing"},
    {TRUST_INTERMEDIATE, "intermediate"},
};

const char *
trust_category_name(uint32_t category)
{
	for (size_t i = 0; i < ARRAY_LEN(category_names); i++)
		if (category_names[i].category == category)
			return category_names[i].name;
	return NULL;
}

uint32_t
trust_category_parse(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(category_names); i++)
		if (strcmp(category_names[i].name, name) == 0)
			return category_names[i].category;
	return 0;
}

static const char *
name_of(const char *const *names, size_t count, uint32_t value)
{
	return value < count ? names[value] : "unknown";
}

const char *
kind_name(uint32_t kind)
{
	return name_of(kind_names, ARRAY_LEN(kind_names), kind);
}

const char *
node_role_name(uint32_t role)
{
	return name_of(role_names, ARRAY_LEN(role_names), role);
}

const char *
issuer_type_name(uint32_t type)
{
	return name_of(issuer_names, ARRAY_LEN(issuer_names), type);
}

const char *
credential_state_name(uint32_t state)
{
	return name_of(state_names, ARRAY_LEN(state_names), state);
}

const char *
exposure_why_name(uint32_t why)
{
	return name_of(why_names, ARRAY_LEN(why_names), why);
}

bool
texts_equal(struct texts a, struct texts b)
{
	for (size_t i = 0; i < a.count && a.count == b.count; i++)
		if (strcmp(a.items[i], b.items[i]) != 0)
			return false;
	return a.count == b.count;
}

bool
profile_serves(const char *profile)
{
	return profile == NULL || (strcmp(profile, "client") != 0 && strcmp(profile, "smime") != 0);
}

bool
generation_serves(const char *profile, const struct credential_public *credential)
{
	return profile_serves(profile != NULL && *profile != '\0' ? profile : credential->profile);
}

const char *
export_key_name(
    const struct id *credential, const struct hash *key, char out[static EXPORT_KEY_NAME_MAX])
{
	char id[ID_HEX_MAX], hex[HASH_HEX_MAX];

	snprintf(out, EXPORT_KEY_NAME_MAX, "%s-%.16s", id_hex(credential, id), hash_hex(key, hex));
	return out;
}

struct record *
record_dup(const struct record *r)
{
	struct record *out = mem_zalloc(sizeof(*out) + r->public_part.len + r->sealed.len);
	uint8_t *bytes = (uint8_t *)(out + 1);

	*out = *r;
	if (r->public_part.len > 0)
		memcpy(bytes, r->public_part.data, r->public_part.len);
	if (r->sealed.len > 0)
		memcpy(bytes + r->public_part.len, r->sealed.data, r->sealed.len);
	out->public_part = SPAN(bytes, r->public_part.len);
	out->sealed = SPAN(bytes + r->public_part.len, r->sealed.len);
	return out;
}

void
record_free(struct record *r)
{
	mem_free(r);
}

struct position
record_position(const struct record *r)
{
	return (struct position){r->term, r->seq};
}

struct position
head_position(const struct head *h)
{
	return (struct position){h->term, h->seq};
}

/* All public parts end alike: what they own is their arena. */
#define DEFINE_FINI(type)                                                                          \
	void type##_fini(struct type *p)                                                           \
	{                                                                                          \
		if (p == NULL)                                                                     \
			return;                                                                    \
		arena_free(p->memory);                                                             \
		memset(p, 0, sizeof(*p));                                                          \
	}

DEFINE_FINI(root_public)
DEFINE_FINI(designation_public)
DEFINE_FINI(node_public)
DEFINE_FINI(group_public)
DEFINE_FINI(membership_public)
DEFINE_FINI(credential_public)
DEFINE_FINI(generation_public)
DEFINE_FINI(export_key_public)
DEFINE_FINI(ca_public)
DEFINE_FINI(crl_public)
DEFINE_FINI(trusted_root_public)
DEFINE_FINI(setting_public)
DEFINE_FINI(ticket_key_public)
