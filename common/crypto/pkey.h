#ifndef COMMON_CRYPTO_PKEY_H
#define COMMON_CRYPTO_PKEY_H

/*
 * Key pairs and public keys. A struct pkey is immutable and reference-counted, so it may be shared
 * between threads. Keys of private parts lie on the secure heap. Key types: ec-p256, ec-p384,
 * ec-p521, rsa-2048, rsa-3072, rsa-4096, ed25519 (what may be made), and what may be taken in
 * besides: RSA up to 8192 bits.
 */

#include "common/base/id.h"
#include "common/crypto/secret.h"

struct pkey;

enum key_type {
	KEY_EC_P256,
	KEY_EC_P384,
	KEY_EC_P521,
	KEY_RSA_2048,
	KEY_RSA_3072,
	KEY_RSA_4096,
	KEY_ED25519,
	KEY__COUNT,
};

const char *key_type_name(enum key_type type);
/* ERR_INVALID lists the names that there are. */
NODISCARD int key_type_parse(const char *name, enum key_type *out, struct err *err);

NODISCARD int pkey_generate(enum key_type type, struct pkey **out, struct err *err);
/*
 * PKCS#8 PrivateKeyInfo DER, whole input; ERR_PARSE, ERR_INVALID for key types not taken,
 * ERR_CRYPTO when the private part does not belong to the public one.
 */
NODISCARD int pkey_from_pkcs8(struct span der, struct pkey **out, struct err *err);
/*
 * The forms in which other programs keep private keys, whole input. PKCS#8 of any version and with
 * attributes; the traditional RSAPrivateKey (PKCS#1) and ECPrivateKey (SEC 1), of which the latter
 * may have its curve (DER of EC PARAMETERS) in a block of its own; curve may be empty. Codes as of
 * pkey_from_pkcs8.
 */
NODISCARD int pkey_from_foreign_pkcs8(struct span der, struct pkey **out, struct err *err);
NODISCARD int pkey_from_pkcs1(struct span der, struct pkey **out, struct err *err);
NODISCARD int pkey_from_sec1(
    struct span der, struct span curve, struct pkey **out, struct err *err);
NODISCARD int pkey_to_pkcs8(const struct pkey *key, struct secret **out, struct err *err);
/*
 * SubjectPublicKeyInfo DER, whole input, the point checked to be on its curve. A key has one
 * encoding here (points uncompressed, curves by name): ERR_PARSE for any other.
 */
NODISCARD int pkey_from_spki(struct span der, struct pkey **out, struct err *err);
/* SubjectPublicKeyInfo DER: borrowed from the key, or appended to a buffer. */
struct span pkey_spki(const struct pkey *key);
NODISCARD int pkey_put_spki(const struct pkey *key, struct buf *out, struct err *err);

struct pkey *pkey_ref(const struct pkey *key);
void pkey_unref(struct pkey *key);
DEFINE_FREEP(struct pkey, pkey_unref)

bool pkey_has_private(const struct pkey *key);
bool pkey_same_public(const struct pkey *a, const struct pkey *b);
/* ERR_INVALID for a key of another type than those of enum key_type. */
NODISCARD int pkey_type(const struct pkey *key, enum key_type *out, struct err *err);
/* "ec-p256", "rsa-8192", "ed25519": for people. */
#define KEY_DESCRIPTION_MAX 24
const char *pkey_describe(const struct pkey *key, char out[static KEY_DESCRIPTION_MAX]);
/* The same of a SubjectPublicKeyInfo, which nobody has checked; "" when it is of no type known. */
const char *spki_describe(struct span spki, char out[static KEY_DESCRIPTION_MAX]);

/* Key identifier of seals: the first 20 bytes of SHA-256 over the SPKI (RFC 7093, method 1). */
#define KEY_ID_LEN 20
struct key_id {
	uint8_t bytes[KEY_ID_LEN];
};
void pkey_id(const struct pkey *key, struct key_id *out);
void spki_key_id(struct span spki, struct key_id *out);

/*
 * The files that hold a process's own keys: for each key a line "certherd key NAME" and a PEM block
 * of PKCS#8 behind it, so that openssl can read them too. Writers go through
 * file_write_private(). KEYFILE_MAX keys at the most.
 */
#define KEYFILE_MAX 8
struct keyfile_entry {
	char name[32]; /* sealing, manager, term-<16 hex digits>, identity */
	struct pkey *key;
};
struct keyfile {
	struct keyfile_entry entries[KEYFILE_MAX];
	size_t count;
};
void keyfile_fini(struct keyfile *f);
NODISCARD int keyfile_parse(const struct secret *text, struct keyfile *out, struct err *err);
NODISCARD int keyfile_format(const struct keyfile *f, struct secret **out, struct err *err);
/* NULL when there is none of that name. Borrowed. */
const struct pkey *keyfile_find(const struct keyfile *f, const char *name);

/*
 * The root and recovery key: PKCS#8 under a passphrase (PBES2: scrypt N=2^14 r=8 p=5, AES-256-CBC).
 * More memory than N=2^14 needs is refused by the openssl program, which must be able to read them.
 */
NODISCARD int pkey_to_encrypted_pem(
    const struct pkey *key, const struct secret *passphrase, struct buf *out, struct err *err);
/* ERR_DENIED for a wrong passphrase, ERR_PARSE for anything that is not such a file. */
NODISCARD int pkey_from_encrypted_pem(
    struct span pem, const struct secret *passphrase, struct pkey **out, struct err *err);

/*
 * EncryptedPrivateKeyInfo, DER, for keys that are handed out: PBES2 with PBKDF2 (HMAC-SHA256,
 * 600,000 rounds) and AES-256-CBC, or with scrypt. Appends. Of the reader the codes are as of
 * pbe_open, and ERR_DENIED for a wrong password.
 */
NODISCARD int pkey_put_encrypted_pkcs8(const struct pkey *key, const struct secret *password,
    bool scrypt, struct buf *out, struct err *err);
NODISCARD int pkey_from_encrypted_pkcs8(
    struct span der, const struct secret *password, struct pkey **out, struct err *err);
/* The same as a PEM block (ENCRYPTED PRIVATE KEY); the DER is not looked at. Appends. */
void encrypted_pkcs8_put_pem(struct span der, struct buf *out);

#endif
