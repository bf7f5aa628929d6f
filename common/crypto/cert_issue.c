#include "common/base/str.h"
#include "common/crypto/cert_build.h"
#include "common/crypto/cert_priv.h"
#include "common/crypto/ossl.h"

#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

#define YEAR INT64_C(31536000)
#define ROOT_LIFETIME (30 * YEAR)
#define MANAGER_LIFETIME (10 * YEAR)
/* Clocks of other machines may be behind by this much. */
#define CLOCK_SKEW 3600

#define URI_SCHEME "certherd:"
#define URI_NODE "/node/"

static const char *
domain_hex(const struct domain_id *domain, char out[static HASH_HEX_MAX])
{
	return hex_encode(domain->bytes, sizeof(domain->bytes), out);
}

int
cert_issue_root(const struct pkey *root_key, const char *domain_name,
    const struct domain_id *domain, int64_t now, struct cert **out, struct err *err)
{
	char name[COMMON_NAME_MAX + 1], uri[CERT_URI_MAX], hex[HASH_HEX_MAX];
	enum key_type type;

	if (pkey_type(root_key, &type, NULL) < 0 || type != KEY_EC_P384)
		return err_set(err, ERR_INVALID, "the root key must be of type ec-p384");
	common_name_of("certherd root ", domain_name, name);
	snprintf(uri, sizeof(uri), URI_SCHEME "%s", domain_hex(domain, hex));
	return cert_build(
	    &(struct cert_profile){
		.signer = root_key,
		.key = root_key,
		.common_name = name,
		.not_before = now - CLOCK_SKEW,
		.not_after = now + ROOT_LIFETIME - 1,
		.usage = USAGE_KEY_CERT_SIGN | USAGE_CRL_SIGN,
		.is_ca = true,
		.path_len = 1,
		.uri = uri,
	    },
	    out, err);
}

int
cert_root_domain(const struct cert *root, struct domain_id *out, struct err *err)
{
	char uri[CERT_URI_MAX];

	if (!cert_uri(root, uri) || !str_starts(uri, URI_SCHEME) ||
	    hex_decode(uri + strlen(URI_SCHEME), out->bytes, sizeof(out->bytes), NULL) < 0)
		return err_set(err, ERR_PARSE,
		    "the certificate carries no domain id: it is not a certherd root");
	return 0;
}

int
cert_issue_manager(const struct cert *root, const struct pkey *root_key,
    const struct pkey *manager_public, const struct id *node, int64_t now, struct cert **out,
    struct err *err)
{
	char name[COMMON_NAME_MAX + 1], hex[ID_HEX_MAX];
	int64_t end = now + MANAGER_LIFETIME - 1;

	common_name_of("certherd manager ", id_hex(node, hex), name);
	return cert_build(
	    &(struct cert_profile){
		.issuer = root,
		.signer = root_key,
		.key = manager_public,
		.common_name = name,
		.not_before = now - CLOCK_SKEW,
		/* An old root ends before ten years are over, and its managers with it. */
		.not_after = end < cert_not_after(root) ? end : cert_not_after(root),
		.usage = USAGE_KEY_CERT_SIGN,
		.is_ca = true,
		.path_len = 0,
	    },
	    out, err);
}

int
cert_issue_identity(const struct cert *manager, const struct pkey *manager_key,
    const struct identity_params *p, struct cert **out, struct err *err)
{
	char name[COMMON_NAME_MAX + 1], uri[CERT_URI_MAX], hex[HASH_HEX_MAX], node[ID_HEX_MAX];

	common_name_of("", p->name, name);
	if (name[0] == '\0')
		return err_set(err, ERR_INVALID, "an identity needs the name of its node");
	snprintf(uri, sizeof(uri), URI_SCHEME "%s" URI_NODE "%s", domain_hex(&p->domain, hex),
	    id_hex(&p->node, node));
	return cert_build(
	    &(struct cert_profile){
		.issuer = manager,
		.signer = manager_key,
		.key = p->key,
		.common_name = name,
		.not_before = p->not_before,
		.not_after = p->not_after,
		.usage = USAGE_DIGITAL_SIGNATURE,
		.server_auth = true,
		.client_auth = true,
		.uri = uri,
		.names = p->addresses,
		.name_count = p->address_count,
	    },
	    out, err);
}

int
cert_identity(const struct cert *c, struct domain_id *domain, struct id *node, struct err *err)
{
	char uri[CERT_URI_MAX], *slash;
	struct domain_id d;
	struct id n;

	if (cert_is_ca(c) || !cert_uri(c, uri) || !str_starts(uri, URI_SCHEME) ||
	    (slash = strchr(uri, '/')) == NULL || !str_starts(slash, URI_NODE))
		return err_set(err, ERR_PARSE, "the certificate is not the identity of a node");
	*slash = '\0';
	if (hex_decode(uri + strlen(URI_SCHEME), d.bytes, sizeof(d.bytes), NULL) < 0 ||
	    id_parse(slash + strlen(URI_NODE), &n, NULL) < 0)
		return err_set(err, ERR_PARSE,
		    "the certificate names a node, but not in the form certherd:DOMAIN/node/ID");
	*domain = d;
	*node = n;
	return 0;
}

static int
check_ca_name(const char *name, struct err *err)
{
	size_t n = strlen(name);

	if (n > 0 && n <= COMMON_NAME_MAX)
		return 0;
	return err_set(err, ERR_INVALID,
	    "the name of a CA stands in its certificates and has 1 to %d bytes, not %zu",
	    COMMON_NAME_MAX, n);
}

int
cert_make_ca(const struct ca_params *p, struct cert **out, struct err *err)
{
	int r = p->subject_of != NULL ? 0 : check_ca_name(p->name, err);

	if (r < 0)
		return r;
	return cert_build(
	    &(struct cert_profile){
		.issuer = p->issuer,
		.signer = p->issuer != NULL ? p->issuer_key : p->key,
		.key = p->key,
		.subject_of = p->subject_of,
		.common_name = p->name,
		.not_before = p->not_before,
		.not_after = p->not_after,
		.usage = USAGE_KEY_CERT_SIGN | USAGE_CRL_SIGN,
		.is_ca = true,
		.path_len = p->path_len,
		.crl_url = p->crl_url,
		.issuer_url = p->issuer_url,
	    },
	    out, err);
}

int
cert_issue_ca(const struct pkey *key, const char *name, int64_t not_before, int64_t not_after,
    struct cert **out, struct err *err)
{
	const struct ca_params p = {.key = key,
	    .name = name,
	    .not_before = not_before,
	    .not_after = not_after,
	    .path_len = CA_ROOT_PATH_LEN};

	return cert_make_ca(&p, out, err);
}
