#ifndef COMMON_LIFT_LIFT_H
#define COMMON_LIFT_LIFT_H

/*
 * Reads what other programs wrote: any bytes go in, keys, certificates, requests and revocation
 * lists come out, each with the place where it lay. PEM blocks in any text, DER, PKCS#7, PKCS#12,
 * keys under passwords; what cannot be read is recognised and answered with the way around it.
 * Nothing in a file is believed: roots in it are certificates like others. Sizes, nesting, counts
 * and password work are bounded by the LIMIT_IMPORT_ and LIMIT_PBE_ names, for all files together.
 * One owner, not thread-safe; meant for a process with limits of its own.
 */

#include "common/crypto/cert.h"
#include "common/crypto/pbe.h"

struct lift;

enum lift_kind { LIFT_KEY, LIFT_CERT, LIFT_CSR, LIFT_CRL, LIFT_PROBLEM, LIFT_KIND__COUNT };

enum lift_why {
	LIFT_DAMAGED,         /* cut short, or bytes that are not what they should be */
	LIFT_NOTHING,         /* a file in which there is nothing of use */
	LIFT_FOREIGN,         /* a format that is not read here; the text says how to convert it */
	LIFT_PASSWORD_NEEDED, /* none was given */
	LIFT_PASSWORD_WRONG,
	LIFT_UNSUPPORTED, /* an algorithm that is not here */
	LIFT_NOT_TAKEN,   /* a key type or size that is refused */
	LIFT_TOO_MUCH,    /* over a limit */
	/* those that lift_check lets pass */
	LIFT_IGNORED,    /* of no use: public keys, parameters, a second copy */
	LIFT_UNVERIFIED, /* a PKCS#12 file without an integrity code */
	LIFT_WHY__COUNT,
};
/* "damaged", "password-wrong", ...: stable, for programs. */
const char *lift_why_name(enum lift_why why);
const char *lift_kind_name(enum lift_kind kind);
/* The code that lift_check gives a problem; 0 for a remark. */
int lift_why_code(enum lift_why why);

#define LIFT_NO_PAIR SIZE_MAX

/* Everything is borrowed from the lift. */
struct lift_item {
	enum lift_kind kind;
	const char *file; /* as given to lift_add */
	const char
	    *place; /* "block 2 at line 14 (CERTIFICATE)", "bag 3"; "" for a file that is it */
	const char *label; /* the friendly name, escaped for a terminal, or NULL */

	struct pkey *key;  /* LIFT_KEY; of LIFT_CSR the public key */
	struct cert *cert; /* LIFT_CERT */
	struct span der;   /* LIFT_CSR, LIFT_CRL */
	bool was_locked;   /* of a key: it lay under a password */

	/* after lift_match */
	bool is_leaf; /* of a certificate: no issuer of others, or it has its key here */
	size_t pair;  /* index of the certificate of a key, of the key of a certificate or CSR */

	enum lift_why why; /* LIFT_PROBLEM */
	const char *text;  /* the whole of it: file, place, what, and what to do */
};

struct lift_params {
	/* Tried in this order, then the empty one for PKCS#12; borrowed for the life of the lift.
	 */
	const struct secret *const *passwords;
	size_t password_count;     /* at most LIMIT_IMPORT_PASSWORDS */
	struct pbe_budget *budget; /* NULL: PBE_BUDGET */
};

struct lift *lift_new(const struct lift_params *p);
void lift_free(struct lift *l);
DEFINE_FREEP(struct lift, lift_free)

/* One file, or a pasted text; name is for people, and for formats that are known by it. */
void lift_add(struct lift *l, const char *name, struct span bytes);
/* Finds pairs, tells leaves from issuers. Call when all files were added. */
void lift_match(struct lift *l);

size_t lift_count(const struct lift *l);
const struct lift_item *lift_at(const struct lift *l, size_t i);
size_t lift_count_of(const struct lift *l, enum lift_kind kind);

/*
 * 0, or the first problem that is more than a remark: ERR_PARSE, ERR_DENIED (password missing or
 * wrong), ERR_UNAVAIL (algorithm or format), ERR_INVALID (key type), ERR_LIMIT, ERR_NOTFOUND. The
 * text of the error is that of the item, cut.
 */
NODISCARD int lift_check(const struct lift *l, struct err *err);

#endif
