#ifndef TESTS_SUPPORT_OUTSIDE_H
#define TESTS_SUPPORT_OUTSIDE_H

/* A CA that no domain knows: a root, an issuer below it, and another root. Aborts on failure. */

#include "common/crypto/cert.h"

struct outside {
	struct pkey *root_key, *issuer_key, *other_key;
	struct cert *root, *issuer, *other;
};

void outside_init(struct outside *ca, int64_t now);
void outside_fini(struct outside *ca);
/* A leaf of the issuer, for servers and clients. */
struct cert *outside_sign(const struct outside *ca, const struct pkey *key,
    const char *const *names, size_t count, int64_t from, int64_t to);

#endif
