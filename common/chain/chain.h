#ifndef COMMON_CHAIN_CHAIN_H
#define COMMON_CHAIN_CHAIN_H

/*
 * The best chain for a leaf, out of whatever certificates there are, and what is to be said of it.
 * A search of its own, since OpenSSL's does not go back from a wrong turn: two intermediates of the
 * same name and key, of which one leads to a root, are enough to make it fail. All paths are
 * weighed, in work that is bounded however certificates sign each other. Pure functions, any
 * thread.
 */

#include "common/crypto/cert.h"

enum chain_grade { CHAIN_GREEN, CHAIN_YELLOW, CHAIN_RED, CHAIN_GRADE__COUNT };
const char *chain_grade_name(enum chain_grade grade); /* "green", ... */

enum chain_code {
	/* remarks: green */
	CHAIN_SURPLUS, /* certificates that were given and are of no use */
	/* yellow */
	CHAIN_INCOMPLETE,     /* the issuer of the last one is nowhere */
	CHAIN_ROOT_UNTRUSTED, /* it ends in a root that is not among the trusted ones */
	CHAIN_ROOT_EXPIRED,
	CHAIN_NOT_PREFERRED, /* no way to the root that was preferred */
	CHAIN_NOT_YET_VALID,
	CHAIN_WEAK_HASH, /* SHA-1 */
	CHAIN_PURPOSE,   /* the leaf may not be used for what it is for */
	CHAIN_NO_NAMES,
	CHAIN_ISSUER_ENDS, /* an issuer runs out before the leaf */
	CHAIN_SEARCH_CUT,  /* too many certificates to look at all of them */
	/* red */
	CHAIN_LEAF_EXPIRED,
	CHAIN_LEAF_IS_CA,
	CHAIN_KEY_MISMATCH,
	CHAIN_ISSUER_EXPIRED, /* or not yet valid */
	CHAIN_ISSUER_NOT_CA,
	CHAIN_KEY_USAGE,
	CHAIN_PATH_LENGTH,
	CHAIN_NAME_CONSTRAINTS,
	CHAIN_BROKEN_HASH, /* MD5 and older */
	CHAIN_WEAK_KEY,
	CHAIN_NOT_VERIFIED, /* OpenSSL refuses it */
	CHAIN_CODE__COUNT,
};
/* "surplus", "incomplete", ...: stable, for programs. */
const char *chain_code_name(enum chain_code code);
enum chain_grade chain_code_grade(enum chain_code code);

#define CHAIN_REASONS_MAX 24
#define CHAIN_REASON_TEXT 200
struct chain_reason {
	enum chain_code code;
	char text[CHAIN_REASON_TEXT]; /* a sentence without its full stop; names the certificate */
};

struct certs {
	const struct cert *const *list;
	size_t count;
};

struct chain_params {
	const struct cert *leaf;
	struct certs given; /* with the leaf: what a file or a CA's answer held */
	struct certs known; /* stored intermediates: they complete, and are not trusted */
	struct certs roots; /* trusted roots */
	int64_t now;
	enum leaf_profile purpose;
	const struct pkey *key; /* that should be the leaf's; NULL: not looked at */
	/*
	 * The root to end in if there is a way: SHA-256 of it in hexadecimal (colons allowed), or a
	 * part of its subject. NULL or "": none.
	 */
	const char *preferred;
};

struct chain {
	struct cert *path[LIMIT_CHAIN]; /* leaf first; references */
	size_t count;
	bool has_root; /* the last is a trusted root, or any root: not to be sent unless wanted */
	bool is_trusted;
	enum chain_grade grade; /* the worst of the reasons */
	struct chain_reason reasons[CHAIN_REASONS_MAX];
	size_t reason_count;
};

/* Always gives a chain, of the leaf alone if there is nothing else. */
void chain_find(const struct chain_params *p, struct chain *out);
void chain_fini(struct chain *c);
/* How many of path a server sends: without the root, but never nothing. */
size_t chain_sent(const struct chain *c, bool with_root);

#endif
