#ifndef TESTS_UNIT_COMMON_CHAIN_MAKER_H
#define TESTS_UNIT_COMMON_CHAIN_MAKER_H

/*
 * Certificates of every kind, right and wrong, made by OpenSSL from one line each, and what the
 * parts of test_common_chain share.
 */

#include "common/chain/chain.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NOW INT64_C(1795000000) /* November 2026 */
#define DAY INT64_C(86400)
#define KEYS 48

struct recipe {
	const char *subject; /* common name; its key is keys[key] */
	unsigned key;
	const char *issuer;
	unsigned issuer_key;
	bool leaf;              /* else a CA */
	int from, to;           /* days from now; 0, 0: -10, 100 */
	const char *extensions; /* "name=value;name=value", \x01 for a ";" in a value */
	const char *hash;       /* NULL: SHA-256 */
};

struct cert *make(const struct recipe *r);
struct pkey *make_key_of(unsigned key);
void maker_end(void);

/* A set of certificates under one-letter names, for tables. */
struct shelf {
	const struct cert *list[64];
	struct cert *own[64];
	char names[64];
	size_t count;
};
void shelf_put(struct shelf *s, char name, const struct recipe *r);
void shelf_fini(struct shelf *s);
/* The certificates with these letters, in this order, in a static array of its own. */
struct certs shelf_get(const struct shelf *s, const char *letters);
/* The letters of a path. */
const char *path_of(const struct shelf *s, const struct chain *c);
bool has_reason(const struct chain *c, enum chain_code code);
/* The codes of all reasons, with blanks between. */
const char *reasons_of(const struct chain *c);

int check_queue(void **state);
#define TEST(f) cmocka_unit_test_teardown(f, check_queue)

int run_chain_tests(void);
int run_judge_tests(void);

#endif
