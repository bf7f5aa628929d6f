/* What the index keeps of a record, by its kind. */

#include "common/crypto/cert.h"
#include "common/crypto/envelope.h"
#include "common/crypto/sign.h"
#include "common/wire/public_wire.h"
#include "server/index/index_priv.h"

#include <string.h>

/* In one piece, list and texts, to be freed with the list. */
static struct texts
names_dup(struct texts t)
{
	size_t size = t.count * sizeof(char *);
	const char **items;
	char *at;

	if (t.count == 0)
		return (struct texts){NULL, 0};
	for (size_t i = 0; i < t.count; i++)
		size += strlen(t.items[i]) + 1;
	items = mem_zalloc(size);
	at = (char *)(items + t.count);
	for (size_t i = 0; i < t.count; i++) {
		size_t len = strlen(t.items[i]) + 1;

		items[i] = memcpy(at, t.items[i], len);
		at += len;
	}
	return (struct texts){items, t.count};
}

/* One of those that there are, which needs no copy; "" for others. */
static const char *
known_key_type(struct span spki)
{
	char text[KEY_DESCRIPTION_MAX];

	spki_describe(spki, text);
	for (int i = 0; i < KEY__COUNT; i++)
		if (strcmp(text, key_type_name((enum key_type)i)) == 0)
			return key_type_name((enum key_type)i);
	return strncmp(text, "rsa-", 4) == 0 ? "rsa" : "";
}

/* A profile of a later version is served, as the servers' one is. */
static const char *
known_profile(const char *text)
{
	enum leaf_profile profile;

	if (text[0] == '\0')
		return "";
	return leaf_profile_name(
	    leaf_profile_parse(text, &profile, NULL) == 0 ? profile : LEAF_SERVER);
}

/* Of a revoked one, for the list; whose number is out of all bounds is in none. */
static void
read_serial(struct span leaf, struct index_generation *g)
{
	AUTO(cert_unrefp)
	struct cert *c = NULL;

	if (cert_parse(leaf, &c, NULL) == 0)
		(void)!cert_serial(c, &g->serial, NULL);
}

static int
generation_new(struct index *ix, struct index_record *out, const struct record *r, struct err *err)
{
	struct generation_public p;
	struct index_generation *g;
	int rc = wire_generation_public_decode(r->public_part, &p, err);

	if (rc < 0)
		return rc;
	g = mem_zalloc(sizeof(*g));
	g->credential = p.credential;
	g->number = p.number;
	hash_of(p.key, &g->key);
	g->waits = p.chain.count == 0;
	if (!g->waits)
		hash_of(p.chain.items[0], &g->fingerprint);
	g->not_before = p.not_before;
	g->not_after = p.not_after;
	g->activated_at_ms = p.activated_at_ms;
	g->revoked = p.revoked;
	g->withdrawn = p.withdrawn;
	g->revoked_at = p.revoked_at;
	g->reason = p.revocation_reason;
	if (g->revoked && !g->waits)
		read_serial(p.chain.items[0], g);
	g->archived = p.archived;
	g->names = names_dup(p.names);
	g->key_type = known_key_type(p.key);
	g->is_rsa = strncmp(g->key_type, "rsa", 3) == 0;
	g->profile = known_profile(p.profile);
	g->issuers = issuers_ref(ix->issuers, p.chain);
	generation_public_fini(&p);
	out->generation = g;
	return 0;
}

#define DEFINE_NEW(type)                                                                           \
	static int type##_new(                                                                     \
	    struct index *ix, struct index_record *out, const struct record *r, struct err *err)   \
	{                                                                                          \
		struct type##_public *p = mem_zalloc(sizeof(*p));                                  \
		int rc = wire_##type##_public_decode(r->public_part, p, err);                      \
		(void)ix;                                                                          \
                                                                                                   \
		if (rc < 0)                                                                        \
			mem_free(p);                                                               \
		else                                                                               \
			out->type = p;                                                             \
		return rc;                                                                         \
	}                                                                                          \
	static void type##_free(struct index_record *r)                                            \
	{                                                                                          \
		struct type##_public *p = (struct type##_public *)(uintptr_t)r->type;              \
                                                                                                   \
		type##_public_fini(p);                                                             \
		mem_free(p);                                                                       \
	}

