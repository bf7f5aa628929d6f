#include "common/crypto/cert_build.h"
#include "common/crypto/ossl.h"

#include <string.h>

#include <openssl/evp.h>

int
cert_issue_leaf(const struct cert *ca, const struct pkey *ca_key, const struct leaf_params *p,
    struct cert **out, struct err *err)
{
	uint8_t address[16];
	const char *first;
	bool rsa;

	if (p->name_count == 0)
		return err_set(err, ERR_INVALID, "a certificate needs at least one name");
	first = p->names[0];
	rsa = EVP_PKEY_get_base_id(pkey_evp(p->key)) == EVP_PKEY_RSA;
	return cert_build(
	    &(struct cert_profile){
		.issuer = ca,
		.signer = ca_key,
		.key = p->key,
		/* Old clients show the common name; all of them judge by the alternative names. */
		.common_name =
		    strlen(first) <= COMMON_NAME_MAX && address_bytes(first, address) == 0 ? first
											   : NULL,
		.not_before = p->not_before,
		.not_after = p->not_after,
		/* TLS 1.2 encrypts its secret to RSA keys where a client has nothing better. */
		.usage = rsa ? USAGE_DIGITAL_SIGNATURE | USAGE_KEY_ENCIPHERMENT
			     : USAGE_DIGITAL_SIGNATURE,
		.server_auth = true,
		.names = p->names,
		.name_count = p->name_count,
	    },
	    out, err);
}
