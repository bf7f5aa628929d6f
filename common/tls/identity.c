#include "common/tls/tls_priv.h"

#include "common/crypto/cert_priv.h"
#include "common/crypto/ossl.h"

#include <openssl/err.h>

int
tls_identity_new(const struct cert *const *chain, size_t count, const struct pkey *key,
    struct tls_identity **out, struct err *err)
{
	AUTO(tls_identity_unrefp)
	struct tls_identity *id = NULL;

	if (count == 0 || count > LIMIT_CHAIN)
		return err_set(err, ERR_INVALID,
		    "a certificate chain has 1 to %d certificates, not %zu", LIMIT_CHAIN, count);
	if (!pkey_has_private(key) || !cert_has_key(chain[0], key))
		return err_set(
		    err, ERR_CRYPTO, "the private key does not belong to the certificate");
	id = mem_zalloc(sizeof(*id));
	atomic_init(&id->refs, 1);
	id->leaf = cert_ref(chain[0]);
	id->key = pkey_ref(key);
	id->chain = sk_X509_new_reserve(NULL, (int)count);
	if (id->chain == NULL)
		return crypto_err(err, ERR_NOMEM, "cannot keep a certificate chain");
	for (size_t i = 1; i < count; i++) {
		/* A root is the last; others can have the name of their issuer: an older key's. */
		if (i == count - 1 &&
		    span_equal(cert_subject_der(chain[i]), cert_issuer_der(chain[i]))) {
			id->root = cert_ref(chain[i]);
			continue;
		}
		id->issuers[id->issuer_count++] = cert_ref(chain[i]);
		CHECK(sk_X509_push(id->chain, cert_x509(chain[i])) > 0);
	}
	*out = MOVE(id);
	return 0;
}

struct tls_identity *
tls_identity_ref(struct tls_identity *id)
{
	atomic_fetch_add(&id->refs, 1);
	return id;
}

void
tls_identity_unref(struct tls_identity *id)
{
	if (id == NULL || atomic_fetch_sub(&id->refs, 1) != 1)
		return;
	sk_X509_free(id->chain);
	for (size_t i = 0; i < id->issuer_count; i++)
		cert_unref(id->issuers[i]);
	cert_unref(id->root);
	cert_unref(id->leaf);
	pkey_unref(id->key);
	mem_free(id);
}

const struct cert *
tls_identity_leaf(const struct tls_identity *id)
{
	return id->leaf;
}

/* Whoever believes in a root has it, and whoever has not, does not: few clients want it sent. */
int
tls_identity_use(const struct tls_identity *id, bool with_root, SSL *ssl, struct err *err)
{
	bool ok;

	ERR_clear_error();
	ok = SSL_use_cert_and_key(ssl, cert_x509(id->leaf), pkey_evp(id->key), id->chain, 1) == 1;
	if (ok && with_root && id->root != NULL)
		ok = SSL_add1_chain_cert(ssl, cert_x509(id->root)) == 1;
	if (!ok)
		return crypto_err(err, ERR_CRYPTO, "cannot use a certificate for TLS");
	return 0;
}
