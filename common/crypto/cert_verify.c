#include "common/crypto/cert_priv.h"
#include "common/crypto/crypto_err.h"
#include "common/crypto/ossl.h"

#include <openssl/x509v3.h>

/* Leaf, manager, root; OpenSSL does not count the ends. */
#define DEPTH_MAX 1
/* 112 bits of security: no SHA-1, no RSA below 2048 bits. */
#define SECURITY_LEVEL 2

DEFINE_OSSL_FREEP(X509_STORE, X509_STORE_free)
DEFINE_OSSL_FREEP(X509_STORE_CTX, X509_STORE_CTX_free)

UNUSED static inline void
stack_freep(STACK_OF(X509) * *pp)
{
	sk_X509_free(*pp);
}

static int
verify(X509_STORE *store, const struct cert *leaf, STACK_OF(X509) * between, int64_t at,
    struct err *err)
{
	AUTO(X509_STORE_CTX_freep)
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509_VERIFY_PARAM *param;
	int reason;

	if (ctx == NULL || X509_STORE_CTX_init(ctx, store, cert_x509(leaf), between) != 1)
		return crypto_err(err, ERR_NOMEM, "prepare to verify an identity");
	param = X509_STORE_CTX_get0_param(ctx);
	X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT);
	X509_VERIFY_PARAM_set_time(param, (time_t)at);
	X509_VERIFY_PARAM_set_depth(param, DEPTH_MAX);
	X509_VERIFY_PARAM_set_auth_level(param, SECURITY_LEVEL);
	if (X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_ANY) != 1)
		return crypto_err(err, ERR_BUG, "prepare to verify an identity");
	if (X509_verify_cert(ctx) == 1) {
		crypto_err_forget();
		return 0;
	}
	reason = X509_STORE_CTX_get_error(ctx);
	crypto_err_forget();
	return err_set(err, ERR_CRYPTO,
	    "the certificate does not verify under the domain's root: %s",
	    X509_verify_cert_error_string(reason));
}

int
cert_verify_identity(const struct cert *leaf, const struct cert *const *chain, size_t chain_count,
    const struct cert *root, int64_t now, bool allow_expired, struct err *err)
{
	AUTO(X509_STORE_freep)
	X509_STORE *store = X509_STORE_new();
	AUTO(stack_freep)
	STACK_OF(X509) *between = sk_X509_new_null();

	if (chain_count > LIMIT_CHAIN)
		return err_set(err, ERR_CRYPTO, "a chain of %zu certificates; at most %d",
		    chain_count, LIMIT_CHAIN);
	if (cert_is_ca(leaf))
		return err_set(err, ERR_CRYPTO, "the certificate is one of a CA, not an identity");
	if (store == NULL || between == NULL || X509_STORE_add_cert(store, cert_x509(root)) != 1)
		return crypto_err(err, ERR_NOMEM, "prepare to verify an identity");
	for (size_t i = 0; i < chain_count; i++)
		if (sk_X509_push(between, cert_x509(chain[i])) <= 0)
			return crypto_err(err, ERR_NOMEM, "prepare to verify an identity");
	/* OpenSSL does not count the last second itself. */
	if (allow_expired && now >= cert_not_after(leaf))
		now = cert_not_after(leaf) - 1;
	return verify(store, leaf, between, now, err);
}
