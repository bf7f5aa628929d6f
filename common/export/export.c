#include "common/export/export.h"

#include "common/crypto/cert.h"
#include "common/crypto/pem.h"
#include "common/export/set.h"

#include <string.h>

#define PEM_MAX (2 * (LIMIT_CHAIN * LIMIT_CERT + LIMIT_KEY))

int
export_check(const struct export_set *set, bool with_key, struct err *err)
{
	AUTO(cert_unrefp)
	struct cert *leaf = NULL;
	int r;

	if (set->cert_count == 0 || set->cert_count > LIMIT_CHAIN)
		return err_set(err, ERR_INVALID, "an export of %zu certificates; 1 to %d",
		    set->cert_count, LIMIT_CHAIN);
	r = cert_parse(set->certs[0], &leaf, err);
	if (r < 0 || !with_key)
		return r;
	if (set->key == NULL || !pkey_has_private(set->key))
		return err_set(err, ERR_INVALID, "an export without a private key");
	if (!cert_has_key(leaf, set->key))
		return err_set(err, ERR_INVALID, "the key is not that of the certificate");
	return 0;
}

static void
put_certs(const struct export_set *set, struct buf *out)
{
	for (size_t i = 0; i < set->cert_count; i++)
		cert_put_pem(set->certs[i], out);
}

int
export_chain(const struct export_set *set, struct buf *out, struct err *err)
{
	int r = export_check(set, false, err);

	if (r < 0)
		return r;
	put_certs(set, out);
	return buf_error(out, "export", err);
}

static int
put_key(const struct pkey *key, const struct secret *password, bool scrypt, struct buf *out,
    struct err *err)
{
	AUTO(buf_freep)
	struct buf *locked = buf_new(2 * LIMIT_KEY);
	AUTO(secret_freep)
	struct secret *plain = NULL;
	int r;

	if (password == NULL) {
		r = pkey_to_pkcs8(key, &plain, err);
		if (r == 0)
			pem_put(out, "PRIVATE KEY", secret_span(plain));
		return r;
	}
	r = pkey_put_encrypted_pkcs8(key, password, scrypt, locked, err);
	if (r == 0)
		encrypted_pkcs8_put_pem(buf_span(locked), out);
	return r;
}

int
export_pem(const struct export_set *set, enum export_order order, const struct secret *password,
    bool scrypt, struct secret **out, struct err *err)
{
	/* A buf wipes what it held. */
	AUTO(buf_freep)
	struct buf *text = buf_new(PEM_MAX);
	int r = export_check(set, true, err);

	if (r < 0)
		return r;
	if (order == EXPORT_KEY_LAST)
		put_certs(set, text);
	r = put_key(set->key, password, scrypt, text, err);
	if (order == EXPORT_KEY_FIRST)
		put_certs(set, text);
	if (r == 0)
		r = buf_error(text, "export", err);
	return r < 0 ? r : secret_take(text->data, text->len, out, err);
}
