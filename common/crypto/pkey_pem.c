#include "common/crypto/der.h"
#include "common/crypto/pem.h"
#include "common/crypto/pkey.h"

#include "common/base/limits.h"

/*
 * The root and recovery key as a file: one form only, EncryptedPrivateKeyInfo (RFC 5958) with PBES2
 * (RFC 8018), scrypt (RFC 7914) and AES-256-CBC, at costs that were chosen here.
 */

#define LABEL "ENCRYPTED PRIVATE KEY"
#define KEY_LEN 32
#define BLOCK 16
#define SALT_MAX 64
#define PEM_MAX (2 * LIMIT_KEY)

/* What a file may ask for: 64 MiB, and ten times the work of what is written (PBE_SCRYPT). */
#define COST_MEMORY_MAX (64u * 1024 * 1024)
#define COST_WORK_MAX (10u * (1u << 14) * 8 * 5)

static const uint8_t oid_pbes2[] = {
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0d};
static const uint8_t oid_scrypt[] = {
    0x06, 0x09, 0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x04, 0x0b};
static const uint8_t oid_aes256_cbc[] = {
    0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2a};

static int
check_costs(struct span salt, uint32_t n, uint32_t r, uint32_t p, struct err *err)
{
	if (salt.len > SALT_MAX || n < 2 || (n & (n - 1)) != 0 || r == 0 || p == 0 ||
	    UINT64_C(128) * r > COST_MEMORY_MAX / n || (uint64_t)r * p > COST_WORK_MAX / n)
		return err_set(err, ERR_PARSE,
		    "a key under a passphrase with scrypt N=%u r=%u p=%u, which is not taken", n, r,
		    p);
	return 0;
}

static int
check_profile(struct span der, struct err *err)
{
	struct der_reader all = DER_READER(der);
	struct der_reader whole = der_enter(&all, DER_SEQUENCE);
	struct der_reader algorithm = der_enter(&whole, DER_SEQUENCE);
	struct der_reader pbes2, kdf, scrypt, cipher;
	struct span salt, ciphertext;
	uint32_t n, r, p;

	der_expect(&algorithm, SPAN_OF(oid_pbes2));
	pbes2 = der_enter(&algorithm, DER_SEQUENCE);
	kdf = der_enter(&pbes2, DER_SEQUENCE);
	der_expect(&kdf, SPAN_OF(oid_scrypt));
	scrypt = der_enter(&kdf, DER_SEQUENCE);
	salt = der_take(&scrypt, DER_OCTET_STRING);
	n = der_take_small(&scrypt);
	r = der_take_small(&scrypt);
	p = der_take_small(&scrypt);
	/* The openssl program writes the length of the key too. */
	if (scrypt.rest.len > 0 && der_take_small(&scrypt) != KEY_LEN)
		scrypt.failed = true;
	cipher = der_enter(&pbes2, DER_SEQUENCE);
	der_expect(&cipher, SPAN_OF(oid_aes256_cbc));
	(void)der_take_fixed(&cipher, DER_OCTET_STRING, BLOCK);
	ciphertext = der_take(&whole, DER_OCTET_STRING);
	if (!der_done(&scrypt) || !der_done(&kdf) || !der_done(&cipher) || !der_done(&pbes2) ||
	    !der_done(&algorithm) || !der_done(&whole) || !der_done(&all))
		return err_set(err, ERR_PARSE,
		    "not a private key under a passphrase (PBES2 with scrypt and AES-256-CBC)");
	if (ciphertext.len == 0 || ciphertext.len % BLOCK != 0)
		return err_set(err, ERR_PARSE, "a key under a passphrase, cut short");
	return check_costs(salt, n, r, p, err);
}

int
pkey_to_encrypted_pem(
    const struct pkey *key, const struct secret *passphrase, struct buf *out, struct err *err)
{
	AUTO(buf_freep)
	struct buf *der = buf_new(PEM_MAX);
	int r = pkey_put_encrypted_pkcs8(key, passphrase, true, der, err);

	if (r < 0)
		return r;
	encrypted_pkcs8_put_pem(buf_span(der), out);
	return buf_error(out, "encrypted key", err);
}

int
pkey_from_encrypted_pem(
    struct span pem, const struct secret *passphrase, struct pkey **out, struct err *err)
{
	AUTO(buf_freep)
	struct buf *der = buf_new(PEM_MAX);
	int r;

	if (pem.len > LIMIT_PEM_FILE)
		return err_set(err, ERR_PARSE, "a file of %zu bytes is no key", pem.len);
	r = pem_next(&pem, LABEL, der, err);
	if (r == ERR_NOTFOUND || r == ERR_LIMIT)
		return err_set(err, ERR_PARSE, "no PEM block of type %s", LABEL);
	if (r < 0 || (r = check_profile(buf_span(der), err)) < 0)
		return r;
	r = pkey_from_encrypted_pkcs8(buf_span(der), passphrase, out, err);
	return r == ERR_DENIED ? err_set(err, ERR_DENIED, "the passphrase is wrong") : r;
}
