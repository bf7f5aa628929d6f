#include "common/crypto/der.h"
#include "common/crypto/pbe.h"
#include "common/crypto/pem.h"
#include "common/crypto/pkey.h"

/* Keys under a password that others are to read: EncryptedPrivateKeyInfo (RFC 5958). */

#define LOCKED_MAX (LIMIT_KEY + 1024)

int
pkey_put_encrypted_pkcs8(const struct pkey *key, const struct secret *password, bool scrypt,
    struct buf *out, struct err *err)
{
	AUTO(secret_freep)
	struct secret *plain = NULL;
	AUTO(buf_freep)
	struct buf *algorithm = buf_new(LOCKED_MAX);
	AUTO(buf_freep)
	struct buf *ciphertext = buf_new(LOCKED_MAX);
	struct der d = DER_INIT(out);
	int r;

	if ((r = pkey_to_pkcs8(key, &plain, err)) < 0 ||
	    (r = pbe_seal(scrypt ? PBE_SCRYPT : PBE_PBKDF2, secret_span(plain), password, algorithm,
		 ciphertext, err)) < 0)
		return r;
	der_begin(&d, DER_SEQUENCE);
	der_put_raw(&d, buf_span(algorithm));
	der_put(&d, DER_OCTET_STRING, buf_span(ciphertext));
	der_end(&d);
	return buf_error(out, "encrypted key", err);
}

int
pkey_from_encrypted_pkcs8(
    struct span der, const struct secret *password, struct pkey **out, struct err *err)
{
	struct der_reader r = DER_READER(der);
	struct der_reader whole = der_enter(&r, DER_SEQUENCE);
	struct span algorithm = whole.rest, ciphertext;
	struct pbe_password p = {secret_span(password), false, SPELL_STANDARD};
	struct pbe_budget budget = PBE_BUDGET;
	AUTO(secret_freep)
	struct secret *plain = NULL;
	int rc;

	(void)der_take(&whole, DER_SEQUENCE);
	algorithm.len -= whole.rest.len;
	ciphertext = der_take(&whole, DER_OCTET_STRING);
	if (!der_done(&whole) || !der_done(&r))
		return err_set(err, ERR_PARSE, "not a private key under a password");
	rc = pbe_open(algorithm, ciphertext, &p, &budget, &plain, err);
	if (rc == 0)
		rc = pkey_from_foreign_pkcs8(secret_span(plain), out, err);
	/* A wrong password passes the padding once in 256 times. */
	return rc == ERR_PARSE ? err_set(err, ERR_DENIED, "the password is wrong") : rc;
}

void
encrypted_pkcs8_put_pem(struct span der, struct buf *out)
{
	pem_put(out, "ENCRYPTED PRIVATE KEY", der);
}
