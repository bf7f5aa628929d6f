#include "common/crypto/cert_build.h"
#include "common/crypto/crypto_err.h"
#include "common/crypto/ossl.h"
#include "common/crypto/pem.h"

#include <string.h>

#include <openssl/x509.h>

DEFINE_OSSL_FREEP(X509_REQ, X509_REQ_free)

/* What is signed: version, subject, key, and the extensions that are asked for. */
static int
make(const struct cert_profile *p, bool extensions, struct buf *der, struct err *err)
{
	static const uint8_t version_1[] = {0x02, 0x01, 0x00};
	static const uint8_t extension_request[] = {
	    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x0e};
	AUTO(buf_freep)
	struct buf *info = buf_new(LIMIT_CSR);
	struct der d = DER_INIT(info);
	int r;

	der_begin(&d, DER_SEQUENCE);
	der_put_raw(&d, SPAN_OF(version_1));
	r = der_put_subject(&d, p->subject, p->subject_count, p->common_name, err);
	if (r == 0)
		r = pkey_put_spki(p->key, info, err);
	if (r < 0)
		return r;
	der_begin(&d, DER_CONTEXT_CONS(0));
	if (extensions) {
		der_begin(&d, DER_SEQUENCE);
		der_put_raw(&d, SPAN_OF(extension_request));
		der_begin(&d, DER_SET);
		r = der_put_request_extensions(&d, p, err);
		if (r < 0)
			return r;
		der_end(&d);
		der_end(&d);
	}
	der_end(&d);
	der_end(&d);
	r = buf_error(info, "certificate request", err);
	return r < 0 ? r : der_sign(buf_span(info), p->key, der, err);
}

int
csr_make(const struct pkey *key, const char *name, struct buf *der, struct err *err)
{
	const struct cert_profile p = {.key = key, .common_name = name[0] != '\0' ? name : NULL};

	if (strlen(name) > COMMON_NAME_MAX)
		return err_set(err, ERR_INVALID,
		    "a request for '%.80s': a common name has at most %d bytes", name,
		    COMMON_NAME_MAX);
	return make(&p, false, der, err);
}

int
csr_make_leaf(const struct leaf_params *params, struct buf *der, struct err *err)
{
	struct cert_profile p;
	int r = leaf_profile_fill(params, &p, err);

	if (r == 0 && p.name_count > LIMIT_NAMES)
		r = err_set(err, ERR_LIMIT, "a certificate request with %zu names; at most %d",
		    p.name_count, LIMIT_NAMES);
	return r < 0 ? r : make(&p, true, der, err);
}

void
csr_put_pem(struct span der, struct buf *out)
{
	pem_put(out, "CERTIFICATE REQUEST", der);
}

int
csr_key(struct span der, struct pkey **out, struct err *err)
{
	AUTO(X509_REQ_freep)
	X509_REQ *req = NULL;
	const uint8_t *p = der.data;
	EVP_PKEY *key;

	if (der.len > LIMIT_CSR)
		return err_set(err, ERR_LIMIT, "certificate request of %zu bytes; at most %d",
		    der.len, LIMIT_CSR);
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
