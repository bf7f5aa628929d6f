#include "common/crypto/cert_build.h"
#include "common/crypto/ossl.h"

#include <string.h>

#include <openssl/evp.h>

static const char *const profile_names[] = {
    [LEAF_SERVER] = "server",
    [LEAF_CLIENT] = "client",
    [LEAF_BOTH] = "both",
    [LEAF_SMIME] = "smime",
};
_Static_assert(ARRAY_LEN(profile_names) == LEAF__COUNT, "every profile has a name");

const char *
leaf_profile_name(enum leaf_profile profile)
{
	CHECK(profile < LEAF__COUNT);
	return profile_names[profile];
}

int
leaf_profile_parse(const char *name, enum leaf_profile *out, struct err *err)
{
	for (size_t i = 0; i < LEAF__COUNT; i++) {
		if (name[0] == '\0' || strcmp(name, profile_names[i]) == 0) {
			*out = (enum leaf_profile)i;
			return 0;
		}
	}
	return err_set(
	    err, ERR_INVALID, "profile '%.40s' is not one of server, client, both, smime", name);
}

static unsigned
usage_of(const struct pkey *key, enum leaf_profile profile)
{
	switch (EVP_PKEY_get_base_id(pkey_evp(key))) {
	case EVP_PKEY_RSA:
		/* TLS 1.2 encrypts its secret to a server's RSA key where a client has nothing
		 * better, and mail is encrypted to its reader's. */
		return profile == LEAF_CLIENT ? USAGE_DIGITAL_SIGNATURE
					      : USAGE_DIGITAL_SIGNATURE | USAGE_KEY_ENCIPHERMENT;
	case EVP_PKEY_EC:
		return profile == LEAF_SMIME ? USAGE_DIGITAL_SIGNATURE | USAGE_KEY_AGREEMENT
					     : USAGE_DIGITAL_SIGNATURE;
	default:
		return USAGE_DIGITAL_SIGNATURE;
	}
}

int
leaf_profile_fill(const struct leaf_params *p, struct cert_profile *out, struct err *err)
{
	uint8_t address[16];
	const char *first;

	if (p->name_count == 0)
		return err_set(err, ERR_INVALID, "a certificate needs at least one name");
	if (p->profile >= LEAF__COUNT)
		return err_set(err, ERR_INVALID, "a certificate of an unknown profile");
	first = p->names[0];
	*out = (struct cert_profile){
	    .key = p->key,
	    .subject = p->subject,
	    .subject_count = p->subject_count,
	    /* Old clients show the common name; all of them judge by the alternative names. */
	    .common_name = strlen(first) <= COMMON_NAME_MAX && address_bytes(first, address) == 0
		? first
		: NULL,
	    .not_before = p->not_before,
	    .not_after = p->not_after,
	    .usage = usage_of(p->key, p->profile),
	    .server_auth = p->profile == LEAF_SERVER || p->profile == LEAF_BOTH,
	    .client_auth = p->profile == LEAF_CLIENT || p->profile == LEAF_BOTH,
	    .email_protection = p->profile == LEAF_SMIME,
	    .names = p->names,
	    .name_count = p->name_count,
	};
	return 0;
}

int
cert_issue_leaf(const struct cert *ca, const struct pkey *ca_key, const struct leaf_params *p,
    struct cert **out, struct err *err)
{
	struct cert_profile profile;
	int r = leaf_profile_fill(p, &profile, err);

	if (r < 0)
		return r;
	profile.issuer = ca;
	profile.signer = ca_key;
	profile.crl_url = p->crl_url;
	profile.issuer_url = p->issuer_url;
	return cert_build(&profile, out, err);
}
