#ifndef COMMON_CRYPTO_PBE_PRIV_H
#define COMMON_CRYPTO_PBE_PRIV_H

/* The parts of pbe.h: key derivation, and the names of algorithms. Private to common/crypto. */

#include "common/crypto/der.h"
#include "common/crypto/ossl.h"
#include "common/crypto/pbe.h"

enum pbe_kdf_kind { KDF_PBKDF2, KDF_SCRYPT, KDF_PKCS12, KDF_PBKDF1 };

enum pkcs12_purpose { PURPOSE_KEY = 1, PURPOSE_IV = 2, PURPOSE_MAC = 3 };

struct pbe_kdf {
	enum pbe_kdf_kind kind;
	const char *digest;
	struct span salt;
	uint64_t rounds; /* of scrypt: N */
	uint32_t r, p;   /* of scrypt */
	bool legacy;     /* the digest or the function comes from the legacy provider */
};

/* NULL (the default one) or the private library context; ERR_UNAVAIL. */
NODISCARD int pbe_library(bool legacy, OSSL_LIB_CTX **out, struct err *err);

/* Takes the rounds from the budget, then derives len bytes. purpose: of KDF_PKCS12. */
NODISCARD int pbe_derive(const struct pbe_kdf *kdf, enum pkcs12_purpose purpose,
    const struct pbe_password *password, struct pbe_budget *budget, size_t len, struct secret **out,
    struct err *err);

/* Parameters of PBKDF2 (the content of their SEQUENCE). *key_len is 0 when they do not name it. */
NODISCARD int pbe_read_pbkdf2(
    struct der_reader params, struct pbe_kdf *out, uint32_t *key_len, struct err *err);

struct pbe_cipher {
	const char *name; /* OpenSSL's */
	uint8_t key_len, iv_len;
	bool legacy;
};

/* ERR_PARSE, ERR_LIMIT for a length that cannot be. */
NODISCARD int pbe_check_ciphertext(
    const struct pbe_cipher *c, struct span ciphertext, struct err *err);
/* ERR_DENIED when the padding shows that the key is wrong. */
NODISCARD int pbe_decrypt(const struct pbe_cipher *how, const uint8_t *key, const uint8_t *iv,
    struct span ciphertext, struct secret **out, struct err *err);

bool pbe_cipher_by_oid(struct span oid, struct pbe_cipher *out);
/* The n of PKCS#5's 1.2.840.113549.1.5.n; 0 for another OID. */
unsigned pbe_pkcs5_number(struct span oid);
#define PKCS5_PBKDF2 12
#define PKCS5_PBES2 13
#define PKCS5_PBMAC1 14
/* The one number (below 128) that follows a prefix; 0 for another OID. */
unsigned oid_after(struct span oid, struct span prefix);
/* Digest by the OID of itself or of its HMAC; NULL for one that is not known. */
const char *pbe_digest_by_oid(struct span oid);

/* ERR_UNAVAIL: "what 1.2.3, which is not known here". */
int pbe_unknown(const char *what, struct span oid, struct err *err);
/* A count that may be far beyond any limit; UINT64_MAX stands for more than that. */
uint64_t der_take_count(struct der_reader *r);

/* "1.2.840.113549..." for a text. */
#define OID_TEXT_MAX 80
const char *oid_text(struct span oid, char out[static OID_TEXT_MAX]);

#endif
