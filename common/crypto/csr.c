#include "common/crypto/cert_build.h"
#include "common/crypto/crypto_err.h"
#include "common/crypto/ossl.h"

#include <string.h>

#include <openssl/x509.h>

#define CSR_MAX (16 * 1024)

DEFINE_OSSL_FREEP(X509_REQ, X509_REQ_free)

int
csr_make(const struct pkey *key, const char *name, struct buf *der, struct err *err)
{
	static const uint8_t version_1[] = {0x02, 0x01, 0x00};
	AUTO(buf_freep)
	struct buf *info = buf_new(CSR_MAX);
	struct der d = DER_INIT(info);
	int r;

	if (strlen(name) > COMMON_NAME_MAX)
		return err_set(err, ERR_INVALID,
		    "a request for '%.80s': a common name has at most %d bytes", name,
		    COMMON_NAME_MAX);
	der_begin(&d, DER_SEQUENCE);
	der_put_raw(&d, SPAN_OF(version_1));
	der_put_name(&d, name[0] != '\0' ? name : NULL);
	r = pkey_put_spki(key, info, err);
	if (r < 0)
		return r;
	der_put(&d, DER_CONTEXT_CONS(0), SPAN(NULL, 0)); /* no attributes */
	der_end(&d);
	r = buf_error(info, "certificate request", err);
	return r < 0 ? r : der_sign(buf_span(info), key, der, err);
}

int
csr_key(struct span der, struct pkey **out, struct err *err)
{
	AUTO(X509_REQ_freep)
	X509_REQ *req = NULL;
	const uint8_t *p = der.data;
	EVP_PKEY *key;

	if (der.len > CSR_MAX)
		return err_set(err, ERR_LIMIT, "certificate request of %zu bytes; at most %d",
		    der.len, CSR_MAX);
	req = der.len > 0 ? d2i_X509_REQ(NULL, &p, (long)der.len) : NULL;
	if (req == NULL || p != der.data + der.len)
		return crypto_err(err, ERR_PARSE, "certificate request is not DER");
	key = X509_REQ_get0_pubkey(req);
	if (key == NULL)
		return crypto_err(
		    err, ERR_INVALID, "the key of the certificate request is of no known type");
	if (X509_REQ_verify(req, key) != 1)
		return crypto_err(
		    err, ERR_CRYPTO, "the certificate request is not signed with its own key");
	crypto_err_forget();
	if (EVP_PKEY_up_ref(key) != 1)
		return crypto_err(err, ERR_BUG, "key of the certificate request");
	return pkey_wrap_public(key, out, err);
}
