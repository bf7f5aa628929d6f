#ifndef COMMON_CRYPTO_PBE_H
#define COMMON_CRYPTO_PBE_H

/*
 * What lies under a password: PBES2 (PBKDF2 and scrypt), PBES1, the schemes of PKCS#12, the
 * traditional PEM form, and the integrity codes of PKCS#12 files. Work is bounded: the number of
 * rounds is looked at before any is done, and taken from a budget. RC2, RC4 and DES come from
 * OpenSSL's legacy provider, in a library context that nothing else uses, so that TLS never has
 * them. Pure functions, any thread.
 */

#include "common/base/limits.h"
#include "common/crypto/secret.h"

/* What may still be spent; one for each import, so that many small pieces are no way around it. */
struct pbe_budget {
	uint64_t rounds;
	int64_t cpu_ns;
};
#define PBE_BUDGET ((struct pbe_budget){LIMIT_PBE_ROUNDS, LIMIT_PBE_MS * INT64_C(1000000)})

/*
 * A password as it is tried: as the standards say, or as programs had it. OpenSSL before 1.1 took
 * each byte of UTF-8 for a character, and terminals in Latin-1 gave PBES2 one byte for each
 * character: that matters beyond ASCII only. NSS before 3.31 gave PBES2 and PBES1 the BMPString
 * that is meant for PKCS#12's own schemes.
 */
enum pbe_spelling { SPELL_STANDARD, SPELL_BYTES, SPELL_NSS };
/* Absent is not the same as empty for PKCS#12. */
struct pbe_password {
	struct span utf8; /* borrowed, from a secret */
	bool absent;
	enum pbe_spelling spelling;
};
/* Whether SPELL_BYTES differs from SPELL_STANDARD. */
bool pbe_spells_bytes(struct span utf8);

/*
 * Decrypts what an AlgorithmIdentifier (DER, with its header) says. ERR_DENIED: the password is
 * wrong (one wrong password in some hundred is only found out by what comes out); ERR_UNAVAIL: an
 * algorithm that is not here; ERR_LIMIT: over the budget; ERR_PARSE.
 */
NODISCARD int pbe_open(struct span algorithm, struct span ciphertext,
    const struct pbe_password *password, struct pbe_budget *budget, struct secret **out,
    struct err *err);

/*
 * The traditional form: cipher and initialisation vector as in a DEK-Info line
 * ("AES-256-CBC,0A1B..."), a key by one round of MD5. Codes as of pbe_open.
 */
NODISCARD int pbe_open_traditional(struct span dek_info, struct span ciphertext,
    const struct pbe_password *password, struct secret **out, struct err *err);

/*
 * The integrity code of a PKCS#12 file: the content of its MacData (mac, salt, iterations). Both
 * kinds: that of RFC 7292 and PBMAC1 (RFC 9579). Codes as of pbe_open.
 */
NODISCARD int pbe_check_mac(struct span mac_data, struct span content,
    const struct pbe_password *password, struct pbe_budget *budget, struct err *err);

/* --- writing --- */

enum pbe_style {
	PBE_PBKDF2, /* PBES2: HMAC-SHA256 with PBE_ROUNDS, AES-256-CBC */
	PBE_SCRYPT, /* PBES2: scrypt N=2^14 r=8 p=5, AES-256-CBC */
	PBE_OLD,    /* for old readers of PKCS#12 only: SHA-1 with PBE_ROUNDS_OLD, triple DES */
};
#define PBE_ROUNDS 600000
#define PBE_ROUNDS_OLD 100000

/*
 * Encrypts plain; appends the AlgorithmIdentifier to algorithm and the bytes to ciphertext. The
 * password is spelled as the standards say.
 */
NODISCARD int pbe_seal(enum pbe_style style, struct span plain, const struct secret *password,
    struct buf *algorithm, struct buf *ciphertext, struct err *err);

/*
 * Appends the content of a MacData for a PKCS#12 file: SHA-256 with PBE_ROUNDS, or for PBE_OLD
 * SHA-1 with PBE_ROUNDS_OLD.
 */
NODISCARD int pbe_put_mac(enum pbe_style style, struct span content, const struct secret *password,
    struct buf *out, struct err *err);

/*
 * Loads the legacy provider now; for programs that close their sandbox before they read.
 * ERR_UNAVAIL when it is not installed, which only matters to files that need it.
 */
NODISCARD int pbe_load_legacy(struct err *err);

#endif