static int
root_new(struct index *ix, struct index_record *out, const struct record *r, struct err *err)
{
	struct trusted_root_public p;
	struct index_root *root;
	struct cert *cert = NULL;
	int rc = wire_trusted_root_public_decode(r->public_part, &p, err);

	if (rc < 0)
		return rc;
	(void)ix;
	/* One that cannot be read is of no use, and must not keep the others from being loaded. */
	(void)!cert_parse(p.certificate, &cert, NULL);
	root = mem_zalloc(sizeof(*root));
	root->cert = cert;
	root->label = mem_strdup(p.label);
	root->categories = p.categories;
	hash_of(p.certificate, &root->fingerprint);
	trusted_root_public_fini(&p);
	out->root = root;
	return 0;
}

static void
root_free(struct index_record *r)
{
	cert_unref((struct cert *)(uintptr_t)r->root->cert);
	mem_free((void *)(uintptr_t)r->root->label);
	mem_free((void *)(uintptr_t)r->root);
}

static int
crl_new(struct index *ix, struct index_record *out, const struct record *r, struct err *err)
{
	struct index_crl *crl;
	int rc = index_crl_new(r, &crl, err);

	(void)ix;
	if (rc == 0)
		out->crl = crl;
	return rc;
}

static void
crl_free(struct index_record *r)
{
	index_crl_free((struct index_crl *)(uintptr_t)r->crl);
}

DEFINE_NEW(node)
DEFINE_NEW(group)
DEFINE_NEW(membership)
DEFINE_NEW(credential)
DEFINE_NEW(export_key)
DEFINE_NEW(ca)
DEFINE_NEW(setting)

static void
generation_free(struct index_record *r)
{
	issuers_unref(r->generation->issuers);
	mem_free((void *)(uintptr_t)r->generation->names.items);
	mem_free((void *)(uintptr_t)r->generation);
}

static const struct part {
	int (*make)(
	    struct index *ix, struct index_record *out, const struct record *r, struct err *err);
	void (*free)(struct index_record *r);
	bool keeps_signed;
} parts[KIND__COUNT] = {
    [KIND_ROOT] = {NULL, NULL, true},
    [KIND_DESIGNATION] = {NULL, NULL, true},
    [KIND_NODE] = {node_new, node_free, true},
    [KIND_GROUP] = {group_new, group_free, true},
    [KIND_MEMBERSHIP] = {membership_new, membership_free, true},
    [KIND_CREDENTIAL] = {credential_new, credential_free, false},
    [KIND_GENERATION] = {generation_new, generation_free, false},
    [KIND_TRUSTED_ROOT] = {root_new, root_free, false},
    [KIND_EXPORT_KEY] = {export_key_new, export_key_free, false},
    [KIND_CA] = {ca_new, ca_free, true},
    [KIND_CRL] = {crl_new, crl_free, true},
    [KIND_SETTING] = {setting_new, setting_free, false},
};

static int
read_recipients(struct index_record *out, struct span sealed, struct err *err)
{
	struct key_id ids[LIMIT_RECIPIENTS];
	int rc;

	if (sealed.len == 0)
		return 0;
	rc = envelope_recipients(sealed, ids, &out->recipient_count, err);
	if (rc == 0)
		hash_of(SPAN(ids, out->recipient_count * sizeof(ids[0])), &out->recipients);
	return rc;
}

int
entry_part_new(struct index *ix, struct index_record *out, const struct record *r,
    struct signed_bytes s, struct err *err)
{
	const struct part *part = r->kind < KIND__COUNT ? &parts[r->kind] : NULL;
	int rc = read_recipients(out, r->sealed, err);

	if (rc == 0 && part != NULL && part->make != NULL)
		rc = part->make(ix, out, r, err);
	if (rc < 0 || part == NULL || !part->keeps_signed)
		return rc;
	out->signed_record.body = SPAN(mem_dup(s.body.data, s.body.len), s.body.len);
	out->signed_record.signature =
	    SPAN(mem_dup(s.signature.data, s.signature.len), s.signature.len);
	return 0;
}

void
entry_part_free(struct index_record *r)
{
	if (r->kind < KIND__COUNT && parts[r->kind].free != NULL)
		parts[r->kind].free(r);
	mem_free((void *)(uintptr_t)r->signed_record.body.data);
	mem_free((void *)(uintptr_t)r->signed_record.signature.data);
}
